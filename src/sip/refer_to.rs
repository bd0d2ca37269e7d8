//! What a REFER asks for: whom to invite, whether anybody wants to hear of it, and on behalf of which call (RFC 3515, RFC 4488,
//! RFC 7614, RFC 4538). Pure.

use jid::BareJid;
use mucfocus_core::address::escape::percent_decode_text;
use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::Request;

use super::dispatch::Refused;
use super::head::parameter;
use super::port::Invitee;
use super::reply::{field, fields};
use super::shared::DialogId;

/// What became clear of a REFER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) target: Invitee,
    /// How its subscriber declined the implicit subscription, if he did.
    pub(super) declined: Option<Declined>,
    /// The dialog that Target-Dialog names, as we see it.
    pub(super) dialog: Option<DialogId>,
}

/// Why no NOTIFY is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declined {
    /// `Refer-Sub: false`, which is echoed when it is granted (RFC 4488 §4).
    ReferSub,
    /// `Require: nosub` (RFC 7614 §5).
    Nosub,
}

impl Wanted {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// 400 for what is missing, repeated, malformed or of another scheme; 403 for `sips:`; 501 for another method than INVITE.
    pub(super) fn of(refer: &Request) -> Result<Self, Refused> {
        Ok(Self { target: target(refer)?, declined: declined(refer)?, dialog: target_dialog(refer)? })
    }
}

fn bad(text: impl Into<String>) -> Refused {
    Refused::new(400, "refer_to", text)
}

/// RFC 3515 §2.4.1: exactly one.
fn target(refer: &Request) -> Result<Invitee, Refused> {
    let mut values = fields(refer, "refer-to");
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(bad("a REFER needs exactly one Refer-To"));
    };
    let address = NameAddr::parse(value).map_err(|error| bad(format!("Refer-To: {error}")))?;
    let method = address.param("method").map(|method| method.unwrap_or_default().to_owned());
    check_method(method.as_deref())?;
    let (scheme, rest) = address.uri.split_once(':').ok_or_else(|| bad("Refer-To has no URI"))?;
    match scheme.to_ascii_lowercase().as_str() {
        "sip" => sip(&address.uri),
        // RFC 3860 §3: the address of a user, without parameters.
        "im" => sip(&format!("sip:{}", rest.split('?').next().unwrap_or_default())),
        "xmpp" => xmpp(rest),
        // RFC 7247 §8: nobody can promise that what follows is as secure.
        "sips" => Err(Refused::new(403, "refer_to_sips", "sips: URIs are not translated; use sip:")),
        _ => Err(bad(format!("Refer-To: the scheme {scheme} is not supported; use sip:, im: or xmpp:"))),
    }
}

/// As a parameter of the URI or of the field (CF-09). Methods are case-sensitive, those who write this by hand are not.
fn check_method(method: Option<&str>) -> Result<(), Refused> {
    match method {
        Some(method) if !method.eq_ignore_ascii_case("INVITE") => {
            Err(Refused::new(501, "refer_method", "a room takes only invitations: method INVITE, or none"))
        }
        _ => Ok(()),
    }
}

fn sip(uri: &str) -> Result<Invitee, Refused> {
    // What is behind the question mark would be fields of an INVITE, which is not sent as such.
    let uri = uri.split('?').next().unwrap_or_default();
    let uri = SipUri::parse(uri).map_err(|error| bad(format!("Refer-To: {error}")))?;
    check_method(uri.param("method").map(Option::unwrap_or_default))?;
    if uri.user().is_none() {
        return Err(bad("Refer-To names no user"));
    }
    Ok(Invitee::Sip(uri.aor()))
}

/// RFC 5122: `[//authority/]node@domain[/resource][?query][#fragment]`.
fn xmpp(rest: &str) -> Result<Invitee, Refused> {
    let no_jid = || bad("Refer-To is no JID of a user");
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').ok_or_else(no_jid)?.1,
        None => rest,
    };
    let bare = path.split(['?', '#', '/']).next().unwrap_or_default();
    let text = percent_decode_text(bare).ok_or_else(no_jid)?;
    // An escaped slash or a second @ would make another address of it.
    let jid = BareJid::new(&text).map_err(|_| no_jid())?;
    if jid.node().is_none() {
        return Err(no_jid());
    }
    Ok(Invitee::Xmpp(jid))
}

fn declined(refer: &Request) -> Result<Option<Declined>, Refused> {
    let requires_nosub =
        fields(refer, "require").flat_map(|v| v.split(',')).any(|option| option.trim().eq_ignore_ascii_case("nosub"));
    let value = field(refer, "refer-sub").map(|value| value.split(';').next().unwrap_or_default().trim());
    match value {
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(Declined::ReferSub)),
        Some(value) if !value.eq_ignore_ascii_case("true") => {
            Err(Refused::new(400, "refer_sub", "Refer-Sub is neither true nor false"))
        }
        _ => Ok(requires_nosub.then_some(Declined::Nosub)),
    }
}

/// RFC 4538 §7: the tags are named as its sender sees them, so his local one is our remote one.
fn target_dialog(refer: &Request) -> Result<Option<DialogId>, Refused> {
    let Some(value) = field(refer, "target-dialog") else { return Ok(None) };
    let call_id = value.split(';').next().unwrap_or_default().trim();
    match (call_id.is_empty(), parameter(value, "local-tag"), parameter(value, "remote-tag")) {
        (false, Some(theirs), Some(ours)) => Ok(Some(DialogId {
            call_id: call_id.to_owned(),
            local_tag: ours.to_owned(),
            remote_tag: theirs.to_owned(),
        })),
        _ => Err(Refused::new(400, "target_dialog", "Target-Dialog needs a Call-ID, a local-tag and a remote-tag")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fields: &str) -> Result<Wanted, u16> {
        let text = format!(
            "REFER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:r@o>;tag=r\r\nTo: <sip:x@d>\r\n\
             Call-ID: c\r\nCSeq: 7 REFER\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        let request = Request::try_from(text.as_bytes()).unwrap();
        Wanted::of(&request).map_err(|refused| refused.refusal.code)
    }

    fn invitee(refer_to: &str) -> Result<String, u16> {
        wanted(&format!("Refer-To: {refer_to}\r\n")).map(|wanted| match wanted.target {
            Invitee::Sip(uri) => uri.to_string(),
            Invitee::Xmpp(jid) => format!("xmpp:{jid}"),
        })
    }

    /// Example 42 of RFC 7702, but for the Via that the print leaves out: GC-INV-01, E-39.
    #[test]
    fn the_refer_of_example_42_invites_benvolio() {
        let printed = include_str!("../../tests/fixtures/rfc7702/example-42-refer.sip").replace('\n', "\r\n");
        let Ok(wanted) = Wanted::of(&Request::try_from(printed.as_bytes()).unwrap()) else { panic!("it is refused") };
        assert!(matches!(&wanted.target, Invitee::Sip(uri) if uri.to_string() == "sip:benvolio@example.com"));
        assert_eq!((wanted.declined, wanted.dialog), (None, None));
    }

    /// GC-INV-06, CF-09.
    #[test]
    fn a_sip_user_is_invited_by_his_address_alone() {
        let benvolio = Ok("sip:benvolio@example.com".to_owned());
        for refer_to in [
            "<sip:benvolio@example.com>",
            "sip:benvolio@example.com",
            "\"B, <sip:x@y>\" <sip:benvolio@example.com:5060;transport=tcp;gr=x>;gr=y",
            "<sip:benvolio@example.com;method=INVITE>",
            "<sip:benvolio@example.com>;method=INVITE",
            "<sip:benvolio@example.com?Subject=x&Body=y>",
            "<im:benvolio@example.com>",
        ] {
            assert_eq!(invitee(refer_to), benvolio, "{refer_to}");
        }
    }

    /// GC-INV-06.
    #[test]
    fn an_xmpp_user_is_invited_by_his_bare_jid() {
        for refer_to in [
            "<xmpp:benvolio@example.com>",
            "<xmpp:benvolio@example.com/home>",
            "<xmpp:benvolio@example.com?message;body=x>",
            "<XMPP://guest@example.org/benvolio@example.com>",
            "<xmpp:benv%6Flio@example.com>;method=INVITE",
        ] {
            assert_eq!(invitee(refer_to), Ok("xmpp:benvolio@example.com".into()), "{refer_to}");
        }
        for refer_to in ["<xmpp:example.com>", "<xmpp:a%2Fb@c@d>", "<xmpp://x>", "<xmpp:%ff@example.com>"] {
            assert_eq!(invitee(refer_to), Err(400), "{refer_to}");
        }
    }

    /// GC-INV-06, GC-INV-07, RF-01.
    #[test]
    fn anything_else_is_refused() {
        assert_eq!(invitee("<sips:benvolio@example.com>"), Err(403));
        for refer_to in
            ["<http://example.com/>", "<tel:+1555>", "<sip:example.com>", "sip:a@b?Subject=x", "<sip:a@b>, <sip:c@d>"]
        {
            assert_eq!(invitee(refer_to), Err(400), "{refer_to}");
        }
        for refer_to in ["<sip:a@b;method=BYE>", "<sip:a@b>;method=BYE", "<xmpp:a@b>;method=MESSAGE"] {
            assert_eq!(invitee(refer_to), Err(501), "{refer_to}");
        }
        assert_eq!(wanted(""), Err(400));
        assert_eq!(wanted("Refer-To: <sip:a@b>\r\nr: <sip:c@d>\r\n"), Err(400));
    }

    /// RF-07, RF-09, RF-13.
    #[test]
    fn how_it_is_declined_and_which_dialog_it_belongs_to() {
        let of = |more: &str| wanted(&format!("r: <sip:a@b>\r\n{more}"));
        assert_eq!(of("").unwrap().declined, None);
        assert_eq!(of("Refer-Sub: true\r\n").unwrap().declined, None);
        assert_eq!(of("Refer-Sub: FALSE;x=y\r\n").unwrap().declined, Some(Declined::ReferSub));
        assert_eq!(of("Require: tdialog, nosub\r\n").unwrap().declined, Some(Declined::Nosub));
        assert_eq!(of("Refer-Sub: perhaps\r\n"), Err(400));
        let dialog = of("Target-Dialog: c1@h ;local-tag=theirs; remote-tag=ours\r\n").unwrap().dialog;
        let expected = DialogId { call_id: "c1@h".into(), local_tag: "ours".into(), remote_tag: "theirs".into() };
        assert_eq!(dialog, Some(expected));
        assert_eq!(of("Target-Dialog: c1\r\n"), Err(400));
    }
}
