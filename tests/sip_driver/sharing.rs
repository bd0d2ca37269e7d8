//! Dialogs with several usages: EV-14, EV-15, RFC 5057.

use mucfocus::hub::mail::{CallEnd, Outcome, SubscriptionMail};
use mucfocus::sip::port::{CallCommand, Reason};
use mucfocus::sip::settings::{IdentitySource, Transport};

use crate::harness::{House, LEG, call_up};
use crate::message::Request;

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

fn subscribe(up: &crate::harness::Up, cseq: u32, event: &str) -> Request {
    up.invite.next("SUBSCRIBE", cseq, &up.ok).with(&up.peer.contact()).with(&format!("Event: {event}\r\n"))
}

/// GC-PRES-01, EV-14, EV-15: BYE ends the call only.
#[tokio::test]
async fn a_subscription_within_a_call_outlives_it_until_the_room_ends_it() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        let ok = up.peer.ask(&subscribe(&up, 2, "conference")).await;
        assert_eq!((ok.code(), ok.get("To")), (200, up.ok.get("To")));
        let mut room = house.watching().await;
        assert_eq!((room.subscribe.leg, room.subscribe.call_id.as_str()), (Some(LEG), up.invite.call_id.as_str()));
        assert_eq!(room.subscribe.request_uri, up.room.dial.request_uri);
        assert_eq!(room.subscribe.caller, up.room.dial.caller);
        room.show(3600, "<a/>").await;
        let notify = up.peer.hear().await;
        assert_eq!((notify.get("From"), notify.get("To")), (up.ok.get("To"), up.invite.from.as_str()));
        assert_eq!(notify.get("Call-ID"), up.invite.call_id);
        up.peer.answer(&notify, "200 OK").await;
        assert!(matches!(room.hear().await, SubscriptionMail::Notified(Outcome::Delivered)));
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 3, &up.ok)).await.code(), 200);
        assert_eq!(up.room.hear_end().await, CallEnd::Bye { reason: None });
        assert_eq!(house.driver.dialogs(), 1);
        assert_eq!(up.peer.ask(&subscribe(&up, 4, "conference")).await.code(), 200);
        assert!(matches!(room.hear().await, SubscriptionMail::Refreshed { expires: 3600, interval: None }));
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 5, &up.ok)).await.code(), 481);
        room.end(Reason::Noresource, Some("left")).await;
        let last = up.peer.hear().await;
        assert_eq!(last.get("Reason"), "SIP;cause=480;text=\"left\"");
        up.peer.answer(&last, "200 OK").await;
        room.hear_last().await;
        house.is_empty().await;
        assert_eq!(up.peer.ask(&subscribe(&up, 6, "conference")).await.code(), 481);
    }
}

/// GC-EXIT-03: what the dialog of a call is used for ends with it, one after the other, and nothing new begins meanwhile.
#[tokio::test]
async fn nothing_begins_within_a_call_that_has_ended() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        let mut watched = Vec::new();
        for (cseq, event) in [(2, "conference;id=a"), (3, "conference;id=b")] {
            assert_eq!(up.peer.ask(&subscribe(&up, cseq, event)).await.code(), 200);
            watched.push(house.watching().await);
        }
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 4, &up.ok)).await.code(), 200);
        assert_eq!(up.room.hear_end().await, CallEnd::Bye { reason: None });
        let (mut b, mut a) = (watched.pop().unwrap(), watched.pop().unwrap());
        b.end(Reason::Noresource, None).await;
        let last = up.peer.hear().await;
        up.peer.answer(&last, "200 OK").await;
        b.hear_last().await;
        for (cseq, event) in [(5, "conference;id=b"), (6, "conference;id=c\r\nExpires: 0")] {
            assert_eq!(up.peer.ask(&subscribe(&up, cseq, event)).await.code(), 481, "{event}");
        }
        let refer = up.invite.next("REFER", 7, &up.ok).with(&up.peer.contact());
        assert_eq!(up.peer.ask(&refer.with("Refer-To: <xmpp:benvolio@example.com>\r\n")).await.code(), 481);
        assert_eq!(house.driver.dialogs(), 1);
        a.end(Reason::Noresource, None).await;
        let last = up.peer.hear().await;
        up.peer.answer(&last, "200 OK").await;
        a.hear_last().await;
        house.is_empty().await;
    }
}

/// GC-EXIT-03: nor while our BYE is on its way.
#[tokio::test]
async fn nothing_begins_within_a_call_that_we_are_ending() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    up.room.say(CallCommand::Bye { cause: 480, text: "kicked".into() }).await;
    let bye = up.peer.hear().await;
    assert_eq!(up.peer.ask(&subscribe(&up, 2, "conference")).await.code(), 481);
    up.peer.answer(&bye, "200 OK").await;
    assert_eq!(up.room.hear_end().await, CallEnd::ByUs);
    house.is_empty().await;
}

/// EV-15: the room ends both; the numbers of their requests go up, in the order in which they are sent.
#[tokio::test]
async fn bye_and_notify_of_one_dialog_share_its_numbers() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        assert_eq!(up.peer.ask(&subscribe(&up, 2, "conference")).await.code(), 200);
        let mut room = house.watching().await;
        up.room.say(CallCommand::Bye { cause: 480, text: "kicked".into() }).await;
        room.end(Reason::Rejected, Some("kicked")).await;
        let requests = [up.peer.hear().await, up.peer.hear().await];
        for (index, request) in requests.iter().enumerate() {
            let number: usize = request.get("CSeq").split(' ').next().unwrap().parse().unwrap();
            assert_eq!(number, index + 1, "{}", request.0);
            up.peer.answer(request, "200 OK").await;
        }
        let mut methods = requests.each_ref().map(|r| r.start().split(' ').next().unwrap());
        methods.sort_unstable();
        assert_eq!(methods, ["BYE", "NOTIFY"]);
        assert_eq!(up.room.hear_end().await, CallEnd::ByUs);
        room.hear_last().await;
        house.is_empty().await;
    }
}

/// EV-15: told apart by the id of the Event, which comes back.
#[tokio::test]
async fn several_subscriptions_of_one_dialog_are_told_apart_by_their_ids() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let mut rooms = Vec::new();
    for (cseq, event) in [(2, "conference"), (3, "conference;id=a"), (4, "conference;id=b")] {
        assert_eq!(up.peer.ask(&subscribe(&up, cseq, event)).await.code(), 200);
        let room = house.watching().await;
        room.show(3600, "<x/>").await;
        let notify = up.peer.hear().await;
        assert_eq!(notify.get("Event"), event);
        up.peer.answer(&notify, "200 OK").await;
        rooms.push(room);
    }
    for room in &mut rooms {
        assert!(matches!(room.hear().await, SubscriptionMail::Notified(Outcome::Delivered)));
    }
    let refresh = subscribe(&up, 5, "conference;id=b").with("Expires: 61\r\n");
    assert_eq!(up.peer.ask(&refresh).await.code(), 200);
    assert!(matches!(rooms[2].hear().await, SubscriptionMail::Refreshed { expires: 61, interval: None }));
    rooms[1].end(Reason::Timeout, None).await;
    let last = up.peer.hear().await;
    assert_eq!(last.get("Event"), "conference;id=a");
    up.peer.answer(&last, "200 OK").await;
    rooms[1].hear_last().await;
    // EV-11: an id that is gone is a new subscription.
    assert_eq!(up.peer.ask(&subscribe(&up, 6, "conference;id=a")).await.code(), 200);
    assert_eq!(house.watching().await.subscribe.leg, Some(LEG));
}

/// Bounded: eight beside the call.
#[tokio::test]
async fn a_ninth_subscription_of_a_dialog_is_refused() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let mut rooms = Vec::new();
    for n in 0..8 {
        assert_eq!(up.peer.ask(&subscribe(&up, 2 + n, &format!("conference;id={n}"))).await.code(), 200);
        rooms.push(house.watching().await);
    }
    assert_eq!(up.peer.ask(&subscribe(&up, 10, "conference;id=9")).await.code(), 403);
    assert_eq!(up.peer.ask(&subscribe(&up, 11, "conference;id=3")).await.code(), 200);
    // The call is not touched.
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 12, &up.ok)).await.code(), 200);
}

/// SEC-03.
#[tokio::test]
async fn who_knows_the_tags_of_a_call_cannot_subscribe_or_refer_within_it() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let tybalt = "P-Asserted-Identity: <sip:tybalt@example.org>\r\n";
    assert_eq!(up.peer.ask(&subscribe(&up, 2, "conference").with(tybalt)).await.code(), 403);
    let refer = up.invite.next("REFER", 3, &up.ok).with(&up.peer.contact()).with("Refer-To: <sip:a@b>\r\n");
    assert_eq!(up.peer.ask(&refer.with(tybalt)).await.code(), 403);
    assert_eq!(house.driver.dialogs(), 1);
}

/// SEC-03: a proxy that asserts nothing within a dialog does not vouch for whoever sends there.
#[tokio::test]
async fn without_an_identity_the_from_within_a_dialog_is_that_of_its_caller() {
    for transport in BOTH {
        let mut house = House::open_with(|s| s.identity = vec![IdentitySource::PAssertedIdentity]).await;
        let asserted = "P-Asserted-Identity: <sip:romeo@verona.example>\r\n";
        let mut up = call_up(&mut house, transport, asserted).await;
        assert_eq!(up.peer.ask(&subscribe(&up, 2, "conference")).await.code(), 200);
        let _room = house.watching().await;
        for (cseq, method) in (3..).zip(["BYE", "UPDATE", "SUBSCRIBE", "REFER"]) {
            let theirs = up.invite.next(method, cseq, &up.ok).with(&up.peer.contact()).with("Event: conference\r\n");
            let refused = up.peer.ask(&theirs.from("\"Romeo\" <sip:tybalt@example.org>;tag=r1")).await;
            assert_eq!(refused.code(), 403, "{method}");
        }
        let bye = up.invite.next("BYE", 3, &up.ok).from("<sip:romeo@example.org;x=y>;tag=r1");
        assert_eq!(up.peer.ask(&bye).await.code(), 200);
    }
}
