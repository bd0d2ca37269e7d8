//! Challenges (RFC 3261 §22, EV-17): the same request again, with an answer.

use super::*;

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256\r\n\
    WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n";

fn answer(message: &Message) -> &str {
    message.field("authorization").unwrap_or_default()
}

#[test]
fn a_call_that_is_challenged_is_made_again_with_an_answer_and_so_is_all_that_follows() {
    let mut world = World::dialling_with(Transport::Udp, Some("verona"));
    let first = world.sent();
    assert_eq!(answer(&first), "");
    world.answers(&first, "401 Unauthorized", CHALLENGE);
    let (ack, second) = (world.sent(), world.sent());
    assert_eq!((ack.method(), ack.branch(), answer(&ack)), (Some("ACK"), first.branch(), ""));
    assert_eq!(second.cseq(), Some((2, "INVITE")));
    assert_ne!(second.branch(), first.branch());
    assert_eq!((second.field("call-id"), &second.body), (first.field("call-id"), &first.body));
    assert!(!second.field("to").unwrap().contains("tag="), "no dialog has begun");
    let begins =
        "Digest username=\"romeo\", realm=\"r\", nonce=\"n1\", uri=\"sip:capulet@rooms.test\", qop=auth, nc=00000001";
    assert!(answer(&second).starts_with(begins) && answer(&second).contains("SHA-256"), "{}", answer(&second));
    // The refusal again, as its ACK was lost: nothing more.
    world.answers(&first, "401 Unauthorized", CHALLENGE);
    assert_eq!(world.events, []);
    world.answers(&second, "200 OK", "Allow-Events: conference, refer\r\n");
    assert_eq!(world.sent().method(), Some("ACK"));
    world.events.retain(|event| matches!(event, Event::Send(..)));
    let subscribe = world.sent();
    assert!(answer(&subscribe).contains("nc=00000002"), "{}", answer(&subscribe));
    // The nonce has become too old meanwhile.
    let stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", algorithm=MD5, stale=true\r\n";
    world.answers(&subscribe, "401 Unauthorized", stale);
    let again = world.sent();
    assert_eq!(again.cseq(), Some((2, "SUBSCRIBE")));
    assert!(answer(&again).contains("nonce=\"n2\"") && answer(&again).contains("nc=00000001"), "{}", answer(&again));
    world.agent.invite_other("sip:benvolio@sip.test", world.now, &mut world.events);
    let refer = world.sent();
    assert!(answer(&refer).contains("nc=00000002"), "{}", answer(&refer));
}

#[test]
fn a_wrong_password_is_tried_once_and_told() {
    let mut world = World::dialling_with(Transport::Udp, Some("mantua"));
    let mut names = Vec::new();
    for _ in 0..2 {
        let invite = world.sent();
        names.push(answer(&invite).split('"').nth(1).unwrap_or_default().to_owned());
        world.answers(&invite, "401 Unauthorized", CHALLENGE);
        assert_eq!(world.sent().method(), Some("ACK"));
    }
    assert_eq!(names, ["", "romeo"]);
    let [Event::Refused(refusal)] = &world.events[..] else { panic!("{:?}", world.events) };
    assert!(refusal.to_string().contains("the password is wrong or the user unknown (\"romeo\")"), "{refusal}");
    assert!(world.agent.is_over());
}

#[test]
fn without_a_password_it_is_told_how_to_give_one() {
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.answers(&invite, "401 Unauthorized", CHALLENGE);
    let _ack = world.sent();
    let [Event::Refused(refusal)] = &world.events[..] else { panic!("{:?}", world.events) };
    assert!(refusal.to_string().contains("--password-file"), "{refusal}");
}
