//! From a MUC to the SIP URI of its room: the rules, read the other way round. What is found is looked up again, so that no address
//! is ever given that leads elsewhere.

use alloc::borrow::Cow;
use alloc::string::String;

use jid::BareJid;

use super::room::{RoomMatch, RoomRules};
use crate::address::escape::unescape_localpart;
use crate::address::pattern::{Captures, Pattern, Piece, Side, match_pieces};
use crate::address::sip_uri::SipUri;
use crate::address::template::Template;

impl RoomRules {
    /// The room whose MUC is `muc`, under the address that the first rule gives it which leads there; none where no rule does.
    #[must_use]
    pub fn find_muc(&self, muc: &BareJid) -> Option<RoomMatch> {
        self.rules().iter().find_map(|rule| {
            let user = user_of(&rule.sip, &rule.muc, muc)?;
            let own = literal_host(&rule.sip);
            let hosts = own.iter().map(String::as_str).chain(self.domains().iter().map(String::as_str));
            let rooms = hosts.filter_map(|host| self.find(&SipUri::new(Some(&user), host).ok()?));
            rooms.into_iter().find(|room| room.muc == *muc)
        })
    }
}

/// The user part that `template` makes `muc` of, unescaped.
fn user_of(pattern: &Pattern, template: &Template, muc: &BareJid) -> Option<String> {
    let mut captures = Captures::default();
    let node = muc.node().map(|node| node.as_str()).unwrap_or_default();
    match_pieces(template.node_pieces().unwrap_or_default(), node, Side::User, &mut captures)?;
    match_pieces(template.domain_pieces(), muc.domain().as_str(), Side::Host, &mut captures)?;
    let mut user = String::new();
    for piece in pattern.user_pieces() {
        user.push_str(&match piece {
            Piece::Text(text) => Cow::Borrowed(text.as_str()),
            Piece::Wild(name) => match captures.get(name.as_deref()?)? {
                (Side::User, value) => unescape_localpart(value),
                (Side::Host, value) => Cow::Borrowed(value),
            },
        });
    }
    Some(user)
}

fn literal_host(pattern: &Pattern) -> Option<String> {
    match pattern.host_pieces() {
        [Piece::Text(host)] => Some(host.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::address::mapping::RoomRule;
    use crate::address::template::NicknameTemplate;

    fn rules(of: &[(&str, &str)]) -> RoomRules {
        let rule = |(sip, muc): &(&str, &str)| RoomRule {
            name: (*sip).into(),
            sip: Pattern::parse(sip).unwrap(),
            muc: Template::parse(muc).unwrap(),
            allow: Vec::new(),
            create: false,
            nickname: NicknameTemplate::default(),
            password: None,
            history: 20,
            private_messages: true,
            tls_only: false,
            receipts: true,
            whole_roster: false,
        };
        let domains = vec!["rooms.example.com".into(), "b.example.org".into()];
        RoomRules::new(of.iter().map(rule).collect(), domains)
    }

    fn address(rules: &RoomRules, muc: &str) -> Option<String> {
        rules.find_muc(&BareJid::new(muc).unwrap()).map(|room| room.uri.to_string())
    }

    #[test]
    fn a_muc_has_the_address_that_leads_to_it() {
        // XM-12, FT-12
        let rules = rules(&[
            ("sip:Capulet@rooms.example.com", "verona@muc.example.net"),
            ("sip:team-{x}@b.example.org", "{x}-team@muc.example.net"),
            ("sip:{room}@{host}", "{room}@{host}.example.net"),
            ("sip:{room}@*", "{room}@muc.example.net"),
        ]);
        for (muc, uri) in [
            ("verona@muc.example.net", "sip:capulet@rooms.example.com"),
            ("red-team@muc.example.net", "sip:team-red@b.example.org"),
            ("garden@b.example.org.example.net", "sip:garden@b.example.org"),
        ] {
            assert_eq!(address(&rules, muc).as_deref(), Some(uri), "{muc}");
        }
        // The fourth rule would, and never comes into play.
        assert_eq!(address(&rules, "garden@muc.example.net"), None);
        assert_eq!(address(&rules, "garden@elsewhere.example"), None);
    }

    #[test]
    fn what_is_escaped_in_a_jid_is_not_in_a_uri() {
        let rules = rules(&[("sip:{room}@rooms.example.com", "{room}@muc.example.net")]);
        let uri = address(&rules, "o\\27malley\\20s@muc.example.net").unwrap();
        assert_eq!(uri, "sip:o'malley%20s@rooms.example.com");
        assert_eq!(address(&rules, "muc.example.net"), None);
    }
}
