//! Several devices of one user, and what he missed: GC-JOIN-17, GC-MSG-03, -13, FT-33, E-12, GC-HIST.

use mucfocus_rig::member::Joining;
use mucfocus_rig::msrp::{Cpim, Send};
use mucfocus_rig::xml::Element;
use mucfocus_rig::{SOON, World, on_both_servers};

use crate::{BINARY, Stage};

/// GC-JOIN-17: two legs, one occupant.
#[on_both_servers]
async fn two_devices_are_one_occupant_and_both_hear() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    stage.juliet.say(&stage.muc, "both of you");
    stage.romeo.hears("both of you").await;
    tablet.hears("both of you").await;
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
    tablet.watches().await.shows(&["Juliet", "Romeo"]).await;
}

/// GC-MSG-03, FT-33.
#[on_both_servers]
async fn what_one_device_says_the_other_one_shows() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    assert_eq!(stage.romeo.says("from the phone").await.code(), Some(200));
    let shown = tablet.hears("from the phone").await;
    assert_eq!(shown.cpim.unwrap().sender(), Some(("Romeo".into(), "sip:capulet@rooms.test;gr=Romeo".into())));
    stage.juliet.say(&stage.muc, "that was all");
    stage.romeo.hears("that was all").await;
    assert_eq!(stage.romeo.msrp.texts(), ["that was all"]);
}

/// GC-JOIN-17: the place is left with the last one.
#[on_both_servers]
async fn the_last_device_leaves_the_room() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    stage.romeo.leaves().await;
    assert_eq!(tablet.says("still here").await.code(), Some(200));
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
    tablet.leaves().await;
    stage.juliet.sees_leave(&stage.muc, "Romeo", SOON).await;
}

/// CF-12: from the phone to the tablet, of which the room sees nothing.
#[on_both_servers]
async fn a_call_that_takes_the_place_of_another_keeps_his_place_in_the_room() {
    let stage = Stage::set().await;
    let phone = stage.romeo.answer();
    let (call_id, ours, theirs) =
        (phone.header("Call-ID").unwrap(), phone.tag("To").unwrap(), phone.tag("From").unwrap());
    let named = format!("{call_id};to-tag={ours};from-tag={theirs}");
    let mut joining = Joining::able();
    joining.headers = vec![("Require".into(), "replaces".into()), ("Replaces".into(), named)];
    let tablet = stage.world.member_with("capulet", "romeo", joining).await;
    let bye = stage.romeo.ended(SOON).await;
    assert_eq!(bye.header("Reason"), Some("SIP;cause=200;text=\"another call has taken its place\""));
    stage.juliet.say(&stage.muc, "where art thou?");
    tablet.hears("where art thou?").await;
    assert_eq!(tablet.says("on the tablet").await.code(), Some(200));
    stage.juliet.hears(&stage.muc, "on the tablet").await;
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
    let unavailable = |stanza: &Element| stanza.name == "presence" && stanza.kind() == "unavailable";
    assert!(!stage.juliet.received().iter().any(unavailable), "somebody has left");
}

/// The list of a user whose one device leaves is kept for the other: GC-EXIT-03.
#[on_both_servers]
async fn a_device_that_leaves_does_not_end_what_the_other_one_watches() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    let list = tablet.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.romeo.leaves().await;
    let _benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    list.shows(&["Benvolio", "Juliet", "Romeo"]).await;
    assert!(!list.has_ended());
}

/// E-33: the nickname is that of all his devices.
#[on_both_servers]
async fn a_nickname_is_that_of_every_device() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    assert_eq!(tablet.wants_to_be("montecchi").await, 200);
    assert_eq!(stage.romeo.says("who am I?").await.code(), Some(200));
    let heard = stage.juliet.hears(&stage.muc, "who am I?").await;
    assert_eq!(heard.from(), format!("{}/montecchi", stage.muc));
}

/// GC-MSG-13, E-12: sent again on a new session, since the answer was lost with the old one.
#[on_both_servers]
async fn a_message_that_comes_again_on_a_new_session_is_posted_once() {
    let stage = Stage::set().await;
    let cpim: Cpim = stage.romeo.to_room("only once");
    let first = stage.romeo.msrp.send(Send::cpim(&cpim).message_id("again1"));
    assert_eq!(stage.romeo.msrp.response(&first).await.code(), Some(200));
    stage.romeo.msrp.cut();
    let back = stage.joined_by("romeo").await;
    let second = back.msrp.send(Send::cpim(&cpim).message_id("again1"));
    assert_eq!(back.msrp.response(&second).await.code(), Some(200));
    assert_eq!(back.says("that was all").await.code(), Some(200));
    stage.juliet.hears(&stage.muc, "that was all").await;
    let heard = stage.juliet.heard(&stage.muc);
    assert_eq!(heard.iter().filter(|(_, text)| text == "only once").count(), 1, "{heard:?}");
}

/// GC-HIST: once, in order, with stamps and our header; a second device gets none.
#[on_both_servers]
async fn history_comes_once_in_order_and_marked() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for n in 0..5 {
        juliet.say(&muc, &format!("before {n}"));
        juliet.hears(&muc, &format!("before {n}")).await;
    }
    let romeo = world.chatter("capulet", "romeo").await;
    juliet.sees(&muc, "Romeo").await;
    juliet.say(&muc, "now");
    let now = romeo.hears("now").await;
    assert_eq!(romeo.msrp.texts(), ["before 0", "before 1", "before 2", "before 3", "before 4", "now"]);
    let mut stamps = Vec::new();
    for message in romeo.msrp.messages().iter().take(5) {
        let cpim = message.cpim.as_ref().unwrap();
        assert!(cpim.headers.iter().any(|(name, _)| name == "mucfocus.Delayed"), "{cpim:?}");
        assert_eq!(cpim.sender().unwrap().0, "Juliet");
        stamps.push(cpim.header("DateTime").expect("a date").to_owned());
    }
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert!(!now.cpim.unwrap().headers.iter().any(|(name, _)| name == "mucfocus.Delayed"));

    let tablet = world.chatter("capulet", "romeo").await;
    juliet.say(&muc, "after");
    tablet.hears("after").await;
    assert_eq!(tablet.msrp.texts(), ["after"], "the second device hears what is said from now on");
}

/// GC-HIST: none where the configuration says so.
#[on_both_servers]
async fn a_room_without_history_begins_with_now() {
    let world = World::with(BINARY, |s| s.room_defaults = "history = 0\n".into()).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.say(&muc, "before");
    juliet.hears(&muc, "before").await;
    let romeo = world.chatter("capulet", "romeo").await;
    juliet.sees(&muc, "Romeo").await;
    juliet.say(&muc, "now");
    romeo.hears("now").await;
    assert_eq!(romeo.msrp.texts(), ["now"]);
}
