//! An Authorization field as it is written (RFC 7616 §3.4). Pure; judges form only.

use super::Denied;
use crate::sip::head::split_outside_quotes;
use crate::sip::settings::Algorithm;

/// The longest field value that is read. Real ones are below 500 octets.
const MAX_LEN: usize = 4096;
/// Parameters of one field. There are eleven of them.
const MAX_PARAMETERS: usize = 32;

/// The name of an algorithm on the wire.
pub(super) const fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Md5 => "MD5",
    }
}

/// What a client says to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) response: String,
    pub(super) cnonce: String,
    /// How often the nonce was used, this time included.
    pub(super) count: u32,
    /// The same as written, for the hash.
    pub(super) nc: String,
    pub(super) algorithm: Algorithm,
}

/// The parameters of a Digest field; `None` for another scheme, which is not ours to judge.
pub(super) fn parameters(value: &str) -> Result<Option<Parameters>, Denied> {
    let (scheme, rest) = value.trim().split_once([' ', '\t']).ok_or(Denied::Malformed)?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return Ok(None);
    }
    if value.len() > MAX_LEN {
        return Err(Denied::Malformed);
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for part in split_outside_quotes(rest, ',').into_iter().filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(Denied::Malformed)?;
        let name = name.trim().to_ascii_lowercase();
        if all.len() >= MAX_PARAMETERS || all.iter().any(|(n, _)| *n == name) {
            return Err(Denied::Malformed);
        }
        all.push((name, unquoted(value.trim())?));
    }
    Ok(Some(Parameters(all)))
}

/// Parameters of one field, each name once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn must(&self, name: &str) -> Result<String, Denied> {
        self.get(name).filter(|v| !v.is_empty()).map(str::to_owned).ok_or(Denied::Malformed)
    }

    /// # Errors
    ///
    /// [`Denied::Algorithm`], [`Denied::Qop`] and [`Denied::Malformed`].
    pub(super) fn credentials(&self) -> Result<Credentials, Denied> {
        let algorithm = match self.get("algorithm") {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => return Err(Denied::Algorithm),
        };
        if self.get("userhash").is_some_and(|v| !v.eq_ignore_ascii_case("false")) {
            return Err(Denied::Malformed);
        }
        // Without it, a response could be replayed at will (RFC 7616 §3.4: qop SHOULD be there; RFC 3261 §22.4 knows without).
        if !self.get("qop").is_some_and(|qop| qop.eq_ignore_ascii_case("auth")) {
            return Err(Denied::Qop);
        }
        let nc = self.must("nc")?;
        let is_count = (1..=8).contains(&nc.len()) && nc.bytes().all(|b| b.is_ascii_hexdigit());
        let count = u32::from_str_radix(&nc, 16).ok().filter(|count| is_count && *count > 0);
        Ok(Credentials {
            username: self.must("username")?,
            realm: self.must("realm")?,
            nonce: self.must("nonce")?,
            uri: self.must("uri")?,
            response: self.must("response")?,
            cnonce: self.must("cnonce")?,
            count: count.ok_or(Denied::Malformed)?,
            nc,
            algorithm,
        })
    }
}

/// A token as it is, a quoted string without its quotes and escapes.
fn unquoted(value: &str) -> Result<String, Denied> {
    let Some(rest) = value.strip_prefix('"') else {
        let is_plain = !value.is_empty() && !value.contains(['"', ' ', '\t']);
        return is_plain.then(|| value.to_owned()).ok_or(Denied::Malformed);
    };
    let mut out = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') if chars.as_str().is_empty() => return Ok(out),
            Some('"') | None => return Err(Denied::Malformed),
            Some('\\') => out.push(chars.next().ok_or(Denied::Malformed)?),
            Some(c) => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"Digest username="ro\"meo", realm="r", nonce="n", uri="sip:a,b@h", response="00ff", algorithm=SHA-256, cnonce="c", qop=auth, nc=0000000a"#;

    fn read(value: &str) -> Result<Option<Credentials>, Denied> {
        parameters(value)?.map(|p| p.credentials()).transpose()
    }

    #[test]
    fn all_parameters_are_read_without_quotes_and_escapes() {
        let read = read(GOOD).unwrap().unwrap();
        assert_eq!((read.username.as_str(), read.uri.as_str()), ("ro\"meo", "sip:a,b@h"));
        assert_eq!((read.count, read.nc.as_str(), read.algorithm), (10, "0000000a", Algorithm::Sha256));
    }

    #[test]
    fn spellings_of_real_clients_are_read() {
        for (old, new) in [
            ("qop=auth", "qop=\"auth\""),
            ("Digest ", "digest  "),
            ("algorithm=SHA-256", "algorithm=\"sha-256\""),
            (", nc", ",nc"),
            ("algorithm=SHA-256, ", ""),
        ] {
            assert!(GOOD.contains(old));
            assert!(matches!(read(&GOOD.replace(old, new)), Ok(Some(_))), "{new}");
        }
        assert_eq!(read("Basic cm9tZW86dmVyb25h"), Ok(None));
    }

    #[test]
    fn every_mistake_has_its_name() {
        let long = format!("opaque=\"{}\", qop", "x".repeat(MAX_LEN));
        let many: String = (0..MAX_PARAMETERS).map(|n| format!("x{n}=y, ")).chain(["qop".to_owned()]).collect();
        for (old, new, expected) in [
            ("SHA-256", "SHA-256-sess", Denied::Algorithm),
            ("SHA-256", "\"\"", Denied::Algorithm),
            ("qop=auth", "qop=auth-int", Denied::Qop),
            ("qop=auth, ", "", Denied::Qop),
            ("nc=0000000a", "nc=00000000", Denied::Malformed),
            ("nc=0000000a", "nc=+1", Denied::Malformed),
            ("nc=0000000a", "nc=000000001", Denied::Malformed),
            ("cnonce=\"c\"", "cnonce=\"\"", Denied::Malformed),
            ("cnonce=\"c\"", "cnonce=\"c", Denied::Malformed),
            ("cnonce=\"c\"", "cnonce=\"c\" d", Denied::Malformed),
            ("cnonce=\"c\"", "cnonce", Denied::Malformed),
            ("realm=\"r\"", "username=\"r\"", Denied::Malformed),
            ("realm=\"r\"", "realm=r s", Denied::Malformed),
            ("qop", "userhash=true, qop", Denied::Malformed),
            ("qop", &long, Denied::Malformed),
            ("qop", &many, Denied::Malformed),
        ] {
            assert!(GOOD.contains(old));
            assert_eq!(read(&GOOD.replacen(old, new, 1)), Err(expected), "{new}");
        }
        assert_eq!(read("Digest"), Err(Denied::Malformed));
    }
}
