//! A conference subscriber: what it was told, and the list that it shows.

use std::collections::BTreeSet;

use mucfocus_core::conference::{Notification, Reason, SubscriptionState};

use crate::document::Shown;

/// One subscription as its subscriber sees it.
#[derive(Debug, Default)]
pub struct Watcher {
    pub told: Vec<Notification>,
    /// Documents, the last one last.
    pub documents: Vec<String>,
    /// What they show together.
    pub shown: Shown,
    pub is_gone: bool,
    pub is_in_flight: bool,
    /// Whether NOTIFYs are answered.
    pub answers: bool,
}

impl Watcher {
    pub fn new() -> Self {
        Self { answers: true, ..Self::default() }
    }

    pub fn takes(&mut self, notification: Notification) {
        assert_eq!(self.ended(), None, "nothing follows a last notification");
        if let Some(document) = &notification.document {
            let document = String::from_utf8(document.to_vec()).unwrap();
            self.shown.take(&document);
            self.documents.push(document);
        }
        self.is_in_flight = !self.answers;
        self.told.push(notification);
    }

    pub fn ended(&self) -> Option<Reason> {
        match self.told.last()?.state {
            SubscriptionState::Terminated { reason, .. } => Some(reason),
            SubscriptionState::Active { .. } => None,
        }
    }

    /// Who is here, as far as he was told.
    pub fn list(&self) -> BTreeSet<String> {
        self.shown.nicknames().into_iter().map(String::from).collect()
    }

    /// What is known of somebody on the list, as it was written.
    pub fn user(&self, nickname: &str) -> &str {
        self.shown.users.values().find(|user| user.nickname == nickname).map_or("", |user| &user.text)
    }

    pub fn last(&self) -> &str {
        self.documents.last().map_or("", String::as_str)
    }
}
