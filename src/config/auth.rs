//! `[sip.auth]`: whom we believe, and how everybody else can say who he is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ipnet::IpNet;
use mucfocus_core::address::sip_uri::SipUri;

use super::Place;
use super::network::Sip;
use super::raw::{self, At};
use super::report::{Report, choice};
use super::secret::{self, Given};
use super::units::Wrong;
use crate::sip::settings::{
    Algorithm, Digest, DigestUser, IdentitySource, Listen, NonceKey, Transport, TrustedPeer, Untrusted,
};

/// Longest realm: it stands in every challenge, which must fit a datagram.
const LONGEST_REALM: usize = 255;

/// Who is believed.
pub(super) struct Auth {
    pub(super) trusted_peers: Vec<TrustedPeer>,
    pub(super) trusted_names: Vec<String>,
    pub(super) identity: Vec<IdentitySource>,
    pub(super) untrusted: Untrusted,
    /// Of the users, in their order.
    pub(super) places: Vec<Place>,
}

/// `names_authorities` says whether there is somebody who vouches for names.
pub(super) fn auth(sip: &Sip, nonce_key: Option<NonceKey>, names_authorities: bool, report: &mut Report<'_>) -> Auth {
    let place = sip.auth.as_ref().map(At::span);
    let absent = raw::SipAuth::default();
    let keys = sip.auth.as_ref().map_or(&absent, At::get_ref);
    let (trusted_peers, trusted_names) = trusted_peers(keys.trusted_peers.as_ref(), report);
    names_can_be_proved(sip, &trusted_names, names_authorities, keys, report);
    let identity = identity(keys.identity.as_ref(), report);
    let challenge = report.optional(keys.untrusted.as_ref(), |text| match text {
        "challenge" => Ok(None),
        "refuse" => Ok(Some(Untrusted::Refuse)),
        "drop" => Ok(Some(Untrusted::Drop)),
        other => Err(choice(other, &["challenge", "refuse", "drop"], &[])),
    });
    let (users, places) = users(&keys.users, report);
    let realm = report.optional(keys.realm.as_ref(), realm);
    let algorithms = algorithms(keys.algorithms.as_ref(), report);
    let is_digest = matches!(challenge, None | Some(None));
    somebody_can_call(!trusted_peers.is_empty() || !trusted_names.is_empty(), is_digest, keys, place.as_ref(), report);
    datagrams_are_believed(&sip.listen, &trusted_peers, is_digest && !keys.users.is_empty(), keys, report);
    let untrusted = challenge.flatten().unwrap_or_else(|| {
        Untrusted::Challenge(Digest {
            realm: realm.or_else(|| sip.domains.first().cloned()).unwrap_or_else(|| "mucfocus".to_owned()),
            algorithms,
            users,
            nonce_key: nonce_key.unwrap_or_else(NonceKey::random),
        })
    });
    Auth { trusted_peers, trusted_names, identity, untrusted, places }
}

/// Digest users, each with his password, and where they stand.
fn users(list: &[At<raw::SipUser>], report: &mut Report<'_>) -> (Vec<DigestUser>, Vec<Place>) {
    report.section("sip.auth.users");
    let (mut users, mut places): (Vec<DigestUser>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut seen = BTreeMap::new();
    for user in list {
        let (keys, owner) = (user.get_ref(), user.span());
        let aor = report
            .required(keys.sip.as_ref(), &owner, "sip", r#""sip:romeo@example.org""#)
            .and_then(|text| Some((report.optional(Some(text), aor)?, text.span())));
        let given = Given {
            wording: secret::SIP_USER,
            inline: keys.password.as_ref(),
            file: keys.password_file.as_ref(),
            credential: keys.password_credential.as_ref(),
        };
        let password = given.required(owner.clone(), report);
        let Some((aor, span)) = aor else { continue };
        if let Some(line) = seen.insert(aor.aor_key(), report.line(owner.start)) {
            let message = format!("{aor} stands in line {line} too");
            report.error(Some(span), message, "leave one of them out: a user has one password");
            continue;
        }
        let Some(password) = password else { continue };
        users.push(DigestUser { aor, password });
        places.push(report.place(owner.start));
    }
    report.section("sip.auth");
    (users, places)
}

fn aor(text: &str) -> Result<SipUri, Wrong> {
    const HELP: &str = "write one address with a user part, like sip:romeo@example.org";
    let uri = SipUri::parse(text)
        .map_err(|error| Wrong::new(format!("\"{text}\" is not the address of a SIP user: {error}"), HELP))?;
    if text.contains(['*', '{', '}']) {
        return Err(Wrong::new("a SIP user who logs in is one, and his password is his own", HELP));
    }
    if uri.user_decoded().is_none_or(|user| user.is_empty()) {
        return Err(Wrong::new(format!("\"{text}\" has no user part to log in with"), HELP));
    }
    Ok(uri)
}

fn realm(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| !c.is_control() && c != '"' && c != '\\';
    if text.trim().is_empty() || text.len() > LONGEST_REALM || !text.chars().all(fits) {
        let help = "write a name without quotes, backslashes and line breaks, like rooms.example.com";
        return Err(Wrong::new("this cannot be a realm", help));
    }
    Ok(text.to_owned())
}

fn algorithms(list: Option<&At<Vec<raw::Text>>>, report: &mut Report<'_>) -> Vec<Algorithm> {
    let Some(list) = list else { return vec![Algorithm::Sha256, Algorithm::Md5] };
    if list.get_ref().is_empty() {
        let help = r#"write algorithms = ["SHA-256", "MD5"], or untrusted = "refuse""#;
        report.error(Some(list.span()), "no algorithm is offered, so nobody can log in", help);
    }
    let mut all = Vec::new();
    for text in list.get_ref() {
        let algorithm = match text.get_ref().to_ascii_uppercase().as_str() {
            "SHA-256" => Ok(Algorithm::Sha256),
            "MD5" => Ok(Algorithm::Md5),
            _ => Err(choice(text.get_ref(), &["SHA-256", "MD5"], &[])),
        };
        let Some(algorithm) = report.take(text.span(), algorithm) else { continue };
        if all.contains(&algorithm) {
            let message = format!("\"{}\" stands here twice", text.get_ref());
            report.error(Some(text.span()), message, "leave one of them out");
        } else {
            all.push(algorithm);
        }
    }
    all
}

fn somebody_can_call(
    has_peers: bool,
    is_digest: bool,
    keys: &raw::SipAuth,
    place: Option<&Range<usize>>,
    report: &mut Report<'_>,
) {
    if let Some(user) = keys.users.first().filter(|_| !is_digest) {
        let help = "leave out untrusted, or write untrusted = \"challenge\"";
        report.warning(Some(user.span()), "nobody is asked for a password, so no SIP user can log in", help);
    }
    let list = keys.trusted_peers.as_ref();
    let is_meant = list.is_some_and(|list| !list.get_ref().is_empty())
        || ["trusted_peers", "users"].iter().any(|key| place.is_some_and(|p| report.is_unusable(p.start, key)));
    if has_peers || is_meant || (is_digest && !keys.users.is_empty()) {
        return;
    }
    let proxy = "write trusted_peers = [\"10.0.0.10\"] with the address of the SIP proxy that says who is calling";
    if is_digest {
        let help = format!("{proxy}, or [[sip.auth.users]] with sip and password_file");
        report.warning(
            list.map(At::span),
            "no peer is trusted and no SIP user has a password, so nobody can call",
            help,
        );
    } else {
        report.warning(list.map(At::span), "no peer is trusted, so nobody can call", proxy);
    }
}

/// The mistake that is made most: UDP is listened to, and nobody who calls over it is believed.
fn datagrams_are_believed(
    listen: &[Listen],
    peers: &[TrustedPeer],
    others_log_in: bool,
    keys: &raw::SipAuth,
    report: &mut Report<'_>,
) {
    let udp = listen.iter().any(|l| l.transport == Transport::Udp);
    let believed = peers.iter().any(|peer| peer.over_udp || peer.network.addr().is_loopback());
    if udp && !believed && !peers.is_empty() && !others_log_in {
        let help = "write \"udp:ADDRESS\" for a peer whose datagrams nobody can forge, or listen on tcp: only";
        let message = "no peer is believed over UDP: nobody who comes by datagram can call";
        report.warning(keys.trusted_peers.as_ref().map(At::span), message, help);
    }
}

/// Who is proved by a certificate comes by TLS, and somebody has vouched for it.
fn names_can_be_proved(
    sip: &Sip,
    names: &[String],
    names_authorities: bool,
    keys: &raw::SipAuth,
    report: &mut Report<'_>,
) {
    let Some(name) = names.first() else { return };
    let place = keys.trusted_peers.as_ref().map(At::span);
    if !names_authorities {
        let help = "write client_ca_file in [tls], the PEM file of the authority that signed the peer's certificate";
        report.error(place, format!("nobody vouches that a peer is \"tls:{name}\""), help);
    } else if !sip.listen.iter().any(|listen| listen.transport == Transport::Tls) {
        let help = "add a listener like \"tls:10.0.0.5:5061\" to sip.listen";
        report.error(place, format!("\"tls:{name}\" cannot come: SIP is not listened for by tls"), help);
    }
}

fn trusted_peers(list: Option<&At<Vec<raw::Text>>>, report: &mut Report<'_>) -> (Vec<TrustedPeer>, Vec<String>) {
    let texts = list.map(|l| l.get_ref().as_slice()).unwrap_or_default();
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for text in texts {
        if let Some(name) = text.get_ref().strip_prefix("tls:") {
            names.extend(report.take(text.span(), trusted_name(name)));
            continue;
        }
        let Some(peer) = report.take(text.span(), trusted_peer(text.get_ref())) else { continue };
        if peer.network.prefix_len() == 0 {
            let help = "name the addresses of your own proxies only";
            report.warning(Some(text.span()), "everybody is trusted to say who he is", help);
        }
        all.push(peer);
    }
    (all, names)
}

/// As it stands in a certificate. A pattern would be a name of many (RFC 5922 §7.2).
fn trusted_name(name: &str) -> Result<String, Wrong> {
    let help = "write the name that stands in the certificate of the peer, like tls:proxy.example.com";
    if name.parse::<SocketAddr>().is_ok() || name.parse::<IpAddr>().is_ok() {
        return Err(Wrong::new(
            "an address alone is believed over TLS, whatever its certificate",
            format!("write \"{name}\" without \"tls:\", or the name in the certificate"),
        ));
    }
    if !super::units::is_host(name) || name.contains('*') {
        return Err(Wrong::new(format!("\"{name}\" is not the name of one host"), help));
    }
    Ok(name.to_ascii_lowercase())
}

fn trusted_peer(text: &str) -> Result<TrustedPeer, Wrong> {
    const HELP: &str = "write an address or network, like 10.0.0.10, 10.0.0.0/24 or udp:10.0.0.10, or tls:NAME";
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

fn identity(list: Option<&At<Vec<raw::Text>>>, report: &mut Report<'_>) -> Vec<IdentitySource> {
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
