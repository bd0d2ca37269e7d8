//! `mucfocus print` and `mucfocus schema`: texts for people and editors, on standard output.

mod ejabberd;
mod half;
mod prosody;

use std::io::Write as _;
use std::process::ExitCode;

use self::half::Half;
use super::args::{PrintArgs, Printable};
use super::{FAILED, wrong_configuration};
use crate::config::{self, Config, EXAMPLE};

pub(super) fn run(args: &PrintArgs) -> ExitCode {
    if args.what == Printable::Config {
        return out(EXAMPLE);
    }
    let (loaded, name) = match &args.config {
        Some(file) => (Config::load(file), file.display().to_string()),
        None => (Config::parse(EXAMPLE, "the example"), "the example of `mucfocus print config`".to_owned()),
    };
    let half = match &loaded {
        Ok((config, _)) => Half::of(config, name),
        Err(errors) => return wrong_configuration(errors),
    };
    out(&match args.what {
        Printable::Ejabberd => ejabberd::print(&half),
        Printable::Prosody | Printable::Config => prosody::print(&half),
    })
}

/// The JSON Schema of the configuration.
pub(super) fn schema() -> ExitCode {
    out(&(format!("{:#}", config::schema()) + "\n"))
}

fn out(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}
