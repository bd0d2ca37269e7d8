//! Room rules: SIP room URI to MUC. They fold, for a room has one name.

use alloc::string::String;
use alloc::vec::Vec;

use jid::BareJid;

use crate::address::domain;
use crate::address::pattern::{Captures, Folding, Pattern, fold};
use crate::address::sip_uri::SipUri;
use crate::address::template::{NicknameTemplate, Template};
use crate::stanza::Password;

/// One `[[rooms]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRule {
    /// Its name in logs and metrics.
    pub name: String,
    /// Which URIs are rooms. No `*` in its user part, which is the configuration's to check.
    pub sip: Pattern,
    /// The MUC of each.
    pub muc: Template,
    /// Who may call; matched against the verified identity. Nobody when empty.
    pub allow: Vec<Pattern>,
    /// Whether a SIP user may bring a MUC into being.
    pub create: bool,
    /// How those are called who have not chosen a nickname.
    pub nickname: NicknameTemplate,
    /// The MUC's password.
    pub password: Option<Password>,
    /// How many earlier messages are shown on joining.
    pub history: u32,
    /// Whether private messages are carried.
    pub private_messages: bool,
    /// Whether MSRP without TLS is refused (SW-37).
    pub tls_only: bool,
    /// Whether what became of those is told across.
    pub receipts: bool,
    /// Whether subscribers are told the whole roster each time (CI-08).
    pub whole_roster: bool,
}

/// All room rules, in their order: the first match wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomRules {
    rules: Vec<RoomRule>,
    domains: Vec<String>,
    alias_hosts: Vec<String>,
}

/// The room that a URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMatch {
    /// Which rule it was, counted from 0.
    pub rule: usize,
    /// The name of the rule.
    pub name: String,
    /// The MUC.
    pub muc: BareJid,
    /// The canonical URI: what we write wherever we name the room.
    pub uri: SipUri,
    /// Whether a SIP user may bring it into being.
    pub create: bool,
    /// How those are called who have not chosen a nickname.
    pub nickname: NicknameTemplate,
    /// The MUC's password.
    pub password: Option<Password>,
    /// How many earlier messages are shown on joining.
    pub history: u32,
    /// Whether private messages are carried.
    pub private_messages: bool,
    /// Whether MSRP without TLS is refused (SW-37).
    pub tls_only: bool,
    /// Whether what became of those is told across.
    pub receipts: bool,
    /// Whether subscribers are told the whole roster each time (CI-08).
    pub whole_roster: bool,
    /// Whether a factory made it for this caller, with whom it ends (CF-05).
    pub ad_hoc: bool,
}

impl RoomRules {
    /// The rules, and the hosts of room URIs (`sip.domains`), the first of which stands in canonical URIs.
    #[must_use]
    pub fn new(rules: Vec<RoomRule>, domains: Vec<String>) -> Self {
        Self { rules, domains: domains.iter().map(|host| fold_host(host)).collect(), alias_hosts: Vec::new() }
    }

    /// Adds hosts under which callers know this node itself, such as that of our Contact; each is as good as the first of the
    /// domains.
    #[must_use]
    pub fn with_alias_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.alias_hosts.extend(hosts.into_iter().map(|host| fold_host(&host)));
        self
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[RoomRule] {
        &self.rules
    }

    pub(super) fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Whether `host` is one whose URIs may be rooms.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        self.domain_of(&fold_host(host)).is_some()
    }

    /// The room that `uri` names. Port, parameters and headers are ignored, `gr` too: ask [`SipUri::has_gr`] first where an
    /// occupant must not be taken for the room.
    #[must_use]
    pub fn find(&self, uri: &SipUri) -> Option<RoomMatch> {
        let host = self.domain_of(uri.host())?;
        let user = uri.user_decoded()?;
        let (index, rule, muc) = self.muc(&user, host)?;
        Some(RoomMatch {
            rule: index,
            name: rule.name.clone(),
            uri: SipUri::new(Some(&fold(&user)), self.canonical_host(rule, &user, host, &muc)).ok()?,
            muc,
            create: rule.create,
            nickname: rule.nickname.clone(),
            password: rule.password.clone(),
            history: rule.history,
            private_messages: rule.private_messages,
            tls_only: rule.tls_only,
            receipts: rule.receipts,
            whole_roster: rule.whole_roster,
            ad_hoc: false,
        })
    }

    /// Whether rule number `rule` lets `aor` in.
    #[must_use]
    pub fn allows(&self, rule: usize, aor: &SipUri) -> bool {
        let allow = self.rules.get(rule).map(|rule| rule.allow.as_slice()).unwrap_or_default();
        allow.iter().any(|pattern| pattern.matches(aor, Folding::Account).is_some())
    }

    /// Whether `uri`, in whatever spelling, names the room `room`, and not one of its occupants (GC-MSG-02).
    #[must_use]
    pub fn is_room_alias(&self, uri: &SipUri, room: &RoomMatch) -> bool {
        if uri.has_gr() {
            return false;
        }
        let is_contact = self.alias_hosts.iter().any(|host| host == uri.host())
            && uri.user_decoded().map(|user| fold(&user)).as_deref() == room.uri.user_decoded().as_deref();
        // Of who came in by rules that have changed since: the name that we gave him goes on being right.
        // Who had a room made may go on naming what he dialled.
        let is_factory = room.ad_hoc && self.factory(uri).is_some();
        is_contact || is_factory || uri.same_aor(&room.uri) || self.find(uri).is_some_and(|found| found.muc == room.muc)
    }

    /// The first rule for `user` at one of the domains, its number, and the MUC that it gives.
    fn muc(&self, user: &str, host: &str) -> Option<(usize, &RoomRule, BareJid)> {
        let (index, rule, captures) = self.rule_at(user, host)?;
        Some((index, rule, rule.muc.expand(&captures).ok()?))
    }

    fn rule_at(&self, user: &str, host: &str) -> Option<(usize, &RoomRule, Captures)> {
        self.rules
            .iter()
            .enumerate()
            .find_map(|(index, rule)| Some((index, rule, rule.sip.matches_parts(user, host, Folding::Room)?)))
    }

    /// The rule that `uri` falls under, its number, and what it captures.
    pub(super) fn rule_for(&self, uri: &SipUri) -> Option<(usize, &RoomRule, Captures)> {
        self.rule_at(&uri.user_decoded()?, self.domain_of(uri.host())?)
    }

    /// In place of a captured host the first of the domains, or the first where `user` is the same room: at another one he may be
    /// another room, or none, and the name of a room must lead to it.
    fn canonical_host<'a>(&'a self, rule: &RoomRule, user: &str, host: &'a str, muc: &BareJid) -> &'a str {
        let is_same = |domain: &&String| self.muc(user, domain).is_some_and(|(.., there)| there == *muc);
        let first = rule.sip.has_open_host().then(|| self.domains.iter().find(is_same)).flatten();
        first.map_or(host, String::as_str)
    }

    /// The domain that `host` is, or stands for.
    fn domain_of(&self, host: &str) -> Option<&String> {
        match self.domains.iter().find(|domain| *domain == host) {
            None if self.alias_hosts.iter().any(|alias| alias == host) => self.domains.first(),
            found => found,
        }
    }
}

fn fold_host(host: &str) -> String {
    domain::host(host).unwrap_or_else(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use super::*;

    fn rule(sip: &str, muc: &str) -> RoomRule {
        RoomRule {
            name: sip.into(),
            sip: Pattern::parse(sip).unwrap(),
            muc: Template::parse(muc).unwrap(),
            allow: vec![Pattern::parse("sip:*@example.org").unwrap()],
            create: false,
            nickname: NicknameTemplate::default(),
            password: None,
            history: 20,
            private_messages: true,
            tls_only: false,
            receipts: true,
            whole_roster: false,
        }
    }

    fn rules() -> RoomRules {
        RoomRules::new(
            vec![
                rule("sip:Capulet@rooms.example.com", "verona@muc.example.net"),
                rule("sip:{room}@*", "{room}@muc.example.net"),
            ],
            vec!["Rooms.example.com".into(), "alias.example.com".into()],
        )
        .with_alias_hosts(["192.0.2.1".into(), "::1".into(), "focus1.example.com".into()])
    }

    fn uri(text: &str) -> SipUri {
        SipUri::parse(text).unwrap()
    }

    fn found(text: &str) -> Option<(usize, String, String)> {
        rules().find(&uri(text)).map(|room| (room.rule, room.muc.to_string(), room.uri.to_string()))
    }

    #[test]
    fn the_first_rule_wins_and_the_canonical_uri_is_folded() {
        // GC-JOIN-09, ADDR-06
        let capulet = Some((0, "verona@muc.example.net".into(), "sip:capulet@rooms.example.com".into()));
        assert_eq!(found("sip:capulet@rooms.example.com"), capulet);
        assert_eq!(found("sips:CAPULET@ROOMS.example.com:5061;transport=tcp?a=b"), capulet);
        let garden = Some((1, "garden@muc.example.net".into(), "sip:garden@rooms.example.com".into()));
        assert_eq!(found("sip:Garden@rooms.example.com"), garden);
        assert_eq!(found("sip:%67arden@alias.example.com"), garden);
        assert_eq!(found("sip:o'malley@rooms.example.com").unwrap().1, "o\\27malley@muc.example.net");
        assert_eq!(found("sip:b%20c@rooms.example.com").unwrap().2, "sip:b%20c@rooms.example.com");
    }

    #[test]
    fn the_name_of_a_room_leads_to_it_whatever_its_host_was_captured_as() {
        // GC-JOIN-09
        let domains = ["rooms.example.com", "a.example.org", "b.example.org"].map(ToString::to_string).to_vec();
        let rules = RoomRules::new(
            vec![
                rule("sip:{room}@*.example.org", "{room}@muc.example.net"),
                rule("sip:{room}@{host}", "{room}@{host}.example.net"),
            ],
            domains,
        );
        for (called, name) in [
            ("sip:garden@b.example.org", "sip:garden@a.example.org"),
            ("sip:garden@a.example.org", "sip:garden@a.example.org"),
            ("sip:garden@rooms.example.com", "sip:garden@rooms.example.com"),
        ] {
            let room = rules.find(&uri(called)).unwrap();
            assert_eq!(room.uri.to_string(), name, "{called}");
            assert_eq!(rules.find(&room.uri), Some(room), "{called}");
        }
        let own_muc = RoomRules::new(vec![rule("sip:{room}@{host}", "{room}@{host}")], rules.domains.clone());
        let room = own_muc.find(&uri("sip:garden@b.example.org")).unwrap();
        assert_eq!(room.uri.to_string(), "sip:garden@b.example.org", "at the first domain it is another MUC");
    }

    #[test]
    fn a_domain_is_one_in_the_letters_of_either_side() {
        // ADDR-07
        let rules = [
            rule("sip:{room}@r\u{e4}ume.b\u{fc}cher.example", "{room}@muc.b\u{fc}cher.example"),
            rule("sip:{room}@{host}.example", "{room}@muc.{host}.example"),
        ];
        let domains = ["r\u{e4}ume.B\u{dc}cher.example", "xn--bcher-kva.example"].map(ToString::to_string);
        let rules = RoomRules::new(rules.to_vec(), domains.to_vec());
        for uri in ["sip:a@xn--rume-loa.xn--bcher-kva.example", "sip:a@XN--bcher-kva.example"].map(uri) {
            let room = rules.find(&uri).unwrap();
            assert_eq!(room.muc.to_string(), "a@muc.b\u{fc}cher.example");
            assert!(room.uri.to_string().is_ascii() && rules.serves(uri.host()), "{}", room.uri);
        }
        assert!(rules.serves("b\u{fc}cher.example"));
        assert!(Pattern::parse("sip:{room}@b\u{fc}*.example").is_err(), "half a label is none");
    }

    #[test]
    fn hosts_that_are_not_ours_and_users_that_are_no_localpart_have_no_room() {
        assert_eq!(found("sip:capulet@evil.example"), None);
        assert_eq!(found("sip:rooms.example.com"), None);
        assert_eq!(found("sip:a%00b@rooms.example.com"), None);
        assert_eq!(found("sip:%ff@rooms.example.com"), None);
        assert!(rules().serves("ALIAS.example.com.") && rules().serves("[::1]") && !rules().serves("example.com"));
    }

    #[test]
    fn every_spelling_of_a_room_is_its_alias_and_an_occupant_is_not() {
        // GC-MSG-02, E-03
        let rules = rules();
        let room = rules.find(&uri("sip:capulet@rooms.example.com")).unwrap();
        for alias in [
            "sip:capulet@rooms.example.com;transport=tcp",
            "sip:Capulet@rooms.example.com:5060",
            "sip:capulet@focus1.example.com",
            "sip:capulet@192.0.2.1:5060",
            "sip:%63apulet@[0::1]",
            "sips:capulet@rooms.example.com",
        ] {
            assert!(rules.is_room_alias(&uri(alias), &room), "{alias}");
        }
        for other in [
            "sip:capulet@rooms.example.com;gr=JuliC",
            "sip:capulet@rooms.example.com;gr",
            "sip:capulet@rooms.example.com;%67r=JuliC",
            "sip:garden@rooms.example.com",
            "sip:capulet@evil.example",
            "sip:rooms.example.com",
            "sip:capulet%00@rooms.example.com",
        ] {
            assert!(!rules.is_room_alias(&uri(other), &room), "{other}");
        }
    }

    #[test]
    fn our_contact_is_an_alias_of_a_room_in_any_domain() {
        let rules = RoomRules::new(
            vec![rule("sip:capulet@second.example.com", "c@muc.example.net")],
            vec!["first.example.com".into(), "second.example.com".into()],
        )
        .with_alias_hosts(["focus1.example.com".into()]);
        let room = rules.find(&uri("sip:capulet@second.example.com")).unwrap();
        assert!(rules.is_room_alias(&uri("sip:capulet@focus1.example.com"), &room));
        assert!(!rules.is_room_alias(&uri("sip:capulet@first.example.com"), &room));
    }

    #[test]
    fn only_those_are_let_in_whom_a_pattern_names() {
        let rules = rules();
        assert!(rules.allows(0, &uri("sip:romeo@example.org")));
        assert!(!rules.allows(0, &uri("sip:romeo@example.net")));
        assert!(!rules.allows(7, &uri("sip:romeo@example.org")));
    }
}
