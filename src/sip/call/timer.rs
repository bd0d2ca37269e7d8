//! Session timers (RFC 4028), as whom was called: what is agreed on, and when something has to happen. Pure.

use std::time::Duration;

use rsipstack::sip::{Header, Request, Response};
use tokio::time::Instant;

use crate::sip::dispatch::Refused;
use crate::sip::head::parameter;
use crate::sip::reply::fields;

/// The option tag.
const TIMER: &str = "timer";
/// The BYE comes before the end by this, or by a third of the interval (RFC 4028 §10).
const BEFORE_END: Duration = Duration::from_secs(32);
/// A refresh that failed is not tried again when there is less time than this.
const LAST_TRY: Duration = Duration::from_secs(1);

/// Who has to show that he is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Refresher {
    /// We do.
    Us,
    /// The peer does; where it sends nothing, it is gone.
    Peer,
}

/// What was agreed on in one request and its 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct Session {
    /// Seconds from one refresh to the end, when there is no other.
    pub(super) interval: u32,
    pub(super) refresher: Refresher,
    /// Whether the peer knows session timers at all; else some proxy has asked for one.
    peer_supports: bool,
}

/// Why a request for a session timer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Unacceptable {
    /// It cannot be read.
    Malformed,
    /// The interval is shorter than the Min-SE beside it.
    BelowItsMinimum,
    /// The interval is shorter than we bear.
    TooShort,
}

impl Session {
    /// What a request asks for, if it asks at all (RFC 4028 §9). `min` is the shortest interval that we bear.
    pub(in crate::sip) fn wanted(request: &Request, min: Duration) -> Result<Option<Self>, Unacceptable> {
        let peer_supports = has_option(request, "supported") || has_option(request, "require");
        let least =
            single(request, "min-se")?.map(|value| seconds(value).ok_or(Unacceptable::Malformed)).transpose()?;
        let Some(value) = single(request, "session-expires")? else { return Ok(None) };
        let interval = seconds(value).ok_or(Unacceptable::Malformed)?;
        // RFC 4028 §7.1, §8.1: neither a client nor a proxy sends that.
        if least.is_some_and(|least| least > interval) {
            return Err(Unacceptable::BelowItsMinimum);
        }
        let asked = match parameter(value, "refresher") {
            None => None,
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Peer),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Us),
            Some(_) => return Err(Unacceptable::Malformed),
        };
        if Duration::from_secs(interval.into()) < min {
            // Who does not know the extension cannot be told to ask for more; there is no timer then.
            return if peer_supports { Err(Unacceptable::TooShort) } else { Ok(None) };
        }
        let refresher = match asked {
            Some(refresher) if peer_supports => refresher,
            None if peer_supports => Refresher::Peer,
            _ => Refresher::Us,
        };
        Ok(Some(Self { interval, refresher, peer_supports }))
    }

    /// The fields of the 2xx that agrees.
    pub(super) fn accepted(&self) -> Vec<Header> {
        let refresher = match self.refresher {
            Refresher::Peer => "uac",
            Refresher::Us => "uas",
        };
        let mut fields = vec![session_expires(self.interval, refresher)];
        if self.peer_supports {
            fields.push(Header::Require(TIMER.into()));
        }
        fields
    }

    /// The fields of our refresh; we are its client.
    pub(super) fn refreshing(&self) -> Vec<Header> {
        vec![session_expires(self.interval, "uac")]
    }

    /// What the 2xx to our refresh leaves us with. One without a word about it leaves all as it is: we go on refreshing.
    pub(super) fn refreshed(mut self, response: &Response) -> Self {
        if let Some(value) = of_response(response, "session-expires") {
            self.interval = seconds(value).filter(|interval| *interval > 0).unwrap_or(self.interval);
            self.peer_supports = true;
            let is_peer = parameter(value, "refresher").is_some_and(|who| who.eq_ignore_ascii_case("uas"));
            self.refresher = if is_peer { Refresher::Peer } else { Refresher::Us };
        }
        self
    }

    /// What the 2xx to an INVITE of ours that opened the dialog grants, which had not asked (RFC 4028 §7.2, §8.2).
    pub(super) fn granted(response: &Response) -> Option<Self> {
        let interval = seconds(of_response(response, "session-expires")?).filter(|interval| *interval > 0)?;
        let asked = Self { interval, refresher: Refresher::Us, peer_supports: true };
        Some(asked.refreshed(response))
    }

    /// The same with the interval that a 422 asks for, if it is longer.
    pub(super) fn longer(mut self, response: &Response) -> Option<Self> {
        let least = seconds(of_response(response, "min-se")?).filter(|least| *least > self.interval)?;
        self.interval = least;
        Some(self)
    }
}

/// The value of a field that may be there once.
fn single<'a>(request: &'a Request, name: &'a str) -> Result<Option<&'a str>, Unacceptable> {
    let mut values = fields(request, name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Unacceptable::Malformed),
    }
}

/// Refuses what [`Session::wanted`] does not accept.
pub(in crate::sip) fn check(request: &Request, min: Duration) -> Result<(), Refused> {
    match Session::wanted(request, min) {
        Ok(_) => Ok(()),
        Err(Unacceptable::Malformed) => {
            Err(Refused::new(400, "session_expires", "the Session-Expires or the Min-SE cannot be read"))
        }
        Err(Unacceptable::BelowItsMinimum) => {
            Err(Refused::new(400, "session_expires", "the Session-Expires is below the Min-SE"))
        }
        Err(Unacceptable::TooShort) => {
            let mut refused = Refused::new(422, "session_too_short", "the session interval is too short");
            refused.fields.push(Header::Other("Min-SE".into(), min.as_secs().max(1).to_string()));
            Err(refused)
        }
    }
}

/// Whether an extension that a request requires is this one.
pub(in crate::sip) fn is_timer(option: &str) -> bool {
    option.eq_ignore_ascii_case(TIMER)
}

/// A session timer that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer {
    pub(super) session: Session,
    /// When we say BYE.
    ends: Instant,
    /// When we refresh, if it is on us.
    refresh: Option<Instant>,
}

/// What is to be done when the time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Refresh,
    Bye,
}

impl Timer {
    /// Runs from now on, which is when the 2xx goes out or has come.
    pub(super) fn start(session: Session, now: Instant) -> Self {
        let interval = Duration::from_secs(session.interval.into());
        let ends = now + interval.saturating_sub(BEFORE_END.min(interval / 3));
        let refresh = (session.refresher == Refresher::Us).then(|| now + interval / 2);
        Self { session, ends, refresh }
    }

    /// When something has to be done.
    pub(super) fn next(&self) -> Instant {
        self.refresh.map_or(self.ends, |refresh| refresh.min(self.ends))
    }

    /// What has to be done now; a refresh is due once.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.ends {
            return Some(Due::Bye);
        }
        self.refresh.take_if(|at| *at <= now).map(|_| Due::Refresh)
    }

    /// Refreshes once more after `pause`.
    pub(super) fn again(&mut self, now: Instant, pause: Duration) {
        self.refresh = Some(now + pause);
    }

    /// The same in half the time that is left, if that makes sense.
    pub(super) fn again_halfway(&mut self, now: Instant) {
        let pause = self.ends.saturating_duration_since(now) / 2;
        self.refresh = (pause >= LAST_TRY).then(|| now + pause);
    }
}

fn session_expires(interval: u32, refresher: &str) -> Header {
    Header::Other("Session-Expires".into(), format!("{interval};refresher={refresher}"))
}

fn has_option(request: &Request, name: &str) -> bool {
    fields(request, name).flat_map(|v| v.split(',')).any(|option| is_timer(option.trim()))
}

fn seconds(value: &str) -> Option<u32> {
    let number = value.split(';').next()?.trim();
    number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())?
}

fn of_response<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|h| crate::sip::head::long_name(h.name()) == name).map(Header::value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(90);

    fn request(more: &str) -> Request {
        let text = format!(
            "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:r@o>;tag=r\r\nTo: <sip:x@d>;tag=l\r\n\
             Call-ID: c\r\nCSeq: 7 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    fn response(more: &str) -> Response {
        let text = format!("SIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\n{more}Content-Length: 0\r\n\r\n");
        Response::try_from(text.as_bytes()).unwrap()
    }

    /// RFC 4028 §9, table 2.
    #[test]
    fn the_client_chooses_who_refreshes_if_it_can() {
        let (us, peer) = (Refresher::Us, Refresher::Peer);
        for (fields, who, supports) in [
            ("Session-Expires: 1800\r\n", us, false),
            ("Supported: timer\r\nSession-Expires: 1800\r\n", peer, true),
            ("k: 100rel, Timer\r\nx: 1800 ;refresher=UAC\r\n", peer, true),
            ("Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n", us, true),
            ("Require: timer\r\nSession-Expires: 1800\r\n", peer, true),
        ] {
            let expected = Session { interval: 1800, refresher: who, peer_supports: supports };
            assert_eq!(Session::wanted(&request(fields), MIN), Ok(Some(expected)), "{fields}");
        }
        assert_eq!(Session::wanted(&request("Supported: timer\r\n"), MIN), Ok(None));
    }

    #[test]
    fn too_short_an_interval_is_refused_to_those_who_can_ask_for_a_longer_one() {
        let of = |fields: &str| Session::wanted(&request(fields), MIN);
        assert_eq!(of("Supported: timer\r\nSession-Expires: 89\r\n"), Err(Unacceptable::TooShort));
        assert!(matches!(of("Supported: timer\r\nSession-Expires: 90\r\n"), Ok(Some(_))));
        assert_eq!(of("Session-Expires: 5;refresher=uas\r\n"), Ok(None));
        for malformed in ["soon", "", "-90", "90;refresher=me", "99999999999", "90\r\nSession-Expires: 90"] {
            let fields = format!("Supported: timer\r\nSession-Expires: {malformed}\r\n");
            assert_eq!(of(&fields), Err(Unacceptable::Malformed), "{malformed}");
        }
    }

    #[test]
    fn the_bye_comes_before_the_end_and_a_refresh_in_the_middle() {
        let now = Instant::now();
        let session = |interval, refresher| Session { interval, refresher, peer_supports: true };
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timer = Timer::start(session(1800, Refresher::Peer), now);
        assert_eq!((timer.next(), timer.due(at(1767)), timer.due(at(1768))), (at(1768), None, Some(Due::Bye)));
        assert_eq!(Timer::start(session(90, Refresher::Peer), now).next(), at(60));
        let mut timer = Timer::start(session(90, Refresher::Us), now);
        assert_eq!((timer.next(), timer.due(at(44)), timer.due(at(45))), (at(45), None, Some(Due::Refresh)));
        assert_eq!((timer.next(), timer.due(at(46))), (at(60), None));
        timer.again_halfway(at(50));
        assert_eq!(timer.next(), at(55));
        timer.again_halfway(at(59));
        assert_eq!(timer.next(), at(60));
    }

    #[test]
    fn the_answer_to_our_refresh_may_change_all() {
        let session = Session { interval: 90, refresher: Refresher::Us, peer_supports: false };
        assert_eq!(session.refreshed(&response("")), session);
        let theirs = Session { interval: 120, refresher: Refresher::Peer, peer_supports: true };
        assert_eq!(session.refreshed(&response("Session-Expires: 120;refresher=uas\r\n")), theirs);
        assert_eq!(session.longer(&response("Min-SE: 300\r\n")).map(|s| s.interval), Some(300));
        assert_eq!(session.longer(&response("Min-SE: 90\r\n")), None);
        assert_eq!(session.longer(&response("")), None);
    }
}
