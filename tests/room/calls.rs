//! Rooms that call people: CF-06, CF-07, ERR-06, ERR-08, RF-14.

use mucfocus_rig::sip::Message;
use mucfocus_rig::{Phone, SOON, on_both_servers, until, wait_for};

use crate::Stage;

/// A room with Juliet and Romeo in it, and a phone that can be called.
async fn stage_with_phone(more: &str) -> (Stage, Phone) {
    let phone = Phone::plugged_in().await;
    let stage = Stage::with(|settings| settings.auth += &format!("{}{more}", phone.outbound())).await;
    (stage, phone)
}

/// What the NOTIFYs of the REFER with this answer have said so far, and whether the last has come.
async fn is_told_all(stage: &Stage, answer: &Message) -> Vec<String> {
    let id = answer.header("Call-ID").unwrap().to_owned();
    let told = || {
        let all = stage.romeo.ua.received();
        let of_it = all.iter().filter(|m| m.method() == Some("NOTIFY") && m.header("Call-ID") == Some(&id));
        let notifies: Vec<Message> = of_it.cloned().collect();
        let is_over = notifies.last()?.header("Subscription-State")?.starts_with("terminated");
        is_over.then(|| notifies.iter().map(|notify| notify.text().trim().to_owned()).collect())
    };
    wait_for(told, SOON, "the last NOTIFY of the REFER").await
}

/// CF-06, CF-07, RF-14: his phone rings, and when he answers he is in the room.
#[on_both_servers]
async fn a_referred_phone_rings_and_who_answers_is_in_the_room() {
    let (stage, phone) = stage_with_phone("").await;
    let answer = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let call = phone.hears("INVITE").await;
    assert_eq!(call.request.header("Referred-By"), Some("<sip:romeo@sip.test>"));
    assert!(call.request.header("From").unwrap().starts_with(&format!("<{}>;tag=", stage.world.sip("capulet"))));
    assert!(call.request.header("Contact").unwrap().contains(";isfocus"), "{}", call.request);
    call.answers("180 Ringing", "", "").await;
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"], "not before he answers");
    let tybalt = call.picks_up().await;
    stage.juliet.sees(&stage.muc, "tybalt").await;
    let told = is_told_all(&stage, &answer).await;
    assert_eq!(
        (told.first().unwrap().as_str(), told.last().unwrap().as_str()),
        ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    );
    stage.juliet.say(&stage.muc, "Welcome, Tybalt");
    tybalt.hears("Welcome, Tybalt").await;
    let room = stage.world.sip("capulet");
    let cpim = mucfocus_rig::msrp::Cpim::text("sip:tybalt@sip.test", &room, "Quarrel, sir?");
    let id = tybalt.send(mucfocus_rig::msrp::Send::cpim(&cpim));
    assert_eq!(tybalt.response(&id).await.code(), Some(200));
    stage.juliet.hears(&stage.muc, "Quarrel, sir?").await;
    stage.juliet.kick(&stage.muc, "tybalt", "Avaunt!").await;
    let bye = phone.hears("BYE").await;
    assert!(bye.request.header("Reason").unwrap().contains("Avaunt!"), "{}", bye.request);
}

/// CF-07, ERR-06: what the phone says is what the referrer reads, and nobody has entered.
#[on_both_servers]
async fn who_declines_is_quoted_to_who_referred() {
    let (stage, phone) = stage_with_phone("").await;
    let answer = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    phone.hears("INVITE").await.refuses("603 Not in a hundred years").await;
    let told = is_told_all(&stage, &answer).await;
    assert_eq!(told.last().unwrap(), "SIP/2.0 603 Not in a hundred years");
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
}

/// ERR-08.
#[on_both_servers]
async fn a_proxy_that_asks_for_a_password_gets_it() {
    let (stage, phone) = stage_with_phone("username = \"mucfocus\"\npassword_file = \"$SECRETS/password\"\n").await;
    let answer = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    let call = phone.hears("INVITE").await.asks_who_calls("mucfocus", "verona").await;
    let _tybalt = call.picks_up().await;
    assert_eq!(is_told_all(&stage, &answer).await.last().unwrap(), "SIP/2.0 200 OK");
}

/// CF-06: the room does not let him in, which ends the call.
#[on_both_servers]
async fn who_may_not_enter_gets_a_bye_that_says_so() {
    let (stage, phone) = stage_with_phone("").await;
    stage.juliet.ban(&stage.muc, "tybalt@xmpp.test", "never again").await;
    let answer = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    let _tybalt = phone.hears("INVITE").await.picks_up().await;
    let bye = phone.hears("BYE").await;
    assert!(bye.request.header("Reason").unwrap().contains("cause=403"), "{}", bye.request);
    assert!(is_told_all(&stage, &answer).await.last().unwrap().starts_with("SIP/2.0 403 "));
}

/// GC-EXIT-05, CF-07: there is no room any more that he could enter. The phone need not ring for it, and who referred him knows.
#[on_both_servers]
async fn a_phone_that_rings_is_told_when_the_room_is_destroyed() {
    let (stage, phone) = stage_with_phone("").await;
    let answer = stage.romeo.refers("<sip:tybalt@sip.test>").await;
    let call = phone.hears("INVITE").await;
    call.answers("180 Ringing", "", "").await;
    stage.juliet.destroy(&stage.muc, "it burns").await;
    let cancel = phone.hears("CANCEL").await;
    let reason = cancel.request.header("Reason").unwrap();
    assert!(reason.contains("cause=410") && reason.contains("it burns"), "{}", cancel.request);
    assert!(stage.romeo.ended(SOON).await.header("Reason").is_some_and(|reason| reason.contains("cause=410")));
    assert!(is_told_all(&stage, &answer).await.last().unwrap().starts_with("SIP/2.0 410 "));
}

/// ADDR-13, and whom the operator does not allow: he is invited as an XMPP user, as without the table.
#[on_both_servers]
async fn rooms_and_people_elsewhere_are_not_called() {
    let (stage, phone) = stage_with_phone("").await;
    let other_room = stage.world.sip("montague");
    // A room of ours, by a rule that would allow it.
    let answer = stage.romeo.refers(&format!("<{other_room}>")).await;
    assert_eq!(answer.code(), Some(200), "not of sip.test: invited as an XMPP user");
    assert_eq!(stage.romeo.refers("<sip:benvolio@elsewhere.test>").await.code(), Some(200));
    assert!(phone.received().is_empty(), "{:?}", phone.received());
}

/// CI-18, CI-20: everybody sees that he was called, and who had it done.
#[on_both_servers]
async fn who_was_called_is_shown_as_that() {
    let (stage, phone) = stage_with_phone("").await;
    let list = stage.romeo.watches().await;
    stage.romeo.refers("<sip:tybalt@sip.test>").await;
    let _tybalt = phone.hears("INVITE").await.picks_up().await;
    list.shows(&["Juliet", "Romeo", "tybalt"]).await;
    // The room may name him to Romeo before his own stream says that he is in.
    let by = format!("<by>{};gr=Romeo</by></referred>", stage.world.sip("capulet"));
    let is_shown = || {
        let documents = list.documents().concat();
        documents.contains("<joining-method>dialed-out</joining-method>") && documents.contains(&by)
    };
    until(is_shown, SOON, "that he was called, and by whom").await;
}
