//! A stream is lost for good while the room goes on: what is said meanwhile is told, once. FT-02, FT-05, XM-04.

use std::time::Duration;

use mucfocus_rig::msrp::{Cpim, Send};
use mucfocus_rig::proxy::Proxy;
use mucfocus_rig::roster::NEWS;
use mucfocus_rig::xml::Element;
use mucfocus_rig::{Kind, SOON, on_both_servers, until};

use crate::Stage;

/// A room behind a relay, on a server that keeps no streams, with or without an archive.
async fn stage(archive: bool) -> Stage {
    stage_that(false, archive).await
}

async fn stage_that(keeps_streams: bool, archive: bool) -> Stage {
    let stage = Stage::with(|s| {
        (s.linked, s.smacks, s.archive) = (true, keeps_streams, archive);
        s.timeouts = "reflection = \"28s\"\n".into();
    })
    .await;
    stage.juliet.say(&stage.muc, "before");
    stage.romeo.hears("before").await;
    stage
}

fn link(stage: &Stage) -> &Proxy {
    stage.world.link.as_ref().unwrap()
}

async fn what_is_said_meanwhile_is_told_once(archive: bool) {
    let stage = stage(archive).await;
    for round in 0..3 {
        link(&stage).refuse();
        stage.juliet.sees_leave(&stage.muc, "Romeo", NEWS).await;
        stage.juliet.forget();
        for n in 0..4 {
            stage.juliet.say(&stage.muc, &format!("meanwhile {round}.{n}"));
        }
        link(&stage).heal();
        stage.juliet.sees(&stage.muc, "Romeo").await;
        stage.juliet.say(&stage.muc, &format!("after {round}"));
        stage.romeo.hears(&format!("after {round}")).await;
    }
    let expected = (0..3).flat_map(|round| {
        let meanwhile = (0..4).map(move |n| format!("meanwhile {round}.{n}"));
        meanwhile.chain([format!("after {round}")])
    });
    let expected: Vec<String> = std::iter::once("before".to_owned()).chain(expected).collect();
    assert_eq!(stage.romeo.msrp.texts(), expected, "and no word of anything missing");
}

#[on_both_servers]
async fn what_is_said_during_a_break_is_fetched_from_the_archive() {
    what_is_said_meanwhile_is_told_once(true).await;
}

#[on_both_servers]
async fn what_is_said_during_a_break_is_found_in_the_history() {
    what_is_said_meanwhile_is_told_once(false).await;
}

async fn is_said_once(stage: &Stage, id: &str, text: &str) {
    let response = stage.romeo.msrp.response_within(id, NEWS + SOON).await;
    assert_eq!(response.code(), Some(200), "{response}");
    assert_eq!(stage.romeo.says("and I am back").await.code(), Some(200));
    let heard = || stage.juliet.heard(&stage.muc).into_iter().filter(|(nick, _)| nick == "Romeo").map(|(_, body)| body);
    until(|| heard().any(|body| body == "and I am back"), SOON, "what he says then").await;
    assert_eq!(heard().collect::<Vec<_>>(), [text, "and I am back"]);
    assert_eq!(stage.romeo.msrp.texts(), ["before"], "he does not hear himself");
}

/// Design: found there, it is acknowledged.
#[on_both_servers]
async fn what_the_room_has_is_acknowledged_after_the_break() {
    for archive in [true, false] {
        let stage = stage(archive).await;
        link(&stage).swallow_from("from="); // which only the server writes
        let id = stage.romeo.msrp.send(Send::cpim(&stage.romeo.to_room("did you hear?")));
        stage.juliet.hears(&stage.muc, "did you hear?").await;
        link(&stage).heal();
        is_said_once(&stage, &id, "did you hear?").await;
    }
}

/// Design: provably absent, it is said once more.
#[on_both_servers]
async fn what_never_reached_the_room_is_said_after_the_break() {
    for archive in [true, false] {
        let stage = stage(archive).await;
        link(&stage).swallow();
        let id = stage.romeo.msrp.send(Send::cpim(&stage.romeo.to_room("did you hear?")));
        tokio::time::sleep(Duration::from_millis(500)).await;
        link(&stage).heal();
        is_said_once(&stage, &id, "did you hear?").await;
    }
}

/// XM-02, FT-02: the stream is resumed, or given up where the server goes on in the midst of what was cut off, and nobody knows.
#[on_both_servers]
async fn what_was_cut_in_two_is_said_as_a_whole_and_before_what_came_after_it() {
    for (archive, half) in [(true, "did "), (false, "type='groupchat'")] {
        let stage = stage_that(true, archive).await;
        link(&stage).break_behind(half);
        // Some of them are said while there is no connection, and some when there is another. More than may be under way at a time.
        let lines: Vec<String> = (0..20).map(|n| format!("did you hear {n}?")).collect();
        let mut ids = Vec::new();
        for line in &lines {
            ids.push(stage.romeo.msrp.send(Send::cpim(&stage.romeo.to_room(line))));
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        for id in ids {
            let response = stage.romeo.msrp.response_within(&id, NEWS + SOON).await;
            assert_eq!(response.code(), Some(200), "{response}");
        }
        let heard =
            || stage.juliet.heard(&stage.muc).into_iter().filter(|(nick, _)| nick == "Romeo").map(|(_, body)| body);
        until(|| heard().count() >= lines.len(), SOON, "all that he said").await;
        assert_eq!(heard().collect::<Vec<_>>(), lines);
        assert_eq!(stage.romeo.msrp.texts(), ["before"], "he does not hear himself");
        assert!(!stage.romeo.call().has_ended());
    }
}

/// NICK-11: names change hands while the stream is away, and what was meant for their last owner reaches no other. Prosody gives its
/// occupants ids, so that the same one is known to be the same.
#[on_both_servers]
async fn a_private_message_is_not_given_to_whoever_took_the_name_during_a_break() {
    for (is_under_way, changes_hands) in [(true, true), (false, true), (true, false), (false, false)] {
        let stage = stage_that(true, false).await;
        let nurse = stage.world.xmpp_in("capulet", "nurse").await;
        stage.juliet.sees(&stage.muc, "Nurse").await;
        let to = format!("{};gr=Juliet", stage.world.sip("capulet"));
        let says = || stage.romeo.msrp.send(Send::cpim(&Cpim::text(stage.romeo.aor(), &to, "for you alone")));
        let id = if is_under_way {
            link(&stage).swallow();
            says()
        } else {
            link(&stage).refuse();
            tokio::time::sleep(Duration::from_millis(200)).await;
            says()
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        if changes_hands {
            stage.juliet.leave(&stage.muc, "Juliet");
            nurse.sees_leave(&stage.muc, "Juliet", SOON).await;
            nurse.send(format!("<presence to='{}/Juliet'/>", stage.muc));
            nurse.sees(&stage.muc, "Juliet").await;
        }
        link(&stage).heal();
        let response = stage.romeo.msrp.response_within(&id, NEWS + SOON).await;
        let is_known = Kind::current() == Kind::Prosody && !changes_hands;
        assert_eq!(response.code(), Some(if is_known { 200 } else { 404 }), "{response}");
        assert_eq!(stage.romeo.says("and I am back").await.code(), Some(200));
        nurse.hears(&stage.muc, "and I am back").await;
        let is_it = |e: &Element| e.body() == Some("for you alone");
        assert!(!nurse.received().iter().any(is_it), "Nurse reads what is not for her");
        if is_known {
            stage.juliet.expect("the private message", is_it).await;
        }
    }
}
