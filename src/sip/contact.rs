//! How peers reach this node: Contact and Via of what belongs to a dialog. Pure but for the lookup of our own addresses.

use std::net::SocketAddr;

use rsipstack::sip::Header;

use super::dispatch::Place;
use super::locate::Target;
use super::settings::Transport;
use super::shared::{Shared, local_towards, random_token};

/// Feature tags of the Contact (RFC 4579 §5.1, RFC 3840, GC-JOIN-06): what this version can do.
const FEATURES: &str = "isfocus;automata;message;\
    methods=\"INVITE,ACK,BYE,CANCEL,OPTIONS,UPDATE,SUBSCRIBE,NOTIFY,REFER\";event=\"conference\"";

/// This node over one transport, as one peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OurEnd {
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

impl OurEnd {
    /// Where requests from `place` came in.
    pub(super) fn of(place: &Place) -> Self {
        Self { transport: place.transport, address: place.local }
    }

    /// Where streams from `to`, of the same transport, would come in, for a peer at `place`; none when we do not listen for them.
    pub(super) fn for_streams(shared: &Shared, place: &Place, to: Target) -> Option<Self> {
        let Target { transport, address: peer } = to;
        if place.transport == transport {
            return Some(Self::of(place));
        }
        let bound = shared.bound.get()?.iter().filter(|l| l.transport == transport).map(|l| l.address);
        let mut fitting = bound.filter(|a| a.is_ipv4() == peer.is_ipv4());
        let address = fitting.clone().find(|a| a.ip() == place.local.ip()).or_else(|| fitting.next())?;
        Some(Self { transport, address: local_towards(address, peer) })
    }

    /// A Via of ours. The stack would name the wrong transport on a stream.
    pub(super) fn via(self, shared: &Shared) -> String {
        let transport = self.transport.via();
        format!("SIP/2.0/{transport} {};branch=z9hG4bK{};rport", shared.advertised(self.address), random_token())
    }

    /// Our Contact in a dialog; `user` is the user part as the peer wrote it.
    pub(super) fn contact(self, shared: &Shared, user: Option<&str>) -> Header {
        let host = shared.advertised(self.address);
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let transport = self.transport.uri_parameter().map(|name| format!(";transport={name}")).unwrap_or_default();
        Header::Contact(format!("<sip:{user}{host}{transport}>;{FEATURES}").into())
    }
}

/// The user part of a SIP URI as written, without a password.
pub(super) fn user_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    let (user, _) = rest.split_once('@')?;
    user.split(':').next().filter(|user| !user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contact_keeps_the_user_part_as_dialled() {
        assert_eq!(user_of("sip:room%40conf:secret@h;x=y"), Some("room%40conf"));
        assert_eq!(user_of("sip:h"), None);
    }
}
