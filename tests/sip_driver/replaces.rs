//! Calls that take the place of another (RFC 3891): CF-12.

use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::port::{CallCommand, Refusal};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, Up, call_up};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ROOM: &str = "sip:capulet@rooms.example.com";

/// The field that names his call, as he writes it: his own tag is that of the From.
fn replaces(up: &Up) -> String {
    format!("Replaces: {};to-tag={};from-tag=r1", up.invite.call_id, up.ok.to_tag())
}

#[tokio::test]
async fn the_call_that_is_replaced_is_hung_up_when_the_new_one_has_its_ack() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut phone = call_up(&mut house, transport, "").await;
        let mut tablet = house.tcp().await;
        let invite = tablet.invite(ROOM).with(&format!("Require: replaces\r\n{}\r\n", replaces(&phone)));
        tablet.send(&invite.text()).await;
        let mut room = house.ringing().await;
        assert!(room.dial.replaces && !phone.room.dial.replaces);
        room.accept("answer").await;
        let ok = tablet.hear_final().await;
        assert_eq!(ok.code(), 200, "{}", ok.0);
        assert!(ok.get("Supported").contains("replaces"));
        assert!(phone.peer.hears_nothing(Duration::from_millis(100)).await);
        tablet.send(&invite.ack(&ok)).await;
        assert!(matches!(room.hear().await, CallMail::Confirmed));
        let bye = phone.peer.hear().await;
        assert!(bye.start().starts_with("BYE "), "{}", bye.0);
        assert_eq!(bye.get("Reason"), "SIP;cause=200;text=\"another call has taken its place\"");
        // Whether he answers or not, who was replaced is gone.
        assert_eq!(phone.room.hear_end().await, CallEnd::Replaced);
        phone.peer.answer(&bye, "200 OK").await;
        // The new one goes on, and can be replaced in its turn; the old one cannot be any more.
        let again = tablet.invite(ROOM).with(&format!("{}\r\n", replaces(&phone)));
        assert_eq!(tablet.ask(&again).await.code(), 481);
        assert_eq!(tablet.ask(&invite.next("BYE", 2, &ok)).await.code(), 200);
        assert!(matches!(room.hear_end().await, CallEnd::Bye { .. }));
        house.is_empty().await;
    }
}

/// RFC 3891 §3: what cannot be accepted leaves the matched dialog unchanged.
#[tokio::test]
async fn a_call_that_comes_to_nothing_replaces_nothing() {
    let mut house = House::open().await;
    let mut phone = call_up(&mut house, Transport::Udp, "").await;
    let mut tablet = house.udp().await;
    let field = format!("{}\r\n", replaces(&phone));
    *house.stage.refuse_with.lock().unwrap() = Some(Refusal::new(480, "not now"));
    assert_eq!(tablet.ask(&tablet.invite(ROOM).with(&field)).await.code(), 480);
    // The next one does not wait until that refusal has its ACK.
    *house.stage.refuse_with.lock().unwrap() = None;
    let mut tablet = house.udp().await;
    let refused = tablet.invite(ROOM).with(&field);
    tablet.send(&refused.text()).await;
    house.ringing().await.say(CallCommand::Reject(Refusal::new(488, "no such media"))).await;
    assert_eq!(tablet.hear_final().await.code(), 488);
    let cancelled = tablet.invite(ROOM).with(&field);
    tablet.send(&cancelled.text()).await;
    let _room = house.ringing().await;
    // One at a time.
    let mut other = house.udp().await;
    assert_eq!(other.ask(&other.invite(ROOM).with(&field)).await.code(), 486);
    let mut cancel = cancelled.clone();
    (cancel.method, cancel.more, cancel.body) = ("CANCEL".into(), String::new(), String::new());
    tablet.send(&cancel.text()).await;
    let codes = [tablet.hear_final().await.code(), tablet.hear_final().await.code()];
    assert!(codes.contains(&200) && codes.contains(&487), "{codes:?}");
    assert!(phone.peer.hears_nothing(Duration::from_millis(100)).await);
    assert_eq!(phone.peer.ask(&phone.invite.next("BYE", 2, &phone.ok)).await.code(), 200);
}

#[tokio::test]
async fn what_cannot_be_replaced_is_refused_and_goes_on() {
    let mut house = House::open().await;
    let mut phone = call_up(&mut house, Transport::Tcp, "").await;
    let mut tablet = house.tcp().await;
    let his = replaces(&phone);
    for (uri, fields, code) in [
        (ROOM, format!("{his};early-only"), 486),
        (ROOM, format!("{his}\r\n{his}"), 400),
        (ROOM, format!("Replaces: {}", phone.invite.call_id), 400),
        (ROOM, his.replace("r1", "r2"), 481),
        (ROOM, his.replace("Replaces: ", "Replaces: un"), 481),
        ("sip:room%40conf@rooms.example.com", his.clone(), 481),
        (ROOM, format!("{his}\r\nP-Asserted-Identity: <sip:tybalt@example.org>"), 403),
    ] {
        let answer = tablet.ask(&tablet.invite(uri).with(&format!("{fields}\r\n"))).await;
        assert_eq!(answer.code(), code, "{fields}\n{}", answer.0);
    }
    let options = tablet.request("OPTIONS", ROOM).with(&format!("{his}\r\n"));
    assert_eq!(tablet.ask(&options).await.code(), 400);
    let again = phone.invite.next("INVITE", 2, &phone.ok).with(&format!("Contact: <sip:romeo@h>\r\n{his}\r\n"));
    assert_eq!(phone.peer.ask(&again).await.code(), 400);
    // One that is still ringing was set up by its caller, so that nobody else can take it.
    let ringing = phone.peer.invite(ROOM);
    phone.peer.send(&ringing.text()).await;
    let room = house.ringing().await;
    room.say(CallCommand::Progress).await;
    assert_eq!(phone.peer.hear().await.code(), 100);
    let tag = phone.peer.hear().await.to_tag().to_owned();
    let early = format!("Replaces: {};to-tag={tag};from-tag=r1;early-only\r\n", ringing.call_id);
    assert_eq!(tablet.ask(&tablet.invite(ROOM).with(&early)).await.code(), 481);
    assert_eq!(phone.peer.ask(&phone.invite.next("BYE", 3, &phone.ok)).await.code(), 200);
    assert!(matches!(phone.room.hear_end().await, CallEnd::Bye { .. }));
}
