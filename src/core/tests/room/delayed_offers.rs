//! Calls without an offer: ours goes out in the 200, and the answer comes in the ACK (MS-SDP-08, RFC 3264 §4).

use mucfocus_core::leg::{Dial, Event, Leg};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::wire::sdp::Carrier;

use crate::alone::{Alone, OFFER, offer_with};
use crate::reoffers::{cpim, line, names, text};
use crate::story::Story;
use crate::world::place;

/// A leg whose 200 is out, and our offer in it.
fn silent(change: impl FnOnce(&mut Dial)) -> (Alone, String) {
    let mut romeo = Alone::calls("", change).unwrap();
    let offer = romeo.is_answered();
    (romeo, offer)
}

fn answers(romeo: &mut Alone, answer: &str) {
    romeo.does(|leg, env, out| leg.answered(env, answer.as_bytes(), out));
}

fn delivers(romeo: &mut Alone, words: &str) {
    romeo.does(|leg, env, out| leg.deliver(env, &text(words), out));
}

fn texts(romeo: &Alone) -> Vec<String> {
    romeo.bodies().iter().map(|body| body.rsplit("\r\n").next().unwrap().to_owned()).collect()
}

fn only_tls(dial: &mut Dial) {
    dial.msrp.places.push(place(Carrier::Tls, "node1.example.com", 2856));
    dial.room.tls_only = true;
}

/// MS-SDP-08, ACM-01, ACM-03: a complete offer, in which the caller chooses who connects.
#[test]
fn a_call_without_an_offer_gets_ours() {
    let (mut romeo, offer) = silent(|_| {});
    assert_eq!(line(&offer, "o="), "o=- 4 0 IN IP4 node1.example.com");
    assert_eq!(line(&offer, "m="), "m=message 2855 TCP/MSRP *");
    assert_eq!(line(&offer, "a=setup"), "a=setup:actpass");
    assert!(line(&offer, "a=path:").starts_with("a=path:msrp://node1.example.com:2855/"));
    assert_eq!(line(&offer, "a=chatroom"), "a=chatroom:nickname private-messages");
    assert_eq!(names(&romeo.takes_events()), ["open", "other"], "he may be faster than his ACK");
    let (mut juliet, offer) = silent(only_tls);
    assert_eq!(line(&offer, "m="), "m=message 2856 TCP/TLS/MSRP *");
    assert_eq!(names(&juliet.takes_events()), ["other"], "whom she is has to be known first");
    answers(&mut juliet, &OFFER.replace("TCP/", "TCP/TLS/").replace("msrp:", "msrps:").replace("actpass", "active"));
    assert!(matches!(&juliet.events[..], [Event::OpenSession(_, expected)] if expected.secure));
    let nothing = Alone::calls("", |dial| dial.room.tls_only = true).map(|_| ()).unwrap_err();
    assert_eq!(nothing.code, 488);
}

/// MS-SDP-08, ACM-04: who answers decides who connects; who says nothing is connected to.
#[test]
fn the_answer_says_who_connects() {
    for said in ["a=setup:passive\r\n", ""] {
        let (mut romeo, _) = silent(|_| {});
        romeo.events.clear();
        answers(&mut romeo, &offer_with("a=setup:actpass\r\n", said));
        let [Event::Connect(target)] = &romeo.takes_events()[..] else { panic!("{said}") };
        assert_eq!((target.host.as_str(), target.port), ("192.0.2.7", 7654));
        romeo.does(Leg::bound);
        assert_eq!(romeo.frames()[0].head.to_path.endpoint().as_str(), "msrp://192.0.2.7:7654/romeo;tcp");
        answers(&mut romeo, OFFER);
        romeo.does(|leg, _, out| leg.confirmed(out));
        assert_eq!(romeo.events.len(), 1, "an answer that nobody asked for is none");
    }
    let (mut romeo, _) = silent(|_| {});
    romeo.events.clear();
    answers(&mut romeo, &offer_with("actpass", "active"));
    assert_eq!(romeo.takes_events(), []);
    romeo.does(Leg::bound);
    assert_eq!(romeo.frames(), [], "who connects speaks first");
}

/// What is said in the room before the ACK is not lost, and goes by what the answer accepts.
#[test]
fn what_is_said_before_the_ack_is_heard_after_it() {
    for is_faster in [false, true] {
        let (mut romeo, _) = silent(|_| {});
        delivers(&mut romeo, "one");
        if is_faster {
            romeo.does(Leg::bound);
        }
        let html = Content::new("m", "message/cpim", "text/html", cpim("<b/>")).unwrap().into();
        romeo.does(|leg, env, out| leg.deliver(env, &html, out));
        delivers(&mut romeo, "two");
        assert_eq!(texts(&romeo), Vec::<String>::new());
        romeo.events.clear();
        answers(&mut romeo, &offer_with("actpass", if is_faster { "passive" } else { "active" }));
        assert_eq!(names(&romeo.takes_events()), if is_faster { vec!["bound before"] } else { vec![] });
        romeo.does(Leg::bound);
        assert_eq!(texts(&romeo), ["one", "two"]);
        assert!(romeo.frames().iter().all(|frame| frame.head.to_path.endpoint().session_id() == Some("romeo")));
    }
}

#[test]
fn no_more_waits_for_an_ack_than_for_a_connection() {
    let (mut romeo, _) = silent(|_| {});
    for n in 0..300 {
        delivers(&mut romeo, &n.to_string());
    }
    answers(&mut romeo, &offer_with("actpass", "active"));
    assert_eq!(romeo.takes_events().iter().filter(|event| matches!(event, Event::Missed(108))).count(), 1);
    romeo.does(Leg::bound);
    assert_eq!((texts(&romeo).len(), texts(&romeo)[0].as_str()), (192, "108"), "of more the oldest are let go");
}

/// An answer of no use cannot be refused any more: the call ends, and says why.
#[test]
fn an_answer_of_no_use_ends_the_call() {
    for (answer, why) in [
        ("nonsense".to_owned(), "not SDP"),
        (offer_with("m=message 7654", "m=message 0"), "no MSRP stream"),
        (offer_with("a=path:", "a=way:"), "a=path"),
        (offer_with("message/cpim", "text/plain"), "message/cpim"),
        (OFFER.replace("TCP/", "TCP/TLS/").replace("msrp:", "msrps:"), "not available"),
    ] {
        let (mut romeo, _) = silent(|dial| dial.msrp.places.push(place(Carrier::Tls, "node1.example.com", 2856)));
        romeo.events.clear();
        answers(&mut romeo, &answer);
        let [Event::NoAgreement(text)] = &romeo.events[..] else { panic!("{answer}: {:?}", romeo.events) };
        assert!(text.contains(why), "{text}");
    }
    let (mut romeo, _) = silent(|_| {});
    romeo.events.clear();
    romeo.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&romeo.events), ["no agreement"]);
}

/// RFC 3261 §14.2: a re-INVITE without an offer is asked what it wants, and may say so in its ACK.
#[test]
fn the_answer_to_an_offer_within_the_call_counts() {
    let mut romeo = Alone::talks(OFFER);
    let offer = romeo.offers("").unwrap();
    assert_eq!((line(&offer, "o="), line(&offer, "a=setup")), ("o=- 4 1 IN IP4 node1.example.com", "a=setup:actpass"));
    answers(&mut romeo, &offer_with("actpass", "passive"));
    romeo.offers("").unwrap();
    romeo.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&romeo.takes_events()), ["answer", "answer"], "the connection stands");
    romeo.offers("").unwrap();
    answers(&mut romeo, &offer_with("actpass", "active").replace("7654/romeo", "7655/romeo2").replace("nickname ", ""));
    assert_eq!(names(&romeo.takes_events()), ["answer", "take back", "close", "open"]);
    assert!(!romeo.leg.capabilities().nickname, "SW-31, SW-36");
    romeo.does(Leg::bound);
    delivers(&mut romeo, "there");
    assert_eq!(romeo.frames()[0].head.to_path.endpoint().session_id(), Some("romeo2"));
    romeo.events.clear();
    romeo.offers("").unwrap();
    answers(&mut romeo, &offer_with("m=message 7654", "m=message 0"));
    assert_eq!(names(&romeo.takes_events()), ["answer", "close", "removed"]);
    romeo.offers("").unwrap();
    answers(&mut romeo, "nonsense");
    assert_eq!(names(&romeo.takes_events()), ["open", "answer", "no agreement"]);
}

/// RFC 4975 §14.5: the ACK of a re-INVITE is no way around what holds for offers.
#[test]
fn answers_do_not_have_us_knock_at_a_hundred_doors() {
    let mut romeo = Alone::talks(&offer_with("actpass", "passive"));
    let mut doors = 0;
    while romeo.offers("").is_ok() {
        doors += 1;
        assert!(doors < 100);
        answers(&mut romeo, &offer_with("actpass", "passive").replace("romeo", &format!("romeo{doors}")));
    }
    assert_eq!(names(&romeo.events).iter().filter(|name| **name == "connect").count(), 4);
    romeo.now = romeo.now + std::time::Duration::from_secs(10);
    assert!(romeo.offers("").is_ok());
}

/// MS-CONN-08: the name of a lost session is spent, so that our offer is of another.
#[test]
fn an_offer_after_a_loss_is_of_a_new_session() {
    let mut romeo = Alone::talks(&offer_with("actpass", "passive"));
    let before = romeo.offers("").unwrap();
    romeo.does(|leg, _, out| leg.confirmed(out));
    romeo.leg.connection_lost(Vec::new());
    romeo.events.clear();
    let after = romeo.offers("").unwrap();
    assert_ne!(line(&before, "a=path"), line(&after, "a=path"));
    answers(&mut romeo, &offer_with("actpass", "passive").replace("romeo", "romeo2"));
    assert_eq!(names(&romeo.takes_events()), ["close", "open", "answer", "close", "open", "connect"]);
}

/// GC-JOIN-01, MS-SDP-08: in the room he is like everybody else.
#[test]
fn a_caller_who_offers_nothing_is_in_the_room_and_hears_what_was_said() {
    for setup in ["active", "passive"] {
        let story = Story::begins();
        let romeo = story.sip_user("Romeo");
        (romeo.client().setup, romeo.client().is_silent) = (setup, true);
        romeo.dials();
        romeo.is_answered();
        assert_eq!(romeo.sees().connects, usize::from(setup == "passive"));
        story.in_the_room("JuliC", "Where is your offer?");
        romeo.has_heard(&[("JuliC", "Where is your offer?")]);
        let send = romeo.says("I thought that you had one");
        romeo.gets_response(&send, 200);
        story.seconds_pass(60);
        romeo.is_called("Romeo");
        story.everybody_leaves();
    }
}

/// MS-SDP-08: the BYE says why.
#[test]
fn a_caller_whose_ack_brings_nothing_gets_a_bye() {
    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    romeo.client().is_silent = true;
    romeo.dials();
    romeo.input(mucfocus_core::room::io::Input::Confirmed(romeo.leg));
    romeo.gets_bye(488, "answer in the ACK");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}
