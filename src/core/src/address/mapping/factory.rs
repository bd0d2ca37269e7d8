//! Factories: addresses that make a room for whoever dials them (RFC 4579 §5.4; CF-04).
//!
//! A rule is one when its MUC has a `{token}` that its address does not capture. The room that it makes is reached by the address that
//! another rule gives it, as any other room is.

use super::room::{RoomMatch, RoomRule, RoomRules};
use crate::address::pattern::Side;
use crate::address::sip_uri::SipUri;

/// The placeholder that stands for what makes a room a new one.
pub const TOKEN: &str = "token";

impl RoomRule {
    /// Whether it makes rooms.
    #[must_use]
    pub fn is_factory(&self) -> bool {
        self.muc.names().any(|name| name == TOKEN) && !self.sip.captures().any(|name| name == TOKEN)
    }
}

impl RoomRules {
    /// The number of the factory that `uri` names, for [`RoomRules::allows`].
    #[must_use]
    pub fn factory(&self, uri: &SipUri) -> Option<usize> {
        self.rule_for(uri).filter(|(_, rule, _)| rule.is_factory()).map(|(index, ..)| index)
    }

    /// The room that the factory `uri` makes of `token`; none where no rule gives it an address.
    #[must_use]
    pub fn make(&self, uri: &SipUri, token: &str) -> Option<RoomMatch> {
        let (_, rule, mut captures) = self.rule_for(uri).filter(|(_, rule, _)| rule.is_factory())?;
        captures.push(TOKEN, Side::User, token);
        let room = self.find_muc(&rule.muc.expand(&captures).ok()?)?;
        Some(RoomMatch { create: true, ad_hoc: true, ..room })
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use super::*;
    use crate::address::pattern::Pattern;
    use crate::address::template::{NicknameTemplate, Template};

    fn rule(sip: &str, muc: &str, allow: &str) -> RoomRule {
        RoomRule {
            name: sip.into(),
            sip: Pattern::parse(sip).unwrap(),
            muc: Template::parse(muc).unwrap(),
            allow: vec![Pattern::parse(allow).unwrap()],
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

    #[test]
    fn a_factory_makes_rooms_that_others_can_dial_and_is_none_itself() {
        // CF-04
        let rules = RoomRules::new(
            vec![
                rule("sip:{kind}-factory@rooms.example.com", "{kind}-{token}@muc.example.net", "sip:*@example.org"),
                rule("sip:lost@rooms.example.com", "{token}@elsewhere.example", "sip:*@*"),
                rule("sip:{room}@rooms.example.com", "{room}@muc.example.net", "sip:*@*"),
            ],
            vec!["rooms.example.com".into()],
        );
        let uri = |text: &str| SipUri::parse(text).unwrap();
        let factory = uri("sip:Quick-factory@rooms.example.com");
        assert_eq!((rules.factory(&factory), rules.find(&factory)), (Some(0), None));
        let room = rules.make(&factory, "a1b2").unwrap();
        assert_eq!(room.uri.to_string(), "sip:quick-a1b2@rooms.example.com");
        assert_eq!(room.muc.to_string(), "quick-a1b2@muc.example.net");
        assert!(room.create && room.ad_hoc);
        let dialled = rules.find(&room.uri).unwrap();
        assert_eq!(dialled, RoomMatch { create: false, ad_hoc: false, ..room });
        assert_eq!(rules.make(&uri("sip:lost@rooms.example.com"), "a1b2"), None, "nobody could dial it");
        let room = uri("sip:garden@rooms.example.com");
        assert_eq!((rules.factory(&room), rules.make(&room, "a1b2")), (None, None));
    }
}
