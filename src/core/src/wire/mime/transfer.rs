//! Transfer encodings (RFC 2045 §6). MSRP is binary and has no need of them (RFC 4975 §7.1.1), yet some stacks encode the content
//! of CPIM all the same (MS-SEND-17). None is ever written.

use alloc::vec::Vec;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::MimeError;

/// How content is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not at all: `7bit`, `8bit` or `binary`.
    Identity,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
}

/// Some encoders leave the padding out, and it says nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Encoding {
    /// The encoding with this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("7bit") || is("8bit") || is("binary") {
            Some(Self::Identity)
        } else if is("base64") {
            Some(Self::Base64)
        } else if is("quoted-printable") {
            Some(Self::QuotedPrintable)
        } else {
            None
        }
    }

    /// The content behind `octets`. It is never longer than they are.
    pub(super) fn decode(self, octets: Bytes) -> Result<Bytes, MimeError> {
        match self {
            Self::Identity => Ok(octets),
            Self::Base64 => {
                // Lines are broken wherever the encoder liked.
                let digits: Vec<u8> = octets.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                BASE64.decode(digits).map(Bytes::from).map_err(|_| MimeError::BadEncoding("base64"))
            }
            Self::QuotedPrintable => {
                quoted_printable(&octets).map(Bytes::from).ok_or(MimeError::BadEncoding("quoted-printable"))
            }
        }
    }
}

/// Written here because it is little, and the crate for it has a licence that this project does not list.
fn quoted_printable(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let (text, end): (&[u8], &[u8]) = match line {
            [text @ .., b'\r', b'\n'] => (text, b"\r\n"),
            [text @ .., b'\n'] => (text, b"\n"),
            text => (text, b""),
        };
        let mut rest = text.trim_ascii_end(); // §6.7 (3): blanks at the end of a line are of the transport
        while let Some((octet, after)) = rest.split_first() {
            rest = after;
            if *octet != b'=' {
                out.push(*octet);
                continue;
            }
            match rest {
                [] => break,
                [high, low, after @ ..] => {
                    out.push(hex(*high)?.checked_mul(16)?.checked_add(hex(*low)?)?);
                    rest = after;
                }
                [_] => return None,
            }
        }
        let is_soft = text.trim_ascii_end().ends_with(b"="); // §6.7 (5)
        if !is_soft {
            out.extend_from_slice(end);
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(encoding: &str, octets: &'static [u8]) -> Result<Bytes, MimeError> {
        Encoding::named(encoding).unwrap().decode(Bytes::from_static(octets))
    }

    #[test]
    fn content_is_decoded_whatever_the_encoder_did_with_lines_and_padding() {
        // MS-SEND-17
        assert_eq!(decoded("BASE64", b"SGVs\r\nbG8=\r\n").unwrap(), "Hello");
        assert_eq!(decoded("base64", b"SGVsbG8").unwrap(), "Hello");
        assert_eq!(decoded("base64", b"").unwrap(), "");
        assert_eq!(
            decoded("Quoted-Printable", b"Gr=C3=BC=c3=9fe =\r\nan alle \t\r\n=3D").unwrap(),
            "Grüße an alle\r\n="
        );
        assert_eq!(decoded("quoted-printable", b"one\ntwo=\nthree= ").unwrap(), "one\ntwothree");
        assert_eq!(decoded("8bit", b"=3D").unwrap(), "=3D");
    }

    #[test]
    fn what_is_not_in_its_encoding_is_refused() {
        for broken in [&b"SGVsbG8*"[..], b"S", b"=SGVs"] {
            assert_eq!(decoded("base64", broken), Err(MimeError::BadEncoding("base64")));
        }
        for broken in [&b"=3"[..], b"=xy", b"a=3\r\n", b"==3D"] {
            assert_eq!(decoded("quoted-printable", broken), Err(MimeError::BadEncoding("quoted-printable")));
        }
        assert_eq!(Encoding::named("x-uuencode"), None);
    }

    proptest! {
        #[test]
        fn decoding_never_grows_and_never_panics(octets: Vec<u8>, text in "[=0-9A-Fa\r\n \t]{0,60}") {
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
                for octets in [Bytes::from(octets.clone()), Bytes::from(text.clone())] {
                    let length = octets.len();
                    let content = encoding.decode(octets);
                    prop_assert!(content.is_err() || content.is_ok_and(|content| content.len() <= length));
                }
            }
        }
    }
}
