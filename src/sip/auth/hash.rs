//! The hashes of digest (RFC 7616 §3.4.1, §3.4.3). Pure.

use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

use crate::sip::settings::Algorithm;

/// What goes into a response beside the password.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    /// As the client wrote it: `romeo` or `romeo@example.org`.
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) method: &'a str,
    /// The `uri` of the credentials, as written.
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    /// As written, zeros and all.
    pub(super) nc: &'a str,
    pub(super) cnonce: &'a str,
}

/// Whether `response` is what this password makes of it. Takes as long for a wrong one as for the right one.
pub(super) fn is_right(algorithm: Algorithm, input: &Input<'_>, password: &str, response: &str) -> bool {
    let expected = expected(algorithm, input, password);
    expected.as_bytes().ct_eq(response.to_ascii_lowercase().as_bytes()).into()
}

/// The response of a client that knows the password; `qop` is `auth`.
pub(super) fn expected(algorithm: Algorithm, input: &Input<'_>, password: &str) -> String {
    let Input { username, realm, method, uri, nonce, nc, cnonce } = input;
    let hash = |parts: &[&str]| hex_of(algorithm, parts);
    let ha1 = hash(&[username, realm, password]);
    let ha2 = hash(&[method, uri]);
    hash(&[&ha1, nonce, nc, cnonce, "auth", &ha2])
}

/// The hash of the parts with colons between them.
fn hex_of(algorithm: Algorithm, parts: &[&str]) -> String {
    let text = parts.join(":");
    match algorithm {
        Algorithm::Sha256 => hex(&sha2::Sha256::digest(text.as_bytes())),
        Algorithm::Md5 => hex(&<md5::Md5 as md5::Digest>::digest(text.as_bytes())),
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    const MUFASA: Input<'_> = Input {
        username: "Mufasa",
        realm: "http-auth@example.org",
        method: "GET",
        uri: "/dir/index.html",
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nc: "00000001",
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
    const MD5: &str = "8ca523f5e9506fed4657c9700eebdbec";
    const SHA_256: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

    #[test]
    fn the_examples_of_rfc_7616_come_out_as_printed() {
        assert_eq!(expected(Algorithm::Md5, &MUFASA, "Circle of Life"), MD5);
        assert_eq!(expected(Algorithm::Sha256, &MUFASA, "Circle of Life"), SHA_256);
    }

    #[test]
    fn only_the_whole_right_response_is_right() {
        let is_right = |response: &str| is_right(Algorithm::Md5, &MUFASA, "Circle of Life", response);
        assert!(is_right(MD5) && is_right(&MD5.to_uppercase()));
        assert!(
            !is_right("")
                && !is_right(MD5.trim_end_matches('c'))
                && !is_right(&format!("{MD5}0"))
                && !is_right(SHA_256)
        );
        assert!(!super::is_right(Algorithm::Md5, &MUFASA, "Circle of life", MD5));
    }
}
