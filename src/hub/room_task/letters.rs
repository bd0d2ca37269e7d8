//! What the letters of drivers mean to the room.

use std::time::Duration;

use mucfocus_core::leg::LegId;
use mucfocus_core::room::io::{Input, MembershipId};
use mucfocus_core::time::Instant;
use mucfocus_core::xmpp_stream::framing::Framed;

use super::RoomTask;
use crate::hub::call::NewSubscription;
use crate::hub::clock;
use crate::hub::mail::{CallMail, SessionMail, StreamMail, SubscriptionMail};
use crate::hub::mailbox::SourceId;
use crate::hub::speakers::Speaker;
use crate::observe::ladder::{self, Party, Side, Way};
use crate::observe::metrics::Fate;
use crate::xmpp::decode;

impl RoomTask {
    pub(super) fn call_input(&mut self, from: SourceId, mail: CallMail) -> Option<Input> {
        let Some(speaker @ Speaker::Call(leg)) = self.speakers.of(from) else { return None };
        Some(match mail {
            CallMail::Cancelled => Input::Cancelled(leg),
            CallMail::Ringing { code, phrase } => Input::Ringing { leg, code, phrase },
            CallMail::Confirmed => Input::Confirmed(leg),
            CallMail::Answered { answer } => Input::Answered(leg, answer),
            CallMail::Reinvite { offer } => Input::Reoffered(leg, offer),
            CallMail::Ended(end) => {
                self.speakers.dismiss(speaker);
                Input::CallEnded(leg, end)
            }
        })
    }

    pub(super) fn subscribe(&mut self, from: SourceId, new: NewSubscription) {
        let NewSubscription { subscription, watch, notifications, place } = new;
        self.speakers.introduce(from, Speaker::Subscription(subscription));
        self.watchers.subscribed(subscription, notifications, place);
        self.input(Input::Subscribe { subscription, watch: Box::new(watch) });
        self.drain();
    }

    pub(super) fn subscription_input(&mut self, from: SourceId, mail: SubscriptionMail) -> Option<Input> {
        let Some(speaker @ Speaker::Subscription(id)) = self.speakers.of(from) else { return None };
        Some(match mail {
            SubscriptionMail::Refreshed { expires, interval } => {
                let expires = Duration::from_secs(expires.into());
                Input::Refreshed { subscription: id, expires, interval }
            }
            SubscriptionMail::Wished(interval) => Input::Wished { subscription: id, interval },
            SubscriptionMail::Notified(outcome) => {
                self.shared.metrics.notification(outcome);
                Input::Notified(id, outcome)
            }
            SubscriptionMail::Ended => {
                self.speakers.dismiss(speaker);
                Input::SubscriptionEnded(id)
            }
        })
    }

    pub(super) fn session_input(&mut self, from: SourceId, mail: SessionMail) -> Option<Input> {
        let Some(speaker @ Speaker::Session(leg)) = self.speakers.of(from) else { return None };
        Some(match mail {
            SessionMail::Bound(link) => {
                self.note(leg, Side::Msrp, Way::In, || "(connected)".into());
                self.legs.get_mut(&leg)?.link = Some(link);
                Input::Bound(leg)
            }
            SessionMail::Frame { frame, arrived } => {
                self.note(leg, Side::Msrp, Way::In, || ladder::msrp_frame(&frame));
                let turn = frame.ends_a_send().then(|| self.turn_of(leg)).flatten();
                if let Some(handles) = self.legs.get(&leg) {
                    self.room.grant(leg, handles.unfinished.spare());
                }
                Input::Frame { leg, frame, arrived, turn }
            }
            SessionMail::Concluded(outcome) => Input::Concluded(leg, outcome),
            SessionMail::Bad(bad) => Input::BadFrame(leg, bad),
            SessionMail::Misfit => Input::SessionMisfit(leg),
            SessionMail::Unreachable { why } => {
                self.note(leg, Side::Msrp, Way::Out, || "(no connection)".into());
                Input::SessionLost { leg, why, ago: Duration::ZERO, unsent: Vec::new() }
            }
            SessionMail::Lost { why, ago } => {
                self.note(leg, Side::Msrp, Way::In, || "(connection lost)".into());
                self.speakers.dismiss(speaker);
                let unsent = self.take_back(leg);
                if let Some(handles) = self.legs.get_mut(&leg) {
                    handles.link = None;
                }
                Input::SessionLost { leg, why, ago, unsent }
            }
        })
    }

    pub(super) fn turn_of(&self, leg: LegId) -> Option<Instant> {
        let patience = self.shared.in_force.borrow().timeouts.reflection;
        self.legs.get(&leg).map(|handles| handles.hold.budget().turn(clock::now(), patience))
    }

    pub(super) fn stream_input(&mut self, from: SourceId, mail: StreamMail) -> Option<Input> {
        let Some(speaker @ Speaker::Stream(member)) = self.speakers.of(from) else { return None };
        match mail {
            StreamMail::Ready { bound } => {
                self.note_stanza(member, Way::In, || "(stream up)".into());
                Some(Input::StreamReady(member, bound))
            }
            StreamMail::Suspended(why) => Some(Input::StreamSuspended(member, why)),
            StreamMail::Resumed { unhandled } => Some(Input::StreamResumed { membership: member, unhandled }),
            StreamMail::Reset { why, unhandled } => Some(Input::StreamReset { membership: member, why, unhandled }),
            StreamMail::Ended(end) => {
                self.note_stanza(member, Way::In, || "(stream lost)".into());
                self.speakers.dismiss(speaker);
                Some(Input::StreamEnded(member, end))
            }
            StreamMail::Stanza(framed) => {
                self.note_stanza(member, Way::In, || ladder::stanza(&framed.bytes, Party::Sender));
                self.stanza_input(member, framed)
            }
        }
    }

    /// A copy of a message that another membership has heard is not parsed again.
    pub(super) fn stanza_input(&self, member: MembershipId, framed: Framed) -> Option<Input> {
        if let Some(known) = self.room.recall(member, &framed) {
            self.shared.metrics.xmpp_stanza(framed.name(), Fate::Recalled);
            return Some(Input::Again(member, known));
        }
        match decode::decode(&framed.bytes) {
            Ok(stanza) => {
                self.shared.metrics.xmpp_stanza(framed.name(), Fate::Parsed);
                Some(Input::Stanza(member, framed, Box::new(stanza)))
            }
            Err(error) => {
                self.shared.metrics.xmpp_stanza_skipped("undecodable");
                tracing::debug!(%error, "a stanza of the room could not be read and was skipped");
                None
            }
        }
    }
}
