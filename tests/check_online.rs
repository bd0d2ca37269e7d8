//! `mucfocus check --online` against real servers: what it says of what is there and of what is not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::process::{Command, Stdio};

use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::ejabberd::JWT_SECRET;
use mucfocus_rig::mucfocus::write_private;
use mucfocus_rig::on_both_servers;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xmpp::Client;
use tempfile::TempDir;

async fn server(certificate: Option<Certificate>) -> Server {
    let accounts = vec![("romeo".to_owned(), "verona".to_owned())];
    Server::start(Kind::current(), Options { accounts, certificate, ..Options::default() }).await
}

fn account(sip: &str, jid: &str, login: &str) -> String {
    format!("[[accounts]]\nsip = \"sip:{sip}\"\njid = \"{jid}\"\n{login}\n")
}

fn room(sip: &str, muc: &str) -> String {
    format!("[[rooms]]\nsip = \"sip:{sip}@rooms.example.com\"\nmuc = \"{muc}\"\n")
}

/// Status, standard output and standard error of the check.
async fn check(server: &Server, xmpp: &str, rest: &str, more: &'static [&'static str]) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.toml");
    let text = format!(
        "[sip]\nlisten = [\"tcp:127.0.0.1:0\"]\ndomains = [\"rooms.example.com\"]\n\
         [sip.auth]\ntrusted_peers = [\"127.0.0.1\"]\n[msrp]\nlisten = [\"tcp:127.0.0.1:0\"]\n\
         [xmpp]\nserver = \"{}\"\n{xmpp}\n{rest}",
        server.address()
    );
    write_private(&folder.path().join("verona"), "verona");
    write_private(&folder.path().join("padua"), "padua");
    write_private(&folder.path().join("jwt"), JWT_SECRET);
    write_private(&file, &text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mucfocus"));
    command.args(["check", "--online", "--config"]).arg(&file).args(more).stdin(Stdio::null()).env_remove("RUST_LOG");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Whether a line of `out` begins with this section and level and holds `part`.
#[track_caller]
fn says(out: &str, section: &str, level: &str, part: &str) {
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some(section) && words.next() == Some(level) && line.contains(part)
    };
    assert!(out.lines().any(of), "no {level} of {section} with {part:?} in:\n{out}");
}

#[on_both_servers]
async fn a_server_that_has_all_that_is_asked_for_passes_the_strictest_check() {
    let server = server(None).await;
    let accounts = account("romeo@example.org", &format!("romeo@{}", server.host()), "password_file = \"verona\"")
        + &account("*@*", &server.anonymous_host(), "login = \"anonymous\"");
    let rest = accounts + &room("{room}", &server.room("{room}"));
    let (status, out, err) = check(&server, "tls = \"off\"", &rest, &["--strict"]).await;
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    says(&out, "accounts", "ok", &format!("romeo@{} can log in", server.host()));
    says(&out, "accounts", "ok", &format!("somebody at {} can log in", server.anonymous_host()));
    says(&out, "rooms", "ok", "is a MUC service");
    assert!(out.ends_with("\nok\n"), "{out}");
}

#[on_both_servers]
async fn what_the_server_lacks_is_said_in_its_section_with_what_to_do() {
    let server = server(None).await;
    let jid = |user: &str| format!("{user}@{}", server.host());
    let rest = account("romeo@example.org", &jid("romeo"), "password_file = \"padua\"")
        + &account("juliet@example.org", &jid("juliet"), "password_file = \"verona\"")
        + &account("paris@example.org", &format!("paris@{}", server.host()), "login = \"jwt\"\nsecret_file = \"jwt\"")
        + &account("*@*", &server.anonymous_host(), "login = \"anonymous\"")
        + &room("capulet", &server.room("capulet"))
        + &room("{room}", &jid("{room}").replace(server.host(), "nowhere.xmpp.test"));
    let (status, out, _) = check(&server, "tls = \"off\"", &rest, &[]).await;
    assert_eq!(status, 1, "{out}");
    says(&out, "accounts", "error", &format!("{} cannot log in", jid("romeo")));
    says(&out, "accounts", "error", "let the account and the password file say the same");
    says(&out, "accounts", "error", "`mucfocus print ejabberd` shows how");
    says(&out, "rooms", "error", &format!("{} is not there: calls get 404", server.room("capulet")));
    says(&out, "rooms", "error", "nowhere.xmpp.test does not answer");
    for line in out.lines().filter(|line| line.contains("  error  ") || line.contains("  warning  ")) {
        assert!(line.contains("; "), "nothing to do: {line}");
    }
    let (status, json, _) = check(&server, "tls = \"off\"", &rest, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let online = json.get("online").and_then(|o| o.as_array()).unwrap();
    let errors = online.iter().filter(|seen| seen.get("level").is_some_and(|level| level == "error")).count();
    assert_eq!((status, errors), (1, 5), "{json:#}");
    // Of the file itself there are no errors.
    assert_eq!(json.get("errors"), Some(&errors.into()), "{json:#}");
    let warnings = online.iter().filter(|seen| seen.get("level").is_some_and(|level| level == "warning")).count();
    let of_file = json.get("findings").and_then(|f| f.as_array()).unwrap().len();
    assert_eq!(json.get("warnings"), Some(&(warnings + of_file).into()), "{json:#}");
}

#[on_both_servers]
async fn of_a_moderated_room_it_is_said_what_may_be_and_when_nothing_is_to_be_done() {
    let server = server(None).await;
    let jid = format!("romeo@{}", server.host());
    let romeo = Client::login(server.address(), &jid, "verona").await;
    let muc = server.room("moderated");
    romeo.join(&muc, "Romeo").await;
    romeo.configure(&muc, &[("moderatedroom", "1"), ("persistentroom", "1")]).await;
    let rest = account("romeo@example.org", &jid, "password_file = \"verona\"") + &room("moderated", &muc);
    let (status, out, _) = check(&server, "tls = \"off\"", &rest, &[]).await;
    assert_eq!(status, 0, "{out}");
    says(&out, "rooms", "warning", "is moderated: who enters may be a visitor there");
    says(&out, "rooms", "warning", "nothing, if the room gives voice to all who enter");
}

/// ejabberd alone: Prosody has no such login.
#[tokio::test]
async fn a_rule_that_names_nobody_is_tried_with_somebody_who_is_not_there() {
    let accounts = vec![("romeo".to_owned(), "verona".to_owned())];
    let server = Server::start(Kind::Ejabberd, Options { accounts, ..Options::default() }).await;
    let jid = format!("{{user}}@{}", server.jwt_host());
    let rest = account("{user}@example.org", &jid, "login = \"jwt\"\nsecret_file = \"jwt\"");
    let (status, out, _) = check(&server, "tls = \"off\"", &rest, &[]).await;
    assert_eq!(status, 0, "{out}");
    says(&out, "accounts", "ok", &format!("mucfocus-check@{} can log in", server.jwt_host()));
}

/// SIP-15: whose certificates there are, and for how long.
#[on_both_servers]
async fn certificates_are_named_with_their_ends() {
    let (certificate, own) = (Certificate::for_host("xmpp.test"), Certificate::for_host("focus1.test"));
    let xmpp = format!("ca_file = \"{}\"", certificate.authority().display());
    let server = server(Some(certificate)).await;
    let (chain, key) = own.files();
    let tls = format!("[tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n", chain.display(), key.display());
    let rest = account("romeo@example.org", &format!("romeo@{}", server.host()), "password_file = \"verona\"")
        + &room("{room}", &server.room("{room}"))
        + &tls;
    let (_, out, _) = check(&server, &xmpp, &rest, &[]).await;
    says(&out, "tls", "ok", "the certificate of this node is for focus1.test, *.focus1.test and ends in ");
    // It is of two days.
    let theirs = format!("the certificate of {} is for xmpp.test, *.xmpp.test and ends in ", server.host());
    says(&out, "xmpp", "warning", &theirs);
}

#[on_both_servers]
async fn a_certificate_that_nobody_signed_whom_we_know_is_explained() {
    let server = server(Some(Certificate::for_host("xmpp.test"))).await;
    let rest = account("romeo@example.org", &format!("romeo@{}", server.host()), "password_file = \"verona\"")
        + &room("{room}", &server.room("{room}"));
    let (status, out, _) = check(&server, "", &rest, &[]).await;
    assert_eq!(status, 1, "{out}");
    says(&out, "xmpp", "error", "nobody whom we trust has signed the server's certificate");
    says(&out, "rooms", "warning", "not looked at");
}
