//! Removals by REFER with method BYE: CF-08, CF-10.

use mucfocus_rig::{SOON, on_both_servers};

use crate::Stage;

const OVER: &str = "terminated;reason=noresource";

/// CF-08, CF-10: by the place of a participant, and by his address.
#[on_both_servers]
async fn a_moderator_who_calls_removes_others() {
    let stage = Stage::set().await;
    stage.juliet.role(&stage.muc, "Romeo", "moderator").await;
    let tybalt = stage.joined_by("tybalt").await;
    let mercutio = stage.joined_by("mercutio").await;
    let room = stage.world.sip("capulet");
    let answer = stage.romeo.refers(&format!("<{room};gr=Tybalt;method=BYE>")).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let bye = tybalt.ended(SOON).await;
    assert!(bye.header("Reason").is_some_and(|r| r.contains("cause=403")), "{bye}");
    assert_eq!(stage.romeo.is_told(&answer).await, (OVER.to_owned(), "SIP/2.0 200 OK\r\n".to_owned()));

    let answer = stage.romeo.refers(&format!("<{}>;method=BYE", mercutio.ua.aor())).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    mercutio.ended(SOON).await;
    assert_eq!(stage.romeo.is_told(&answer).await.1, "SIP/2.0 200 OK\r\n");
    let gone = stage.juliet.sees_leave(&stage.muc, "Mercutio", SOON).await.unwrap();
    assert!(gone.to_string().contains("307"), "{gone}");
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
}

/// CF-08: what the room says to it.
#[on_both_servers]
async fn who_is_no_moderator_is_told_403_in_the_notify() {
    let stage = Stage::set().await;
    let room = stage.world.sip("capulet");
    let answer = stage.romeo.refers(&format!("<{room};gr=Juliet;method=BYE>")).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let (state, fragment) = stage.romeo.is_told(&answer).await;
    assert_eq!(state, OVER);
    assert!(fragment.starts_with("SIP/2.0 403 "), "{fragment}");
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
}

/// CF-08.
#[on_both_servers]
async fn everybody_may_remove_himself() {
    let stage = Stage::set().await;
    let answer = stage.romeo.refers(&format!("<{};method=BYE>", stage.romeo.ua.aor())).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    stage.romeo.ended(SOON).await;
    assert_eq!(stage.romeo.is_told(&answer).await.1, "SIP/2.0 200 OK\r\n");
    stage.juliet.sees_leave(&stage.muc, "Romeo", SOON).await.unwrap();
}
