//! What one user may take: `[limits]`. One too many is a refusal of him, never a 503, which would take the node out of service
//! for everybody (ERR-03).

use mucfocus_rig::member::{Joining, any_offer};
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{SOON, on_both_servers, until};

use crate::Stage;

const FREE: &str = "messages_per_user = \"off\"\nrequests_per_source = \"off\"\nconnections_per_source = \"off\"\n";

#[on_both_servers]
async fn one_leg_too_many_is_refused_and_one_that_ends_makes_room() {
    let stage = Stage::with(|s| s.limits = format!("{FREE}legs_per_user = 2\n")).await;
    let second = stage.joined_by("romeo").await;
    let invite = || Request::invite(&stage.romeo.room, &any_offer());
    let refused = stage.romeo.ua.try_call(invite()).await.err().expect("a refusal");
    assert_eq!(refused.code(), Some(486), "{refused}");
    let _tybalt = stage.joined_by("tybalt").await;
    second.leaves().await;
    stage.joined_by("romeo").await;
}

#[on_both_servers]
async fn one_join_too_many_is_refused_and_says_when_to_come_back() {
    let stage = Stage::with(|s| s.limits = format!("{FREE}joins_per_user = \"2/min\"\n")).await;
    stage.joined_by("romeo").await;
    let refused =
        stage.romeo.ua.try_call(Request::invite(&stage.romeo.room, &any_offer())).await.err().expect("a refusal");
    assert_eq!(refused.code(), Some(480), "{refused}");
    assert!(refused.header("Retry-After").is_some(), "{refused}");
    stage.joined_by("tybalt").await;
}

#[on_both_servers]
async fn one_subscription_too_many_is_refused() {
    let stage = Stage::with(|s| s.limits = format!("{FREE}subscriptions_per_user = 2\n")).await;
    let (one, _two) = (stage.romeo.watches().await, stage.romeo.watches().await);
    let refused = stage.romeo.ua.request(Watch::request(&stage.romeo.room)).await;
    assert_eq!(refused.code(), Some(403), "{refused}");
    one.shows(&["Juliet", "Romeo"]).await;
}

#[on_both_servers]
async fn one_invitation_too_many_is_refused() {
    let stage = Stage::with(|s| {
        s.limits = format!("{FREE}invitations_per_user = \"2/h\"\n");
        s.ejabberd_rooms = "allow_user_invites: true\n".into();
    })
    .await;
    for _ in 0..2 {
        assert_eq!(stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await.code(), Some(200));
    }
    let refused = stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await;
    assert_eq!(refused.code(), Some(480), "{refused}");
}

/// SIP-21: what needs no leg is there for all while none is left. The node is full for calls, of ours as well, and says so.
#[on_both_servers]
async fn a_node_without_a_leg_left_lets_people_watch_and_invite() {
    let phone = mucfocus_rig::Phone::plugged_in().await;
    let stage = Stage::with(|s| {
        s.limits = format!("{FREE}legs = 1\n");
        s.auth += &phone.outbound();
        s.ejabberd_rooms = "allow_user_invites: true\n".into();
    })
    .await;
    let tybalt = stage.world.ua("tybalt", Transport::Udp).await;
    let room = &stage.romeo.room;
    let refused = tybalt.try_call(Request::invite(room, &any_offer())).await.err().expect("a refusal");
    assert_eq!(refused.code(), Some(503), "{refused}");
    assert_eq!(tybalt.request(Request::new("OPTIONS", room)).await.code(), Some(503), "for who looks for a node");
    let watches = tybalt.request(Watch::request(room)).await;
    assert_eq!(watches.code(), Some(200), "{watches}");
    stage.romeo.watches().await.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await.code(), Some(200));
    let refused = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    assert_eq!(refused.code(), Some(503), "his phone would need one: {refused}");
}

/// Joins come one after the other where their presences do not fit into what a MUC service gets at once; nobody is refused for
/// that, and who gives up in line is never seen.
#[on_both_servers]
async fn who_dials_with_many_others_waits_for_his_turn() {
    // Three at once, which is less than any join costs.
    let stage = Stage::with(|s| s.limits = format!("{FREE}xmpp_presences = \"6/s\"\n")).await;
    let begun = std::time::Instant::now();
    let users = ["u0", "u1", "u2", "u3", "u4"];
    let joins = users.map(|user| stage.world.member_with("capulet", user, Joining::able()));
    let (members, ()) = tokio::join!(futures_util::future::join_all(joins), async {
        let ua = stage.world.ua("u5", Transport::Udp).await;
        // Whoever comes right behind the first has to wait for half a second.
        until(|| stage.juliet.nicks(&stage.muc).len() > 1, SOON, "the first in the room").await;
        let call = ua.begin(Request::invite(&stage.world.sip("capulet"), &any_offer()));
        call.any_response(SOON).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(call.cancel().await.code(), Some(200));
        assert_eq!(call.response(SOON).await.code(), Some(487));
    });
    let took = begun.elapsed();
    assert!(took >= std::time::Duration::from_secs(2), "five joins, half a second each: {took:?}");
    until(|| stage.juliet.nicks(&stage.muc).len() == 7, SOON, "seven in the room").await;
    let nicks = stage.juliet.nicks(&stage.muc);
    assert!(nicks.contains(&"U4".into()) && !nicks.contains(&"U5".into()), "{nicks:?}");
    let shown: Vec<&str> = nicks.iter().map(String::as_str).collect();
    members[4].watches().await.shows(&shown).await;
    for member in &members {
        assert_eq!(member.says("in").await.code(), Some(200));
    }
}
