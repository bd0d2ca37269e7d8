//! What goes beside the call: the subscription to the roster (RFC 6665) and invitations (RFC 3515), in virtual time.

use super::*;

const EVENTS: &str = "Allow-Events: conference, refer\r\n";

/// Somebody whose call is up and who has subscribed; both are given, and nothing is waiting.
fn subscribing() -> (World, Message, Message) {
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.answers(&invite, "200 OK", &format!("Contact: <sip:f@192.0.2.9>;isfocus\r\n{EVENTS}"));
    let _ack = world.sent();
    assert_eq!(world.events.remove(0), Event::Answered(Bytes::from_static(b"answer")));
    assert_eq!(world.events.remove(0), Event::Subscribing);
    let subscribe = world.sent();
    assert_eq!(world.events, []);
    (world, invite, subscribe)
}

impl World {
    /// A NOTIFY in the dialog that this request of ours began; its answer.
    fn notifies(&mut self, request: &Message, sequence: u32, fields: &str, body: &str) -> u16 {
        let of = |name| request.field(name).unwrap().to_owned();
        let from = if of("to").contains("tag=") { of("to") } else { format!("{};tag=focus", of("to")) };
        let text = format!(
            "NOTIFY sip:romeo@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKn\r\nFrom: {from}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {sequence} NOTIFY\r\nContact: <sip:n@192.0.2.9>\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            of("from"),
            of("call-id"),
            body.len()
        );
        self.comes(&text);
        self.sent().code().unwrap()
    }

    fn active(&mut self, subscribe: &Message, sequence: u32, expires: u32) {
        let state = format!("Event: conference\r\nSubscription-State: active;expires={expires}\r\n");
        assert_eq!(self.notifies(subscribe, sequence, &state, "<doc/>"), 200);
        assert_eq!(self.events.split_off(0), [Event::Document(Bytes::from_static(b"<doc/>"))]);
    }

    fn terminated(&mut self, subscribe: &Message, sequence: u32, reason: &str) -> Vec<Event> {
        let state = format!("Event: conference\r\nSubscription-State: terminated;reason={reason}\r\n");
        assert_eq!(self.notifies(subscribe, sequence, &state, ""), 200);
        self.events.split_off(0)
    }

    /// Waits for what is due, until something is sent.
    fn waits_for_a_request(&mut self) -> (u64, Message) {
        let mut at = 0;
        while !matches!(self.events.first(), Some(Event::Send(..))) {
            at = self.waits();
            self.events.retain(|event| *event != Event::Subscribing);
        }
        (at, self.sent())
    }
}

#[test]
fn who_is_here_is_asked_for_in_a_dialog_of_its_own_once_the_call_is_up() {
    let (mut world, invite, subscribe) = subscribing();
    assert_eq!(subscribe.head.start, "SUBSCRIBE sip:capulet@rooms.test SIP/2.0");
    let fields = ["event", "accept", "expires"].map(|name| subscribe.field(name));
    assert_eq!(fields, [Some("conference"), Some("application/conference-info+xml"), Some("3600")]);
    assert_ne!(subscribe.field("call-id"), invite.field("call-id"));
    assert!(subscribe.field("contact").is_some());
    // EV-20: a NOTIFY may overtake the answer.
    world.active(&subscribe, 1, 3600);
    world.answers(&subscribe, "200 OK", "Expires: 3600\r\n");
    world.active(&subscribe, 2, 3600);
    let again = world.notifies(&subscribe, 2, "Subscription-State: active\r\n", "<doc/>");
    assert_eq!((again, world.events.len()), (200, 0), "a retransmission is answered, not read again");
    assert_eq!(world.notifies(&subscribe, 1, "Subscription-State: active\r\n", "<doc/>"), 500);
    assert_eq!(world.events, []);
}

#[test]
fn a_focus_that_does_not_speak_of_conferences_is_not_asked() {
    let (world, _) = World::talking(Transport::Udp, "Allow-Events: presence\r\n");
    assert_eq!(world.events, []);
    assert!(!world.agent.awaits_roster());
}

#[test]
fn a_subscription_is_refreshed_in_its_dialog_before_it_expires() {
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "Contact: <sip:s@192.0.2.9>\r\nExpires: 600\r\n");
    world.active(&subscribe, 1, 600);
    let (at, refresh) = world.waits_for_a_request();
    assert_eq!(at, 480_000);
    assert_eq!(refresh.head.start, "SUBSCRIBE sip:s@192.0.2.9 SIP/2.0");
    assert_eq!(refresh.cseq(), Some((2, "SUBSCRIBE")));
    assert!(refresh.field("to").unwrap().ends_with(";tag=focus"));
    world.answers(&refresh, "200 OK", "Expires: 100\r\n");
    let (at, refresh) = world.waits_for_a_request();
    assert_eq!(at, 560_000);
    // It is not known any more: it is begun anew.
    world.answers(&refresh, "481 Gone", "");
    let (at, anew) = world.waits_for_a_request();
    assert_eq!(at, 565_000);
    assert_ne!(anew.field("call-id"), subscribe.field("call-id"));
}

#[test]
fn whoever_leaves_unsubscribes_and_waits_for_the_last_notify() {
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "Expires: 600\r\n");
    world.active(&subscribe, 1, 600);
    world.leaves();
    let (unsubscribe, bye) = (world.sent(), world.sent());
    assert_eq!((unsubscribe.method(), unsubscribe.field("expires")), (Some("SUBSCRIBE"), Some("0")));
    assert_eq!(bye.method(), Some("BYE"));
    world.answers(&bye, "200 OK", "");
    assert_eq!(world.events.split_off(0), [Event::Left]);
    world.answers(&unsubscribe, "200 OK", "Expires: 0\r\n");
    assert!(!world.agent.is_over());
    assert_eq!(world.terminated(&subscribe, 2, "timeout"), []);
    assert!(world.agent.is_over());
}

#[test]
fn a_bye_of_the_focus_ends_the_subscription_too() {
    let (mut world, invite, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "");
    world.asks(&invite, "BYE", 1, "focus", "");
    assert_eq!(world.events.remove(0), Event::Ended(vec![]));
    let unsubscribe = world.sent();
    world.answers(&unsubscribe, "481 Gone", "");
    assert!(world.agent.is_over());
}

/// EV-12.
#[test]
fn a_subscription_that_the_room_ends_is_begun_anew_when_the_reason_allows_it() {
    for (reason, after) in [("deactivated", 5), ("timeout", 5), ("probation;retry-after=7", 7), ("giveup", 60)] {
        let (mut world, _, subscribe) = subscribing();
        world.answers(&subscribe, "200 OK", "");
        assert_eq!(world.terminated(&subscribe, 1, reason), []);
        let (at, anew) = world.waits_for_a_request();
        assert_eq!((at, anew.method()), (after * 1000, Some("SUBSCRIBE")), "{reason}");
        assert_ne!(anew.field("call-id"), subscribe.field("call-id"));
        // The old one is over.
        assert_eq!(world.notifies(&subscribe, 2, "Subscription-State: active\r\n", "<doc/>"), 481);
    }
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "");
    assert_eq!(world.terminated(&subscribe, 1, "rejected"), [Event::Unsubscribed("rejected".into())]);
    assert_eq!(world.agent.next_timeout(), None);
}

#[test]
fn a_subscription_that_is_refused_or_never_served_is_told() {
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "489 Bad Event", "");
    assert_eq!(world.events, [Event::Unsubscribed("489 Bad Event".into())]);
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "");
    // Timer N (RFC 6665 §4.1.2.4).
    assert_eq!(world.waits(), 32_000);
    assert_eq!(world.events, [Event::Unsubscribed("the room does not send it".into())]);
}

#[test]
fn a_document_that_was_missed_is_asked_for_once() {
    let (mut world, _, subscribe) = subscribing();
    world.answers(&subscribe, "200 OK", "");
    world.active(&subscribe, 1, 600);
    for _ in 0..2 {
        world.agent.refresh(world.now, &mut world.events);
    }
    assert_eq!(world.sent().field("expires"), Some("3600"));
    assert_eq!(world.events, []);
}

fn refers(world: &mut World, whom: &str) -> Message {
    world.agent.invite_other(whom, world.now, &mut world.events);
    world.sent()
}

fn outcome(world: &mut World) -> (String, String) {
    let Event::Invitation { whom, outcome, .. } = world.events.remove(0) else { panic!("{:?}", world.events) };
    (whom, outcome.to_string())
}

/// GC-INV-02, GC-INV-04, RF-05.
#[test]
fn invitations_go_through_the_call_and_each_is_told_what_becomes_of_it() {
    let (mut world, invite) = World::talking(Transport::Udp, "");
    let first = refers(&mut world, "sip:benvolio@sip.test");
    assert_eq!((first.cseq(), first.field("refer-to")), (Some((2, "REFER")), Some("<sip:benvolio@sip.test>")));
    assert_eq!(first.field("call-id"), invite.field("call-id"));
    assert!(first.field("contact").is_some());
    let second = refers(&mut world, "xmpp:juliet@xmpp.test");
    assert_eq!(second.cseq(), Some((3, "REFER")));
    for request in [&first, &second] {
        world.answers(request, "202 Accepted", "");
    }
    assert_eq!(world.events, []);
    let last = |id: u32| format!("Event: refer;id={id}\r\nSubscription-State: terminated;reason=noresource\r\n");
    assert_eq!(world.notifies(&first, 7, &last(3), "SIP/2.0 100 Trying\r\n"), 200);
    assert_eq!(outcome(&mut world), ("xmpp:juliet@xmpp.test".into(), "100 Trying".into()));
    let active = "Event: refer\r\nSubscription-State: active;expires=60\r\n";
    assert_eq!(world.notifies(&first, 8, active, "SIP/2.0 180 Ringing\r\nX: y\r\n"), 200);
    assert_eq!(outcome(&mut world), ("sip:benvolio@sip.test".into(), "180 Ringing".into()));
    assert_eq!(world.notifies(&first, 9, &last(2), "SIP/2.0 603 Decline"), 200);
    assert_eq!(outcome(&mut world), ("sip:benvolio@sip.test".into(), "603 Decline".into()));
    assert_eq!(world.notifies(&first, 10, &last(2), "SIP/2.0 200 OK"), 481, "nobody waits for it any more");
}

#[test]
fn an_invitation_that_is_refused_is_told_with_its_reason() {
    let (mut world, _) = World::talking(Transport::Udp, "");
    let refer = refers(&mut world, "sip:benvolio@sip.test");
    world.answers(&refer, "403 Forbidden", "Warning: 399 focus \"members only\"\r\n");
    assert_eq!(outcome(&mut world).1, "403 Forbidden: members only");
    let refer = refers(&mut world, "sip:benvolio@sip.test");
    for at in [500, 1500, 3500] {
        assert_eq!(world.waits(), at);
        assert_eq!(world.sent(), refer);
    }
    while world.events.is_empty() || matches!(world.events[0], Event::Send(..)) {
        world.events.clear();
        world.waits();
    }
    assert_eq!(outcome(&mut world).1, "408 no answer");
}
