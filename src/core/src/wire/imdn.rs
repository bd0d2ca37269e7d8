//! Instant message disposition notifications (RFC 5438): what became of a message, as a document and as headers of CPIM.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use roxmltree::{Document, Node, ParsingOptions};

use super::xml;
use crate::time::WallClock;

/// The media type of these documents (§11.1.8).
pub const MEDIA_TYPE: &str = "message/imdn+xml";

/// The namespace of the CPIM headers (§6.1).
pub const CPIM_NAMESPACE: &str = "urn:ietf:params:imdn";

const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// What the IMDN headers of a CPIM message say (§6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tracking {
    /// The name of the message, which notifications about it cite.
    pub message_id: Option<MessageId>,
    /// What its sender wants to hear of it.
    pub asks: Asks,
}

/// What the sender of a message wants to hear of it (§7.1.1.3). Of processing nobody here has anything to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// That it arrived.
    pub positive_delivery: bool,
    /// That it did not.
    pub negative_delivery: bool,
    /// That somebody has seen it.
    pub display: bool,
}

/// The name of a message: a few visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(String);

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imdn {
    /// Which message.
    pub message_id: MessageId,
    /// When that was sent, where it says.
    pub sent: Option<WallClock>,
    /// Who got it, or should have, as a URI.
    pub recipient: Option<String>,
    /// What became of it; `None` for something that nobody here knows.
    pub disposition: Option<Disposition>,
}

/// What became of a message (§11.1.6, §11.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It arrived.
    Delivered,
    /// It did not arrive.
    DeliveryFailed,
    /// Whether it arrived is not told.
    DeliveryForbidden,
    /// Whether it arrived is not known.
    DeliveryError,
    /// It was shown.
    Displayed,
    /// Whether it was shown is not told.
    DisplayForbidden,
    /// Whether it was shown is not known.
    DisplayError,
    /// An intermediary passed it on.
    Processed,
    /// An intermediary keeps it.
    Stored,
    /// What an intermediary does is not told.
    ProcessingForbidden,
    /// What an intermediary does is not known.
    ProcessingError,
}

/// Why something is not a notification: MSRP 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImdnError {
    /// More than [`Imdn::MAX_LEN`] octets.
    #[error("the notification is longer than {} octets", Imdn::MAX_LEN)]
    TooLong,
    /// Not UTF-8.
    #[error("the notification is not UTF-8")]
    NotUtf8,
    /// Not well-formed, or with a document type, or with too many elements.
    #[error("the notification is not well-formed XML")]
    NotXml,
    /// Another document.
    #[error("the document is not an IMDN")]
    NotImdn,
    /// It does not say which message.
    #[error("the notification names no message")]
    NoMessageId,
}

/// The elements of each disposition: of its kind, and of its status.
const ELEMENTS: [(&str, &str, Disposition); 11] = [
    ("delivery-notification", "delivered", Disposition::Delivered),
    ("delivery-notification", "failed", Disposition::DeliveryFailed),
    ("delivery-notification", "forbidden", Disposition::DeliveryForbidden),
    ("delivery-notification", "error", Disposition::DeliveryError),
    ("display-notification", "displayed", Disposition::Displayed),
    ("display-notification", "forbidden", Disposition::DisplayForbidden),
    ("display-notification", "error", Disposition::DisplayError),
    ("processing-notification", "processed", Disposition::Processed),
    ("processing-notification", "stored", Disposition::Stored),
    ("processing-notification", "forbidden", Disposition::ProcessingForbidden),
    ("processing-notification", "error", Disposition::ProcessingError),
];

impl Imdn {
    /// The longest document that is read, in octets. The example of the specification has 500.
    pub const MAX_LEN: usize = 8192;

    /// More nodes than a notification with some extensions has. The parser does not recurse, so this and the length are all the
    /// bounds it needs.
    const MAX_NODES: u32 = 256;

    /// Reads a notification. Elements that nobody here knows are ignored, and so is a time that cannot be read.
    ///
    /// # Errors
    ///
    /// [`ImdnError`].
    pub fn parse(body: &[u8]) -> Result<Self, ImdnError> {
        if body.len() > Self::MAX_LEN {
            return Err(ImdnError::TooLong);
        }
        let text = core::str::from_utf8(body).map_err(|_| ImdnError::NotUtf8)?;
        // A DTD is refused by default too; it is said because it matters.
        let options = ParsingOptions { allow_dtd: false, nodes_limit: Self::MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|_| ImdnError::NotXml)?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "imdn")) {
            return Err(ImdnError::NotImdn);
        }
        let text_of = |name| child(root, name).map(|node| node.text().unwrap_or_default().trim());
        Ok(Self {
            message_id: text_of("message-id").and_then(MessageId::new).ok_or(ImdnError::NoMessageId)?,
            sent: text_of("datetime").and_then(WallClock::parse_rfc3339),
            recipient: text_of("recipient-uri").filter(|uri| !uri.is_empty()).map(ToString::to_string),
            disposition: disposition(root),
        })
    }

    /// The document as it is sent. Where it says nothing of a recipient or a time there is none.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><imdn");
        xml::attribute(&mut out, "xmlns", NAMESPACE);
        out.push('>');
        element(&mut out, "message-id", self.message_id.as_str());
        element(&mut out, "datetime", &self.sent.map(|at| at.rfc3339()).unwrap_or_default());
        if let Some(recipient) = &self.recipient {
            element(&mut out, "recipient-uri", recipient);
            element(&mut out, "original-recipient-uri", recipient);
        }
        if let Some((kind, status, _)) = ELEMENTS.iter().find(|(_, _, known)| Some(*known) == self.disposition) {
            for part in ["<", kind, "><status><", status, "/></status></", kind, ">"] {
                out.push_str(part);
            }
        }
        out.push_str("</imdn>");
        out
    }
}

fn element(out: &mut String, name: &str, text: &str) {
    for part in ["<", name, ">"] {
        out.push_str(part);
    }
    xml::text(out, text);
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

fn disposition(root: Node<'_, '_>) -> Option<Disposition> {
    let of = |(kind, status, disposition): &(&str, &str, Disposition)| {
        child(child(child(root, kind)?, "status")?, status).map(|_| *disposition)
    };
    ELEMENTS.iter().find_map(of)
}

fn child<'a, 'i>(parent: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    parent.children().find(|node| node.has_tag_name((NAMESPACE, name)))
}

impl MessageId {
    /// The longest, in octets: several times what clients write, and little enough to keep many.
    pub const MAX_LEN: usize = 128;

    /// A name, if it can be one. The grammar wants a token (§10); some clients write more, so every visible character is taken.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_usable = !text.is_empty() && text.len() <= Self::MAX_LEN && text.bytes().all(|b| b.is_ascii_graphic());
        is_usable.then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Asks {
    /// Whether anything is asked for.
    #[must_use]
    pub const fn anything(self) -> bool {
        self.positive_delivery || self.negative_delivery || self.display
    }

    /// Reads the value of Disposition-Notification (§10). Words that nobody here knows are ignored, and so are parameters.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let words = || value.split(',').map(|word| word.split(';').next().unwrap_or_default().trim());
        let has = |wanted: &str| words().any(|word| word.eq_ignore_ascii_case(wanted));
        Self { positive_delivery: has(POSITIVE), negative_delivery: has(NEGATIVE), display: has(DISPLAY) }
    }

    /// The value of Disposition-Notification.
    #[must_use]
    pub fn render(self) -> String {
        let words = [(self.positive_delivery, POSITIVE), (self.negative_delivery, NEGATIVE), (self.display, DISPLAY)];
        let words: Vec<&str> = words.into_iter().filter(|(asked, _)| *asked).map(|(_, word)| word).collect();
        words.join(", ")
    }
}

const POSITIVE: &str = "positive-delivery";
const NEGATIVE: &str = "negative-delivery";
const DISPLAY: &str = "display";

#[cfg(test)]
mod tests;
