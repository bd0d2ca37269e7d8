//! Private messages: GC-PM-01 to -09, SW-13 to SW-17.

use std::time::Duration;

use mucfocus_rig::msrp::Cpim;
use mucfocus_rig::{Kind, Member, on_both_servers};

use crate::Stage;

/// What proves that nothing came before it.
async fn and_then_everybody_hears(stage: &Stage, members: &[&Member]) {
    stage.juliet.say(&stage.muc, "that was all");
    for member in members {
        member.hears("that was all").await;
    }
    stage.juliet.hears(&stage.muc, "that was all").await;
}

/// GC-PM-01, -02, -03, SW-13: each form of the address; nobody else hears it.
#[on_both_servers]
async fn a_private_message_reaches_one_xmpp_user_by_each_form_of_his_address() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    let forms = ["<sip:capulet@rooms.test;gr=Juliet>", "<sip:capulet@rooms.test>;gr=Juliet", "<sip:Juliet@rooms.test>"];
    for (number, to) in forms.into_iter().enumerate() {
        let words = format!("secret {number}");
        let cpim = stage.romeo.to_room(&words).without("To").with("To", to);
        assert_eq!(stage.romeo.sends(&cpim).await, 200, "{to}");
        let heard = stage.juliet.expect(words.clone(), |e| e.body() == Some(&words)).await;
        assert_eq!((heard.kind(), heard.from()), ("chat", format!("{}/Romeo", stage.muc).as_str()), "{to}");
    }
    and_then_everybody_hears(&stage, &[&tybalt, &stage.romeo]).await;
    assert_eq!(tybalt.msrp.texts(), ["that was all"]);
    assert!(benvolio.received().iter().all(|e| e.body().is_none_or(|b| !b.starts_with("secret"))));
}

/// GC-PM-08: to his own AOR, from the address in the room.
#[on_both_servers]
async fn a_private_message_from_xmpp_reaches_its_addressee_alone() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    stage.juliet.whisper(&format!("{}/Romeo", stage.muc), "psst");
    let heard = stage.romeo.hears("psst").await;
    assert_eq!(heard.cpim_header("To"), Some("<sip:romeo@sip.test>"));
    assert_eq!(heard.cpim.unwrap().sender(), Some(("Juliet".into(), "sip:capulet@rooms.test;gr=Juliet".into())));
    and_then_everybody_hears(&stage, &[&tybalt]).await;
    assert_eq!(tybalt.msrp.texts(), ["that was all"]);
}

/// GC-PM-01, -08: through the MUC.
#[on_both_servers]
async fn a_private_message_goes_from_one_sip_user_to_another() {
    let stage = Stage::set().await;
    let (tybalt, paris) = (stage.joined_by("tybalt").await, stage.joined_by("paris").await);
    assert_eq!(stage.romeo.whispers("Tybalt", "a word with you").await, 200);
    let heard = tybalt.hears("a word with you").await;
    assert_eq!(heard.cpim_header("To"), Some("<sip:tybalt@sip.test>"));
    assert_eq!(heard.cpim.unwrap().sender(), Some(("Romeo".into(), "sip:capulet@rooms.test;gr=Romeo".into())));
    and_then_everybody_hears(&stage, &[&paris, &stage.romeo]).await;
    assert_eq!((paris.msrp.texts().len(), stage.romeo.msrp.texts().len()), (1, 1));
}

/// GC-PM-04, SW-14.
#[on_both_servers]
async fn a_private_message_to_nobody_is_404() {
    let stage = Stage::set().await;
    assert_eq!(stage.romeo.whispers("Nobody", "hello?").await, 404);
    let elsewhere = Cpim::text(stage.romeo.aor(), "sip:nobody@elsewhere.test", "hello?");
    assert_eq!(stage.romeo.sends(&elsewhere).await, 404);
    and_then_everybody_hears(&stage, &[&stage.romeo]).await;
    assert_eq!(stage.juliet.heard(&stage.muc).len(), 1, "and never public");
}

/// GC-PM-06, SW-16: the room forbids it, for which Prosody 0.12 has no setting.
#[tokio::test]
async fn a_private_message_that_the_room_forbids_is_403() {
    let forbidding = |s: &mut mucfocus_rig::world::Settings| {
        s.server = Kind::Ejabberd;
        s.ejabberd_rooms = "allow_private_messages: false\n".into();
    };
    let stage = Stage::with(forbidding).await;
    assert_eq!(stage.romeo.whispers("Juliet", "psst").await, 403);
}

/// GC-PM-09, SW-15: a client that does not know private messages is never given one.
#[on_both_servers]
async fn a_client_without_the_token_gets_none_and_the_sender_is_told() {
    let stage = Stage::set().await;
    let tybalt = stage.world.member("capulet", "tybalt").await;
    stage.juliet.sees(&stage.muc, "Tybalt").await;
    assert_eq!(stage.romeo.whispers("Tybalt", "psst").await, 428);
    stage.juliet.whisper(&format!("{}/Tybalt", stage.muc), "psst");
    let error = stage.juliet.expect("an error", |e| e.kind() == "error").await;
    assert_eq!(error.condition(), Some("feature-not-implemented"));
    and_then_everybody_hears(&stage, &[&tybalt]).await;
    assert_eq!(tybalt.msrp.texts(), ["that was all"]);
}

/// ERR-09: a client that does not take a private message has its author told, and stays in the room whatever it says.
#[on_both_servers]
async fn a_private_message_that_its_addressees_client_refuses_goes_back() {
    let stage = Stage::set().await;
    stage.romeo.msrp.answer(false);
    for (status, condition) in [("404 No", "undefined-condition"), ("413 No", "policy-violation")] {
        stage.juliet.forget();
        stage.juliet.whisper(&format!("{}/Romeo", stage.muc), status);
        stage.romeo.hears(status).await;
        let id = stage.romeo.msrp.requests("SEND").pop().unwrap().id;
        let (to, from) = (stage.romeo.msrp.remote(), stage.romeo.msrp.local());
        stage.romeo.msrp.raw(format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n"));
        let error = stage.juliet.expect(format!("an error for {status}"), |e| e.kind() == "error").await;
        assert_eq!(error.from(), format!("{}/Romeo", stage.muc));
        assert_eq!(error.condition(), Some(condition));
    }
    stage.romeo.msrp.answer(true);
    and_then_everybody_hears(&stage, &[&stage.romeo]).await;
    assert!(stage.juliet.nicks(&stage.muc).contains(&"Romeo".to_owned()), "whoever sends such an error is no ghost");
}

/// SW-17.
#[on_both_servers]
async fn a_private_message_rings_on_every_device_that_can_show_it() {
    let stage = Stage::set().await;
    let (tablet, watch) = (stage.joined_by("romeo").await, stage.world.member("capulet", "romeo").await);
    stage.juliet.whisper(&format!("{}/Romeo", stage.muc), "psst");
    stage.romeo.hears("psst").await;
    tablet.hears("psst").await;
    and_then_everybody_hears(&stage, &[&watch]).await;
    assert_eq!(watch.msrp.texts(), ["that was all"]);
}

/// GC-PM-07: the answer waits for the room.
#[on_both_servers]
async fn a_private_message_is_acknowledged_when_the_room_has_it() {
    let mut stage = Stage::set().await;
    stage.world.server.freeze();
    let cpim = Cpim::text(stage.romeo.aor(), &format!("{};gr=Juliet", stage.romeo.room), "slowly");
    let id = stage.romeo.msrp.send(mucfocus_rig::msrp::Send::cpim(&cpim));
    assert!(stage.romeo.msrp.silent_for(Duration::from_millis(700)).await);
    stage.world.server.thaw();
    assert_eq!(stage.romeo.msrp.response(&id).await.code(), Some(200));
    stage.juliet.expect("slowly", |e| e.body() == Some("slowly")).await;
}

/// GC-PM-04, -08: a nickname that has changed is the one that counts.
#[on_both_servers]
async fn a_private_message_follows_the_new_nickname() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    assert_eq!(tybalt.wants_to_be("prince").await, 200);
    stage.juliet.sees(&stage.muc, "prince").await;
    assert_eq!(stage.romeo.whispers("Tybalt", "old").await, 404);
    assert_eq!(stage.romeo.whispers("prince", "new").await, 200);
    tybalt.hears("new").await;
}

/// GC-PM-02: a nickname that a URI can hold only escaped.
#[on_both_servers]
async fn an_odd_nickname_can_be_whispered_to_and_answers() {
    let stage = Stage::set().await;
    let odd = stage.world.xmpp("benvolio").await;
    odd.join(&stage.muc, "B; \"en\" \u{e9}@x").await;
    odd.whisper(&format!("{}/Romeo", stage.muc), "answer me");
    let heard = stage.romeo.hears("answer me").await;
    let (name, uri) = heard.cpim.unwrap().sender().unwrap();
    assert_eq!(name, "B; \"en\" \u{e9}@x");
    assert_eq!(stage.romeo.sends(&Cpim::text(stage.romeo.aor(), &uri, "here it is")).await, 200);
    odd.expect("here it is", |e| e.body() == Some("here it is") && e.kind() == "chat").await;
}

/// GC-PM-07: what is under way when the server goes away is never said twice on a guess.
#[on_both_servers]
async fn a_private_message_that_an_outage_swallows_is_408() {
    let mut stage = Stage::set().await;
    stage.world.server.kill();
    assert_eq!(stage.romeo.whispers("Juliet", "psst").await, 408);
}

/// GC-PM-08: the MUC gives it to its own sender.
#[on_both_servers]
async fn a_private_message_to_oneself_comes_back_once_and_breaks_nothing() {
    let stage = Stage::set().await;
    assert_eq!(stage.romeo.whispers("Romeo", "note to self").await, 200);
    and_then_everybody_hears(&stage, &[&stage.romeo]).await;
    assert!(stage.romeo.msrp.texts().iter().filter(|t| *t == "note to self").count() <= 1);
}
