//! Domain names of both worlds (ADDR-07): SIP writes labels of ASCII, `xn--bcher-kva` (RFC 3261 §25.1), XMPP those that people
//! read, `bücher` (RFC 7622 §3.2). No two names of one
//! side are one on the other.

use alloc::borrow::Cow;
use alloc::string::String;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use jid::{BareJid, DomainPart, NodePart};

use super::escape::escape_localpart;
use super::sip_uri::{SipUri, parse_host};

/// How a domain is written in SIP, in DNS and in certificates: in lower case, its labels of ASCII. `None` for what is no domain.
#[must_use]
pub fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        let is_lower = !domain.bytes().any(|b| b.is_ascii_uppercase());
        return Some(if is_lower { Cow::Borrowed(domain) } else { Cow::Owned(domain.to_ascii_lowercase()) });
    }
    Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::VerifyAllowRootDot).ok()
}

/// How a domain is written in XMPP. An address stays as it is, and so does a name that XMPP libraries would take for another or for
/// none: RFC 6122 folds what IDNA has kept apart since 2010, so that `straße.example` would be `strasse.example`, and has no name
/// that is written in both directions.
///
/// `None` for what is no domain.
#[must_use]
pub fn to_xmpp(domain: &str) -> Option<DomainPart> {
    let ascii = to_ascii(domain)?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_encoded = ascii.split('.').any(|label| label.starts_with("xn--"));
    let readable = is_encoded.then(|| readable(ascii)).flatten();
    readable.or_else(|| DomainPart::new(ascii).ok().map(Cow::into_owned))
}

/// The labels of a domain as people read them, if they lead back to it.
fn readable(ascii: &str) -> Option<DomainPart> {
    let (unicode, result) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    let domain = result.ok().and_then(|()| DomainPart::new(&unicode).ok())?.into_owned();
    (to_ascii(domain.as_str()).as_deref() == Some(ascii)).then_some(domain)
}

/// Who a SIP user is on the XMPP side where nothing else is said of him (RFC 7247 §6.4): by his user part, escaped, and his
/// domain. `None` for whom XMPP could not name.
#[must_use]
pub fn jid_of(uri: &SipUri) -> Option<BareJid> {
    let localpart = escape_localpart(&uri.user_decoded()?)?.into_owned();
    Some(BareJid::from_parts(Some(NodePart::new(&localpart).ok()?.as_ref()), &to_xmpp(uri.host())?))
}

/// A host as [`SipUri::host`] has it, from how people write it: an IPv6 address also without brackets. `None` for what is none.
#[must_use]
pub fn host(text: &str) -> Option<String> {
    parse_host(text)
        .or_else(|| parse_host(&alloc::format!("[{text}]")))
        .or_else(|| parse_host(&to_ascii(text).filter(|_| !text.is_ascii())?))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn each_side_has_its_own_labels() {
        // ADDR-07
        for (sip, xmpp) in [
            ("rooms.example.com", "rooms.example.com"),
            ("xn--bcher-kva.example", "b\u{fc}cher.example"),
            ("muc.xn--bcher-kva.example", "muc.b\u{fc}cher.example"),
            ("xn--fiqs8s", "\u{4e2d}\u{56fd}"),
            ("xn--4dbrk0ce", "\u{5d9}\u{5e9}\u{5e8}\u{5d0}\u{5dc}"),
            ("192.0.2.1", "192.0.2.1"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(to_xmpp(sip).as_ref().map(|d| d.as_str()), Some(xmpp), "{sip}");
            assert_eq!(to_xmpp(xmpp).unwrap().as_str(), xmpp);
            assert_eq!(to_ascii(xmpp).unwrap(), sip);
            assert_eq!(host(xmpp).unwrap(), sip);
        }
        assert_eq!(to_ascii("B\u{dc}CHER.Example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(to_ascii("Rooms.Example").unwrap(), "rooms.example");
    }

    #[test]
    fn what_would_be_another_domain_on_the_other_side_stays_as_it_is() {
        // ADDR-07: the sharp s, the final sigma, a name from right to left beside one from left to right.
        for sip in ["xn--strae-oqa.example", "xn--3xa.example", "xn--4dbrk0ce.example"] {
            assert_eq!(to_xmpp(sip).unwrap().as_str(), sip);
        }
        assert_eq!(to_xmpp("stra\u{df}e.example").unwrap().as_str(), "xn--strae-oqa.example");
    }

    #[test]
    fn what_is_no_domain_is_none_on_either_side() {
        // ADDR-07
        for bad in ["xn--a.example", "xn--.example", "", ".", "a..b", "\u{fc}..x"] {
            assert_eq!(to_xmpp(bad), None, "{bad}");
        }
        for bad in ["a b.\u{fc}", "\u{fc}_x", "-\u{fc}", "\u{202e}\u{fc}", "\u{fc}/x", "\u{fc}@x", "\u{fc}\r\n"] {
            assert_eq!((host(bad), to_xmpp(bad)), (None, None), "{bad:?}");
        }
    }

    #[test]
    fn a_user_has_his_jid_at_his_domain() {
        // ADDR-01, ADDR-07
        let jid = |uri| jid_of(&SipUri::parse(uri).unwrap()).map(|jid| jid.to_string());
        assert_eq!(jid("sip:o'hara@xn--bcher-kva.example").as_deref(), Some("o\\27hara@b\u{fc}cher.example"));
        assert_eq!(jid("sip:%ff@example.net"), None);
    }
}
