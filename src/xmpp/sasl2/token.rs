//! The tokens that servers give for the next login (XEP-0484), and how one is shown. They live in memory alone, and as long as
//! this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mucfocus_core::room::io::AccountKey;
use mucfocus_core::xmpp_stream::sasl2::Given;
use ring::hmac;
use sasl::client::{Mechanism, MechanismError};
use sasl::common::Credentials;
use secrecy::{ExposeSecret as _, SecretString};
use xmpp_parsers::date::DateTime;

/// The mechanism of all tokens (draft-schmaus-kitten-sasl-ht).
pub(in crate::xmpp) const MECHANISM: &str = "HT-SHA-256-NONE";
/// Tokens that are kept; more than there are streams. Who has none logs in with his password.
const MAX_TOKENS: usize = 32_768;

/// The tokens of all accounts.
#[derive(Default)]
pub(in crate::xmpp) struct Tokens(Mutex<BTreeMap<AccountKey, Token>>);

struct Token {
    secret: SecretString,
    /// In seconds since 1970; `None` if nobody knows.
    expiry: Option<i64>,
}

impl Tokens {
    /// A token for the next login comes in place of the one before it.
    pub(in crate::xmpp) fn keep(&self, account: &AccountKey, given: Given) {
        let expiry = given.expiry.parse::<DateTime>().ok().map(|at| at.0.timestamp());
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MAX_TOKENS && !tokens.contains_key(account) {
            tokens.pop_first();
        }
        tokens.insert(account.clone(), Token { secret: given.token.into(), expiry });
    }

    /// The token of `account` that is good at `now`.
    pub(in crate::xmpp) fn of(&self, account: &AccountKey, now: SystemTime) -> Option<SecretString> {
        let now = now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok())?;
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(account).filter(|token| token.expiry.is_none_or(|expiry| now < expiry))?;
        Some(token.secret.clone())
    }

    /// It is not taken any more.
    pub(in crate::xmpp) fn forget(&self, account: &AccountKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }
}

/// HT-SHA-256-NONE.
pub(super) struct HashedToken {
    user: String,
    key: hmac::Key,
}

impl HashedToken {
    #[allow(clippy::needless_pass_by_value, reason = "a secret that is not left behind")]
    pub(super) fn new(user: &str, token: SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose_secret().as_bytes());
        Self { user: user.to_owned(), key }
    }
}

impl Mechanism for HashedToken {
    fn name(&self) -> &str {
        MECHANISM
    }

    fn from_credentials(_: Credentials) -> Result<Self, MechanismError> {
        Err(MechanismError::InvalidState) // a token is none
    }

    fn initial(&mut self) -> Vec<u8> {
        [self.user.as_bytes(), b"\0", hmac::sign(&self.key, b"Initiator").as_ref()].concat()
    }

    fn response(&mut self, _: &[u8]) -> Result<Vec<u8>, MechanismError> {
        Err(MechanismError::InvalidState) // there is one round trip
    }

    fn success(&mut self, proof: &[u8]) -> Result<(), MechanismError> {
        let proven = hmac::verify(&self.key, b"Responder", proof);
        proven.map_err(|_| MechanismError::InvalidSignatureInSuccessResponse)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jid::BareJid;

    use super::*;

    fn key(user: &str) -> AccountKey {
        AccountKey::named(&BareJid::new(&format!("{user}@xmpp.test")).expect("a JID"))
    }

    fn given(token: &str, expiry: &str) -> Given {
        Given { token: token.to_owned(), expiry: expiry.to_owned() }
    }

    /// Against: printf Initiator | openssl dgst -sha256 -hmac secret-token:fast-1
    #[test]
    fn a_token_is_shown_by_what_only_its_owner_computes() {
        let mut mechanism = HashedToken::new("romeo", "secret-token:fast-1".to_owned().into());
        let initial = mechanism.initial();
        let (user, mac) = initial.split_at(6);
        assert_eq!(user, b"romeo\0");
        let hex: String = mac.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, "e66a8ce321715b507d13b3b914b3d2883dd71f6cbe9190577080f3cbd35a77d7");
        let proof = hmac::sign(&mechanism.key, b"Responder");
        assert_eq!(mechanism.success(proof.as_ref()), Ok(()));
        mechanism.success(mac).expect_err("the words of who asks");
        mechanism.success(b"").expect_err("no proof");
    }

    #[test]
    fn the_last_token_of_an_account_is_good_until_it_expires_or_is_refused() {
        let (tokens, day) = (Tokens::default(), Duration::from_secs(24 * 60 * 60));
        let now = UNIX_EPOCH + 20_000 * day;
        tokens.keep(&key("romeo"), given("one", "2024-10-05T00:00:00Z"));
        tokens.keep(&key("romeo"), given("two", "2024-10-05T00:00:00.5Z"));
        tokens.keep(&key("juliet"), given("hers", "soon"));
        let shown = |user: &str, at| tokens.of(&key(user), at).map(|token| token.expose_secret().to_owned());
        assert_eq!(shown("romeo", now).as_deref(), Some("two"));
        assert_eq!(shown("romeo", now + 2 * day), None, "expired");
        assert_eq!(shown("juliet", now + 2 * day).as_deref(), Some("hers"), "nobody knows when");
        tokens.forget(&key("romeo"));
        assert_eq!((shown("romeo", now), shown("nurse", now)), (None, None));
    }

    #[test]
    fn tokens_do_not_grow_without_end() {
        let tokens = Tokens::default();
        for user in 0..MAX_TOKENS + 10 {
            tokens.keep(&key(&user.to_string()), given("t", ""));
        }
        assert_eq!(tokens.0.lock().expect("sound").len(), MAX_TOKENS);
    }
}
