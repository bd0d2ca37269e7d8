//! `a=fingerprint`: the certificate that a peer will show (RFC 8122 §5).

use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::str::FromStr;

/// The hash of a certificate in DER.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// How it was computed.
    pub hash: Hash,
    /// The hash itself, of [`Hash::octets`] octets.
    pub octets: Vec<u8>,
}

/// The hash functions that are understood, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// Broken since 2017; taken where the operator says so (MS-TLS-02).
    Sha1,
    /// The one that everybody must know (RFC 8122 §5).
    Sha256,
    /// RFC 4572 knew it already.
    Sha384,
    /// As above.
    Sha512,
}

impl Hash {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Octets that a hash has.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Its name in the registry of RFC 8122 §5, in the capitals that every example has.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// The value of `a=fingerprint`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.as_str())?;
        for (at, octet) in self.octets.iter().enumerate() {
            f.write_char(if at == 0 { ' ' } else { ':' })?;
            write!(f, "{octet:02X}")?;
        }
        Ok(())
    }
}

/// Why a text is no fingerprint that could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFingerprint {
    /// MD5, or what nobody knows yet.
    #[error("the hash function is not known here; use SHA-256")]
    UnknownHash,
    /// Not as many pairs of hexadecimal digits, with colons between, as the hash function makes.
    #[error("the hash is not made of as many hexadecimal octets as its function makes")]
    Octets,
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Names of hash functions and digits may be of either case: RFC 8122 asks for capitals, which half of the clients write.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let (name, octets) = text.trim().split_once(' ').ok_or(BadFingerprint::UnknownHash)?;
        let hash = Hash::ALL.into_iter().find(|hash| hash.as_str().eq_ignore_ascii_case(name));
        let hash = hash.ok_or(BadFingerprint::UnknownHash)?;
        let octets: Option<Vec<u8>> =
            octets.trim().split(':').take(hash.octets().saturating_add(1)).map(octet).collect();
        let octets = octets.filter(|octets| octets.len() == hash.octets());
        Ok(Self { hash, octets: octets.ok_or(BadFingerprint::Octets)? })
    }
}

fn octet(pair: &str) -> Option<u8> {
    let is_pair = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::{format, vec};

    use proptest::prelude::*;

    use super::*;

    /// RFC 4975 §14.4, Figure 19. MS-TLS-02
    const OF_THE_RFC: &str = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

    #[test]
    fn the_one_of_the_rfc_is_read_in_either_case() {
        let fingerprint: Fingerprint = OF_THE_RFC.parse().unwrap();
        assert_eq!((fingerprint.hash, fingerprint.octets[..3].to_vec()), (Hash::Sha1, vec![0x4a, 0xad, 0xb9]));
        assert_eq!(OF_THE_RFC.to_ascii_lowercase().parse(), Ok(fingerprint.clone()));
        assert_eq!(fingerprint.to_string(), OF_THE_RFC);
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        for (text, error) in [
            ("", BadFingerprint::UnknownHash),
            ("SHA-256", BadFingerprint::UnknownHash),
            ("MD5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B", BadFingerprint::UnknownHash),
            ("SHA-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB", BadFingerprint::Octets),
            (&format!("{OF_THE_RFC}:00"), BadFingerprint::Octets),
            (&OF_THE_RFC.replace("4A:", "+A:"), BadFingerprint::Octets),
            (&OF_THE_RFC.replace("4A:", "4AA:"), BadFingerprint::Octets),
            (&OF_THE_RFC.replace(':', ""), BadFingerprint::Octets),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(which in 0usize..4, octets: [u8; 32], lower: bool) {
            let hash = Hash::ALL[which];
            let octets: Vec<u8> = octets.iter().chain(&octets).copied().take(hash.octets()).collect();
            let fingerprint = Fingerprint { hash, octets };
            let text = if lower { fingerprint.to_string().to_lowercase() } else { fingerprint.to_string() };
            prop_assert_eq!(text.parse(), Ok(fingerprint));
        }

        #[test]
        fn whatever_is_read_nothing_panics(text in "(SHA-(1|256) )?[0-9A-Fa-f: +é]{0,80}") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
