//! Carries out what the room puts out. Never waits: who does not take what is his is over.

use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::leg::{Expectation, LegId, Target};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId, Output, Trace};
use mucfocus_core::stanza::OutStanza;

use super::RoomTask;
use crate::hub::clock;
use crate::hub::mail::{CallEnd, Mail, SessionMail, StreamMail};
use crate::hub::speakers::Speaker;
use crate::msrp_net::link::SessionLink;
use crate::msrp_net::listener;
use crate::msrp_net::outbox::Stalled;
use crate::observe::ladder::{self, Party, Side, Way};
use crate::xmpp::encode;

impl RoomTask {
    /// Carries out everything that the room put out, and what comes of it at once.
    pub(super) fn carry_out(&mut self) {
        self.shared.metrics.messages_rendered(self.room.take_renderings());
        loop {
            while let Some(output) = self.room.poll() {
                self.perform(output);
            }
            let Some(input) = self.backlog.pop_front() else { return };
            let Self { room, ids, .. } = self;
            room.handle(&mut clock::env(ids), input);
        }
    }

    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Call(leg, command) => self.command(leg, command),
            Output::Invite(leg, offer) => self.place_call(leg, offer),
            Output::OpenSession(leg, id, expected) => self.open_session(leg, id, expected),
            Output::Connect(leg, target) => self.connect(leg, target),
            Output::Transmit(leg, frame) => {
                self.note(leg, Side::Msrp, Way::Out, || ladder::msrp_head(&frame.head));
                self.write(leg, |link| link.put(frame));
            }
            Output::Send(leg, post) => {
                self.note(leg, Side::Msrp, Way::Out, || format!("SEND, {} octets", post.content.body().len()));
                self.write(leg, |link| link.send(post));
            }
            Output::TakeBack(leg) => {
                let unsent = self.take_back(leg);
                self.backlog.push_back(Input::Returned(leg, unsent));
            }
            Output::Credit(leg) => {
                if let Some(link) = self.legs.get(&leg).and_then(|handles| handles.link.as_ref()) {
                    link.give_credit();
                }
            }
            Output::CloseSession(leg, _) => {
                if let Some(handles) = self.legs.get_mut(&leg) {
                    (handles.session, handles.link) = (None, None);
                }
                self.weigh(leg);
                // What its connection still has to say is not about the session that may follow.
                self.speakers.dismiss(Speaker::Session(leg));
            }
            Output::LegGone(leg) => self.leg_gone(leg),
            Output::Joined(member) => self.joins.is_over(member),
            Output::Banned(leg) => self.banned(leg),
            Output::Moved(instead) => self.shared.moved.note(self.room.muc(), instead, clock::now()),
            Output::OpenStream(member, account) => self.open_stream(member, &account),
            Output::Stanza(member, stanza) => self.send_stanza(member, &stanza),
            Output::Listen(member, interest) => {
                if let Some(seat) = self.seats.get(&member) {
                    seat.listen(interest);
                }
            }
            Output::CloseStream(member) => {
                self.seats.remove(&member);
                self.joins.is_over(member);
                self.speakers.dismiss(Speaker::Stream(member));
            }
            Output::Notify(id, notification) => {
                if !self.watchers.notify(id, notification) {
                    self.backlog.push_back(Input::SubscriptionEnded(id));
                }
            }
            Output::SubscriptionGone(id) => {
                self.watchers.unsubscribed(id);
                self.speakers.dismiss(Speaker::Subscription(id));
            }
            Output::Invitation(id, result) => self.invitation_over(id, result),
            Output::Referral(id, answer) => self.watchers.answer(id, answer),
            Output::Trace(leg, trace) => {
                if let Trace::Suspended { .. } | Trace::Resumed { .. } | Trace::Reset { .. } | Trace::CaughtUp { .. } =
                    trace
                {
                    self.note(leg, Side::Xmpp, Way::In, || format!("({trace})"));
                }
                if let Some(handles) = self.legs.get_mut(&leg) {
                    handles.log.record(&trace, &self.shared.metrics);
                }
            }
        }
    }

    pub(super) fn write(&mut self, leg: LegId, write: impl FnOnce(&SessionLink) -> Result<(), Stalled>) {
        let link = self.legs.get(&leg).and_then(|handles| handles.link.as_ref());
        match link.map(write) {
            Some(Ok(())) => self.unwritten.push(leg),
            Some(Err(Stalled)) => {
                self.shared.metrics.peers_stalled.inc();
                self.backlog.push_back(Input::SessionStalled(leg));
            }
            None => {}
        }
    }

    /// Has written what this turn has brought for each leg, all of it at once.
    pub(super) fn write_out(&mut self) {
        self.unwritten.sort_unstable();
        self.unwritten.dedup();
        for leg in self.unwritten.drain(..) {
            // Who has no link any more has it written by its connection, if there still is one.
            if let Some(link) = self.legs.get(&leg).and_then(|handles| handles.link.as_ref()) {
                link.flush();
            }
        }
        self.unwritten.shrink_to(64);
    }

    pub(super) fn take_back(&self, leg: LegId) -> Vec<Arc<Content>> {
        let link = self.legs.get(&leg).and_then(|handles| handles.link.as_ref());
        link.map(SessionLink::take_back).unwrap_or_default()
    }

    pub(super) fn leg_gone(&mut self, leg: LegId) {
        if let Some(handles) = self.legs.remove(&leg)
            && let Entry::Occupied(mut legs) = self.of_account.entry(handles.account.key)
        {
            legs.get_mut().retain(|l| *l != leg);
            if legs.get().is_empty() {
                legs.remove();
            }
        }
        self.unfinished.remove(&leg);
        self.speakers.dismiss(Speaker::Call(leg));
        self.speakers.dismiss(Speaker::Session(leg));
    }

    /// A named account stays banned by the MUC itself; who has none comes as somebody else.
    pub(super) fn banned(&self, leg: LegId) {
        if let Some(handles) = self.legs.get(&leg)
            && let Some(stranger) = &handles.stranger
        {
            tracing::info!(room = %self.room.muc(), user = %stranger, "a stranger is banned for a day");
            self.shared.bans.add(self.room.muc(), stranger, clock::now());
            // The JID that is banned is of no use to him once the operator lets him in again.
            self.shared.pool.renew(&handles.account.key);
        }
    }

    /// A call whose driver does not take its commands is over.
    pub(super) fn command(&mut self, leg: LegId, command: CallCommand) {
        let Some(handles) = self.legs.get(&leg) else { return };
        if handles.commands.try_send(command).is_err() {
            self.shared.metrics.peers_stalled.inc();
            self.backlog.push_back(Input::CallEnded(leg, CallEnd::Failed("the call takes no commands".into())));
        }
    }

    pub(super) fn open_session(&mut self, leg: LegId, id: String, expected: Expectation) {
        let ended = SessionMail::Lost { why: "the connection ended".into(), ago: Duration::ZERO };
        let (source_id, source) = self.address.source(Mail::Session(ended));
        self.speakers.introduce(source_id, Speaker::Session(leg));
        if let Some(handles) = self.legs.get_mut(&leg) {
            handles.session = Some(self.shared.sessions.open(id, source, expected));
        }
    }

    pub(super) fn connect(&mut self, leg: LegId, target: Target) {
        let Some(handles) = self.legs.get_mut(&leg) else { return };
        let Some(session) = &handles.session else { return };
        let id = session.id().to_owned();
        if let Ok(session) = self.shared.sessions.claim_for_us(&id) {
            let may_share = !std::mem::replace(&mut handles.has_dialled, true);
            tokio::spawn(listener::connect(target, session, may_share, self.shared.msrp.clone()));
        }
    }

    pub(super) fn open_stream(&mut self, member: MembershipId, account: &AccountKey) {
        let lost = StreamMail::Ended(StreamEnd::Lost("the stream's task ended".into()));
        let (source_id, source) = self.address.source(Mail::Stream(lost));
        self.speakers.introduce(source_id, Speaker::Stream(member));
        // A membership is opened for a leg, whose account it is.
        let leg = self.of_account.get(account).and_then(|legs| legs.first());
        if let Some(handles) = leg.and_then(|leg| self.legs.get(leg)) {
            let (pool, muc) = (&self.shared.pool, self.room.muc().clone());
            let attachment = match self.room.is_on_its_way_back(member) {
                true => pool.attach_again(&handles.account, muc, source),
                false => pool.attach(&handles.account, muc, source),
            };
            self.seats.insert(member, attachment);
        }
    }

    pub(super) fn send_stanza(&mut self, member: MembershipId, stanza: &OutStanza) {
        match stanza {
            OutStanza::Join { .. } => {
                let cost = (&self.shared.pacing, self.room.muc().domain().as_str(), self.room.presences_of_a_join());
                if !self.joins.may_send(cost, member, stanza, &self.address) {
                    return;
                }
            }
            // A join that waits is not sent after it.
            OutStanza::Leave { .. } => self.joins.is_over(member),
            _ => {}
        }
        self.write_stanza(member, stanza);
    }

    pub(super) fn write_stanza(&mut self, member: MembershipId, stanza: &OutStanza) {
        let Some(seat) = self.seats.get(&member) else { return };
        match (encode::encode(stanza), stanza) {
            (Ok(bytes), _) => {
                self.note_stanza(member, Way::Out, || ladder::stanza(&bytes, Party::Addressee));
                if let Err(error) = seat.try_send(bytes) {
                    self.shared.metrics.peers_stalled.inc();
                    self.backlog.push_back(Input::StreamEnded(member, StreamEnd::Lost(error.to_string())));
                }
            }
            (
                Err(_),
                OutStanza::Groupchat { id, .. }
                | OutStanza::Private { id, .. }
                | OutStanza::Subject { id, .. }
                | OutStanza::Invite { id, .. }
                | OutStanza::VoiceRequest { id, .. }
                | OutStanza::SetRole { id, .. },
            ) => {
                self.backlog.push_back(Input::Unsendable { membership: member, id: id.clone() });
            }
            (Err(error), _) => tracing::error!(%error, "a stanza of ours cannot be sent"),
        }
    }
}
