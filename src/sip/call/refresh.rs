//! Keeps the session timer of a call: refreshes where that is on us, and ends the call where nobody does (RFC 4028 §10).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rsipstack::sip::{Header, Method, Request, Response};
use tokio::time::Instant;

use super::timer::{Due, Session, Timer};
use super::{Call, Event, Phase};
use crate::hub::mail::CallEnd;
use crate::sip::client::{Draft, Way};
use crate::sip::dispatch::capabilities;
use crate::sip::head::long_name;
use crate::sip::reply::fields;

/// What keeping the timer takes.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    timer: Option<Timer>,
    /// Whether a refresh of ours waits for its answer; `true` when it is an offer, besides which there can be no other.
    under_way: Option<bool>,
    /// Whether the peer takes UPDATE.
    has_update: bool,
    /// The SDP that we said last.
    said: Bytes,
    /// The Call-ID is ours.
    is_ours: bool,
}

impl Keeping {
    /// What the 2xx to an INVITE of ours asks for.
    pub(super) fn begun_by(ok: &Response, said: Bytes) -> Self {
        let allowed = ok.headers.iter().filter(|h| long_name(h.name()) == "allow").map(Header::value);
        let has_update = allowed.flat_map(|v| v.split(',')).any(|method| method.trim() == "UPDATE");
        let timer = Session::granted(ok).map(|session| Timer::start(session, Instant::now()));
        Self { timer, has_update, said, is_ours: true, ..Self::default() }
    }

    /// When something has to be done.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timer.filter(|_| self.under_way.is_none()).map(|timer| timer.next())
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) fn is_offering(&self) -> bool {
        self.under_way == Some(true)
    }
}

impl Call {
    /// Agrees to the session timer that a request asks for, which starts now; yields the fields of the 2xx that say so.
    pub(super) fn keep_session(&mut self, request: &Request, said: Option<&Bytes>) -> Vec<Header> {
        let mut allowed = fields(request, "allow").flat_map(|v| v.split(',')).peekable();
        if allowed.peek().is_some() {
            self.keeping.has_update = allowed.any(|method| method.trim() == "UPDATE");
        }
        if let Some(said) = said {
            self.keeping.said = said.clone();
        }
        let session = Session::wanted(request, self.shared.settings.min_session).ok().flatten();
        self.keeping.timer = session.map(|session| Timer::start(session, Instant::now()));
        session.map(|session| session.accepted()).unwrap_or_default()
    }

    /// Something is due.
    pub(super) fn on_session_timer(&mut self) -> Option<CallEnd> {
        let now = Instant::now();
        match self.keeping.timer.as_mut()?.due(now)? {
            _ if !matches!(self.phase, Phase::Talking) => self.keeping.timer = None,
            Due::Bye => self.on_session_over("the session was not refreshed in time"),
            // What goes on shows that the peer is there, and may refresh by itself.
            Due::Refresh if self.pending.is_some() || self.is_unacknowledged() => {
                self.keeping.timer.as_mut()?.again(now, Duration::from_secs(1));
            }
            Due::Refresh => self.refresh(),
        }
        None
    }

    fn on_session_over(&mut self, why: &str) {
        self.keeping.timer = None;
        self.leave(408, why, CallEnd::Expired(why.to_owned()));
    }

    /// By UPDATE where the peer knows it, for it offers nothing; else by our last SDP once more.
    fn refresh(&mut self) {
        let Some(timer) = &self.keeping.timer else { return };
        let mut fields = timer.session.refreshing();
        fields.extend(capabilities());
        let method = if self.keeping.has_update { Method::Update } else { Method::Invite };
        let is_offer = method == Method::Invite;
        let mut body = Vec::new();
        if is_offer {
            fields.push(Header::ContentType("application/sdp".into()));
            body = self.keeping.said.to_vec();
        }
        self.keeping.under_way = Some(is_offer);
        let refresh = Draft { method, fields, has_contact: true, body };
        let mut way = Way::back(self.place.clone(), self.connection.clone());
        let dialog = self.dialog.dialog();
        let (shared, events) = (Arc::clone(&self.shared), self.handle.events.clone());
        tokio::spawn(async move {
            let answer = way.ask(&shared, &dialog, refresh).await;
            let _ = events.send(Event::Refreshed(answer.map(Box::new))).await;
        });
    }

    /// The answer to our refresh.
    pub(super) fn on_refreshed(&mut self, answer: Option<Box<Response>>) {
        let was_offer = self.keeping.under_way.take() == Some(true);
        let (Phase::Talking, Some(timer)) = (&self.phase, self.keeping.timer.as_mut()) else { return };
        let now = Instant::now();
        let Some(answer) = answer else {
            return self.on_session_over("nobody answered when the session was refreshed");
        };
        match answer.status_code.code() {
            200..=299 => {
                *timer = Timer::start(timer.session.refreshed(&answer), now);
                self.dialog.refresh_target_by(&answer.headers);
            }
            408 | 481 => self.on_session_over("the peer does not know the session any more"),
            422 => match timer.session.longer(&answer) {
                Some(session) => {
                    timer.session = session;
                    timer.again(now, Duration::ZERO);
                }
                None => timer.again_halfway(now),
            },
            // The peer asks at the same time (RFC 3261 §14.1).
            491 => timer.again(now, after_glare(self.keeping.is_ours)),
            405 | 501 if !was_offer => {
                self.keeping.has_update = false;
                timer.again(now, Duration::ZERO);
            }
            _ => timer.again_halfway(now),
        }
    }
}

/// In steps of 10 ms; who owns the Call-ID waits longer, so that the two do not meet again (RFC 3261 §14.1).
fn after_glare(is_ours: bool) -> Duration {
    let steps = if is_ours { rand::random_range(210..=400) } else { rand::random_range(0..=200) };
    Duration::from_millis(steps * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_glare_the_owner_of_the_call_id_waits_longer() {
        for _ in 0..1000 {
            assert!((2100..=4000).contains(&after_glare(true).as_millis()));
            assert!(after_glare(false).as_millis() <= 2000);
        }
    }
}
