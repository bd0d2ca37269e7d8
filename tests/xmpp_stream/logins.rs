//! The ways to log in that need no password of one's own, against real servers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jid::BareJid;
use mucfocus::hub::mail::{StreamEnd, StreamMail};
use mucfocus::observe::metrics::Metrics;
use mucfocus::xmpp::minted;
use mucfocus::xmpp::pool::Pool;
use mucfocus::xmpp::settings::{Account, Login, Tls};
use mucfocus_core::room::io::AccountKey;
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::{SOON, ejabberd, on_both_servers, until};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::room::{HOST, PASSWORD, Room, account, settings};

const ROOM: &str = "capulet@muc.xmpp.test";
/// The virtual host whose users mucfocus makes up.
const PHONES: &str = "phones.xmpp.test";
const OLD: &str = "It is the east, and Juliet is the sun.";
const NEW: &str = "Arise, fair sun, and kill the envious moon.";

fn with_login(jid: &str, login: Login, server: &Server) -> Account {
    let jid = BareJid::new(jid).expect("a JID");
    Account {
        key: AccountKey::named(&jid),
        user: String::new(),
        jid,
        login,
        server: account("x", server.address()).server,
    }
}

fn minting(user: &str, secret: &str, server: &Server) -> Account {
    with_login(&format!("{user}@{PHONES}"), Login::Hmac(secret.into()), server)
}

fn nameless(who: &str, server: &Server) -> Account {
    let domain = server.anonymous_host();
    let key = AccountKey::anonymous(&domain, who);
    Account { key, ..with_login(&domain, Login::Anonymous, server) }
}

fn encrypted(account: Account, tls: Tls, server: &Server, certificate: &Certificate) -> Account {
    let address = if tls == Tls::Direct { server.direct_tls() } else { server.address() };
    let address = Some((address.ip().to_string(), address.port()));
    let ca_file = Some(certificate.authority());
    Account { server: mucfocus::xmpp::settings::Server { address, tls, ca_file }, ..account }
}

/// Logs in, and says who one is then or why not.
async fn log_in(account: &Account) -> Result<String, String> {
    match Room::attach(&Pool::new(settings()), account, ROOM).mail().await {
        StreamMail::Ready { bound } => Ok(bound.to_bare().to_string()),
        StreamMail::Ended(StreamEnd::LoginRefused(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[on_both_servers]
async fn who_has_no_name_is_given_one_that_nobody_else_has() {
    let certificate = Certificate::for_host(HOST);
    for certificate in [None, Some(certificate)] {
        let options = Options { certificate: certificate.clone(), ..Options::default() };
        let server = Server::start(Kind::current(), options).await;
        let secured = |account| match &certificate {
            None => account,
            Some(certificate) => encrypted(account, Tls::Starttls, &server, certificate),
        };
        let pool = Pool::new(settings());
        let one = secured(nameless("sip:a@example.org", &server));
        let two = secured(nameless("sip:b@example.org", &server));
        let (mut guest, first) = Room::join(&pool, &one, ROOM, "Guest").await;
        let (mut other, second) = Room::join(&pool, &two, ROOM, "Other").await;
        assert_eq!(first.domain().as_str(), server.anonymous_host());
        assert!(first.node().is_some() && first.to_bare() != second.to_bare(), "{first} and {second}");
        guest.say("g1", "who goes there");
        assert_eq!(guest.hears().await.2, "who goes there");
        assert_eq!(other.hears().await.0, "Guest");
        // Two rooms of one caller are one stream.
        let (_montague, third) = Room::join(&pool, &one, "montague@muc.xmpp.test", "Guest").await;
        assert_eq!((third, pool.streams()), (first, 2));
    }
}

#[on_both_servers]
async fn a_server_that_wants_a_name_lets_nobody_in_without_one() {
    let server = Server::start(Kind::current(), Options::default()).await;
    let (metrics, guest) =
        (Arc::new(Metrics::new()), Account { jid: BareJid::new(HOST).expect("a JID"), ..nameless("a", &server) });
    let end = Room::attach(&Pool::observed(settings(), Arc::clone(&metrics)), &guest, ROOM).end().await;
    let StreamEnd::LoginRefused(why) = end else { panic!("{end:?}") };
    assert!(why.starts_with("the server offers none of ANONYMOUS; "), "{why}");
    let counted = r#"mucfocus_xmpp_logins_total{login="anonymous",outcome="refused"} 1"#;
    assert!(metrics.exposition().contains(counted), "{}", metrics.exposition());
    // Nor does one without accounts take a password.
    let named = format!("romeo@{}", server.anonymous_host());
    log_in(&with_login(&named, Login::Password(PASSWORD.into()), &server)).await.expect_err("refused");
}

#[on_both_servers]
async fn a_stream_can_begin_with_tls() {
    let certificate = Certificate::for_host(HOST);
    let accounts = vec![("romeo".to_owned(), PASSWORD.to_owned())];
    let options = Options { accounts, certificate: Some(certificate.clone()), ..Options::default() };
    let server = Server::start(Kind::current(), options).await;
    let pool = Pool::new(settings());
    let romeo = encrypted(account("romeo", server.address()), Tls::Direct, &server, &certificate);
    let (mut room, bound) = Room::join(&pool, &romeo, ROOM, "Romeo").await;
    assert_eq!(bound.to_bare().as_str(), "romeo@xmpp.test");
    room.say("m1", "but soft");
    assert_eq!(room.hears().await.2, "but soft");

    let stranger = Certificate::for_host(HOST);
    let end =
        Room::attach(&Pool::new(settings()), &encrypted(romeo, Tls::Direct, &server, &stranger), ROOM).end().await;
    assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains("whom we trust")), "{end:?}");
}

/// On ejabberd alone: Prosody takes no tokens.
#[tokio::test]
async fn a_token_is_good_for_its_account_and_a_minute() {
    let certificate = Certificate::for_host(HOST);
    let options = Options { certificate: Some(certificate.clone()), ..Options::default() };
    let server = Server::start(Kind::Ejabberd, options).await;
    let romeo = format!("romeo@{}", server.jwt_host());
    let secret = || SecretString::from(ejabberd::JWT_SECRET);
    let secured = |login| encrypted(with_login(&romeo, login, &server), Tls::Starttls, &server, &certificate);

    assert_eq!(log_in(&secured(Login::Jwt(secret()))).await, Ok(romeo.clone()));
    let why = log_in(&secured(Login::Jwt(OLD.into()))).await.expect_err("another secret");
    assert!(why.starts_with("not-authorized; ") && why.contains("clocks"), "{why}");

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let shown = |token: SecretString| secured(Login::Password(token));
    let jid = BareJid::new(&romeo).expect("a JID");
    assert_eq!(log_in(&shown(minted::token(&secret(), &jid, now))).await, Ok(romeo.clone()));
    log_in(&shown(minted::token(&secret(), &jid, now - minted::TOKEN_LIFE - 1))).await.expect_err("too late");
    let juliet = BareJid::new(&format!("juliet@{}", server.jwt_host())).expect("a JID");
    log_in(&shown(minted::token(&secret(), &juliet, now))).await.expect_err("another account");
}

/// A directory that Prosody can read, with the module and files of secrets.
struct Mint(TempDir);

impl Mint {
    fn new() -> Self {
        let directory = TempDir::with_prefix("mint-").expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let mint = Self(directory);
        mint.write("old.key", &format!("{OLD}\n"));
        mint.write("new.key", NEW);
        mint.write("short.key", "thirty-one octets are one short\n");
        mint
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("writes");
    }

    /// A virtual host with the module in charge.
    fn host(&self, host: &str, keys: &[&str], lines: &str) -> String {
        let files: Vec<_> = keys.iter().map(|key| format!("{:?}", self.path(key))).collect();
        let files = files.join(", ");
        format!(
            "VirtualHost \"{host}\"\n  authentication = \"mucfocus\"\n  mucfocus_secret_files = {{ {files} }}\n  {lines}\n"
        )
    }

    async fn prosody(&self, hosts: String, certificate: Option<Certificate>) -> Server {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prosody");
        let accounts = vec![("romeo".to_owned(), PASSWORD.to_owned())];
        let options = Options {
            accounts,
            certificate,
            prosody_hosts: hosts,
            prosody_modules: Some(modules),
            ..Options::default()
        };
        Server::start(Kind::Prosody, options).await
    }
}

/// Has Prosody read its configuration again.
async fn reload(server: &Server) {
    let hang_up = Command::new("kill").args(["-HUP", &server.id().to_string()]).status().expect("the program kill");
    assert!(hang_up.success());
    until(|| server.log_tail(200).contains("Reloading configuration file"), SOON, "Prosody reloads").await;
}

/// What stands between ours and everybody else's accounts; on Prosody, whose module it is.
#[tokio::test]
async fn a_minted_password_lets_in_whom_it_was_minted_for() {
    let mint = Mint::new();
    let certificate = Certificate::for_host(HOST);
    let server = mint.prosody(mint.host(PHONES, &["old.key"], ""), Some(certificate.clone())).await;
    let secured = |account| encrypted(account, Tls::Starttls, &server, &certificate);
    let pool = Pool::new(settings());

    let (mut romeo, bound) = Room::join(&pool, &secured(minting("romeo", OLD, &server)), ROOM, "Romeo").await;
    assert_eq!(bound.to_bare().as_str(), "romeo@phones.xmpp.test");
    // XEP-0106, as it comes out of the mapping.
    let number = minting("+4930\\40pbx", OLD, &server);
    let (mut phone, bound) = Room::join(&pool, &secured(number), ROOM, "Phone").await;
    assert_eq!(bound.to_bare().as_str(), "+4930\\40pbx@phones.xmpp.test");
    romeo.say("m1", "but soft");
    assert_eq!(romeo.hears().await.2, "but soft");
    assert_eq!(phone.hears().await.0, "Romeo");

    let why = log_in(&secured(minting("romeo", NEW, &server))).await.expect_err("another secret");
    assert!(why.starts_with("not-authorized; ") && why.contains("mod_auth_mucfocus"), "{why}");
    let juliet = BareJid::new(&format!("juliet@{PHONES}")).expect("a JID");
    let hers = Login::Password(minted::password(&OLD.into(), &juliet));
    let posing = |user: &str| secured(with_login(&format!("{user}@{PHONES}"), hers.clone(), &server));
    log_in(&posing("romeo")).await.expect_err("another account");
    assert_eq!(log_in(&posing("juliet")).await, Ok(juliet.to_string()));
    let upper = Login::Password(minted::password(&OLD.into(), &juliet).expose_secret().to_uppercase().into());
    log_in(&secured(with_login(juliet.as_str(), upper, &server))).await.expect_err("not lower case");
}

/// The module is for its own virtual host, on Prosody.
#[tokio::test]
async fn accounts_of_other_hosts_are_what_they_were() {
    let mint = Mint::new();
    let server = mint.prosody(mint.host(PHONES, &["old.key"], ""), None).await;
    log_in(&with_login("romeo@xmpp.test", Login::Hmac(OLD.into()), &server)).await.expect_err("a real account");
    assert_eq!(log_in(&account("romeo", server.address())).await, Ok("romeo@xmpp.test".into()));
    let password = Login::Password(PASSWORD.into());
    log_in(&with_login("romeo@phones.xmpp.test", password, &server)).await.expect_err("a password of another host");
}

/// With a secret on the way out and one on the way in; on Prosody, whose module it is.
#[tokio::test]
async fn a_secret_can_be_changed_while_streams_are_up() {
    let mint = Mint::new();
    let server = mint.prosody(mint.host(PHONES, &["old.key", "new.key"], ""), None).await;
    let pool = Pool::new(settings());
    let (mut romeo, _) = Room::join(&pool, &minting("romeo", OLD, &server), ROOM, "Romeo").await;
    assert_eq!(log_in(&minting("juliet", NEW, &server)).await, Ok("juliet@phones.xmpp.test".into()));

    // Both files become the new one, and Prosody is told.
    mint.write("old.key", NEW);
    reload(&server).await;
    let why = log_in(&minting("mercutio", OLD, &server)).await.expect_err("the old secret");
    assert!(why.starts_with("not-authorized"), "{why}");
    assert_eq!(log_in(&minting("mercutio", NEW, &server)).await, Ok("mercutio@phones.xmpp.test".into()));
    romeo.say("m1", "still here");
    assert_eq!(romeo.hears().await.2, "still here");
}

/// A secret that leaks is of no use elsewhere; on Prosody, whose module it is.
#[tokio::test]
async fn the_right_password_from_another_address_is_refused() {
    let mint = Mint::new();
    let hosts = [
        mint.host("far.xmpp.test", &["old.key"], r#"mucfocus_addresses = { "127.0.0.2", "10.0.0.0/8", "::1" }"#),
        mint.host("near.xmpp.test", &["old.key"], r#"mucfocus_addresses = { "10.0.0.1", "127.0.0.0/30" }"#),
    ];
    let server = mint.prosody(hosts.concat(), None).await;
    let at = |host: &str| with_login(&format!("romeo@{host}"), Login::Hmac(OLD.into()), &server);
    assert_eq!(log_in(&at("near.xmpp.test")).await, Ok("romeo@near.xmpp.test".into()));
    let why = log_in(&at("far.xmpp.test")).await.expect_err("another address");
    assert!(why.starts_with("not-authorized; ") && why.contains("mucfocus_addresses"), "{why}");
    let log = server.log_tail(50);
    assert!(log.contains("Right password for romeo from 127.0.0.1, which is not in mucfocus_addresses"), "{log}");
}

/// Better nobody than everybody; on Prosody, whose module it is.
#[tokio::test]
async fn without_a_proper_secret_the_module_lets_nobody_in_and_says_why() {
    let mint = Mint::new();
    let hosts = [
        mint.host("absent.xmpp.test", &["absent.key"], ""),
        mint.host("short.xmpp.test", &["short.key"], ""),
        mint.host("many.xmpp.test", &["old.key", "new.key", "old.key"], ""),
        mint.host("lost.xmpp.test", &["old.key"], r#"mucfocus_addresses = { "mucfocus.example" }"#),
    ];
    let server = mint.prosody(hosts.concat(), None).await;
    for (host, secret) in [
        ("absent.xmpp.test", ""),
        ("short.xmpp.test", "thirty-one octets are one short"),
        ("many.xmpp.test", OLD),
        ("lost.xmpp.test", OLD),
    ] {
        let romeo = with_login(&format!("romeo@{host}"), Login::Hmac(secret.into()), &server);
        let why = log_in(&romeo).await.expect_err(host);
        assert!(why.starts_with("not-authorized; "), "{why}");
    }
    let log = server.log_tail(200);
    for reason in [
        "absent.key: No such file",
        "short.key has fewer than 32 octets",
        "mucfocus_secret_files of many.xmpp.test has to list one file",
        "\"mucfocus.example\" is neither an address nor a network",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    // Put right, it needs no restart.
    mint.write("absent.key", OLD);
    reload(&server).await;
    let romeo = with_login("romeo@absent.xmpp.test", Login::Hmac(OLD.into()), &server);
    assert_eq!(log_in(&romeo).await, Ok("romeo@absent.xmpp.test".into()));
}

/// PLAIN in clear text has to be allowed there; on Prosody, whose option it is.
#[tokio::test]
async fn where_a_host_offers_no_way_to_log_in_the_reason_says_what_it_needs() {
    let mint = Mint::new();
    let server = mint.prosody(mint.host(PHONES, &["old.key"], "allow_unencrypted_plain_auth = false"), None).await;
    let end = Room::attach(&Pool::new(settings()), &minting("romeo", OLD, &server), ROOM).end().await;
    let StreamEnd::Unreachable(why) = end else { panic!("{end:?}") };
    assert!(why.contains("allow_unencrypted_plain_auth = true"), "{why}");
}
