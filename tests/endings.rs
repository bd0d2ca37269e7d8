//! How a leg ends, and that nobody stays behind, on a real XMPP server.
//!
//! Rows: GC-EXIT-01, -02, -04, -05, GC-JOIN-14 … 16, SIP-05, MS-REP-06, MS-CONN-08 … 10; design: no ghosts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use mucfocus_rig::member::any_offer;
use mucfocus_rig::msrp::{Peer, Send};
use mucfocus_rig::sip::{Message, Request, TIMER_B, Transport};
use mucfocus_rig::wait::within;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Kind, Member, SOON, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Juliet (XMPP) and Romeo (SIP) in one room.
async fn two_in_a_room() -> (World, Client, Member) {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    (world, juliet, romeo)
}

/// The text of a Reason header (RFC 3326).
fn reason(bye: &Message) -> String {
    bye.header("Reason").unwrap_or_else(|| panic!("a BYE of ours says why:\n{bye}")).to_owned()
}

/// GC-EXIT-01, MS-REP-06: 200 at once, the room sees it within a second, the other leg goes on.
#[on_both_servers]
async fn bye_takes_one_user_out_and_leaves_the_others() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let tybalt = world.member("capulet", "tybalt").await;
    assert_eq!(romeo.leaves().await.code(), Some(200));
    juliet.sees_leave(&muc, "Romeo", Duration::from_secs(1)).await;
    assert_eq!(tybalt.says("one less").await.code(), Some(200));
    assert!(romeo.msrp.reports().is_empty());
    assert!(romeo.msrp.texts().is_empty(), "who has left hears no more");
    // The dialog is gone.
    assert_eq!(romeo.leaves().await.code(), Some(481));
}

/// GC-EXIT-05: kick (307).
#[on_both_servers]
async fn a_kick_ends_the_call_and_says_why() {
    let (world, juliet, romeo) = two_in_a_room().await;
    juliet.kick(&world.muc("capulet"), "Romeo", "Avaunt, you cullions!").await;
    let bye = romeo.ended(SOON).await;
    assert!(reason(&bye).contains("Avaunt, you cullions!"), "{bye}");
}

/// GC-EXIT-05, GC-JOIN-14: ban (301), and the next INVITE is 403 with a Warning that says so.
#[on_both_servers]
async fn a_ban_ends_the_call_and_the_next_one_is_403() {
    let (world, juliet, romeo) = two_in_a_room().await;
    juliet.ban(&world.muc("capulet"), "romeo@xmpp.test", "for ever").await;
    reason(&romeo.ended(SOON).await);
    let refused = romeo.ua.try_call(Request::invite(&romeo.room, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(403));
    let warning = refused.header("Warning").expect("a refusal says why");
    assert!(warning.starts_with("399 rig \""), "{warning}");
    let id = warning.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')).expect("an id in the Warning").0;
    until(|| world.mucfocus.log().contains(id), SOON, format!("{id} in the log")).await;
}

/// GC-EXIT-05: destroyed room.
#[on_both_servers]
async fn a_destroyed_room_ends_every_call_in_it() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let tybalt = world.member("capulet", "tybalt").await;
    let elsewhere = world.member("montague", "benvolio").await;
    juliet.destroy(&world.muc("capulet"), "the end").await;
    reason(&romeo.ended(SOON).await);
    reason(&tybalt.ended(SOON).await);
    assert_eq!(elsewhere.says("not here").await.code(), Some(200));
}

/// GC-EXIT-05: a room that becomes members-only (322).
#[on_both_servers]
async fn a_room_for_members_only_ends_the_call_of_a_stranger() {
    let (world, juliet, romeo) = two_in_a_room().await;
    juliet.configure(&world.muc("capulet"), &[("membersonly", "1")]).await;
    reason(&romeo.ended(SOON).await);
    let refused = romeo.ua.try_call(Request::invite(&romeo.room, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(403), "registration-required");
}

/// GC-JOIN-14: what the MUC answers to a join is what the caller gets.
#[on_both_servers]
async fn a_room_that_refuses_says_so_in_sip() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let muc = world.muc("capulet");
    juliet.configure(&muc, &[("passwordprotectedroom", "1"), ("roomsecret", "mum")]).await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    let refused = romeo.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert!(matches!(refused.code(), Some(401 | 403)), "not-authorized:\n{refused}");
    assert_eq!(juliet.nicks(&muc), ["Juliet"]);
}

/// GC-JOIN-14, ERR-03: a full room may have a place later. Prosody 0.12 has no limit on the occupants of a room.
#[tokio::test]
async fn a_full_room_of_ejabberd_is_480_and_when_to_try_again() {
    let world = World::with(BINARY, |s| s.server = Kind::Ejabberd).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&world.muc("capulet"), &[("maxusers", "1")]).await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    let refused = romeo.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(480), "{refused}");
    assert!(refused.header("Retry-After").is_some(), "{refused}");
    assert!(refused.header("Warning").is_some_and(|w| w.contains("Too many users")), "{refused}");
}

/// GC-EXIT-04: after `timeouts.lost_leg` (2 s here), not before.
#[on_both_servers]
async fn a_lost_msrp_connection_ends_the_leg_after_a_while() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let cut = Instant::now();
    romeo.msrp.cut();
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    assert!(cut.elapsed() > Duration::from_millis(1_500), "left before timeouts.lost_leg");
    reason(&romeo.ended(SOON).await);
}

/// MS-CONN-03, MS-CONN-08: no connection takes the place of one that is gone without a new offer (RFC 4975 §5.4), and none has the
/// session: that is 481 and not 506, and it says what to do.
#[on_both_servers]
async fn a_session_whose_connection_is_gone_is_on_no_other_and_wants_a_new_offer() {
    let (world, _juliet, romeo) = two_in_a_room().await;
    romeo.msrp.cut();
    until(|| world.mucfocus.log().contains("MSRP connection lost"), SOON, "the log says that it is lost").await;
    for _ in 0..2 {
        let other = Peer::connect(romeo.msrp.local(), romeo.msrp.remote()).await;
        let id = other.send(Send::bodiless());
        let refused = other.response(&id).await;
        assert_eq!(refused.code(), Some(481), "{}", refused.start);
        assert!(refused.start.contains("re-INVITE"), "{}", refused.start);
    }
    reason(&romeo.ended(SOON).await);
}

/// MS-RSP-07: whose session is on another connection, as he says, gets nothing more on this one, which stays open; his leg waits
/// for a new offer.
#[on_both_servers]
async fn a_client_that_answers_506_is_as_good_as_not_connected() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    romeo.msrp.answer(false);
    juliet.say(&muc, "which connection?");
    romeo.hears("which connection?").await;
    let id = romeo.msrp.requests("SEND").pop().unwrap().id;
    let (to, from) = (romeo.msrp.remote(), romeo.msrp.local());
    romeo.msrp.raw(format!("MSRP {id} 506 Elsewhere\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n"));
    let refused = Instant::now();
    until(|| world.mucfocus.log().contains("MSRP connection lost"), SOON, "the log says that it is lost").await;
    let before = romeo.msrp.requests("SEND").len();
    juliet.say(&muc, "not on this one");
    let unanswered = romeo.msrp.send(Send::bodiless());
    assert_eq!(romeo.msrp.response(&unanswered).await.code(), Some(506), "to us it has none");
    assert_eq!(romeo.msrp.requests("SEND").len(), before);
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    assert!(refused.elapsed() > Duration::from_millis(1_500), "left before timeouts.lost_leg");
    reason(&romeo.ended(SOON).await);
    assert!(!romeo.msrp.closed(), "other sessions may need it");
}

/// MS-RSP-05: a 408 is our own timer, gone off elsewhere: who says nothing else is not there, and his leg ends as if he had been mute.
#[on_both_servers]
async fn a_client_that_answers_408_is_as_good_as_mute() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    romeo.msrp.answer(false);
    juliet.say(&muc, "are you there?");
    romeo.hears("are you there?").await;
    let id = romeo.msrp.requests("SEND").pop().unwrap().id;
    let (to, from) = (romeo.msrp.remote(), romeo.msrp.local());
    romeo.msrp.raw(format!("MSRP {id} 408 Timeout\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n"));
    until(|| world.mucfocus.log().contains("answers nothing in time (408)"), SOON, "the log says that it is lost")
        .await;
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    reason(&romeo.ended(SOON).await);
    assert!(!romeo.msrp.closed(), "others may be alive on it");
}

/// MS-REP-04: a relay that answered 200 may say later that the session is over.
#[on_both_servers]
async fn a_report_that_the_session_is_over_counts_after_the_200() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    juliet.say(&muc, "are you there?");
    romeo.hears("are you there?").await;
    let send = romeo.msrp.requests("SEND").pop().unwrap();
    let (to, from) = (romeo.msrp.remote(), romeo.msrp.local());
    for status in ["000 200 OK", "001 481 Gone", "000 481 Gone"] {
        let paths = format!("To-Path: {to}\r\nFrom-Path: {from}\r\n");
        let about = format!("Message-ID: {}\r\nStatus: {status}\r\n", send.header("Message-ID").unwrap());
        romeo.msrp.raw(format!("MSRP report12 REPORT\r\n{paths}{about}-------report12$\r\n"));
        if status != "000 481 Gone" {
            assert_eq!(romeo.says(status).await.code(), Some(200), "{status} is nothing");
        }
    }
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    assert!(reason(&romeo.ended(SOON).await).contains("481"));
}

/// GC-EXIT-04: a caller who never connects at all is not kept either.
#[on_both_servers]
async fn a_caller_who_never_connects_leaves_again() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    let call = romeo.call(Request::invite(&world.sip("capulet"), &any_offer())).await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    reason(&call.ended(SOON * 4).await);
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
}

/// MS-CONN-08: more was said than may wait, so he is told how much he missed; the leg lives.
#[on_both_servers]
async fn who_connects_late_hears_the_latest_and_how_much_he_missed() {
    let world =
        World::with(BINARY, |s| s.timeouts = s.timeouts.replace("lost_leg = \"2s\"", "lost_leg = \"30s\"")).await;
    let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let benvolio = world.member("capulet", "benvolio").await;
    let ua = world.ua("romeo", Transport::Udp).await;
    let local = mucfocus_rig::msrp::own_uri(9);
    let call = ua.call(Request::invite(&room, &mucfocus_rig::member::offer(&local, "active"))).await;
    juliet.sees(&muc, "Romeo").await;
    for n in 0..300 {
        juliet.say(&muc, &format!("line {n}"));
    }
    benvolio.hears("line 299").await;
    let romeo = mucfocus_rig::msrp::Peer::connect(&local, &call.answer.sdp("path").unwrap()).await;
    romeo.bind().await;
    romeo.hears("line 299").await;
    let is_told = || romeo.texts().iter().any(|text| text.contains("108") && !text.starts_with("line"));
    until(is_told, SOON, "a word about what he missed").await;
    let texts = romeo.texts();
    let lines: Vec<&String> = texts.iter().filter(|text| text.starts_with("line")).collect();
    assert_eq!((lines.len(), lines[0].as_str()), (192, "line 108"));
    assert!(!call.has_ended());
}

/// MS-CONN-10, -11: who says nothing gets nothing, and is cut off; who says nonsense too.
#[on_both_servers]
async fn a_silent_connection_is_closed_and_told_nothing() {
    let (world, juliet, romeo) = two_in_a_room().await;
    let ua = world.ua("tybalt", Transport::Udp).await;
    let local = mucfocus_rig::msrp::own_uri(9);
    let call = ua.call(Request::invite(&romeo.room, &mucfocus_rig::member::offer(&local, "active"))).await;
    let silent = mucfocus_rig::msrp::Peer::connect(&local, &call.answer.sdp("path").unwrap()).await;
    juliet.say(&world.muc("capulet"), "anybody?");
    romeo.hears("anybody?").await;
    assert!(silent.silent_for(Duration::from_millis(500)).await, "sent before the first request");
    silent.is_closed(Duration::from_secs(60)).await;
    assert!(silent.traffic().is_empty());
}

/// SIGTERM: a BYE for everybody, nobody in the room, status 0; within `timeouts.drain`.
#[on_both_servers]
async fn sigterm_says_goodbye_to_everybody() {
    let (mut world, juliet, romeo) = two_in_a_room().await;
    let muc = world.muc("capulet");
    let over_tcp = mucfocus_rig::member::Joining { transport: Transport::Tcp, ..Default::default() };
    let tybalt = world.member_with("capulet", "tybalt", over_tcp).await;
    world.mucfocus.terminate();
    let (one, two) = tokio::join!(romeo.ended(SOON), tybalt.ended(SOON));
    reason(&one);
    reason(&two);
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    juliet.sees_leave(&muc, "Tybalt", SOON).await;
    let status = world.mucfocus.end(SOON).await;
    assert_eq!(status.code(), Some(0), "{}", world.mucfocus.log());
    assert_eq!(world.mucfocus.output().lines().count(), 1, "one line on standard output, `ready`");
}

/// While it goes, a new call gets 503; a second SIGTERM does not wait.
#[on_both_servers]
async fn a_second_sigterm_ends_it_at_once() {
    let (mut world, _juliet, romeo) = two_in_a_room().await;
    romeo.ua.answer(false);
    world.server.freeze();
    world.mucfocus.terminate();
    until(|| romeo.ua.find(|m| m.method() == Some("BYE")).is_some(), SOON, "the BYE").await;
    world.mucfocus.terminate();
    world.mucfocus.end(Duration::from_secs(2)).await;
}

/// What the server keeps of a killed process the next one ends at once (XM-02).
#[on_both_servers]
async fn a_killed_mucfocus_leaves_no_occupant_when_it_is_back() {
    let (mut world, juliet, romeo) = two_in_a_room().await;
    assert_eq!(romeo.says("last words").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "last words").await;
    world.mucfocus.kill();
    world.mucfocus.restart().await;
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    let again = world.member("capulet", "romeo").await;
    assert_eq!(again.says("back again").await.code(), Some(200));
}

/// A server that stays away ends its legs after `timeouts.muc_outage`, whatever was acknowledged was delivered; then calls work
/// again (XM-18).
#[on_both_servers]
async fn a_killed_server_ends_the_calls_and_a_new_one_takes_new_calls() {
    let mut world = World::with(BINARY, |s| s.timeouts.push_str("muc_outage = \"1s\"\n")).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    assert_eq!(romeo.says("before the storm").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "before the storm").await;
    world.server.kill();
    reason(&romeo.ended(SOON).await);
    let refused = romeo.ua.try_call(Request::invite(&romeo.room, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(480), "no XMPP server:\n{refused}");
    assert!(refused.header("Retry-After").is_some(), "{refused}");
    world.server.restart().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let again = world.member("capulet", "romeo").await;
    assert_eq!(again.says("after the storm").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "after the storm").await;
}

/// GC-JOIN-15: 100 within 200 ms, a final response at `timeouts.join`.
#[on_both_servers]
async fn a_frozen_server_gives_100_at_once_and_504_at_the_deadline() {
    let mut world = World::with(BINARY, |s| s.timeouts.push_str("join = \"2s\"\n")).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    world.server.freeze();
    let asked = Instant::now();
    let invite = romeo.begin(Request::invite(&world.sip("capulet"), &any_offer()));
    assert_eq!(invite.any_response(Duration::from_millis(200)).await.code(), Some(100));
    let last = invite.response(TIMER_B).await;
    assert!(matches!(last.code(), Some(408 | 480 | 504)), "{last}");
    assert!(asked.elapsed() > Duration::from_millis(1_800), "before the deadline");
    assert!(asked.elapsed() < Duration::from_secs(6), "long after the deadline");
    world.server.thaw();
    // What was on its way when the call was given up does not stay.
    within(|| juliet.nicks(&world.muc("capulet")).contains(&"Romeo".into()).then_some(()), Duration::from_secs(2))
        .await;
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
}

/// GC-JOIN-16: CANCEL takes back a join that is on its way, over both transports.
#[on_both_servers]
async fn cancel_while_the_room_thinks_is_487_and_nobody_stays() {
    let mut world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let muc = world.muc("capulet");
    for transport in [Transport::Udp, Transport::Tcp] {
        // The second time the stream is up already, and only the join is cancelled.
        let romeo = world.ua("romeo", transport).await;
        world.server.freeze();
        let invite = romeo.begin(Request::invite(&world.sip("capulet"), &any_offer()));
        assert_eq!(invite.any_response(SOON).await.code(), Some(100));
        assert_eq!(invite.cancel().await.code(), Some(200));
        assert_eq!(invite.response(SOON).await.code(), Some(487));
        world.server.thaw();
        within(|| juliet.nicks(&muc).contains(&"Romeo".into()).then_some(()), Duration::from_secs(2)).await;
        juliet.sees_leave(&muc, "Romeo", SOON).await;
        // The user can call again at once.
        let call = romeo.call(Request::invite(&world.sip("capulet"), &any_offer())).await;
        assert_eq!(call.bye().await.code(), Some(200));
        juliet.sees_leave(&muc, "Romeo", SOON).await;
    }
}

/// SIP-05: a repeated INVITE gets the same answer and brings nobody else in.
#[on_both_servers]
async fn a_repeated_invite_gets_the_same_answer() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    romeo.acknowledge(false);
    let invite = romeo.begin(Request::invite(&world.sip("capulet"), &any_offer()));
    let sent = invite.request().to_string().replace('\n', "\r\n");
    romeo.send_raw(sent.clone());
    let first = invite.response(SOON).await;
    romeo.send_raw(sent);
    let answers = || romeo.received().into_iter().filter(|m| m.code() == Some(200)).collect::<Vec<_>>();
    until(|| answers().len() > 1, SOON, "the answer again").await;
    assert!(answers().iter().all(|a| *a == first), "the answers differ: {:?}", answers());
    assert_eq!(juliet.nicks(&world.muc("capulet")), ["Juliet", "Romeo"]);
    romeo.acknowledge(true);
    let call = invite.call(first);
    assert_eq!(call.bye().await.code(), Some(200));
}

/// SIP-06: an ACK with a wrong number stops the retransmissions all the same.
#[on_both_servers]
async fn an_ack_with_the_wrong_number_is_taken() {
    let world = World::start(BINARY).await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    romeo.acknowledge(false);
    let invite = romeo.begin(Request::invite(&world.sip("capulet"), &any_offer()));
    let answer = invite.response(SOON).await;
    let call = invite.call(answer);
    call.ack(2);
    let answers = || romeo.received().iter().filter(|m| m.code() == Some(200)).count();
    let before = answers();
    let again = within(|| (answers() > before + 1).then_some(()), Duration::from_secs(3)).await;
    assert!(again.is_none(), "the 200 came again after the ACK");
}

/// The tie between the two sides is the account: it is logged in while it is in a room, and two SIP users never share it.
#[on_both_servers]
async fn two_sip_users_never_share_a_jid() {
    let world = World::with(BINARY, |s| {
        let twin = "[[accounts]]\nsip = \"sip:twin@sip.test\"\njid = \"romeo@xmpp.test\"\npassword = \"verona\"\n";
        s.accounts.push_str(twin);
    })
    .await;
    let romeo = world.member("capulet", "romeo").await;
    let twin = world.ua("twin", Transport::Udp).await;
    for room in ["capulet", "montague"] {
        let refused = twin.try_call(Request::invite(&world.sip(room), &any_offer())).await.err().unwrap();
        assert_eq!(refused.code(), Some(403), "{refused}");
    }
    assert_eq!(romeo.says("undisturbed").await.code(), Some(200));
    romeo.leaves().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
}

/// What is not acknowledged when the leg ends is answered or the connection ends: nobody waits for ever.
#[on_both_servers]
async fn a_message_under_way_at_the_end_is_not_left_open() {
    let (mut world, juliet, romeo) = two_in_a_room().await;
    world.server.freeze();
    let id = romeo.msrp.send(Send::cpim(&romeo.to_room("in the doorway")));
    until(|| !romeo.msrp.traffic().is_empty(), SOON, "the SEND to go out").await;
    assert_eq!(romeo.leaves().await.code(), Some(200), "a BYE does not wait for the MUC");
    let over = || (romeo.msrp.closed() || romeo.msrp.responded(&id).is_some()).then_some(());
    world.server.thaw();
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    within(over, Duration::from_secs(1)).await;
    assert_ne!(romeo.msrp.responded(&id).and_then(|r| r.code()), Some(500));
}

/// STARTTLS with a certificate of an authority that only `xmpp.ca_file` knows.
#[on_both_servers]
async fn over_starttls_it_is_the_same() {
    let mut world = World::with(BINARY, |s| s.tls = true).await;
    let romeo = world.member("capulet", "romeo").await;
    let tybalt = world.member("capulet", "tybalt").await;
    assert_eq!(romeo.says("in secret").await.code(), Some(200));
    tybalt.hears("in secret").await;
    world.mucfocus.terminate();
    assert_eq!(world.mucfocus.end(SOON).await.code(), Some(0));
}
