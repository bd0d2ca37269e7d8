//! Rooms that moved: FT-12.

use mucfocus_rig::member::any_offer;
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{SOON, on_both_servers};

use crate::Stage;

/// FT-12: the BYE names the other MUC, and who dials the old room is sent to the address of the new one.
#[on_both_servers]
async fn who_dials_a_room_that_moved_is_sent_to_the_other_one() {
    let stage = Stage::set().await;
    let garden = stage.world.muc("garden");
    stage.juliet.destroy_for(&stage.muc, &garden).await;
    let bye = stage.romeo.ended(SOON).await;
    assert!(bye.header("Reason").is_some_and(|reason| reason.contains(&garden)), "{bye}");
    let tybalt = stage.world.ua("tybalt", Transport::Udp).await;
    let call = async |room: &str| tybalt.try_call(Request::invite(&stage.world.sip(room), &any_offer())).await.err();
    let moved = call("capulet").await.expect("a refusal");
    assert_eq!(moved.code(), Some(302), "{moved}");
    assert_eq!(moved.header("Contact"), Some(format!("<{}>", stage.world.sip("garden")).as_str()));
    assert!(call("garden").await.is_none(), "there he is let in");
}

/// FT-12: to a room that no rule maps nobody can be sent. The old address is that of a new room then.
#[on_both_servers]
async fn a_room_that_moved_out_of_reach_is_dialled_as_before() {
    let stage = Stage::set().await;
    stage.juliet.destroy_for(&stage.muc, "mantua@elsewhere.test").await;
    stage.romeo.ended(SOON).await;
    let again = stage.joined_by("romeo").await;
    assert_eq!(again.says("a new room").await.code(), Some(200));
}
