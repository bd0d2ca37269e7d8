//! What may wait for a connection, and what becomes of the rest.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Octets, Outcome, Stalled};

use crate::wire::{Wire, response};

/// SW-21.
#[test]
fn a_queue_is_bounded_and_above_four_fifths_trifles_are_left_out() {
    let limits = Limits { queue: 10, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let (share, other) = (wire.transmitter.attach(), wire.transmitter.attach());
    let trifle = Content::trifle(&mut wire.env(), "application/im-iscomposing+xml", "x".into()).unwrap();
    let content = wire.content("x");
    (0..7).for_each(|_| wire.post(share, &content));
    wire.post(share, &trifle);
    wire.post(share, &trifle);
    (0..2).for_each(|_| wire.post(share, &content));
    assert_eq!(wire.try_post(share, &content), Err(Stalled), "seven, a trifle, two");
    assert_eq!(wire.transmitter.put(wire.now, share, response("abcd1234")), Ok(()), "answers have room of their own");
    assert_eq!(wire.try_post(other, &content), Ok(()));
    assert_eq!(wire.writes_all().len(), 12);
    assert_eq!(wire.try_post(share, &content), Ok(()), "what is written makes room");
}

/// Who asks faster than he reads waits, long before the answers to what he has asked already have no room.
#[test]
fn no_more_is_asked_while_a_quarter_of_the_answers_that_may_wait_do() {
    let limits = Limits { queue: 16, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let (share, other) = (wire.transmitter.attach(), wire.transmitter.attach());
    let content = wire.content("x");
    (0..16).for_each(|_| wire.post(share, &content));
    assert!(wire.transmitter.takes_requests(share), "what others say is no reason");
    for n in 0..16 {
        assert_eq!(wire.transmitter.takes_requests(share), n < 4, "{n} wait");
        assert_eq!(wire.transmitter.put(wire.now, share, response("abcd1234")), Ok(()));
    }
    assert!(wire.transmitter.takes_requests(other));
    assert_eq!(wire.transmitter.put(wire.now, share, response("abcd1234")), Err(Stalled));
    wire.transmitter.fill(wire.now, &mut Octets::new());
    assert!(wire.transmitter.written(wire.now), "somebody waits for this");
    assert!(wire.transmitter.takes_requests(share));
    wire.transmitter.fill(wire.now, &mut Octets::new());
    assert!(!wire.transmitter.written(wire.now), "nobody does");
}

/// SW-21: one message larger than the queue goes when nothing else is out.
#[test]
fn a_message_larger_than_the_queue_goes_alone() {
    let limits = Limits { queue_octets: 10_000, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let share = wire.transmitter.attach();
    let (large, small) = (wire.content(vec![b'x'; 20_000]), wire.content("x"));
    wire.post(share, &large);
    assert_eq!(wire.try_post(share, &small), Err(Stalled));
    for frame in wire.writes_all() {
        wire.answers(share, &frame, 200);
    }
    wire.post(share, &small);
    wire.post(share, &large);
    assert_eq!(wire.writes_all().len(), 1);
    assert_eq!(wire.waits(5), Ok(vec![Outcome::Missed(1)]), "the client keeps its session");
}

/// RFC 7701 §6.4.
#[test]
fn a_batch_that_is_not_written_for_a_minute_is_a_stall() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.content("x");
    wire.post(share, &content);
    wire.transmitter.fill(wire.now, &mut Octets::new());
    wire.now = wire.now + Duration::from_secs(60);
    assert_eq!(wire.try_post(share, &content), Ok(()));
    wire.now = wire.now + Duration::from_micros(1);
    assert_eq!(wire.try_post(share, &content), Err(Stalled));
}

#[test]
fn nothing_is_kept_of_a_large_message_that_four_hundred_have_answered() {
    let mut wire = Wire::new();
    let content = wire.content(vec![b'x'; 250_000]);
    let mut transmitters: Vec<Wire> = (0..400).map(|_| Wire::new()).collect();
    for peer in &mut transmitters {
        let share = peer.transmitter.attach();
        peer.post(share, &content);
        let frame = peer.writes_all().remove(0);
        peer.answers(share, &frame, 200);
    }
    assert_eq!(Arc::strong_count(&content), 1);
    transmitters.iter_mut().for_each(|peer| peer.read = BytesMut::new());
    assert!(content.body().is_unique(), "not even a part of it");
}

/// A client that reads and answers nothing, but is alive, does not make us keep all that it was told.
#[test]
fn what_awaits_its_answer_is_bounded() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    for _ in 0..600 {
        wire.says(share, 5);
        wire.writes_all();
    }
    let unanswered = wire.waits(1).unwrap();
    assert_eq!(unanswered, vec![Outcome::Unanswered; Limits::default().queue], "it can be seen");
    assert_eq!(wire.transmitter.take_back(share).len(), Limits::default().queue);
}

/// SW-21: where much waits large messages are left out. The user is told when there is room again.
#[test]
fn a_congested_queue_takes_no_large_messages_and_says_so_later() {
    let limits = Limits { queue: 10, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let share = wire.transmitter.attach();
    let (small, large, medium) =
        (wire.content("x"), wire.content(vec![b'x'; 16 * 1024 + 1]), wire.content(vec![b'x'; 16 * 1024]));
    (0..7).for_each(|_| wire.post(share, &small));
    wire.post(share, &large);
    wire.post(share, &large);
    wire.post(share, &large);
    wire.post(share, &medium);
    assert_eq!(wire.waits(5), Ok(vec![]), "nothing has been written");
    let ids: Vec<String> = wire.writes_all().into_iter().filter_map(|frame| frame.head.message_id).collect();
    assert_eq!(ids.iter().filter(|id| *id == large.message_id()).count(), 1, "seven small ones are no congestion");
    assert!(ids.iter().any(|id| id == medium.message_id()));
    assert_eq!(wire.waits(5), Ok(vec![Outcome::Missed(2)]));
    assert_eq!(wire.waits(5), Ok(vec![]), "once");
    wire.post(share, &large);
    assert_eq!(wire.writes_all().len(), 1);
}
