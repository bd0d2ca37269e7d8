//! Setting up calls: GC-JOIN, SIP-05 to SIP-08, SIP-18.

use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::port::{CallCommand, Refusal};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, OFFER, call_up};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ROOM: &str = "sip:capulet@rooms.example.com";

/// GC-JOIN-01, GC-JOIN-15.
#[tokio::test]
async fn an_invite_gets_100_at_once_and_183_and_200_as_the_room_says() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let invite = peer.invite(ROOM);
        peer.send(&invite.text()).await;
        assert_eq!(peer.hear().await.code(), 100);
        let mut room = house.ringing().await;
        assert_eq!(room.dial.request_uri.to_string(), ROOM);
        assert_eq!(room.dial.caller.aor.to_string(), "sip:romeo@example.org");
        assert_eq!(room.dial.caller.display_name.as_deref(), Some("Romeo"));
        assert_eq!(room.dial.call_id, invite.call_id);
        assert_eq!(room.dial.offer, OFFER);
        assert_eq!(room.dial.local.to_string(), "127.0.0.1");
        room.say(CallCommand::Progress).await;
        let progress = peer.hear().await;
        assert_eq!((progress.code(), progress.body()), (183, ""));
        room.accept("answer").await;
        let ok = peer.hear().await;
        assert_eq!((ok.code(), ok.body()), (200, "answer"));
        assert_eq!(ok.to_tag(), progress.to_tag());
        assert_eq!(ok.get("Content-Type"), "application/sdp");
        assert!(ok.get("Allow").contains("INVITE"));
        // EV-16, CF-03, SIP-12
        assert_eq!(ok.get("Allow-Events"), "conference, refer");
        let supported = ok.get("Supported");
        assert!(supported.contains("norefersub, nosub, replaces, tdialog, timer") && !supported.contains("100rel"));
        peer.send(&invite.ack(&ok)).await;
        assert!(matches!(room.hear().await, CallMail::Confirmed));
    }
}

/// GC-JOIN-05, GC-JOIN-06: `>\s*;[^,]*isfocus`, this node, the transport of the dialog.
#[tokio::test]
async fn the_contact_is_this_node_over_the_transport_of_the_dialog_and_says_isfocus() {
    for transport in BOTH {
        let mut house = House::open().await;
        let up = call_up(&mut house, transport, "").await;
        let contact = up.ok.get("Contact");
        let (uri, features) = contact.split_once('>').unwrap();
        let address = house.address(transport);
        let expected = match transport {
            Transport::Udp => format!("<sip:capulet@{address}"),
            _ => format!("<sip:capulet@{address};transport={transport}"),
        };
        assert_eq!(uri, expected);
        assert!(features.starts_with(";isfocus;") && features.contains("automata") && features.contains("message"));
        assert!(features.contains("methods=\"INVITE,ACK,BYE,CANCEL,OPTIONS,UPDATE,SUBSCRIBE,NOTIFY,REFER\""));
        assert!(features.contains(";event=\"conference\""));
    }
}

#[tokio::test]
async fn what_is_advertised_is_in_the_contact() {
    let mut house = House::open_with(|s| s.advertise = Some(("focus1.example.com".into(), Some(5099)))).await;
    let up = call_up(&mut house, Transport::Tcp, "").await;
    assert!(up.ok.get("Contact").starts_with("<sip:capulet@focus1.example.com:5099;transport=tcp>;"));
}

/// SIP-05.
#[tokio::test]
async fn a_retransmitted_invite_is_absorbed_and_its_last_response_comes_again() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    peer.send(&invite.text()).await;
    assert_eq!(peer.hear().await.code(), 100);
    let room = house.ringing().await;
    peer.send(&invite.text()).await;
    assert_eq!(peer.hear().await.code(), 100);
    room.accept("answer").await;
    let ok = peer.hear().await;
    peer.send(&invite.text()).await;
    peer.send(&invite.ack(&ok)).await;
    assert_eq!(house.driver.calls(), 1);
}

/// SIP-05, on both transports: the 2xx is of the callee, not of the transport.
#[tokio::test]
async fn a_200_is_repeated_until_its_ack_and_without_one_the_call_ends_with_bye() {
    for transport in BOTH {
        let mut house = House::open_at(Duration::from_millis(20), |_| {}).await;
        let mut peer = house.peer(transport).await;
        let invite = peer.invite(ROOM);
        peer.send(&invite.text()).await;
        let mut room = house.ringing().await;
        room.accept("answer").await;
        let mut oks = 0;
        let bye = loop {
            let message = peer.hear().await;
            if message.start().starts_with("BYE ") {
                break message;
            }
            oks += u32::from(message.code() == 200);
        };
        assert!(oks > 3, "{oks}");
        assert!(bye.get("Reason").starts_with("SIP;cause="));
        peer.answer(&bye, "200 OK").await;
        assert_eq!(room.hear_end().await, CallEnd::NoAck);
        house.is_empty().await;
    }
}

/// SIP-06, E-19: RFC 7702 itself prints an ACK whose number is one too high.
#[tokio::test]
async fn an_ack_with_a_wrong_number_still_ends_the_repetition_of_the_only_200() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    peer.send(&invite.ack(&ok).replace("CSeq: 1 ACK", "CSeq: 2 ACK")).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
}

/// SIP-18, GC-JOIN-16.
#[tokio::test]
async fn cancel_gets_200_and_the_invite_487_and_the_room_is_told() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let invite = peer.invite(ROOM);
        peer.send(&invite.text()).await;
        let mut room = house.ringing().await;
        assert_eq!(peer.hear().await.code(), 100);
        let mut cancel = invite.clone();
        cancel.method = "CANCEL".into();
        cancel.more.clear();
        peer.send(&cancel.body("").text()).await;
        let answers = [peer.hear().await, peer.hear().await];
        let of = |method: &str| answers.iter().find(|a| a.get("CSeq").ends_with(method)).unwrap();
        assert_eq!((of("CANCEL").code(), of("INVITE").code()), (200, 487));
        assert_eq!(of("CANCEL").to_tag(), of("INVITE").to_tag());
        peer.send(&invite.ack(of("INVITE"))).await;
        assert!(matches!(room.hear().await, CallMail::Cancelled));
        assert_eq!(room.hear_end().await, CallEnd::ByUs);
        house.is_empty().await;
    }
}

#[tokio::test]
async fn cancel_of_nothing_gets_481_with_a_tag() {
    let house = House::open().await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let cancel = peer.request("CANCEL", ROOM);
        let answer = peer.ask(&cancel).await;
        assert_eq!(answer.code(), 481);
        assert!(!answer.to_tag().is_empty());
    }
}

/// GC-JOIN-14.
#[tokio::test]
async fn a_refusal_of_the_room_says_why_and_when_to_come_back() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    let refusal =
        Refusal { code: 480, text: "the XMPP server\r\nis \"away\"".into(), retry_after: Some(7), contact: None };
    room.say(CallCommand::Reject(refusal)).await;
    let answer = peer.hear_final().await;
    assert_eq!(answer.code(), 480);
    assert!(answer.get("Warning").starts_with("399 focus1 \"the XMPP server  is \\\"away\\\" ["), "{}", answer.0);
    assert_eq!(answer.get("Retry-After"), "7");
    peer.send(&invite.ack(&answer)).await;
    assert_eq!(room.hear_end().await, CallEnd::ByUs);
}

#[tokio::test]
async fn a_redirection_carries_the_new_address() {
    let mut house = House::open().await;
    *house.stage.refuse_with.lock().unwrap() =
        Some(Refusal { contact: Some("sip:new@rooms.example.com".into()), ..Refusal::new(301, "moved") });
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    let answer = peer.ask(&invite).await;
    assert_eq!((answer.code(), answer.get("Contact")), (301, "<sip:new@rooms.example.com>"));
    let _ = &mut house;
}

#[tokio::test]
async fn a_room_that_forgets_a_call_before_answering_makes_it_500() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    peer.send(&invite.text()).await;
    drop(house.ringing().await);
    assert_eq!(peer.hear_final().await.code(), 500);
}

/// P15, SIP-11, SIP-24: a re-INVITE goes to the room; a 2xx to it moves the target of later requests.
#[tokio::test]
async fn a_re_invite_is_answered_by_the_room_and_refreshes_the_target() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        let contact = format!("Contact: <sip:elsewhere@{}>\r\nContent-Type: application/sdp\r\n", up.peer.local);
        let again = up.invite.next("INVITE", 2, &up.ok).with(&contact).body("offer 2");
        up.peer.send(&again.text()).await;
        let CallMail::Reinvite { offer } = up.room.hear().await else { panic!("no re-INVITE") };
        assert_eq!(offer, "offer 2");
        up.room.say(CallCommand::AnswerReinvite(Ok("answer 2".into()))).await;
        let ok = up.peer.hear_final().await;
        assert_eq!((ok.code(), ok.body()), (200, "answer 2"));
        assert!(ok.get("Contact").contains(";isfocus"));
        up.peer.send(&again.ack(&ok)).await;
        assert!(matches!(up.room.hear().await, CallMail::Confirmed));
        up.room.say(CallCommand::Bye { cause: 480, text: "bye".into() }).await;
        let bye = up.peer.hear().await;
        assert_eq!(bye.start(), format!("BYE sip:elsewhere@{} SIP/2.0", up.peer.local));
    }
}

#[tokio::test]
async fn a_re_invite_right_behind_the_ack_does_not_overtake_it() {
    let mut house = House::open().await;
    for _ in 0..20 {
        let mut peer = house.udp().await;
        let invite = peer.invite(ROOM);
        peer.send(&invite.text()).await;
        let mut room = house.ringing().await;
        room.accept("answer").await;
        let ok = peer.hear_final().await;
        let again = invite.next("INVITE", 2, &ok).with("Contact: <sip:romeo@h>\r\n");
        peer.send(&invite.ack(&ok)).await;
        peer.send(&again.text()).await;
        assert!(matches!(room.hear().await, CallMail::Confirmed));
        assert!(matches!(room.hear().await, CallMail::Reinvite { .. }));
        assert_eq!(peer.hear().await.code(), 100);
    }
}

/// MS-SDP-08: what the ACK brings is heard once, and in its turn, whatever comes right behind it.
#[tokio::test]
async fn the_answer_to_our_offer_comes_with_the_ack() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let invite = peer.invite(ROOM);
        peer.send(&invite.text()).await;
        let mut room = house.ringing().await;
        room.accept("our offer").await;
        let ok = peer.hear_final().await;
        assert_eq!((ok.body(), ok.get("Content-Type")), ("our offer", "application/sdp"));
        let with = |answer: &str| {
            let ack = invite.ack(&ok);
            let (head, _) = ack.split_once("\r\n\r\n").unwrap();
            let head = head.replace("Content-Length: 0", &format!("Content-Length: {}", answer.len()));
            format!("{head}\r\nContent-Type: application/sdp\r\n\r\n{answer}")
        };
        peer.send(&with("his answer")).await;
        peer.send(&with("his answer")).await;
        peer.send(&invite.next("INVITE", 2, &ok).with("Contact: <sip:romeo@h>\r\n").text()).await;
        let CallMail::Answered { answer } = room.hear().await else { panic!("no answer") };
        assert_eq!(answer, "his answer");
        assert!(matches!(room.hear().await, CallMail::Reinvite { offer } if offer.is_empty()));
    }
}

/// SIP-11: the session goes on as it was.
#[tokio::test]
async fn a_refused_re_invite_leaves_the_target_and_the_call_alone() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let again = up.invite.next("INVITE", 2, &up.ok).with("Contact: <sip:elsewhere@h>\r\n");
    up.peer.send(&again.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { offer } if offer.is_empty()));
    up.room.say(CallCommand::AnswerReinvite(Err(Refusal::new(488, "nothing can be changed")))).await;
    let refused = up.peer.hear_final().await;
    assert_eq!(refused.code(), 488);
    up.peer.send(&again.ack(&refused)).await;
    up.room.say(CallCommand::Bye { cause: 200, text: "bye".into() }).await;
    assert!(up.peer.hear().await.start().starts_with(&format!("BYE sip:romeo@{}", up.peer.local)));
}

#[tokio::test]
async fn an_update_without_an_offer_refreshes_the_target_and_needs_no_room() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let contact = format!("Contact: <sip:moved@{}>\r\n", up.peer.local);
    let update = up.invite.next("UPDATE", 2, &up.ok).with(&contact);
    assert_eq!(up.peer.ask(&update).await.code(), 200);
    up.room.say(CallCommand::Bye { cause: 200, text: "bye".into() }).await;
    assert!(up.peer.hear().await.start().starts_with("BYE sip:moved@"));
}

#[tokio::test]
async fn an_update_with_an_offer_is_answered_by_the_room() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let update = up.invite.next("UPDATE", 2, &up.ok).with("Content-Type: application/sdp\r\n").body("o");
    up.peer.send(&update.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    up.room.say(CallCommand::AnswerReinvite(Ok("a".into()))).await;
    let ok = up.peer.hear_final().await;
    assert_eq!((ok.code(), ok.body()), (200, "a"));
    assert!(matches!(up.room.hear().await, CallMail::Confirmed), "no ACK will come");
}

/// SIP-08.
#[tokio::test]
async fn in_a_dialog_numbers_rise_and_offers_come_one_at_a_time() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let first = up.invite.next("INVITE", 5, &up.ok).with("Contact: <sip:romeo@h>\r\n");
    up.peer.send(&first.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    assert_eq!(up.peer.hear().await.code(), 100);
    let second = up.peer.ask(&up.invite.next("INVITE", 6, &up.ok)).await;
    assert_eq!(second.code(), 500);
    assert!(second.get("Retry-After").parse::<u8>().unwrap() <= 10);
    assert_eq!(up.peer.ask(&up.invite.next("OPTIONS", 4, &up.ok)).await.code(), 500);
    let options = up.peer.ask(&up.invite.next("OPTIONS", 7, &up.ok)).await;
    assert_eq!((options.code(), options.get("Contact")), (200, up.ok.get("Contact")), "CF-01: it says isfocus");
    up.room.say(CallCommand::AnswerReinvite(Ok("a".into()))).await;
    let ok = up.peer.hear_final().await;
    assert_eq!((ok.code(), ok.get("CSeq")), (200, "5 INVITE"));
    up.peer.send(&up.invite.next("INVITE", 8, &up.ok).text()).await;
    let crossing = loop {
        let answer = up.peer.hear_final().await;
        if answer.get("CSeq") == "8 INVITE" {
            break answer;
        }
    };
    assert_eq!(crossing.code(), 491);
}

/// RFC 3261 §17.2.3: the ACK of a refusal is that of its own INVITE, whichever other one still waits for its ACK.
#[tokio::test]
async fn the_ack_of_a_refusal_is_not_taken_for_that_of_the_200_before_it() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let first = up.invite.next("INVITE", 2, &up.ok).with("Contact: <sip:romeo@h>\r\n");
    up.peer.send(&first.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    up.room.say(CallCommand::AnswerReinvite(Ok("a".into()))).await;
    let ok = up.peer.hear_final().await;
    assert_eq!((ok.code(), ok.get("CSeq")), (200, "2 INVITE"));
    let second = up.invite.next("INVITE", 3, &up.ok);
    up.peer.send(&second.text()).await;
    let glare = loop {
        let answer = up.peer.hear_final().await;
        if answer.get("CSeq") == "3 INVITE" {
            break answer;
        }
    };
    assert_eq!(glare.code(), 491);
    up.peer.send(&second.ack(&glare)).await;
    // The 200 comes again until its own ACK does, and the 491 does not.
    for _ in 0..2 {
        assert_eq!(up.peer.hear_final().await.get("CSeq"), "2 INVITE");
    }
    up.peer.send(&first.ack(&ok)).await;
    assert!(matches!(up.room.hear().await, CallMail::Confirmed));
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 4, &up.ok)).await.code(), 200);
}

#[tokio::test]
async fn a_cancelled_re_invite_gets_487_and_its_late_answer_is_not_taken_for_the_next() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let again = up.invite.next("INVITE", 2, &up.ok).with("Contact: <sip:romeo@h>\r\n");
    up.peer.send(&again.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    let mut cancel = again.clone();
    cancel.method = "CANCEL".into();
    up.peer.send(&cancel.text()).await;
    let answers = [up.peer.hear_final().await, up.peer.hear_final().await];
    let refused = answers.iter().find(|a| a.get("CSeq") == "2 INVITE").unwrap();
    assert_eq!(refused.code(), 487);
    up.peer.send(&again.ack(refused)).await;
    let third = up.invite.next("INVITE", 3, &up.ok).with("Contact: <sip:romeo@h>\r\n");
    up.peer.send(&third.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    up.room.say(CallCommand::AnswerReinvite(Ok("late".into()))).await;
    up.room.say(CallCommand::AnswerReinvite(Ok("right".into()))).await;
    let ok = up.peer.hear_final().await;
    assert_eq!((ok.get("CSeq"), ok.body()), ("3 INVITE", "right"));
}

/// A method that is for other dialogs: RFC 3261 §12.2.2.
#[tokio::test]
async fn other_methods_in_a_dialog_are_refused_and_options_answered() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let expected =
        [("INFO", 405), ("MESSAGE", 405), ("REFER", 400), ("SUBSCRIBE", 489), ("NOTIFY", 481), ("OPTIONS", 200)];
    for (index, (method, code)) in expected.into_iter().enumerate() {
        let cseq = u32::try_from(index).unwrap() + 2;
        let answer = up.peer.ask(&up.invite.next(method, cseq, &up.ok)).await;
        assert_eq!(answer.code(), code, "{method}");
    }
    let required = up.invite.next("OPTIONS", 20, &up.ok).with("Require: 100rel\r\n");
    assert_eq!(up.peer.ask(&required).await.code(), 420);
}

/// SIP-10: the same INVITE by two ways, before the answer and after it.
#[tokio::test]
async fn a_copy_of_an_invite_that_comes_another_way_gets_482_and_the_call_goes_on() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let invite = peer.invite(ROOM);
        let copy = |n: u32| {
            let mut copy = invite.clone();
            copy.branch = format!("{}copy{n}", invite.branch);
            copy
        };
        peer.send(&invite.text()).await;
        assert_eq!(peer.hear().await.code(), 100);
        let mut room = house.ringing().await;
        let merged = peer.ask(&copy(1)).await;
        assert_eq!(merged.code(), 482, "{}", merged.0);
        peer.send(&copy(1).ack(&merged)).await;
        room.accept("answer").await;
        let ok = peer.hear_final().await;
        assert_eq!(ok.code(), 200);
        peer.send(&invite.ack(&ok)).await;
        assert!(matches!(room.hear().await, CallMail::Confirmed));
        let merged = peer.ask(&copy(2)).await;
        assert_eq!(merged.code(), 482);
        peer.send(&copy(2).ack(&merged)).await;
        assert_eq!(peer.ask(&invite.next("BYE", 2, &ok)).await.code(), 200);
        assert_eq!(room.hear_end().await, CallEnd::Bye { reason: None });
        // A call with the next number is a new one, as after a challenge.
        let mut again = copy(3);
        again.cseq = 5;
        peer.send(&again.text()).await;
        assert_eq!(house.ringing().await.dial.call_id, invite.call_id);
    }
}
