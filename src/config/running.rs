//! `[node]`, `[limits]`, `[timeouts]`, `[log]`, `[http]`, `[control]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::{self, At};
use super::report::{Report, choice};
use super::secret::{self, Given};
use super::units::{self, Wrong};
use super::{CONTROL_SOCKET, Limits, LogFormat, LogLevel, LogSettings, Timeouts};
use crate::sip::settings::{NonceKey, Rate, SourceLimits};

/// Longest time to a response to a SEND: the sender gives up after 30 s (RFC 4975 §7.1.1), and the way back takes time.
const REFLECTION_MAX: Duration = Duration::from_secs(28);

/// How long a source that went too far hears nothing.
const BAN_TIME: Duration = Duration::from_secs(600);

/// Where probes are answered when nothing is said.
const HTTP_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8085);

/// Least octets of a secret that others must not guess: as many as the hashes have that it goes into.
pub(super) const LEAST_SECRET: usize = 32;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// All of `[node]`.
pub(super) struct Node {
    pub(super) name: String,
    /// `None`: none was given.
    pub(super) nonce_key: Option<NonceKey>,
}

/// All of `[limits]`, before they go to who keeps them.
pub(super) struct AllLimits {
    pub(super) focus: Limits,
    pub(super) sources: SourceLimits,
    pub(super) xmpp_logins: Option<Rate>,
}

pub(super) fn node(node: &raw::Node, report: &mut Report<'_>) -> Node {
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
    let given = Given {
        wording: secret::NONCE_KEY,
        inline: None,
        file: node.nonce_key_file.as_ref(),
        credential: node.nonce_key_credential.as_ref(),
    };
    let nonce_key = given.octets(report).filter(|key| {
        let enough = key.len() >= LEAST_SECRET;
        if !enough {
            let message = format!("the nonce key has {} octets, and could be guessed", key.len());
            let help = "write at least 32 random octets into the file, as openssl rand -hex 32 does";
            report.error(given.any().map(At::span), message, help);
        }
        enough
    });
    Node { name: name.unwrap_or_else(host_name), nonce_key: nonce_key.map(NonceKey::new) }
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
    let ban_time = limits.ban_time.as_ref();
    AllLimits {
        focus: Limits {
            legs: count(limits.legs.as_ref(), 5000, report),
            legs_per_user: count(limits.legs_per_user.as_ref(), 10, report),
            joins_per_user: rate(limits.joins_per_user.as_ref(), (30, MINUTE), report),
            messages_per_user: rate(limits.messages_per_user.as_ref(), (20, SECOND), report),
            subscriptions_per_user: count(limits.subscriptions_per_user.as_ref(), 20, report),
            invitations_per_user: rate(limits.invitations_per_user.as_ref(), (10, HOUR), report),
            xmpp_presences: rate(limits.xmpp_presences.as_ref(), (40_000, SECOND), report),
        },
        sources: SourceLimits {
            requests: rate(limits.requests_per_source.as_ref(), (30, SECOND), report),
            connections: count(limits.connections_per_source.as_ref(), 20, report),
            failed_logins: rate(limits.failed_logins_per_source.as_ref(), (10, MINUTE), report),
            ban_time: report
                .optional(ban_time, |text| if text == "off" { Ok(Duration::ZERO) } else { units::duration(text) })
                .unwrap_or(BAN_TIME),
        },
        xmpp_logins: rate(limits.xmpp_logins.as_ref(), (20, SECOND), report),
    }
}

fn count(key: Option<&At<raw::Count>>, default: usize, report: &mut Report<'_>) -> Option<usize> {
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

fn rate(key: Option<&raw::Text>, (count, per): (u32, Duration), report: &mut Report<'_>) -> Option<Rate> {
    report.optional(key, units::rate).unwrap_or(Some(Rate { count, per }))
}

pub(super) fn timeouts(timeouts: &raw::Timeouts, report: &mut Report<'_>) -> Timeouts {
    let mut time = |key: Option<&raw::Text>, default: u64| {
        report.optional(key, units::duration).unwrap_or(Duration::from_secs(default))
    };
    let read = Timeouts {
        join: time(timeouts.join.as_ref(), 15),
        reflection: time(timeouts.reflection.as_ref(), 25),
        lost_leg: time(timeouts.lost_leg.as_ref(), 45),
        muc_outage: time(timeouts.muc_outage.as_ref(), 120),
        self_ping: time(timeouts.self_ping.as_ref(), 900),
        drain: time(timeouts.drain.as_ref(), 5),
    };
    if read.reflection > REFLECTION_MAX {
        let span = timeouts.reflection.as_ref().map(At::span);
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

/// Longest path of a socket, in octets: what a `sockaddr_un` takes, and its NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Off without the section.
pub(super) fn control(control: Option<&raw::Control>, report: &mut Report<'_>) -> Option<PathBuf> {
    let Some(socket) = &control?.socket else {
        let path = PathBuf::from(CONTROL_SOCKET);
        socket_has_a_folder(&path, None, report);
        return Some(path);
    };
    let folder = report.folder;
    let path = report.optional(Some(socket), |text| {
        let path = folder.join(text);
        let length = path.as_os_str().len();
        match text {
            "" => Err(Wrong::new("no path is no socket", format!("write socket = \"{CONTROL_SOCKET}\""))),
            _ if length > SOCKET_PATH_MAX => Err(Wrong::new(
                format!("a path of {length} octets is too long for a socket"),
                format!("choose one of at most {SOCKET_PATH_MAX}"),
            )),
            _ => Ok(path),
        }
    })?;
    socket_has_a_folder(&path, Some(socket.span()), report);
    Some(path)
}

/// What is below `/run` may come with the service (systemd makes it when it starts); anything else has to be there.
fn socket_has_a_folder(path: &Path, place: Option<Range<usize>>, report: &mut Report<'_>) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return;
    }
    let shown = folder.display();
    let message = format!("there is no folder {shown} for the control socket");
    if ["/run", "/var/run"].iter().any(|run| folder.starts_with(run)) {
        let help =
            format!("it has to be there at the start: let systemd make it (RuntimeDirectory=), or run mkdir {shown}");
        report.warning(place, message, help);
    } else {
        report.error(place, message, format!("run mkdir {shown}, or choose a folder that is there"));
    }
}
