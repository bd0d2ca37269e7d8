//! Against a real XMPP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jid::BareJid;
use mucfocus::hub::mail::StreamEnd;
use mucfocus::hub::mailbox;
use mucfocus::sip::settings::Rate;
use mucfocus::xmpp::attachment::SendError;
use mucfocus::xmpp::encode::{MAX_STANZA, encode};
use mucfocus::xmpp::pool::Pool;
use mucfocus::xmpp::settings::{Account, Settings, Tls};
use mucfocus_core::stanza::OutStanza;
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{SOON, on_both_servers, until};
use secrecy::SecretString;

use crate::room::{HOST, PASSWORD, Room, account, settings};

async fn start(certificate: Option<Certificate>) -> Server {
    let accounts = ["romeo", "juliet"].map(|user| (user.to_owned(), PASSWORD.to_owned())).to_vec();
    Server::start(Kind::current(), Options { accounts, certificate, ..Options::default() }).await
}

fn over_tls(user: &str, address: SocketAddr, ca_file: PathBuf) -> Account {
    let mut account = account(user, address);
    account.server.tls = Tls::Starttls;
    account.server.ca_file = Some(ca_file);
    account
}

/// XM-01, GC-JOIN-10, GC-MSG-12.
#[on_both_servers]
async fn a_membership_joins_speaks_and_hears_over_plaintext_on_loopback() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    let capulet = server.room("capulet");
    juliet.join(&capulet, "Juliet").await;

    let (mut romeo, bound) =
        Room::join(&pool, &account("romeo", server.address()), &capulet, "It's <Romeo> & co").await;
    assert_eq!(bound.to_bare().as_str(), "romeo@xmpp.test");
    assert!(bound.resource().as_str().starts_with("focus1-"), "{bound}");
    juliet.sees(&capulet, "It's <Romeo> & co").await;

    romeo.say("m1", "but soft,\n<what> light & \u{1F319}");
    let reflection =
        ("It's <Romeo> & co".to_owned(), Some("m1".to_owned()), "but soft,\n<what> light & \u{1F319}".to_owned());
    assert_eq!(romeo.hears().await, reflection);
    let heard = juliet.hears(&capulet, "but soft,\n<what> light & \u{1F319}").await;
    assert_eq!(heard.child("origin-id", "urn:xmpp:sid:0").and_then(|o| o.attribute("id")), Some("m1"));

    juliet.say(&capulet, "ay me]]>");
    assert_eq!(romeo.hears().await.2, "ay me]]>");
}

#[on_both_servers]
async fn a_membership_joins_and_speaks_over_starttls_with_a_private_authority() {
    let certificate = Certificate::for_host(HOST);
    let server = start(Some(certificate.clone())).await;
    let pool = Pool::new(settings());
    let (address, ca) = (server.address(), certificate.authority());
    let capulet = server.room("capulet");
    let (mut juliet, _) = Room::join(&pool, &over_tls("juliet", address, ca.clone()), &capulet, "Juliet").await;
    let (mut romeo, _) = Room::join(&pool, &over_tls("romeo", address, ca), &capulet, "Romeo").await;
    romeo.say("m1", &"x".repeat(100_000));
    assert_eq!(romeo.hears().await.2.len(), 100_000);
    assert_eq!(juliet.hears().await.1.as_deref(), Some("m1"));
}

#[on_both_servers]
async fn a_certificate_of_another_authority_or_name_is_not_accepted() {
    let certificate = Certificate::for_host("other.test");
    let server = start(Some(certificate.clone())).await;
    let pool = Pool::new(settings());
    for (trusted, reason) in [
        (certificate, "the server's certificate is not for the domain of the account"),
        (Certificate::for_host(HOST), "nobody whom we trust has signed the server's certificate"),
    ] {
        let account = over_tls("romeo", server.address(), trusted.authority());
        let end = Room::attach(&pool, &account, "capulet@muc.xmpp.test").end().await;
        assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains(reason)), "{end:?}");
    }
}

#[on_both_servers]
async fn a_server_without_starttls_is_refused_where_it_is_required() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let mut account = account("romeo", server.address());
    account.server.tls = Tls::Starttls;
    account.server.ca_file = Some("/dev/null".into());
    let end = Room::attach(&pool, &account, "capulet@muc.xmpp.test").end().await;
    assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains("set ca_file")), "{end:?}");
    let certificate = Certificate::for_host(HOST);
    account.server.ca_file = Some(certificate.authority());
    let end = Room::attach(&pool, &account, "capulet@muc.xmpp.test").end().await;
    assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains("STARTTLS")), "{end:?}");
}

#[on_both_servers]
async fn a_wrong_password_is_told_apart_from_a_server_that_is_away() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let mut wrong = account("romeo", server.address());
    wrong.login = mucfocus::xmpp::settings::Login::Password(SecretString::from("mantua"));
    let end = Room::attach(&pool, &wrong, "capulet@muc.xmpp.test").end().await;
    assert_eq!(end, StreamEnd::LoginRefused("not-authorized".into()));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let end = Room::attach(&pool, &account("romeo", nobody), "capulet@muc.xmpp.test").end().await;
    assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains("refused")), "{end:?}");
    until(|| pool.streams() == 0, SOON, "failed streams are forgotten").await;
    // And the next attempt is a new one.
    Room::attach(&pool, &account("romeo", server.address()), "capulet@muc.xmpp.test").ready().await;
}

#[tokio::test]
async fn without_encryption_only_loopback_is_spoken_to() {
    let pool = Pool::new(settings());
    let far = SocketAddr::from(([192, 0, 2, 1], 5222));
    let end = Room::attach(&pool, &account("romeo", far), "capulet@muc.xmpp.test").end().await;
    assert!(matches!(&end, StreamEnd::Unreachable(why) if why.contains("loopback")), "{end:?}");
}

#[on_both_servers]
async fn a_server_that_is_killed_ends_its_memberships_at_once() {
    let mut server = start(None).await;
    let pool = Pool::new(settings());
    let (mut romeo, _) = Room::join(&pool, &account("romeo", server.address()), &server.room("capulet"), "Romeo").await;
    let killed = Instant::now();
    server.kill();
    let end = romeo.end().await;
    assert!(matches!(end, StreamEnd::Lost(_)), "{end:?}");
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!(romeo.attachment.try_send("<presence/>".into()), Err(SendError::Closed));
}

/// XM-01.
#[on_both_servers]
async fn two_rooms_of_an_account_share_one_stream_and_each_hears_its_own() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let account = account("romeo", server.address());
    let (mut capulet, first) = Room::join(&pool, &account, &server.room("capulet"), "Romeo").await;
    let (mut montague, second) = Room::join(&pool, &account, &server.room("montague"), "Romeo").await;
    assert_eq!((first, pool.streams()), (second, 1));
    capulet.say("c", "to the Capulets");
    montague.say("m", "to the Montagues");
    assert_eq!(capulet.hears().await.2, "to the Capulets");
    assert_eq!(montague.hears().await.2, "to the Montagues");
}

#[on_both_servers]
async fn a_second_membership_of_an_account_in_a_room_is_refused() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let account = account("romeo", server.address());
    let (mut first, _) = Room::join(&pool, &account, &server.room("capulet"), "Romeo").await;
    let mut second = Room::attach(&pool, &account, &server.room("capulet"));
    assert_eq!(second.end().await, StreamEnd::Lost("already attached".into()));
    assert_eq!(second.attachment.try_send("<presence/>".into()), Err(SendError::Closed));
    first.say("m", "still here");
    assert_eq!(first.hears().await.2, "still here");
}

/// XM-10.
#[on_both_servers]
async fn an_occupant_who_pings_or_asks_for_the_version_gets_an_answer() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let _romeo = Room::join(&pool, &account("romeo", server.address()), &capulet, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    let romeo = format!("{capulet}/Romeo");
    assert_eq!(juliet.iq("get", &romeo, "<ping xmlns='urn:xmpp:ping'/>").await.kind(), "result");
    let version = juliet.iq("get", &romeo, "<query xmlns='jabber:iq:version'/>").await;
    assert_eq!(version.find("name").map(|n| n.text.as_str()), Some("mucfocus"));
    let other = juliet.iq("set", &romeo, "<query xmlns='urn:example'/>").await;
    assert!(other.find("service-unavailable").is_some(), "{other}");
}

/// RFC 6121 §8.5.1.
#[on_both_servers]
async fn who_writes_to_the_account_itself_learns_that_nobody_reads_it() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    let (_romeo, bound) =
        Room::join(&pool, &account("romeo", server.address()), &server.room("capulet"), "Romeo").await;
    juliet.send(format!("<message to='{bound}' type='chat' id='w1'><body>Wherefore art thou?</body></message>"));
    let answer = juliet.expect("an error", |e| e.from() == bound.as_str() && e.kind() == "error").await;
    assert!(answer.find("service-unavailable").is_some() && answer.attribute("id") == Some("w1"), "{answer}");
}

/// XM-01.
#[on_both_servers]
async fn a_stream_outlives_its_last_room_for_a_while_and_then_closes() {
    let server = start(None).await;
    let pool = Pool::with_idle(settings(), Duration::from_millis(300));
    let account = account("romeo", server.address());
    let mut first = Room::attach(&pool, &account, "capulet@muc.xmpp.test");
    let bound = first.ready().await;
    drop(first);
    let mut again = Room::attach(&pool, &account, "capulet@muc.xmpp.test");
    assert_eq!(again.ready().await, bound, "the stream was kept");
    drop(again);
    until(|| pool.streams() == 0, SOON, "an idle stream closes").await;
    let mut later = Room::attach(&pool, &account, "capulet@muc.xmpp.test");
    assert_ne!(later.ready().await, bound, "a new stream");
}

#[on_both_servers(flavor = "multi_thread")]
async fn a_room_that_attaches_while_the_stream_closes_gets_one_all_the_same() {
    let server = start(None).await;
    let pool = Pool::with_idle(settings(), Duration::from_millis(1));
    let account = account("romeo", server.address());
    for round in 0..100_u64 {
        Room::attach(&pool, &account, "capulet@muc.xmpp.test").ready().await;
        tokio::time::sleep(Duration::from_micros(round * 30)).await; // the moments around the close, one after the other
    }
}

#[on_both_servers]
async fn a_process_that_dies_leaves_no_occupant() {
    let server = start(None).await;
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let (address, name) = (server.address(), capulet.clone());
    let (joined, wait) = tokio::sync::oneshot::channel();
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let room = runtime.block_on(Room::join(&Pool::new(settings()), &account("romeo", address), &name, "Romeo"));
        std::mem::forget(room); // a process that dies drops nothing
        let _ = joined.send(());
        runtime.shutdown_background();
    });
    wait.await.expect("joined");
    process.join().expect("no panic");
    juliet.sees_leave(&capulet, "Romeo", Duration::from_secs(2)).await;
}

#[on_both_servers]
async fn a_room_that_goes_without_a_word_leaves_its_muc_and_others_stay() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let (capulet, montague) = (server.room("capulet"), server.room("montague"));
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let account = account("romeo", server.address());
    let (fails, _) = Room::join(&pool, &account, &capulet, "Romeo").await;
    let (mut stays, _) = Room::join(&pool, &account, &montague, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    drop(fails);
    juliet.sees_leave(&capulet, "Romeo", Duration::from_secs(1)).await;
    stays.say("m", "unharmed");
    assert_eq!(stays.hears().await.2, "unharmed");
}

#[on_both_servers]
async fn shutdown_lets_everybody_leave_first_and_then_closes_the_streams() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let capulet = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let account = account("romeo", server.address());
    let (mut romeo, _) = Room::join(&pool, &account, &capulet, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    romeo.send(&OutStanza::Leave { occupant: romeo.occupant("Romeo"), status: Some("node goes down".into()) });
    let begun = Instant::now();
    pool.shutdown(Duration::from_secs(5)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(pool.streams(), 0);
    let left = juliet.sees_leave(&capulet, "Romeo", SOON).await.expect("a presence");
    assert_eq!(left.own("status").map(|s| s.text.as_str()), Some("node goes down"));
    assert!(matches!(romeo.end().await, StreamEnd::Lost(_)));
    assert!(matches!(Room::attach(&pool, &account, &capulet).end().await, StreamEnd::Lost(_)));
}

#[on_both_servers]
async fn shutdown_does_not_wait_longer_than_it_may_for_a_server_that_is_frozen() {
    let mut server = start(None).await;
    let pool = Pool::new(settings());
    let (_romeo, _) = Room::join(&pool, &account("romeo", server.address()), &server.room("capulet"), "Romeo").await;
    server.freeze();
    let begun = Instant::now();
    pool.shutdown(Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(pool.streams(), 0);
    server.thaw();
}

/// The limit of [`MAX_STANZA`] is one that a stock server keeps to, with what it adds.
#[on_both_servers]
async fn the_largest_stanza_that_we_encode_is_taken_by_a_stock_server() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let (mut romeo, _) = Room::join(&pool, &account("romeo", server.address()), &server.room("capulet"), "Romeo").await;
    let message = |body: String| OutStanza::Groupchat { room: romeo.jid.clone(), id: "large".into(), body };
    let overhead = encode(&message(String::new())).expect("encodes").len();
    romeo.send(&message("x".repeat(MAX_STANZA - overhead)));
    assert_eq!(romeo.hears().await.2.len(), MAX_STANZA - overhead);
    romeo.say("after", "the stream goes on");
    assert_eq!(romeo.hears().await.2, "the stream goes on");
}

#[on_both_servers]
async fn a_room_that_takes_nothing_is_given_up_and_its_neighbours_go_on() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let (capulet, montague) = (server.room("capulet"), server.room("montague"));
    let juliet = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    juliet.join(&capulet, "Juliet").await;
    let account = account("romeo", server.address());
    let (mut slow, _) = Room::join(&pool, &account, &capulet, "Romeo").await;
    let (mut quick, _) = Room::join(&pool, &account, &montague, "Romeo").await;
    juliet.sees(&capulet, "Romeo").await;
    for n in 0..mailbox::PER_SOURCE + 10 {
        juliet.say(&capulet, &format!("flood {n}"));
    }
    juliet.sees_leave(&capulet, "Romeo", Duration::from_secs(10)).await;
    quick.say("q", "unharmed");
    assert_eq!(quick.hears().await.2, "unharmed");
    assert_eq!(slow.end().await, StreamEnd::RoomTooSlow);
    assert_eq!(slow.attachment.try_send("<presence/>".into()), Err(SendError::Closed));
    // It may come back, once the attachment is replaced or not.
    let (mut back, _) = Room::join(&pool, &account, &capulet, "Romeo").await;
    back.say("b", "here again");
    assert_eq!(back.hears().await.2, "here again");
}

#[on_both_servers]
async fn logins_wait_for_their_turn() {
    let server = start(None).await;
    let rate = Rate { count: 1, per: Duration::from_millis(700) };
    let pool = Pool::new(Settings { logins: Some(rate), ..settings() });
    let begun = Instant::now();
    let mut romeo = Room::attach(&pool, &account("romeo", server.address()), "capulet@muc.xmpp.test");
    let mut juliet = Room::attach(&pool, &account("juliet", server.address()), "capulet@muc.xmpp.test");
    romeo.ready().await;
    juliet.ready().await;
    assert!(begun.elapsed() >= rate.per, "{:?}", begun.elapsed());
    // Who does not wait any more does not log in either.
    let mut gone = account("romeo", server.address());
    gone.jid = BareJid::new("mercutio@xmpp.test").expect("a JID");
    drop(Room::attach(&pool, &gone, "capulet@muc.xmpp.test"));
    until(|| pool.streams() == 2, SOON, "an abandoned login is given up").await;
}

#[on_both_servers]
async fn a_message_of_many_comes_to_all_in_one_order() {
    let server = start(None).await;
    let pool = Pool::new(settings());
    let capulet = server.room("capulet");
    let (mut romeo, _) = Room::join(&pool, &account("romeo", server.address()), &capulet, "Romeo").await;
    let (mut juliet, _) = Room::join(&pool, &account("juliet", server.address()), &capulet, "Juliet").await;
    let (mut at_romeo, mut at_juliet) = (Vec::new(), Vec::new());
    for n in 0..200 {
        romeo.say(&format!("r{n}"), "r");
        juliet.say(&format!("j{n}"), "j");
        at_romeo.push(romeo.hears().await.1);
        at_juliet.push(juliet.hears().await.1);
    }
    for _ in 0..200 {
        at_romeo.push(romeo.hears().await.1);
        at_juliet.push(juliet.hears().await.1);
    }
    assert_eq!(at_romeo, at_juliet);
}

/// Ownership rule 5: nobody waits for somebody who waits for him.
#[on_both_servers]
async fn a_server_that_stalls_fills_the_queue_and_loses_nothing_that_was_taken() {
    let mut server = start(None).await;
    let pool = Pool::new(settings());
    let (mut romeo, _) = Room::join(&pool, &account("romeo", server.address()), &server.room("capulet"), "Romeo").await;
    server.freeze();
    let body = "x".repeat(60_000);
    let mut taken = 0_usize;
    let full = async {
        loop {
            let stanza = OutStanza::Groupchat { room: romeo.jid.clone(), id: format!("m{taken}"), body: body.clone() };
            match romeo.attachment.try_send(encode(&stanza).expect("encodes")) {
                Ok(()) => taken += 1,
                Err(error) => {
                    assert_eq!(error, SendError::Full);
                    tokio::time::sleep(Duration::from_millis(50)).await; // what the system buffers is written meanwhile
                    if romeo.attachment.try_send("<message/>".into()) == Err(SendError::Full) {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(SOON, full).await.expect("the queue is bounded");
    server.thaw();
    for n in 0..taken {
        assert_eq!(romeo.hears().await.1, Some(format!("m{n}")));
    }
}
