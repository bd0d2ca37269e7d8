//! The answer to a digest challenge (RFC 7616, RFC 8760), computed by the program openssl.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::random;
use crate::sip::Message;

/// The value of Authorization for `method` on `uri`, after the challenge in `refusal`, of which SHA-256 is answered where it
/// is offered.
pub fn authorization(refusal: &Message, method: &str, uri: &str, user: &str, password: &str) -> String {
    let challenges: Vec<&str> = refusal.all("WWW-Authenticate").collect();
    let best = challenges.iter().find(|c| c.contains("algorithm=SHA-256")).or(challenges.first());
    answer(best.unwrap_or_else(|| panic!("no challenge in\n{refusal}")), method, uri, user, password)
}

/// The same for a single challenge; one that names no algorithm means MD5.
pub fn answer(challenge: &str, method: &str, uri: &str, user: &str, password: &str) -> String {
    let field = |name: &str| {
        let fields = challenge.strip_prefix("Digest ").unwrap_or_default().split(',');
        let value = fields.filter_map(|f| f.trim().split_once('=')).find(|(n, _)| *n == name);
        value.map(|(_, v)| v.trim_matches('"').to_owned()).unwrap_or_default()
    };
    let (realm, nonce, cnonce) = (field("realm"), field("nonce"), random(16));
    let algorithm = if field("algorithm") == "SHA-256" { "SHA-256" } else { "MD5" };
    let hash = |text: &str| hash(if algorithm == "SHA-256" { "-sha256" } else { "-md5" }, text);
    let (who, what) = (hash(&format!("{user}:{realm}:{password}")), hash(&format!("{method}:{uri}")));
    let response = hash(&format!("{who}:{nonce}:00000001:{cnonce}:auth:{what}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm={algorithm}, cnonce=\"{cnonce}\", qop=auth, nc=00000001"
    )
}

/// The MD5 of a text, in hexadecimal.
pub fn md5(text: &str) -> String {
    hash("-md5", text)
}

fn hash(kind: &str, text: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", kind, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program openssl (apt-get install openssl)");
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    output.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn hashes_are_those_of_rfc_7616() {
        assert_eq!(hash("-md5", "abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert!(hash("-sha256", "abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
