//! `[sip]`, and what it has in common with `[msrp]`: where we listen.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::SocketAddr;
use std::ops::Range;

use mucfocus_core::address::domain::to_ascii;

use super::keys::FILE;
use super::raw::{self, At};
use super::report::{Report, choice};
use super::units::{self, Wrong};
use crate::msrp_net;
use crate::sip::settings::{Listen, Transport};
use crate::ws::Origins;

/// `[sip]`, as far as it was understood: what is wrong is absent, and said.
pub(super) struct Sip {
    pub(super) listen: Vec<Listen>,
    pub(super) domains: Vec<String>,
    pub(super) advertise: Option<(String, Option<u16>)>,
    pub(super) allowed_origins: Origins,
    pub(super) auth: Option<At<raw::SipAuth>>,
    pub(super) outbound: Option<At<raw::SipOutbound>>,
}

/// `certificate` says whether there is a `[tls]`.
pub(super) fn sip(sip: Option<At<raw::Sip>>, certificate: bool, report: &mut Report<'_>) -> Sip {
    report.section("sip");
    let (place, sip) = section(sip);
    let example = r#"["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]"#;
    let listen = listen(sip.listen.as_ref(), place.clone(), "sip", example, report, sip_listen);
    let domains = domains(sip.domains.as_ref(), place, report);
    let advertise = report.optional(sip.advertise.as_ref(), units::host_and_port);
    let all = sip.listen.as_ref().map(|list| list.get_ref().as_slice()).unwrap_or_default();
    let listeners: Vec<_> =
        all.iter().filter_map(|text| Some((text.span(), sip_listen(text.get_ref()).ok()?.0))).collect();
    no_port_for_two_streams(&listeners, report);
    for (span, listen) in listeners.iter().filter(|(_, listen)| listen.transport.is_secure() && !certificate) {
        certificate_is_missing(span.clone(), listen.transport.name(), report);
    }
    let web: Vec<_> = listeners.iter().filter(|(_, l)| l.transport.is_web()).collect();
    for (span, _) in web.iter().filter(|(_, l)| !l.transport.is_secure() && !l.address.ip().is_loopback()) {
        ws_is_open(span.clone(), report);
    }
    let has_others = listeners.iter().any(|(_, l)| l.transport.is_secure() || l.transport.is_web());
    let ports: BTreeSet<_> = listeners.iter().map(|(_, l)| l.address.port()).collect();
    if let Some(key) = sip.advertise.as_ref().filter(|_| matches!(advertise, Some((_, Some(_)))))
        && has_others
        && ports.len() > 1
    {
        let message = "this port would be said for every transport that is listened on, and they have several";
        report.error(Some(key.span()), message, "write the host alone: each transport is said with its own port");
    }
    let allowed_origins = origins(sip.allowed_origins.as_ref(), report);
    if let Some((span, listen)) = web.first()
        && sip.allowed_origins.is_none()
    {
        no_browser_gets_in(span.clone(), listen.transport.name(), report);
    }
    Sip {
        allowed_origins,
        listen: listen.unwrap_or_default(),
        domains: domains.unwrap_or_default(),
        advertise,
        auth: sip.auth,
        outbound: sip.outbound,
    }
}

fn no_port_for_two_streams(listeners: &[(Range<usize>, Listen)], report: &mut Report<'_>) {
    let mut before: Vec<Listen> = Vec::new();
    for (span, listen) in listeners.iter().filter(|(_, listen)| listen.transport.is_stream()) {
        let other = before.iter().find(|b| b.address == listen.address && b.transport != listen.transport);
        if let Some(other) = other.filter(|other| other.address.port() != 0) {
            let message = format!("{} is listened on for {} already", listen.address, other.transport);
            report.error(Some(span.clone()), message, format!("give {} a port of its own", listen.transport));
        }
        before.push(*listen);
    }
}

pub(super) fn certificate_is_missing(place: Range<usize>, transport: &str, report: &mut Report<'_>) {
    let message = format!("{transport} needs a certificate, and there is no [tls]");
    let help = "write a section [tls] with certificate_file and key_file; mucfocus print config shows one";
    report.error(Some(place), message, help);
}

/// RFC 7977 §5.1 and RFC 7118 §7 want TLS.
pub(super) fn ws_is_open(place: Range<usize>, report: &mut Report<'_>) {
    let help = "listen with wss:, or on 127.0.0.1 behind a proxy that ends TLS; if that proxy is another machine, keep others \
                off this port";
    report.warning(Some(place), "what people write by ws: goes over the network in the clear", help);
}

pub(super) fn no_browser_gets_in(place: Range<usize>, transport: &str, report: &mut Report<'_>) {
    let message = format!("no browser gets in by {transport}: allowed_origins names no page");
    let help =
        r#"write allowed_origins = ["https://chat.example.com"], or [] if only other clients are to come this way"#;
    report.warning(Some(place), message, help);
}

pub(super) fn origins(list: Option<&At<Vec<raw::Text>>>, report: &mut Report<'_>) -> Origins {
    let mut origins = Origins::default();
    for text in list.map(|list| list.get_ref().as_slice()).unwrap_or_default() {
        if origins.add(text.get_ref()).is_err() {
            let message = format!("\"{}\" is not the origin of a page", text.get_ref());
            let help = "write scheme and host, and the port if it is not the usual one, like https://chat.example.com, or \"*\"";
            report.error(Some(text.span()), message, help);
        }
    }
    origins
}

/// SIP over streams and MSRP cannot share a port.
pub(super) fn no_address_twice(
    sip: &[Listen],
    msrp: Option<&msrp_net::settings::Settings>,
    place: Option<Range<usize>>,
    report: &mut Report<'_>,
) {
    let Some(msrp) = msrp else { return };
    let streams = sip.iter().filter(|l| l.transport.is_stream() && l.address.port() != 0);
    for taken in streams.filter(|l| msrp.listen.iter().any(|m| m.address == l.address)) {
        let message = format!("{} is in sip.listen too", taken.address);
        report.section("msrp").error(place.clone(), message, "give MSRP a port of its own, like 2855");
    }
}

/// Nor can the probes share it with either of them. Who listens on every address of this machine listens on each of them.
pub(super) fn http_has_a_port_of_its_own(
    http: SocketAddr,
    place: Option<Range<usize>>,
    sip: &[Listen],
    msrp: Option<&msrp_net::settings::Settings>,
    report: &mut Report<'_>,
) {
    let of_sip = sip.iter().filter(|l| l.transport.is_stream()).map(|l| ("sip.listen", l.address));
    let of_msrp = msrp.into_iter().flat_map(|msrp| &msrp.listen).map(|l| ("msrp.listen", l.address));
    let is_same = |a: SocketAddr, b: SocketAddr| {
        let is_everywhere = a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
        a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || is_everywhere)
    };
    if let Some((list, taken)) = of_sip.chain(of_msrp).find(|(_, taken)| is_same(*taken, http)) {
        let message = format!("{http} is taken: {taken} is in {list}");
        let help = "give [http] a port of its own, like listen = \"127.0.0.1:8085\"";
        report.section("http").error(place, message, help);
    }
}

/// Where a section begins, if it is there at all, and what is in it.
pub(super) fn section<T: Default>(section: Option<At<T>>) -> (Option<Range<usize>>, T) {
    section.map_or_else(|| (None, T::default()), |s| (Some(s.span()), s.into_inner()))
}

/// Whether it was said already why this key, or its whole section, is absent.
fn is_said(place: Option<&Range<usize>>, section: &str, key: &str, report: &Report<'_>) -> bool {
    match place {
        Some(place) => report.is_unusable(place.start, key),
        None => report.is_unusable(FILE, section),
    }
}

/// A list of addresses to listen on; must not be empty nor name one twice.
pub(super) fn listen<T: Copy + Eq + Hash>(
    list: Option<&At<Vec<raw::Text>>>,
    place: Option<Range<usize>>,
    section: &str,
    example: &str,
    report: &mut Report<'_>,
    parse: fn(&str) -> Result<(T, SocketAddr), Wrong>,
) -> Option<Vec<T>> {
    let help = format!("write listen = {example}");
    let Some(list) = list else {
        if is_said(place.as_ref(), section, "listen", report) {
            return None;
        }
        report.error(place, format!("{section}.listen is missing: [{section}] must say where to listen"), help);
        return None;
    };
    if list.get_ref().is_empty() {
        report.error(Some(list.span()), format!("{section}.listen names no address to listen on"), help);
        return None;
    }
    let mut all: Vec<T> = Vec::new();
    for text in list.get_ref() {
        let Some((one, address)) = report.take(text.span(), parse(text.get_ref())) else { continue };
        if address.port() != 0 && all.contains(&one) {
            report.error(
                Some(text.span()),
                format!("\"{}\" stands here twice", text.get_ref()),
                "leave one of them out",
            );
        } else {
            all.push(one);
        }
    }
    Some(all)
}

fn sip_listen(text: &str) -> Result<(Listen, SocketAddr), Wrong> {
    let (name, rest) = transport(text, &Transport::ALL.map(Transport::name), &[], 5060)?;
    let transport = Transport::ALL.into_iter().find(|transport| transport.name() == name).unwrap_or(Transport::Udp);
    let port = match transport {
        // Those of a URI without a port are the web server's.
        Transport::Ws => 8080,
        Transport::Wss => 8443,
        other => other.default_port(),
    };
    let address = units::socket_address(rest, port).map_err(|wrong| prefixed(wrong, name))?;
    Ok((Listen { transport, address }, address))
}

/// Splits `tcp:ADDRESS` at the name of the transport.
pub(super) fn transport<'a>(
    text: &'a str,
    known: &[&str],
    later: &[&str],
    port: u16,
) -> Result<(&'a str, &'a str), Wrong> {
    let first = known.first().copied().unwrap_or("tcp");
    // An address alone: of the name of a transport only letters are made.
    let (name, rest) = match text.split_once(':') {
        Some((name, rest))
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()) && name != "localhost" =>
        {
            (name, rest)
        }
        _ => {
            let address =
                units::socket_address(text, port).map_or_else(|_| format!("127.0.0.1:{port}"), |a| a.to_string());
            return Err(Wrong::new(
                format!("\"{text}\" does not say which transport"),
                format!("write \"{first}:{address}\""),
            ));
        }
    };
    if known.contains(&name) { Ok((name, rest)) } else { Err(choice(name, known, later)) }
}

/// The same help, with the transport before the address.
pub(super) fn prefixed(wrong: Wrong, transport: &str) -> Wrong {
    Wrong { help: wrong.help.replacen("write ", &format!("write {transport}: and then "), 1), ..wrong }
}

fn domains(
    list: Option<&At<Vec<raw::Text>>>,
    place: Option<Range<usize>>,
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let help = r#"write domains = ["rooms.example.com"]: the hosts of the addresses that SIP users dial"#;
    let Some(list) = list else {
        if is_said(place.as_ref(), "sip", "domains", report) {
            return None;
        }
        report.error(place, "sip.domains is missing: no address is a room", help);
        return None;
    };
    if list.get_ref().is_empty() {
        report.error(Some(list.span()), "sip.domains is empty: no address is a room", help);
        return None;
    }
    let mut all = Vec::new();
    for text in list.get_ref() {
        let domain = to_ascii(text.get_ref()).map_or_else(|| text.get_ref().clone(), Cow::into_owned);
        if !units::is_host(&domain) {
            let help =
                "write a host name or address alone, without \"sip:\", user, port or \"*\", like rooms.example.com";
            report.error(Some(text.span()), format!("\"{}\" is not a host", text.get_ref()), help);
        } else if all.contains(&domain) {
            report.warning(Some(text.span()), format!("\"{domain}\" stands here twice"), "leave one of them out");
        } else {
            all.push(domain);
        }
    }
    Some(all)
}
