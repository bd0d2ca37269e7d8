//! Sessions that connections may bind to, by session-id.
//!
//! The session-id alone names a session (MS-CONN-06): it has 128 random bits, while host and port differ on both sides of a
//! NAT.

use std::sync::Arc;

use dashmap::DashMap;
use mucfocus_core::leg::Expectation;

use super::dialled::Dialled;
pub use super::dialled::Joining;
use super::transport::Shown;
use crate::hub::mail::{Mail, SessionMail};
use crate::hub::mailbox::Source;

/// All sessions of this process.
#[derive(Default)]
pub struct SessionTable {
    slots: DashMap<Arc<str>, Slot>,
    dialled: Dialled,
}

enum Slot {
    /// Nobody has connected yet. What the connection says goes to the source, if it is as expected.
    Waiting(Box<(Source, Expectation)>),
    /// A connection has it.
    Bound,
    /// The connection that had it is gone. Only another offer brings another (RFC 4975 §5.4).
    Lost,
}

/// Why a connection does not get a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is none of this name: 481 (MS-CONN-03).
    #[error("there is no such session")]
    Unknown,
    /// Another connection has it, or is to have it: 506 (MS-CONN-04).
    #[error("the session is bound to another connection")]
    Taken,
    /// The connection that had it is gone, and no other may take it over without a new offer: 481 (RFC 4975 §5.4).
    #[error("the connection of the session is gone")]
    Lost,
    /// It is not the connection that offer and answer spoke of (MS-TLS-01).
    #[error("the session was agreed upon for another kind of connection, or another certificate")]
    Unfit,
}

/// A session that connections may bind to until this is dropped.
pub struct OpenSession {
    table: Arc<SessionTable>,
    id: Arc<str>,
}

impl SessionTable {
    /// Lets connections that are as `expected` bind to the session `id`; whoever does gets `source`.
    #[must_use]
    pub fn open(self: &Arc<Self>, id: String, source: Source, expected: Expectation) -> OpenSession {
        let id: Arc<str> = id.into();
        self.slots.insert(Arc::clone(&id), Slot::Waiting(Box::new((source, expected))));
        OpenSession { table: Arc::clone(self), id }
    }

    /// Binds a connection to the session `id`, whose peer has `shown` this of himself.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when there is no such session, somebody has it, or it is meant for somebody else.
    pub fn claim(&self, id: &str, shown: &Shown) -> Result<Source, ClaimError> {
        let mut slot = self.slots.get_mut(id).ok_or(ClaimError::Unknown)?;
        match slot.value() {
            Slot::Waiting(awaited) if !shown.meets(&awaited.1) => {
                let (source, expected) = &**awaited;
                if !shown.is_the_one_of(expected) {
                    // A room that has no time for it has heard of others like it.
                    let _ = source.try_send(Mail::Session(SessionMail::Misfit), 0);
                }
                Err(ClaimError::Unfit)
            }
            _ => take(&mut slot).map(|(source, _)| source),
        }
    }

    /// The same for a connection that we make, which is checked when it is made.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when there is no such session, or somebody has it.
    pub fn claim_for_us(&self, id: &str) -> Result<Joining, ClaimError> {
        let (source, expected) = take(&mut *self.slots.get_mut(id).ok_or(ClaimError::Unknown)?)?;
        Ok(Joining { session: id.into(), source, expected })
    }

    /// The connection that we wanted to make was not to be made: the client may make one, as if we had not tried. Only a session that
    /// had a connection needs another offer for the next (RFC 4975 §5.4).
    pub(super) fn give_back(&self, Joining { session, source, expected }: Joining) {
        if let Some(mut slot) = self.slots.get_mut(&session)
            && matches!(*slot, Slot::Bound)
        {
            *slot = Slot::Waiting(Box::new((source, expected)));
        }
    }

    /// The connection that had the session `id` is gone.
    pub(super) fn lost(&self, id: &str) {
        if let Some(mut slot) = self.slots.get_mut(id)
            && matches!(*slot, Slot::Bound)
        {
            *slot = Slot::Lost;
        }
    }

    /// Connections that we have made.
    pub(super) const fn dialled(&self) -> &Dialled {
        &self.dialled
    }

    /// Sessions that exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

fn take(slot: &mut Slot) -> Result<(Source, Expectation), ClaimError> {
    match std::mem::replace(slot, Slot::Bound) {
        Slot::Waiting(awaited) => Ok(*awaited),
        Slot::Bound => Err(ClaimError::Taken),
        Slot::Lost => {
            *slot = Slot::Lost;
            Err(ClaimError::Lost)
        }
    }
}

impl OpenSession {
    /// The session-id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.table.slots.remove(&self.id);
    }
}
