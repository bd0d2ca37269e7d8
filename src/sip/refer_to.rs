//! What a REFER asks for: whom to invite or to remove, whether anybody wants to hear of it, and on behalf of which call (RFC 3515, RFC 4488,
//! RFC 7614, RFC 4538). Pure.

use jid::BareJid;
use mucfocus_core::address::domain;
use mucfocus_core::address::escape::percent_decode_text;
use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::Request;

use super::dispatch::Refused;
use super::head::parameter;
use super::port::{Aim, Person};
use super::reply::{field, fields};
use super::shared::DialogId;

/// What became clear of a REFER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) aim: Aim,
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
    /// 400 for what is missing, repeated, malformed or of another scheme; 403 for `sips:`; 501 for another method than INVITE or BYE.
    pub(super) fn of(refer: &Request) -> Result<Self, Refused> {
        Ok(Self { aim: aim(refer)?, declined: declined(refer)?, dialog: target_dialog(refer)? })
    }
}

fn bad(text: impl Into<String>) -> Refused {
    Refused::new(400, "refer_to", text)
}

/// What a Refer-To wants done to whom it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Invite,
    Bye,
}

impl Method {
    /// Methods are case-sensitive, those who write this by hand are not.
    fn parse(name: &str) -> Result<Self, Refused> {
        match name.to_ascii_uppercase().as_str() {
            "INVITE" => Ok(Self::Invite),
            "BYE" => Ok(Self::Bye),
            _ => Err(Refused::new(501, "refer_method", "a room invites and removes: method INVITE, BYE, or none")),
        }
    }

    /// As a parameter of the URI or of the field (CF-09), which may not contradict each other.
    fn of(values: [Option<Option<&str>>; 2]) -> Result<Self, Refused> {
        let mut methods = values.into_iter().flatten().map(|name| Self::parse(name.unwrap_or_default()));
        match (methods.next().transpose()?, methods.next().transpose()?) {
            (Some(one), Some(other)) if one != other => Err(bad("Refer-To has two methods")),
            (method, _) => Ok(method.unwrap_or(Self::Invite)),
        }
    }
}

/// RFC 3515 §2.4.1: exactly one.
fn aim(refer: &Request) -> Result<Aim, Refused> {
    let mut values = fields(refer, "refer-to");
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(bad("a REFER needs exactly one Refer-To"));
    };
    let address = NameAddr::parse(value).map_err(|error| bad(format!("Refer-To: {error}")))?;
    let (scheme, rest) = address.uri.split_once(':').ok_or_else(|| bad("Refer-To has no URI"))?;
    let (person, method) = match scheme.to_ascii_lowercase().as_str() {
        "sip" => sip(&address.uri, &address)?,
        // RFC 3860 §3: the address of a user, without parameters.
        "im" => sip(&format!("sip:{}", rest.split('?').next().unwrap_or_default()), &address)?,
        "xmpp" => (xmpp(rest)?, Method::of([address.param("method"), None])?),
        // RFC 7247 §8: nobody can promise that what follows is as secure.
        "sips" => return Err(Refused::new(403, "refer_to_sips", "sips: URIs are not translated; use sip:")),
        _ => return Err(bad(format!("Refer-To: the scheme {scheme} is not supported; use sip:, im: or xmpp:"))),
    };
    Ok(match (method, person) {
        (Method::Bye, person) => Aim::Remove(person),
        // Who has a place already is not invited to it: his address as such is taken for the whole.
        (Method::Invite, Person::Occupant { room, .. }) => Aim::Invite(Person::Sip(room)),
        (Method::Invite, person) => Aim::Invite(person),
    })
}

fn sip(uri: &str, address: &NameAddr) -> Result<(Person, Method), Refused> {
    // What is behind the question mark would be fields of a request, which is not sent as such.
    let uri = uri.split('?').next().unwrap_or_default();
    let uri = SipUri::parse(uri).map_err(|error| bad(format!("Refer-To: {error}")))?;
    let method = Method::of([address.param("method"), uri.param("method")])?;
    if uri.user().is_none() {
        return Err(bad("Refer-To names no user"));
    }
    // Behind the brackets some write what belongs within (E-03).
    let behind = address.param("gr").flatten().and_then(percent_decode_text);
    let place = uri.gr().or(behind).filter(|place| !place.is_empty());
    let person = match place {
        Some(place) => Person::Occupant { room: uri.aor(), nickname: place.into_owned() },
        None => Person::Sip(uri.aor()),
    };
    Ok((person, method))
}

/// RFC 5122: `[//authority/]node@domain[/resource][?query][#fragment]`.
fn xmpp(rest: &str) -> Result<Person, Refused> {
    let no_jid = || bad("Refer-To is no JID of a user");
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').ok_or_else(no_jid)?.1,
        None => rest,
    };
    let bare = path.split(['?', '#', '/']).next().unwrap_or_default();
    let text = percent_decode_text(bare).ok_or_else(no_jid)?;
    // An escaped slash or a second @ would make another address of it.
    let jid = BareJid::new(&text).map_err(|_| no_jid())?;
    let (Some(node), Some(domain)) = (jid.node(), domain::to_xmpp(jid.domain().as_str())) else {
        return Err(no_jid());
    };
    Ok(Person::Xmpp(BareJid::from_parts(Some(node), &domain)))
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

    fn aim(refer_to: &str) -> Result<Aim, u16> {
        wanted(&format!("Refer-To: {refer_to}\r\n")).map(|wanted| wanted.aim)
    }

    fn invitee(refer_to: &str) -> Result<String, u16> {
        aim(refer_to).map(|aim| match aim {
            Aim::Invite(Person::Sip(uri)) => uri.to_string(),
            Aim::Invite(Person::Xmpp(jid)) => format!("xmpp:{jid}"),
            other => panic!("{other:?}"),
        })
    }

    /// Example 42 of RFC 7702, but for the Via that the print leaves out: GC-INV-01, E-39.
    #[test]
    fn the_refer_of_example_42_invites_benvolio() {
        let printed = include_str!("../../tests/fixtures/rfc7702/example-42-refer.sip").replace('\n', "\r\n");
        let Ok(wanted) = Wanted::of(&Request::try_from(printed.as_bytes()).unwrap()) else { panic!("it is refused") };
        assert!(matches!(&wanted.aim, Aim::Invite(Person::Sip(uri)) if uri.to_string() == "sip:benvolio@example.com"));
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
        for refer_to in ["<sip:a@b;method=SUBSCRIBE>", "<sip:a@b>;method=x", "<xmpp:a@b>;method=MESSAGE"] {
            assert_eq!(aim(refer_to), Err(501), "{refer_to}");
        }
        assert_eq!(wanted(""), Err(400));
        assert_eq!(wanted("Refer-To: <sip:a@b>\r\nr: <sip:c@d>\r\n"), Err(400));
    }

    /// CF-09, CF-10.
    #[test]
    fn method_bye_removes_by_place_or_by_address_wherever_it_is_written() {
        let user = Ok(Aim::Remove(Person::Sip(SipUri::parse("sip:tybalt@example.com").unwrap())));
        for refer_to in ["<sip:tybalt@example.com;method=BYE>", "<sip:tybalt@example.com:5070>;method=bye"] {
            assert_eq!(aim(refer_to), user, "{refer_to}");
        }
        let room = SipUri::parse("sip:verona@rooms.example.com").unwrap();
        let place = Ok(Aim::Remove(Person::Occupant { room, nickname: "Ty balt".into() }));
        for refer_to in [
            "<sip:verona@rooms.example.com;gr=Ty%20balt;method=BYE>",
            "<sip:verona@rooms.example.com;gr=Ty%20balt>;method=BYE",
            "<sip:verona@rooms.example.com;method=BYE>;gr=Ty%20balt",
            "<sip:verona@rooms.example.com;gr=Ty%20balt;method=BYE>;method=BYE",
        ] {
            assert_eq!(aim(refer_to), place, "{refer_to}");
        }
        let tybalt = Aim::Remove(Person::Xmpp("tybalt@example.com".parse().unwrap()));
        assert_eq!(aim("<xmpp:tybalt@example.com/home>;method=BYE"), Ok(tybalt));
        assert_eq!(aim("<sip:a@b;method=INVITE>;method=BYE"), Err(400));
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
