//! What a SUBSCRIBE wants: Event, Accept and Expires (RFC 6665 §4.1.2, §4.2.1). Pure.

use std::time::Duration;

use rsipstack::sip::{Header, Request, Response};

use super::accept::admits;
use super::dispatch::Refused;
use super::gate::{ALLOW_EVENTS, is_token};
use super::head::{long_name, parameter};
use super::reply::{field, fields};

/// The one format that we notify in.
pub(super) const CONFERENCE_INFO: &str = "application/conference-info+xml";
/// How long a subscription lives at most, and when nothing is said (RFC 4575 §3.3), in seconds.
pub(super) const LONGEST: u32 = 3600;
/// The shortest that is worth a refresh, in seconds (EV-03).
const SHORTEST: u32 = 60;
/// Octets of an `id`; longer ones are nobody's.
const MAX_ID: usize = 128;

/// A SUBSCRIBE to the conference package that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// The `id` of its Event, by which several subscriptions of one dialog are told apart.
    pub(super) id: Option<String>,
    /// For how long, in seconds, capped; 0 fetches, or ends.
    pub(super) expires: u32,
    /// How far apart its notifications are wanted: the reciprocal of `max-rate` (RFC 6446 §5.1).
    pub(super) interval: Option<Duration>,
}

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// 489 for another package, 403 for `refer`, 406 for other formats, 423 for too short a time, 400.
    pub(super) fn of(subscribe: &Request) -> Result<Self, Refused> {
        let event = field(subscribe, "event").unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if package.eq_ignore_ascii_case("refer") {
            // RFC 3515 §2.4.4: such subscriptions come of a REFER alone.
            return Err(Refused::new(403, "refer_state", "nothing is known about such a referral"));
        }
        if !package.eq_ignore_ascii_case("conference") {
            let refused = Refused::new(489, "event", "the event package is not supported; use conference");
            return Err(refused.with(Header::Other("Allow-Events".into(), ALLOW_EVENTS.into())));
        }
        let id = parameter(event, "id").map(str::to_owned);
        if id.as_ref().is_some_and(|id| !is_token(id) || id.len() > MAX_ID) {
            return Err(Refused::new(400, "event_id", "the id of the Event is no token, or too long"));
        }
        if !admits(fields(subscribe, "accept"), CONFERENCE_INFO) {
            let refused = Refused::new(406, "accept", format!("notifications come as {CONFERENCE_INFO} only"));
            return Err(refused.with(Header::Accept(CONFERENCE_INFO.into())));
        }
        let interval = parameter(event, "max-rate").and_then(interval);
        Ok(Self { id, expires: expires(field(subscribe, "expires"))?, interval })
    }

    /// The Event of its notifications.
    pub(super) fn event(&self) -> String {
        self.id.as_ref().map_or("conference".to_owned(), |id| format!("conference;id={id}"))
    }
}

/// How far apart the subscriber who has answered a NOTIFY with this wants the next ones, if he says anything of it (RFC 6446 §9.3):
/// an Event without a rate takes the rate back.
pub(super) fn wish_in(answer: &Response) -> Option<Option<Duration>> {
    let is_taken = matches!(answer.status_code.code(), 200..300);
    let event = answer.headers.iter().find(|h| long_name(h.name()) == "event").filter(|_| is_taken)?.value();
    let package = event.split(';').next().unwrap_or_default().trim();
    package.eq_ignore_ascii_case("conference").then(|| parameter(event, "max-rate").and_then(interval))
}

/// What a `max-rate` means: none where it is not one (RFC 6446 §9.2), or says never.
fn interval(rate: &str) -> Option<Duration> {
    let (whole, fraction) = rate.split_once('.').unwrap_or((rate, "0"));
    let is_number =
        |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let rate: f64 = rate.parse().ok().filter(|_| is_number(whole, 2) && is_number(fraction, 10))?;
    Duration::try_from_secs_f64(1.0 / rate).ok()
}

/// A SUBSCRIBE to what comes of a REFER: its `id`, if it has one, and for how long, in seconds. `None` for another package.
///
/// # Errors
///
/// As of [`Wish::of`].
pub(super) fn of_referral(subscribe: &Request) -> Result<Option<(Option<&str>, u32)>, Refused> {
    let event = field(subscribe, "event").unwrap_or_default();
    if !event.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("refer") {
        return Ok(None);
    }
    Ok(Some((parameter(event, "id"), expires(field(subscribe, "expires"))?)))
}

fn expires(value: Option<&str>) -> Result<u32, Refused> {
    let Some(value) = value else { return Ok(LONGEST) };
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::new(400, "expires", "Expires is not a number of seconds"));
    }
    // What is beyond u32 is beyond an hour.
    match value.parse().unwrap_or(LONGEST).min(LONGEST) {
        short @ 1..SHORTEST => {
            let text = format!("{short} s are too short; subscribe for {SHORTEST} s at least");
            Err(Refused::new(423, "expires", text).with(Header::MinExpires(SHORTEST.to_string().into())))
        }
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(fields: &str) -> Result<Wish, u16> {
        let text = format!(
            "SUBSCRIBE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:r@o>;tag=r\r\nTo: <sip:x@d>\r\n\
             Call-ID: c\r\nCSeq: 7 SUBSCRIBE\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        let request = Request::try_from(text.as_bytes()).unwrap();
        Wish::of(&request).map_err(|refused| refused.refusal.code)
    }

    /// EV-01, EV-19, RF-12.
    #[test]
    fn only_the_conference_package_is_known_and_its_parameters_are_ignored_but_for_those_that_count() {
        let of = |event: &str| wish(&format!("Event: {event}\r\n"));
        assert_eq!(of("conference"), Ok(Wish { id: None, expires: 3600, interval: None }));
        assert_eq!(of("Conference;max-rate=0.1;id=a1;foo=\"b;id=c\"").unwrap().event(), "conference;id=a1");
        assert_eq!(of("presence"), Err(489));
        assert_eq!(of("conference.winfo"), Err(489));
        assert_eq!(wish(""), Err(489));
        assert_eq!(of("refer;id=3"), Err(403));
        assert_eq!(of("conference;id="), Err(400));
        assert_eq!(of(&format!("conference;id={}", "x".repeat(129))), Err(400));
        // The compact form.
        assert_eq!(wish("o: conference\r\n").unwrap().id, None);
    }

    /// EV-19: what is no rate, or none at all, is as if it were not there.
    #[test]
    fn a_rate_is_how_far_apart_notifications_are_wanted() {
        let of = |rate: &str| wish(&format!("Event: conference;max-rate={rate}\r\n")).unwrap().interval;
        assert_eq!((of("0.1"), of("2")), (Some(Duration::from_secs(10)), Some(Duration::from_millis(500))));
        assert_eq!(of("0.0000000001"), Some(Duration::from_secs(10_000_000_000)));
        for rate in ["0", "00.0", "-1", "+1", "1.", ".1", "100", "1e1", "nan", "inf", "0.00000000001", "\"1\"", ""] {
            assert_eq!(of(rate), None, "{rate}");
        }
        assert_eq!(wish("Event: conference;min-rate=1;adaptive-min-rate=1\r\n").unwrap().interval, None);
    }

    /// EV-02, EV-03.
    #[test]
    fn the_time_may_be_shortened_and_is_never_lengthened() {
        let of = |expires: &str| wish(&format!("Event: conference\r\nExpires: {expires}\r\n")).map(|w| w.expires);
        assert_eq!((of("600"), of("60"), of("0")), (Ok(600), Ok(60), Ok(0)));
        assert_eq!((of("3601"), of("99999999999999999999")), (Ok(3600), Ok(3600)));
        assert_eq!((of("59"), of("1")), (Err(423), Err(423)));
        assert_eq!((of("soon"), of("-1")), (Err(400), Err(400)));
    }

    /// Example 29 of RFC 7702, but for the Via that the print leaves out: GC-PRES-01.
    #[test]
    fn the_subscribe_of_example_29_is_a_wish_for_ten_minutes() {
        let printed = include_str!("../../tests/fixtures/rfc7702/example-29-subscribe.sip").replace('\n', "\r\n");
        let request = Request::try_from(printed.as_bytes()).unwrap();
        assert!(Wish::of(&request).is_ok_and(|wish| wish == Wish { id: None, expires: 600, interval: None }));
    }
}
