//! What clients ask for, or say that they could do, that is not done here: each is declined in the way that its RFC gives, and what
//! need not be declined is passed over. ADDR-08, CF-11, CF-16, CI-23, CI-24, RF-10, RF-11, SIP-10.

use mucfocus::hub::mail::CallMail;
use mucfocus::sip::port::{CallCommand, ReferAnswer};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, call_up};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ROOM: &str = "sip:capulet@rooms.example.com";

/// ADDR-08: beyond us XMPP begins, whose hops are nobody's promise.
#[tokio::test]
async fn what_is_to_be_secure_on_every_hop_is_403_and_not_translated() {
    let house = House::open().await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let to_sips = |mut request: crate::message::Request| {
            request.to = "\"The Capulets\" <sips:capulet@rooms.example.com>".into();
            request
        };
        let requests = [
            peer.invite("sips:capulet@rooms.example.com"),
            to_sips(peer.invite(ROOM)),
            peer.subscribe("sips:capulet@rooms.example.com"),
            to_sips(peer.subscribe(ROOM)),
            peer.refer("sips:capulet@rooms.example.com", "<sip:benvolio@example.com>"),
            peer.request("OPTIONS", "sips:capulet@rooms.example.com"),
            // Whether there is such a room is not told this way either.
            peer.invite("sips:nobody@rooms.example.com"),
        ];
        for request in requests {
            let refused = peer.ask(&request).await;
            assert_eq!(refused.code(), 403, "{} {}", request.method, refused.0);
            assert!(
                refused.get("Warning").contains("\"sips cannot be honoured end to end, use sip ["),
                "{}",
                refused.0
            );
        }
    }
    assert_eq!(house.counts.0.lock().unwrap().iter().filter(|r| **r == "sips").count(), 14);
}

/// RFC 3261 §13.2.1: an INVITE says with Accept what it may be answered with.
#[tokio::test]
async fn who_takes_no_sdp_gets_406_and_a_call_that_goes_on_goes_on() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        for accept in ["text/nobodyKnowsThis", "", "*/*, application/sdp;q=0"] {
            let refused = peer.ask(&peer.invite(ROOM).with(&format!("Accept: {accept}\r\n"))).await;
            assert_eq!(refused.code(), 406, "{}", refused.0);
            assert!(refused.get("Warning").contains("\"answers come as application/sdp only ["), "{}", refused.0);
        }
        let mut up = call_up(&mut house, transport, "Accept: text/plain, Application/SDP;level=1\r\n").await;
        let again = |cseq| up.invite.next("INVITE", cseq, &up.ok).with(&up.peer.contact());
        let (bad, good) = (again(2).with("Accept: text/plain\r\n"), again(3).with("Accept: application/*\r\n"));
        let refused = up.peer.ask(&bad).await;
        assert_eq!(refused.code(), 406, "{}", refused.0);
        up.peer.send(&bad.ack(&refused)).await;
        // Answered without SDP, so no format is asked for.
        let refresh = up.invite.next("UPDATE", 3, &up.ok).with(&up.peer.contact()).with("Accept: text/plain\r\n");
        assert_eq!(up.peer.ask(&refresh).await.code(), 200);
        let mut good = good;
        good.cseq = 4;
        up.peer.send(&good.text()).await;
        assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
        up.room.say(CallCommand::AnswerReinvite(Ok("answer".into()))).await;
        assert_eq!(up.peer.hear_final().await.code(), 200);
    }
}

/// CI-23, CI-24: the formats of XCON are not written here, and whoever takes ours beside them gets ours.
#[tokio::test]
async fn who_takes_xcon_formats_gets_the_plain_one_and_who_takes_nothing_else_gets_406() {
    const XCON: &str = "application/xcon-conference-info+xml";
    const DIFF: &str = "application/xcon-conference-info-diff+xml";
    const PLAIN: &str = "application/conference-info+xml";
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let subscribe = |accept: String| {
        let request = peer.request("SUBSCRIBE", ROOM).with(&peer.contact()).with("Event: conference\r\n");
        request.with(&format!("Accept: {accept}\r\n"))
    };
    let taken = [format!("{XCON}, {PLAIN}"), format!("{DIFF}, {PLAIN}"), format!("{XCON}\r\nAccept: {DIFF}, {PLAIN}")];
    let (taken, refused) = (taken.map(subscribe), [XCON, DIFF].map(|one| subscribe(one.to_owned())));
    let mut rooms = Vec::new();
    for request in taken {
        assert_eq!(peer.ask(&request).await.code(), 200, "{}", request.more);
        let room = house.watching().await;
        room.show(600, "<state/>").await;
        let notify = peer.hear().await;
        assert_eq!(notify.get("Content-Type"), PLAIN);
        peer.answer(&notify, "200 OK").await;
        rooms.push(room);
    }
    for request in refused {
        let answer = peer.ask(&request).await;
        assert_eq!((answer.code(), answer.get("Accept")), (406, PLAIN), "{}", request.more);
    }
}

/// CF-11: RFC 3911 §4 has who does not know Join pass over it; who insists says Require.
#[tokio::test]
async fn a_join_field_is_passed_over_and_requiring_it_is_420() {
    let mut house = House::open().await;
    let join = "Join: unknown@h;to-tag=a;from-tag=b\r\n";
    let up = call_up(&mut house, Transport::Udp, join).await;
    assert!(up.ok.all("Supported").iter().all(|s| s.split(',').all(|option| option.trim() != "join")), "{}", up.ok.0);
    let mut peer = house.udp().await;
    let refused = peer.ask(&peer.invite(ROOM).with(join).with("Require: join\r\n")).await;
    assert_eq!((refused.code(), refused.get("Unsupported")), (420, "join"));
}

/// CF-16: in a call as out of one.
#[tokio::test]
async fn methods_that_no_room_has_are_405_and_harm_no_call() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        for (cseq, method) in (2..).zip(["PUBLISH", "INFO", "MESSAGE", "REGISTER"]) {
            for request in [up.peer.request(method, ROOM), up.invite.next(method, cseq, &up.ok)] {
                let text = request.with("Content-Type: text/plain\r\n").body("hello");
                let refused = up.peer.ask(&text).await;
                assert_eq!(refused.code(), 405, "{method} {}", refused.0);
                assert!(refused.get("Allow").starts_with("INVITE, ACK, BYE"), "{}", refused.0);
            }
        }
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 10, &up.ok)).await.code(), 200);
    }
}

/// RF-10, RF-11: whoever only could do without a subscription has one all the same; who requires RFC 7614's other way gets 420.
#[tokio::test]
async fn a_referral_by_who_could_do_without_its_subscription_is_an_ordinary_one() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let refer = peer.refer(ROOM, "<xmpp:benvolio@example.com>");
    peer.send(&refer.clone().with("Supported: explicitsub, nosub\r\n").text()).await;
    let room = house.asked().await;
    room.say(ReferAnswer::Accepted).await;
    let ok = peer.hear_final().await;
    assert_eq!((ok.code(), ok.all("Refer-Events-At")), (200, vec![]), "{}", ok.0);
    room.say(ReferAnswer::Last { code: 100, phrase: "Trying".into() }).await;
    let notify = peer.hear().await;
    assert_eq!(notify.get("Event"), "refer");
    peer.answer(&notify, "200 OK").await;
    let mut required = peer.refer(ROOM, "<xmpp:benvolio@example.com>");
    required.call_id = crate::message::fresh();
    let refused = peer.ask(&required.with("Require: explicitsub\r\n")).await;
    assert_eq!((refused.code(), refused.get("Unsupported")), (420, "explicitsub"));
}

/// SIP-10: RFC 5393 bounds what proxies fork. Who is asked himself forks nothing, so that no breadth is too small for him.
#[tokio::test]
async fn a_call_with_no_breadth_left_is_a_call() {
    let mut house = House::open().await;
    for breadth in [1, 0] {
        let up = call_up(&mut house, Transport::Udp, &format!("Max-Breadth: {breadth}\r\n")).await;
        assert_eq!(up.ok.all("Max-Breadth"), Vec::<&str>::new());
    }
}
