//! `mucfocus route`: what a call to an address would come to, and by which lines of the configuration. Nobody is called.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use mucfocus_core::address::mapping::TOKEN;
use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::nickname;
use mucfocus_core::address::sip_uri::SipUri;
use serde::Serialize;

use super::args::RouteArgs;
use super::{FAILED, WRONG, tell, wrong_configuration};
use crate::config::{Config, Place};
use crate::sip::identity::{self, Claims, NoCaller};
use crate::sip::settings::{IdentitySource, Untrusted};
use crate::xmpp::settings::Login;

/// What becomes of the call.
#[derive(Debug, Serialize)]
struct Route {
    /// What is dialled.
    uri: String,
    /// Who calls.
    from: String,
    /// Why he is not let in, and what to do about it; `null` when he is.
    refused: Option<Refused>,
    room: Option<Room>,
    identity: Option<Identity>,
    account: Option<Account>,
    /// `null` where a number is put behind "Guest".
    nickname: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refused {
    /// The response to his INVITE.
    status: u16,
    why: String,
    help: String,
}

#[derive(Debug, Serialize)]
struct Room {
    /// Name of the rule.
    rule: String,
    line: usize,
    column: usize,
    /// What we write wherever we name the room.
    uri: String,
    muc: String,
    /// Whether the rule lets the caller in.
    allows: bool,
    /// Where it says so; `null`: the default lets everybody in.
    allow_line: Option<usize>,
    allow_column: Option<usize>,
    create: bool,
    password: bool,
    history: u32,
    private_messages: bool,
    tls_only: bool,
    receipts: bool,
    whole_roster: bool,
}

/// How the caller can show who he is.
#[derive(Debug, Serialize)]
struct Identity {
    /// `digest`, `trusted peer` or `nobody`.
    by: &'static str,
    line: Option<usize>,
    column: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Account {
    line: usize,
    column: usize,
    jid: String,
    login: &'static str,
}

pub(super) fn run(args: &RouteArgs) -> ExitCode {
    let asked = callee(&args.uri).and_then(|uri| Ok((uri, caller(args.from.as_deref(), std::env::var("USER").ok())?)));
    let (uri, (from, display)) = match asked {
        Ok(asked) => asked,
        Err(wrong) => {
            tell(&format!("mucfocus route: {wrong}"));
            return ExitCode::from(WRONG);
        }
    };
    let config = match Config::load(&args.config.file) {
        Ok((config, _)) => config,
        Err(errors) => return wrong_configuration(&errors),
    };
    let route = route(&config, &uri, &from, display.as_deref());
    let text = if args.json {
        // Structs of numbers and strings always have a JSON form.
        serde_json::to_string_pretty(&route).map(|text| text + "\n").unwrap_or_default()
    } else {
        lines(&route)
    };
    let printed = std::io::stdout().lock().write_all(text.as_bytes());
    if route.refused.is_some() || printed.is_err() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

fn callee(text: &str) -> Result<SipUri, String> {
    SipUri::parse(text).map_err(|error| format!("\"{text}\": {error}; write sip:ROOM@HOST"))
}

/// Who calls, and the display name that he writes.
fn caller(from: Option<&str>, user: Option<String>) -> Result<(SipUri, Option<String>), String> {
    let Some(from) = from else {
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "anonymous".to_owned());
        let uri = SipUri::new(Some(&user), "localhost")
            .map_err(|error| format!("$USER makes no SIP URI ({error}); say who calls with --from SIP-URI"))?;
        return Ok((uri, None));
    };
    let wrong = |error: &dyn std::fmt::Display| format!("--from: \"{from}\": {error}; write sip:USER@HOST");
    let address = NameAddr::parse(from).map_err(|error| wrong(&error))?;
    let uri = SipUri::parse(&address.uri).map_err(|error| wrong(&error))?;
    Ok((uri.aor(), address.display_name))
}

/// The same questions in the same order as for a call.
fn route(config: &Config, uri: &SipUri, from: &SipUri, display: Option<&str>) -> Route {
    let mut route = Route {
        uri: uri.to_string(),
        from: from.to_string(),
        refused: None,
        room: None,
        identity: None,
        account: None,
        nickname: None,
    };
    if uri.secure() {
        let help = format!("call {}: beyond this node nobody can promise what sips does", with_sip(uri));
        route.refuse(403, "sips cannot be honoured end to end", help);
    }
    let identity = known_by(config, from);
    if let Err(why) = named(from) {
        let help = "let the proxy assert who it is (P-Asserted-Identity: <sip:USER@HOST>), and say that with --from";
        route.refuse(refusal_of_strangers(config), why.to_string(), help);
    } else if identity.by == "nobody" {
        let help = "add the proxy that he calls through to sip.auth.trusted_peers, or write [[sip.auth.users]] for him";
        route.refuse(refusal_of_strangers(config), "nobody can say that he is this caller", help);
    }
    route.identity = Some(identity);
    let rules = config.rooms_of_calls();
    let found = rules.find(uri).or_else(|| rules.make(uri, TOKEN));
    if let Some(found) = &found {
        let place = config.room_place(found.rule);
        let rule = place.map(|place| place.rule);
        let allow = place.and_then(|place| place.allow);
        let allows = rules.allows(found.rule, from);
        route.room = Some(Room {
            rule: found.name.clone(),
            line: rule.map_or(0, |p| p.line),
            column: rule.map_or(0, |p| p.column),
            uri: found.uri.to_string(),
            muc: found.muc.to_string(),
            allows,
            allow_line: allow.map(|p| p.line),
            allow_column: allow.map(|p| p.column),
            create: found.create,
            password: found.password.is_some(),
            history: found.history,
            private_messages: found.private_messages,
            tls_only: found.tls_only,
            receipts: found.receipts,
            whole_roster: found.whole_roster,
        });
        if !allows {
            let at = at(allow);
            route.refuse(403, "the rule of the room does not let him in", format!("add him to allow{at}"));
        }
        let user = from.user_decoded();
        let named = |number| nickname::temporary(display, user.as_deref(), &found.nickname, number);
        route.nickname = Some(named(1)).filter(|nick| *nick == named(2));
    } else {
        let domains = config.sip.domains.join(", ");
        let help = format!("write [[rooms]] whose sip matches it; its host has to be one of sip.domains: {domains}");
        route.refuse(404, "no rule maps this URI to a room", help);
    }
    match config.accounts.find(from) {
        Ok((rule, jid)) => {
            let place = config.account_place(rule);
            route.account = Some(Account {
                line: place.map_or(0, |p| p.line),
                column: place.map_or(0, |p| p.column),
                jid: jid.to_string(),
                login: config.login_of(rule).map_or("", word),
            });
        }
        Err(error) => route.refuse(403, error.to_string(), "write [[accounts]] with a sip that matches him, and a jid"),
    }
    route
}

impl Route {
    /// What is said first counts, as in a call.
    fn refuse(&mut self, status: u16, why: impl Into<String>, help: impl Into<String>) {
        self.refused.get_or_insert(Refused { status, why: why.into(), help: help.into() });
    }
}

/// The same address by plain SIP.
fn with_sip(uri: &SipUri) -> String {
    let text = uri.to_string();
    text.split_once(':').map_or_else(String::new, |(_, rest)| format!("sip:{rest}"))
}

/// Whether this is a caller at all: judged as what a trusted peer asserts.
fn named(from: &SipUri) -> Result<(), NoCaller> {
    let asserted = format!("<{from}>");
    let claims = Claims { asserted: &[&asserted], ..Claims::default() };
    identity::caller(&claims, &[IdentitySource::PAssertedIdentity]).map(drop)
}

const fn refusal_of_strangers(config: &Config) -> u16 {
    if matches!(config.sip.untrusted, Untrusted::Challenge(_)) { 401 } else { 403 }
}

fn known_by(config: &Config, from: &SipUri) -> Identity {
    let user = match &config.sip.untrusted {
        Untrusted::Challenge(digest) => digest.users.iter().position(|user| user.aor.same_aor(from)),
        Untrusted::Refuse | Untrusted::Drop => None,
    };
    let place = user.and_then(|user| config.user_place(user));
    let by = match (user, config.sip.trusted_peers.is_empty()) {
        (Some(_), _) => "digest",
        _ if named(from).is_err() => "nobody",
        (None, false) => "trusted peer",
        (None, true) => "nobody",
    };
    Identity { by, line: place.map(|p| p.line), column: place.map(|p| p.column) }
}

const fn word(login: &Login) -> &'static str {
    match login {
        Login::Password(_) => "password",
        Login::Hmac(_) => "hmac",
        Login::Jwt(_) => "jwt",
        Login::Anonymous => "anonymous",
    }
}

fn at(place: Option<Place>) -> String {
    place.map(|p| format!(" in line {}:{}", p.line, p.column)).unwrap_or_default()
}

fn lines(route: &Route) -> String {
    let mut out = format!("{} calls {}\n", route.from, route.uri);
    if let Some(room) = &route.room {
        let _ = writeln!(out, "  room      {}, line {}:{}", room.rule, room.line, room.column);
        let _ = writeln!(out, "            {} = {}", room.uri, room.muc);
        let place = room.allow_line.zip(room.allow_column).map(|(line, column)| Place { line, column });
        let by = place.map_or_else(|| ", as everybody is by default".to_owned(), |p| format!(", allow{}", at(Some(p))));
        let _ = writeln!(out, "  allowed   {}{by}", if room.allows { "yes" } else { "no" });
    } else {
        let _ = writeln!(out, "  room      none");
    }
    if let Some(identity) = &route.identity {
        let by = match (identity.by, identity.line, identity.column) {
            ("digest", Some(line), Some(column)) => format!("his password, sip.auth.users line {line}:{column}"),
            ("nobody", ..) => "nothing: no password, nobody who vouches for him".to_owned(),
            _ => "what a trusted peer says".to_owned(),
        };
        let _ = writeln!(out, "  known by  {by}");
    }
    if let Some(account) = &route.account {
        let Account { jid, login, line, column } = account;
        let (who, of) = if *login == "anonymous" { ("somebody at ", " (a new JID each time)") } else { ("", "") };
        let _ = writeln!(out, "  account   {who}{jid}{of}, login {login}, line {line}:{column}");
    } else {
        let _ = writeln!(out, "  account   none");
    }
    if route.room.is_some() {
        let _ = writeln!(out, "  nickname  {}", route.nickname.as_deref().unwrap_or("Guest and a number"));
    }
    let _ = match &route.refused {
        None => writeln!(out, "let in"),
        Some(Refused { status, why, help }) => writeln!(out, "not let in: {status}, {why}\n  help: {help}"),
    };
    out
}
