//! A conference subscriber: what it was told, and the list that it shows.

use std::collections::BTreeSet;

use mucfocus_core::conference::{Notification, Reason, SubscriptionState};

/// One subscription as its subscriber sees it.
#[derive(Debug, Default)]
pub struct Watcher {
    pub told: Vec<Notification>,
    /// Documents, the last one last.
    pub documents: Vec<String>,
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
            assert!(version(&document) > self.documents.last().map_or(0, |last| version(last)), "CI-03");
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

    /// The nicknames in the last document.
    pub fn list(&self) -> BTreeSet<String> {
        let Some(document) = self.documents.last() else { return BTreeSet::new() };
        document.split("xcon:nickname='").skip(1).map(|rest| rest.split('\'').next().unwrap().to_string()).collect()
    }

    pub fn last(&self) -> &str {
        self.documents.last().map_or("", String::as_str)
    }
}

fn version(document: &str) -> u32 {
    let rest = document.split(" version='").nth(2).unwrap(); // the first is that of XML
    rest.split('\'').next().unwrap().parse().unwrap()
}
