//! `[[accounts]]`: who a SIP user is on the XMPP side.

use std::collections::BTreeMap;
use std::ops::Range;

use mucfocus_core::address::mapping::{AccountRule, AccountRules, may_collide};
use mucfocus_core::address::pattern::{Captures, Folding, Pattern};
use mucfocus_core::address::template::Template;
use secrecy::SecretString;
use toml::Spanned;

use super::check::Report;
use super::patterns::{self, Reachable};
use super::running::choice;
use super::{raw, secret};

/// The rules, and the password of each in the same order.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    pub(super) rules: AccountRules,
    pub(super) passwords: Vec<SecretString>,
}

/// A rule whose text was understood, with or without its password.
struct Read {
    rule: AccountRule,
    sip_span: Range<usize>,
    jid_span: Range<usize>,
}

pub(super) fn accounts(accounts: &[Spanned<raw::Account>], report: &mut Report<'_>) -> Accounts {
    if accounts.is_empty() {
        let help =
            "write [[accounts]] with sip = \"sip:romeo@example.org\", jid = \"romeo@example.net\" and password_file";
        report.warning(None, "no SIP user has an account, so nobody can call", help);
    }
    let mut all = Vec::new();
    let mut passwords = Vec::new();
    for account in accounts {
        let read = rule(account, report);
        let password = password(account, read.as_ref().map(|r| &r.rule.sip), report);
        let (Some(read), Some(password)) = (read, password) else { continue };
        all.push(read);
        passwords.push(password);
    }
    unreachable_rules(&all, report);
    shared_jids(&all, report);
    Accounts { rules: AccountRules::new(all.into_iter().map(|r| r.rule).collect()), passwords }
}

fn rule(account: &Spanned<raw::Account>, report: &mut Report<'_>) -> Option<Read> {
    let (keys, owner) = (account.get_ref(), account.span());
    let sip = report.required(keys.sip.as_ref(), &owner, "sip", r#""sip:romeo@example.org""#);
    let jid = report.required(keys.jid.as_ref(), &owner, "jid", r#""romeo@example.net""#);
    let pattern = sip.and_then(|text| report.optional(Some(text), patterns::pattern));
    let template = jid.and_then(|text| report.optional(Some(text), patterns::template));
    let (sip, jid, pattern, template) = (sip?, jid?, pattern?, template?);
    patterns::captured(&pattern, &template, jid.span(), report).then(|| Read {
        rule: AccountRule { sip: pattern, jid: template, line: report.line(owner.start) },
        sip_span: sip.span(),
        jid_span: jid.span(),
    })
}

fn password(account: &Spanned<raw::Account>, sip: Option<&Pattern>, report: &mut Report<'_>) -> Option<SecretString> {
    let keys = account.get_ref();
    if let Some(login) = &keys.login {
        let login_is = match login.get_ref().as_str() {
            "password" => Ok(()),
            other => Err(choice(other, &["password"], &["hmac", "jwt", "anonymous", "component"])),
        };
        // What another login needs is not asked for here.
        report.take(login.span(), login_is)?;
    }
    if let Some(name) = sip.and_then(|sip| sip.captures().next()) {
        let given = [&keys.password, &keys.password_file, &keys.password_credential].into_iter().flatten().next();
        report.error(
            Some(given.map_or_else(|| account.span(), Spanned::span)),
            format!("one password cannot serve every {{{name}}}"),
            "write an [[accounts]] of its own for each user; a login without passwords is not yet in this version",
        );
        return None;
    }
    let given = secret::Given {
        inline: keys.password.as_ref(),
        file: keys.password_file.as_ref(),
        credential: keys.password_credential.as_ref(),
        owner: account.span(),
    };
    secret::password(&given, report)
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
    for (index, read) in all.iter().enumerate() {
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
                let other = all.iter().take(index).map(|r| &r.rule).find(|r| may_collide(r, rule));
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
