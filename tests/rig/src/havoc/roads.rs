//! What the packets of one SIP user pass on their way to mucfocus: relays that break when they are told to.

use std::net::SocketAddr;

use crate::proxy::{Break, Proxy};
use crate::sip::{Transport, Who};
use crate::weather::{Relay, Sky};

/// His SIP and his MSRP, for one call.
pub struct Roads {
    sip: Sip,
    msrp: Proxy,
}

enum Sip {
    Datagrams(Relay),
    Stream(Proxy),
}

impl Roads {
    /// For somebody who would go to `who.peer`, and whose MSRP goes to `msrp`; and who he is that way.
    pub async fn of(mut who: Who, msrp: SocketAddr) -> (Self, Who) {
        let sip = match who.transport {
            Transport::Udp => {
                let relay = Relay::start(who.peer, Sky::CLEAR, 0).await;
                (who.peer, who.contact) = (relay.address(), Some(relay.outside()));
                Sip::Datagrams(relay)
            }
            Transport::Tcp => {
                let proxy = Proxy::start(who.peer).await;
                who.peer = proxy.address();
                Sip::Stream(proxy)
            }
        };
        (Self { sip, msrp: Proxy::start(msrp).await }, who)
    }

    /// Where his MSRP connects.
    pub fn msrp(&self) -> SocketAddr {
        self.msrp.address()
    }

    /// His MSRP connection breaks.
    pub fn cut_msrp(&self, how: Break) {
        self.msrp.cut(how);
    }

    /// What comes and goes by MSRP waits.
    pub fn stall_msrp(&self) {
        self.msrp.hold();
    }

    /// His SIP connection breaks. A datagram breaks nothing: it is lost, until [`Roads::heal`].
    pub fn cut_sip(&self, how: Break) {
        match &self.sip {
            Sip::Datagrams(relay) => relay.swallow(),
            Sip::Stream(proxy) => proxy.cut(how),
        }
    }

    /// What comes and goes by SIP waits, or, as datagrams, is lost.
    pub fn stall_sip(&self) {
        match &self.sip {
            Sip::Datagrams(relay) => relay.swallow(),
            Sip::Stream(proxy) => proxy.hold(),
        }
    }

    /// Everything passes.
    pub fn heal(&self) {
        self.msrp.heal();
        match &self.sip {
            Sip::Datagrams(relay) => relay.heal(),
            Sip::Stream(proxy) => proxy.heal(),
        }
    }
}
