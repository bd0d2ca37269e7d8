//! Logging in with fewer round trips, on a Prosody that knows how: XM-19.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;
use mucfocus::hub::mail::{StreamEnd, StreamMail};
use mucfocus::xmpp::journal::Journal;
use mucfocus::xmpp::pool::Pool;
use mucfocus::xmpp::settings::{Account, Login, Tls};
use mucfocus_core::room::io::AccountKey;
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::proxy::{Break, Proxy};
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::{SOON, until};
use tempfile::TempDir;

use crate::room::{HOST, PASSWORD, Room, account, settings};

const ROOM: &str = "capulet@muc.xmpp.test";

fn modules(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A Prosody with everything, and a relay in front of it.
async fn start(enabled: &[&str], certificate: Option<Certificate>) -> (Server, Proxy) {
    let accounts = ["romeo", "juliet"].map(|user| (user.to_owned(), PASSWORD.to_owned())).to_vec();
    let options =
        Options { accounts, smacks: true, prosody_enabled: modules(enabled), certificate, ..Options::default() };
    let server = Server::start(Kind::Prosody, options).await;
    let proxy = Proxy::start(server.address()).await;
    (server, proxy)
}

const ALL: &[&str] = &["sasl2", "sasl2_bind2", "sasl2_fast"];

/// A pool whose streams close as soon as nobody needs them.
fn impatient() -> Arc<Pool> {
    Pool::with_idle(settings(), Duration::ZERO)
}

/// Joins and leaves; says what the resource was.
async fn comes_and_goes(pool: &Arc<Pool>, account: &Account) -> String {
    let (room, bound) = Room::join(pool, account, ROOM, "Romeo").await;
    drop(room);
    until(|| pool.streams() == 0, SOON, "the stream closes").await;
    bound.resource().to_string()
}

/// Prosody's own word for a resource that was bound on the way in.
fn is_of_bind2(resource: &str) -> bool {
    resource.starts_with("focus1-") && resource.contains('~')
}

#[tokio::test]
async fn who_is_let_in_with_sasl2_is_bound_on_the_way_and_heard() {
    let certificate = Certificate::for_host(HOST);
    for certificate in [None, Some(certificate)] {
        let (server, _) = start(ALL, certificate.clone()).await;
        let mut romeo = account("romeo", server.address());
        if let Some(certificate) = &certificate {
            (romeo.server.tls, romeo.server.ca_file) = (Tls::Starttls, Some(certificate.authority()));
        }
        let pool = Pool::new(settings());
        let (mut room, bound) = Room::join(&pool, &romeo, ROOM, "Romeo").await;
        assert_eq!(bound.to_bare().as_str(), "romeo@xmpp.test");
        assert!(is_of_bind2(bound.resource().as_str()), "{bound}");
        room.say("m1", "but soft");
        assert_eq!(room.hears().await.2, "but soft");
    }
}

/// From the connection to the room, on plain TCP: the stream, SCRAM in two, another stream, the resource, the room; without the
/// other stream; without the resource; with a token in place of SCRAM.
#[tokio::test]
async fn each_way_in_takes_fewer_round_trips_than_the_one_before() {
    for (enabled, expected) in [(&[][..], 6), (&["sasl2"], 5), (&["sasl2", "sasl2_bind2"], 4), (ALL, 3)] {
        let (_server, proxy) = start(enabled, None).await;
        let (pool, romeo) = (impatient(), account("romeo", proxy.address()));
        comes_and_goes(&pool, &romeo).await;
        proxy.round_trips();
        let _joined = Room::join(&pool, &romeo, ROOM, "Romeo").await;
        assert_eq!(proxy.round_trips(), expected, "with {enabled:?}");
    }
}

/// The token lets in whom the password would not: nobody has sent it.
#[tokio::test]
async fn the_second_login_shows_a_token_and_one_that_is_lost_is_no_loss() {
    let (mut server, proxy) = start(ALL, None).await;
    let (pool, romeo) = (impatient(), account("romeo", proxy.address()));
    comes_and_goes(&pool, &romeo).await;
    assert_eq!(proxy.connections(), 1);
    let wrong = Account { login: Login::Password("montague".to_owned().into()), ..romeo.clone() };
    assert!(is_of_bind2(&comes_and_goes(&pool, &wrong).await));
    assert!(is_of_bind2(&comes_and_goes(&pool, &wrong).await), "and once more");
    assert_eq!(proxy.connections(), 2);

    server.restart().await; // its tokens are gone
    assert!(is_of_bind2(&comes_and_goes(&pool, &romeo).await), "with the password");
    assert_eq!(proxy.connections(), 2);
    assert!(is_of_bind2(&comes_and_goes(&pool, &wrong).await), "another token");
    server.restart().await;
    let end = Room::attach(&pool, &wrong, ROOM).end().await;
    assert!(matches!(&end, StreamEnd::LoginRefused(why) if why == "not-authorized"), "{end:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_right_one_is_let_in_after_it() {
    let (_server, proxy) = start(ALL, None).await;
    let (pool, romeo) = (impatient(), account("romeo", proxy.address()));
    let wrong = Account { login: Login::Password("montague".to_owned().into()), ..romeo.clone() };
    for connections in [2, 2] {
        let end = Room::attach(&pool, &wrong, ROOM).end().await;
        assert!(matches!(&end, StreamEnd::LoginRefused(why) if why == "not-authorized"), "{end:?}");
        assert_eq!(proxy.connections(), connections, "nobody knows yet whether SASL2 works there");
    }
    let resource = comes_and_goes(&pool, &romeo).await;
    assert!(is_of_bind2(&resource), "{resource}");
    let juliet = Account { login: wrong.login, ..account("juliet", proxy.address()) };
    proxy.connections();
    let end = Room::attach(&pool, &juliet, ROOM).end().await;
    assert!(matches!(end, StreamEnd::LoginRefused(_)), "{end:?}");
    assert_eq!(proxy.connections(), 1, "now it is known");
}

#[tokio::test]
async fn who_has_no_name_is_given_one_on_the_way() {
    let (server, proxy) = start(ALL, None).await;
    let domain = server.anonymous_host();
    let guest = |who| Account {
        key: AccountKey::anonymous(&domain, who),
        jid: BareJid::new(&domain).expect("a JID"),
        login: Login::Anonymous,
        ..account("x", proxy.address())
    };
    let pool = impatient();
    let mut names = Vec::new();
    for who in ["a", "b", "a"] {
        let (_room, bound) = Room::join(&pool, &guest(who), ROOM, who).await;
        assert!(bound.node().is_some() && is_of_bind2(bound.resource().as_str()), "{bound}");
        names.push(bound.node().map(ToString::to_string));
        until(|| pool.streams() <= 1, SOON, "one at a time").await;
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "no token leads back");
}

/// What is minted is a password like any other; on Prosody, whose module it is.
#[tokio::test]
async fn a_minted_password_lets_in_on_the_short_way() {
    let directory = TempDir::with_prefix("mint-").expect("a directory");
    let secret = "It is the east, and Juliet is the sun.";
    let file = directory.path().join("secret");
    std::fs::write(&file, secret).expect("writes");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let host = format!(
        "VirtualHost \"phones.xmpp.test\"\n  authentication = \"mucfocus\"\n  mucfocus_secret_files = {{ {file:?} }}\n"
    );
    let options = Options {
        prosody_hosts: host,
        prosody_modules: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prosody")),
        prosody_enabled: modules(ALL),
        ..Options::default()
    };
    let server = Server::start(Kind::Prosody, options).await;
    let jid = BareJid::new("romeo@phones.xmpp.test").expect("a JID");
    let login = Login::Hmac(secret.to_owned().into());
    let romeo = Account { key: AccountKey::named(&jid), jid, login, ..account("romeo", server.address()) };
    let pool = impatient();
    for _ in 0..2 {
        assert!(is_of_bind2(&comes_and_goes(&pool, &romeo).await));
    }
}

/// A pool whose streams are resumed.
pub(crate) fn resuming() -> (Arc<Pool>, TempDir) {
    let (folder, pool) = (TempDir::new().expect("a folder"), Pool::new(settings()));
    let (journal, _) = Journal::open(folder.path(), "focus1").expect("opens");
    pool.resume_streams(journal, Vec::new(), |_| None);
    (pool, folder)
}

/// Also where the server says that it resumes streams on the way in, and breaks when it is asked to: the module of Debian's
/// package wants a newer Prosody.
#[tokio::test]
async fn a_stream_is_resumed_after_a_login_with_a_token() {
    for enabled in [ALL, &["sasl2", "sasl2_bind2", "sasl2_fast", "sasl2_sm"]] {
        let (_server, proxy) = start(enabled, None).await;
        let (pool, folder) = resuming();
        let (mut romeo, bound) = Room::join(&pool, &account("romeo", proxy.address()), ROOM, "Romeo").await;
        assert!(is_of_bind2(bound.resource().as_str()), "{bound}");
        for round in 0..3 {
            proxy.cut(Break::Reset);
            while !matches!(romeo.mail().await, StreamMail::Suspended(_)) {}
            assert!(matches!(romeo.mail().await, StreamMail::Resumed { .. }), "round {round} with {enabled:?}");
            romeo.say("m", &format!("round {round}"));
            assert_eq!(romeo.hears().await.2, format!("round {round}"));
        }
        pool.shutdown(Duration::from_secs(5)).await;
        drop((romeo, pool));
        assert_eq!(Journal::open(folder.path(), "focus1").expect("opens").1, [], "the journal knew its name");
    }
}
