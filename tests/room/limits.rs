//! What one user may take: `[limits]`. One too many is a refusal of him, never a 503, which would take the node out of service
//! for everybody (ERR-03).

use mucfocus_rig::member::any_offer;
use mucfocus_rig::on_both_servers;
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::Request;

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
