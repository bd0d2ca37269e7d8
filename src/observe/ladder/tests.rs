use super::words::{Party, cut};
use super::*;

fn said(ladder: &Ladder, call: &str) -> Vec<String> {
    ladder.read(call, 0).map(|reading| reading.rungs.iter().map(|r| r.what.to_string()).collect()).unwrap_or_default()
}

fn note(ladder: &Ladder, call: &str, what: &str, begins: bool) {
    ladder.note(call, Side::Sip, Way::In, begins, || what.to_owned());
}

#[test]
fn a_ladder_keeps_the_last_rungs_and_says_how_many_there_were() {
    let ladder = Ladder::on();
    for n in 0..KEPT + 3 {
        note(&ladder, "a1", &n.to_string(), true);
    }
    let reading = ladder.read("a1", 0).unwrap();
    assert_eq!((reading.rungs.len(), reading.rungs[0].number, reading.goes_on), (KEPT, 3, false));
    assert_eq!(ladder.read("a1", 65).unwrap().rungs.len(), 2);
}

#[test]
fn what_begins_no_call_and_belongs_to_none_is_not_kept() {
    let ladder = Ladder::on();
    note(&ladder, "a1", "200 OK (OPTIONS)", false);
    assert_eq!(ladder.read("a1", 0), None);
    let off = Ladder::off();
    note(&off, "a1", "INVITE", true);
    assert!(off.read("a1", 0).is_none() && off.hold("a1").is_none());
}

#[test]
fn a_flood_of_calls_forgets_the_oldest_but_none_that_a_leg_holds() {
    let ladder = Ladder::on();
    note(&ladder, "held", "INVITE", true);
    let held = ladder.hold("held").unwrap();
    note(&ladder, "refused", "INVITE", true);
    for n in 0..OVER {
        note(&ladder, &format!("flood {n}"), "INVITE", true);
    }
    assert!(ladder.read("refused", 0).is_none());
    assert_eq!(said(&ladder, "held"), ["INVITE"]);
    // Over, it is among the latest once more.
    drop(held);
    note(&ladder, "one more", "INVITE", true);
    assert_eq!(said(&ladder, "held"), ["INVITE"]);
    let calls = ladder.0.as_ref().unwrap();
    assert_eq!(calls.by_id.len(), OVER);
}

#[tokio::test]
async fn who_follows_a_call_hears_of_its_next_message_and_of_its_end() {
    let ladder = Ladder::on();
    let held = ladder.hold("a1").unwrap();
    let (other, waits) = (ladder.clone(), ladder.clone());
    let grown = tokio::spawn(async move { waits.grows("a1", 0).await });
    tokio::task::yield_now().await;
    assert!(!grown.is_finished());
    held.note(Side::Msrp, Way::Out, "SEND".into());
    grown.await.unwrap();
    let ended = tokio::spawn(async move { other.grows("a1", 1).await });
    tokio::task::yield_now().await;
    drop(held);
    ended.await.unwrap();
    assert!(!ladder.read("a1", 0).unwrap().goes_on);
}

/// SEC-10: no body, no password, no parameter of a URI.
#[test]
fn nothing_that_is_to_stay_between_two_people_gets_into_the_words() {
    let words = sip_request("INVITE", Some("sip:romeo:secret@example.org;token=secret?body=secret"), None);
    assert_eq!(words, "INVITE sip:romeo@example.org");
    assert_eq!(sip_request("BYE", None, Some("SIP;cause=200;text=\"secret\"")), "BYE (cause 200)");
    assert_eq!(sip_response("200 OK", Some("7 INVITE")), "200 OK (INVITE)");
    let message =
        b"<message type='groupchat' from=\"capulet@muc.test/Jul>iet\" id='secret'><body>secret</body></message>";
    assert_eq!(stanza(message, Party::Sender), "message groupchat from Jul>iet");
    let left = b"<presence from='a@b/Juliet' type='unavailable'><status>secret</status><x><status code='307'/>\
        <item role='none'/><status code=\"110\"/></x></presence>";
    assert_eq!(stanza(left, Party::Sender), "presence unavailable from Juliet (307, 110)");
    assert_eq!(stanza(b"<iq to='a@b' type='get'/>", Party::Addressee), "iq get to the room");
    for nonsense in [&b""[..], b"<", b"<a b", b"<a b=", b"<a b='", b"\xff<a b=c/>", b"<presence><status"] {
        let _ = stanza(nonsense, Party::Sender);
    }
}

#[test]
fn words_are_cut_at_a_character() {
    let mut words = "ää".to_owned() + &"x".repeat(100);
    cut(&mut words, 96);
    assert!(words.len() <= 96 && words.ends_with("x…"), "{words}");
    let mut words = "€".repeat(40);
    cut(&mut words, 96);
    assert!(words.len() <= 96 && words.ends_with("€…"), "{words}");
}
