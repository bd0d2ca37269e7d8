//! Nonces that need no memory: when they were made, something random, and a seal that only we can make. Pure.
//!
//! A nonce is good for the source that it was given to and for nobody else, so that who forges the source of a datagram cannot
//! fail to log in on behalf of another.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::hash::hex;
use crate::sip::settings::NonceKey;
use crate::sockets::source_of;

/// How long a nonce is good for. A client whose nonce is older is told that it is stale and needs no password to go on.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// By how much the clocks of two nodes with one key may differ.
const SKEW: Duration = Duration::from_secs(60);
/// Octets of the seal.
const SEAL: usize = 16;
/// So that the key may serve for something else, too.
const PURPOSE: &[u8] = b"mucfocus-nonce-1";

/// Whom a nonce is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Holder {
    /// A stranger: his address, or his /64.
    Stranger(IpAddr),
    /// Whoever comes through a peer that we trust: of several proxies any may bring the answer.
    Peer,
}

/// Names a nonce; older ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    /// Milliseconds since 1970.
    pub(super) issued: u64,
    random: u64,
}

impl NonceId {
    /// Whether it is past its [`LIFETIME`], or not made yet.
    pub(super) fn is_stale(self, now: u64) -> bool {
        self.issued.saturating_add(millis(LIFETIME)) < now || now.saturating_add(millis(SKEW)) < self.issued
    }
}

/// A new nonce. `now` is the time of day in milliseconds since 1970.
pub(super) fn make(key: &NonceKey, holder: Holder, now: u64, random: u64) -> String {
    let id = NonceId { issued: now, random };
    let seal = seal(key, holder, id);
    hex(&[&id.issued.to_be_bytes()[..], &id.random.to_be_bytes()[..], &seal[..]].concat())
}

/// The nonce that is written there, if we made it, for this holder.
pub(super) fn open(key: &NonceKey, holder: Holder, nonce: &str) -> Option<NonceId> {
    let octets = unhex(nonce)?;
    let (issued, rest) = octets.split_first_chunk::<8>()?;
    let (random, presented) = rest.split_first_chunk::<8>()?;
    let id = NonceId { issued: u64::from_be_bytes(*issued), random: u64::from_be_bytes(*random) };
    let is_ours: bool = subtle::ConstantTimeEq::ct_eq(&seal(key, holder, id)[..], presented).into();
    is_ours.then_some(id)
}

fn seal(key: &NonceKey, holder: Holder, id: NonceId) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.octets()) else { return seal };
    mac.update(PURPOSE);
    mac.update(&id.issued.to_be_bytes());
    mac.update(&id.random.to_be_bytes());
    match holder {
        Holder::Peer => {}
        Holder::Stranger(address) => match source_of(address) {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        },
    }
    let whole = mac.finalize().into_bytes();
    seal.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    seal
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * (16 + SEAL) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let digits = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digits).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn stranger(address: &str) -> Holder {
        Holder::Stranger(address.parse().unwrap())
    }

    #[test]
    fn a_nonce_is_known_again_by_every_node_with_the_key_and_by_no_other() {
        let (here, there) = (NonceKey::new(*b"one key"), NonceKey::new(*b"one key"));
        let holder = stranger("192.0.2.1");
        let nonce = make(&here, holder, NOW, 7);
        assert_eq!(open(&there, holder, &nonce), Some(NonceId { issued: NOW, random: 7 }));
        assert_eq!(open(&NonceKey::new(*b"another"), holder, &nonce), None);
        for at in 0..nonce.len() {
            let other = if nonce.as_bytes()[at] == b'0' { "1" } else { "0" };
            let mut forged = nonce.clone();
            forged.replace_range(at..=at, other);
            assert_eq!(open(&here, holder, &forged), None, "{at}");
        }
        assert_eq!(open(&here, holder, nonce.split_at(2).1), None);
        assert_eq!(open(&here, holder, &nonce.replace(|_: char| true, "\u{e9}")), None);
    }

    #[test]
    fn a_nonce_is_for_the_source_that_it_was_given_to() {
        let key = NonceKey::random();
        let nonce = make(&key, stranger("2001:db8::1"), NOW, 7);
        assert!(open(&key, stranger("2001:db8::ffff:2"), &nonce).is_some());
        assert!(open(&key, stranger("2001:db8:0:1::1"), &nonce).is_none());
        assert!(open(&key, Holder::Peer, &nonce).is_none());
    }

    #[test]
    fn a_nonce_gets_old_and_none_comes_from_the_future() {
        let id = NonceId { issued: NOW, random: 0 };
        let at = |seconds: i64| NOW.saturating_add_signed(seconds * 1000);
        assert!(!id.is_stale(at(0)) && !id.is_stale(at(300)) && !id.is_stale(at(-60)));
        assert!(id.is_stale(at(301)) && id.is_stale(at(-61)));
    }
}
