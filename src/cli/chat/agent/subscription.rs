//! The subscription to the roster (RFC 6665, RFC 4575): a dialog of its own beside the call, kept alive, begun anew when it is
//! lost, and ended with the call. Owns its state; never reads a document.

use std::time::Duration;

use mucfocus_core::time::Instant;

use super::requests::{Answer, What};
use super::{Agent, Dialog, Order, Own, T1, branch};
use crate::cli::chat::call::{Event, Refusal};
use crate::cli::chat::message::Message;
use crate::sip::head::parameter;

/// The event package.
pub(in crate::cli::chat) const PACKAGE: &str = "conference";
/// The type of its documents.
const DOCUMENT: &str = "application/conference-info+xml";
/// For how long we ask, in seconds: the default of RFC 4575 §3.3.
const EXPIRES: u32 = 3600;
/// Before another attempt, where the room does not say when: long enough not to be a burden.
const PAUSE: Duration = Duration::from_secs(5);
/// The same where it asks for patience.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// A subscription.
#[derive(Debug)]
pub(in crate::cli::chat) struct Subscription {
    own: Own,
    dialog: Option<Dialog>,
    phase: Phase,
    /// When there is something to do, by phase.
    due: Option<Instant>,
    /// Whether a SUBSCRIBE is under way.
    asking: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first NOTIFY is still to come, until Timer N (RFC 6665 §4.1.2.4).
    Awaited,
    /// It is up, until it is to be refreshed.
    Active,
    /// It is lost, until it is begun anew.
    Paused,
    /// We have ended it; the last NOTIFY is still to come.
    Ending,
    Over,
}

impl Subscription {
    fn new(now: Instant) -> Self {
        Self { own: Own::new(), dialog: None, phase: Phase::Awaited, due: Some(now + T1 * 64), asking: false }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It lives for so many seconds more; it is refreshed when four fifths of them are over.
    fn lives(&mut self, seconds: u32, now: Instant) {
        self.phase = Phase::Active;
        self.due = Some(now + Duration::from_secs(u64::from(seconds.max(2))) * 4 / 5);
    }

    fn pause(&mut self, pause: Duration, now: Instant) {
        self.phase = Phase::Paused;
        self.due = Some(now + pause);
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.due = None;
    }

    /// Whether a request is of this subscription, as far as its dialog is known.
    fn has(&self, request: &Message) -> bool {
        let tag = |name| request.field(name).and_then(|value| parameter(value, "tag")).unwrap_or_default();
        request.field("call-id") == Some(&self.own.call_id)
            && tag("to") == self.own.tag
            && self.dialog.as_ref().is_none_or(|dialog| dialog.remote_tag == tag("from"))
    }
}

impl Agent {
    /// Begins a subscription.
    pub(super) fn subscribe(&mut self, now: Instant, out: &mut Vec<Event>) {
        self.subscription = Some(Subscription::new(now));
        out.push(Event::Subscribing);
        self.ask_for_roster(EXPIRES, now, out);
    }

    /// Whether a first document may still come.
    pub(in crate::cli::chat) fn awaits_roster(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| !subscription.is_over())
    }

    /// Asks for the whole document: something was missed (RFC 4575 §4.6).
    pub(in crate::cli::chat) fn refresh(&mut self, now: Instant, out: &mut Vec<Event>) {
        let is_idle = |s: &Subscription| s.phase == Phase::Active && !s.asking;
        if self.subscription.as_ref().is_some_and(is_idle) {
            self.ask_for_roster(EXPIRES, now, out);
        }
    }

    /// Ends the subscription; its last NOTIFY is still to come.
    pub(in crate::cli::chat) fn unsubscribe(&mut self, now: Instant, out: &mut Vec<Event>) {
        let Some(subscription) = &mut self.subscription else { return };
        match subscription.phase {
            Phase::Awaited | Phase::Active if subscription.dialog.is_some() => {
                subscription.phase = Phase::Ending;
                subscription.due = None;
                self.ask_for_roster(0, now, out);
            }
            Phase::Ending => {}
            _ => subscription.end(),
        }
    }

    /// Sends a SUBSCRIBE, the first or another.
    pub(super) fn ask_for_roster(&mut self, expires: u32, now: Instant, out: &mut Vec<Event>) {
        let Some(mut subscription) = self.subscription.take() else { return };
        let branch = branch();
        let Subscription { own, dialog, .. } = &mut subscription;
        let draft = match dialog {
            Some(dialog) => self.within(own, dialog, "SUBSCRIBE", &branch),
            None => self.request(own, "SUBSCRIBE", &self.parties.room.to_string(), &self.to_room(), &branch),
        };
        own.advance();
        subscription.asking = true;
        self.subscription = Some(subscription);
        let draft = draft.field("Contact", &self.contact()).field("Event", PACKAGE).field("Accept", DOCUMENT);
        let draft = draft.field("Expires", &expires.to_string());
        self.ask(What::Subscribe(expires), branch, draft, now, out);
    }

    /// What the room says to a SUBSCRIBE.
    pub(super) fn subscribed(&mut self, asked: u32, answer: &Answer<'_>, now: Instant, out: &mut Vec<Event>) {
        let Some(subscription) = &mut self.subscription else { return };
        subscription.asking = false;
        let refusal = match answer {
            Answer::Final(200..=299, message) => {
                subscription.dialog.get_or_insert_with(|| Dialog::begin(message, &self.parties.room.to_string()));
                let granted = message.field("expires").and_then(|expires| expires.parse().ok()).unwrap_or(asked);
                if subscription.phase == Phase::Active {
                    subscription.lives(granted, now);
                }
                return;
            }
            Answer::Final(code, message) => Refusal::read(*code, message, self.credentials.as_ref()),
            Answer::None => Refusal { code: 408, phrase: "no answer".to_owned(), explanations: Vec::new() },
        };
        match subscription.phase {
            // The room does not know it any more, or perhaps it does not hear.
            Phase::Active if matches!(refusal.code, 404 | 408 | 480 | 481 | 500..=599) => {
                subscription.pause(PAUSE, now);
            }
            Phase::Awaited | Phase::Active => {
                subscription.end();
                out.push(Event::Unsubscribed(refusal.to_string()));
            }
            Phase::Ending => subscription.end(),
            Phase::Paused | Phase::Over => {}
        }
    }

    /// Does what is due.
    pub(super) fn keep_subscription(&mut self, now: Instant, out: &mut Vec<Event>) {
        let Some(subscription) = self.subscription.as_mut().filter(|s| s.due.is_some_and(|due| due <= now)) else {
            return;
        };
        subscription.due = None;
        match subscription.phase {
            Phase::Awaited => {
                subscription.end();
                out.push(Event::Unsubscribed("the room does not send it".to_owned()));
            }
            Phase::Active if !subscription.asking => self.ask_for_roster(EXPIRES, now, out),
            Phase::Paused => self.subscribe(now, out),
            Phase::Active | Phase::Ending | Phase::Over => {}
        }
    }

    /// Takes a NOTIFY of the roster and says what to answer; `None` when it is of no subscription of ours.
    pub(in crate::cli::chat) fn hear_of_roster(
        &mut self,
        notify: &Message,
        now: Instant,
        out: &mut Vec<Event>,
    ) -> Option<&'static str> {
        let room = self.parties.room.to_string();
        let subscription = self.subscription.as_mut().filter(|s| s.has(notify) && s.phase != Phase::Over)?;
        let (sequence, _) = notify.cseq()?;
        // It may overtake the answer to the SUBSCRIBE (EV-20).
        let dialog = subscription.dialog.get_or_insert_with(|| Dialog::begin(notify, &room));
        match dialog.takes(sequence) {
            Order::Next => {}
            Order::Again => return Some("200 OK"),
            Order::Late => return Some("500 Server Internal Error"),
        }
        if !notify.body.is_empty() {
            out.push(Event::Document(notify.body.clone()));
        }
        let state = notify.field("subscription-state").unwrap_or_default();
        let number = |name: &str| parameter(state, name).and_then(|value| value.parse::<u32>().ok());
        let (ended, ending) = (state.split(';').next().unwrap_or_default().trim(), subscription.phase == Phase::Ending);
        if !ended.eq_ignore_ascii_case("terminated") {
            if !ending {
                subscription.lives(number("expires").unwrap_or(EXPIRES), now);
            }
            return Some("200 OK");
        }
        let retry = number("retry-after").map(|seconds| Duration::from_secs(u64::from(seconds.max(1))));
        match parameter(state, "reason").unwrap_or_default().to_ascii_lowercase().as_str() {
            _ if ending => subscription.end(),
            "deactivated" | "timeout" => subscription.pause(PAUSE, now),
            "probation" | "giveup" => subscription.pause(retry.unwrap_or(LONG_PAUSE), now),
            reason @ ("rejected" | "noresource" | "invariant") => {
                subscription.end();
                let why = notify.explanations();
                out.push(Event::Unsubscribed(if why.is_empty() { reason.to_owned() } else { why.join("; ") }));
            }
            _ => subscription.pause(retry.unwrap_or(PAUSE), now),
        }
        Some("200 OK")
    }
}
