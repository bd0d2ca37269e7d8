//! What names a dialog on either side, and where its requests go (RFC 3261 §12).

use super::token;
use crate::cli::chat::message::Message;
use crate::sip::head::{parameter, split_outside_quotes, uri_text};

/// Our half of what names a dialog, and how many requests we have made in it.
#[derive(Debug)]
pub(in crate::cli::chat) struct Own {
    pub(in crate::cli::chat) call_id: String,
    pub(in crate::cli::chat) tag: String,
    pub(in crate::cli::chat) sequence: u32,
}

impl Own {
    pub(super) fn new() -> Self {
        Self { call_id: token(), tag: token(), sequence: 1 }
    }

    /// The number of the next request.
    pub(super) fn advance(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }
}

/// The other side's half of a dialog.
#[derive(Debug)]
pub(in crate::cli::chat) struct Dialog {
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    /// To of the answer, tag and all.
    pub(super) to: String,
    pub(in crate::cli::chat) remote_tag: String,
    pub(in crate::cli::chat) remote_sequence: Option<u32>,
}

impl Dialog {
    /// The dialog that a message of the other side begins: an answer, whose `To` it is, or a request, whose `From`.
    pub(super) fn begin(message: &Message, room: &str) -> Self {
        let is_answer = message.method().is_none();
        let to = message.field(if is_answer { "to" } else { "from" }).unwrap_or_default().to_owned();
        let contact = message.field("contact").map(|value| split_outside_quotes(value, ','));
        let contact = contact.iter().flatten().find_map(|value| uri_text(value));
        let usable = contact.filter(|uri| !uri.contains(char::is_whitespace));
        let routes = message.head.all("record-route").flat_map(|value| split_outside_quotes(value, ','));
        let mut dialog = Self {
            target: usable.unwrap_or(room).to_owned(),
            routes: routes.map(str::to_owned).collect(),
            remote_tag: parameter(&to, "tag").unwrap_or_default().to_owned(),
            to,
            remote_sequence: None,
        };
        if is_answer {
            // The one who asked sees the proxies in reverse (RFC 3261 §12.1.2).
            dialog.routes.reverse();
        }
        dialog
    }

    /// Whether a request is older than another (RFC 3261 §12.2.2); the same again is a retransmission.
    pub(in crate::cli::chat) fn takes(&mut self, sequence: u32) -> Order {
        match self.remote_sequence {
            Some(last) if sequence < last => Order::Late,
            Some(last) if sequence == last => Order::Again,
            _ => {
                self.remote_sequence = Some(sequence);
                Order::Next
            }
        }
    }
}

/// Where a request stands among those of its dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::chat) enum Order {
    Next,
    Again,
    Late,
}
