//! Who calls: decided here, once, from what a trusted peer says (RFC 3325) or credentials have proved, and with our own parser of
//! addresses.

use std::net::IpAddr;

use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::sip_uri::SipUri;

use super::port::Caller;
use super::settings::{IdentitySource, Transport, TrustedPeer};

/// Whether what comes from there is believed when it says who is calling. A datagram's source can be forged, so there
/// `over_udp` has to be said; on loopback nobody else can forge it. By WebSocket come browsers, and behind the address of a
/// proxy that ends TLS for them stands nobody whom we know.
#[must_use]
pub fn is_trusted(peers: &[TrustedPeer], source: IpAddr, transport: Transport) -> bool {
    let source = source.to_canonical();
    peers.iter().any(|peer| {
        let is_believed = match transport {
            Transport::Udp => peer.over_udp || source.is_loopback(),
            Transport::Tcp | Transport::Tls => true,
            Transport::Ws | Transport::Wss => false,
        };
        is_believed && peer.network.contains(&source)
    })
}

/// What a request says about its caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// P-Asserted-Identity fields, in their order.
    pub asserted: &'a [&'a str],
    /// The From field.
    pub from: Option<&'a str>,
    /// The Privacy field (RFC 3323).
    pub privacy: Option<&'a str>,
}

/// Why a request of a trusted peer has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCaller {
    /// None of the fields that are looked at is there.
    #[error("the request does not say who is calling")]
    Absent,
    /// The field that decides cannot be read.
    #[error("the identity is malformed")]
    Malformed,
    /// It has no SIP URI with a user part.
    #[error("the identity is not a SIP user")]
    NotASipUser,
    /// An anonymous caller is nobody's address of record (RFC 3323).
    #[error("anonymous callers are not let in")]
    Anonymous,
    /// The credentials are one user's and the From is another's (SIP-14).
    #[error("the From is not the user of the credentials")]
    NotTheUser,
}

/// The caller, as the first of `sources` says whose field is there.
///
/// # Errors
///
/// [`NoCaller`]. A field that is there and useless decides too: the next one is not tried.
pub fn caller(claims: &Claims<'_>, sources: &[IdentitySource]) -> Result<Caller, NoCaller> {
    for source in sources {
        match source {
            IdentitySource::PAssertedIdentity if !claims.asserted.is_empty() => {
                let caller = asserted(claims.asserted)?;
                let is_anonymous = wants_privacy(claims.privacy);
                return Ok(if is_anonymous { veiled(caller.aor, claims.from) } else { caller });
            }
            IdentitySource::From => {
                if let Some(from) = claims.from {
                    if wants_privacy(claims.privacy) {
                        return Err(NoCaller::Anonymous);
                    }
                    return user(&NameAddr::parse(from).map_err(|_| NoCaller::Malformed)?);
                }
            }
            IdentitySource::PAssertedIdentity => {}
        }
    }
    Err(NoCaller::Absent)
}

/// The caller who has proved to be `user`. He may keep his address from the room (SW-35), and is known to us all the same.
///
/// # Errors
///
/// [`NoCaller::NotTheUser`], [`NoCaller::Absent`] and [`NoCaller::Malformed`].
pub fn proved(claims: &Claims<'_>, user: &SipUri) -> Result<Caller, NoCaller> {
    let from = NameAddr::parse(claims.from.ok_or(NoCaller::Absent)?).map_err(|_| NoCaller::Malformed)?;
    let aor = SipUri::parse(&from.uri).map_err(|_| NoCaller::NotTheUser)?.aor();
    if is_anonymous(&aor) || (aor.same_aor(user) && wants_privacy(claims.privacy)) {
        return Ok(veiled(user.aor(), claims.from));
    }
    if !aor.same_aor(user) {
        return Err(NoCaller::NotTheUser);
    }
    Ok(Caller { aor: user.aor(), display_name: shown(&from), is_anonymous: false })
}

/// Somebody who wants to stay unknown to the room: of his names there is only the one that he gives himself in From.
fn veiled(aor: SipUri, from: Option<&str>) -> Caller {
    let from = from.and_then(|from| NameAddr::parse(from).ok());
    let name = from.as_ref().and_then(shown).unwrap_or_else(|| "Anonymous".to_owned());
    Caller { aor, display_name: Some(name), is_anonymous: true }
}

fn shown(value: &NameAddr) -> Option<String> {
    value.display_name.clone().filter(|name| !name.trim().is_empty())
}

fn is_anonymous(aor: &SipUri) -> bool {
    aor.host() == "anonymous.invalid" || aor.host().ends_with(".anonymous.invalid")
}

/// RFC 3325 §9.1: one value, or two of which one is a SIP and one a tel URI.
fn asserted(fields: &[&str]) -> Result<Caller, NoCaller> {
    let mut values = Vec::new();
    for field in fields {
        values.extend(NameAddr::parse_list(field).map_err(|_| NoCaller::Malformed)?);
    }
    let mut users = values.iter().filter(|value| is_sip(&value.uri));
    match (users.next(), users.next()) {
        (Some(value), None) => user(value),
        // Two SIP identities: which of them is calling?
        (Some(_), Some(_)) => Err(NoCaller::Malformed),
        (None, _) => Err(NoCaller::NotASipUser),
    }
}

fn user(value: &NameAddr) -> Result<Caller, NoCaller> {
    if !is_sip(&value.uri) {
        return Err(NoCaller::NotASipUser);
    }
    let aor = SipUri::parse(&value.uri).map_err(|_| NoCaller::Malformed)?.aor();
    if is_anonymous(&aor) {
        return Err(NoCaller::Anonymous);
    }
    if aor.user_decoded().is_none_or(|user| user.is_empty()) {
        return Err(NoCaller::NotASipUser);
    }
    Ok(Caller { aor, display_name: shown(value), is_anonymous: false })
}

fn is_sip(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(s, _)| s.eq_ignore_ascii_case("sip") || s.eq_ignore_ascii_case("sips"))
}

fn wants_privacy(privacy: Option<&str>) -> bool {
    privacy.is_some_and(|p| {
        p.split([';', ',']).any(|p| matches!(p.trim().to_ascii_lowercase().as_str(), "id" | "user" | "header"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [IdentitySource; 2] = [IdentitySource::PAssertedIdentity, IdentitySource::From];

    fn peer(network: &str, over_udp: bool) -> TrustedPeer {
        TrustedPeer { network: network.parse().unwrap(), over_udp }
    }

    fn who(asserted: &[&str], from: Option<&str>, privacy: Option<&str>) -> Result<(String, Option<String>), NoCaller> {
        caller(&Claims { asserted, from, privacy }, &BOTH).map(|c| (c.aor.to_string(), c.display_name))
    }

    #[test]
    fn a_datagram_is_believed_only_where_that_is_said() {
        let peers = [peer("192.0.2.0/24", false), peer("198.51.100.7/32", true), peer("127.0.0.1/32", false)];
        let trusted = |a: &str, t| is_trusted(&peers, a.parse().unwrap(), t);
        assert!(trusted("192.0.2.9", Transport::Tcp) && !trusted("192.0.2.9", Transport::Udp));
        assert!(trusted("::ffff:192.0.2.9", Transport::Tcp));
        assert!(trusted("198.51.100.7", Transport::Udp) && trusted("198.51.100.7", Transport::Tcp));
        assert!(trusted("127.0.0.1", Transport::Udp) && !trusted("127.0.0.2", Transport::Tcp));
        assert!(!is_trusted(&[], "127.0.0.1".parse().unwrap(), Transport::Tcp));
    }

    #[test]
    fn the_first_field_that_is_there_decides() {
        let both = who(&["\"Romeo\" <sip:romeo@example.org>"], Some("<sip:x@y>;tag=1"), None);
        assert_eq!(both, Ok(("sip:romeo@example.org".into(), Some("Romeo".into()))));
        assert_eq!(who(&[], Some("<sip:x@y>;tag=1"), None), Ok(("sip:x@y".into(), None)));
        assert_eq!(who(&["<<>"], Some("<sip:x@y>;tag=1"), None), Err(NoCaller::Malformed));
        let only = [IdentitySource::PAssertedIdentity];
        let claims = Claims { from: Some("<sip:x@y>;tag=1"), ..Claims::default() };
        assert_eq!(caller(&claims, &only).unwrap_err(), NoCaller::Absent);
    }

    #[test]
    fn of_a_sip_and_a_tel_identity_the_sip_one_counts_and_two_sip_ones_are_refused() {
        let romeo = Ok(("sip:romeo@example.org".to_owned(), None));
        assert_eq!(who(&["<tel:+15550100>, <sip:romeo@example.org;user=phone>"], None, None), romeo);
        assert_eq!(who(&["<tel:+15550100>", "<sip:romeo@example.org>"], None, None), romeo);
        assert_eq!(who(&["<tel:+15550100>"], None, None), Err(NoCaller::NotASipUser));
        assert_eq!(who(&["<sip:a@h>, <sip:b@h>"], None, None), Err(NoCaller::Malformed));
        assert_eq!(who(&["<sip:example.org>"], None, None), Err(NoCaller::NotASipUser));
    }

    /// P4: SEC-03.
    #[test]
    fn a_display_name_is_never_the_identity() {
        let spoof = who(&[], Some("\"<sip:admin@example.org>\" <sip:x@h>;tag=1"), None).unwrap();
        assert_eq!(spoof.0, "sip:x@h");
    }

    #[test]
    fn anonymous_callers_are_nobody() {
        let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1";
        assert_eq!(who(&[], Some(anonymous), None), Err(NoCaller::Anonymous));
        assert_eq!(who(&[], Some("<sip:x@y>;tag=1"), Some("id")), Err(NoCaller::Anonymous));
        assert!(who(&["<sip:romeo@example.org>"], Some(anonymous), Some("id")).is_ok());
    }

    /// SW-35.
    #[test]
    fn who_wants_privacy_is_known_to_us_and_shown_by_the_name_in_from_only() {
        let asserted = ["\"Romeo Montague\" <sip:romeo@example.org>"];
        let romeo = |name: &str| Ok(("sip:romeo@example.org".to_owned(), Some(name.to_owned())));
        let anonymous = "\"Somebody\" <sip:anonymous@anonymous.invalid>;tag=1";
        assert_eq!(who(&asserted, Some(anonymous), None), romeo("Romeo Montague"));
        assert_eq!(who(&asserted, Some(anonymous), Some("id")), romeo("Somebody"));
        assert_eq!(
            who(&asserted, Some("<sip:anonymous@anonymous.invalid>;tag=1"), Some("user;id")),
            romeo("Anonymous")
        );
    }

    /// SIP-14.
    #[test]
    fn from_is_the_user_of_the_credentials_or_nobody() {
        let user = SipUri::parse("sip:romeo@example.org").unwrap();
        let of = |from: &str, privacy: Option<&str>| {
            let claims = Claims { from: Some(from), privacy, asserted: &["<sip:tybalt@example.org>"] };
            proved(&claims, &user).map(|c| (c.aor.to_string(), c.display_name.unwrap_or_default(), c.is_anonymous))
        };
        let romeo = |name: &str, is_anonymous| Ok(("sip:romeo@example.org".to_owned(), name.to_owned(), is_anonymous));
        assert_eq!(of("\"R\" <sip:romeo@example.org:5070;x=y>;tag=1", None), romeo("R", false));
        assert_eq!(of("<sip:romeo@example.org>;tag=1", Some("none")), romeo("", false));
        assert_eq!(of("<sip:romeo@example.org>;tag=1", Some("id")), romeo("Anonymous", true));
        assert_eq!(of("\"N\" <sip:x@anonymous.invalid>;tag=1", None), romeo("N", true));
        for other in
            ["<sip:tybalt@example.org>", "<sip:romeo@example.com>", "\"<sip:romeo@example.org>\" <sip:t@h>", "<tel:+1>"]
        {
            assert_eq!(of(other, Some("id")), Err(NoCaller::NotTheUser), "{other}");
        }
        assert_eq!(of("<<>", None), Err(NoCaller::Malformed));
    }
}
