//! Digest as the one who is asked has it (RFC 7616, RFC 8760, RFC 3261 §22): reads a challenge, answers it, and goes on answering
//! with the same nonce. Owns the password; nothing of it is ever shown.

use std::sync::atomic::{AtomicU32, Ordering};

use md5::Digest as _;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Digest as _;

use super::head::split_outside_quotes;

/// The hash of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// H of RFC 7616 §3.4, in lower-case hexadecimal.
    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&md5::Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&sha2::Sha256::digest(text.as_bytes())),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Challenge {
    by_proxy: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<Algorithm>,
    qop: bool,
    stale: bool,
}

impl Challenge {
    /// The first challenge of a 401 or 407 that we know how to answer: they stand in the order of preference (RFC 8760 §2.4).
    fn read<'a>(code: u16, fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        fields.flat_map(challenges).find_map(|parameters| Self::of(&parameters, code == 407))
    }

    fn of(parameters: &[(&str, String)], by_proxy: bool) -> Option<Self> {
        let get = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        let algorithm = match get("algorithm") {
            Some(name) => Some(Algorithm::parse(&name)?),
            None => None,
        };
        let qop = match get("qop") {
            Some(list) if list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
            None => false,
        };
        let stale = get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        Some(Self {
            by_proxy,
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            qop,
            stale,
        })
    }
}

/// The Digest challenges of one field, each with its parameters.
fn challenges(field: &str) -> Vec<Vec<(&str, String)>> {
    let mut all: Vec<Option<Vec<(&str, String)>>> = Vec::new();
    for piece in split_outside_quotes(field, ',') {
        let (first, _) = piece.split_once('=').unwrap_or((piece, ""));
        let piece = match first.split_once([' ', '\t']) {
            Some((scheme, _)) => {
                all.push(scheme.eq_ignore_ascii_case("digest").then(Vec::new));
                piece.strip_prefix(scheme).unwrap_or_default()
            }
            None => piece,
        };
        if let (Some(Some(parameters)), Some((name, value))) = (all.last_mut(), piece.split_once('=')) {
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            parameters.push((name.trim(), quoted.map_or_else(|| value.to_owned(), unescape)));
        }
    }
    all.into_iter().flatten().collect()
}

/// The text of a quoted string (RFC 3261 §25.1), without its quotes.
fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// The field that challenges come in, by the code of their response.
pub(crate) const fn challenging_field(code: u16) -> &'static str {
    if code == 407 { "proxy-authenticate" } else { "www-authenticate" }
}

/// Who we can show to be, and the challenge in force.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// The user part of the caller, and nothing else: each name that is tried is a failed login where the password is wrong.
    name: String,
    password: SecretString,
    challenge: Option<Challenge>,
    /// Requests with this nonce so far.
    count: AtomicU32,
}

impl Credentials {
    pub(crate) fn new(user: &str, password: SecretString) -> Self {
        Self { name: user.to_owned(), password, challenge: None, count: AtomicU32::new(0) }
    }

    /// Takes a 401 or 407 to a request that was `authorized` before or not, with its [`challenging_field`]s. Whether it is worth asking again: with an answer
    /// where there was none, or when only the nonce was too old. A wrong password costs one failed login.
    pub(crate) fn challenged<'a>(
        &mut self,
        code: u16,
        fields: impl Iterator<Item = &'a str>,
        authorized: bool,
    ) -> bool {
        let Some(challenge) = Challenge::read(code, fields) else { return false };
        if authorized && !challenge.stale {
            return false;
        }
        self.count.store(0, Ordering::Relaxed);
        self.challenge = Some(challenge);
        true
    }

    /// The name that the password is for.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether requests are answers to a challenge by now.
    pub(crate) const fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// The field that answers the challenge in force, for this request; `None` before there was one.
    pub(crate) fn answer(&self, method: &str, uri: &str) -> Option<(&'static str, String)> {
        let client_nonce = format!("{:032x}", rand::rng().random::<u128>());
        self.answer_with(method, uri, &client_nonce)
    }

    fn answer_with(&self, method: &str, uri: &str, client_nonce: &str) -> Option<(&'static str, String)> {
        let challenge = self.challenge.as_ref()?;
        let Challenge { realm, nonce, .. } = challenge;
        let name = &self.name;
        let hash = |text: &str| challenge.algorithm.unwrap_or(Algorithm::Md5).hash(text);
        let secret = hash(&format!("{name}:{realm}:{}", self.password.expose_secret()));
        let request = hash(&format!("{method}:{uri}"));
        let quote = mucfocus_core::address::name_addr::quote;
        let mut field =
            format!("Digest username={}, realm={}, nonce={}, uri=\"{uri}\"", quote(name), quote(realm), quote(nonce));
        let response = if challenge.qop {
            let count = self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let count = format!("{count:08x}");
            field.push_str(&format!(", qop=auth, nc={count}, cnonce=\"{client_nonce}\""));
            hash(&format!("{secret}:{nonce}:{count}:{client_nonce}:auth:{request}"))
        } else {
            hash(&format!("{secret}:{nonce}:{request}"))
        };
        field.push_str(&format!(", response=\"{response}\""));
        if let Some(algorithm) = challenge.algorithm {
            field.push_str(&format!(", algorithm={}", algorithm.as_str()));
        }
        if let Some(opaque) = &challenge.opaque {
            field.push_str(&format!(", opaque={}", quote(opaque)));
        }
        Some((if challenge.by_proxy { "Proxy-Authorization" } else { "Authorization" }, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn offered(algorithms: &[&str]) -> Vec<String> {
        let fields = algorithms.iter().map(|algorithm| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"{NONCE}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        });
        fields.collect()
    }

    fn takes(credentials: &mut Credentials, algorithms: &[&str], authorized: bool) -> bool {
        credentials.challenged(401, offered(algorithms).iter().map(String::as_str), authorized)
    }

    fn mufasa() -> Credentials {
        Credentials::new("Mufasa", SecretString::from("Circle of Life"))
    }

    /// The vectors of RFC 7616 §3.9.1.
    #[test]
    fn answers_are_those_of_the_specification() {
        let cases = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in cases {
            let mut credentials = mufasa();
            assert!(takes(&mut credentials, &[algorithm], false));
            let (name, field) = credentials.answer_with("GET", "/dir/index.html", CNONCE).unwrap();
            assert_eq!(name, "Authorization");
            assert!(field.contains(&format!("response=\"{response}\"")), "{field}");
            assert!(field.contains("nc=00000001") && field.contains(&format!("algorithm={algorithm}")), "{field}");
            let (_, next) = credentials.answer_with("GET", "/dir/index.html", CNONCE).unwrap();
            assert!(next.contains("nc=00000002"), "a count is never used twice");
        }
    }

    #[test]
    fn the_first_algorithm_that_we_know_is_taken() {
        let taken = |algorithms: &[&str]| {
            let mut credentials = mufasa();
            let can = takes(&mut credentials, algorithms, false);
            can.then(|| credentials.challenge.unwrap().algorithm.unwrap().as_str())
        };
        assert_eq!(taken(&["SHA-512-256", "SHA-256", "MD5"]), Some("SHA-256"));
        assert_eq!(taken(&["MD5", "SHA-256"]), Some("MD5"));
        assert_eq!(taken(&["SHA-256-sess", "AKAv1-MD5"]), None);
    }

    #[test]
    fn challenges_in_one_field_and_of_other_schemes_are_told_apart() {
        let both = "Basic realm=\"b\", Digest realm=\"a \\\"b\\\", c\", nonce=n, stale=TRUE";
        let mut credentials = mufasa();
        assert!(credentials.challenged(407, [both].into_iter(), true), "stale: only the nonce was too old");
        let (name, field) = credentials.answer("INVITE", "sip:r@x").unwrap();
        assert_eq!(name, "Proxy-Authorization");
        let begins = "Digest username=\"Mufasa\", realm=\"a \\\"b\\\", c\", nonce=\"n\", uri=\"sip:r@x\", response=\"";
        assert!(field.starts_with(begins), "{field}");
        assert!(!field.contains("qop") && !field.contains("algorithm"), "as it was asked (RFC 2069): {field}");
    }

    #[test]
    fn a_password_that_is_refused_is_never_tried_again_under_no_hash_and_no_name() {
        let mut credentials = mufasa();
        assert!(takes(&mut credentials, &["SHA-256", "MD5"], false));
        assert!(!takes(&mut credentials, &["SHA-256", "MD5"], true));
        assert!(!takes(&mut credentials, &["MD5"], true));
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", mufasa()).contains("Circle"));
    }
}
