//! What becomes of sources that ask too much: an address, or the /64 of an IPv6 address, that nobody vouches for.
//!
//! Owns counts and bans. All is bounded; where a table is full those go first who did least, so that nobody gets out of it by
//! filling it.
//!
//! A datagram's source can be forged, and a ban that anybody can cause is a weapon. So what comes by datagram and what comes from
//! a source that is proved (by its stream, by a nonce that was sent there, by a dialog that it is a party to) is counted apart,
//! and a datagram never costs a source more than new requests by datagram.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rate::Buckets;
use super::settings::{SourceLimits, Transport};
use crate::observe::sparing::Sparing;
use crate::sockets::source_of;

/// Sources that are banned at a time. When there are more, the quarter goes whose ban ends first: who wants his own to end has to
/// have sixteen thousand others banned after it.
const MAX_BANS: usize = 64 * 1024;

/// Bans. Each is a line, while there are not too many.
static LINES: Sparing = Sparing::new(5);

/// What a source did too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// `requests_per_source`, by stream.
    Requests,
    /// The same by datagram, from whoever says that he is there.
    Datagrams,
    /// `failed_logins_per_source`. Nobody fails to log in with a nonce that was given to another source.
    FailedLogins,
}

/// What a source is banned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ban {
    /// It was proved to be the source: streams, and all that begins by datagram.
    Proved,
    /// It may have been somebody else: what begins by datagram without proof.
    Datagrams,
}

impl Excess {
    /// For metrics, by the name of the limit.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Requests | Self::Datagrams => "requests_per_source",
            Self::FailedLogins => "failed_logins_per_source",
        }
    }

    const fn ban(self) -> Ban {
        match self {
            Self::Requests | Self::FailedLogins => Ban::Proved,
            Self::Datagrams => Ban::Datagrams,
        }
    }
}

/// All sources that are not trusted.
#[derive(Debug)]
pub(super) struct Sources {
    ban_time: Duration,
    requests: Option<Mutex<Buckets>>,
    datagrams: Option<Mutex<Buckets>>,
    /// Datagrams whose source is proved.
    proved: Option<Mutex<Buckets>>,
    failed_logins: Option<Mutex<Buckets>>,
    bans: Mutex<HashMap<IpAddr, Instant>>,
    /// Apart, so that forged sources cannot fill the table of the others.
    datagram_bans: Mutex<HashMap<IpAddr, Instant>>,
}

impl Sources {
    pub(super) fn new(limits: &SourceLimits) -> Self {
        let buckets = |rate: super::settings::Rate| Mutex::new(Buckets::new(rate));
        Self {
            ban_time: limits.ban_time,
            requests: limits.requests.map(buckets),
            datagrams: limits.requests.map(buckets),
            proved: limits.requests.map(buckets),
            failed_logins: limits.failed_logins.map(buckets),
            bans: Mutex::default(),
            datagram_bans: Mutex::default(),
        }
    }

    /// What that source is banned from, as far as it concerns `transport`.
    pub(super) fn ban_of(&self, source: IpAddr, transport: Transport, now: Instant) -> Option<Ban> {
        let source = source_of(source);
        if is_in(&self.bans, source, now) {
            return Some(Ban::Proved);
        }
        (transport == Transport::Udp && is_in(&self.datagram_bans, source, now)).then_some(Ban::Datagrams)
    }

    /// Counts a datagram whose source is proved; false when there are more than `requests_per_source`. Nobody is banned for it.
    pub(super) fn bears(&self, source: IpAddr, now: Instant) -> bool {
        self.proved.as_ref().is_none_or(|buckets| lock(buckets).take(source, now))
    }

    /// Counts one of these.
    ///
    /// # Errors
    ///
    /// That was one too many: the source is banned from now on.
    pub(super) fn count(&self, what: Excess, source: IpAddr, now: Instant) -> Result<(), Excess> {
        let buckets = match what {
            Excess::Requests => &self.requests,
            Excess::Datagrams => &self.datagrams,
            Excess::FailedLogins => &self.failed_logins,
        };
        let Some(buckets) = buckets else { return Ok(()) };
        if lock(buckets).take(source, now) {
            return Ok(());
        }
        self.ban(what, source_of(source), now);
        Err(what)
    }

    fn ban(&self, why: Excess, source: IpAddr, now: Instant) {
        if self.ban_time.is_zero() {
            return;
        }
        let mut bans = lock(match why.ban() {
            Ban::Proved => &self.bans,
            Ban::Datagrams => &self.datagram_bans,
        });
        if bans.len() >= MAX_BANS {
            make_room(&mut bans, now);
        }
        bans.insert(source, now + self.ban_time);
        drop(bans);
        if let Some(kept_back) = LINES.line() {
            let (limit, ban_time) = (why.label(), self.ban_time);
            tracing::warn!(%source, limit, ?ban_time, kept_back, "a SIP source asks too much and is ignored for a while");
        }
    }
}

fn is_in(bans: &Mutex<HashMap<IpAddr, Instant>>, source: IpAddr, now: Instant) -> bool {
    let mut bans = lock(bans);
    let is_over = bans.get(&source).is_some_and(|until| *until <= now);
    if is_over {
        bans.remove(&source);
    }
    bans.contains_key(&source)
}

fn make_room(bans: &mut HashMap<IpAddr, Instant>, now: Instant) {
    bans.retain(|_, until| *until > now);
    if bans.len() < MAX_BANS {
        return;
    }
    let mut ends: Vec<_> = bans.values().copied().collect();
    let (_, first, _) = ends.select_nth_unstable(MAX_BANS / 4);
    let first = *first;
    // Of those that end at the same moment as many as it takes.
    let mut room = MAX_BANS / 4;
    bans.retain(|_, until| {
        let goes = *until <= first && room > 0;
        room -= usize::from(goes);
        !goes
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::settings::Rate;

    fn sources() -> Sources {
        Sources::new(&SourceLimits {
            requests: Some(Rate { count: 3, per: Duration::from_secs(1) }),
            failed_logins: Some(Rate { count: 2, per: Duration::from_secs(60) }),
            ban_time: Duration::from_secs(600),
            ..SourceLimits::NONE
        })
    }

    fn is_banned(sources: &Sources, source: IpAddr, now: Instant) -> bool {
        sources.ban_of(source, Transport::Tcp, now).is_some()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_request_too_many_means_silence_for_the_time_of_the_ban() {
        let (sources, at) = (sources(), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(sources.count(Excess::Requests, one, at), Ok(()));
        }
        assert!(!is_banned(&sources, one, at));
        assert_eq!(sources.count(Excess::Requests, one, at), Err(Excess::Requests));
        assert!(is_banned(&sources, one, at + Duration::from_secs(599)) && !is_banned(&sources, other, at));
        assert!(is_banned(&sources, address("::ffff:192.0.2.1"), at));
        assert!(!is_banned(&sources, one, at + Duration::from_secs(600)));
        assert_eq!(sources.count(Excess::Requests, one, at + Duration::from_secs(600)), Ok(()));
    }

    #[test]
    fn failed_logins_are_counted_for_themselves_and_by_the_slash_64() {
        let (sources, at) = (sources(), Instant::now());
        for end in ["1", "2"] {
            assert_eq!(sources.count(Excess::FailedLogins, address(&format!("2001:db8::{end}")), at), Ok(()));
        }
        assert_eq!(sources.count(Excess::FailedLogins, address("2001:db8::3"), at), Err(Excess::FailedLogins));
        assert!(
            is_banned(&sources, address("2001:db8::ffff"), at) && !is_banned(&sources, address("2001:db8:0:1::"), at)
        );
    }

    /// SEC-05.
    #[test]
    fn datagrams_ban_a_source_from_datagrams_only_and_what_is_proved_is_counted_apart() {
        let (sources, at) = (sources(), Instant::now());
        let victim = address("192.0.2.1");
        while sources.count(Excess::Datagrams, victim, at).is_ok() {}
        assert_eq!(sources.ban_of(victim, Transport::Udp, at), Some(Ban::Datagrams));
        assert_eq!(sources.ban_of(victim, Transport::Tcp, at), None);
        assert_eq!([(); 4].map(|()| sources.bears(victim, at)), [true, true, true, false]);
        assert_eq!(sources.count(Excess::Requests, victim, at), Ok(()));
        while sources.count(Excess::FailedLogins, victim, at).is_ok() {}
        assert_eq!(sources.ban_of(victim, Transport::Udp, at), Some(Ban::Proved));
    }

    #[test]
    fn nobody_ends_his_ban_by_having_others_banned_before_him_or_a_few_after() {
        let (sources, at) = (sources(), Instant::now());
        let ban = |n: u32, after: u64| {
            sources.ban(Excess::Requests, IpAddr::from(n.to_be_bytes()), at + Duration::from_millis(after));
        };
        (1..60_000).for_each(|n| ban(n, 0));
        ban(0, 1);
        (60_000..70_000).for_each(|n| ban(n, 2));
        assert!(is_banned(&sources, address("0.0.0.0"), at));
        assert!(lock(&sources.bans).len() <= MAX_BANS);
    }
}
