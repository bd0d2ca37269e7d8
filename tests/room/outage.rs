//! The XMPP server goes away and comes back: XM-18, CI-15, GC-MSG-04.

use mucfocus_rig::msrp::Send;
use mucfocus_rig::roster::NEWS;
use mucfocus_rig::sip::Request;
use mucfocus_rig::{SOON, on_both_servers, until};

use crate::Stage;

/// XM-18, CI-15.
#[on_both_servers]
async fn a_call_outlives_a_server_that_is_started_again() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.until("active", |r| r.active == Some(true)).await;
    stage.world.server.kill();
    let roster = list.until("out of reach", |r| r.active == Some(false)).await;
    assert_eq!(roster.nicks(), ["Juliet", "Romeo"], "as it was");
    stage.world.server.restart().await;
    let back = list.until("back again", |r| r.active == Some(true) && !r.users.contains_key("Juliet")).await;
    assert_eq!(back.nicks(), ["Romeo"]);
    let juliet = stage.world.xmpp_in("capulet", "juliet").await;
    juliet.sees(&stage.muc, "Romeo").await;
    list.shows(&["Juliet", "Romeo"]).await;
    juliet.say(&stage.muc, "welcome back");
    stage.romeo.hears("welcome back").await;
    assert_eq!(stage.romeo.says("thanks").await.code(), Some(200));
    assert!(!stage.romeo.call().has_ended() && !list.has_ended());
}

/// What waits is said when the room is back, once.
#[on_both_servers]
async fn what_is_said_during_an_outage_is_said_afterwards() {
    let mut stage = Stage::with(|s| s.timeouts = "reflection = \"28s\"\n".into()).await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    let id = stage.romeo.msrp.send(Send::cpim(&stage.romeo.to_room("can you hear me?")));
    stage.world.server.restart().await;
    let response = stage.romeo.msrp.response_within(&id, NEWS + SOON).await;
    assert_eq!(response.code(), Some(200), "{response}");
    // A newcomer finds it in the room's history, once.
    let tybalt = stage.joined_by("tybalt").await;
    tybalt.hears("can you hear me?").await;
    assert_eq!(tybalt.msrp.texts(), ["can you hear me?"]);
}

/// GC-MSG-04: or 408.
#[on_both_servers]
async fn what_waits_too_long_is_408_and_the_call_goes_on() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    assert_eq!(stage.romeo.says("anybody?").await.code(), Some(408), "timeouts.reflection is 3 s here");
    assert!(!stage.romeo.call().has_ended());
    list.until("out of reach", |r| r.active == Some(false)).await; // which takes five seconds to show
    stage.world.server.restart().await;
    list.until("back again", |r| r.active == Some(true) && r.users.contains_key("Romeo")).await;
    assert_eq!(stage.romeo.says("at last").await.code(), Some(200));
}

/// XM-18: `timeouts.muc_outage`.
#[on_both_servers]
async fn an_outage_that_lasts_ends_the_call_and_the_list() {
    let mut stage = Stage::with(|s| s.timeouts = "muc_outage = \"2s\"\n".into()).await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.world.server.kill();
    let bye = stage.romeo.ended(SOON).await;
    assert!(bye.header("Reason").is_some_and(|r| r.contains("503")), "{bye}");
    let state = list.ended(SOON).await;
    assert!(state.starts_with("terminated;reason=probation"), "{state}");
}

/// GC-NICK-06, E-33: he comes back as who he was, not as who he was when he joined.
#[on_both_servers]
async fn a_nickname_that_was_changed_is_kept_over_an_outage() {
    let mut stage = Stage::set().await;
    assert_eq!(stage.romeo.wants_to_be("montecchi").await, 200);
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "montecchi"]).await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    stage.world.server.restart().await;
    let back = list.until("back again", |r| r.active == Some(true) && !r.users.contains_key("Juliet")).await;
    assert_eq!(back.nicks(), ["montecchi"]);
}

/// GC-NICK-06: somebody else was faster.
#[on_both_servers]
async fn a_nickname_that_is_taken_after_an_outage_becomes_another() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    // As long as the program stands still it cannot come back first.
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    stage.world.mucfocus.freeze();
    stage.world.server.restart().await;
    let impostor = stage.world.xmpp("benvolio").await;
    impostor.join(&stage.muc, "Romeo").await;
    stage.world.mucfocus.thaw();
    until(|| impostor.nicks(&stage.muc).len() == 2, NEWS, "two in the room").await;
    let nicks = impostor.nicks(&stage.muc);
    let nicks: Vec<&str> = nicks.iter().map(String::as_str).collect();
    list.shows(&nicks).await;
    assert_eq!(stage.romeo.says("it is I").await.code(), Some(200));
    let heard = impostor.hears(&stage.muc, "it is I").await;
    assert_ne!(heard.from(), format!("{}/Romeo", stage.muc));
}

/// XM-18: what cannot be done now is refused, and can be done later.
#[on_both_servers]
async fn a_nickname_during_an_outage_is_refused_and_later_given() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    let name = vec![("Use-Nickname".to_owned(), "\"montecchi\"".to_owned())];
    let id = stage.romeo.msrp.request("NICKNAME", name, None, '$');
    let code = stage.romeo.msrp.response_within(&id, NEWS).await.code();
    assert!(code.is_some_and(|c| c >= 400), "{code:?}");
    stage.world.server.restart().await;
    list.until("back again", |r| r.active == Some(true) && r.nicks() == ["Romeo"]).await;
    assert_eq!(stage.romeo.wants_to_be("montecchi").await, 200);
}

/// SIP-21: a call during an outage is told when to come back, and a second device of one who is in shares the wait.
#[on_both_servers]
async fn who_calls_during_an_outage_is_told_when_to_come_back() {
    let mut stage = Stage::with(|s| s.timeouts = "join = \"3s\"\n".into()).await;
    stage.world.server.kill();
    let ua = stage.world.ua("tybalt", mucfocus_rig::sip::Transport::Udp).await;
    let invite = Request::invite(&stage.romeo.room, &mucfocus_rig::member::any_offer());
    let refused = ua.try_call(invite).await.err().expect("a refusal");
    assert_eq!(refused.code(), Some(480), "{refused}");
    assert!(refused.header("Retry-After").is_some(), "{refused}");
}

/// Contract: SIGTERM ends it within a few seconds, and everybody is told, also when the server is away.
#[on_both_servers]
async fn the_end_of_the_process_during_an_outage_is_as_quick_and_polite_as_ever() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    stage.world.mucfocus.terminate();
    stage.romeo.ended(SOON).await;
    list.ended(SOON).await;
    assert!(stage.world.mucfocus.end(SOON).await.success());
}

/// EV-05, CI-15: who subscribes during an outage is told so at once.
#[on_both_servers]
async fn who_watches_during_an_outage_is_shown_a_room_out_of_reach() {
    let mut stage = Stage::set().await;
    let first = stage.romeo.watches().await;
    stage.world.server.kill();
    first.until("out of reach", |r| r.active == Some(false)).await;
    let list = stage.romeo.watches().await;
    let roster = list.until("the first document", |_| true).await;
    assert_eq!((roster.active, roster.nicks()), (Some(false), vec!["Juliet", "Romeo"]));
}

/// GC-INV-05: an invitation that cannot be passed on is not said to be.
#[on_both_servers]
async fn an_invitation_during_an_outage_is_not_said_to_be_passed_on() {
    let mut stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    let answer = stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await;
    if answer.code() == Some(200) {
        let (_, fragment) = stage.romeo.is_told(&answer).await;
        assert!(!fragment.starts_with("SIP/2.0 100 ") && !fragment.starts_with("SIP/2.0 2"), "{fragment}");
    } else {
        assert!(answer.code() >= Some(400), "{answer}");
    }
}

/// GC-EXIT-01: who hangs up during an outage is not brought back by its end.
#[on_both_servers]
async fn who_leaves_during_an_outage_stays_away() {
    let mut stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = stage.romeo.watches().await;
    stage.world.server.kill();
    list.until("out of reach", |r| r.active == Some(false)).await;
    assert_eq!(tybalt.leaves().await.code(), Some(200));
    stage.world.server.restart().await;
    list.until("back again", |r| r.active == Some(true) && !r.users.contains_key("Juliet")).await;
    let juliet = stage.world.xmpp_in("capulet", "juliet").await;
    list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
}
