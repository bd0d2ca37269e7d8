//! Account rules: caller to XMPP account. They never fold: two SIP users never share a JID.

use alloc::string::String;
use alloc::vec::Vec;

use jid::BareJid;

use crate::address::escape::unescape_localpart;
use crate::address::pattern::{Captures, Folding, Pattern, Piece, Side, match_pieces};
use crate::address::sip_uri::SipUri;
use crate::address::template::{ExpandError, Template};

/// One `[[accounts]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRule {
    /// Which callers it is for.
    pub sip: Pattern,
    /// Who they are on the XMPP side.
    pub jid: Template,
    /// Its line in the configuration, for messages.
    pub line: usize,
}

/// All account rules, in their order: the first match wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountRules {
    rules: Vec<AccountRule>,
}

/// Why a caller has no account: 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No rule matches.
    #[error("no account rule matches this caller")]
    NoRule,
    /// The user part is not written as XMPP would write it, so that somebody else could have the same account (ADDR-06).
    #[error("`{user}` has no account of its own: XMPP folds case and look-alikes (account rule in line {line})")]
    NotCanonical {
        /// What would be changed.
        user: String,
        /// The line of the rule.
        line: usize,
    },
    /// The user part, or the host, cannot be part of a JID.
    #[error("`{user}` cannot be part of a JID (account rule in line {line})")]
    NotAJid {
        /// What cannot.
        user: String,
        /// The line of the rule.
        line: usize,
    },
}

impl AccountRules {
    /// The rules.
    #[must_use]
    pub const fn new(rules: Vec<AccountRule>) -> Self {
        Self { rules }
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[AccountRule] {
        &self.rules
    }

    /// The number of the rule, counted from 0, and the account of the caller `aor`.
    ///
    /// # Errors
    ///
    /// [`AccountError`]. The rules after the first that matches are never asked.
    pub fn find(&self, aor: &SipUri) -> Result<(usize, BareJid), AccountError> {
        let matching = self
            .rules
            .iter()
            .enumerate()
            .find_map(|(index, rule)| Some((index, rule, rule.sip.matches(aor, Folding::Account)?)));
        let (index, rule, captures) = matching.ok_or(AccountError::NoRule)?;
        match rule.jid.expand_exact(&captures) {
            Ok(jid) => Ok((index, jid)),
            Err(ExpandError::NotCanonical(user)) => Err(AccountError::NotCanonical { user, line: rule.line }),
            Err(ExpandError::NotAJid(user) | ExpandError::Unknown(user)) => {
                Err(AccountError::NotAJid { user, line: rule.line })
            }
        }
    }
}

/// Whether two SIP users can get the same JID, one by rule `a` and the other by rule `b`, which may be the same rule. Where it
/// cannot be told, yes.
#[must_use]
pub fn may_collide(a: &AccountRule, b: &AccountRule) -> bool {
    if a == b {
        return !is_injective(a);
    }
    if !overlap(a.jid.domain_pieces(), b.jid.domain_pieces()) {
        return false;
    }
    let nodes_overlap = match (a.jid.node_pieces(), b.jid.node_pieces()) {
        (Some(a), Some(b)) => overlap(a, b),
        (None, None) => true,
        _ => false,
    };
    nodes_overlap && !is_same_user(a, b) && !is_same_user(b, a)
}

/// Whether a rule gives each of its users a JID of his own: every wildcard is captured and every capture is used, once per part,
/// with text between them.
fn is_injective(rule: &AccountRule) -> bool {
    let wildcards = rule.sip.user_pieces().iter().chain(rule.sip.host_pieces());
    let all_used = wildcards.clone().all(|piece| match piece {
        Piece::Text(_) => true,
        Piece::Wild(None) => false,
        Piece::Wild(Some(name)) => rule.jid.names().any(|used| used == name),
    });
    let at_most_one = |pieces: &[Piece]| pieces.iter().filter(|p| matches!(p, Piece::Wild(_))).count() <= 1;
    all_used && rule.jid.node_pieces().is_none_or(at_most_one) && at_most_one(rule.jid.domain_pieces())
}

/// Whether the only user to whom `open` can give the JID of `one`, who is a single user, is that same user.
fn is_same_user(one: &AccountRule, open: &AccountRule) -> bool {
    if !one.sip.is_literal() || !is_injective(open) {
        return false;
    }
    let Ok(jid) = one.jid.expand(&Captures::default()) else {
        return false;
    };
    let mut captures = Captures::default();
    let node = jid.node().map(|node| node.as_str()).unwrap_or_default();
    let matched = match_pieces(open.jid.node_pieces().unwrap_or_default(), node, Side::User, &mut captures)
        .and_then(|()| match_pieces(open.jid.domain_pieces(), jid.domain().as_str(), Side::Host, &mut captures));
    if matched.is_none() {
        return false;
    }
    let fill = |pieces: &[Piece]| -> Option<String> {
        let mut filled = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Wild(name) => filled.push_str(&unescape_localpart(captures.get(name.as_deref()?)?.1)),
            }
        }
        Some(filled)
    };
    let (user, host) = (fill(open.sip.user_pieces()), fill(open.sip.host_pieces()));
    user.is_some() && user == fill(one.sip.user_pieces()) && host.is_some() && host == fill(one.sip.host_pieces())
}

/// Whether some text matches both.
fn overlap(a: &[Piece], b: &[Piece]) -> bool {
    let (a, b) = (symbols(a), symbols(b));
    // reachable[j]: the first i symbols of `a` and the first j of `b` can stand for the same text.
    let mut reachable = alloc::vec![false; b.len().saturating_add(1)];
    for i in 0..=a.len() {
        let previous = reachable.clone();
        for j in 0..=b.len() {
            let before = |k: usize| k.checked_sub(1);
            let up = i > 0 && previous.get(j).copied().unwrap_or(false);
            let left = before(j).and_then(|j| reachable.get(j)).copied().unwrap_or(false);
            let diagonal = i > 0 && before(j).and_then(|j| previous.get(j)).copied().unwrap_or(false);
            let (x, y) = (before(i).and_then(|i| a.get(i)), before(j).and_then(|j| b.get(j)));
            let here = match (x, y) {
                (None, None) => true,
                (Some(x), Some(y)) => {
                    let both = diagonal && (x.is_none() || y.is_none() || x == y);
                    // A wildcard that has begun goes on over what the other has next.
                    both || (up && y.is_none()) || (left && x.is_none())
                }
                _ => false,
            };
            if let Some(cell) = reachable.get_mut(j) {
                *cell = here;
            }
        }
    }
    reachable.last().copied().unwrap_or(false)
}

/// One entry for each character, and `None` for each wildcard.
fn symbols(pieces: &[Piece]) -> Vec<Option<char>> {
    let mut symbols = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => symbols.extend(text.chars().map(Some)),
            Piece::Wild(_) => symbols.push(None),
        }
    }
    symbols
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use super::*;

    fn rule(sip: &str, jid: &str) -> AccountRule {
        AccountRule { sip: Pattern::parse(sip).unwrap(), jid: Template::parse(jid).unwrap(), line: 7 }
    }

    fn find(aor: &str) -> Result<(usize, String), AccountError> {
        let rules = AccountRules::new(vec![
            rule("sip:romeo@example.org", "Romeo.Montague@example.net"),
            rule("sip:{user}@{host}.example.org", "{user}@{host}.example.net"),
            rule("sip:{user}@example.org", "{user}@phones.example.net"),
        ]);
        rules.find(&SipUri::parse(aor).unwrap()).map(|(index, jid)| (index, jid.to_string()))
    }

    #[test]
    fn each_caller_has_the_account_of_the_first_rule_that_matches() {
        assert_eq!(find("sip:romeo@example.org").unwrap(), (0, "romeo.montague@example.net".into()));
        assert_eq!(find("sips:%72omeo@EXAMPLE.org").unwrap(), (0, "romeo.montague@example.net".into()));
        assert_eq!(find("sip:juliet@sub.example.org").unwrap(), (1, "juliet@sub.example.net".into()));
        assert_eq!(find("sip:o'malley@example.org").unwrap(), (2, "o\\27malley@phones.example.net".into()));
        assert_eq!(find("sip:romeo@example.com"), Err(AccountError::NoRule));
        assert_eq!(find("sip:example.org"), Err(AccountError::NoRule));
    }

    #[test]
    fn a_caller_whom_xmpp_would_take_for_another_has_no_account() {
        // ADDR-06: SIP user parts are case-sensitive, localparts are not.
        assert_eq!(find("sip:Romeo@example.org"), Err(AccountError::NotCanonical { user: "Romeo".into(), line: 7 }));
        assert!(matches!(find("sip:r%C3%96meo@example.org"), Err(AccountError::NotCanonical { .. })));
        assert!(matches!(find("sip:a%00b@example.org"), Err(AccountError::NotAJid { .. })));
        assert!(matches!(find("sip:a%20@example.org"), Err(AccountError::NotAJid { .. })));
    }

    #[test]
    fn rules_that_can_give_one_jid_to_two_users_are_found() {
        let collide = |a: (&str, &str), b: (&str, &str)| may_collide(&rule(a.0, a.1), &rule(b.0, b.1));
        let all = ("sip:{user}@example.org", "{user}@example.net");
        assert!(!collide(("sip:romeo@example.org", "romeo@example.net"), all), "the same user");
        assert!(!collide(all, ("sip:romeo@example.org", "romeo@example.net")), "the same user");
        assert!(!collide(("sip:o'malley@example.org", "o\\27malley@example.net"), all), "the same user, escaped");
        assert!(collide(("sip:romeo@example.org", "juliet@example.net"), all), "juliet has it too");
        assert!(collide(("sip:romeo@example.com", "romeo@example.net"), all), "another host");
        assert!(!collide(("sip:romeo@example.org", "romeo@other.net"), all));
        assert!(!collide(("sip:romeo@example.org", "a@h"), ("sip:juliet@example.org", "b@h")));
        assert!(collide(("sip:romeo@example.org", "a@h"), ("sip:juliet@example.org", "a@h")));
        assert!(collide(all, ("sip:{user}@example.com", "{user}@example.net")));
        assert!(!collide(("sip:{user}@example.com", "a-{user}@h"), ("sip:{user}@example.net", "b-{user}@h")));
        assert!(collide(("sip:{user}@example.com", "a-{user}@h"), ("sip:{user}@example.net", "{user}-b@h")));
        assert!(!collide(("sip:a@x", "h"), ("sip:{user}@x", "{user}@h")), "one has no localpart");
    }

    #[test]
    fn a_rule_that_gives_all_its_users_one_jid_collides_with_itself() {
        let alone = |sip, jid| may_collide(&rule(sip, jid), &rule(sip, jid));
        assert!(!alone("sip:{user}@example.org", "{user}@example.net"));
        assert!(!alone("sip:romeo@example.org", "romeo@example.net"));
        assert!(!alone("sip:{user}@{host}.org", "{user}@{host}.example.net"));
        assert!(alone("sip:{user}@*", "{user}@example.net"));
        assert!(alone("sip:*@example.org", "shared@example.net"));
        assert!(alone("sip:{a}-{b}@example.org", "{b}@example.net"));
        assert!(alone("sip:{user}@{host}", "{user}-{host}@example.net"), "a-b and c, a and b-c");
    }
}
