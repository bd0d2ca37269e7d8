//! Sessions that connections may bind to, by session-id.
//!
//! The session-id alone names a session (MS-CONN-06): it has 128 random bits, while host and port differ on both sides of a
//! NAT.

use std::sync::Arc;

use dashmap::DashMap;

use crate::hub::mailbox::Source;

/// All sessions of this process.
#[derive(Default)]
pub struct SessionTable {
    slots: DashMap<String, Slot>,
}

enum Slot {
    /// Nobody has connected yet. What the connection says goes here.
    Waiting(Source),
    /// A connection has it.
    Bound,
}

/// Why a connection does not get a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is none of this name: 481 (MS-CONN-03).
    #[error("there is no such session")]
    Unknown,
    /// Another connection has it, or had it: 506 (MS-CONN-04).
    #[error("the session is bound to another connection")]
    Taken,
}

/// A session that connections may bind to until this is dropped.
pub struct OpenSession {
    table: Arc<SessionTable>,
    id: String,
}

impl SessionTable {
    /// Lets connections bind to the session `id`; whoever does gets `source`.
    #[must_use]
    pub fn open(self: &Arc<Self>, id: String, source: Source) -> OpenSession {
        self.slots.insert(id.clone(), Slot::Waiting(source));
        OpenSession { table: Arc::clone(self), id }
    }

    /// Binds a connection to the session `id`.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when there is no such session, or somebody has it.
    pub fn claim(&self, id: &str) -> Result<Source, ClaimError> {
        let mut slot = self.slots.get_mut(id).ok_or(ClaimError::Unknown)?;
        match std::mem::replace(slot.value_mut(), Slot::Bound) {
            Slot::Waiting(source) => Ok(source),
            Slot::Bound => Err(ClaimError::Taken),
        }
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
