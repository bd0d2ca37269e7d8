//! What a scripted MUC remembers of what was said in it, and tells those who come back.

use mucfocus_core::stanza::{ArchiveFrom, Archived, Condition, Delay, ErrorKind, Fin, IqAnswer, Message};
use mucfocus_core::time::WallClock;

use crate::muc::error;

/// Everything that was said, and how much of it is told to whom.
#[derive(Debug, Default)]
pub struct Record {
    entries: Vec<Entry>,
    /// Entries of before are lost.
    forgotten: usize,
    /// How many of the last messages those who enter are told.
    pub history: usize,
    /// Whether there is an archive.
    pub has_archive: bool,
    /// What it brings, instead of what is asked for.
    pub lies: Option<Lie>,
}

#[derive(Debug, Clone)]
struct Entry {
    id: String,
    at: WallClock,
    message: Message,
}

/// How an archive misleads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It never comes to an end.
    Endless,
    /// It says nothing at all.
    Mute,
    /// It never comes to an end, and brings nothing.
    Empty,
    /// What it brings belongs to another query.
    AnotherQuery,
    /// What it brings comes from somebody else.
    AnotherSender,
    /// What it brings was said somewhere else.
    AnotherRoom,
}

impl Record {
    /// The id that the next message has in the archive.
    pub fn next_id(&self) -> String {
        format!("archive-{}", self.entries.len())
    }

    pub fn keeps(&mut self, at: WallClock, message: Message) {
        self.entries.push(Entry { id: self.next_id(), at, message });
    }

    /// The room was started again, and remembers nothing.
    pub fn is_lost(&mut self) {
        self.forgotten = self.entries.len();
    }

    /// What somebody is told who enters.
    pub fn history(&self, since: Option<WallClock>) -> Vec<Message> {
        let kept = &self.entries[self.forgotten..];
        let last = &kept[kept.len().saturating_sub(self.history)..];
        let wanted = last.iter().filter(|entry| since.is_none_or(|since| entry.at >= since));
        wanted.map(|e| Message { delay: Some(Delay { stamp: Some(e.at) }), ..e.message.clone() }).collect()
    }

    /// A page of the archive, and its end.
    pub fn page(
        &self,
        room: &jid::BareJid,
        query: &str,
        from: &ArchiveFrom,
        max: usize,
    ) -> (Vec<Archived>, Option<IqAnswer>) {
        let refused = |condition| (Vec::new(), Some(IqAnswer::Error(error(condition, ErrorKind::Cancel))));
        if !self.has_archive {
            return refused(Condition::ServiceUnavailable);
        }
        let kept = &self.entries[self.forgotten..];
        let start = match from {
            ArchiveFrom::After(id) => kept.iter().position(|entry| entry.id == *id).map(|at| at + 1),
            ArchiveFrom::Since(at) => Some(kept.iter().position(|entry| entry.at >= *at).unwrap_or(kept.len())),
        };
        let Some(start) = start else { return refused(Condition::ItemNotFound) };
        let rest = &kept[start..];
        let page = &rest[..rest.len().min(max)];
        let elsewhere = jid::BareJid::new("montague@muc.example.net").unwrap();
        let archived = |entry: &Entry| {
            let mut archived = Archived {
                from: room.clone().into(),
                query: Some(query.into()),
                stamp: Some(entry.at),
                message: Message { stanza_id: Some(entry.id.clone()), ..entry.message.clone() },
            };
            match self.lies {
                Some(Lie::AnotherQuery) => archived.query = Some("another".into()),
                Some(Lie::AnotherSender) => archived.from = elsewhere.clone().into(),
                Some(Lie::AnotherRoom) => archived.message.from = elsewhere.with_resource_str("JuliC").unwrap().into(),
                _ => {}
            }
            archived
        };
        let is_endless = matches!(self.lies, Some(Lie::Endless | Lie::Empty));
        let fin = Fin { complete: page.len() == rest.len() && !is_endless, last: page.last().map(|e| e.id.clone()) };
        let last = fin.last.clone().or_else(|| is_endless.then(|| self.entries[0].id.clone()));
        let fin = IqAnswer::Fin(Fin { last, ..fin });
        match self.lies {
            Some(Lie::Mute) => (Vec::new(), None),
            Some(Lie::Empty) => (Vec::new(), Some(fin)),
            Some(Lie::Endless) => (self.entries.iter().cycle().take(max).map(archived).collect(), Some(fin)),
            _ => (page.iter().map(archived).collect(), Some(fin)),
        }
    }
}
