//! Hashes of certificates, as `a=fingerprint` names them (RFC 8122 §5).

use mucfocus_core::wire::sdp::{Fingerprint, Hash};
use ring::digest;

/// The fingerprint of a certificate in DER.
#[must_use]
pub fn of(certificate: &[u8], hash: Hash) -> Fingerprint {
    let algorithm = match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    Fingerprint { hash, octets: digest::digest(algorithm, certificate).as_ref().to_vec() }
}

/// Its fingerprints in every way that is understood: nobody knows yet which of them an offer names.
#[must_use]
pub fn all(certificate: &[u8]) -> Vec<Fingerprint> {
    [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512].map(|hash| of(certificate, hash)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, of "abc".
    #[test]
    fn every_hash_is_the_one_of_its_name() {
        let begins = |hash| of(b"abc", hash).octets.iter().take(4).map(|o| format!("{o:02x}")).collect::<String>();
        let all = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512].map(begins);
        assert_eq!(all, ["a9993e36", "ba7816bf", "cb00753f", "ddaf35a1"]);
        for fingerprint in super::all(b"abc") {
            assert_eq!(fingerprint.octets.len(), fingerprint.hash.octets());
        }
    }
}
