//! Digest (RFC 7616, RFC 8760, RFC 3261 §22): challenges, and what is made of the answers.
//!
//! Owns nonces, their uses, and who has which password. Knows nothing of sockets, limits and responses.

mod credentials;
mod hash;
mod nonce;
mod replay;
mod users;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use mucfocus_core::address::sip_uri::SipUri;
use rand::Rng as _;

pub(super) use self::nonce::Holder;
use self::users::Users;
use super::settings::{Algorithm, Digest, NonceKey, Settings};

/// Authorization fields of one request that are looked at: it may carry credentials for proxies of other realms, too.
const MAX_FIELDS: usize = 8;

/// Characters of a user name in the log.
const MAX_CLAIMED: usize = 64;

/// Why a request is not its user's. What the client hears is the same for all of them, but for `stale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// Nothing that is asked for credentials, or that could be answered with them.
    #[error("nobody vouches for it")]
    Stranger,
    /// There are none for our realm: so begins every login.
    #[error("no credentials")]
    Absent,
    /// The field cannot be read, or lacks a parameter.
    #[error("malformed credentials")]
    Malformed,
    /// It was not offered.
    #[error("an algorithm that was not offered")]
    Algorithm,
    /// Without `auth` a response is good for ever.
    #[error("no qop, or another one than auth")]
    Qop,
    /// They are for another request.
    #[error("credentials for another URI")]
    Uri,
    /// No such user, or another password: nobody is to know which.
    #[error("wrong user name or password")]
    Wrong,
    /// The nonce is too old, or somebody else's, or from before a restart.
    #[error("a stale nonce")]
    Stale,
    /// The nonce was used that often already.
    #[error("a nonce count that was used before")]
    Replayed,
}

impl Denied {
    /// Whether the client may try again with what it has, without asking its user (RFC 7616 §3.3).
    fn is_stale(self) -> bool {
        matches!(self, Self::Stale | Self::Replayed)
    }

    /// Whether somebody may be guessing passwords.
    pub(super) fn is_failed_login(self) -> bool {
        self == Self::Wrong
    }

    /// Whether a client that means well gets this, too, and answers the challenge.
    pub(super) fn is_ordinary(self) -> bool {
        matches!(self, Self::Absent | Self::Stale)
    }

    /// For metrics; a closed set.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Stranger => "untrusted",
            Self::Absent => "challenged",
            Self::Malformed => "credentials",
            Self::Algorithm => "digest_algorithm",
            Self::Qop => "digest_qop",
            Self::Uri => "digest_uri",
            Self::Wrong => "failed_login",
            Self::Stale => "stale_nonce",
            Self::Replayed => "replayed_nonce",
        }
    }
}

/// The parts of a request that its credentials are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) method: &'a str,
    /// As the peer wrote it.
    pub(super) request_uri: &'a str,
    /// Its Authorization fields.
    pub(super) authorization: &'a [&'a str],
    /// What tells this request from every other: its topmost Via, Call-ID and CSeq.
    pub(super) identifying: [Option<&'a str>; 3],
}

/// Challenges, and judges what comes back.
#[derive(Debug)]
pub(super) struct Authenticator {
    realm: String,
    algorithms: Vec<Algorithm>,
    key: NonceKey,
    users: Users,
    uses: Arc<Mutex<replay::Uses>>,
    fingerprints: RandomState,
    /// Hosts by which a client may call this node in place of the Request-URI, lower case.
    own_hosts: Vec<String>,
    /// Whether any address may be ours.
    has_all_addresses: bool,
}

impl Authenticator {
    pub(super) fn new(digest: &Digest, settings: &Settings) -> Self {
        let listen = settings.listen.iter().map(|l| crate::sockets::literal(l.address.ip()));
        let advertised = settings.advertise.iter().map(|(host, _)| host.to_ascii_lowercase());
        Self {
            realm: digest.realm.clone(),
            algorithms: digest.algorithms.clone(),
            key: digest.nonce_key.clone(),
            users: Users::new(digest.users.clone()),
            uses: Arc::new(Mutex::new(replay::Uses::new(time_of_day()))),
            fingerprints: RandomState::new(),
            has_all_addresses: settings.listen.iter().any(|l| l.address.ip().is_unspecified()),
            own_hosts: settings.domains.iter().cloned().chain(advertised).chain(listen).collect(),
        }
    }

    /// Goes on where another has been: with its key, and with what it knows of nonces that were used.
    pub(super) fn remember(&mut self, other: &Self) {
        self.key = other.key.clone();
        self.uses = Arc::clone(&other.uses);
        self.fingerprints = other.fingerprints.clone();
    }

    /// Values of WWW-Authenticate, one for each algorithm in the order of preference (RFC 8760 §2.4).
    pub(super) fn challenges(&self, holder: Holder, why: Denied) -> Vec<String> {
        let nonce = nonce::make(&self.key, holder, time_of_day(), rand::rng().random());
        let stale = if why.is_stale() { ", stale=true" } else { "" };
        let realm = super::reply::quotable(&self.realm);
        let challenge = |algorithm: &Algorithm| {
            let algorithm = credentials::name_of(*algorithm);
            format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{stale}"#)
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Whose request this is. Asked twice about the same request it says the same.
    pub(super) fn verify(&self, request: &Presented<'_>, holder: Holder) -> Result<SipUri, Denied> {
        let mut found = Err(Denied::Absent);
        for field in request.authorization.iter().take(MAX_FIELDS) {
            let Some(parameters) = credentials::parameters(field)? else { continue };
            if parameters.get("realm") != Some(self.realm.as_str()) {
                continue;
            }
            // Of several for one realm (RFC 8760 §2.6 asks for one) any may be the right one.
            found = parameters.credentials().and_then(|credentials| self.check(request, &credentials, holder));
            if found.is_ok() {
                break;
            }
        }
        found
    }

    /// Who the credentials for our realm say that they are of, for the log: one line of 64 characters at most.
    pub(super) fn claimed(&self, authorization: &[&str]) -> Option<String> {
        let fields = authorization.iter().take(MAX_FIELDS);
        let ours = fields.filter_map(|field| credentials::parameters(field).ok().flatten());
        let ours = ours.filter(|parameters| parameters.get("realm") == Some(self.realm.as_str()));
        let name = ours.filter_map(|parameters| parameters.get("username").map(str::to_owned)).next()?;
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        Some(name.chars().take(MAX_CLAIMED).map(shown).collect())
    }

    fn check(
        &self,
        request: &Presented<'_>,
        credentials: &credentials::Credentials,
        holder: Holder,
    ) -> Result<SipUri, Denied> {
        if !self.algorithms.contains(&credentials.algorithm) {
            return Err(Denied::Algorithm);
        }
        if !self.is_about(&credentials.uri, request.request_uri) {
            return Err(Denied::Uri);
        }
        // Of a nonce that is not ours the response is not even looked at: whoever guesses has to use what we count.
        let nonce = nonce::open(&self.key, holder, &credentials.nonce).ok_or(Denied::Stale)?;
        let (user, password) = self.users.find(&credentials.username);
        let input = hash::Input {
            username: &credentials.username,
            realm: &credentials.realm,
            method: request.method,
            uri: &credentials.uri,
            nonce: &credentials.nonce,
            nc: &credentials.nc,
            cnonce: &credentials.cnonce,
        };
        let is_right = hash::is_right(credentials.algorithm, &input, password, &credentials.response);
        let user = user.filter(|_| is_right).ok_or(Denied::Wrong)?;
        let fingerprint = self.fingerprints.hash_one((request.method, request.identifying, &credentials.response));
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.note(nonce, credentials.count, fingerprint, (time_of_day(), Instant::now()))?;
        Ok(user.clone())
    }

    /// Whether the `uri` of credentials is that of the request: the same, or its host, or this node without a user, for what
    /// clients write who know only where they send (RFC 7616 §3.4.6).
    fn is_about(&self, uri: &str, request_uri: &str) -> bool {
        if uri == request_uri {
            return true;
        }
        let has_scheme = uri.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("sip:"))
            || uri.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("sips:"));
        let uri = if has_scheme { SipUri::parse(uri) } else { SipUri::parse(&format!("sip:{uri}")) };
        let (Ok(uri), Ok(request)) = (uri, SipUri::parse(request_uri)) else { return false };
        match uri.user() {
            Some(_) => uri.same_aor(&request),
            None => uri.host() == request.host() || self.is_own(uri.host()),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        let is_address = || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        self.own_hosts.iter().any(|own| own == host) || (self.has_all_addresses && is_address())
    }
}

/// Milliseconds since 1970: nodes with one key have to agree on it.
fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
