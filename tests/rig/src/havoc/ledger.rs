//! Who said what, what was acknowledged, and who heard it.
//!
//! Everybody numbers what he says: `romeo-17`. What the room itself says has no number.

use std::collections::{BTreeMap, BTreeSet};

use super::diary::Diary;

/// One stay of somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hearing {
    /// Whose.
    pub who: String,
    /// The how-manieth.
    pub stay: usize,
}

/// As what something was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was said now.
    Live,
    /// It was said before he came, or while the room was out of reach.
    Late,
}

/// What was said, acknowledged and heard.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Text, and who said it.
    acknowledged: BTreeMap<String, String>,
    /// Text, and everybody who heard it.
    heard: BTreeMap<String, BTreeSet<String>>,
    stays: BTreeMap<Hearing, Stay>,
    wrong: Vec<String>,
    told: usize,
    is_unordered: bool,
    diary: Diary,
}

/// What somebody heard in one stay.
#[derive(Debug, Default)]
struct Stay {
    texts: BTreeSet<String>,
    /// Of each who speaks: the number that came first live, and the last.
    live: BTreeMap<String, (u32, u32)>,
    /// Whether he was told that he may have missed something, or nobody could know what he missed.
    is_warned: bool,
}

impl Ledger {
    /// For a server that delivers in another order than it said what it has for a stream that is being resumed: ejabberd hands on what
    /// came for the former connection when the new one has had newer stanzas already.
    #[must_use]
    pub fn unordered(self) -> Self {
        Self { is_unordered: true, ..self }
    }

    /// `who` was told that the room has what he said.
    pub fn was_acknowledged(&mut self, who: &str, text: &str) {
        self.diary.notes(&format!("{who}: {text:?} is acknowledged"));
        self.acknowledged.insert(text.to_owned(), who.to_owned());
    }

    /// Somebody heard something.
    pub fn is_heard(&mut self, hearing: &Hearing, text: &str, how: Heard) {
        self.diary.notes(&format!("{} {} hears {text:?} {how:?}", hearing.who, hearing.stay));
        self.heard.entry(text.to_owned()).or_default().insert(hearing.who.clone());
        let stay = self.stays.entry(hearing.clone()).or_default();
        stay.is_warned |= text.contains("you may have missed");
        let Some((speaker, number)) = numbered(text) else { return };
        let Hearing { who, stay: count } = hearing;
        if !stay.texts.insert(text.to_owned()) {
            self.wrong.push(format!("{who} was shown {text:?} twice in his stay {count}"));
        }
        if how == Heard::Live {
            let span = stay.live.entry(speaker.to_owned()).or_insert((number, number));
            if number < span.1 && !self.is_unordered {
                self.wrong.push(format!("{who} heard {text:?} after {speaker}-{} in his stay {count}", span.1));
            }
            span.1 = span.1.max(number);
        }
    }

    /// The XMPP server forgets what was said: whoever stays cannot be told what he missed.
    pub fn is_forgotten(&mut self) {
        self.stays.values_mut().for_each(|stay| stay.is_warned = true);
    }

    /// What has gone wrong since this was asked last, as far as that is certain before the end.
    pub fn news(&mut self) -> Vec<String> {
        let news = self.wrong[self.told..].to_vec();
        self.told = self.wrong.len();
        news
    }

    /// Who heard what when, and when what was acknowledged.
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// How much was acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// How many different texts were heard.
    pub fn heard(&self) -> usize {
        self.heard.len()
    }

    /// What is wrong, in words.
    pub fn faults(&self) -> Vec<String> {
        let is_lost = |(text, who): &(&String, &String)| {
            self.heard.get(*text).is_none_or(|heard| heard.iter().all(|other| other == *who))
        };
        let lost = self.acknowledged.iter().filter(is_lost);
        let lost = lost.map(|(text, who)| format!("{text:?} of {who} was acknowledged and nobody heard it"));
        self.wrong[self.told..].iter().cloned().chain(lost).chain(self.gaps()).collect()
    }

    /// What the room had between two texts that somebody heard in one stay, and he was neither shown nor warned of.
    fn gaps(&self) -> impl Iterator<Item = String> {
        self.stays.iter().filter(|(_, stay)| !stay.is_warned).flat_map(|(hearing, stay)| {
            let missed = self.heard.keys().filter(|text| {
                numbered(text).is_some_and(|(speaker, number)| {
                    let span = stay.live.get(speaker);
                    span.is_some_and(|(first, last)| (first..last).contains(&&number)) && !stay.texts.contains(*text)
                })
            });
            missed.map(|text| format!("{} missed {text:?} in his stay {} without a word", hearing.who, hearing.stay))
        })
    }
}

/// Who says it, and the how-manieth it is.
fn numbered(text: &str) -> Option<(&str, u32)> {
    let (speaker, number) = text.split_once('-')?;
    Some((speaker, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(ledger: &mut Ledger, who: &str, texts: &[&str]) {
        for text in texts {
            ledger.is_heard(&Hearing { who: who.into(), stay: 1 }, text, Heard::Live);
        }
    }

    #[test]
    fn what_is_lost_shown_twice_missed_or_out_of_order_is_told() {
        let mut ledger = Ledger::default();
        ledger.was_acknowledged("romeo", "romeo-1");
        hears(&mut ledger, "juliet", &["tybalt-1", "tybalt-2", "tybalt-3", "tybalt-3"]);
        hears(&mut ledger, "romeo", &["tybalt-1", "tybalt-3"]);
        hears(&mut ledger, "nurse", &["tybalt-2", "tybalt-1"]);
        assert_eq!(
            ledger.faults(),
            [
                "juliet was shown \"tybalt-3\" twice in his stay 1",
                "nurse heard \"tybalt-1\" after tybalt-2 in his stay 1",
                "\"romeo-1\" of romeo was acknowledged and nobody heard it",
                "romeo missed \"tybalt-2\" in his stay 1 without a word",
            ]
        );
    }

    #[test]
    fn who_was_warned_or_came_later_misses_nothing() {
        let mut ledger = Ledger::default();
        ledger.was_acknowledged("romeo", "romeo-1");
        hears(&mut ledger, "juliet", &["romeo-1", "romeo-2", "romeo-3"]);
        hears(&mut ledger, "tybalt", &["romeo-1", "out of reach for 3 s: you may have missed what", "romeo-3"]);
        hears(&mut ledger, "nurse", &["romeo-2", "romeo-3"]);
        assert_eq!(ledger.faults(), [""; 0]);
    }
}
