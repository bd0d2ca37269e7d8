//! The command line: what is asked, and with which status the program ends.
//!
//! 0: fine. 1: what was asked failed. 2: wrong usage or configuration. Standard output has only what was asked for;
//! logs and diagnostics go to standard error.

pub mod args;
pub mod chat;
mod check;
mod ctl;
mod print;
mod route;
pub mod serve;
mod state;
mod threads;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Args, Command};
use crate::config::{Config, ConfigErrors, Findings, Level, LogFormat, Style};

/// What was asked failed.
pub const FAILED: u8 = 1;
/// The usage or the configuration is wrong.
pub const WRONG: u8 = 2;

/// Runs the program and says with which status it ends: 0 fine, 1 what was asked failed, 2 wrong usage or
/// configuration.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(message) => {
            // Help goes to standard output, wrong usage to standard error; a closed one is nobody's fault.
            let _ = message.print();
            return u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match args.command {
        Command::Serve(args) => serve(&args.config.file, args.log_format),
        Command::Check(args) => check::run(&args),
        Command::Route(args) => route::run(&args),
        Command::Print(args) => print::run(&args),
        Command::Schema => print::schema(),
        Command::Chat(args) => chat::run(args),
        Command::Ctl(args) => ctl::run(&args),
    }
}

/// Everything that comes before the first socket: configuration, log.
fn serve(file: &Path, log_format: Option<LogFormat>) -> ExitCode {
    let (mut config, warnings) = match Config::load(file) {
        Ok(loaded) => loaded,
        Err(errors) => return wrong_configuration(&errors),
    };
    if let Some(format) = log_format {
        config.log.format = format;
    }
    if let Err(error) = crate::observe::log::init(&config.log) {
        tell(&format!("mucfocus: {error}"));
    }
    for warning in warnings.iter() {
        tracing::warn!("{}", warnings.line(warning));
    }
    serve::run(config, file.to_owned())
}

/// Says why there is no configuration.
fn wrong_configuration(errors: &ConfigErrors) -> ExitCode {
    match errors {
        ConfigErrors::Unreadable { .. } => {
            tell(&format!(
                "mucfocus: {errors}\n  help: name another file with --config, or begin with `mucfocus print config`"
            ));
        }
        ConfigErrors::NotUtf8 { .. } => tell(&format!("mucfocus: {errors}\n  help: save the file as UTF-8")),
        ConfigErrors::Wrong(findings) => draw(findings, Level::Error),
    }
    ExitCode::from(WRONG)
}

/// Draws the findings of this level on standard error.
fn draw(findings: &Findings, level: Level) {
    let terminal = std::io::stderr().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let style = Style { colours: terminal && !no_color, unicode: locale_is_utf8(|name| std::env::var(name).ok()) };
    let _ = std::io::stderr().lock().write_all(findings.render(level, style).as_bytes());
}

/// Whether the locale writes UTF-8; of these variables the first that is set and not empty decides.
fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|l| {
        let l = l.to_ascii_lowercase();
        l.contains("utf-8") || l.contains("utf8")
    })
}

/// A line on standard error; a closed one is nobody's fault.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_of_the_locale_that_is_set_decides() {
        let with = |set: &'static [(&str, &str)]| {
            locale_is_utf8(move |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert!(with(&[("LANG", "de_DE.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!with(&[]));
    }
}
