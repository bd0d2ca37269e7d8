//! The lines of standard input. Owns where a line begins and ends: the middle of one is never taken for another.

use std::io::{BufRead, Read as _};

use tokio::sync::mpsc;

/// Octets of the longest line: a message that has as many is as long as one may be that we take ourselves.
pub(super) const MAX_LINE: usize = 256 * 1024;
/// Lines that wait until they are said.
const MAX_WAITING: usize = 16;

/// What was typed up to the end of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it, with its end.
    Whole(String),
    /// It has more than [`MAX_LINE`] octets, and is forgotten.
    TooLong,
}

/// Reads standard input in a thread of its own, which ends with the process; the channel ends with the input. A thread, since
/// a read of a terminal cannot be called off.
pub(super) fn lines() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Some(line) = next(&mut input) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line; `None` at the end, or when there is nothing more to be read.
fn next(input: &mut impl BufRead) -> Option<Line> {
    let mut octets = Vec::new();
    // One more, the end of the line.
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(most).read_until(b'\n', &mut octets).ok()?;
    if octets.is_empty() {
        return None;
    }
    if octets.len() <= MAX_LINE || octets.ends_with(b"\n") {
        return Some(Line::Whole(String::from_utf8_lossy(&octets).into_owned()));
    }
    drop(octets);
    // What cannot be read any more is the end of the line, too; the next call says so.
    let _ = input.skip_until(b'\n');
    Some(Line::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &str) -> Vec<Line> {
        let mut input = std::io::BufReader::with_capacity(1000, input.as_bytes());
        std::iter::from_fn(|| next(&mut input)).collect()
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.to_owned())
    }

    #[test]
    fn a_line_is_whole_or_not_there_and_the_next_one_begins_behind_its_end() {
        let longest = "x".repeat(MAX_LINE);
        let lines = all(&format!("a\n{longest}\n{longest}y\nb\n\n{longest}"));
        assert_eq!(lines[0], whole("a\n"));
        assert_eq!(lines[1], whole(&format!("{longest}\n")));
        assert_eq!(lines[2..5], [Line::TooLong, whole("b\n"), whole("\n")]);
        assert_eq!(lines[5..], [whole(&longest)]);
        let much_longer = longest.repeat(3);
        assert_eq!(all(&format!("{much_longer}\n/leave\n")), [Line::TooLong, whole("/leave\n")]);
        assert_eq!(all(&much_longer), [Line::TooLong]);
        assert_eq!(all(""), []);
    }
}
