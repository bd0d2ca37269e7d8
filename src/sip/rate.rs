//! How much one source may ask of us: a table of token buckets that does not grow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::settings::Rate;
use crate::sockets::source_of;

/// Sources that are remembered at a time. When the table is full those go that are full again, then the half that has asked
/// least: who has used up his tokens stays, however many addresses he forges.
const MAX_SOURCES: usize = 16 * 1024;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Token buckets by source.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
    sources: HashMap<IpAddr, Bucket>,
}

impl Buckets {
    /// Full buckets that refill at `rate` and hold one `rate.count`.
    #[must_use]
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, sources: HashMap::new() }
    }

    /// Takes one token of that address; false when there is none.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        let source = source_of(address);
        let full = f64::from(self.rate.count);
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.forget_idle(now);
        }
        let rate = self.rate;
        let bucket = self.sources.entry(source).or_insert(Bucket { tokens: full, at: now });
        let refill = now.saturating_duration_since(bucket.at).as_secs_f64() / rate.per.as_secs_f64() * full;
        bucket.tokens = (bucket.tokens + refill).min(full);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn forget_idle(&mut self, now: Instant) {
        let per = self.rate.per;
        self.sources.retain(|_, bucket| now.saturating_duration_since(bucket.at) < per);
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        let mut tokens: Vec<_> = self.sources.values().map(|bucket| bucket.tokens).collect();
        let (_, median, _) = tokens.select_nth_unstable_by(MAX_SOURCES / 2, f64::total_cmp);
        let median = *median;
        let mut room = MAX_SOURCES / 2;
        self.sources.retain(|_, bucket| {
            let goes = bucket.tokens >= median && room > 0;
            room -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_gets_its_count_and_then_nothing_until_it_refills() {
        let mut buckets = Buckets::new(Rate { count: 3, per: Duration::from_secs(1) });
        let now = Instant::now();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!([(); 5].map(|()| buckets.take(one, now)), [true, true, true, false, false]);
        assert!(buckets.take(other, now));
        assert!(buckets.take(one, now + Duration::from_millis(400)));
        assert!(!buckets.take(one, now + Duration::from_millis(410)));
    }

    #[test]
    fn addresses_of_one_slash_64_share_a_bucket() {
        let mut buckets = Buckets::new(Rate { count: 1, per: Duration::from_secs(1) });
        let now = Instant::now();
        assert!(buckets.take("2001:db8:1:2::1".parse().unwrap(), now));
        assert!(!buckets.take("2001:db8:1:2:ffff::9".parse().unwrap(), now));
        assert!(buckets.take("2001:db8:1:3::1".parse().unwrap(), now));
    }

    #[test]
    fn the_table_does_not_grow_without_end_and_whoever_asked_too_much_stays_in_it() {
        let mut buckets = Buckets::new(Rate { count: 2, per: Duration::from_secs(1) });
        let now = Instant::now();
        let greedy = "192.0.2.1".parse().unwrap();
        while buckets.take(greedy, now) {}
        for n in 0..100_000_u32 {
            buckets.take(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(buckets.sources.len() <= MAX_SOURCES);
        assert!(!buckets.take(greedy, now));
    }
}
