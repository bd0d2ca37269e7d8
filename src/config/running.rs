//! `[node]`, `[limits]`, `[timeouts]`, `[log]`, `[http]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use toml::Spanned;

use super::check::Report;
use super::units::{self, Wrong};
use super::{Limits, LogFormat, LogLevel, LogSettings, Timeouts, keys, raw};
use crate::sip::settings::Rate;

/// Longest time to a response to a SEND: the sender gives up after 30 s (RFC 4975 §7.1.1), and the way back takes time.
const REFLECTION_MAX: Duration = Duration::from_secs(28);

/// Where probes are answered when nothing is said.
const HTTP_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8085);

/// All of `[limits]`, before they go to who keeps them.
pub(super) struct AllLimits {
    pub(super) focus: Limits,
    pub(super) requests_per_source: Option<Rate>,
    pub(super) connections_per_source: Option<usize>,
    pub(super) xmpp_logins: Option<Rate>,
}

pub(super) fn node(node: raw::Node, report: &mut Report<'_>) -> String {
    let name = report.optional(node.name.as_ref(), |name| {
        if is_node_name(name) {
            Ok(name.to_owned())
        } else {
            Err(Wrong::new(
                format!("\"{name}\" cannot be the name of a node"),
                "write 1 to 63 letters, digits, \"-\", \"_\" or \".\", like focus1",
            ))
        }
    });
    name.unwrap_or_else(host_name)
}

fn is_node_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && units::is_host(name)
}

/// Name of this machine, where it can stand in a Warning header.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if is_node_name(name) { name.to_owned() } else { "mucfocus".to_owned() }
}

pub(super) fn limits(limits: &raw::Limits, report: &mut Report<'_>) -> AllLimits {
    AllLimits {
        focus: Limits {
            legs: count(limits.legs.as_ref(), 5000, report),
            messages_per_user: rate(limits.messages_per_user.as_ref(), 20, report),
        },
        requests_per_source: rate(limits.requests_per_source.as_ref(), 30, report),
        connections_per_source: count(limits.connections_per_source.as_ref(), 20, report),
        xmpp_logins: rate(limits.xmpp_logins.as_ref(), 20, report),
    }
}

fn count(key: Option<&Spanned<raw::Count>>, default: usize, report: &mut Report<'_>) -> Option<usize> {
    let Some(key) = key else { return Some(default) };
    match key.get_ref() {
        raw::Count::Off(_) => None,
        raw::Count::Number(0) => {
            let help = "write at least 1, or \"off\" to lift the limit";
            report.error(Some(key.span()), "a limit of 0 lets nothing in", help);
            None
        }
        raw::Count::Number(n) => usize::try_from(*n).ok(),
    }
}

fn rate(key: Option<&raw::Text>, default_per_second: u32, report: &mut Report<'_>) -> Option<Rate> {
    let default = Some(Rate { count: default_per_second, per: Duration::from_secs(1) });
    report.optional(key, units::rate).unwrap_or(default)
}

pub(super) fn timeouts(timeouts: &raw::Timeouts, report: &mut Report<'_>) -> Timeouts {
    let mut time = |key: Option<&raw::Text>, default: u64| {
        report.optional(key, units::duration).unwrap_or(Duration::from_secs(default))
    };
    let read = Timeouts {
        join: time(timeouts.join.as_ref(), 15),
        reflection: time(timeouts.reflection.as_ref(), 25),
        lost_leg: time(timeouts.lost_leg.as_ref(), 45),
        drain: time(timeouts.drain.as_ref(), 5),
    };
    if read.reflection > REFLECTION_MAX {
        let span = timeouts.reflection.as_ref().map(Spanned::span);
        report.error(span, "the sender of a message gives up after 30 s", "write at most \"28s\"");
    }
    read
}

pub(super) fn log(log: &raw::Log, report: &mut Report<'_>) -> LogSettings {
    let level = report.optional(log.level.as_ref(), |level| match level {
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        other => Err(choice(other, &["error", "warn", "info", "debug", "trace"], &[])),
    });
    let format = report.optional(log.format.as_ref(), |format| match format {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(choice(other, &["text", "json"], &[])),
    });
    LogSettings { level: level.unwrap_or(LogLevel::Info), format: format.unwrap_or(LogFormat::Text) }
}

/// Off without the section; with it, and nothing in it, on an address that only this machine reaches.
pub(super) fn http(http: Option<&raw::Http>, report: &mut Report<'_>) -> Option<SocketAddr> {
    let Some(listen) = &http?.listen else { return Some(HTTP_LISTEN) };
    let address = report.optional(Some(listen), |text| units::socket_address(text, HTTP_LISTEN.port()))?;
    if !address.ip().is_loopback() {
        let help = "listen on 127.0.0.1, or keep others off this port by other means";
        report.warning(Some(listen.span()), "who can reach this address can read the metrics", help);
    }
    Some(address)
}

/// A word that is none of `known`, and not one that is to come either.
pub(super) fn choice(written: &str, known: &[&str], later: &[&str]) -> Wrong {
    let all = known.join("\", \"");
    if later.contains(&written) {
        let problem = format!("\"{written}\" is not yet in this version of mucfocus");
        return Wrong::new(problem, format!("a later version has it; this one has \"{all}\""));
    }
    let help = match keys::nearest(written, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write \"{all}\""),
    };
    Wrong::new(format!("\"{written}\" is not one of \"{all}\""), help)
}
