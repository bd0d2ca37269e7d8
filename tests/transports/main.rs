//! What carries MSRP: listeners for TLS and WebSocket, and connections that we make, on real sockets and against `openssl` and a
//! WebSocket client of the rig's own. No room is behind them: what is seen is how a connection gets to its session, or not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod certificates;
mod connecting;
mod conversations;
mod handshakes;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mucfocus::hub::mail::{Mail, SessionMail};
use mucfocus::hub::mailbox::Mailbox;
use mucfocus::msrp_net::connection::Context;
use mucfocus::msrp_net::link::SessionLink;
use mucfocus::msrp_net::listener::{self, Door};
use mucfocus::msrp_net::settings::Kind;
use mucfocus::msrp_net::table::{OpenSession, SessionTable};
use mucfocus::observe::metrics::Metrics;
use mucfocus::tls::{Settings, Tls};
use mucfocus::ws::Origins;
use mucfocus_core::leg::Expectation;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::wire::sdp::{Fingerprint, Hash};
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::{SOON, random, wait_for};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A node with a listener of each kind, and no rooms.
struct Node {
    tls: Arc<Tls>,
    context: Context,
    addresses: [(Kind, SocketAddr); 4],
    /// Where its certificate is.
    folder: TempDir,
    tasks: Vec<JoinHandle<()>>,
}

/// A session that waits for its connection.
struct Session {
    id: String,
    mailbox: Mailbox,
    #[expect(dead_code, reason = "open until it is dropped")]
    open: Option<OpenSession>,
    /// Its connection, which would go without it.
    link: Option<SessionLink>,
}

impl Node {
    async fn start() -> Self {
        Self::with(Limits::default(), None).await
    }

    async fn with(limits: Limits, per_source: Option<usize>) -> Self {
        let folder = TempDir::with_prefix("node-").unwrap();
        let (certificate_file, key_file) = Certificate::for_host("focus.test").copy_to(folder.path());
        Self::showing(
            Settings { certificate_file, key_file, ca_file: None, client_ca_file: None },
            folder,
            limits,
            per_source,
        )
        .await
    }

    async fn showing(settings: Settings, folder: TempDir, limits: Limits, per_source: Option<usize>) -> Self {
        let tls = Tls::new(settings).unwrap();
        let context = Context {
            sessions: Arc::default(),
            limits: Arc::new(limits),
            metrics: Arc::new(Metrics::new()),
            tls: Some(Arc::clone(&tls)),
        };
        let mut origins = Origins::default();
        origins.add("https://chat.test").unwrap();
        let door = Door::new(context.clone(), origins, per_source, |_| false);
        let mut tasks = vec![tokio::spawn(Arc::clone(&tls).follow_files())];
        let mut addresses =
            [Kind::Tcp, Kind::Tls, Kind::Ws, Kind::Wss].map(|kind| (kind, SocketAddr::from(([127, 0, 0, 1], 0))));
        for (kind, address) in &mut addresses {
            let (listener, bound) = listener::bind(*address, false).unwrap();
            *address = bound;
            tasks.push(tokio::spawn(listener::accept(listener, *kind, Arc::clone(&door))));
        }
        Self { tls, context, addresses, folder, tasks }
    }

    fn at(&self, kind: Kind) -> SocketAddr {
        self.addresses.iter().find(|(k, _)| *k == kind).unwrap().1
    }

    /// A session for connections that are as expected.
    fn session(&self, expected: Expectation) -> Session {
        let (id, mailbox) = (random(20), Mailbox::new());
        let lost = SessionMail::Lost { why: "dropped".into(), ago: Duration::ZERO };
        let (_, source) = mailbox.address().source(Mail::Session(lost));
        let open = SessionTable::open(&self.context.sessions, id.clone(), source, expected);
        Session { id, mailbox, open: Some(open), link: None }
    }

    /// Waits until this was counted, at least once.
    async fn has_counted(&self, violation: &str) {
        let line = format!("mucfocus_msrp_violations_total{{violation=\"{violation}\"}}");
        let look = || self.context.metrics.exposition().contains(&line).then_some(());
        wait_for(look, SOON, format!("{line} in the metrics")).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Session {
    /// What its room hears next.
    async fn hears(&mut self) -> SessionMail {
        let letter = tokio::time::timeout(SOON, self.mailbox.recv()).await.expect("the room hears nothing");
        let Mail::Session(mail) = letter.mail else { panic!("{:?}", letter.mail) };
        mail
    }

    /// Waits until a connection has bound to it.
    async fn is_bound(&mut self) {
        match self.hears().await {
            SessionMail::Bound(link) => self.link = Some(link),
            other => panic!("{other:?}"),
        }
    }

    /// A path that leads to it, at any address: the session-id alone names it.
    fn path(&self) -> String {
        format!("msrps://focus.test:2855/{};tcp", self.id)
    }
}

/// Where who connects to us says he is.
const CLIENT: &str = "msrps://client.invalid:2855/abcdefghijklmnop;tcp";

fn fingerprint(certificate: &Certificate, name: &str, hash: Hash) -> Fingerprint {
    let text = certificate.fingerprint(name);
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Fingerprint { hash, octets }
}
