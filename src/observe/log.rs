//! The log: where it goes, how it looks, and which crates must not talk.
//!
//! Some of the crates that we build on log whole messages, credentials included: the SIP stack at INFO, the XMPP
//! library its SASL exchange at TRACE. They are capped at WARN whatever level is asked for, and inside whatever span.
//! Only naming such a crate in `RUST_LOG` opens it, and that is said in the log.

use std::io::IsTerminal as _;
use std::str::FromStr as _;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Crates that log what people and servers keep secret.
pub const CAPPED: [&str; 4] = ["rsipstack", "tokio_xmpp", "xmpp_parsers", "sasl"];

/// Where [`announce`] speaks from, which is always heard.
const ANNOUNCEMENTS: &str = "mucfocus::observe::log";

/// Somebody has set up logging in this process before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("logging is set up already")]
pub struct AlreadySetUp;

/// Sets up logging to standard error for this process. `RUST_LOG` goes before `settings.level`.
///
/// # Errors
///
/// [`AlreadySetUp`], when called twice.
pub fn init(settings: &LogSettings) -> Result<(), AlreadySetUp> {
    let rust_log = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = Filter::new(settings.level, rust_log.as_deref());
    let notes = filter.notes.clone();
    let is_by_rust_log = filter.is_by_rust_log;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (subscriber, handle) = subscriber(settings.format, filter, std::io::stderr, colours);
    subscriber.try_init().map_err(|_| AlreadySetUp)?;
    if !is_by_rust_log {
        let _ = LEVEL.set(handle);
    }
    announce(&notes);
    Ok(())
}

/// Changes the level of the log that [`init`] has set up. Without effect while `RUST_LOG` decides.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails when the log is gone, and then nobody listens.
        let _ = handle.reload(Filter::new(level, None).wanted);
    }
}

/// The filter in force, where it can be changed.
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

fn announce(notes: &[String]) {
    for note in notes {
        tracing::warn!(target: ANNOUNCEMENTS, "{note}");
    }
}

/// What passes, and what has to be said about it.
struct Filter {
    wanted: EnvFilter,
    capped: Vec<&'static str>,
    notes: Vec<String>,
    /// Whether `RUST_LOG` was understood, and goes before the configuration.
    is_by_rust_log: bool,
}

impl Filter {
    fn new(level: LogLevel, rust_log: Option<&str>) -> Self {
        let mut notes = Vec::new();
        let ours = || {
            let level = level_filter(level);
            EnvFilter::builder().parse_lossy(format!("warn,mucfocus={level},mucfocus_core={level}"))
        };
        let wanted = match rust_log {
            None => ours(),
            Some(text) => EnvFilter::builder().parse(text).unwrap_or_else(|error| {
                notes.push(format!("RUST_LOG is not understood and not used: {error}"));
                ours()
            }),
        };
        let is_understood = notes.is_empty();
        let heard = Directive::from_str(&format!("{ANNOUNCEMENTS}=warn"));
        let wanted = heard.into_iter().fold(wanted, EnvFilter::add_directive);
        let named = |name: &str| rust_log.is_some_and(|text| names(text, name));
        let (open, capped): (Vec<&str>, Vec<&str>) = CAPPED.into_iter().partition(|name| named(name));
        if !open.is_empty() {
            notes.push(format!("RUST_LOG opens {}: credentials will be in this log", open.join(", ")));
        }
        let is_by_rust_log = rust_log.is_some() && is_understood;
        Self { wanted, capped, notes, is_by_rust_log }
    }
}

/// Whether a directive of `text` is about the crate `name` or a module of it, and opens more than warnings.
fn names(text: &str, name: &str) -> bool {
    text.split(',').any(|directive| {
        let (target, level) = directive.trim().split_once('=').unwrap_or((directive.trim(), "trace"));
        let target = target.split('[').next().unwrap_or_default().trim();
        of_crate(target, name) && level.trim().parse().is_ok_and(|level: LevelFilter| level > LevelFilter::WARN)
    })
}

fn of_crate(target: &str, name: &str) -> bool {
    target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn subscriber<W>(
    format: LogFormat,
    filter: Filter,
    writer: W,
    colours: bool,
) -> (impl Subscriber + Send + Sync, reload::Handle<EnvFilter, Registry>)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let Filter { wanted, capped, .. } = filter;
    // A filter of its own, and not directives of the other: a directive for a span would open every crate inside the
    // span.
    let (wanted, handle) = reload::Layer::new(wanted);
    let cap = tracing_subscriber::filter::filter_fn(move |meta| passes(meta, &capped));
    (tracing_subscriber::registry().with(wanted).with(cap).with(lines), handle)
}

fn passes(meta: &Metadata<'_>, capped: &[&str]) -> bool {
    *meta.level() <= Level::WARN || !capped.iter().any(|name| of_crate(meta.target(), name))
}

const fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is on paper after one line of each kind.
    fn written(level: LogLevel, format: LogFormat, rust_log: Option<&str>) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let filter = Filter::new(level, rust_log);
        let notes = filter.notes.clone();
        let (subscriber, _) = subscriber(format, filter, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, || {
            announce(&notes);
            let _leg = tracing::info_span!(target: "mucfocus::hub", "leg", call_id = "a1").entered();
            tracing::trace!(target: "mucfocus::hub", "our trace");
            tracing::info!(target: "mucfocus::hub", "our info");
            tracing::info!(target: "rsipstack::transport", "Authorization: secret");
            tracing::trace!(target: "tokio_xmpp", "<auth>secret</auth>");
            tracing::warn!(target: "rsipstack", "their warning");
            tracing::info!(target: "hickory_resolver", "their info");
        });
        let octets = paper.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn trace_of_ours_does_not_open_crates_that_log_credentials() {
        let log = written(LogLevel::Trace, LogFormat::Text, None);
        assert!(log.contains("our trace") && log.contains("our info") && log.contains("their warning"), "{log}");
        assert!(!log.contains("secret") && !log.contains("their info"), "{log}");
    }

    #[test]
    fn no_general_rust_log_opens_crates_that_log_credentials() {
        for rust_log in
            ["trace", "info,mucfocus=trace", "[leg]=trace", "[leg{call_id=a1}]=trace", "rsipstacks=trace", "=,"]
        {
            let log = written(LogLevel::Info, LogFormat::Text, Some(rust_log));
            assert!(!log.contains("secret"), "{rust_log}: {log}");
        }
        assert!(written(LogLevel::Info, LogFormat::Text, Some("trace")).contains("our trace"));
    }

    #[test]
    fn naming_such_a_crate_opens_it_and_is_said() {
        let log = written(LogLevel::Info, LogFormat::Text, Some("info,rsipstack=info"));
        assert!(log.contains("Authorization: secret") && !log.contains("<auth>"), "{log}");
        for rust_log in
            ["info,rsipstack::transport=debug", "rsipstack=trace", "mucfocus=error,rsipstack", "off,rsipstack[a]=info"]
        {
            let log = written(LogLevel::Info, LogFormat::Text, Some(rust_log));
            assert!(log.contains("RUST_LOG opens rsipstack: credentials will be in this log"), "{rust_log}: {log}");
        }
        assert!(Filter::new(LogLevel::Info, Some("rsipstack=error")).notes.is_empty());
    }

    #[test]
    fn a_rust_log_that_is_not_understood_is_said_and_the_configuration_holds() {
        let filter = Filter::new(LogLevel::Info, Some("mucfocus=loud"));
        assert!(filter.notes.iter().any(|n| n.contains("RUST_LOG is not understood")), "{:?}", filter.notes);
        assert!(written(LogLevel::Info, LogFormat::Text, Some("mucfocus=loud")).contains("our info"));
    }

    #[test]
    fn json_lines_are_objects_with_the_fields_of_their_span() {
        let log = written(LogLevel::Info, LogFormat::Json, None);
        let line = log.lines().find(|l| l.contains("our info")).unwrap();
        assert!(line.starts_with('{') && line.contains(r#""call_id":"a1""#), "{line}");
    }
}
