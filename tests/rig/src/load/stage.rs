//! An XMPP server and a mucfocus as a measurement wants them.

use std::time::Duration;

use super::worker::Worker;
use crate::Mucfocus;
use crate::certificate::Certificate;
use crate::gauge::{Numbers, memory, processor};
use crate::server::{Kind, Options, Server};

/// Which limits are in force, on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limits {
    /// None.
    Lifted,
    /// Those that the XMPP server's package and mucfocus come with, but for the rates of single users, who are few here.
    Stock,
}

impl Limits {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lifted => "lifted",
            Self::Stock => "stock",
        }
    }
}

/// Both of them, running.
pub(super) struct Stage {
    // Dropped first: it says goodbye to the other.
    pub(super) focus: Mucfocus,
    pub(super) server: Server,
    binary: String,
    limits: Limits,
}

impl Stage {
    pub(super) async fn set(binary: &str, kind: Kind, limits: Limits) -> Self {
        Self::set_with(binary, kind, limits, None).await
    }

    /// Another one like it, whose XMPP streams are under TLS. Raw clients do not speak that.
    pub(super) async fn under_tls(&self) -> Self {
        let certificate = Certificate::for_host("xmpp.test");
        Self::set_with(&self.binary, self.server.kind(), self.limits, Some(certificate)).await
    }

    async fn set_with(binary: &str, kind: Kind, limits: Limits, certificate: Option<Certificate>) -> Self {
        let stock_limits = limits == Limits::Stock;
        let server =
            Server::start(kind, Options { stock_limits, certificate: certificate.clone(), ..Options::default() });
        let server = server.await;
        let focus = Mucfocus::start(binary, &configuration(&server, limits, certificate.as_ref())).await;
        Self { focus, server, binary: binary.to_owned(), limits }
    }

    /// Raw XMPP clients, in a process of their own.
    pub(super) fn raws(&self) -> Worker {
        Worker::start("raw", &[self.server.address().to_string(), self.server.anonymous_host()])
    }

    /// SIP legs, in a process of their own.
    pub(super) fn legs(&self) -> Worker {
        Worker::start("legs", &[self.focus.udp().to_string()])
    }

    /// The JID of a room.
    pub(super) fn muc(&self, room: &str) -> String {
        self.server.room(room)
    }

    /// Processor time of mucfocus so far, in microseconds.
    pub(super) fn ours(&self) -> f64 {
        processor(self.focus.id()).as_micros() as f64
    }

    /// The same of the XMPP server.
    pub(super) fn theirs(&self) -> f64 {
        processor(self.server.id()).as_micros() as f64
    }

    /// Waits until nobody is busy with what was before.
    pub(super) fn rest(&self) {
        const LOOK: Duration = Duration::from_millis(500);
        const BUSY: f64 = 25_000.0; // of these 500 ms
        let spent = || self.ours() + self.theirs();
        let mut before = spent();
        for _ in 0..240 {
            std::thread::sleep(LOOK);
            let now = spent();
            if now - std::mem::replace(&mut before, now) < BUSY {
                return;
            }
        }
        panic!("somebody is still busy after two minutes");
    }

    /// Resident memory of mucfocus in KiB.
    pub(super) fn memory(&self) -> f64 {
        self.focus.memory() as f64 / 1024.0
    }

    /// The same of the XMPP server.
    pub(super) fn their_memory(&self) -> f64 {
        memory(self.server.id()) as f64
    }

    pub(super) async fn numbers(&self) -> Numbers {
        Numbers::of(&self.focus).await
    }
}

fn configuration(server: &Server, limits: Limits, certificate: Option<&Certificate>) -> String {
    let logins = if limits == Limits::Lifted { "xmpp_logins = \"off\"\n" } else { "" };
    let tls = certificate.map_or_else(
        || "tls = \"off\"".to_owned(),
        |certificate| format!("tls = \"starttls\"\nca_file = {:?}", certificate.authority()),
    );
    format!(
        "[node]\nname = \"load\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\ndomains = [\"rooms.test\"]\n\
         [sip.auth]\ntrusted_peers = [\"127.0.0.1\"]\nidentity = [\"from\"]\n\
         [msrp]\nlisten = [\"tcp:127.0.0.1:0\"]\n\
         [xmpp]\nserver = \"{}\"\n{tls}\n\
         [[accounts]]\nsip = \"sip:*@sip.test\"\njid = \"{}\"\nlogin = \"anonymous\"\n\
         [room_defaults]\ncreate = true\nhistory = 0\n\
         [[rooms]]\nsip = \"sip:{{room}}@rooms.test\"\nmuc = \"{}\"\n\
         [limits]\nlegs = 20000\njoins_per_user = \"off\"\nsubscriptions_per_user = 1000\nrequests_per_source = \"off\"\n{logins}\
         [timeouts]\njoin = \"60s\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n",
        server.address(),
        server.anonymous_host(),
        server.room("{room}"),
    )
}
