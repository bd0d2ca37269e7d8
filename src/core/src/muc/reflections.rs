//! What a membership said and what has not come back yet.
//!
//! A message counts as delivered when the room's copy of it comes back: from our own occupant, with an id that we gave out
//! and wait for. Never by its text (GC-MSG-03).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::time::Instant;

/// Ids whose deadline passed and whose copies, should they come late, must still not be shown to their own sender.
const MAX_OVERDUE: usize = 64;

/// Messages under way, oldest first.
#[derive(Debug)]
pub struct Reflections<T> {
    awaited: VecDeque<Awaited<T>>,
    overdue: VecDeque<String>,
}

#[derive(Debug)]
struct Awaited<T> {
    id: String,
    ticket: T,
    deadline: Instant,
}

/// What an id means to us.
#[derive(Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It was awaited; this is its ticket.
    Awaited(T),
    /// It came after its deadline.
    Overdue,
    /// It is not ours.
    Foreign,
}

impl<T> Reflections<T> {
    /// Nothing is under way.
    #[must_use]
    pub const fn new() -> Self {
        Self { awaited: VecDeque::new(), overdue: VecDeque::new() }
    }

    /// A message with this id was sent. A deadline that lies before that of an earlier message counts as that one: answers are
    /// given in the order in which things were said.
    pub fn expect(&mut self, id: String, ticket: T, deadline: Instant) {
        let deadline = self.awaited.back().map_or(deadline, |last| deadline.max(last.deadline));
        self.awaited.push_back(Awaited { id, ticket, deadline });
    }

    /// The fate of the message `id` is known.
    pub fn settle(&mut self, id: &str) -> Known<T> {
        if let Some(at) = self.awaited.iter().position(|a| a.id == id) {
            return self.awaited.remove(at).map_or(Known::Foreign, |a| Known::Awaited(a.ticket));
        }
        match self.overdue.iter().position(|overdue| overdue == id) {
            Some(at) => {
                self.overdue.remove(at);
                Known::Overdue
            }
            None => Known::Foreign,
        }
    }

    /// The same, where `is_it` holds of the one that is awaited.
    pub fn settle_if(&mut self, id: &str, is_it: impl Fn(&T) -> bool) -> Known<T> {
        match self.awaited.iter().find(|a| a.id == id) {
            Some(awaited) if !is_it(&awaited.ticket) => Known::Foreign,
            _ => self.settle(id),
        }
    }

    /// Takes those back for which `is_it` holds, with their ids, the oldest first.
    pub fn withdraw(&mut self, is_it: impl Fn(&str, &T) -> bool) -> Vec<(String, T)> {
        let (taken, left) = core::mem::take(&mut self.awaited).into_iter().partition(|a| is_it(&a.id, &a.ticket));
        self.awaited = left;
        let taken: VecDeque<Awaited<T>> = taken;
        taken.into_iter().map(|a| (a.id, a.ticket)).collect()
    }

    /// What is under way, the oldest first.
    pub fn tickets_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.awaited.iter_mut().map(|a| &mut a.ticket)
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    /// The fate of the first message for which `is_it` holds is known: for rooms that give it back under another id or none.
    pub fn settle_where(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.awaited.iter().position(|a| is_it(&a.ticket))?;
        self.awaited.remove(at).map(|a| a.ticket)
    }

    /// Takes a ticket whose deadline is past; its id is remembered as overdue.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        if self.awaited.front()?.deadline > now {
            return None;
        }
        let late = self.awaited.pop_front()?;
        if self.overdue.len() >= MAX_OVERDUE {
            self.overdue.pop_front();
        }
        self.overdue.push_back(late.id);
        Some(late.ticket)
    }

    /// The next deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.awaited.front().map(|a| a.deadline)
    }

    /// Gives up everything that is under way.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.overdue.clear();
        core::mem::take(&mut self.awaited).into_iter().map(|a| a.ticket)
    }
}

impl<T> Default for Reflections<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
