//! Connections that we have made, for other sessions that are to be had at the same place (MS-CONN-07, RFC 4975 §5.4).

use std::sync::Arc;

use dashmap::DashMap;
use mucfocus_core::leg::{Expectation, Target};
use tokio::sync::mpsc;

use crate::hub::mailbox::Source;

/// Sessions that may wait for a connection that is busy; more of them get one of their own.
const WAITING: usize = 16;

/// A session whose active side we are, on its way to a connection.
pub struct Joining {
    pub(super) session: Arc<str>,
    pub(super) source: Source,
    /// What a connection has to be that the client makes, should ours fail.
    pub(super) expected: Expectation,
}

/// How a connection that we have made takes other sessions.
pub(super) struct Sharing {
    pub(super) more: mpsc::Receiver<Joining>,
    /// Where those go that it does not take.
    pub(super) otherwise: Box<dyn Fn(Joining) + Send + Sync>,
}

/// The connections that we have made, by where they lead; of several the latest.
#[derive(Default)]
pub(super) struct Dialled(DashMap<String, mpsc::Sender<Joining>>);

impl Dialled {
    /// Hands a session to the connection that leads there. Gives it back where there is none, or one that is over or busy.
    pub(super) fn join(&self, target: &Target, joining: Joining) -> Option<Joining> {
        let connection = self.0.get(&name(target)).map(|connection| connection.clone());
        let Some(connection) = connection else { return Some(joining) };
        connection.try_send(joining).err().map(mpsc::error::TrySendError::into_inner)
    }

    /// There is a connection; what it is handed comes here.
    pub(super) fn made(&self, target: &Target) -> mpsc::Receiver<Joining> {
        let (sender, more) = mpsc::channel(WAITING);
        self.0.insert(name(target), sender);
        more
    }

    /// A connection is over. If another one was made since, that stays.
    pub(super) fn ended(&self, target: &Target) {
        self.0.remove_if(&name(target), |_, connection| connection.is_closed());
    }
}

impl Sharing {
    /// The next session that wants to join.
    pub(super) async fn next(sharing: &mut Option<Self>) -> Option<Joining> {
        match sharing {
            Some(sharing) => sharing.more.recv().await,
            None => std::future::pending().await,
        }
    }

    /// The connection is over: who was on the way goes elsewhere.
    pub(super) fn end(mut self) {
        self.more.close();
        while let Ok(joining) = self.more.try_recv() {
            (self.otherwise)(joining);
        }
    }
}

/// What is the same for sessions that may share a connection: the place, and whom we take for its owner.
fn name(target: &Target) -> String {
    let Target { host, port, secure, name, fingerprints } = target;
    format!("{host} {port} {secure} {name} {fingerprints:?}")
}
