//! Who may watch, when, and how it ends: GC-PRES-01, -04, GC-EXIT-03, EV-01 to EV-17, CI-22, CF-14.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_rig::member::any_offer;
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{SOON, World, on_both_servers};

use crate::{BINARY, Stage};

/// EV-17, GC-PRES-01: who is not in the room sees nobody, and once he is everybody.
#[on_both_servers]
async fn who_watches_before_he_calls_sees_nobody_and_then_everybody() {
    let stage = Stage::set().await;
    let ua = Arc::new(stage.world.ua("tybalt", Transport::Udp).await);
    let list = Watch::start(ua.clone(), Watch::request(&stage.world.sip("capulet"))).await;
    let roster = list.shows(&[]).await;
    assert!(roster.subject.is_none() && roster.count.is_none(), "{roster:?}");
    assert!(!list.documents().concat().contains("Juliet"));
    let _call = ua.call(Request::invite(&stage.world.sip("capulet"), &any_offer())).await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
}

/// GC-PRES-04, EV-05: at once, whatever the room does.
#[on_both_servers]
async fn who_watches_while_the_room_is_slow_is_answered_at_once() {
    let mut stage = Stage::set().await;
    stage.world.server.freeze();
    let ua = Arc::new(stage.world.ua("tybalt", Transport::Udp).await);
    let room = stage.world.sip("capulet");
    let call = ua.begin(Request::invite(&room, &any_offer()));
    let list = Watch::start(ua.clone(), Watch::request(&room)).await;
    let first = mucfocus_rig::wait_for(|| list.notifies().into_iter().next(), Duration::from_secs(2), "a NOTIFY").await;
    assert!(first.header("Subscription-State").unwrap().starts_with("active"), "{first}");
    stage.world.server.thaw();
    let answer = call.response(mucfocus_rig::sip::TIMER_B).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let _call = call.call(answer);
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
}

/// GC-PRES-01, EV-14, EV-15: in the dialog of the call, beside one of its own.
#[on_both_servers]
async fn the_dialog_of_the_call_carries_a_list_as_well() {
    let stage = Stage::set().await;
    let (inside, beside) = (stage.romeo.watches_inside().await, stage.romeo.watches().await);
    inside.shows(&["Juliet", "Romeo"]).await;
    beside.shows(&["Juliet", "Romeo"]).await;
    let _benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    inside.shows(&["Benvolio", "Juliet", "Romeo"]).await;
    beside.shows(&["Benvolio", "Juliet", "Romeo"]).await;
}

/// GC-EXIT-03, EV-12.
#[on_both_servers]
async fn who_hangs_up_has_nothing_to_watch_any_more() {
    let stage = Stage::set().await;
    let (inside, beside) = (stage.romeo.watches_inside().await, stage.romeo.watches().await);
    let tybalt = stage.joined_by("tybalt").await;
    let other = tybalt.watches().await;
    other.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    stage.romeo.leaves().await;
    for list in [&inside, &beside] {
        assert_eq!(list.ended(SOON).await, "terminated;reason=noresource");
    }
    other.shows(&["Juliet", "Tybalt"]).await;
    assert!(!other.has_ended());
}

/// GC-EXIT-05, EV-12.
#[on_both_servers]
async fn who_is_kicked_is_rejected() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.juliet.kick(&stage.muc, "Romeo", "out").await;
    assert_eq!(list.ended(SOON).await, "terminated;reason=rejected");
}

/// GC-EXIT-05, EV-12: and may not watch again.
#[on_both_servers]
async fn who_is_banned_is_rejected() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.juliet.ban(&stage.muc, "romeo@xmpp.test", "for ever").await;
    assert_eq!(list.ended(SOON).await, "terminated;reason=rejected");
    let again = stage.romeo.watches().await;
    again.shows(&[]).await;
}

/// CI-22, CF-14.
#[on_both_servers]
async fn a_destroyed_room_ends_every_list() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let (one, two) = (stage.romeo.watches().await, tybalt.watches().await);
    one.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    two.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    stage.juliet.destroy(&stage.muc, "it burns").await;
    for list in [one, two] {
        assert_eq!(list.ended(SOON).await, "terminated;reason=noresource");
        list.is_valid();
    }
}

/// EV-12: somebody else may serve them.
#[on_both_servers]
async fn the_end_of_the_process_sends_watchers_elsewhere() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    let outsider = Arc::new(stage.world.ua("tybalt", Transport::Udp).await);
    let outside = Watch::start(outsider, Watch::request(&stage.world.sip("capulet"))).await;
    list.shows(&["Juliet", "Romeo"]).await;
    outside.shows(&[]).await;
    stage.world.mucfocus.terminate();
    for list in [list, outside] {
        let state = list.ended(SOON).await;
        assert!(state.starts_with("terminated;reason=probation"), "{state}");
    }
}

/// EV-08: a fetch.
#[on_both_servers]
async fn a_fetch_gets_the_list_once() {
    let stage = Stage::set().await;
    let fetch = Request::new("SUBSCRIBE", &stage.romeo.room).header("Event", "conference").header("Expires", "0");
    let list = Watch::start(stage.romeo.ua.clone(), fetch).await;
    assert_eq!(list.ended(SOON).await, "terminated;reason=timeout");
    list.is_valid();
    assert_eq!(list.roster().unwrap().nicks(), ["Juliet", "Romeo"]);
    assert_eq!(list.notifies().len(), 1);
}

/// The list of one who lost his call goes on when the room ends for nobody else: GC-EXIT-04.
#[on_both_servers]
async fn who_loses_his_msrp_connection_for_good_has_nothing_to_watch() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.chatter("capulet", "romeo").await;
    let list = romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    romeo.msrp.cut();
    romeo.ended(SOON).await;
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    assert_eq!(list.ended(SOON).await, "terminated;reason=noresource");
}

/// EV-02, EV-05: the whole list once more, in either dialog.
#[on_both_servers]
async fn a_refresh_gets_the_whole_list_again() {
    let stage = Stage::set().await;
    for list in [stage.romeo.watches().await, stage.romeo.watches_inside().await] {
        list.shows(&["Juliet", "Romeo"]).await;
        let before = list.documents().len();
        assert_eq!(list.refresh(300).await.code(), Some(200));
        mucfocus_rig::until(|| list.documents().len() > before, SOON, "another document").await;
        let last = list.documents().pop().unwrap();
        assert!(last.contains("state='full'") && last.contains("gr=Juliet"), "{last}");
        list.is_valid();
    }
}

/// EV-15, RFC 5057: the list inside the call ends with its own usage, and the call goes on.
#[on_both_servers]
async fn the_list_in_a_call_can_end_before_the_call() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches_inside().await;
    list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(list.refresh(0).await.code(), Some(200));
    assert_eq!(list.ended(SOON).await, "terminated;reason=timeout");
    assert_eq!(stage.romeo.says("still here").await.code(), Some(200));
    assert_eq!(stage.romeo.leaves().await.code(), Some(200));
}

/// EV-17: who was in the room and left sees what an outsider sees.
#[on_both_servers]
async fn who_watches_after_he_left_sees_nobody() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    tybalt.leaves().await;
    stage.juliet.sees_leave(&stage.muc, "Tybalt", SOON).await;
    let list = tybalt.watches().await;
    list.shows(&[]).await;
    let _benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    stage.romeo.watches().await.shows(&["Benvolio", "Juliet", "Romeo"]).await;
    assert!(!list.documents().concat().contains("Benvolio"));
}

/// GC-PRES-01, EV-17: nobody sees a room through another user's name.
#[on_both_servers]
async fn a_member_of_one_room_is_an_outsider_in_another() {
    let stage = Stage::set().await;
    let _benvolio = stage.world.xmpp_in("montague", "benvolio").await;
    let tybalt = stage.world.chatter("montague", "tybalt").await;
    let list = Watch::start(stage.romeo.ua.clone(), Watch::request(&stage.world.sip("montague"))).await;
    list.shows(&[]).await;
    tybalt.watches().await.shows(&["Benvolio", "Tybalt"]).await;
    assert!(!list.documents().concat().contains("Benvolio"));
}
