//! Which messages of one membership somebody wants to hear more of.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use core::time::Duration;

use crate::env::Env;
use crate::leg::{LegId, Ticket};
use crate::stanza::{Asks, Receipt, ReceiptKind};
use crate::switch::Request;
use crate::time::Instant;
use crate::wire::imdn::MessageId;

/// Messages that are remembered in each direction: more than anybody leaves unread in a room where he is talked to, and at most
/// some 30 KiB. The oldest goes first, and nothing more is told of it.
const MAX_MESSAGES: usize = 64;
/// For how long: who left for the day has read it when he is back.
const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// What is still to be told.
#[derive(Debug, Default)]
pub(in crate::room) struct Receipts {
    sent: VecDeque<Sent>,
    heard: VecDeque<Heard>,
}

/// A message of ours.
#[derive(Debug)]
struct Sent {
    message: (LegId, Ticket),
    request: Request,
    /// To whom it went and under which id; nothing for one to everybody.
    private: Option<(String, String)>,
    told: Told,
    at: Instant,
}

/// A private message of an occupant.
#[derive(Debug)]
struct Heard {
    nickname: String,
    message_id: MessageId,
    asks: Asks,
    told: Told,
    at: Instant,
}

/// What its author has been told: each thing once (RFC 5438 §7.2.1).
#[derive(Debug, Default)]
struct Told {
    received: bool,
    displayed: bool,
}

impl Told {
    /// Whether this is news.
    fn first(&mut self, kind: ReceiptKind) -> bool {
        let told = match kind {
            ReceiptKind::Received => &mut self.received,
            ReceiptKind::Displayed => &mut self.displayed,
        };
        !core::mem::replace(told, true)
    }
}

impl Receipts {
    /// A message goes out whose author wants to hear of it: to one under the id of its stanza, or to everybody.
    pub(super) fn sent(
        &mut self,
        env: &Env<'_>,
        message: (LegId, Ticket),
        mut request: Request,
        private: Option<(&str, &str)>,
    ) {
        request.sent.get_or_insert(env.wall);
        let private = private.map(|(nickname, stanza)| (nickname.to_string(), stanza.to_string()));
        make_room(&mut self.sent, env.now, |old| old.at);
        self.sent.push_back(Sent { message, request, private, told: Told::default(), at: env.now });
    }

    /// The room has it. What is to be told, where nobody else will tell.
    pub(super) fn published(&mut self, message: (LegId, Ticket)) -> Option<Request> {
        let at = self.sent.iter().position(|sent| sent.message == message && sent.private.is_none())?;
        self.sent.remove(at).map(|sent| sent.request)
    }

    /// Nobody has it, and nothing else will be told of it.
    pub(super) fn failed(&mut self, message: (LegId, Ticket)) -> Option<Request> {
        let at = self.sent.iter().position(|sent| sent.message == message)?;
        self.sent.remove(at).filter(|sent| !sent.told.received && !sent.told.displayed).map(|sent| sent.request)
    }

    /// Its addressee says what became of it. Who wants to hear that, if he does and has not yet.
    pub(super) fn acknowledged(&mut self, now: Instant, nickname: &str, receipt: &Receipt) -> Option<(LegId, Request)> {
        let is_it = |sent: &&mut Sent| {
            let is_his = |(to, stanza): &(String, String)| to == nickname && *stanza == receipt.id;
            sent.private.as_ref().is_some_and(is_his) && now.since(sent.at) < WINDOW
        };
        let sent = self.sent.iter_mut().find(is_it)?;
        let is_wanted = match receipt.kind {
            ReceiptKind::Received => sent.request.asks.positive_delivery,
            ReceiptKind::Displayed => sent.request.asks.display,
        };
        (is_wanted && sent.told.first(receipt.kind)).then(|| (sent.message.0, sent.request.clone()))
    }

    /// A private message came whose author wants to hear of it.
    pub(super) fn heard(&mut self, now: Instant, nickname: &str, message_id: MessageId, asks: Asks) {
        self.heard.retain(|old| old.nickname != nickname || old.message_id != message_id);
        make_room(&mut self.heard, now, |old| old.at);
        self.heard.push_back(Heard { nickname: nickname.into(), message_id, asks, told: Told::default(), at: now });
    }

    /// Its reader says what became of it. Whether its author wants to hear that and has not yet.
    pub(super) fn answered(&mut self, now: Instant, nickname: &str, message_id: &MessageId, kind: ReceiptKind) -> bool {
        let is_it = |heard: &&mut Heard| {
            heard.nickname == nickname && heard.message_id == *message_id && now.since(heard.at) < WINDOW
        };
        let Some(heard) = self.heard.iter_mut().find(is_it) else { return false };
        let is_wanted = match kind {
            ReceiptKind::Received => heard.asks.received,
            ReceiptKind::Displayed => heard.asks.displayed,
        };
        is_wanted && heard.told.first(kind)
    }
}

fn make_room<T>(table: &mut VecDeque<T>, now: Instant, at: impl Fn(&T) -> Instant) {
    while table.len() >= MAX_MESSAGES || table.front().is_some_and(|old| now.since(at(old)) >= WINDOW) {
        table.pop_front();
    }
}
