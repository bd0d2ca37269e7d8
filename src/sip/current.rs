//! What of the settings changes when the configuration is read again: which hosts are rooms, who is believed, and what strangers
//! get. Where we listen, what we are called and how much a source may do stays.

use super::auth::Authenticator;
use super::settings::{IdentitySource, Settings, TrustedPeer, Untrusted};

/// What is in force. Whoever judges a request by more than one of these asks for them once.
#[derive(Debug)]
pub(super) struct Current {
    /// Hosts of Request-URIs that are rooms.
    pub(super) domains: Vec<String>,
    /// Who is believed.
    pub(super) trusted_peers: Vec<TrustedPeer>,
    /// Who is believed by what his certificate says.
    pub(super) trusted_names: Vec<String>,
    /// Where a trusted peer says who is calling.
    pub(super) identity: Vec<IdentitySource>,
    /// What everybody else gets.
    pub(super) untrusted: Untrusted,
    /// Where strangers are challenged.
    pub(super) authenticator: Option<Authenticator>,
}

impl Current {
    pub(super) fn new(settings: &Settings) -> Self {
        let authenticator = match &settings.untrusted {
            Untrusted::Challenge(digest) => Some(Authenticator::new(digest, settings)),
            Untrusted::Refuse | Untrusted::Drop => None,
        };
        Self {
            domains: settings.domains.clone(),
            trusted_peers: settings.trusted_peers.clone(),
            trusted_names: settings.trusted_names.clone(),
            identity: settings.identity.clone(),
            untrusted: settings.untrusted.clone(),
            authenticator,
        }
    }

    /// The same by other settings. A nonce that was given out stays good, and one that was used stays used.
    pub(super) fn renewed(&self, settings: &Settings) -> Self {
        let mut new = Self::new(settings);
        if let (Some(new), Some(old)) = (&mut new.authenticator, &self.authenticator) {
            new.remember(old);
        }
        new
    }
}
