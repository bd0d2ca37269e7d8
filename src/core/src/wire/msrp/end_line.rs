//! Finding the line that ends a message (RFC 4975 §7.1), in whatever pieces the octets come.

use memchr::memmem::Finder;

use super::HYPHENS;
use super::frame::{Continuation, TransactionId};

/// What every end-line after a body begins with. Holds one CR, at its start: two occurrences never overlap.
const MARK: &[u8] = b"\r\n-------";

/// What stands at the beginning of some octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The end-line, of this many octets with its CRLF.
    EndLine(Continuation, usize),
    /// What may become the end-line when more octets come.
    Beginning,
    /// Something else.
    Other,
}

/// What a scan of body octets says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// So many octets of body, then the end-line, of `skip` octets with the CRLF before it.
    End {
        /// Octets of body.
        body: usize,
        /// Octets after them to drop.
        skip: usize,
        /// The flag.
        flag: Continuation,
    },
    /// So many octets that are body whatever follows; the rest may be the beginning of the end-line.
    Data(usize),
}

/// Whether the end-line of `transaction` begins right at the beginning of `octets`.
///
/// `flagless` lets a line without flag count as [`Continuation::Complete`].
pub(super) fn look(octets: &[u8], transaction: &TransactionId, flagless: bool) -> Found {
    let mut rest = octets;
    for part in [HYPHENS.as_bytes(), transaction.as_bytes()] {
        match rest.strip_prefix(part) {
            Some(after) => rest = after,
            None if part.starts_with(rest) => return Found::Beginning,
            None => return Found::Other,
        }
    }
    let Some((first, after)) = rest.split_first() else { return Found::Beginning };
    let (flag, after) = match Continuation::from_flag(*first) {
        Some(flag) => (flag, after),
        None if flagless => (Continuation::Complete, rest),
        None => return Found::Other,
    };
    match after {
        [b'\r', b'\n', unrelated @ ..] => Found::EndLine(flag, octets.len().saturating_sub(unrelated.len())),
        [] | [b'\r'] => Found::Beginning,
        _ => Found::Other,
    }
}

/// Whether `body` holds seven hyphens and `transaction` after them, anywhere.
///
/// Of seven hyphens in a row one stands at every seventh octet, so that most octets are not looked at. What precedes the
/// identifier is the last seven of a run, because no identifier begins with a hyphen.
pub(super) fn holds_end_line(body: &[u8], transaction: &TransactionId) -> bool {
    let id = transaction.as_bytes();
    let step = HYPHENS.len();
    let mut at = step.saturating_sub(1);
    while let Some(octet) = body.get(at) {
        if *octet != b'-' {
            at = at.saturating_add(step);
            continue;
        }
        let (before, from_here) = body.split_at_checked(at).unwrap_or_default();
        let first = before.iter().rposition(|b| *b != b'-').map_or(0, |other| other.saturating_add(1));
        let run_after = from_here.iter().position(|b| *b != b'-').unwrap_or(from_here.len());
        let end = at.saturating_add(run_after);
        let is_long = end.saturating_sub(first) >= step;
        if is_long && body.get(end..).is_some_and(|rest| rest.starts_with(id)) {
            return true;
        }
        at = end.saturating_add(step);
    }
    false
}

/// Searches bodies. Each octet is looked at a bounded number of times, however the octets are cut into pieces.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    mark: Finder<'static>,
    /// Octets looked at so far, which tests hold against the octets that came.
    #[cfg(test)]
    pub(super) work: usize,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            mark: Finder::new(MARK),
            #[cfg(test)]
            work: 0,
        }
    }

    /// Divides `octets` into body and what is not certain yet to be body.
    pub(super) fn scan(&mut self, octets: &[u8], transaction: &TransactionId) -> Scan {
        let mut from = 0;
        #[cfg(test)]
        {
            self.work += octets.len();
        }
        loop {
            let Some(rest) = octets.get(from..) else { return Scan::Data(octets.len()) };
            let Some(offset) = self.mark.find(rest) else {
                return Scan::Data(octets.len().saturating_sub(mark_begun(rest)));
            };
            let at = from.saturating_add(offset);
            let line = octets.get(at.saturating_add(2)..).unwrap_or_default();
            #[cfg(test)]
            {
                self.work += line.len().min(HYPHENS.len() + TransactionId::MAX_LEN + 3);
            }
            match look(line, transaction, false) {
                Found::EndLine(flag, len) => return Scan::End { body: at, skip: len.saturating_add(2), flag },
                Found::Beginning => return Scan::Data(at),
                Found::Other => from = at.saturating_add(MARK.len()),
            }
        }
    }
}

/// How many octets at the end of `octets` are the beginning of [`MARK`].
fn mark_begun(octets: &[u8]) -> usize {
    (1..MARK.len()).rev().find(|len| MARK.get(..*len).is_some_and(|begun| octets.ends_with(begun))).unwrap_or(0)
}
