//! One message as it goes to any number of sessions: made once, shared by all who send it, gone when the last has its answer.
//!
//! Owns what is the same for every recipient: the body, the Message-ID and the lines of the head that hold them. Knows no session
//! and no transaction.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;

use bytes::Bytes;

use super::transmitter::Octets;
use crate::env::Env;
use crate::wire::media_type::MediaType;
use crate::wire::msrp::encode::{self, EncodeError};

/// The largest body that goes in one piece. Above it a chunk must be interruptible (RFC 4975 §5.1, §7.1.1).
pub const UNINTERRUPTED: usize = 2048;

/// A message, or the empty SEND that opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    label: Arc<Label>,
    body: Bytes,
    /// Whether seven hyphens occur in the body at all: nearly never, and then no transaction needs another look at it.
    has_hyphens: bool,
    is_trifle: bool,
    /// The line of the Message-ID.
    before: Bytes,
    /// The line of Byte-Range, as the first chunk has it.
    range: String,
    /// Content-Type and the empty line; nothing where there is no body.
    after: Bytes,
}

/// What has to be known of a message after it has arrived, when its body is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    message_id: String,
    /// The message of which this is a part, where it had to be split.
    part_of: Option<Arc<Self>>,
    kind: String,
    /// The same, taken apart, where it is one: everybody whom it is sent to has to be asked whether he takes it.
    media: Option<MediaType>,
}

impl Label {
    /// Message-ID.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The type of what is said, within CPIM where there is one around it; empty where nothing is said.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Message-ID of the message that this is, or is a part of.
    #[must_use]
    pub fn of_message(&self) -> &str {
        self.part_of.as_ref().map_or(&self.message_id, |whole| &whole.message_id)
    }
}

impl Content {
    /// A message with this Content-Type. `kind` is the type of what is said, within CPIM where there is one around it: a client
    /// that refuses it gets no more of it (MS-SEND-15).
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the Message-ID or the type cannot be written.
    pub fn new(message_id: &str, content_type: &str, kind: &str, body: Bytes) -> Result<Self, EncodeError> {
        Self::with(message_id, Some(content_type), kind, body)
    }

    /// The SEND without a body that the active side begins with (RFC 4975 §5.4).
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the Message-ID cannot be written.
    pub fn greeting(message_id: &str) -> Result<Self, EncodeError> {
        Self::with(message_id, None, "", Bytes::new())
    }

    fn with(message_id: &str, content_type: Option<&str>, kind: &str, body: Bytes) -> Result<Self, EncodeError> {
        let (before, after) = encode::content_lines(message_id, content_type)?;
        let total = body.len();
        let end = if total > UNINTERRUPTED { String::from("*") } else { total.to_string() };
        Ok(Self {
            has_hyphens: encode::has_hyphens(&body),
            range: alloc::format!("Byte-Range: 1-{end}/{total}\r\n"),
            label: Arc::new(Label {
                message_id: message_id.into(),
                part_of: None,
                kind: kind.into(),
                media: MediaType::parse(kind).ok(),
            }),
            is_trifle: false,
            body,
            before,
            after,
        })
    }

    /// A CPIM message with something of the type `kind` in it, under a fresh Message-ID, for any number of sessions.
    #[must_use]
    pub fn cpim(env: &mut Env<'_>, kind: &str, cpim: Bytes) -> Option<Arc<Self>> {
        Self::new(&env.token(), "message/cpim", kind, cpim).ok().map(Arc::new)
    }

    /// The same, of what nobody misses: it is not kept for anybody, and not sent to who is slow (SW-21).
    #[must_use]
    pub fn trifle(env: &mut Env<'_>, kind: &str, cpim: Bytes) -> Option<Arc<Self>> {
        let content = Self::new(&env.token(), "message/cpim", kind, cpim).ok()?;
        Some(Arc::new(Self { is_trifle: true, ..content }))
    }

    /// A part of this message, which is too large for its reader.
    #[must_use]
    pub fn part(&self, env: &mut Env<'_>, cpim: Bytes) -> Option<Arc<Self>> {
        let content = Self::new(&env.token(), "message/cpim", self.kind(), cpim).ok()?;
        let (message_id, kind, media) = (content.message_id().into(), self.kind().into(), self.media().cloned());
        let label = Arc::new(Label { message_id, part_of: Some(Arc::clone(&self.label)), kind, media });
        Some(Arc::new(Self { label, ..content }))
    }

    /// Message-ID.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.label.message_id()
    }

    /// The type of what is said.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.label.kind()
    }

    /// The same, taken apart, where it is a media type.
    #[must_use]
    pub fn media(&self) -> Option<&MediaType> {
        self.label.media.as_ref()
    }

    /// What is left to be known of it.
    #[must_use]
    pub const fn label(&self) -> &Arc<Label> {
        &self.label
    }

    /// The body, empty where there is none.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether nobody misses it.
    #[must_use]
    pub const fn is_trifle(&self) -> bool {
        self.is_trifle
    }

    /// Whether it is the SEND without a body.
    #[must_use]
    pub const fn is_greeting(&self) -> bool {
        self.after.is_empty()
    }

    /// Whether it may be interrupted, and so is written in pieces (MS-SEND-04).
    #[must_use]
    pub const fn is_interruptible(&self) -> bool {
        self.body.len() > UNINTERRUPTED
    }

    /// Whether a transaction of this name can carry it: its end-line is nowhere in the body, whatever follows the name
    /// (MS-FRAME-04).
    pub(super) fn takes(&self, transaction: &str) -> bool {
        !self.has_hyphens || !encode::has_end_line(&self.body, transaction)
    }

    /// The headers behind the paths, and the empty line where a body follows, of the chunk that begins with octet `at`.
    pub(super) fn headers(&self, at: usize, out: &mut Octets) {
        out.put(&self.before);
        if at == 0 {
            out.put(self.range.as_bytes());
        } else {
            let range = alloc::format!("Byte-Range: {}-*/{}\r\n", at.saturating_add(1), self.body.len());
            out.put(range.as_bytes());
        }
        out.put(&self.after);
    }
}
