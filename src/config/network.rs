//! `[sip]`, `[sip.auth]`, `[msrp]`: where we listen, and whom we believe.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ipnet::IpNet;
use toml::Spanned;

use super::check::Report;
use super::raw;
use super::running::{AllLimits, choice};
use super::units::{self, Wrong};
use crate::msrp_net;
use crate::sip::settings::{IdentitySource, Listen, Settings, Transport, TrustedPeer, Untrusted};

/// Largest message when nothing is said.
const MAX_MESSAGE_SIZE: usize = 64 * 1024;
/// Least that may be said: RFC 4975 §8.6 sets none, but below this a sentence of a chat does not fit its wrapping.
const MIN_MESSAGE_SIZE: usize = 1024;

pub(super) fn sip(
    sip: Option<Spanned<raw::Sip>>,
    node: String,
    limits: &AllLimits,
    report: &mut Report<'_>,
) -> Option<Settings> {
    report.section("sip");
    let (place, sip) = section(sip);
    let listen = listen(
        sip.listen.as_ref(),
        place.clone(),
        "sip",
        r#"["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]"#,
        report,
        sip_listen,
    );
    let domains = domains(sip.domains.as_ref(), place, report);
    let advertise = report.optional(sip.advertise.as_ref(), units::host_and_port);
    report.section("sip.auth");
    let trusted_peers = trusted_peers(sip.auth.trusted_peers.as_ref(), report);
    datagrams_are_believed(
        listen.as_deref().unwrap_or_default(),
        &trusted_peers,
        sip.auth.trusted_peers.as_ref(),
        report,
    );
    let identity = identity(sip.auth.identity.as_ref(), report);
    let untrusted = report.optional(sip.auth.untrusted.as_ref(), |text| match text {
        "refuse" => Ok(Untrusted::Refuse),
        "drop" => Ok(Untrusted::Drop),
        other => Err(choice(other, &["refuse", "drop"], &["challenge"])),
    });
    Some(Settings {
        node,
        listen: listen?,
        domains: domains?,
        advertise,
        trusted_peers,
        identity,
        untrusted: untrusted.unwrap_or(Untrusted::Refuse),
        requests_per_source: limits.requests_per_source,
        connections_per_source: limits.connections_per_source,
    })
}

/// The mistake that is made most: UDP is listened to, and nobody who calls over it is believed.
fn datagrams_are_believed(
    listen: &[Listen],
    peers: &[TrustedPeer],
    list: Option<&Spanned<Vec<raw::Text>>>,
    report: &mut Report<'_>,
) {
    let udp = listen.iter().any(|l| l.transport == Transport::Udp);
    let believed = peers.iter().any(|peer| peer.over_udp || peer.network.addr().is_loopback());
    if udp && !believed && !peers.is_empty() {
        let help = "write \"udp:ADDRESS\" for a peer whose datagrams nobody can forge, or listen on tcp: only";
        let message = "no peer is believed over UDP: every caller who comes by datagram gets 403";
        report.warning(list.map(Spanned::span), message, help);
    }
}

/// SIP over TCP and MSRP cannot share a port.
pub(super) fn no_address_twice(
    sip: Option<&Settings>,
    msrp: Option<&msrp_net::settings::Settings>,
    place: Option<Range<usize>>,
    report: &mut Report<'_>,
) {
    let (Some(sip), Some(msrp)) = (sip, msrp) else { return };
    let tcp = sip.listen.iter().filter(|l| l.transport == Transport::Tcp && l.address.port() != 0);
    for taken in tcp.filter(|l| msrp.listen.contains(&l.address)) {
        let message = format!("{} is in sip.listen too", taken.address);
        report.section("msrp").error(place.clone(), message, "give MSRP a port of its own, like 2855");
    }
}

pub(super) fn msrp(msrp: Option<Spanned<raw::Msrp>>, report: &mut Report<'_>) -> Option<msrp_net::settings::Settings> {
    let (place, msrp) = section(msrp);
    let listen = listen(msrp.listen.as_ref(), place, "msrp", r#"["tcp:10.0.0.5:2855"]"#, report, msrp_listen);
    let advertise = report.optional(msrp.advertise.as_ref(), units::host_and_port);
    let size = report.optional(msrp.max_message_size.as_ref(), |text| match units::size(text)? {
        size if size < MIN_MESSAGE_SIZE => {
            Err(Wrong::new("no message of a chat fits this size", "write at least \"1KiB\""))
        }
        size => Ok(size),
    });
    Some(msrp_net::settings::Settings {
        listen: listen?,
        advertise,
        max_message_size: size.unwrap_or(MAX_MESSAGE_SIZE),
    })
}

/// Where a section begins, if it is there at all, and what is in it.
fn section<T: Default>(section: Option<Spanned<T>>) -> (Option<Range<usize>>, T) {
    section.map_or_else(|| (None, T::default()), |s| (Some(s.span()), s.into_inner()))
}

/// A list of addresses to listen on; must not be empty nor name one twice.
fn listen<T: Copy + Eq + Hash>(
    list: Option<&Spanned<Vec<raw::Text>>>,
    place: Option<Range<usize>>,
    section: &str,
    example: &str,
    report: &mut Report<'_>,
    parse: fn(&str) -> Result<(T, SocketAddr), Wrong>,
) -> Option<Vec<T>> {
    let help = format!("write listen = {example}");
    let Some(list) = list else {
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
    let (transport, rest) = transport(text, &["udp", "tcp"], &["tls", "ws", "wss"], 5060)?;
    let address = units::socket_address(rest, 5060).map_err(|wrong| prefixed(wrong, transport))?;
    let transport = if transport == "udp" { Transport::Udp } else { Transport::Tcp };
    Ok((Listen { transport, address }, address))
}

fn msrp_listen(text: &str) -> Result<(SocketAddr, SocketAddr), Wrong> {
    let (transport, rest) = transport(text, &["tcp"], &["tls", "ws", "wss"], 2855)?;
    let address = units::socket_address(rest, 2855).map_err(|wrong| prefixed(wrong, transport))?;
    Ok((address, address))
}

/// Splits `tcp:ADDRESS` at the name of the transport.
fn transport<'a>(text: &'a str, known: &[&str], later: &[&str], port: u16) -> Result<(&'a str, &'a str), Wrong> {
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
fn prefixed(wrong: Wrong, transport: &str) -> Wrong {
    Wrong { help: wrong.help.replacen("write ", &format!("write {transport}: and then "), 1), ..wrong }
}

fn domains(
    list: Option<&Spanned<Vec<raw::Text>>>,
    place: Option<Range<usize>>,
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let help = r#"write domains = ["rooms.example.com"]: the hosts of the addresses that SIP users dial"#;
    let Some(list) = list else {
        report.error(place, "sip.domains is missing: no address is a room", help);
        return None;
    };
    if list.get_ref().is_empty() {
        report.error(Some(list.span()), "sip.domains is empty: no address is a room", help);
        return None;
    }
    let mut all = Vec::new();
    for text in list.get_ref() {
        let domain = text.get_ref().to_ascii_lowercase();
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

fn trusted_peers(list: Option<&Spanned<Vec<raw::Text>>>, report: &mut Report<'_>) -> Vec<TrustedPeer> {
    let texts = list.map(|l| l.get_ref().as_slice()).unwrap_or_default();
    if texts.is_empty() {
        let help = r#"write trusted_peers = ["10.0.0.10"] with the address of the SIP proxy that says who is calling"#;
        report.warning(list.map(Spanned::span), "no peer is trusted, so nobody can call", help);
    }
    let mut all = Vec::new();
    for text in texts {
        let Some(peer) = report.take(text.span(), trusted_peer(text.get_ref())) else { continue };
        if peer.network.prefix_len() == 0 {
            let help = "name the addresses of your own proxies only";
            report.warning(Some(text.span()), "everybody is trusted to say who he is", help);
        }
        all.push(peer);
    }
    all
}

fn trusted_peer(text: &str) -> Result<TrustedPeer, Wrong> {
    const HELP: &str = "write an address or network, like 10.0.0.10, 10.0.0.0/24 or udp:10.0.0.10";
    if text.starts_with("tls:") {
        return Err(Wrong::new(
            "\"tls:\", trust by certificate, is not yet in this version of mucfocus",
            "a later version has it; write the address of the peer",
        ));
    }
    let (over_udp, rest) = text.strip_prefix("udp:").map_or((false, text), |rest| (true, rest));
    if let Some(rest) = rest.strip_prefix("tcp:") {
        return Err(Wrong::new("an address alone is believed over TCP", format!("write \"{rest}\"")));
    }
    let bare = rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')).unwrap_or(rest);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(TrustedPeer { network: IpNet::from(address), over_udp });
    }
    match rest.parse::<IpNet>() {
        Ok(network) if network.trunc() == network => Ok(TrustedPeer { network, over_udp }),
        Ok(network) => Err(Wrong::new(
            format!("\"{rest}\" has bits beyond its prefix"),
            format!("write {} for the network, or {} for the one address", network.trunc(), network.addr()),
        )),
        Err(_) => match rest.parse::<SocketAddr>() {
            Ok(with_port) => Err(Wrong::new(
                "a peer is trusted whatever its port",
                format!("write the address alone: {}", with_port.ip()),
            )),
            Err(_) => Err(Wrong::new(format!("\"{text}\" is not an address or network"), HELP)),
        },
    }
}

fn identity(list: Option<&Spanned<Vec<raw::Text>>>, report: &mut Report<'_>) -> Vec<IdentitySource> {
    let Some(list) = list else { return vec![IdentitySource::PAssertedIdentity] };
    if list.get_ref().is_empty() {
        let help = r#"write identity = ["p-asserted-identity"]"#;
        report.error(Some(list.span()), "no header says who is calling, so nobody can call", help);
    }
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for text in list.get_ref() {
        let source = match text.get_ref().as_str() {
            "p-asserted-identity" => Ok(IdentitySource::PAssertedIdentity),
            "from" => Ok(IdentitySource::From),
            other => Err(choice(other, &["p-asserted-identity", "from"], &[])),
        };
        let Some(source) = report.take(text.span(), source) else { continue };
        if seen.insert(text.get_ref().clone()) {
            all.push(source);
        } else {
            report.error(
                Some(text.span()),
                format!("\"{}\" stands here twice", text.get_ref()),
                "leave one of them out",
            );
        }
    }
    all
}
