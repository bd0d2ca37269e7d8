//! `[sip.outbound]`: whom we call, and through which proxy.

use mucfocus_core::address::pattern::Pattern;
use mucfocus_core::address::sip_uri::SipUri;

use super::Outbound;
use super::patterns::pattern;
use super::raw::{self, At};
use super::report::Report;
use super::secret::{self, Given};
use super::units::Wrong;
use crate::sip::settings::{self, Listen, Transport};

const PROXY: &str = r#""sip:proxy.example.com;transport=tcp;lr""#;

pub(super) fn outbound(section: &At<raw::SipOutbound>, listen: &[Listen], report: &mut Report<'_>) -> Option<Outbound> {
    let (keys, owner) = (section.get_ref(), section.span());
    let missing = |name: &str, example: &str, report: &mut Report<'_>| {
        if !report.is_unusable(owner.start, name) {
            let message = format!("sip.outbound.{name} is missing: without it nobody can be called");
            report.error(Some(owner.clone()), message, format!("write {name} = {example}"));
        }
    };
    if keys.proxy.is_none() {
        missing("proxy", PROXY, report);
    }
    if keys.allow.is_none() {
        missing("allow", r#"["sip:*@example.org"]"#, report);
    }
    let proxy = report.optional(keys.proxy.as_ref(), |text| proxy_uri(text, listen));
    let allow = keys.allow.as_ref().map(|list| allowed(list, report));
    let credentials = credentials(keys, report);
    Some(Outbound { route: settings::Outbound { proxy: proxy?, credentials }, allow: allow? })
}

/// A loose router, whether or not it says so: all of them are (RFC 3261 §16.12.1.1 has `lr`, and no strict one is left).
fn proxy_uri(text: &str, listen: &[Listen]) -> Result<String, Wrong> {
    let help = format!("write {PROXY}, the address of the proxy that knows where phones are");
    let uri = SipUri::parse(text).map_err(|error| Wrong::new(format!("\"{text}\" is no SIP URI: {error}"), &*help))?;
    if uri.secure() || uri.user().is_some() || uri.headers().is_some() {
        return Err(Wrong::new(format!("\"{text}\" is not the address of a proxy"), help));
    }
    let transport = match uri.param("transport").map(Option::unwrap_or_default) {
        None => Transport::Udp,
        Some(name) => Transport::of_uri_parameter(name)
            .filter(|t| matches!(t, Transport::Udp | Transport::Tcp | Transport::Tls))
            .ok_or_else(|| {
                Wrong::new(
                    format!("calls cannot be made over \"{name}\""),
                    "write transport=tcp, transport=tls or transport=udp",
                )
            })?,
    };
    let is_heard = listen.iter().any(|listen| listen.transport == transport);
    if !is_heard && !listen.is_empty() {
        let message =
            format!("the proxy is reached over {transport}, which sip.listen does not have: it could not answer");
        return Err(Wrong::new(
            message,
            format!("add \"{transport}:ADDRESS:PORT\" to sip.listen, or name another transport"),
        ));
    }
    let lr = if uri.param("lr").is_some() { "" } else { ";lr" };
    Ok(format!("{text}{lr}"))
}

fn allowed(list: &At<Vec<raw::Text>>, report: &mut Report<'_>) -> Vec<Pattern> {
    if list.get_ref().is_empty() {
        let help = r#"write allow = ["sip:*@example.org"], the addresses of those whose phones may ring"#;
        report.warning(Some(list.span()), "sip.outbound.allow is empty: nobody is ever called", help);
    }
    list.get_ref().iter().filter_map(|text| report.take(text.span(), pattern(text.get_ref()))).collect()
}

fn credentials(keys: &raw::SipOutbound, report: &mut Report<'_>) -> Option<(String, secrecy::SecretString)> {
    let given = Given {
        wording: secret::PROXY,
        inline: keys.password.as_ref(),
        file: keys.password_file.as_ref(),
        credential: keys.password_credential.as_ref(),
    };
    match &keys.username {
        Some(username) => Some((username.get_ref().clone(), given.required(username.span(), report)?)),
        None => {
            if let Some(password) = given.any() {
                let help = "write username as well: the name that the proxy knows us by";
                report.error(Some(password.span()), "this password is for nobody", help);
            }
            None
        }
    }
}
