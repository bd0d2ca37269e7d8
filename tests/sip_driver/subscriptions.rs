//! Subscriptions in dialogs of their own: EV-01 to EV-16, GC-PRES-01.

use std::time::Duration;

use mucfocus::hub::mail::{Outcome, SubscriptionMail};
use mucfocus::sip::port::{Notification, Readiness, Reason, Refusal, SubscriptionState};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, Peer, Watching};
use crate::message::{Message, Request, contact_uri};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ROOM: &str = "sip:capulet@rooms.example.com";

/// A subscription, as both sides see it.
pub struct Up {
    pub peer: Peer,
    pub subscribe: Request,
    pub ok: Message,
    pub room: Watching,
}

pub async fn subscribed(house: &mut House, transport: Transport, more: &str) -> Up {
    let mut peer = house.peer(transport).await;
    let subscribe = peer.subscribe(ROOM).with(more);
    let ok = peer.ask(&subscribe).await;
    assert_eq!(ok.code(), 200, "{}", ok.0);
    let room = house.watching().await;
    Up { peer, subscribe, ok, room }
}

pub fn refresh(up: &Up, cseq: u32, fields: &str) -> Request {
    up.subscribe.next("SUBSCRIBE", cseq, &up.ok).with("Event: conference\r\n").with(fields)
}

pub async fn delivered(room: &mut Watching) {
    let mail = room.hear().await;
    assert!(matches!(mail, SubscriptionMail::Notified(Outcome::Delivered)), "{mail:?}");
}

/// GC-PRES-01, EV-02, EV-05, EV-06, EV-16, E-16, E-24.
#[tokio::test]
async fn a_subscribe_gets_200_and_then_notify_in_its_own_dialog() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = subscribed(&mut house, transport, "Expires: 600\r\n").await;
        assert_eq!((up.ok.get("Expires"), up.ok.get("Allow-Events")), ("600", "conference, refer"));
        assert!(up.ok.get("Contact").contains("sip:capulet@") && up.ok.get("Contact").contains(">;isfocus;"));
        assert_eq!(up.room.subscribe.request_uri.to_string(), ROOM);
        assert_eq!(up.room.subscribe.caller.aor.to_string(), "sip:romeo@example.org");
        assert_eq!((up.room.subscribe.leg, up.room.subscribe.expires), (None, 600));
        assert_eq!(up.room.subscribe.call_id, up.subscribe.call_id);
        for (number, document) in [(1, "<a/>"), (2, "<b/>")] {
            up.room.show(599, document).await;
            let notify = up.peer.hear().await;
            assert_eq!(notify.start(), format!("NOTIFY {} SIP/2.0", contact_uri_of(&up.peer)));
            assert_eq!(notify.get("CSeq"), format!("{number} NOTIFY"));
            assert_eq!((notify.get("From"), notify.get("To")), (up.ok.get("To"), up.subscribe.from.as_str()));
            assert_eq!(notify.get("Call-ID"), up.subscribe.call_id);
            assert_eq!((notify.get("Event"), notify.get("Subscription-State")), ("conference", "active;expires=599"));
            assert_eq!(notify.get("Content-Type"), "application/conference-info+xml");
            assert_eq!(notify.body(), document);
            assert_eq!(contact_uri(&notify), contact_uri(&up.ok));
            assert!(notify.get("Via").starts_with(&format!("SIP/2.0/{} ", up.peer.name())));
            up.peer.answer(&notify, "200 OK").await;
            delivered(&mut up.room).await;
        }
        up.room.end(Reason::Noresource, None).await;
        let last = up.peer.hear().await;
        assert_eq!(last.get("Subscription-State"), "terminated;reason=noresource");
        assert!(last.all("Content-Type").is_empty() && last.all("Reason").is_empty() && last.body().is_empty());
        up.peer.answer(&last, "200 OK").await;
        up.room.hear_last().await;
        house.is_empty().await;
    }
}

fn contact_uri_of(peer: &Peer) -> String {
    format!("sip:romeo@{};transport={}", peer.local, peer.name().to_lowercase())
}

/// EV-01, EV-03, EV-04, EV-11, RF-12.
#[tokio::test]
async fn each_refusal_has_its_code_and_says_what_would_do() {
    let house = House::open().await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let with = |fields: &str| peer.request("SUBSCRIBE", ROOM).with(&peer.contact()).with(fields);
        let mut unknown = peer.subscribe(ROOM);
        unknown.to += ";tag=unknown";
        let cases = [
            (with(""), 489, "Allow-Events: conference, refer"),
            (with("Event: presence\r\n"), 489, "Allow-Events: conference, refer"),
            (with("Event: refer\r\n"), 403, ""),
            (with("Event: conference\r\nAccept: text/plain\r\n"), 406, "Accept: application/conference-info+xml"),
            (with("Event: conference\r\nExpires: 5\r\n"), 423, "Min-Expires: 60"),
            (with("Event: conference\r\nExpires: soon\r\n"), 400, ""),
            (with("Event: conference\r\nRequire: eventlist\r\n"), 420, "Unsupported: eventlist"),
            (peer.request("SUBSCRIBE", ROOM).with("Event: conference\r\n"), 400, ""),
            (peer.subscribe(ROOM).with("Contact: <sip:two@h>\r\n"), 400, ""),
            (peer.subscribe("sip:nobody@rooms.example.com"), 404, ""),
            (unknown, 481, ""),
        ];
        for (request, code, field) in cases {
            let answer = peer.ask(&request).await;
            assert_eq!(answer.code(), code, "{} {}", request.more, answer.0);
            assert!(answer.0.contains(&format!("\r\n{field}")), "{}", answer.0);
            assert!(answer.get("Warning").starts_with("399 focus1 \"") && !answer.to_tag().is_empty());
        }
    }
    assert_eq!(house.driver.dialogs(), 0);
}

/// EV-02, EV-04, EV-19: what is not said, and what is ignored.
#[tokio::test]
async fn a_subscription_lives_an_hour_at_most() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let mut rooms = Vec::new();
    for (fields, expires) in [("", 3600), ("Expires: 86400\r\n", 3600), ("Expires: 60\r\n", 60)] {
        let subscribe = peer.request("SUBSCRIBE", ROOM).with(&peer.contact()).with(fields);
        let ok = peer.ask(&subscribe.with("Event: conference;max-rate=0.1;foo=bar\r\nAccept: */*\r\n")).await;
        assert_eq!((ok.code(), ok.get("Expires")), (200, expires.to_string().as_str()));
        let room = house.watching().await;
        assert_eq!((room.subscribe.expires, room.subscribe.interval), (expires, Some(Duration::from_secs(10))));
        rooms.push(room);
    }
}

/// EV-19 (RFC 6446 §5.2): the wish is heard, also with a refresh, and what is granted is said.
#[tokio::test]
async fn a_wish_for_few_notifications_is_heard_and_answered() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Tcp, "").await;
    let wish = up.subscribe.next("SUBSCRIBE", 2, &up.ok).with("Event: conference;max-rate=0.05\r\n");
    assert_eq!(up.peer.ask(&wish).await.code(), 200);
    let interval = Duration::from_secs(20);
    let SubscriptionMail::Refreshed { interval: heard, .. } = up.room.hear().await else { panic!("no refresh") };
    assert_eq!(heard, Some(interval));
    let state = SubscriptionState::Active { expires: 600, interval: Some(interval) };
    up.room.notify(Notification { state, document: None }).await;
    let notify = up.peer.hear().await;
    assert_eq!(notify.get("Subscription-State"), "active;expires=600;max-rate=0.05");
    up.peer.answer(&notify, "200 OK").await;
    delivered(&mut up.room).await;
}

/// EV-19 (RFC 6446 §5.1, §9.3): a subscriber changes his mind with the answer to a NOTIFY.
#[tokio::test]
async fn another_wish_in_the_answer_to_a_notification_is_heard() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Tcp, "").await;
    for (fields, wish) in [
        ("Event: conference;max-rate=0.05;id=x\r\n", Some(Some(Duration::from_secs(20)))),
        ("o: Conference\r\n", Some(None)),
        ("Event: refer;max-rate=0.05\r\n", None),
        ("", None),
    ] {
        let state = SubscriptionState::Active { expires: 600, interval: None };
        up.room.notify(Notification { state, document: None }).await;
        let notify = up.peer.hear().await;
        up.peer.answer_with(&notify, "200 OK", fields, "").await;
        if let Some(wish) = wish {
            let SubscriptionMail::Wished(heard) = up.room.hear().await else { panic!("no wish in {fields:?}") };
            assert_eq!(heard, wish, "{fields:?}");
        }
        delivered(&mut up.room).await;
    }
}

/// EV-08: one NOTIFY, and the dialog is over.
#[tokio::test]
async fn a_fetch_gets_one_notify_with_the_state() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Tcp, "Expires: 0\r\n").await;
    assert_eq!((up.ok.get("Expires"), up.room.subscribe.expires), ("0", 0));
    let state = SubscriptionState::Terminated { reason: Reason::Timeout, retry_after: None, text: None, cause: None };
    up.room.notify(Notification { state, document: Some("<state/>".into()) }).await;
    let notify = up.peer.hear().await;
    assert_eq!((notify.get("Subscription-State"), notify.body()), ("terminated;reason=timeout", "<state/>"));
    up.peer.answer(&notify, "200 OK").await;
    up.room.hear_last().await;
    house.is_empty().await;
}

/// EV-07, EV-11.
#[tokio::test]
async fn a_refresh_is_answered_and_told_and_after_the_end_there_is_481() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = subscribed(&mut house, transport, "").await;
        let ok = up.peer.ask(&refresh(&up, 2, "Expires: 120\r\n")).await;
        assert_eq!((ok.code(), ok.get("Expires"), ok.get("To")), (200, "120", up.ok.get("To")));
        assert!(matches!(up.room.hear().await, SubscriptionMail::Refreshed { expires: 120, interval: None }));
        assert_eq!(up.peer.ask(&refresh(&up, 3, "Expires: 5\r\n")).await.code(), 423);
        assert_eq!(up.peer.ask(&refresh(&up, 3, "")).await.code(), 500, "the number was used");
        assert_eq!(up.peer.ask(&refresh(&up, 4, "Expires: 0\r\n")).await.code(), 200);
        assert!(matches!(up.room.hear().await, SubscriptionMail::Refreshed { expires: 0, interval: None }));
        up.room.end(Reason::Timeout, None).await;
        let last = up.peer.hear().await;
        assert_eq!(last.get("Subscription-State"), "terminated;reason=timeout");
        // While the last NOTIFY has no answer the dialog is there, and the subscription is not.
        let late = up.peer.ask(&refresh(&up, 5, "")).await;
        assert_eq!(late.code(), 481, "{}", late.0);
        up.peer.answer(&last, "200 OK").await;
        up.room.hear_last().await;
        house.is_empty().await;
        assert_eq!(up.peer.ask(&refresh(&up, 6, "")).await.code(), 481);
    }
}

/// EV-18.
#[tokio::test]
async fn a_second_notify_waits_for_the_answer_to_the_first() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Tcp, "").await;
    up.room.show(3600, "<a/>").await;
    up.room.end(Reason::Rejected, Some("removed by \"nurse\"")).await;
    let first = up.peer.hear().await;
    // The connection answers in order: what is not before this was not sent.
    let probe = up.peer.request("OPTIONS", ROOM);
    assert_eq!(up.peer.ask(&probe).await.code(), 200);
    up.peer.answer(&first, "200 OK").await;
    delivered(&mut up.room).await;
    let last = up.peer.hear().await;
    assert_eq!(last.get("Subscription-State"), "terminated;reason=rejected");
    assert_eq!(last.get("Reason"), "SIP;cause=403;text=\"removed by \\\"nurse\\\"\"");
    up.peer.answer(&last, "200 OK").await;
    up.room.hear_last().await;
}

/// EV-10.
#[tokio::test]
async fn an_answer_that_says_so_ends_the_subscription_and_another_does_not() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    for status in ["500 Server Internal Error", "403 Forbidden"] {
        up.room.show(3600, "<a/>").await;
        let notify = up.peer.hear().await;
        up.peer.answer(&notify, status).await;
        assert!(matches!(up.room.hear().await, SubscriptionMail::Notified(Outcome::Refused)));
    }
    up.room.show(3600, "<b/>").await;
    let notify = up.peer.hear().await;
    up.peer.answer(&notify, "481 Subscription Does Not Exist").await;
    assert!(matches!(up.room.hear().await, SubscriptionMail::Notified(Outcome::Failed)));
    up.room.hear_end().await;
    house.is_empty().await;
}

/// EV-10: RFC 3261 timer F.
#[tokio::test]
async fn a_notify_that_nobody_answers_ends_the_subscription() {
    for transport in BOTH {
        let mut house = House::open_at(Duration::from_millis(10), |_| {}).await;
        let mut up = subscribed(&mut house, transport, "").await;
        up.room.show(3600, "<a/>").await;
        assert!(up.peer.hear().await.start().starts_with("NOTIFY "));
        assert!(matches!(up.room.hear().await, SubscriptionMail::Notified(Outcome::Failed)));
        up.room.hear_end().await;
        house.is_empty().await;
    }
}

/// RFC 3261 §8.1.3.1: as a 503 would, that ends no subscription; that nobody is there the next time does.
#[tokio::test]
async fn a_notify_whose_connection_breaks_waits_for_no_timer() {
    let mut house = House::open().await;
    let Up { mut peer, room: mut watching, .. } = subscribed(&mut house, Transport::Tcp, "").await;
    watching.show(3600, "<a/>").await;
    assert!(peer.hear().await.start().starts_with("NOTIFY "));
    drop(peer);
    assert!(matches!(watching.hear().await, SubscriptionMail::Notified(Outcome::Refused)));
    watching.show(3600, "<b/>").await;
    assert!(matches!(watching.hear().await, SubscriptionMail::Notified(Outcome::Failed)));
    watching.hear_end().await;
    house.is_empty().await;
}

/// EV-12: a room that fails says nothing; its subscribers are told all the same.
#[tokio::test]
async fn a_room_that_is_gone_ends_the_subscription() {
    let mut house = House::open().await;
    let Up { mut peer, room, .. } = subscribed(&mut house, Transport::Udp, "").await;
    let Watching { subscribe, mut mailbox } = room;
    drop(subscribe);
    let last = peer.hear().await;
    assert_eq!(last.get("Subscription-State"), "terminated;reason=noresource");
    peer.answer(&last, "200 OK").await;
    mailbox.recv().await;
    house.is_empty().await;
}

#[tokio::test]
async fn what_the_focus_refuses_is_refused_and_nothing_is_left() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    *house.stage.refuse_with.lock().unwrap() = Some(Refusal::new(403, "You may not enter this room"));
    let answer = peer.ask(&peer.subscribe(ROOM)).await;
    assert_eq!(answer.code(), 403);
    assert!(answer.get("Warning").contains("You may not enter this room"));
    *house.stage.refuse_with.lock().unwrap() = None;
    // EV-12: who drains takes nothing new; who has no leg left does.
    *house.stage.readiness.lock().unwrap() = Readiness::Draining;
    assert_eq!(peer.ask(&peer.subscribe(ROOM)).await.code(), 503);
    house.is_empty().await;
    *house.stage.readiness.lock().unwrap() = Readiness::Overloaded;
    assert_eq!(peer.ask(&peer.subscribe(ROOM)).await.code(), 200);
    assert_eq!(house.watching().await.subscribe.expires, 3600);
}

/// SIP-10.
#[tokio::test]
async fn a_copy_that_comes_another_way_gets_482_and_a_retransmission_the_same_200() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    let mut copy = up.subscribe.clone();
    copy.branch += "copy";
    assert_eq!(up.peer.ask(&copy).await.code(), 482);
    let again = up.peer.ask(&up.subscribe).await;
    assert_eq!((again.code(), again.to_tag()), (200, up.ok.to_tag()));
    assert_eq!(house.driver.dialogs(), 1);
}

/// SEC-03, SIP-08.
#[tokio::test]
async fn a_refresh_of_another_caller_gets_403_and_an_old_number_500() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    let theirs = refresh(&up, 9, "Expires: 0\r\nP-Asserted-Identity: <sip:tybalt@example.org>\r\n");
    assert_eq!(up.peer.ask(&theirs).await.code(), 403);
    assert_eq!(up.peer.ask(&refresh(&up, 1, "Expires: 0\r\n")).await.code(), 500);
    assert_eq!(up.peer.ask(&up.subscribe.next("INVITE", 2, &up.ok)).await.code(), 481);
    assert_eq!(up.peer.ask(&up.subscribe.next("BYE", 3, &up.ok)).await.code(), 481);
    assert_eq!(up.peer.ask(&up.subscribe.next("OPTIONS", 4, &up.ok)).await.code(), 200);
    assert_eq!(up.peer.ask(&refresh(&up, 5, "Contact: <sip:a@h>, <sip:b@h>\r\n")).await.code(), 400);
    assert_eq!(up.peer.ask(&refresh(&up, 6, "")).await.code(), 200);
}
