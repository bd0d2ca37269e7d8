//! `[[accounts]]`: who a SIP user is on the XMPP side.

use std::collections::BTreeMap;
use std::ops::Range;

use mucfocus_core::address::mapping::{AccountRule, AccountRules, may_collide};
use mucfocus_core::address::pattern::{Captures, Folding};
use mucfocus_core::address::template::Template;
use secrecy::{ExposeSecret as _, SecretString};

use super::Place;
use super::keys::FILE;
use super::patterns::{self, Reachable};
use super::raw::{self, At};
use super::report::{Report, choice};
use super::running::LEAST_SECRET;
use super::secret::{self, Given};
use crate::xmpp::settings::Login;

/// The rules, how each logs in, and where it stands, in the same order.
pub(super) struct Accounts {
    pub(super) rules: AccountRules,
    pub(super) logins: Vec<Login>,
    pub(super) places: Vec<Place>,
}

/// A rule whose text was understood, with or without its login.
struct Read {
    rule: AccountRule,
    sip_span: Range<usize>,
    jid_span: Range<usize>,
    place: Place,
    /// The server makes up a JID for each of its users.
    anonymous: bool,
}

pub(super) fn accounts(accounts: &[At<raw::Account>], report: &mut Report<'_>) -> Accounts {
    if accounts.is_empty() && !report.is_unusable(FILE, "accounts") {
        let help =
            "write [[accounts]] with sip = \"sip:romeo@example.org\", jid = \"romeo@example.net\" and password_file";
        report.warning(None, "no SIP user has an account, so nobody can call", help);
    }
    let mut all = Vec::new();
    let mut logins = Vec::new();
    for account in accounts {
        let read = rule(account, report);
        let login = login(account, read.as_ref().map(|r| &r.rule), report);
        let (Some(mut read), Some(login)) = (read, login) else { continue };
        read.anonymous = matches!(login, Login::Anonymous);
        all.push(read);
        logins.push(login);
    }
    unreachable_rules(&all, report);
    shared_jids(&all, report);
    let places = all.iter().map(|r| r.place).collect();
    Accounts { rules: AccountRules::new(all.into_iter().map(|r| r.rule).collect()), logins, places }
}

fn rule(account: &At<raw::Account>, report: &mut Report<'_>) -> Option<Read> {
    let (keys, owner) = (account.get_ref(), account.span());
    let sip = report.required(keys.sip.as_ref(), &owner, "sip", r#""sip:romeo@example.org""#);
    let jid = report.required(keys.jid.as_ref(), &owner, "jid", r#""romeo@example.net""#);
    let pattern = sip.and_then(|text| report.optional(Some(text), patterns::pattern));
    let template = jid.and_then(|text| report.optional(Some(text), patterns::template));
    let (sip, jid, pattern, template) = (sip?, jid?, pattern?, template?);
    let place = report.place(owner.start);
    patterns::captured(&pattern, &template, jid.span(), report).then(|| Read {
        rule: AccountRule { sip: pattern, jid: template, line: place.line },
        sip_span: sip.span(),
        jid_span: jid.span(),
        place,
        anonymous: false,
    })
}

/// How the callers of `account` log in. What another login needs is not asked for, and not let pass either.
fn login(account: &At<raw::Account>, rule: Option<&AccountRule>, report: &mut Report<'_>) -> Option<Login> {
    let keys = account.get_ref();
    let word = keys.login.as_ref().map_or("password", |login| login.get_ref().as_str());
    let password = Given {
        wording: secret::ACCOUNT,
        inline: keys.password.as_ref(),
        file: keys.password_file.as_ref(),
        credential: keys.password_credential.as_ref(),
    };
    let secret = Given {
        wording: secret::MINT,
        inline: keys.secret.as_ref(),
        file: keys.secret_file.as_ref(),
        credential: keys.secret_credential.as_ref(),
    };
    match word {
        "password" => {
            not_for(&secret, word, "write password_file, or login = \"hmac\" or \"jwt\"", report);
            is_a_user(keys, rule, word, report)?;
            one_user(account, rule, &password, report)?;
            password.required(account.span(), report).map(Login::Password)
        }
        "hmac" | "jwt" => {
            not_for(&password, word, "write secret_file, or leave login out", report);
            is_a_user(keys, rule, word, report)?;
            let secret = minting(&secret, word, account.span(), report)?;
            Some(if word == "hmac" { Login::Hmac(secret) } else { Login::Jwt(secret) })
        }
        "anonymous" => {
            not_for(&password, word, "leave it out", report);
            not_for(&secret, word, "leave it out", report);
            let has_user = rule.is_some_and(|rule| rule.jid.to_string().contains('@'));
            if let Some(jid) = keys.jid.as_ref().filter(|_| has_user) {
                let domain = jid.get_ref().rsplit('@').next().unwrap_or_default();
                let help = format!("write jid = \"{domain}\", the domain alone");
                report.error(Some(jid.span()), "the server makes up the user of an anonymous account", help);
                return None;
            }
            Some(Login::Anonymous)
        }
        other => {
            let wrong = choice(other, &["password", "hmac", "jwt", "anonymous"], &["component"]);
            report.take(keys.login.as_ref()?.span(), Err(wrong))
        }
    }
}

/// A key that the login does not read is a login that was forgotten.
fn not_for(given: &Given<'_>, login: &str, help: &str, report: &mut Report<'_>) {
    if let Some(key) = given.any() {
        report.error(Some(key.span()), format!("login = \"{login}\" does not use this"), help);
    }
}

/// Who logs in by name needs one.
fn is_a_user(keys: &raw::Account, rule: Option<&AccountRule>, login: &str, report: &mut Report<'_>) -> Option<()> {
    let Some(jid) = keys.jid.as_ref().filter(|_| rule.is_some_and(|rule| !rule.jid.to_string().contains('@'))) else {
        return Some(());
    };
    let domain = jid.get_ref();
    let help = format!("write user@{domain}, or login = \"anonymous\" where the server knows that");
    report.error(Some(jid.span()), format!("login = \"{login}\" needs a user part in the jid"), help);
    None
}

fn one_user(
    account: &At<raw::Account>,
    rule: Option<&AccountRule>,
    password: &Given<'_>,
    report: &mut Report<'_>,
) -> Option<()> {
    let Some(name) = rule.and_then(|rule| rule.sip.captures().next()) else { return Some(()) };
    let span = password.any().map_or_else(|| account.span(), At::span);
    let help = "write login = \"hmac\" (Prosody) or \"jwt\" (ejabberd) with secret_file, \
                or an [[accounts]] of its own for each user";
    report.error(Some(span), format!("one password cannot serve every {{{name}}}"), help);
    None
}

/// The secret that passwords or tokens are made with.
fn minting(given: &Given<'_>, login: &str, owner: Range<usize>, report: &mut Report<'_>) -> Option<SecretString> {
    let span = given.any().map(At::span);
    let secret = given.required(owner, report)?;
    let length = secret.expose_secret().len();
    if length < LEAST_SECRET {
        let help = "make one with: openssl rand -hex 32; the XMPP server needs the same, \
                    `mucfocus print prosody` and `print ejabberd` say where";
        let message = format!("the secret of {login} has {length} octets: who guesses it is every user at once");
        report.error(span, message, help);
        return None;
    }
    Some(secret)
}

fn unreachable_rules(all: &[Read], report: &mut Report<'_>) {
    let mut seen = Reachable::new(Folding::Account);
    for read in all {
        if let Some(earlier) = seen.add(&read.rule.sip, read.rule.line) {
            let message = format!("this rule can never match: that of line {earlier} takes all of its callers");
            report.warning(Some(read.sip_span.clone()), message, "put it before that one, or leave it out");
        }
    }
}

/// Warns of each rule that can give a user a JID that some other user has as well.
fn shared_jids(all: &[Read], report: &mut Report<'_>) {
    let help = "give each of them a JID of his own: while one has a leg, the other gets 403";
    let mut fixed: BTreeMap<String, usize> = BTreeMap::new();
    let mut open: Vec<&AccountRule> = Vec::new();
    let named: Vec<&Read> = all.iter().filter(|read| !read.anonymous).collect();
    for (index, read) in named.iter().enumerate() {
        let rule = &read.rule;
        let span = Some(read.jid_span.clone());
        if may_collide(rule, rule) {
            report.warning(span, "SIP users whom this rule matches share a JID", help);
            continue;
        }
        // Thousands of users with a line each are compared by name, not each with each.
        let name = is_fixed(&rule.jid).and_then(|()| rule.jid.expand(&Captures::default()).ok());
        let earlier = match name {
            Some(jid) => match fixed.get(jid.as_str()) {
                Some(line) => Some(*line),
                None => {
                    fixed.insert(jid.to_string(), rule.line);
                    open.iter().find(|other| may_collide(other, rule)).map(|other| other.line)
                }
            },
            None => {
                let other = named.iter().take(index).map(|r| &r.rule).find(|r| may_collide(r, rule));
                open.push(rule);
                other.map(|other| other.line)
            }
        };
        if let Some(line) = earlier {
            report.warning(span, format!("the rule of line {line} can give another SIP user the same JID"), help);
        }
    }
}

fn is_fixed(jid: &Template) -> Option<()> {
    jid.names().next().is_none().then_some(())
}
