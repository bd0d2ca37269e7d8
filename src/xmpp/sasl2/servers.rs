//! What is known of each server's SASL2, so that one which offers it and does not do it costs nobody more than one attempt.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::xmpp::settings::Account;

/// How long it is left alone after it went wrong: long enough to be rare, and somebody may have mended it.
const LEFT_ALONE: Duration = Duration::from_secs(60 * 60);
/// Servers that are remembered; who is forgotten is tried once more.
const MAX_SERVERS: usize = 1024;

/// Servers by domain and address: each domain of a server may be set up in its own way.
#[derive(Default)]
pub(in crate::xmpp) struct Servers(Mutex<BTreeMap<Name, Standing>>);

type Name = (String, Option<(String, u16)>);

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::xmpp) struct Standing {
    /// Whether the last one who tried was let in that way.
    works: bool,
    left_alone: Option<Instant>,
    not_resumed: Option<Instant>,
}

impl Standing {
    /// Whether it is to be tried.
    pub(in crate::xmpp) fn is_tried(&self) -> bool {
        self.left_alone.is_none_or(|until| until <= Instant::now())
    }

    /// Whether streams are to be resumed on the way.
    pub(in crate::xmpp) fn resumes(&self) -> bool {
        self.not_resumed.is_none_or(|until| until <= Instant::now())
    }

    /// Whether a refusal of credentials there is one everywhere.
    pub(in crate::xmpp) const fn is_believed(&self) -> bool {
        self.works
    }
}

impl Servers {
    pub(in crate::xmpp) fn of(&self, account: &Account) -> Standing {
        let servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(&name(account)).copied().unwrap_or_default()
    }

    /// Somebody was let in.
    pub(in crate::xmpp) fn worked(&self, account: &Account) {
        self.change(account, |standing| (standing.works, standing.left_alone) = (true, None));
    }

    /// It went wrong where the classic way did not. What has worked before may have had a bad moment.
    pub(in crate::xmpp) fn failed(&self, account: &Account) {
        self.change(account, |standing| {
            if !std::mem::take(&mut standing.works) {
                standing.left_alone = Some(Instant::now() + LEFT_ALONE);
            }
        });
    }

    /// It went wrong with a stream to be resumed on the way.
    pub(in crate::xmpp) fn failed_to_resume(&self, account: &Account) {
        self.change(account, |standing| standing.not_resumed = Some(Instant::now() + LEFT_ALONE));
    }

    fn change(&self, account: &Account, change: impl FnOnce(&mut Standing)) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name(account);
        if servers.len() >= MAX_SERVERS && !servers.contains_key(&name) {
            servers.pop_first();
        }
        change(servers.entry(name).or_default());
    }
}

fn name(account: &Account) -> Name {
    (account.jid.domain().as_str().to_owned(), account.server.address.clone())
}
