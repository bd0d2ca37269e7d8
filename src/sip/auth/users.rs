//! By which names users log in: `romeo`, and `romeo@example.org` where two share a user part. Pure.

use std::collections::HashMap;

use mucfocus_core::address::sip_uri::SipUri;
use secrecy::{ExposeSecret as _, SecretString};

use crate::sip::settings::DigestUser;

/// Everybody who has a password.
#[derive(Debug)]
pub(super) struct Users {
    users: Vec<DigestUser>,
    /// By user part and host.
    whole: HashMap<String, usize>,
    /// By user part; `None` where several have it.
    short: HashMap<String, Option<usize>>,
    /// The password of nobody, so that an unknown name takes as long as a known one.
    nobody: SecretString,
}

impl Users {
    pub(super) fn new(users: Vec<DigestUser>) -> Self {
        let (mut whole, mut short) = (HashMap::new(), HashMap::new());
        for (index, user) in users.iter().enumerate() {
            let Some(name) = user.aor.user_decoded() else { continue };
            whole.insert(format!("{name}@{}", user.aor.host()), index);
            short.entry(name.into_owned()).and_modify(|known| *known = None).or_insert(Some(index));
        }
        let nobody = SecretString::from(crate::sip::shared::random_token());
        Self { users, whole, short, nobody }
    }

    /// The user of that name, if there is one, and a password in any case.
    pub(super) fn find(&self, name: &str) -> (Option<&SipUri>, &str) {
        let folded = name.rsplit_once('@').map(|(user, host)| format!("{user}@{}", host.to_ascii_lowercase()));
        let whole = folded.and_then(|name| self.whole.get(&name).copied());
        let short = self.short.get(name).copied().flatten();
        let user = whole.or(short).and_then(|index| self.users.get(index));
        let password = user.map_or(&self.nobody, |user| &user.password).expose_secret();
        (user.map(|user| &user.aor), password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_part_is_enough_where_nobody_shares_it() {
        let all = [("sip:romeo@example.org", "r"), ("sip:nurse@example.org", "n1"), ("sip:nurse@verona.example", "n2")];
        let user = |(aor, password): (&str, &str)| DigestUser {
            aor: SipUri::parse(aor).unwrap(),
            password: SecretString::from(password.to_owned()),
        };
        let users = Users::new(all.into_iter().map(user).collect());
        let who = |name: &str| users.find(name).0.map(ToString::to_string).unwrap_or_default();
        assert_eq!(who("romeo"), "sip:romeo@example.org");
        assert_eq!(who("romeo@Example.ORG"), "sip:romeo@example.org");
        assert_eq!(who("nurse@verona.example"), "sip:nurse@verona.example");
        assert_eq!(users.find("nurse@verona.example").1, "n2");
        for nobody in ["nurse", "Romeo", "romeo@verona.example", "", "@", "tybalt"] {
            assert_eq!(who(nobody), "", "{nobody}");
            assert!(!["r", "n1", "n2", ""].contains(&users.find(nobody).1));
        }
    }
}
