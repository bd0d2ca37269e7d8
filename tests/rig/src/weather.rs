//! The weather between a SIP client and mucfocus: a relay of datagrams that loses, repeats, delays and so reorders them, by a seed.
//!
//! One relay is the way of one client. What he sends to [`Relay::address`] reaches mucfocus from [`Relay::outside`], which has to be
//! the address in his Contact, so that requests of the other side go the same way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of datagrams, in either direction.
#[derive(Debug, Clone, Copy)]
pub struct Sky {
    /// The share that is lost.
    pub lost: f64,
    /// How many are lost one after the other at most. RFC 3261 §17.1 sends seven times or more: with as few as two nothing fails
    /// that keeps to its timers.
    pub in_a_row: u32,
    /// The share that comes twice.
    pub twice: f64,
    /// The longest that one is under way. Each has a time of its own, so that a later one may come first.
    pub longest: Duration,
}

impl Sky {
    /// Everything arrives, once and at once.
    pub const CLEAR: Self = Self { lost: 0.0, in_a_row: 0, twice: 0.0, longest: Duration::ZERO };

    /// Every fourth is lost, every fifth comes twice, and all are late, often enough later than the first retransmission.
    pub const STORM: Self = Self { lost: 0.25, in_a_row: 2, twice: 0.2, longest: Duration::from_millis(700) };
}

/// What has become of them so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Toll {
    /// How many came.
    pub came: usize,
    /// How many of them were lost.
    pub lost: usize,
    /// How many of them went on twice.
    pub twice: usize,
}

/// The way of one client. Dropped, nothing gets through any more.
pub struct Relay {
    address: SocketAddr,
    outside: SocketAddr,
    swallows: watch::Sender<bool>,
    tolls: [watch::Receiver<Toll>; 2],
    tasks: [JoinHandle<()>; 2],
}

impl Relay {
    /// To `server`, under a sky whose dice the seed throws.
    pub async fn start(server: SocketAddr, sky: Sky, seed: u64) -> Self {
        let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (address, reached) = (inside.local_addr().unwrap(), outside.local_addr().unwrap());
        let swallows = watch::Sender::new(false);
        let client = watch::Sender::new(None);
        let (where_from, to_client) = (client.clone(), client.subscribe());
        let (up, sent) = Direction::new(sky, seed, swallows.subscribe());
        let (down, came) = Direction::new(sky, seed ^ u64::MAX, swallows.subscribe());
        let tasks = [
            tokio::spawn(up.carry(
                inside.clone(),
                outside.clone(),
                move |from| {
                    where_from.send_replace(Some(from));
                },
                move || Some(server),
            )),
            tokio::spawn(down.carry(outside, inside, |_| {}, move || *to_client.borrow())),
        ];
        Self { address, outside: reached, swallows, tolls: [sent, came], tasks }
    }

    /// Where the client sends.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the other side sends what is for the client.
    pub fn outside(&self) -> SocketAddr {
        self.outside
    }

    /// From now on nothing gets through, until [`Relay::heal`].
    pub fn swallow(&self) {
        self.swallows.send_replace(true);
    }

    /// The weather is as it was.
    pub fn heal(&self) {
        self.swallows.send_replace(false);
    }

    /// What has become of what the client sent, and of what was sent to him.
    pub fn tolls(&self) -> [Toll; 2] {
        [0, 1].map(|at: usize| *self.tolls[at].borrow())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// One direction, with dice of its own: what comes the other way does not change them.
struct Direction {
    sky: Sky,
    dice: StdRng,
    lost_in_a_row: u32,
    swallows: watch::Receiver<bool>,
    toll: watch::Sender<Toll>,
}

impl Direction {
    fn new(sky: Sky, seed: u64, swallows: watch::Receiver<bool>) -> (Self, watch::Receiver<Toll>) {
        let (toll, told) = watch::channel(Toll::default());
        (Self { sky, dice: StdRng::seed_from_u64(seed), lost_in_a_row: 0, swallows, toll }, told)
    }

    async fn carry(
        mut self,
        from: Arc<UdpSocket>,
        by: Arc<UdpSocket>,
        came_from: impl Fn(SocketAddr),
        to: impl Fn() -> Option<SocketAddr>,
    ) {
        let mut buffer = vec![0; 65_536];
        loop {
            // An ICMP error of an earlier datagram is not the end of the socket.
            let Ok((length, source)) = from.recv_from(&mut buffer).await else { continue };
            came_from(source);
            let Some(target) = to() else { continue };
            for late in self.fate() {
                let (by, datagram) = (by.clone(), buffer[..length].to_vec());
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    let _ = by.send_to(&datagram, target).await;
                });
            }
        }
    }

    /// How much later it arrives, for each time that it does.
    fn fate(&mut self) -> Vec<Duration> {
        let is_lost = self.dice.random_bool(self.sky.lost) && self.lost_in_a_row < self.sky.in_a_row;
        let is_twice = self.dice.random_bool(self.sky.twice);
        let late = [0, 1].map(|_: u8| self.sky.longest.mul_f64(self.dice.random::<f64>()));
        self.lost_in_a_row = if is_lost { self.lost_in_a_row + 1 } else { 0 };
        let is_lost = is_lost || *self.swallows.borrow();
        let arrives = if is_lost { 0 } else { 1 + usize::from(is_twice) };
        self.toll.send_modify(|toll| {
            toll.came += 1;
            toll.lost += usize::from(is_lost);
            toll.twice += usize::from(arrives > 1);
        });
        late.into_iter().take(arrives).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64, sky: Sky) -> Vec<Vec<Duration>> {
        let (mut direction, _) = Direction::new(sky, seed, watch::channel(false).1);
        (0..500).map(|_| direction.fate()).collect()
    }

    #[test]
    fn a_seed_is_one_weather_and_no_more_is_lost_in_a_row_than_was_said() {
        assert_eq!(fates(7, Sky::STORM), fates(7, Sky::STORM));
        assert_ne!(fates(7, Sky::STORM), fates(8, Sky::STORM));
        let fates = fates(7, Sky::STORM);
        assert!(fates.windows(3).all(|three| three.iter().any(|fate| !fate.is_empty())));
        let [lost, twice] = [0, 2].map(|times| fates.iter().filter(|fate| fate.len() == times).count());
        assert!((60..150).contains(&lost) && (30..120).contains(&twice), "{lost} lost, {twice} twice");
    }

    #[test]
    fn under_a_clear_sky_everything_arrives_once_and_at_once() {
        assert!(fates(7, Sky::CLEAR).iter().all(|fate| *fate == [Duration::ZERO]));
    }
}
