//! What goes wrong around a room without anybody's doing, by seed.

/// What is wrong with the networks and the XMPP server while a scenario is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything arrives at once.
    Clear,
    /// What comes from different places arrives in any order, some of it late.
    Reordering,
    /// Connections of MSRP and of XMPP break, with what was on them; clients come back sooner or later.
    Loss,
    /// Clients send again what was not answered, some what was, and a room that is entered again repeats what was said there.
    Duplication,
    /// The XMPP server takes everything and answers after seconds or a minute.
    Stall,
}

/// Draws by a seed (SplitMix64), so that what failed once can be played again.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// Once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(usize::try_from(self.below(u64::try_from(things.len().max(1)).unwrap())).unwrap())
    }
}
