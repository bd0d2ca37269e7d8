//! What becomes of the answers to what a connection wrote, and of what nobody answered.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Heard, Mute, Outcome};
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, FailureReport};

use crate::wire::{Wire, response, share_of};

/// MS-RSP-06, MS-RSP-08: the rest of what was refused is not sent, whether its chunk is open or not.
#[test]
fn the_rest_of_a_refused_message_is_aborted() {
    for code in [400, 403, 413, 415] {
        let mut wire = Wire::new();
        let share = wire.transmitter.attach();
        let content = wire.says(share, 200_000);
        wire.writes_some();
        wire.transmitter.put(wire.now, share, response("abcd1234")).unwrap();
        let first = wire.writes_some().remove(0);
        assert_eq!(first.ending, Ending::Flag(Continuation::More));
        assert_eq!(wire.answers(share, &first, code), Some(Outcome::Refused(code, Arc::clone(content.label()))));
        assert_eq!(wire.answers(share, &first, code), None, "once");
        let next = wire.says(share, 10);
        let frames = wire.writes_all();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].ending, Ending::Flag(Continuation::Aborted));
        assert_eq!(frames[0].head.message_id.as_deref(), Some(content.message_id()));
        assert_eq!(frames[1].head.message_id.as_deref(), Some(next.message_id()), "the session goes on");
    }
}

/// MS-RSP-06 between two chunks, and by a REPORT (MS-REP-04).
#[test]
fn what_is_refused_between_two_chunks_is_aborted_too() {
    for by_report in [false, true] {
        let mut wire = Wire::new();
        let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
        let content = wire.says(a, 9000);
        wire.says(b, 50_000);
        let first = wire.writes_some().remove(0);
        assert_eq!((share_of(&first), first.ending), (a, Ending::Flag(Continuation::More)));
        let outcome = if by_report {
            wire.transmitter.reported(wire.now, a, content.message_id(), 413)
        } else {
            wire.answers(a, &first, 413)
        };
        assert_eq!(outcome, Some(Outcome::Refused(413, Arc::clone(content.label()))));
        let frames = wire.writes_all();
        let last = frames.iter().rfind(|frame| share_of(frame) == a).unwrap();
        assert_eq!(last.ending, Ending::Flag(Continuation::Aborted));
        assert!(frames.iter().filter(|frame| share_of(frame) == a).map(|f| f.body.len()).sum::<usize>() < 9000 - 2048);
    }
}

/// MS-RSP-10, SW-39.
#[test]
fn answers_to_nothing_are_nothing() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.says(share, 10);
    let frame = wire.writes_all().remove(0);
    let known = frame.head.transaction.as_str().to_owned();
    for unknown in ["zzzz", "", &format!("{known}.2"), &format!("{known}x"), &format!("{known}."), &known[1..]] {
        assert_eq!(wire.transmitter.answered(wire.now, share, unknown, 400), None, "{unknown}");
    }
    assert_eq!(wire.transmitter.answered(wire.now, share + 1, &known, 400), None, "another session");
    assert_eq!(wire.transmitter.reported(wire.now, share, "unknown", 413), None);
    assert_eq!(
        wire.transmitter.answered(wire.now, share, &known, 481),
        Some(Outcome::Refused(481, Arc::clone(content.label())))
    );
}

/// MS-RSP-04: from when it was written, not from when it was said.
#[test]
fn an_answer_is_due_thirty_seconds_after_the_last_octet() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    wire.says(share, 10);
    assert_eq!(wire.waits(100), Ok(vec![]), "nothing was written");
    wire.writes_all();
    assert_eq!(wire.transmitter.next_timeout(), Some(wire.now + Duration::from_secs(30)));
    wire.waits(20).unwrap();
    wire.transmitter.heard(wire.now);
    wire.now = wire.now + Duration::from_millis(9_999);
    assert_eq!(wire.waits(0), Ok(vec![]));
    wire.now = wire.now + Duration::from_millis(1);
    assert_eq!(wire.waits(0), Ok(vec![Outcome::Unanswered]), "the client is alive");
    assert_eq!(wire.transmitter.next_timeout(), None);
}

/// MS-RSP-05: as with our own timer, the message has failed, and a peer who says nothing else is not there.
#[test]
fn an_answer_of_408_is_none() {
    let mut wire = Wire::new();
    let (share, other) = (wire.transmitter.attach(), wire.transmitter.attach());
    let times_out = |wire: &mut Wire, speaks: Option<u16>| {
        let said = [wire.says(share, 10), wire.says(share, 10)];
        let frames = wire.writes_all();
        wire.waits(1).unwrap();
        wire.says(other, 10);
        let answered = wire.writes_all().remove(0);
        wire.answers(other, &answered, 200); // that of another session says nothing
        if let Some(code) = speaks {
            wire.answers(share, &frames[1], code);
        }
        let transaction = frames[0].head.transaction.as_str();
        let start = format!("MSRP {transaction} 408 No\r\n");
        (wire.hears(share, &start, transaction), said)
    };
    for code in [200, 413] {
        let (heard, _) = times_out(&mut wire, Some(code));
        assert_eq!(heard, Heard::Answer(Some(Outcome::Unanswered)), "he has answered {code} since");
    }
    wire.waits(1).unwrap();
    let (heard, said) = times_out(&mut wire, None);
    assert_eq!(heard, Heard::TimedOut);
    assert_eq!(wire.transmitter.take_back(share), said);
    assert_eq!(wire.hears(share, "MSRP unknown1 408 No\r\n", "unknown1"), Heard::Answer(None));
}

/// MS-RSP-04, MS-CONN-08: nothing of what was said to it is lost with such a connection.
#[test]
fn a_peer_that_says_nothing_at_all_is_mute() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.says(share, 10);
    wire.writes_all();
    assert_eq!(wire.waits(29), Ok(vec![]));
    assert_eq!(wire.waits(1), Err(Mute));
    assert_eq!(wire.transmitter.take_back(share), [content]);
}

/// MS-CONN-08: in order, what was answered not, and half a message whole.
#[test]
fn what_was_not_answered_comes_back_in_order() {
    let mut wire = Wire::new();
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    let answered = wire.says(a, 1);
    let said: Vec<Arc<Content>> = [2, 3, 100_000, 4, 9000].map(|octets| wire.says(a, octets)).into();
    let trifle = Content::trifle(&mut wire.env(), "application/im-iscomposing+xml", "x".into()).unwrap();
    wire.post(a, &trifle);
    let other = wire.says(b, 5);
    let first = wire.writes_some();
    wire.answers(a, first.iter().find(|f| share_of(f) == a).unwrap(), 200);
    assert_eq!(Arc::strong_count(&answered), 1, "what was answered is let go");
    assert_eq!(wire.transmitter.take_back(a), said);
    wire.transmitter.detach(a);
    wire.writes_all();
    assert_eq!(wire.transmitter.take_back(b), [other], "the other session is another matter");
}

/// SW-20: neither header is written, so that each copy and each of its chunks asks for the answers that are waited for.
#[test]
fn all_chunks_of_a_copy_ask_for_the_same_answers() {
    let mut wire = Wire::new();
    let shares = [wire.transmitter.attach(), wire.transmitter.attach()];
    let content = wire.content(vec![b'x'; 50_000]);
    for share in shares {
        wire.post(share, &content);
    }
    let frames = wire.writes_all();
    assert!(frames.len() > 4);
    for frame in frames {
        assert_eq!((frame.head.success_report, frame.head.failure_report), (false, FailureReport::Yes));
        assert_eq!(frame.head.message_id.as_deref(), Some(content.message_id()));
    }
}

/// MS-REP-04: a relay that has answered 200 may say later that the message went no further. Namespaces that nobody knows say
/// nothing, and so does success.
#[test]
fn a_report_of_failure_counts_after_the_200() {
    for (code, outcome) in [(413, false), (415, false), (481, false), (408, true)] {
        let mut wire = Wire::new();
        let share = wire.transmitter.attach();
        let content = wire.says(share, 10);
        let frame = wire.writes_all().remove(0);
        assert_eq!(wire.answers(share, &frame, 200), None);
        wire.waits(80).unwrap();
        for harmless in ["000 200", "001 500"] {
            assert_eq!(wire.hears_report(share, content.message_id(), harmless), Heard::Answer(None), "{harmless}");
        }
        let refused = Outcome::Refused(code, Arc::clone(content.label()));
        let expected = if outcome { Outcome::Unanswered } else { refused };
        let status = format!("000 {code}");
        assert_eq!(wire.hears_report(share, content.message_id(), &status), Heard::Answer(Some(expected)));
        assert_eq!(wire.hears_report(share, content.message_id(), &status), Heard::Answer(None), "once");
    }
}

/// MS-REP-04: what is remembered of messages that have arrived is bounded, in number and in time, and holds no text.
#[test]
fn what_has_arrived_is_not_remembered_for_ever() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let said: Vec<Arc<Content>> = (0..200).map(|_| wire.says(share, 10)).collect();
    for frame in wire.writes_all() {
        wire.answers(share, &frame, 200);
    }
    assert!(said.iter().all(|content| Arc::strong_count(content) == 1));
    let known = said.iter().filter(|content| Arc::strong_count(content.label()) > 1).count();
    assert_eq!(known, 128);
    let last = said.last().unwrap();
    wire.waits(89).unwrap();
    assert!(wire.transmitter.next_timeout().is_some());
    assert_eq!(Arc::strong_count(last.label()), 2);
    wire.waits(1).unwrap();
    assert!(said.iter().all(|content| Arc::strong_count(content.label()) == 1), "nothing is left");
    assert_eq!(wire.transmitter.reported(wire.now, share, last.message_id(), 413), None);
    assert_eq!(wire.transmitter.next_timeout(), None);
}

/// MS-RSP-07: the message that was refused comes back with the rest.
#[test]
fn what_is_refused_because_the_session_is_elsewhere_comes_back() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let said = [wire.says(share, 10), wire.says(share, 9000)];
    let frame = wire.writes_some().remove(0);
    assert_eq!(wire.hears(share, "MSRP unknown1 506 No\r\n", "unknown1"), Heard::Answer(None));
    let transaction = frame.head.transaction.as_str();
    let start = format!("MSRP {transaction} 506 No\r\n");
    assert_eq!(wire.hears(share, &start, transaction), Heard::Elsewhere);
    assert_eq!(wire.transmitter.take_back(share), said);
}

/// MS-RSP-04: it does not help a peer that answers nothing that so much is said to it that the oldest is always young.
#[test]
fn a_peer_that_says_nothing_is_mute_in_a_busy_room_too() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let mut mute_after = None;
    for second in 0..60 {
        for _ in 0..40 {
            wire.says(share, 100);
        }
        wire.writes_all();
        if wire.waits(1).is_err() {
            mute_after = Some(second + 1);
            break;
        }
    }
    assert_eq!(mute_after, Some(30));
    let mut alive = Wire::new();
    let share = alive.transmitter.attach();
    for _ in 0..60 {
        for _ in 0..40 {
            alive.says(share, 100);
        }
        alive.writes_all();
        alive.transmitter.heard(alive.now);
        alive.waits(1).unwrap();
    }
}

/// MS-CONN-08, MS-RSP-08: the peer is not left waiting for the rest.
#[test]
fn half_a_message_that_is_taken_back_between_two_chunks_is_aborted() {
    let mut wire = Wire::with(Limits::default(), true);
    let share = wire.transmitter.attach();
    let large = wire.says(share, 60_000);
    let first = wire.writes_some();
    assert_eq!(first[0].ending, Ending::Flag(Continuation::More));
    assert_eq!(wire.transmitter.take_back(share), [large]);
    let frames = wire.writes_all();
    assert_eq!(frames.iter().map(|f| f.ending).collect::<Vec<_>>(), [Ending::Flag(Continuation::Aborted)]);
}
