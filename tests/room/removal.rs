//! Who is taken out, and who sees the room for the others then: GC-EXIT-05, GC-PRES-16; design §4.3.

use std::time::Duration;

use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{SOON, World, on_both_servers, until};

use crate::{BINARY, Stage};

/// GC-EXIT-05, GC-JOIN-17: every device of one who is kicked.
#[on_both_servers]
async fn a_kick_ends_the_calls_of_every_device() {
    let stage = Stage::set().await;
    let tablet = stage.joined_by("romeo").await;
    let list = tablet.watches().await;
    stage.juliet.kick(&stage.muc, "Romeo", "Avaunt!").await;
    for device in [&stage.romeo, &tablet] {
        let bye = device.ended(SOON).await;
        assert!(bye.header("Reason").is_some_and(|r| r.contains("Avaunt!")), "{bye}");
    }
    assert_eq!(list.ended(SOON).await, "terminated;reason=rejected");
}

/// The one whose stream the room is seen by is kicked: the list of another goes on.
#[on_both_servers]
async fn who_is_kicked_is_replaced_as_the_one_who_looks() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    stage.juliet.kick(&stage.muc, "Romeo", "out").await;
    list.shows(&["Juliet", "Tybalt"]).await;
    let benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    list.shows(&["Benvolio", "Juliet", "Tybalt"]).await;
    benvolio.send(format!("<presence to='{}/Ben'/>", stage.muc));
    list.shows(&["Ben", "Juliet", "Tybalt"]).await;
}

/// What happens while nobody looks, between one observer and the next, is not missed.
#[on_both_servers]
async fn what_happens_while_the_one_who_looks_changes_is_not_missed() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    let benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    list.shows(&["Benvolio", "Juliet", "Romeo", "Tybalt"]).await;
    let nurse = stage.world.xmpp("nurse").await;
    stage.romeo.leaves().await;
    benvolio.send(format!("<presence to='{}/Ben'/>", stage.muc));
    nurse.join(&stage.muc, "Nurse").await;
    assert_eq!(tybalt.wants_to_be("Prince").await, 200);
    list.shows(&["Ben", "Juliet", "Nurse", "Prince"]).await;
    stage.juliet.sees_leave(&stage.muc, "Romeo", SOON).await;
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Ben", "Juliet", "Nurse", "Prince"]);
}

/// The subject is known to whoever looks next.
#[on_both_servers]
async fn the_subject_outlives_the_one_who_looks() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    let set = |text: &str| {
        stage.juliet.send(format!("<message type='groupchat' to='{}'><subject>{text}</subject></message>", stage.muc))
    };
    set("Feuds");
    list.until("the subject", |r| r.subject.as_deref() == Some("Feuds")).await;
    stage.romeo.leaves().await;
    let roster = list.shows(&["Juliet", "Tybalt"]).await;
    assert_eq!(roster.subject.as_deref(), Some("Feuds"));
    set("Peace");
    list.until("the new subject", |r| r.subject.as_deref() == Some("Peace")).await;
}

/// GC-PRES-08: real JIDs stay where the room shows them, whoever looks.
#[on_both_servers]
async fn jids_that_the_room_shows_outlive_the_one_who_looks() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&muc, &[("whois", "anyone")]).await;
    let romeo = world.chatter("capulet", "romeo").await;
    let tybalt = world.chatter("capulet", "tybalt").await;
    let list = tybalt.watches().await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    romeo.leaves().await;
    list.shows(&["Juliet", "Tybalt"]).await;
    let _benvolio = world.xmpp_in("capulet", "benvolio").await;
    let roster = list.shows(&["Benvolio", "Juliet", "Tybalt"]).await;
    for nick in ["Benvolio", "Juliet"] {
        assert!(roster.users[nick].aors.iter().any(|a| a.contains("@xmpp.test")), "{roster:?}");
    }
}

/// GC-EXIT-05: members only; who is no member goes, with his list.
#[on_both_servers]
async fn a_room_that_becomes_one_for_members_puts_the_others_out() {
    let stage = Stage::set().await;
    stage.juliet.affiliate(&stage.muc, "tybalt@xmpp.test", "member").await;
    let tybalt = stage.joined_by("tybalt").await;
    let (his, other) = (stage.romeo.watches().await, tybalt.watches().await);
    other.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    stage.juliet.configure(&stage.muc, &[("membersonly", "1")]).await;
    stage.romeo.ended(SOON).await;
    assert_eq!(his.ended(SOON).await, "terminated;reason=rejected");
    let roster = other.shows(&["Juliet", "Tybalt"]).await;
    assert_eq!(roster.users.len(), 2);
    other.until("locked", |r| r.locked == Some(true)).await;
}

/// A destroyed room can be dialled again, and is a new one.
#[on_both_servers]
async fn a_destroyed_room_can_be_dialled_again() {
    let stage = Stage::set().await;
    stage.juliet.destroy(&stage.muc, "").await;
    stage.romeo.ended(SOON).await;
    let again = stage.joined_by("romeo").await;
    assert_eq!(again.says("a new room").await.code(), Some(200));
    again.watches().await.shows(&["Romeo"]).await;
}

/// A room that everybody left and somebody enters again begins anew: no name of before is left in it.
#[on_both_servers]
async fn a_room_that_was_empty_shows_nobody_of_before() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.romeo.leaves().await;
    stage.juliet.sees_leave(&stage.muc, "Romeo", SOON).await;
    stage.juliet.leave(&stage.muc, "Juliet");
    let tybalt = stage.joined_by("tybalt").await;
    tybalt.watches().await.shows(&["Tybalt"]).await;
}

/// An XMPP user takes the name of one who is about to be shown under it.
#[on_both_servers]
async fn a_name_that_changes_hands_belongs_to_the_new_one() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    assert_eq!(stage.romeo.wants_to_be("montecchi").await, 200);
    let impostor = stage.world.xmpp("benvolio").await;
    impostor.join(&stage.muc, "Romeo").await;
    list.shows(&["Juliet", "Romeo", "Tybalt", "montecchi"]).await;
    // A private message of a moment ago may have been meant for the old one.
    let at_last = async {
        while tybalt.whispers("Romeo", "which one?").await == 404 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), at_last).await.expect("the new one can be written to");
    impostor.expect("which one?", |e| e.body() == Some("which one?")).await;
    assert_eq!(stage.romeo.msrp.texts(), Vec::<String>::new());
}

/// Design, ownership 2: one whose client takes nothing is ended with a reason; the others notice nothing.
#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_put_out_with_a_reason_and_nobody_waits_for_him() {
    let stage = Stage::set().await;
    let deaf = stage.joined_by("tybalt").await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    deaf.msrp.read(false);
    let long = "x".repeat(20_000);
    for k in 0..250 {
        assert_eq!(stage.romeo.says(&format!("{k} {long}")).await.code(), Some(200), "message {k}");
    }
    let bye = deaf.ended(Duration::from_secs(100)).await;
    assert!(bye.header("Reason").is_some_and(|r| r.contains("text=")), "{bye}");
    list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(stage.juliet.heard(&stage.muc).len(), 250);
}

/// A caller who gives up while the room is slow leaves nobody behind.
#[on_both_servers]
async fn who_cancels_while_the_room_is_slow_is_in_no_list() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    let ua = stage.world.ua("tybalt", Transport::Udp).await;
    stage.world.server.freeze();
    let call = ua.begin(Request::invite(&stage.world.sip("capulet"), &mucfocus_rig::member::any_offer()));
    call.any_response(SOON).await;
    assert_eq!(call.cancel().await.code(), Some(200));
    assert_eq!(call.response(SOON).await.code(), Some(487));
    stage.world.server.thaw();
    let _benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    list.shows(&["Benvolio", "Juliet", "Romeo"]).await;
    until(|| stage.juliet.nicks(&stage.muc) == ["Benvolio", "Juliet", "Romeo"], SOON, "nobody else").await;
}

/// GC-EXIT-05: a call on hold too.
#[on_both_servers]
async fn a_kick_ends_a_call_on_hold() {
    let stage = Stage::set().await;
    let held = stage.romeo.offer.replace("o=- 1 1 ", "o=- 1 2 ") + "a=inactive\r\n";
    assert_eq!(stage.romeo.call().reinvite(&held).await.code(), Some(200));
    stage.juliet.kick(&stage.muc, "Romeo", "out").await;
    stage.romeo.ended(SOON).await;
}
