//! Messages in chunks (MS-SEND-01 … 03, 08 … 13; RFC 4975 §7.3.1), and the credit that they use.

use mucfocus_core::room::io::Trace;

use crate::story::{SipUser, Story};

/// Puts a chunk of message `id` on its way.
fn chunk(romeo: &SipUser, id: &str, range: &str, body: &str, flag: char) -> String {
    let headers = format!("Message-ID: {id}\r\nByte-Range: {range}\r\nContent-Type: message/cpim\r\n");
    let transaction = romeo.writes("SEND", &headers, Some(body), flag);
    romeo.story.settles();
    transaction
}

/// A Byte-Range, a piece of the message, and the flag behind it.
type Piece = (String, String, char);

/// Pieces of 40 octets; the last ends the message.
fn pieces(cpim: &str) -> Vec<Piece> {
    let total = cpim.len();
    let count = total.div_ceil(40);
    let piece = |n: usize| {
        let (start, end) = (n * 40, total.min(n * 40 + 40));
        let flag = if n + 1 == count { '$' } else { '+' };
        (format!("{}-{end}/{total}", start + 1), cpim[start..end].to_string(), flag)
    };
    (0..count).map(piece).collect()
}

#[test]
fn chunks_in_any_order_make_the_message() {
    let orders: [fn(&mut Vec<Piece>); 4] = [|_| {}, |p| p.reverse(), |p| p.rotate_left(1), |p| p.rotate_right(2)];
    for order in orders {
        let (story, romeo) = Story::with_romeo();
        let mut pieces = pieces(&romeo.cpim("in pieces"));
        order(&mut pieces);
        let last = pieces.len() - 1;
        story.muc().freezes();
        for (n, (range, body, flag)) in pieces.iter().enumerate() {
            let send = chunk(&romeo, "m", range, body, *flag);
            match n == last {
                false => romeo.gets_response(&send, 200), // at once, whichever chunk it is
                true => {
                    romeo.gets_no_response(&send);
                    story.muc_thaws();
                    romeo.gets_response(&send, 200);
                }
            }
        }
        assert_eq!(story.muc().said, [("Romeo".to_string(), "in pieces".to_string())]);
        romeo.has_all_credit();
        story.everybody_leaves();
    }
}

#[test]
fn chunks_that_come_twice_or_overlap_make_one_message() {
    let (story, romeo) = Story::with_romeo();
    let cpim = romeo.cpim("said once");
    let total = cpim.len();
    chunk(&romeo, "m", &format!("1-*/{total}"), &cpim[..60], '+');
    chunk(&romeo, "m", &format!("1-*/{total}"), &cpim[..60], '+');
    chunk(&romeo, "m", &format!("31-*/{total}"), &cpim[30..90], '+');
    let send = chunk(&romeo, "m", &format!("91-*/{total}"), &cpim[90..], '$');
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said.len(), 1);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// MS-SEND-09: the ranges of the specifications' own examples are wrong.
#[test]
fn the_real_length_counts_and_not_the_range() {
    let (story, romeo) = Story::with_romeo();
    let cpim = romeo.cpim("longer than said");
    let send = chunk(&romeo, "m", "1-25/25", &cpim, '$');
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said.len(), 1);
    story.everybody_leaves();
}

/// MS-SEND-11.
#[test]
fn an_abandoned_message_is_answered_and_never_said() {
    let (story, romeo) = Story::with_romeo();
    let cpim = romeo.cpim("never mind");
    chunk(&romeo, "m", "1-*/*", &cpim[..60], '+');
    let send = chunk(&romeo, "m", "61-*/*", &cpim[60..], '#');
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said, []);
    // The Message-ID is free again.
    let send = chunk(&romeo, "m", &format!("1-{0}/{0}", cpim.len()), &cpim, '$');
    romeo.gets_response(&send, 200);
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn chunks_that_cannot_be_are_refused_by_name() {
    let (story, romeo) = Story::with_romeo();
    let cpim = romeo.cpim("hello");
    let mut faults = Vec::new();
    let mut refused = |send: String, code: u16, fault: &str| {
        romeo.gets_response(&send, code);
        faults.push(fault.to_string());
    };
    // MS-SEND-01
    let send = romeo.writes("SEND", "Content-Type: message/cpim\r\n", Some(&cpim), '$');
    story.settles();
    refused(send, 400, "no-message-id");
    // MS-SEND-03
    chunk(&romeo, "a", "1-*/*", &cpim[..60], '+');
    let send = romeo.writes("SEND", "Message-ID: a\r\nContent-Type: message/cpim\r\n", Some(&cpim), '$');
    story.settles();
    refused(send, 400, "no-byte-range");
    // beyond the end that `$` fixed, and `$` before what is there already
    chunk(&romeo, "b", "61-*/*", "end", '$');
    refused(chunk(&romeo, "b", "64-*/*", "more", '+'), 400, "beyond-end");
    chunk(&romeo, "c", "61-*/*", "middle", '+');
    refused(chunk(&romeo, "c", "2-*/*", "short", '$'), 400, "beyond-end");
    // MS-SEND-12
    refused(chunk(&romeo, "d", "1-*/9223372036854775807", "x", '+'), 413, "too-large");
    refused(chunk(&romeo, "e", "9223372036854775807-*/*", "x", '$'), 413, "too-large");
    refused(chunk(&romeo, "f", "1-*/*", &"x".repeat(65_537), '$'), 413, "too-large");
    let said = |trace: &Trace| match trace {
        Trace::PeerFault(fault) => Some(fault.name().to_string()),
        _ => None,
    };
    let named: Vec<String> = romeo.sees().traces.iter().filter_map(said).collect();
    assert_eq!(named, faults);
    assert_eq!(story.muc().said, []);
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn four_messages_may_be_unfinished_and_not_for_ever() {
    let (story, romeo) = Story::with_romeo();
    for id in ["a", "b", "c", "d"] {
        let send = chunk(&romeo, id, "1-*/*", "From: ", '+');
        romeo.gets_response(&send, 200);
    }
    let send = chunk(&romeo, "e", "1-*/*", "From: ", '+');
    romeo.gets_response(&send, 413);
    let send = romeo.says("but whole ones go");
    romeo.gets_response(&send, 200);
    story.seconds_pass(541);
    // MS-REP-03: each chunk had its 200.
    let reports = romeo.sees().reports.clone();
    let mut told: Vec<_> =
        reports.iter().map(|r| (r.head.message_id.as_deref(), r.head.status.as_ref().unwrap().code)).collect();
    told.sort_unstable();
    assert_eq!(told, [(Some("a"), 408), (Some("b"), 408), (Some("c"), 408), (Some("d"), 408)]);
    assert!(reports.iter().all(|r| r.head.byte_range.is_some_and(|range| (range.start, range.end) == (1, Some(6)))));
    let send = chunk(&romeo, "e", "1-*/*", "From: ", '+');
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}

/// SW-10: what all legs together may not hold, none of them can.
#[test]
fn a_message_for_which_there_is_no_room_is_refused_until_there_is_some() {
    let (story, romeo) = Story::with_romeo();
    story.world().room.grant(romeo.leg, 5);
    romeo.gets_response(&chunk(&romeo, "a", "1-10/100", "0123456789", '+'), 413);
    assert_eq!(story.world().room.unfinished(romeo.leg), 0);
    story.world().room.grant(romeo.leg, 10_000);
    romeo.gets_response(&chunk(&romeo, "b", "1-10/100", "0123456789", '+'), 200);
    assert!((10..=10_000).contains(&story.world().room.unfinished(romeo.leg)));
    story.everybody_leaves();
}
