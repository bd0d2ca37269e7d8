//! `200 OK`, read at a glance.
//!
//! Nearly everything that a client says in a room is this answer, once for each message that it was sent, and with the paths of the
//! answer before. Where those are known, nothing of it has to be taken apart. Anything else, and whatever is written in another way,
//! is the decoder's; a test holds both to the same opinion.

use super::frame::{Path, TransactionId};
use super::{HYPHENS, PROTOCOL};

/// What stands where there may be a comment.
const COMMENT: &[u8] = b" OK";

/// An answer of 200, all of which is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Which request it answers.
    pub transaction: &'a str,
    to_path: &'a [u8],
    from_path: &'a [u8],
    /// How long it is.
    pub octets: usize,
}

impl<'a> Accepted<'a> {
    /// What `octets` begin with, if it is that. They begin between two messages.
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let rest = octets.strip_prefix(PROTOCOL.as_bytes())?;
        let space = memchr::memchr(b' ', rest.get(..=TransactionId::MAX_LEN).unwrap_or(rest))?;
        let (transaction, rest) = rest.split_at_checked(space)?;
        let rest = rest.strip_prefix(b" 200")?;
        let rest = rest.strip_prefix(COMMENT).unwrap_or(rest).strip_prefix(b"\r\nTo-Path: ")?;
        let (to_path, rest) = split_at_cr(rest)?;
        let rest = rest.strip_prefix(b"\r\nFrom-Path: ")?;
        let (from_path, rest) = split_at_cr(rest)?;
        let rest = rest.strip_prefix(b"\r\n")?.strip_prefix(HYPHENS.as_bytes())?.strip_prefix(transaction)?;
        let rest = rest.strip_prefix(b"$\r\n")?;
        TransactionId::from_octets(transaction)?;
        let transaction = core::str::from_utf8(transaction).ok()?;
        Some(Self { transaction, to_path, from_path, octets: octets.len().checked_sub(rest.len())? })
    }

    /// Whether it came by these paths. Only then is it certain that they are paths at all.
    #[must_use]
    pub fn is_between(&self, to_path: &Path, from_path: &Path) -> bool {
        is_written(to_path, self.to_path) && is_written(from_path, self.from_path)
    }
}

fn split_at_cr(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(memchr::memchr(b'\r', octets)?)
}

/// Whether `octets` are the URIs of `path` with one space between them.
fn is_written(path: &Path, octets: &[u8]) -> bool {
    let mut rest = Some(octets);
    for (at, uri) in path.iter().enumerate() {
        let after_space = if at == 0 { rest } else { rest.and_then(|rest| rest.strip_prefix(b" ")) };
        rest = after_space.and_then(|rest| rest.strip_prefix(uri.as_str().as_bytes()));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use bytes::BytesMut;

    use super::super::collect::{Collector, Incoming};
    use super::super::frame::{Continuation, Ending, Start};
    use super::*;

    const ANSWER: &str = "MSRP d93kswow 200 OK\r\nTo-Path: msrp://alice.example.com:7654/jshA7we;tcp\r\n\
        From-Path: msrps://relay.example.net:9000/9di4ea;tcp msrp://bob.example.net:8888/9di4ea;tcp\r\n\
        -------d93kswow$\r\n";

    /// What the decoder makes of the first message, and how many octets that took.
    fn decoded(octets: &[u8]) -> Option<(Incoming, usize)> {
        let mut buffer = BytesMut::from(octets);
        let incoming = Collector::new(10_000).next(&mut buffer).ok()??;
        Some((incoming, octets.len() - buffer.len()))
    }

    fn paths() -> (Path, Path) {
        let Some((Incoming::Frame(frame), _)) = decoded(ANSWER.as_bytes()) else { panic!("the decoder knows it") };
        (frame.head.to_path, frame.head.from_path)
    }

    /// Reads it at a glance, and if that succeeds, holds the decoder to it.
    fn is_accepted(octets: &[u8]) -> bool {
        let (to, from) = paths();
        let Some(accepted) = Accepted::read(octets).filter(|accepted| accepted.is_between(&to, &from)) else {
            return false;
        };
        let Some((Incoming::Frame(frame), len)) = decoded(octets) else { panic!("{:?}", octets.escape_ascii()) };
        assert!(matches!(frame.head.start, Start::Response { code: 200, .. }));
        assert_eq!(frame.head.transaction.as_str(), accepted.transaction);
        assert_eq!((&frame.head.to_path, &frame.head.from_path), (&to, &from));
        assert_eq!((frame.ending, frame.body.len()), (Ending::Flag(Continuation::Complete), 0));
        assert_eq!(len, accepted.octets);
        true
    }

    #[test]
    fn an_answer_is_read_with_and_without_its_comment_and_with_more_behind_it() {
        assert!(is_accepted(ANSWER.as_bytes()));
        assert!(is_accepted(ANSWER.replace(" OK", "").as_bytes()));
        assert!(is_accepted(&[ANSWER, "MSRP next SEND\r\n"].concat().into_bytes()));
    }

    #[test]
    fn what_is_not_all_there_yet_is_not_read() {
        assert!((0..ANSWER.len()).all(|len| !is_accepted(&ANSWER.as_bytes()[..len])));
    }

    #[test]
    fn what_says_something_else_is_left_to_the_decoder() {
        for (what, instead) in [
            (" 200", " 201"),
            (" 200", " 506"),
            (" OK", " Fine"),
            ("$", "+"),
            ("$", "#"),
            ("jshA7we", "another"),
            ("msrps:", "msrp:"),
            ("tcp msrp:", "tcp  msrp:"),
            ("From-Path", "X-Path: y\r\nFrom-Path"),
            ("-------", "------"),
            ("-------d93kswow", "-------d93ksw0w"),
        ] {
            assert!(!is_accepted(ANSWER.replace(what, instead).as_bytes()), "{instead}");
        }
    }

    #[test]
    fn with_any_octet_changed_left_out_or_doubled_the_decoder_agrees_or_is_asked() {
        let answer = ANSWER.as_bytes();
        let mut accepted = 0;
        for at in 0..answer.len() {
            for octet in 0..=u8::MAX {
                let mut changed = answer.to_vec();
                changed[at] = octet;
                accepted += usize::from(is_accepted(&changed));
            }
            let without: Vec<u8> = [&answer[..at], &answer[at + 1..]].concat();
            let doubled: Vec<u8> = [&answer[..=at], &answer[at..]].concat();
            accepted += usize::from(is_accepted(&without)) + usize::from(is_accepted(&doubled));
        }
        // It is itself once for each place, and once with another line feed behind it. No other is like it, for the transaction
        // stands in two places.
        assert_eq!(accepted, answer.len() + 1);
    }
}
