//! `mucfocus print`: commented examples.

use std::io::Write as _;
use std::process::ExitCode;

use super::args::Printable;
use super::{FAILED, not_yet};
use crate::config::EXAMPLE;

pub(super) fn run(what: Printable) -> ExitCode {
    match what {
        Printable::Config => match std::io::stdout().lock().write_all(EXAMPLE.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(FAILED),
        },
        Printable::Prosody => not_yet("print prosody"),
        Printable::Ejabberd => not_yet("print ejabberd"),
    }
}
