//! What goes wrong around a room without anybody's doing, by seed.

use std::time::Duration;

use super::stage::{MEMORY, Stage, Who};
use crate::world::{Mail, Source};

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

impl Stage {
    /// What happens after an act.
    pub fn then(&mut self) {
        self.collects();
        match self.weather {
            _ if self.calm => self.story.settles(),
            Weather::Clear => self.story.settles(),
            Weather::Reordering => self.arrives_in_any_order(),
            Weather::Loss => self.breaks(),
            Weather::Duplication => self.repeats(),
            Weather::Stall => self.stalls(),
        }
        self.collects();
    }

    fn collects(&self) {
        let mut world = self.story.world();
        for (account, stanza) in std::mem::take(&mut world.muc.outbox) {
            world.post(Source::Streams, Mail::Stanza(account, Box::new(stanza)));
        }
    }

    fn arrives_in_any_order(&mut self) {
        for _ in 0..self.dice.below(12) {
            self.collects();
            let mut world = self.story.world();
            let sources: Vec<Source> = world.mail.iter().filter(|(_, m)| !m.is_empty()).map(|(s, _)| *s).collect();
            match self.dice.one_of(&sources) {
                Some(source) => world.deliver(*source),
                None => break,
            }
        }
        if self.dice.once_in(4) {
            let milliseconds = self.dice.below(3_000);
            self.passes(Duration::from_millis(milliseconds));
        }
    }

    fn breaks(&mut self) {
        if !self.calls.is_empty() {
            let who = self.anybody();
            match self.dice.below(12) {
                0 | 1 => self.cuts(who),
                2 | 3 => self.cuts_stream(who),
                4 | 5 => self.suspends(who),
                _ => {}
            }
            for who in 0..self.calls.len() {
                if self.dice.once_in(3) {
                    let is_kept = self.dice.once_in(2);
                    self.ends_suspension(who, is_kept);
                }
            }
            for who in 0..self.calls.len() {
                if self.dice.once_in(3) {
                    self.comes_back(who);
                }
            }
        }
        self.arrives_in_any_order();
        if self.dice.once_in(3) {
            self.story.settles();
            let milliseconds = self.dice.below(4_000);
            self.passes(Duration::from_millis(milliseconds));
        }
    }

    fn anybody(&mut self) -> Who {
        usize::try_from(self.dice.below(u64::try_from(self.calls.len()).unwrap())).unwrap()
    }

    fn repeats(&mut self) {
        {
            // What was said is the history of whoever comes in again.
            let mut muc = self.story.muc();
            muc.insists_on_history = true;
            muc.record.history = 1000;
        }
        if !self.calls.is_empty() {
            let who = self.anybody();
            match self.dice.below(10) {
                0 => self.cuts(who),
                1 => self.cuts_stream(who),
                _ => {}
            }
            self.comes_back(who);
            self.sends_again(who);
        }
        self.story.settles();
    }

    /// A client sends what was never answered, and now and then what was, once more under the same Message-ID.
    fn sends_again(&mut self, who: Who) {
        if !self.is_connected(who) {
            return;
        }
        let (call, now) = (self.calls[who].clone(), self.story.world().now);
        for sent in self.sent.iter_mut().filter(|sent| sent.who == who && now < sent.at + MEMORY) {
            let is_answered = call.sees().responses.contains_key(&sent.transaction);
            if if is_answered { self.dice.once_in(6) } else { self.dice.once_in(2) } {
                sent.transaction = call.writes("SEND", &sent.headers, Some(&sent.cpim), '$');
                if !sent.headers.contains("Failure-Report") {
                    call.client().expects.insert(sent.transaction.clone(), sent.text.clone());
                }
            }
        }
    }

    fn stalls(&mut self) {
        let is_frozen = self.story.muc().is_frozen();
        if !is_frozen && self.dice.once_in(4) {
            self.story.muc().freezes();
        } else if is_frozen && self.dice.once_in(3) {
            self.story.muc().thaws();
            self.collects();
        }
        if self.dice.once_in(3) {
            let milliseconds = self.dice.below(20_000);
            self.story.settles();
            self.passes(Duration::from_millis(milliseconds));
        }
        self.story.settles();
    }

    /// From now on nothing goes wrong any more, and who can come back does.
    pub fn becomes_calm(&mut self) {
        self.calm = true;
        self.story.muc_thaws();
        self.story.settles();
        for who in 0..self.calls.len() {
            self.ends_suspension(who, true);
            self.comes_back(who);
            self.story.settles();
        }
    }
}
