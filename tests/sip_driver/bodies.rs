//! Offers among other things: SIP-09, RFC 5621. How bodies are read is tested in the core.

use mucfocus::hub::mail::CallMail;
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::Transport;

use crate::harness::{House, OFFER, call_up};
use crate::message::Request;

const ROOM: &str = "sip:capulet@rooms.example.com";
const LOCATION: &str = "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>";

/// The SDP beside a location with this disposition.
fn mixed(sdp: &str, disposition: &str) -> String {
    format!(
        "--boundary1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n\
         --boundary1\r\nContent-Type: application/pidf+xml\r\n{disposition}\r\n{LOCATION}\r\n--boundary1--\r\n"
    )
}

fn with_mixed(request: Request, sdp: &str, disposition: &str) -> Request {
    request.with("Content-Type: multipart/mixed;boundary=\"boundary1\"\r\n").body(&mixed(sdp, disposition))
}

const OPTIONAL: &str = "Content-Disposition: render;handling=optional\r\n";

/// RFC 5621 §5; RFC 6442 §5.1, whose location is only referred to.
#[tokio::test]
async fn the_offer_is_found_beside_the_location_of_an_emergency_call() {
    let mut house = House::open().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut peer = house.peer(transport).await;
        for disposition in [OPTIONAL, "Content-ID: <target123@atlanta.example.com>\r\n"] {
            let invite = peer.request("INVITE", ROOM).with(&peer.contact());
            let invite = invite.with("Geolocation: <cid:target123@atlanta.example.com>\r\n");
            peer.send(&with_mixed(invite, OFFER, disposition).text()).await;
            let room = house.ringing().await;
            assert_eq!(room.dial.offer, OFFER);
            room.accept("answer").await;
            let ok = peer.hear_final().await;
            assert_eq!((ok.code(), ok.body()), (200, "answer"));
            assert_eq!(ok.get("Accept"), "application/sdp, multipart/mixed, multipart/alternative");
        }
    }
}

#[tokio::test]
async fn what_has_to_be_understood_is_415_and_what_is_malformed_400() {
    let house = House::open().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut peer = house.peer(transport).await;
        let invite = || peer.request("INVITE", ROOM).with(&peer.contact());
        let required = with_mixed(invite(), OFFER, "Content-Disposition: render;handling=required\r\n");
        let unstated = with_mixed(invite(), OFFER, "");
        let unfinished = with_mixed(invite(), OFFER, OPTIONAL);
        let unfinished = Request { body: unfinished.body.replace("--boundary1--", ""), ..unfinished };
        let nameless = invite().with("Content-Type: multipart/mixed\r\n").body(&mixed(OFFER, OPTIONAL));
        for (request, code) in [(required, 415), (unstated, 415), (unfinished, 400), (nameless, 400)] {
            let answer = peer.ask(&request).await;
            assert_eq!(answer.code(), code, "{}", request.text());
            assert_eq!(answer.all("Accept").is_empty(), code != 415, "{}", answer.0);
        }
    }
}

/// RFC 3261 §8.2.3: such a body counts as none, and then the INVITE has no offer.
#[tokio::test]
async fn a_body_that_may_be_left_out_is_no_offer() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.request("INVITE", ROOM).with(&peer.contact()).with(OPTIONAL);
    peer.send(&invite.with("Content-Type: application/pidf+xml\r\n").body(LOCATION).text()).await;
    assert!(house.ringing().await.dial.offer.is_empty());
}

#[tokio::test]
async fn within_a_call_offers_and_answers_are_found_as_well() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    for (method, number) in [("UPDATE", 2), ("INVITE", 3)] {
        let again = up.invite.next(method, number, &up.ok).with(&up.peer.contact());
        let again = with_mixed(again, "another", OPTIONAL);
        up.peer.send(&again.text()).await;
        assert!(matches!(up.room.hear().await, CallMail::Reinvite { offer } if offer == "another"), "{method}");
        up.room.say(CallCommand::AnswerReinvite(Ok("a".into()))).await;
        let ok = up.peer.hear_final().await;
        assert_eq!(ok.code(), 200);
        if method == "INVITE" {
            up.peer.send(&again.ack(&ok)).await;
        }
        assert!(matches!(up.room.hear().await, CallMail::Confirmed));
    }
    // An UPDATE with nothing for us only refreshes.
    let refresh = up.invite.next("UPDATE", 4, &up.ok).with(&up.peer.contact()).with(OPTIONAL);
    let refresh = refresh.with("Content-Type: application/pidf+xml\r\n").body(LOCATION);
    assert_eq!(up.peer.ask(&refresh).await.code(), 200);
    // The ACK of a re-INVITE without an offer brings the answer.
    let silent = up.invite.next("INVITE", 5, &up.ok).with(&up.peer.contact());
    up.peer.send(&silent.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { offer } if offer.is_empty()));
    up.room.say(CallCommand::AnswerReinvite(Ok("our offer".into()))).await;
    let ok = up.peer.hear_final().await;
    let body = mixed("his answer", OPTIONAL);
    let length = format!("Content-Type: multipart/mixed;boundary=boundary1\r\nContent-Length: {}", body.len());
    up.peer.send(&(silent.ack(&ok).replace("Content-Length: 0", &length) + &body)).await;
    assert!(matches!(up.room.hear().await, CallMail::Answered { answer } if answer == "his answer"));
}
