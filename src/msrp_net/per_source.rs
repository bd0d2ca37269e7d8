//! How many connections each source has open (a source is an address, or a /64 of IPv6), over all listeners.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sockets::source_of;

/// Open connections of each source.
#[derive(Debug, Default)]
pub(super) struct PerSource {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's share of its source's allowance, until it is dropped.
pub(super) struct Allowance {
    of: Arc<PerSource>,
    source: IpAddr,
}

impl PerSource {
    /// A share for one more connection, unless `limit` are open.
    pub(super) fn allow(this: &Arc<Self>, address: IpAddr, limit: Option<usize>) -> Option<Allowance> {
        let source = source_of(address);
        let mut open = this.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(source).or_default();
        if limit.is_some_and(|limit| *count >= limit) {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Allowance { of: Arc::clone(this), source })
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}
