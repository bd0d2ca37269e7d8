//! The flows F35 … F49 and F61 … F64 of the seed document, end to end on a real XMPP server.
//!
//! Each test reads like the diagram: who sends what to whom, in this order. The numbers are those of
//! draft-ietf-stox-groupchat-08, the wire forms those of RFC 7702.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::member::offer;
use mucfocus_rig::msrp::{Cpim, Peer, Send, own_uri};
use mucfocus_rig::sip::{Request, TIMER_B, Transport};
use mucfocus_rig::{SOON, World, on_both_servers};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// ```text
/// Romeo (SIP)            mucfocus                   MUC              JuliC (XMPP)
///   | (F35) INVITE ───────▶ |                        |                   |
///   |                       | (F40) presence ──────▶ | ────────────────▶ |
///   |                       | ◀────── (F41) presence |                   |
///   | ◀────── (F36) 200 OK  |                        |                   |
///   | (F37) ACK ──────────▶ |                        |                   |
/// ```
/// The MUC has let Romeo in before the 200; the draft's F38, F39, F42 and F43 belong to the roster. GC-JOIN-01, -05,
/// -07, -10, -12, -13.
#[on_both_servers]
async fn f35_to_f43_romeo_enters_the_room() {
    let world = World::start(BINARY).await;
    let (room, muc) = (world.sip("capulet"), world.muc("capulet"));
    let julic = world.xmpp("juliet").await;
    julic.join(&muc, "JuliC").await;
    let romeo = world.ua("romeo", Transport::Tcp).await;

    // (F35) Romeo sends an INVITE with an MSRP offer.
    let invite = romeo.begin(Request::invite(&room, &offer(&own_uri(7313), "active")));
    // (F36) The focus answers, (F37) Romeo acknowledges.
    let answer = invite.response(TIMER_B).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    // (F40), (F41) By then he is in the room, under his display name and by his own account.
    let occupant = julic.sees(&muc, "Romeo").await;
    assert!(occupant.jid.unwrap().starts_with("romeo@xmpp.test/"));
    let _call = invite.call(answer.clone());

    let contact = answer.header("Contact").unwrap();
    let (_, outside) = contact.rsplit_once('>').unwrap();
    assert!(outside.contains(";isfocus"), "the focus mark stands outside of <>: {contact}");
    assert!(contact.contains(&world.mucfocus.tcp().to_string()), "the Contact is this very node: {contact}");
    assert!(contact.contains("transport=tcp"), "and reached as the call came: {contact}");
    assert_eq!(answer.sdp("accept-types").as_deref(), Some("message/cpim"));
    assert!(answer.text().contains("a=chatroom"), "{answer}");
    assert!(answer.tag("To").is_some(), "{answer}");
    let first = answer.text().lines().map(|l| l.chars().take(2).collect::<String>()).collect::<Vec<_>>();
    assert!(["v=", "o=", "s=", "t="].iter().all(|l| first.iter().any(|f| f == l)), "{answer}");
}

/// ```text
/// Romeo (SIP)            mucfocus                   MUC              JuliC (XMPP)
///   | (F44) MSRP SEND ────▶ |                        |                   |
///   |                       | (F46) groupchat ─────▶ |                   |
///   |                       | ◀──── (F47) reflection | ────────────────▶ |
///   | ◀─── (F45) MSRP 200   |                        |                   |
/// ```
/// RFC 7702 lets the 200 wait for the reflection, and so do we. GC-MSG-01, -03, -04, -10, -12.
#[on_both_servers]
async fn f44_to_f49_a_message_goes_out_and_one_comes_in() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let julic = world.xmpp("juliet").await;
    julic.join(&muc, "JuliC").await;
    let romeo = world.member("capulet", "romeo").await;
    julic.sees(&muc, "Romeo").await;

    // (F44) Romeo speaks, (F45) his words are acknowledged.
    let words = "Romeo is here!";
    assert_eq!(romeo.says(words).await.code(), Some(200));
    // (F46), (F47) The MUC has reflected one groupchat message with his words, and a fresh id that is also origin-id.
    let heard = julic.hears(&muc, words).await;
    assert_eq!(heard.from(), format!("{muc}/Romeo"));
    let origin = heard.child("origin-id", "urn:xmpp:sid:0").expect("an origin-id");
    assert_eq!(heard.attribute("id"), origin.attribute("id"));
    assert_eq!(romeo.msrp.texts(), Vec::<String>::new(), "his own words do not come back to him");

    // (F48) JuliC answers and Romeo gets it as CPIM, (F49) which his client acknowledges.
    julic.say(&muc, "Wherefore art thou?");
    let said = romeo.hears("Wherefore art thou?").await;
    assert_eq!(
        said.cpim.as_ref().and_then(Cpim::sender),
        Some(("JuliC".into(), "sip:capulet@rooms.test;gr=JuliC".into()))
    );
    assert_eq!(said.cpim_header("To"), Some("<sip:capulet@rooms.test>"));
    assert!(said.cpim_header("DateTime").is_some());
    let cpim = said.cpim.unwrap();
    assert_eq!(cpim.content_type.replace(' ', "").to_ascii_lowercase(), "text/plain;charset=utf-8");
}

/// ```text
/// Romeo (SIP)            mucfocus                   MUC              JuliC (XMPP)
///   | (F61) BYE ──────────▶ |                        |                   |
///   |                       | (F62) unavailable ───▶ | ────────────────▶ |
///   |                       | ◀── (F63) unavailable  |                   |
///   | ◀────── (F64) 200 OK  |                        |                   |
/// ```
/// GC-EXIT-01, -02.
#[on_both_servers]
async fn f61_to_f64_romeo_leaves_the_room() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let julic = world.xmpp("juliet").await;
    julic.join(&muc, "JuliC").await;
    let romeo = world.member("capulet", "romeo").await;
    julic.sees(&muc, "Romeo").await;

    // (F61) Romeo hangs up and says why, (F64) which is acknowledged.
    let call = romeo.call();
    let bye = call.request("BYE").header("Reason", "SIP;text=\"Good night\"");
    assert_eq!(romeo.ua.request(bye).await.code(), Some(200));
    // (F62), (F63) The room sees him go within a second, with his words.
    let gone = julic.sees_leave(&muc, "Romeo", Duration::from_secs(1)).await.unwrap();
    assert_eq!(gone.own("status").map(|s| s.text.as_str()), Some("Good night"));
}

/// The three scenes in one call, as the draft tells them, over each transport and each way to set MSRP up: ACM-02, -04,
/// MS-CONN-01, ACM-05.
#[on_both_servers]
async fn the_whole_story_for_every_transport_and_setup() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for transport in [Transport::Udp, Transport::Tcp] {
        for (setup, answered) in [("active", "passive"), ("passive", "active"), ("actpass", "passive")] {
            let joining = mucfocus_rig::member::Joining { transport, setup, ..Default::default() };
            let romeo = world.member_with("capulet", "romeo", joining).await;
            assert_eq!(romeo.answer().sdp("setup").as_deref(), Some(answered));
            let words = format!("over {transport:?}, {setup}");
            assert_eq!(romeo.says(&words).await.code(), Some(200));
            juliet.hears(&muc, &words).await;
            juliet.say(&muc, &format!("heard {words}"));
            romeo.hears(&format!("heard {words}")).await;
            if answered == "active" {
                let first = romeo.msrp.requests("SEND").remove(0);
                assert!(first.header("To-Path") == Some(romeo.msrp.local()), "who connects speaks first: {first}");
            }
            assert_eq!(romeo.leaves().await.code(), Some(200));
            juliet.sees_leave(&muc, "Romeo", SOON).await;
        }
    }
}

/// Two rooms over two dialogs of one user: one account, one stream, no leak. GC-JOIN-18, MS-CONN-02.
#[on_both_servers]
async fn one_user_in_two_rooms_hears_each_in_its_own_session() {
    let world = World::start(BINARY).await;
    let (one, two) = (world.xmpp_in("capulet", "juliet").await, world.xmpp_in("montague", "benvolio").await);
    let (a, b) = (world.member("capulet", "romeo").await, world.member("montague", "romeo").await);
    let jid = |o: mucfocus_rig::xmpp::Occupant| o.jid.unwrap();
    let (here, there) =
        (one.sees(&world.muc("capulet"), "Romeo").await, two.sees(&world.muc("montague"), "Romeo").await);
    assert_eq!(jid(here), jid(there), "two rooms of one user share a stream");
    one.say(&world.muc("capulet"), "in capulet");
    two.say(&world.muc("montague"), "in montague");
    a.hears("in capulet").await;
    b.hears("in montague").await;
    assert_eq!((a.msrp.texts(), b.msrp.texts()), (vec!["in capulet".to_owned()], vec!["in montague".to_owned()]));
    a.leaves().await;
    one.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    assert_eq!(b.says("still here").await.code(), Some(200));
}

/// Two sessions may share one TCP connection: MS-CONN-02, -07, -09.
#[on_both_servers]
async fn two_sessions_share_a_connection_and_one_outlives_the_other() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("montague", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    let ua = world.ua("romeo", Transport::Udp).await;
    let local = own_uri(9);
    let call = ua.call(Request::invite(&world.sip("montague"), &offer(&local, "active"))).await;
    let remote = call.answer.sdp("path").unwrap();
    // The second session is bound on the first one's connection.
    let second = |method: &str, id: &str, more: &str| {
        let paths = format!("To-Path: {remote}\r\nFrom-Path: {local}\r\n");
        format!("MSRP {id} {method}\r\n{paths}Message-ID: m{id}\r\n{more}-------{id}$\r\n")
    };
    romeo.msrp.raw(second("SEND", "bind0001", "Byte-Range: 1-0/0\r\n"));
    assert_eq!(romeo.msrp.response("bind0001").await.code(), Some(200));
    assert_eq!(call.bye().await.code(), Some(200));
    juliet.sees_leave(&world.muc("montague"), "Romeo", SOON).await;
    assert_eq!(romeo.says("the connection stays").await.code(), Some(200));
    assert_eq!(romeo.leaves().await.code(), Some(200));
    assert!(!romeo.msrp.closed(), "another session may come");
    romeo.msrp.is_closed(Duration::from_secs(60)).await;
}

/// A CPIM To that names the room in another spelling is the room all the same: GC-MSG-02, MS-CONN-05, -06.
#[on_both_servers]
async fn the_room_has_one_name_in_many_spellings() {
    let world = World::start(BINARY).await;
    let (muc, juliet) = (world.muc("capulet"), world.xmpp_in("capulet", "juliet").await);
    let romeo = world.member("capulet", "romeo").await;
    let spellings = ["sip:capulet@rooms.test;transport=tcp", "sip:capulet@rooms.test:5060", "sip:Capulet@ROOMS.test"];
    for to in spellings {
        let words = format!("to {to}");
        assert_eq!(romeo.sends(&Cpim::text(romeo.aor(), to, &words)).await, 200, "{to}");
        juliet.hears(&muc, &words).await;
    }
    // The MSRP URI too: userinfo, case of scheme and host do not matter.
    let remote = romeo.msrp.remote().replace("msrp://", "MSRP://somebody@");
    let ua = world.ua("tybalt", Transport::Udp).await;
    let local = own_uri(9);
    let call = ua.call(Request::invite(&world.sip("capulet"), &offer(&local, "active"))).await;
    let path = call.answer.sdp("path").unwrap().replace("msrp://", "MSRP://somebody@");
    assert_ne!(path, remote);
    let peer = Peer::connect(&local, &path).await;
    peer.bind().await;
    let id = peer.send(Send::cpim(&Cpim::text(ua.aor(), &world.sip("capulet"), "spelt otherwise")));
    assert_eq!(peer.response(&id).await.code(), Some(200));
    juliet.hears(&muc, "spelt otherwise").await;
}
