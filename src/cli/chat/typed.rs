//! What is typed: the lines of standard input, and what each means.

use std::io::{BufRead as _, Read as _};

use tokio::sync::mpsc;

/// Octets of one line; a longer one is said in pieces.
const MAX_LINE: u64 = 16 * 1024;
/// Lines that wait until they are said.
const MAX_WAITING: usize = 16;

/// What somebody at the terminal wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// An empty line.
    Nothing,
    /// To say this.
    Say(String),
    /// To leave.
    Leave,
    /// What there will be.
    NotYet(String),
    /// What there is not.
    Unknown(String),
}

impl Typed {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        // `//` says something that begins with a slash.
        match line.strip_prefix('/') {
            None => Self::Say(line.to_owned()),
            Some(text) if text.starts_with('/') => Self::Say(text.to_owned()),
            Some(command) => match command.split_whitespace().next().unwrap_or_default() {
                "leave" => Self::Leave,
                name @ ("nick" | "msg" | "invite" | "topic" | "who") => Self::NotYet(name.to_owned()),
                name => Self::Unknown(name.to_owned()),
            },
        }
    }
}

/// Reads standard input in a thread of its own, which ends with the process; the channel ends with the input. A thread, since
/// a read of a terminal cannot be called off.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_a_slash() {
        assert_eq!(Typed::parse("hello / there\r\n"), Typed::Say("hello / there".into()));
        assert_eq!(Typed::parse("//me waves\n"), Typed::Say("/me waves".into()));
        assert_eq!(Typed::parse(" \n"), Typed::Nothing);
        assert_eq!(Typed::parse("/leave\n"), Typed::Leave);
        assert_eq!(Typed::parse("/leaves\n"), Typed::Unknown("leaves".into()));
        for command in ["nick", "msg", "invite", "topic", "who"] {
            assert_eq!(Typed::parse(&format!("/{command} x")), Typed::NotYet(command.into()));
        }
    }
}
