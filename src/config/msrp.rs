//! `[msrp]`: where MSRP comes in, and what it may cost.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use mucfocus_core::leg::Policy;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::wire::msrp;

use super::network::{self, prefixed, section, transport};
use super::raw::{self, At};
use super::report::Report;
use super::units::{self, Wrong};
use crate::msrp_net::settings::{Kind, Listen, Settings};

/// What XMPP servers take as they ship, of a whole stanza (c2s_stanza_size_limit of Prosody, max_stanza_size of ejabberd).
const MAX_STANZA: usize = 256 * 1024;
/// Least that may be said: RFC 4975 §8.6 sets none, but below this a sentence of a chat does not fit its wrapping.
const MIN_MESSAGE_SIZE: usize = 1024;
/// A head holds two paths and the headers of the example of RFC 4975 §11 many times over.
const MIN_HEAD_SIZE: usize = 1024;
/// The most that a head may have: each connection may hold as much, whoever it is from.
const MAX_HEAD_SIZE: usize = 1024 * 1024;
/// A path that long does not fit the line that it is written in.
const MAX_PATH_LENGTH: u32 = 64;
/// A queue takes a few messages at least.
const MIN_WRITE_QUEUE: usize = 16 * 1024;
/// Nothing that clients do takes a day, and no clock overflows.
const MAX_TIME: Duration = Duration::from_secs(86_400);

/// `[msrp]`, if what it cannot do without was understood. `certificate` says whether there is a `[tls]`.
pub(super) fn msrp(msrp: Option<At<raw::Msrp>>, certificate: bool, report: &mut Report<'_>) -> Option<Settings> {
    let (place, msrp) = section(msrp);
    let listen = network::listen(msrp.listen.as_ref(), place, "msrp", r#"["tcp:10.0.0.5:2855"]"#, report, one);
    let advertise = report.optional(msrp.advertise.as_ref(), units::host_and_port);
    let all = msrp.listen.as_ref().map(|list| list.get_ref().as_slice()).unwrap_or_default();
    let listeners: Vec<(Range<usize>, Listen)> =
        all.iter().filter_map(|text| Some((text.span(), one(text.get_ref()).ok()?.0))).collect();
    no_port_for_two(&listeners, report);
    certificates_are_there(&listeners, certificate, report);
    browsers_are_safe(&listeners, report);
    if let Some(key) = msrp.advertise.as_ref().filter(|_| matches!(advertise, Some((_, Some(_)))))
        && listeners.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a.kind != b.kind))
    {
        let message = "this port would be said for every transport that is listened on, and only one of them has it";
        report.error(Some(key.span()), message, "write the host alone: each transport is said with its own port");
    }
    let allowed_origins = network::origins(msrp.allowed_origins.as_ref(), report);
    if let Some((span, listen)) = listeners.iter().find(|(_, listen)| listen.kind.is_web())
        && allowed_origins.is_empty()
        && msrp.allowed_origins.is_none()
    {
        network::no_browser_gets_in(span.clone(), &listen.kind.to_string(), report);
    }
    let policy = Policy {
        cema_strict: msrp.cema_strict.unwrap_or(false),
        sha1_fingerprints: msrp.sha1_fingerprints.unwrap_or(false),
    };
    Some(Settings { listen: listen?, advertise, allowed_origins, limits: limits(&msrp, report), policy })
}

fn one(text: &str) -> Result<(Listen, SocketAddr), Wrong> {
    let (name, rest) = transport(text, &["tcp", "tls", "ws", "wss"], &[], 2855)?;
    let (kind, port) = match name {
        "tls" => (Kind::Tls, 2856),
        "ws" => (Kind::Ws, 8080),
        "wss" => (Kind::Wss, 8443),
        _ => (Kind::Tcp, 2855),
    };
    let address = units::socket_address(rest, port).map_err(|wrong| prefixed(wrong, name))?;
    Ok((Listen { kind, address }, address))
}

fn no_port_for_two(listeners: &[(Range<usize>, Listen)], report: &mut Report<'_>) {
    let mut before: Vec<Listen> = Vec::new();
    for (span, listen) in listeners {
        let other = before.iter().find(|b| b.address == listen.address && b.kind != listen.kind);
        if let Some(other) = other.filter(|other| other.address.port() != 0) {
            let message = format!("{} is listened on for {} already", listen.address, other.kind);
            report.error(Some(span.clone()), message, format!("give {} a port of its own", listen.kind));
        }
        before.push(*listen);
    }
}

fn certificates_are_there(listeners: &[(Range<usize>, Listen)], certificate: bool, report: &mut Report<'_>) {
    for (span, listen) in listeners.iter().filter(|(_, listen)| listen.kind.is_secure() && !certificate) {
        network::certificate_is_missing(span.clone(), &listen.kind.to_string(), report);
    }
}

/// RFC 7977 §5.1 wants TLS.
fn browsers_are_safe(listeners: &[(Range<usize>, Listen)], report: &mut Report<'_>) {
    let is_open = |listen: &Listen| listen.kind == Kind::Ws && !listen.address.ip().is_loopback();
    for (span, _) in listeners.iter().filter(|(_, listen)| is_open(listen)) {
        network::ws_is_open(span.clone(), report);
    }
}

fn limits(msrp: &raw::Msrp, report: &mut Report<'_>) -> Limits {
    let message = report.optional(msrp.max_message_size.as_ref(), |text| {
        at_least(units::size(text)?, MIN_MESSAGE_SIZE, "no message of a chat fits this size", "1KiB")
    });
    if let Some(key) = msrp.max_message_size.as_ref().filter(|_| message.is_some_and(|size| size > MAX_STANZA)) {
        let help =
            "write 256KiB at most, or raise the server's limit as `mucfocus print prosody` and `print ejabberd` show";
        report.warning(
            Some(key.span()),
            "XMPP servers take stanzas of 256 KiB as they ship: longer messages fail",
            help,
        );
    }
    let default = Limits::of_messages(message.unwrap_or(Limits::default().message));
    let head = report.optional(msrp.max_head_size.as_ref(), |text| match units::size(text)? {
        size if size > MAX_HEAD_SIZE => {
            Err(Wrong::new("everybody who connects could take this much memory", "write \"1MiB\" at most"))
        }
        size => at_least(size, MIN_HEAD_SIZE, "the headers of a message with two relays do not fit this size", "1KiB"),
    });
    let head = head.unwrap_or(default.wire.head);
    let path = msrp.max_path_length.as_ref().and_then(|key| {
        let help = format!("write a number from 1, the client alone, to {MAX_PATH_LENGTH}");
        number(key, 1..=MAX_PATH_LENGTH, "no client could be reached along such a path", help, report)
    });
    let unfinished = msrp.unfinished_messages.as_ref().and_then(|key| {
        let help = "write at least 1; 4 let a client send a text while a file is on its way";
        number(key, 1..=1024, "clients need one message at a time, and none needs a thousand", help.to_owned(), report)
    });
    let limits = Limits {
        wire: msrp::Limits {
            head,
            line: default.wire.line.min(head),
            path: path.unwrap_or(default.wire.path),
            ..default.wire
        },
        unfinished: unfinished.unwrap_or(default.unfinished),
        unfinished_octets: report
            .optional(msrp.unfinished_size.as_ref(), units::size)
            .unwrap_or(default.unfinished_octets),
        unfinished_octets_total: report
            .optional(msrp.unfinished_size_total.as_ref(), |text| {
                if text == "off" { Ok(usize::MAX) } else { units::size(text) }
            })
            .unwrap_or(default.unfinished_octets_total),
        chunk_patience: time(msrp.chunk_time.as_ref(), default.chunk_patience, report),
        unbound_time: time(msrp.unbound_time.as_ref(), default.unbound_time, report),
        idle_time: report
            .optional(msrp.idle_time.as_ref(), |text| if text == "off" { Ok(None) } else { some_time(text).map(Some) })
            .unwrap_or(default.idle_time),
        queue_octets: report
            .optional(msrp.write_queue.as_ref(), |text| {
                at_least(units::size(text)?, MIN_WRITE_QUEUE, "a few messages at once fill such a queue", "16KiB")
            })
            .unwrap_or(default.queue_octets),
        queue_patience: time(msrp.write_time.as_ref(), default.queue_patience, report),
        ..default
    };
    sizes_fit(msrp, &limits, report);
    limits
}

/// What may be unfinished holds what may be sent.
fn sizes_fit(msrp: &raw::Msrp, limits: &Limits, report: &mut Report<'_>) {
    if limits.unfinished_octets < limits.message {
        let key = msrp.unfinished_size.as_ref().or(msrp.max_message_size.as_ref());
        let message = "a message of max_message_size does not fit unfinished_size while its chunks come in";
        report.error(
            key.map(At::span),
            message,
            "write unfinished_size of max_message_size at least, better twice that",
        );
    }
    if limits.unfinished_octets_total < limits.unfinished_octets {
        let key = msrp.unfinished_size_total.as_ref().or(msrp.unfinished_size.as_ref());
        let message = "one session alone could take all that sessions may take together";
        report.error(key.map(At::span), message, "write unfinished_size_total many times as large as unfinished_size");
    } else if limits.unfinished_octets_total / 4 < limits.unfinished_octets {
        let key = msrp.unfinished_size_total.as_ref().or(msrp.unfinished_size.as_ref());
        let message =
            "four sessions could take all that sessions may take together, and then nobody sends a long message";
        report.warning(
            key.map(At::span),
            message,
            "write unfinished_size_total many times as large as unfinished_size",
        );
    }
}

fn at_least(size: usize, least: usize, problem: &str, written: &str) -> Result<usize, Wrong> {
    if size < least { Err(Wrong::new(problem, format!("write at least \"{written}\""))) } else { Ok(size) }
}

fn number(
    key: &At<u32>,
    range: std::ops::RangeInclusive<u32>,
    problem: &str,
    help: String,
    report: &mut Report<'_>,
) -> Option<usize> {
    if range.contains(key.get_ref()) {
        return usize::try_from(*key.get_ref()).ok();
    }
    report.error(Some(key.span()), problem, help);
    None
}

fn time(key: Option<&raw::Text>, default: Duration, report: &mut Report<'_>) -> Duration {
    report.optional(key, some_time).unwrap_or(default)
}

fn some_time(text: &str) -> Result<Duration, Wrong> {
    match units::duration(text)? {
        Duration::ZERO => Err(Wrong::new("nothing is done in no time", "write \"1s\" at least")),
        time if time > MAX_TIME => Err(Wrong::new("nobody waits for longer than a day", "write \"24h\" at most")),
        time => Ok(time),
    }
}
