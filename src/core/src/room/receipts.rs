//! What became of messages (IMDN-01 … 03): notifications of SIP users (RFC 5438) and receipts of XMPP users (XEP-0184, XEP-0333)
//! are each other, for private messages. Of a public one only its author is told, by the room itself, that the room has it.

mod table;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jid::Jid;

pub(super) use self::table::Receipts;
use super::Room;
use super::io::MembershipId;
use crate::env::Env;
use crate::leg::{LegId, Ticket};
use crate::msrp::content::Content;
use crate::muc::Ids;
use crate::stanza::{Asks, Receipt, ReceiptKind};
use crate::switch::Request;
use crate::translate::message;
use crate::wire::imdn::{self, Disposition, Imdn, MessageId, Tracking};

impl Room {
    /// The name of a public message: the room's, where it announces that it gives names, else its author's (IMDN-01).
    pub(super) fn named(&self, ids: &Ids) -> Tracking {
        name_of(ids.room.as_deref(), ids.author.as_deref(), self.gives_ids)
    }

    /// A SIP user says something to everybody, and wants to hear what became of it.
    pub(super) fn expect_fate(
        &mut self,
        env: &Env<'_>,
        member: MembershipId,
        message: (LegId, Ticket),
        request: Option<Request>,
    ) {
        if let (Some(member), Some(request)) = (self.members.get_mut(&member), request) {
            member.receipts.sent(env, message, request, None);
        }
    }

    /// The same for a private message, which goes to `nickname` under the id `stanza`: what its addressee is asked for.
    pub(super) fn expect_receipts(
        &mut self,
        env: &Env<'_>,
        (member, crosses): (MembershipId, bool),
        message: (LegId, Ticket),
        request: Option<Request>,
        (nickname, stanza): (&str, &str),
    ) -> Asks {
        let (Some(member), Some(mut request)) = (self.members.get_mut(&member), request) else {
            return Asks::default();
        };
        request.asks.positive_delivery &= crosses;
        request.asks.display &= crosses;
        let asks = Asks { received: request.asks.positive_delivery, displayed: request.asks.display };
        member.receipts.sent(env, message, request, Some((nickname, stanza)));
        asks
    }

    /// The room has a message of a SIP user. Of a private one its addressee tells.
    pub(super) fn tell_delivered(&mut self, env: &mut Env<'_>, message: (LegId, Ticket)) {
        let sent = self.author_of(message).and_then(|m| m.receipts.published(message));
        if let Some(request) = sent.filter(|request| request.asks.positive_delivery) {
            self.tell(env, message.0, None, &request, Disposition::Delivered);
        }
    }

    /// Nobody knows what became of a public message, and nobody will.
    pub(super) fn forget_fate(&mut self, message: (LegId, Ticket)) {
        self.author_of(message).and_then(|m| m.receipts.published(message));
    }

    /// Nobody got a message of a SIP user, as is known for certain.
    pub(super) fn tell_failed(&mut self, env: &mut Env<'_>, message: (LegId, Ticket)) {
        let sent = self.author_of(message).and_then(|m| m.receipts.failed(message));
        if let Some(request) = sent.filter(|request| request.asks.negative_delivery) {
            self.tell(env, message.0, None, &request, Disposition::DeliveryFailed);
        }
    }

    /// An occupant says what became of private messages of a SIP user.
    pub(super) fn receipts_heard(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        nickname: &str,
        receipts: &[Receipt],
    ) {
        for receipt in receipts {
            let Some(member) = self.members.get_mut(&member) else { return };
            let Some((leg, request)) = member.receipts.acknowledged(env.now, nickname, receipt) else { continue };
            let disposition = match receipt.kind {
                ReceiptKind::Received => Disposition::Delivered,
                ReceiptKind::Displayed => Disposition::Displayed,
            };
            self.tell(env, leg, Some(nickname), &request, disposition);
        }
    }

    /// An occupant says something to a SIP user alone, and may want to hear what became of it. How it is shown to the legs that
    /// understand such a wish, and to the others.
    pub(super) fn tracking_for(
        &mut self,
        env: &Env<'_>,
        member: MembershipId,
        from: &Jid,
        (id, asks): (Option<&str>, Asks),
        is_understood: bool,
    ) -> (Tracking, Tracking) {
        let plain = Tracking { message_id: id.and_then(MessageId::new), ..Tracking::default() };
        let wished = imdn::Asks { positive_delivery: asks.received, negative_delivery: false, display: asks.displayed };
        let (Some(member), Some(message_id), true) =
            (self.members.get_mut(&member), plain.message_id.clone(), is_understood && wished.anything())
        else {
            return (plain.clone(), plain);
        };
        if let Some(nickname) = from.resource() {
            member.receipts.heard(env.now, nickname.as_str(), message_id, asks);
        }
        (Tracking { asks: wished, ..plain.clone() }, plain)
    }

    /// A SIP user says what became of a private message of an occupant. About one that nobody knows nothing is said.
    pub(super) fn notified_by_leg(&mut self, env: &mut Env<'_>, member: MembershipId, to: &str, imdn: &Imdn) {
        let kind = match imdn.disposition {
            Some(Disposition::Delivered) => ReceiptKind::Received,
            Some(Disposition::Displayed) => ReceiptKind::Displayed,
            _ => return,
        };
        if self.changed_hands(env, to) {
            return;
        }
        let Some(m) = self.members.get_mut(&member) else { return };
        if !m.receipts.answered(env.now, to, &imdn.message_id, kind) {
            return;
        }
        let Ok(to) = self.settings.muc.with_resource_str(to) else { return };
        let receipt = Receipt { id: imdn.message_id.as_str().to_string(), kind };
        self.with_member(env, member, |m, env, out| m.acknowledge(env, to, receipt, out));
    }

    fn author_of(&mut self, (leg, _): (LegId, Ticket)) -> Option<&mut super::Member> {
        let member = self.legs.get(&leg)?.member?;
        self.members.get_mut(&member).map(|member| &mut **member)
    }

    /// Tells a SIP user what became of a message of his, if his client takes that. It is no message: nothing waits for it, and
    /// no call ends over it.
    fn tell(
        &mut self,
        env: &mut Env<'_>,
        leg: LegId,
        nickname: Option<&str>,
        request: &Request,
        disposition: Disposition,
    ) {
        let Some(dial) = self.legs.get(&leg).map(|p| p.leg.dial()) else { return };
        let room = &dial.room.uri;
        let recipient: String = nickname.map_or_else(|| room.to_string(), |nick| room.with_gr(nick).to_string());
        let about = Imdn {
            message_id: request.message_id.clone(),
            sent: request.sent,
            recipient: Some(recipient),
            disposition: Some(disposition),
        };
        let name = Tracking { message_id: MessageId::new(&env.token()), ..Tracking::default() };
        let cpim = message::notification(room, nickname, &dial.caller, &name, &about, env.wall);
        self.with_leg(env, leg, |leg, env, out: &mut Vec<_>| {
            if let Some(content) = Content::trifle(env, imdn::MEDIA_TYPE, cpim) {
                leg.deliver(env, &content, out);
            }
        });
    }
}

/// The name of a public message of which the room says `room` and its author `author`.
pub(super) fn name_of(room: Option<&str>, author: Option<&str>, is_by_room: bool) -> Tracking {
    let message_id = room.filter(|_| is_by_room).or(author).and_then(MessageId::new);
    Tracking { message_id, ..Tracking::default() }
}
