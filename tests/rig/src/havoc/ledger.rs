//! Who said what, what was acknowledged, and who heard it.

use std::collections::{BTreeMap, BTreeSet};

/// One stay of somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hearing {
    /// Whose.
    pub who: String,
    /// The how-manieth.
    pub call: usize,
}

/// What was said, acknowledged and heard.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Text, and who said it.
    acknowledged: BTreeMap<String, String>,
    /// Text, and everybody who heard it.
    heard: BTreeMap<String, BTreeSet<String>>,
    /// In one stay: the id under which a text was shown live.
    shown: BTreeMap<(Hearing, String), String>,
    twice: Vec<String>,
}

impl Ledger {
    /// `who` was told that the room has what he said.
    pub fn was_acknowledged(&mut self, who: &str, text: &str) {
        self.acknowledged.insert(text.to_owned(), who.to_owned());
    }

    /// Somebody heard something: live, or as what was said before he came. The same text under the same id is one message.
    pub fn is_heard(&mut self, hearing: &Hearing, id: &str, text: &str, is_live: bool) {
        self.heard.entry(text.to_owned()).or_default().insert(hearing.who.clone());
        // What the room itself says may come again: that somebody missed something, for one.
        let is_said = text.split_once('-').is_some_and(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()));
        if !is_live || !is_said {
            return;
        }
        let before = self.shown.insert((hearing.clone(), text.to_owned()), id.to_owned());
        if before.is_some_and(|before| before != id) {
            self.twice.push(format!("{} heard {text:?} twice in his stay {}", hearing.who, hearing.call));
        }
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
        self.twice.iter().cloned().chain(lost).collect()
    }
}
