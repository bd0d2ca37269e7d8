//! How much of what the stack remembers is one peer's. Peers that we trust have no limit on rates, and one of them that has gone
//! mad must not take the place of all the others.
//!
//! Owns counts. All is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::sockets::source_of;

/// Counts are kept by the span.
const SPAN: Duration = Duration::from_secs(4);
/// Spans for which a request counts: the stack remembers it for 32 s (RFC 3261 §17.2.2), and it came somewhere in its span.
const SPANS: usize = 9;
const SPANS_OF_TIME: u64 = SPANS as u64;
/// Peers at a time: trusted are mostly a few addresses. Who does not fit is not counted.
const PEERS: usize = 4096;

/// Requests of all peers.
#[derive(Debug)]
pub(super) struct Shares {
    began: Instant,
    /// Requests of one peer that may be remembered at a time.
    share: usize,
    peers: HashMap<IpAddr, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// The span of the last request.
    span: u64,
    /// Of the last [`SPANS`], each at its number modulo their number.
    spans: [usize; SPANS],
}

impl Shares {
    /// Of `remembered` requests at a time, one peer may take three quarters; the last is for the others.
    pub(super) fn new(remembered: usize, now: Instant) -> Self {
        Self { began: now, share: remembered / 4 * 3, peers: HashMap::new() }
    }

    /// Counts a request; false when its peer had its share already.
    pub(super) fn take(&mut self, peer: IpAddr, is_of_a_call: bool, now: Instant) -> bool {
        let peer = source_of(peer);
        let span = now.duration_since(self.began).as_secs() / SPAN.as_secs();
        if self.peers.len() >= PEERS && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, counts| counts.span + SPANS_OF_TIME > span);
            if self.peers.len() >= PEERS {
                return true;
            }
        }
        let counts = self.peers.entry(peer).or_insert_with(|| Counts { span, ..Counts::default() });
        counts.go_on(span);
        let fits = counts.spans.iter().sum::<usize>() < self.share;
        if let Some(count) = counts.spans.get_mut(at(span)).filter(|_| fits || is_of_a_call) {
            *count += 1;
        }
        fits || is_of_a_call
    }
}

impl Counts {
    /// Forgets what is too old.
    fn go_on(&mut self, span: u64) {
        for old in (self.span + 1..=span).rev().take(SPANS) {
            if let Some(count) = self.spans.get_mut(at(old)) {
                *count = 0;
            }
        }
        self.span = self.span.max(span);
    }
}

fn at(span: u64) -> usize {
    usize::try_from(span % SPANS_OF_TIME).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::shared::REMEMBERED_TRANSACTIONS;

    const SHARE: usize = REMEMBERED_TRANSACTIONS / 4 * 3;

    /// SIP-21.
    #[test]
    fn a_peer_that_has_gone_mad_leaves_a_quarter_to_the_others_until_the_stack_has_forgotten() {
        let began = Instant::now();
        let mut shares = Shares::new(REMEMBERED_TRANSACTIONS, began);
        let [mad, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|peer| peer.parse().unwrap());
        let mut flood = |at: u64| {
            let at = began + Duration::from_secs(at);
            (0..REMEMBERED_TRANSACTIONS).filter(|_| shares.take(mad, false, at)).count()
        };
        assert_eq!([flood(3), flood(20), flood(35)], [SHARE, 0, 0]);
        assert_eq!([flood(36), flood(36 + 32), flood(1000)], [SHARE, 0, SHARE]);
        assert!(shares.take(other, false, began + Duration::from_secs(1000)));
    }

    /// SIP-21: each call is its INVITE and its BYE.
    #[test]
    fn a_proxy_with_two_thousand_calls_a_second_has_room_for_them() {
        let began = Instant::now();
        let mut shares = Shares::new(REMEMBERED_TRANSACTIONS, began);
        let proxy: IpAddr = "192.0.2.1".parse().unwrap();
        for second in 0..120 {
            let now = began + Duration::from_secs(second);
            let calls = (0..2_000).filter(|_| shares.take(proxy, false, now) && shares.take(proxy, true, now)).count();
            assert_eq!(calls, 2_000, "in second {second}");
        }
    }

    /// SIP-21: what is remembered of calls is remembered too, and their ends come in whatever there was.
    #[test]
    fn calls_count_with_all_their_requests_and_end_also_when_no_more_begin() {
        let began = Instant::now();
        let mut shares = Shares::new(REMEMBERED_TRANSACTIONS, began);
        let mad: IpAddr = "192.0.2.1".parse().unwrap();
        let calls = (0..SHARE).filter(|_| shares.take(mad, false, began) && shares.take(mad, true, began)).count();
        assert_eq!(calls, SHARE / 2);
        assert!(shares.take(mad, true, began) && !shares.take(mad, false, began));
    }

    #[test]
    fn the_table_has_a_bound_and_forgets_who_is_quiet() {
        let began = Instant::now();
        let mut shares = Shares::new(REMEMBERED_TRANSACTIONS, began);
        for peer in 0..10_000_u32 {
            assert!(shares.take(IpAddr::from(peer.to_be_bytes()), false, began));
        }
        assert_eq!(shares.peers.len(), PEERS);
        assert!(shares.take("2001:db8::1".parse().unwrap(), false, began + Duration::from_secs(60)));
        assert_eq!(shares.peers.len(), 1);
    }
}
