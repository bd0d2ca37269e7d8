//! What a peer of an MSRP session may do wrong, by name.

use super::nickname::BadNickname;
use super::reassembly::ChunkError;

/// What a peer did wrong, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// A chunk that cannot be part of a message.
    #[error("{0}")]
    Chunk(#[from] ChunkError),
    /// A request that could be delimited but not read.
    #[error("malformed request")]
    Malformed,
    /// To-Path holds more than our own URI (MS-CONN-12).
    #[error("To-Path leads beyond this endpoint")]
    NotForUs,
    /// A method that nobody knows.
    #[error("unknown method")]
    UnknownMethod,
    /// Content, although its offer says that it sends none (MS-SDP-06).
    #[error("content from a client that offered to send none")]
    NotSending,
    /// NICKNAME, of a client that never said that it knows nicknames, or where none are offered (GC-JOIN-03).
    #[error("nicknames are not offered")]
    NicknameNotOffered,
    /// NICKNAME without Use-Nickname (SW-22).
    #[error("NICKNAME without Use-Nickname")]
    NicknameMissing,
    /// A nickname that is none (SW-25).
    #[error("{0}")]
    BadNickname(#[from] BadNickname),
    /// More NICKNAME requests than may be undecided at a time.
    #[error("too many NICKNAME requests at a time")]
    TooManyNicknames,
}

impl PeerFault {
    /// A short name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chunk(ChunkError::NoMessageId) => "no-message-id",
            Self::Chunk(ChunkError::NoByteRange) => "no-byte-range",
            Self::Chunk(ChunkError::TooLarge) => "too-large",
            Self::Chunk(ChunkError::TooMany) => "too-many-unfinished",
            Self::Chunk(ChunkError::SessionFull) => "unfinished-too-large",
            Self::Chunk(ChunkError::NodeFull) => "no-room-for-unfinished",
            Self::Chunk(ChunkError::BeyondEnd) => "beyond-end",
            Self::Malformed => "malformed",
            Self::NotForUs => "not-for-us",
            Self::UnknownMethod => "unknown-method",
            Self::NotSending => "not-sending",
            Self::NicknameNotOffered => "nickname-not-offered",
            Self::NicknameMissing => "nickname-missing",
            Self::BadNickname(_) => "bad-nickname",
            Self::TooManyNicknames => "too-many-nicknames",
        }
    }
}
