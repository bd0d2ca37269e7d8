//! What an MSRP message consists of (RFC 4975 §9), as values that are right once they exist.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::uri::MsrpUri;
use super::{Limits, split_at_octet};
use crate::env::Env;

/// A transaction identifier: one alphanumeric, then 3 to 31 of alphanumerics and `. - + % =` (RFC 4975 §9, `transact-id`).
///
/// Kept in place: every message has one, and most have it twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    /// Zeros after the identifier, so that comparing all of it is comparing the identifiers.
    octets: [u8; TransactionId::MAX_LEN],
    len: u8,
}

impl TransactionId {
    /// The shortest identifier, in octets.
    pub const MIN_LEN: usize = 4;
    /// The longest identifier, in octets.
    pub const MAX_LEN: usize = 32;

    /// Takes `text` if the grammar allows it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::from_octets(text.as_bytes())
    }

    /// The same for octets that were not looked at yet.
    pub(super) fn from_octets(text: &[u8]) -> Option<Self> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'%' | b'=');
        if text.len() < Self::MIN_LEN || !text.first()?.is_ascii_alphanumeric() || !text.iter().all(allowed) {
            return None;
        }
        let mut octets = [0; Self::MAX_LEN];
        octets.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { octets, len: u8::try_from(text.len()).ok()? })
    }

    /// A fresh identifier of 128 random bits, twice what RFC 4975 §7.1 asks for.
    #[must_use]
    pub fn fresh(env: &mut Env<'_>) -> Self {
        let token = env.token_octets();
        let mut octets = [0; Self::MAX_LEN];
        for (place, octet) in octets.iter_mut().zip(token) {
            *place = octet;
        }
        Self { octets, len: u8::try_from(token.len()).unwrap_or(0) }
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The identifier as octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({:?})", self.as_str())
    }
}

/// A non-empty list of MSRP URIs, as in To-Path, From-Path and `a=path`: the next hop first, the endpoint last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    hops: Vec<MsrpUri>,
    endpoint: MsrpUri,
}

impl Path {
    /// The most URIs that a path may hold here. RFC 4975 sets no bound; relays on both sides make four.
    pub const MAX_LEN: usize = 8;

    /// A path of one URI.
    #[must_use]
    pub const fn new(endpoint: MsrpUri) -> Self {
        Self { hops: Vec::new(), endpoint }
    }

    /// A path of all of `uris`, `None` when there is none or there are more than [`Path::MAX_LEN`].
    #[must_use]
    pub fn from_uris(mut uris: Vec<MsrpUri>) -> Option<Self> {
        if uris.len() > Self::MAX_LEN {
            return None;
        }
        let endpoint = uris.pop()?;
        Some(Self { hops: uris, endpoint })
    }

    /// The path that `text` writes with spaces between its URIs.
    ///
    /// # Errors
    /// What is wrong with it, where the limits are too few octets or URIs.
    pub(super) fn parse(text: &str, limits: &Limits) -> Result<Self, PathError> {
        if text.len() > limits.path_octets {
            return Err(PathError::TooLong);
        }
        let parse = |uri| MsrpUri::parse(uri).map_err(|_| PathError::Malformed);
        let (mut hops, mut rest) = (Vec::new(), text.trim_ascii());
        while let Some((uri, more)) = split_at_octet(rest, b' ') {
            hops.push(parse(uri)?);
            if hops.len() >= limits.path.min(Self::MAX_LEN) {
                return Err(PathError::TooLong);
            }
            rest = more.trim_ascii_start();
        }
        Ok(Self { hops, endpoint: parse(rest)? })
    }

    /// The URI to connect to and to answer to.
    #[must_use]
    pub fn next_hop(&self) -> &MsrpUri {
        self.hops.first().unwrap_or(&self.endpoint)
    }

    /// The URI of the session at the far end.
    #[must_use]
    pub const fn endpoint(&self) -> &MsrpUri {
        &self.endpoint
    }

    /// All URIs, next hop first.
    pub fn iter(&self) -> impl Iterator<Item = &MsrpUri> {
        self.hops.iter().chain(core::iter::once(&self.endpoint))
    }

    /// Whether there is exactly one URI.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.hops.is_empty()
    }
}

/// Why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathError {
    TooLong,
    Malformed,
}

/// The method of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// RFC 4975 §7.1.1.
    Send,
    /// RFC 4975 §7.1.2.
    Report,
    /// RFC 7701 §7.1.
    Nickname,
    /// Any other: answered with 501 (RFC 4975 §12).
    Other(String),
}

impl Method {
    /// Takes `text` if it is a method: capital letters, at least one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "SEND" => Some(Self::Send),
            "REPORT" => Some(Self::Report),
            "NICKNAME" => Some(Self::Nickname),
            _ => is_method(text).then(|| Self::Other(text.into())),
        }
    }

    /// The method as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Send => "SEND",
            Self::Report => "REPORT",
            Self::Nickname => "NICKNAME",
            Self::Other(name) => name,
        }
    }

    /// Whether it can be written: [`Method::Other`] can hold anything.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        is_method(self.as_str())
    }
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// The first line without its transaction identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request(Method),
    /// A response: three digits, and the comment if there is one.
    Response {
        /// 000 to 999.
        code: u16,
        /// Free text for people; UTF-8 without control characters.
        comment: Option<String>,
    },
}

/// Byte-Range (RFC 4975 §7.1.1). A `*` is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First octet of this chunk, counted from 1.
    pub start: u64,
    /// Last octet of this chunk; not trusted, the real length of the body wins (RFC 4975 §7.3.1).
    pub end: Option<u64>,
    /// Octets of the whole message.
    pub total: Option<u64>,
}

impl ByteRange {
    /// Takes `text` if it is of the form `start-end/total`, `start` is at least 1, and no number exceeds 64 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = split_at_octet(text, b'/')?;
        let (start, end) = split_at_octet(range, b'-')?;
        let start = digits(start).filter(|start| *start >= 1)?;
        Some(Self { start, end: digits_or_star(end)?, total: digits_or_star(total)? })
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number_or_star = |f: &mut fmt::Formatter<'_>, number: Option<u64>| match number {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("*"),
        };
        write!(f, "{}-", self.start)?;
        number_or_star(f, self.end)?;
        f.write_str("/")?;
        number_or_star(f, self.total)
    }
}

/// The parser of the standard library also takes a sign, and is slower.
fn digits(text: &str) -> Option<u64> {
    let digit = |b: u8| b.is_ascii_digit().then(|| u64::from(b & 0x0F));
    let more = |number: u64, b: u8| number.checked_mul(10)?.checked_add(digit(b)?);
    (!text.is_empty()).then(|| text.bytes().try_fold(0, more))?
}

fn digits_or_star(text: &str) -> Option<Option<u64>> {
    match text {
        "*" => Some(None),
        _ => digits(text).map(Some),
    }
}

/// Failure-Report (RFC 4975 §7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailureReport {
    /// Responses of every kind, and failure REPORTs. The default.
    #[default]
    Yes,
    /// Error responses only.
    Partial,
    /// Silence.
    No,
}

impl FailureReport {
    /// The value as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partial => "partial",
            Self::No => "no",
        }
    }
}

/// Status of a REPORT (RFC 4975 §7.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportStatus {
    /// `000` is the only one defined: what follows has the meaning of a response code.
    pub namespace: u16,
    /// Three digits.
    pub code: u16,
    /// Free text.
    pub comment: Option<String>,
}

/// Start line and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Identifies the transaction on this hop.
    pub transaction: TransactionId,
    /// Request or response.
    pub start: Start,
    /// Where it goes.
    pub to_path: Path,
    /// Where it comes from.
    pub from_path: Path,
    /// Message-ID.
    pub message_id: Option<String>,
    /// Byte-Range.
    pub byte_range: Option<ByteRange>,
    /// Success-Report: `yes`.
    pub success_report: bool,
    /// Failure-Report.
    pub failure_report: FailureReport,
    /// Status of a REPORT.
    pub status: Option<ReportStatus>,
    /// Use-Nickname as it came, quotes and all (RFC 7701 §7.1).
    pub use_nickname: Option<String>,
    /// Content-Type as it came. Present exactly when the message has a body, be it empty (RFC 4975 §7.1).
    pub content_type: Option<String>,
}

/// The flag of the end-line (RFC 4975 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// `$`: this chunk ends the message.
    Complete,
    /// `+`: more chunks follow.
    More,
    /// `#`: the message is abandoned.
    Aborted,
}

impl Continuation {
    /// The flag as it is written.
    #[must_use]
    pub const fn flag(self) -> u8 {
        match self {
            Self::Complete => b'$',
            Self::More => b'+',
            Self::Aborted => b'#',
        }
    }

    /// What `flag` means, if it is one.
    #[must_use]
    pub const fn from_flag(flag: u8) -> Option<Self> {
        match flag {
            b'$' => Some(Self::Complete),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// How a received frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an end-line.
    Flag(Continuation),
    /// Its body exceeded what the receiver collects. Reported as soon as that is certain; the rest is skipped unseen.
    TooLarge,
}

/// One received message, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Start line and headers.
    pub head: Head,
    /// The body of this chunk; empty when there is none (see [`Head::content_type`]) or when it was too large.
    pub body: Bytes,
    /// How it ended.
    pub ending: Ending,
}

impl Frame {
    /// Whether this is the chunk that ends a message. Of these a leg may have so many unanswered (upstream credit).
    #[must_use]
    pub const fn ends_a_send(&self) -> bool {
        matches!(self.head.start, Start::Request(Method::Send))
            && self.head.content_type.is_some()
            && matches!(self.ending, Ending::Flag(Continuation::Complete))
    }
}
