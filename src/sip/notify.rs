//! NOTIFY: what one carries (RFC 6665 §4.1.3, §4.2.2), and what its answer says about the subscription. Decides nothing about
//! when one is due.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Header, Method};

use super::client::{Draft, Sent, Way};
use super::event::{self, CONFERENCE_INFO};
use super::port::{Notification, Outcome, Reason, SubscriptionState};
use super::reason;
use super::shared::Shared;
use super::usage::SharedDialog;

/// NOTIFYs of the node that wait for their answer; others wait their turn, first come, first served. A quarter of the
/// transactions that the stack runs.
pub(super) const IN_FLIGHT: usize = 1024;

/// What became of a notification.
pub(super) struct Told {
    pub(super) outcome: Outcome,
    /// How far apart the subscriber wants them from now on, if he has said anything of it; `None` within is as anybody.
    pub(super) wish: Option<Option<Duration>>,
}

/// Sends a notification and says what became of it.
pub(super) async fn conference(
    shared: &Arc<Shared>,
    dialog: &SharedDialog,
    way: &mut Way,
    event: &str,
    notification: Notification,
) -> Told {
    let is_last = matches!(notification.state, SubscriptionState::Terminated { .. });
    let body = notification.document.map(Vec::from);
    let octets = body.as_ref().map_or(0, Vec::len);
    let (mut sent, wish) = send(shared, dialog, way, draft(event, &notification.state, body)).await;
    if sent == Sent::TooLarge && is_last {
        // That it is over counts for more than the document.
        (sent, _) = send(shared, dialog, way, draft(event, &notification.state, None)).await;
    } else if sent == Sent::TooLarge {
        let (user, room, call_id) = (&dialog.owner.aor, &dialog.room, &dialog.id().call_id);
        tracing::info!(%user, %room, octets, call_id, "subscription ends: its document fits no datagram, and the user takes no TCP");
    }
    Told { outcome: outcome(sent), wish }
}

/// A NOTIFY of a REFER (RFC 3515 §2.4.5): how far it has come, or how it went.
pub(super) async fn referral(
    shared: &Arc<Shared>,
    dialog: &SharedDialog,
    way: &mut Way,
    event: &str,
    state: &SubscriptionState,
    (code, phrase): (u16, &str),
) -> Outcome {
    let phrase: String = phrase.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    let draft = Draft {
        method: Method::Notify,
        fields: vec![
            Header::Event(event.into()),
            Header::SubscriptionState(state_field(state).into()),
            Header::ContentType("message/sipfrag;version=2.0".into()),
        ],
        has_contact: true,
        body: format!("SIP/2.0 {code} {phrase}\r\n").into_bytes(),
    };
    outcome(send(shared, dialog, way, draft).await.0)
}

async fn send(
    shared: &Arc<Shared>,
    dialog: &SharedDialog,
    way: &mut Way,
    draft: Draft,
) -> (Sent, Option<Option<Duration>>) {
    let Ok(_place) = shared.notifies.acquire().await else { return (Sent::NoRoute, None) };
    way.send_and_read(shared, dialog, draft, event::wish_in).await
}

fn draft(event: &str, state: &SubscriptionState, body: Option<Vec<u8>>) -> Draft {
    let mut fields = vec![Header::Event(event.into()), Header::SubscriptionState(state_field(state).into())];
    if let SubscriptionState::Terminated { reason, text: Some(text), cause, .. } = state {
        fields.push(Header::Reason(reason::reason(cause.unwrap_or_else(|| cause_of(*reason)), text).into()));
    }
    if body.is_some() {
        fields.push(Header::ContentType(CONFERENCE_INFO.into()));
    }
    Draft { method: Method::Notify, fields, has_contact: true, body: body.unwrap_or_default() }
}

/// EV-06.
fn state_field(state: &SubscriptionState) -> String {
    match state {
        SubscriptionState::Active { expires, interval } => {
            let rate = interval.map(max_rate).map(|rate| format!(";max-rate={rate}")).unwrap_or_default();
            format!("active;expires={expires}{rate}")
        }
        SubscriptionState::Terminated { reason, retry_after, .. } => {
            let reason = match reason {
                Reason::Deactivated => "deactivated",
                Reason::Probation => "probation",
                Reason::Rejected => "rejected",
                Reason::Timeout => "timeout",
                Reason::Noresource => "noresource",
            };
            let retry = retry_after.map(|seconds| format!(";retry-after={seconds}")).unwrap_or_default();
            format!("terminated;reason={reason}{retry}")
        }
    }
}

/// The rate that an interval is (RFC 6446 §5.2), in its grammar: at most ten digits behind the point.
fn max_rate(interval: Duration) -> String {
    let rate = format!("{:.10}", (1.0 / interval.as_secs_f64()).clamp(0.000_000_000_1, 99.0));
    rate.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The status that a request would have been refused with.
const fn cause_of(reason: Reason) -> u16 {
    match reason {
        Reason::Deactivated | Reason::Probation => 503,
        Reason::Rejected => 403,
        Reason::Timeout => 408,
        Reason::Noresource => 480,
    }
}

/// EV-10, RFC 5057 §5.1. 408 is what the stack says for a transaction that nobody answered, too; a challenge is one that a notifier
/// has nothing to answer with.
fn outcome(sent: Sent) -> Outcome {
    match sent {
        Sent::TooLarge => Outcome::TooLarge,
        Sent::Unanswered | Sent::NoRoute => Outcome::Failed,
        Sent::Broken => outcome(Sent::Answered(503)),
        Sent::Answered(401 | 404 | 405 | 407 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604) => Outcome::Failed,
        Sent::Answered(200..300) => Outcome::Delivered,
        // It goes on (RFC 6665 §4.2.2), and nobody knows what its user knows.
        Sent::Answered(_) => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EV-06, EV-12.
    #[test]
    fn an_active_subscription_says_how_long_and_an_ended_one_why() {
        assert_eq!(state_field(&SubscriptionState::Active { expires: 599, interval: None }), "active;expires=599");
        let ended = |reason, retry_after| {
            let text = Some("why".into());
            state_field(&SubscriptionState::Terminated { reason, retry_after, text, cause: None })
        };
        assert_eq!(ended(Reason::Timeout, None), "terminated;reason=timeout");
        assert_eq!(ended(Reason::Deactivated, None), "terminated;reason=deactivated");
        assert_eq!(ended(Reason::Rejected, None), "terminated;reason=rejected");
        assert_eq!(ended(Reason::Noresource, None), "terminated;reason=noresource");
        assert_eq!(ended(Reason::Probation, Some(30)), "terminated;reason=probation;retry-after=30");
    }

    /// CI-22, GC-EXIT-05: the cause is that of the BYE, where there is one.
    #[test]
    fn a_subscription_ends_for_the_same_cause_as_the_call() {
        for (cause, field) in [(Some(410), "SIP;cause=410;text=\"why\""), (None, "SIP;cause=480;text=\"why\"")] {
            let (reason, text) = (Reason::Noresource, Some("why".into()));
            let state = SubscriptionState::Terminated { reason, retry_after: None, text, cause };
            let Draft { fields, .. } = draft("conference", &state, None);
            assert!(fields.contains(&Header::Reason(field.into())), "{fields:?}");
        }
    }

    /// EV-19 (RFC 6446 §5.2, §9.2).
    #[test]
    fn the_rate_that_was_granted_is_said() {
        let of = |interval| state_field(&SubscriptionState::Active { expires: 60, interval: Some(interval) });
        assert_eq!(of(Duration::from_secs(10)), "active;expires=60;max-rate=0.1");
        assert_eq!(of(Duration::from_secs(1)), "active;expires=60;max-rate=1");
        assert_eq!(of(Duration::from_secs(3600)), "active;expires=60;max-rate=0.0002777778");
    }

    /// EV-10.
    #[test]
    fn only_answers_that_say_so_end_a_subscription() {
        for code in [401, 404, 405, 407, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604] {
            assert_eq!(outcome(Sent::Answered(code)), Outcome::Failed, "{code}");
        }
        for code in [200, 202] {
            assert_eq!(outcome(Sent::Answered(code)), Outcome::Delivered, "{code}");
        }
        for code in [302, 400, 403, 406, 413, 486, 500, 503, 603] {
            assert_eq!(outcome(Sent::Answered(code)), Outcome::Refused, "{code}");
        }
        assert_eq!(outcome(Sent::Unanswered), Outcome::Failed);
        assert_eq!(outcome(Sent::NoRoute), Outcome::Failed);
        assert_eq!(outcome(Sent::Broken), Outcome::Refused, "RFC 3261 §8.1.3.1");
        assert_eq!(outcome(Sent::TooLarge), Outcome::TooLarge);
    }
}
