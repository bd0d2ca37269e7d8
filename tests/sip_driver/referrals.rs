//! Invitations by REFER: GC-INV, RF-01 to RF-16.

use std::time::{Duration, Instant};

use mucfocus::sip::port::{Aim, Person, ReferAnswer, Refusal};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, LEG, call_up};
use crate::message::contact_uri;

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ROOM: &str = "sip:capulet@rooms.example.com";
const BENVOLIO: &str = "<xmpp:benvolio@example.com>";

fn trying() -> ReferAnswer {
    ReferAnswer::Last { code: 100, phrase: "Trying".into() }
}

/// GC-INV-01, GC-INV-02, GC-INV-04, RF-02, RF-03, RF-04.
#[tokio::test]
async fn a_refer_gets_200_and_one_notify_that_ends_its_subscription() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let refer = peer.refer(ROOM, BENVOLIO);
        peer.send(&refer.text()).await;
        let mut room = house.asked().await;
        assert_eq!(room.refer.request_uri.to_string(), ROOM);
        assert_eq!(room.refer.caller.aor.to_string(), "sip:romeo@example.org");
        assert_eq!((room.refer.leg, room.refer.call_id.as_str()), (None, refer.call_id.as_str()));
        assert_eq!(room.refer.aim, Aim::Invite(Person::Xmpp("benvolio@example.com".parse().unwrap())));
        room.say(ReferAnswer::Accepted).await;
        let ok = peer.hear_final().await;
        assert_eq!(ok.code(), 200, "{}", ok.0);
        assert!(!ok.to_tag().is_empty() && ok.get("Contact").contains(">;isfocus;"));
        assert!(ok.all("Refer-Sub").is_empty());
        room.say(trying()).await;
        let notify = peer.hear().await;
        assert!(notify.start().starts_with(&format!("NOTIFY sip:romeo@{}", peer.local)), "{}", notify.0);
        assert_eq!((notify.get("From"), notify.get("To")), (ok.get("To"), refer.from.as_str()));
        assert_eq!((notify.get("Call-ID"), contact_uri(&notify)), (refer.call_id.as_str(), contact_uri(&ok)));
        assert_eq!((notify.get("Event"), notify.get("Subscription-State")), ("refer", "terminated;reason=noresource"));
        assert_eq!(notify.get("Content-Type"), "message/sipfrag;version=2.0");
        assert_eq!(notify.body(), "SIP/2.0 100 Trying\r\n");
        // RF-12: there is nothing to subscribe to.
        let more = refer.next("SUBSCRIBE", 2, &ok).with("Event: refer\r\n");
        assert_eq!(peer.ask(&more).await.code(), 403);
        peer.answer(&notify, "200 OK").await;
        room.hear_end().await;
        house.is_empty().await;
    }
}

/// GC-INV-02, RF-05.
#[tokio::test]
async fn the_second_refer_of_a_dialog_has_an_id_in_its_notify() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        for (cseq, event) in [(5, "refer"), (6, "refer;id=6"), (9, "refer;id=9")] {
            let refer = up.invite.next("REFER", cseq, &up.ok).with(&up.peer.contact());
            up.peer.send(&refer.with("Refer-To: <sip:benvolio@example.com>\r\n").text()).await;
            let mut room = house.asked().await;
            assert_eq!((room.refer.leg, &room.refer.request_uri), (Some(LEG), &up.room.dial.request_uri));
            assert!(
                matches!(&room.refer.aim, Aim::Invite(Person::Sip(uri)) if uri.to_string() == "sip:benvolio@example.com")
            );
            room.say(ReferAnswer::Accepted).await;
            assert_eq!(up.peer.hear_final().await.code(), 200);
            room.say(ReferAnswer::Last { code: 403, phrase: "Forbidden".into() }).await;
            let notify = up.peer.hear().await;
            assert_eq!((notify.get("Event"), notify.body()), (event, "SIP/2.0 403 Forbidden\r\n"));
            assert_eq!(notify.get("Call-ID"), up.invite.call_id);
            up.peer.answer(&notify, "200 OK").await;
            room.hear_end().await;
        }
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 10, &up.ok)).await.code(), 200);
        house.is_empty().await;
    }
}

/// RF-13.
#[tokio::test]
async fn target_dialog_ties_a_refer_to_the_call_of_its_caller() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let target = |call_id: &str| {
        format!("Require: tdialog\r\nTarget-Dialog: {call_id};local-tag=r1;remote-tag={}\r\n", up.ok.to_tag())
    };
    for (call_id, leg) in [(up.invite.call_id.as_str(), Some(LEG)), ("unknown", None)] {
        up.peer.send(&up.peer.refer(ROOM, BENVOLIO).with(&target(call_id)).text()).await;
        let room = house.asked().await;
        assert_eq!(room.refer.leg, leg);
        room.say(ReferAnswer::Refused(Refusal::new(403, "Only participants may invite"))).await;
        let refused = up.peer.hear_final().await;
        assert_eq!(refused.code(), 403);
        assert!(refused.get("Warning").contains("Only participants may invite"));
    }
    let theirs = up.peer.refer(ROOM, BENVOLIO).with(&target(&up.invite.call_id));
    let theirs = theirs.from("<sip:tybalt@example.org>;tag=t1");
    assert_eq!(up.peer.ask(&theirs).await.code(), 403);
    assert!(house.counts.0.lock().unwrap().contains(&"not_owner"));
}

/// RF-01, RF-08, RF-16, GC-INV-06, GC-INV-07.
#[tokio::test]
async fn each_refusal_has_its_code() {
    let house = House::open().await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let refer = |refer_to: &str| peer.refer(ROOM, refer_to);
        let no_contact = peer.request("REFER", ROOM).with("Refer-To: <sip:a@b>\r\n");
        let cases = [
            (peer.request("REFER", ROOM).with(&peer.contact()), 400, ""),
            (no_contact, 400, ""),
            (refer("<sip:a@b>").with("Refer-To: <sip:c@d>\r\n"), 400, ""),
            (refer("<sip:a@b>").with("Contact: <sip:two@h>\r\n"), 400, ""),
            (refer("<http://example.com/>"), 400, ""),
            (refer("<sips:a@b>"), 403, ""),
            (refer("<sip:a@b;method=MESSAGE>"), 501, ""),
            (refer("<sip:a@b>").with("Require: explicitsub\r\n"), 420, "Unsupported: explicitsub"),
            (
                refer("<cid:list>").with("Require: norefersub, multiple-refer\r\n"),
                420,
                "Unsupported: multiple-refer\r\n",
            ),
            (peer.refer("sip:nobody@rooms.example.com", "<sip:a@b>"), 404, ""),
        ];
        for (request, code, field) in cases {
            let answer = peer.ask(&request).await;
            assert_eq!(answer.code(), code, "{} {}", request.more, answer.0);
            assert!(answer.0.contains(&format!("\r\n{field}")), "{}", answer.0);
            assert!(answer.get("Warning").starts_with("399 focus1 \""));
        }
    }
    assert_eq!(house.driver.dialogs(), 0);
}

/// RF-07, RF-08, RF-09.
#[tokio::test]
async fn who_wants_no_subscription_gets_none() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let cases = [
        ("Refer-Sub: false\r\n", true),
        ("Require: norefersub\r\nRefer-Sub: false\r\n", true),
        ("Require: nosub\r\n", false),
    ];
    for (fields, is_echoed) in cases {
        peer.send(&peer.refer(ROOM, BENVOLIO).with(fields).text()).await;
        let mut room = house.asked().await;
        room.say(ReferAnswer::Accepted).await;
        let ok = peer.hear_final().await;
        assert_eq!(ok.code(), 200, "{fields}");
        assert_eq!(ok.all("Refer-Sub"), if is_echoed { vec!["false"] } else { vec![] }, "{fields}");
        room.hear_end().await;
        // The connection answers in order: what is not before this was not sent.
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 200);
    }
    house.is_empty().await;
}

/// A room that fails, before and after it has accepted.
#[tokio::test]
async fn a_room_that_says_nothing_is_a_500() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    peer.send(&peer.refer(ROOM, BENVOLIO).text()).await;
    drop(house.asked().await);
    assert_eq!(peer.hear_final().await.code(), 500);

    peer.send(&peer.refer(ROOM, BENVOLIO).text()).await;
    let silent = house.asked().await;
    assert_eq!(peer.hear_final().await.code(), 500);
    drop(silent);

    peer.send(&peer.refer(ROOM, BENVOLIO).text()).await;
    let room = house.asked().await;
    room.say(ReferAnswer::Accepted).await;
    assert_eq!(peer.hear_final().await.code(), 200);
    drop(room);
    let notify = peer.hear().await;
    assert_eq!(notify.body(), "SIP/2.0 500 Server Internal Error\r\n");
    peer.answer(&notify, "200 OK").await;
    house.is_empty().await;
}

/// SIP-10.
#[tokio::test]
async fn a_copy_of_a_refer_that_comes_another_way_gets_482() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let refer = peer.refer(ROOM, BENVOLIO);
    peer.send(&refer.text()).await;
    let room = house.asked().await;
    let mut copy = refer.clone();
    copy.branch += "copy";
    assert_eq!(peer.ask(&copy).await.code(), 482);
    room.say(ReferAnswer::Accepted).await;
    assert_eq!(peer.hear_final().await.code(), 200);
}

fn progress(code: u16, phrase: &str) -> ReferAnswer {
    ReferAnswer::Progress { code, phrase: phrase.into() }
}

/// CF-09, CF-10.
#[tokio::test]
async fn method_bye_asks_for_a_removal_and_says_why() {
    for refer_to in ["<sip:capulet@rooms.example.com;gr=Ty%20balt;method=BYE>", "<sip:tybalt@example.org>;method=BYE"] {
        let mut house = House::open().await;
        let mut peer = house.tcp().await;
        let refer = peer.refer(ROOM, refer_to).with("Reason: SIP;cause=403;text=\"Peace, ho!\"\r\n");
        peer.send(&refer.text()).await;
        let mut room = house.asked().await;
        let expected = if refer_to.contains("gr=") {
            Person::Occupant { room: ROOM.parse_uri(), nickname: "Ty balt".into() }
        } else {
            Person::Sip("sip:tybalt@example.org".parse_uri())
        };
        assert_eq!((&room.refer.aim, room.refer.reason.as_deref()), (&Aim::Remove(expected), Some("Peace, ho!")));
        room.say(ReferAnswer::Accepted).await;
        assert_eq!(peer.hear_final().await.code(), 200);
        room.say(ReferAnswer::Last { code: 200, phrase: "OK".into() }).await;
        let notify = peer.hear().await;
        assert_eq!(notify.body(), "SIP/2.0 200 OK\r\n");
        assert_eq!(notify.get("Subscription-State"), "terminated;reason=noresource");
        peer.answer(&notify, "200 OK").await;
        room.hear_end().await;
    }
}

trait ParseUri {
    fn parse_uri(&self) -> mucfocus_core::address::sip_uri::SipUri;
}

impl ParseUri for str {
    fn parse_uri(&self) -> mucfocus_core::address::sip_uri::SipUri {
        mucfocus_core::address::sip_uri::SipUri::parse(self).unwrap()
    }
}

/// CF-07, RF-03, RF-04, RF-06: what comes within a second is one NOTIFY, that of the latest word.
#[tokio::test]
async fn progress_is_told_no_faster_than_once_a_second_and_the_last_word_ends_it() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        peer.send(&peer.refer(ROOM, BENVOLIO).text()).await;
        let mut room = house.asked().await;
        room.say(ReferAnswer::Accepted).await;
        room.say(progress(100, "Trying")).await;
        assert_eq!(peer.hear_final().await.code(), 200);
        let trying = peer.hear().await;
        let at = Instant::now();
        assert_eq!(trying.body(), "SIP/2.0 100 Trying\r\n");
        assert!(trying.get("Subscription-State").starts_with("active;expires="), "{}", trying.0);
        peer.answer(&trying, "200 OK").await;
        for (code, phrase) in [(180, "Ringing"), (182, "Queued"), (183, "Session Progress")] {
            room.say(progress(code, phrase)).await;
        }
        let merged = peer.hear().await;
        assert!(at.elapsed() > Duration::from_millis(900), "{:?}", at.elapsed());
        assert_eq!(merged.body(), "SIP/2.0 183 Session Progress\r\n");
        peer.answer(&merged, "200 OK").await;
        room.say(ReferAnswer::Last { code: 200, phrase: "OK".into() }).await;
        let last = peer.hear().await;
        assert!(at.elapsed() > Duration::from_millis(1900), "{:?}", at.elapsed());
        assert_eq!(last.body(), "SIP/2.0 200 OK\r\n");
        assert_eq!(last.get("Subscription-State"), "terminated;reason=noresource");
        let numbers: Vec<u32> =
            [&trying, &merged, &last].map(|n| n.get("CSeq").split(' ').next().unwrap().parse().unwrap()).into();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        peer.answer(&last, "200 OK").await;
        room.hear_end().await;
        house.is_empty().await;
    }
}

/// RF-03: also where the room thinks it over.
#[tokio::test]
async fn a_referrer_of_whom_nothing_comes_hears_that_it_is_tried() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    peer.send(&peer.refer(ROOM, BENVOLIO).text()).await;
    let mut room = house.asked().await;
    room.say(ReferAnswer::Accepted).await;
    assert_eq!(peer.hear_final().await.code(), 200);
    let trying = peer.hear().await;
    assert_eq!(trying.body(), "SIP/2.0 100 Trying\r\n");
    assert!(trying.get("Subscription-State").starts_with("active"), "{}", trying.0);
    peer.answer(&trying, "200 OK").await;
    room.say(ReferAnswer::Last { code: 504, phrase: "Late".into() }).await;
    let last = peer.hear().await;
    assert_eq!(last.body(), "SIP/2.0 504 Late\r\n");
    peer.answer(&last, "200 OK").await;
    room.hear_end().await;
}

/// RF-15: it is told what is known, and nothing more; the room goes on by itself.
#[tokio::test]
async fn who_unsubscribes_hears_no_more_and_takes_nothing_back() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let refer = peer.refer(ROOM, BENVOLIO);
    peer.send(&refer.text()).await;
    let mut room = house.asked().await;
    room.say(ReferAnswer::Accepted).await;
    room.say(progress(100, "Trying")).await;
    let ok = peer.hear_final().await;
    let trying = peer.hear().await;
    peer.answer(&trying, "200 OK").await;
    // A refresh is told the state once more.
    let refresh = refer.next("SUBSCRIBE", 2, &ok).with("Event: refer\r\nExpires: 90\r\n");
    peer.send(&refresh.with(&peer.contact()).text()).await;
    let granted = peer.hear_final().await;
    assert_eq!((granted.code(), granted.get("Expires")), (200, "90"));
    let again = peer.hear().await;
    assert!(again.get("Subscription-State").starts_with("active;expires="), "{}", again.0);
    peer.answer(&again, "200 OK").await;
    // Another referral's is none.
    let stranger = refer.next("SUBSCRIBE", 3, &ok).with("Event: refer;id=77\r\nExpires: 0\r\n");
    assert_eq!(peer.ask(&stranger).await.code(), 403);
    let end = refer.next("SUBSCRIBE", 4, &ok).with("Event: refer\r\nExpires: 0\r\n");
    peer.send(&end.text()).await;
    assert_eq!(peer.hear_final().await.code(), 200);
    let last = peer.hear().await;
    assert_eq!(last.get("Subscription-State"), "terminated;reason=timeout");
    assert_eq!(last.body(), "SIP/2.0 100 Trying\r\n");
    peer.answer(&last, "200 OK").await;
    room.hear_end().await;
    house.is_empty().await;
}
