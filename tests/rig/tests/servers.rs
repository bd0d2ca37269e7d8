//! What the throw-away servers offer beside accounts and rooms, and how they end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{SOON, ejabberd, on_both_servers, until};

#[on_both_servers]
async fn strangers_get_in_anonymously_and_each_is_somebody_else() {
    let server = Server::start(Kind::current(), Options::default()).await;
    let host = server.anonymous_host();
    let (one, other) = (
        Client::login_anonymously(server.address(), &host).await,
        Client::login_anonymously(server.address(), &host).await,
    );
    assert!(one.jid().contains(&format!("@{host}/")), "{}", one.jid());
    assert_ne!(one.jid().split('@').next(), other.jid().split('@').next());
    one.join(&server.room("capulet"), "Somebody").await;
}

/// Prosody has no such way to log in.
#[tokio::test]
async fn ejabberd_takes_a_token_of_our_key_for_the_jid_that_it_names_as_long_as_it_lives() {
    let server = Server::start(Kind::Ejabberd, Options::default()).await;
    let jid = format!("romeo@{}", server.jwt_host());
    let minute = Duration::from_secs(60);
    let token = ejabberd::token(&jid, minute);
    let romeo = Client::login(server.address(), &jid, &token).await;
    assert!(romeo.jid().starts_with(&format!("{jid}/")), "{}", romeo.jid());
    let juliet = format!("juliet@{}", server.jwt_host());
    let forged = format!("{}.AAAA", token.rsplit_once('.').unwrap().0);
    let expired = ejabberd::token(&jid, Duration::ZERO);
    for (who, password, why) in [(&juliet, &token, "another's"), (&jid, &forged, "forged"), (&jid, &expired, "expired")]
    {
        assert!(Client::try_login(server.address(), who, password).await.is_err(), "a token that is {why}");
    }
}

#[on_both_servers]
async fn with_a_certificate_there_is_starttls_and_direct_tls() {
    let certificate = Certificate::for_host("xmpp.test");
    let options = Options { certificate: Some(certificate.clone()), ..Options::default() };
    let server = Server::start(Kind::current(), options).await;
    for (address, more) in
        [(server.address(), &["-starttls", "xmpp", "-xmpphost", "xmpp.test"][..]), (server.direct_tls(), &[])]
    {
        assert_eq!(verify(address, &certificate, more), (Some(0), true), "{address}");
    }
}

/// What the program openssl says: its status, and whether the certificate is right for xmpp.test.
fn verify(address: SocketAddr, certificate: &Certificate, more: &[&str]) -> (Option<i32>, bool) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-servername", "xmpp.test"]).args(more);
    command.args(["-verify_hostname", "xmpp.test", "-verify_return_error", "-CAfile"]).arg(certificate.authority());
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).contains("Verify return code: 0 (ok)"))
}

/// ejabberd's modules are Erlang, and what comes along with mucfocus is for Prosody.
#[tokio::test]
async fn prosody_loads_modules_of_ours_and_has_the_hosts_that_use_them() {
    let place = tempfile::tempdir().unwrap();
    let module = "local new = require 'util.sasl'.new; local provider = {}\n\
                  function provider.get_sasl_handler() return new(module.host, { plain_test = function(_, _, password) \n\
                  return password == 'sesame', true end }) end\n\
                  module:provides('auth', provider)\n";
    std::fs::write(place.path().join("mod_auth_sesame.lua"), module).unwrap();
    let options = Options {
        prosody_modules: Some(place.path().to_owned()),
        prosody_hosts: "VirtualHost \"sesame.test\"\n  authentication = \"sesame\"\n".into(),
        ..Options::default()
    };
    let server = Server::start(Kind::Prosody, options).await;
    Client::login(server.address(), "anybody@sesame.test", "sesame").await;
    assert!(Client::try_login(server.address(), "anybody@sesame.test", "verona").await.is_err());
}

/// Debian's limits slow a client down that the rig's usual configuration lets through at once.
#[on_both_servers]
async fn stock_limits_are_there_for_who_asks_for_them() {
    let mut times = Vec::new();
    for stock_limits in [false, true] {
        let accounts = vec![("romeo".to_owned(), "verona".to_owned())];
        let server = Server::start(Kind::current(), Options { accounts, stock_limits, ..Options::default() }).await;
        let romeo = Client::login(server.address(), "romeo@xmpp.test", "verona").await;
        let room = server.room("capulet");
        romeo.join(&room, "Romeo").await;
        let begun = Instant::now();
        for n in 0..4 {
            romeo.say(&room, &format!("{n} {}", "x".repeat(9_000)));
        }
        romeo.say(&room, "done");
        romeo.hears(&room, "done").await;
        times.push(begun.elapsed());
    }
    assert!(times[1] > times[0] + Duration::from_secs(1), "{times:?}");
}

#[on_both_servers]
async fn a_test_gets_the_server_that_it_is_named_after() {
    let thread = std::thread::current();
    let server = Server::start(Kind::current(), Options::default()).await;
    let name = thread.name().unwrap();
    assert!(name.ends_with(&format!("::{}", server.kind().name())), "{name}");
    let program = std::fs::read_to_string(format!("/proc/{}/comm", server.id())).unwrap();
    let expected = if server.kind() == Kind::Ejabberd { "beam.smp" } else { "lua" };
    assert!(program.starts_with(expected) || program.trim() == server.kind().name(), "{program}");
}

/// A test that is killed drops nothing. The system ends its servers all the same, also those that stand still.
#[on_both_servers]
async fn a_server_does_not_outlive_who_started_it() {
    let kind = Kind::current();
    let place = tempfile::tempdir().unwrap();
    let options = Options { directory: Some(place.path().join("server")), ..Options::default() };
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut server = runtime.block_on(Server::start(kind, options));
        server.freeze();
        let id = server.id();
        std::mem::forget(server);
        id
    });
    let id = started.join().unwrap();
    until(|| is_gone(id), SOON, "the end of the server").await;
}

/// Whether a process has ended, be it that nobody has asked for its status yet.
fn is_gone(id: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new(&format!("/proc/{id}/stat"))).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// No epmd, no port for other Erlang machines: the only listener is the one that was asked for.
#[tokio::test]
async fn ejabberd_listens_where_it_was_told_to_and_nowhere_else() {
    let server = Server::start(Kind::Ejabberd, Options::default()).await;
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
    let sockets: Vec<String> = sockets
        .filter_map(|fd| {
            std::fs::read_link(fd.unwrap().path()).ok()?.to_str()?.strip_prefix("socket:[").map(str::to_owned)
        })
        .collect();
    let mut listening = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A: LISTEN; 07: a UDP socket that is not connected.
            if matches!(fields[3], "0A" | "07") && sockets.iter().any(|s| s.trim_end_matches(']') == fields[9]) {
                listening.push(fields[1].to_owned());
            }
        }
    }
    assert_eq!(listening, [format!("0100007F:{:04X}", server.address().port())]);
}
