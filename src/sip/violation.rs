//! What can be wrong with the form of a SIP message, and what each mistake is answered with.

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// No empty line ends the head.
    #[error("the header never ends")]
    Unterminated,
    /// [`MAX_HEAD`](super::gate::MAX_HEAD).
    #[error("the header is too long")]
    HeadTooLong,
    /// [`MAX_BODY`](super::gate::MAX_BODY), or more than a datagram may carry here.
    #[error("the message is too long")]
    MessageTooLong,
    /// [`MAX_FIELDS`](super::gate::MAX_FIELDS).
    #[error("too many header fields")]
    TooManyFields,
    /// Not `METHOD SP URI SP VERSION`.
    #[error("malformed request line")]
    StartLine,
    /// Not SIP/2.0.
    #[error("unknown version of SIP")]
    Version,
    /// A method that we have never heard of.
    #[error("unknown method")]
    UnknownMethod,
    /// The Request-URI has blanks, brackets or quotes.
    #[error("malformed Request-URI")]
    RequestUri,
    /// A line without a colon, or a name that is no token.
    #[error("malformed header field")]
    Field,
    /// NUL, a lone CR or LF, or another control character.
    #[error("control character in the header")]
    ControlCharacter,
    /// A field that may be there once is there twice.
    #[error("a header field is there more than once")]
    Repeated,
    /// Via, From, To, Call-ID or CSeq.
    #[error("a mandatory header field is missing")]
    Missing,
    /// The From of a request has no tag (RFC 3261 §8.1.1.3).
    #[error("the From header field has no tag")]
    NoFromTag,
    /// From, To or Contact is not an address.
    #[error("malformed address")]
    Address,
    /// Not `number method`.
    #[error("malformed CSeq")]
    CSeq,
    /// The method of CSeq is another than that of the request.
    #[error("the method of CSeq is not that of the request")]
    CSeqMethod,
    /// No number from 0 to 255.
    #[error("malformed Max-Forwards")]
    MaxForwards,
    /// The topmost Via cannot be read.
    #[error("malformed Via")]
    Via,
    /// No number.
    #[error("malformed Content-Length")]
    ContentLength,
    /// On a stream, where it is needed (RFC 3261 §18.3).
    #[error("Content-Length is missing")]
    NoContentLength,
    /// The datagram ends before the body does.
    #[error("the body is shorter than Content-Length says")]
    ShortBody,
    /// The status line cannot be read.
    #[error("malformed status line")]
    StatusLine,
    /// Passed every check here but not the parser of the stack.
    #[error("not understood")]
    NotUnderstood,
}

impl Violation {
    /// Status code and reason phrase of the answer.
    #[must_use]
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::UnknownMethod => (501, "Not Implemented"),
            Self::Version => (505, "Version Not Supported"),
            Self::HeadTooLong | Self::MessageTooLong | Self::TooManyFields => (513, "Message Too Large"),
            _ => (400, "Bad Request"),
        }
    }

    /// Label for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unterminated => "unterminated",
            Self::HeadTooLong => "head_too_long",
            Self::MessageTooLong => "message_too_long",
            Self::TooManyFields => "too_many_fields",
            Self::StartLine => "start_line",
            Self::Version => "version",
            Self::UnknownMethod => "unknown_method",
            Self::RequestUri => "request_uri",
            Self::Field => "field",
            Self::ControlCharacter => "control_character",
            Self::Repeated => "repeated_field",
            Self::Missing => "missing_field",
            Self::NoFromTag => "no_from_tag",
            Self::Address => "address",
            Self::CSeq => "cseq",
            Self::CSeqMethod => "cseq_method",
            Self::MaxForwards => "max_forwards",
            Self::Via => "via",
            Self::ContentLength => "content_length",
            Self::NoContentLength => "no_content_length",
            Self::ShortBody => "short_body",
            Self::StatusLine => "status_line",
            Self::NotUnderstood => "not_understood",
        }
    }
}
