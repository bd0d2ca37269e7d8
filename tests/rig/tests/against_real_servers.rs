//! The rig's clients against servers that were not written here, and against each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::member::any_offer;
use mucfocus_rig::msrp::{Cpim, Listener, Peer, Send, own_uri};
use mucfocus_rig::process::Running;
use mucfocus_rig::server::{Kind, Options, Server, free_port};
use mucfocus_rig::sip::{Request, Transport, Ua, Who};
use mucfocus_rig::{SOON, on_both_servers, until, xmpp};

async fn start(change: impl FnOnce(&mut Options)) -> Server {
    let accounts = ["romeo", "juliet"].map(|u| (u.to_owned(), "verona".to_owned())).to_vec();
    let mut options = Options { accounts, ..Options::default() };
    change(&mut options);
    Server::start(Kind::current(), options).await
}

async fn login(server: &Server, user: &str) -> xmpp::Client {
    xmpp::Client::login(server.address(), &format!("{user}@xmpp.test"), "verona").await
}

#[on_both_servers]
async fn two_xmpp_users_talk_and_one_is_kicked() {
    let server = start(|_| {}).await;
    let room = server.room("capulet");
    let (juliet, romeo) = (login(&server, "juliet").await, login(&server, "romeo").await);
    juliet.join(&room, "JuliC").await;
    romeo.join(&room, "A \"B\" & <C>").await;
    assert_eq!(juliet.sees(&room, "A \"B\" & <C>").await.jid.as_deref(), Some(romeo.jid()));
    romeo.say(&room, "he\u{301} <&>\"'\r\n \u{1f600}");
    assert_eq!(juliet.hears(&room, "he\u{301} <&>\"'\n \u{1f600}").await.from(), format!("{room}/A \"B\" & <C>"));
    juliet.kick(&room, "A \"B\" & <C>", "out").await;
    juliet.sees_leave(&room, "A \"B\" & <C>", SOON).await.unwrap();
    juliet.configure(&room, &[("moderatedroom", "1")]).await;
    juliet.ban(&room, "romeo@xmpp.test", "for ever").await;
    juliet.destroy(&room, "over").await;
    juliet.sees_leave(&room, "JuliC", SOON).await;
    assert_eq!(juliet.nicks(&room), Vec::<String>::new());
}

#[on_both_servers]
async fn a_wrong_password_is_refused() {
    let server = start(|_| {}).await;
    let refused = xmpp::Client::try_login(server.address(), "romeo@xmpp.test", "wrong").await;
    assert!(refused.err().unwrap().contains("not-authorized"));
}

#[on_both_servers]
async fn a_frozen_server_goes_on_and_a_killed_one_comes_back_on_its_port() {
    let mut server = start(|_| {}).await;
    let romeo = login(&server, "romeo").await;
    server.freeze();
    romeo.send("<iq type='get' id='p' to='xmpp.test'><ping xmlns='urn:xmpp:ping'/></iq>");
    server.thaw();
    romeo.expect("the answer to the ping", |e| e.attribute("id") == Some("p")).await;
    server.kill();
    until(|| romeo.closed(), SOON, "the end of the stream").await;
    server.restart().await;
    login(&server, "romeo").await;
}

#[on_both_servers]
async fn with_a_certificate_a_server_demands_starttls() {
    let server = start(|o| o.certificate = Some(Certificate::for_host("xmpp.test"))).await;
    let refused = xmpp::Client::try_login(server.address(), "romeo@xmpp.test", "verona").await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn msrp_peers_understand_each_other() {
    let listener = Listener::bind().await;
    let (a, b) = (own_uri(9), own_uri(listener.port()));
    let (left, right) = tokio::join!(Peer::connect(&a, &b), listener.accept(&b, &a));
    left.bind().await;
    let cpim = Cpim::text("sip:a@b", "sip:c@d", "hello\r\n\r\n-------x$\r\nworld");
    let ids: Vec<String> = Send::chunks(&cpim, 9).into_iter().map(|c| left.send(c)).collect();
    for id in &ids {
        assert_eq!(left.response(id).await.code(), Some(200));
    }
    let came = right.hears("hello\r\n\r\n-------x$\r\nworld").await;
    assert_eq!(came.cpim_header("To"), Some("<sip:c@d>"));
    let silent = left.send(Send::cpim(&cpim).header("Failure-Report", "no"));
    until(|| right.messages().len() == 2, SOON, "the second message").await;
    assert!(left.responded(&silent).is_none());
    left.cut();
    right.is_closed(SOON).await;
}

#[tokio::test]
async fn the_user_agent_calls_sipp_and_hangs_up() {
    for (transport, flag) in [(Transport::Udp, "u1"), (Transport::Tcp, "t1")] {
        let (port, control) = (free_port(), free_port());
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sipp");
        command.args(["-sn", "uas", "-nostdin", "-m", "1", "-i", "127.0.0.1", "-ci", "127.0.0.1", "-t", flag]);
        command.args(["-p", &port.to_string(), "-cp", &control.to_string(), "-timeout", "20s"]);
        command.current_dir(&directory).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sipp = Running::start("sipp", &mut command, directory.path().join("log"));
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if transport == Transport::Tcp {
            until(|| std::net::TcpStream::connect(peer).is_ok(), SOON, "SIPp to listen").await;
        }
        let romeo = Ua::start(Who::new("romeo", "sip.test", transport, peer)).await;
        let uri = format!("sip:service@{peer}");
        let call = romeo.call(Request::invite(&uri, &any_offer())).await;
        assert_eq!(call.bye().await.code(), Some(200));
        // The acknowledged UAS scenario waits a while after the BYE.
        assert!(sipp.end(Duration::from_secs(15)).await.success());
    }
}
