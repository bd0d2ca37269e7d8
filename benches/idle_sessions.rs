//! What a bound session costs in memory while nobody says anything: the task of its connection, buffers, outbox, entry in the table,
//! mailbox and the core's session. Real TCP on loopback; the clients are another process, so that their memory is not ours.
//!
//! `SESSIONS` says how many, 10,000 by default, or what the hard limit of open files leaves: each takes one on either side.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails ends there"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mucfocus::hub::clock::{self, RandomIds};
use mucfocus::hub::mail::{Mail, SessionMail};
use mucfocus::hub::mailbox::{Mailbox, SourceId};
use mucfocus::msrp_net::connection::Context;
use mucfocus::msrp_net::link::SessionLink;
use mucfocus::msrp_net::listener::{self, Door};
use mucfocus::msrp_net::settings::Kind;
use mucfocus::msrp_net::table::{OpenSession, SessionTable};
use mucfocus::observe::metrics::Metrics;
use mucfocus::ws::Origins;
use mucfocus_core::leg::Expectation;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::session::{Event, Session};
use mucfocus_core::wire::msrp::frame::Path;
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_rig::gauge::allow_files;
use tokio::time::timeout;

/// What the memory of a session must not exceed, in octets.
const MOST: f64 = 8.0 * 1024.0;
/// How long the next client may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Open files besides those of the sessions.
const OTHER_FILES: u64 = 100;

fn main() {
    let wanted = std::env::var("SESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let files = allow_files(wanted + OTHER_FILES);
    let sessions = usize::try_from(wanted.min(files - OTHER_FILES)).unwrap();
    match std::env::var("CONNECT_TO") {
        Ok(address) => clients(&address, sessions),
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(node(sessions)),
    }
}

fn id_of(n: usize) -> String {
    format!("{n:026}")
}

/// Connects all sessions, and stays until standard input ends.
fn clients(address: &str, sessions: usize) {
    let connect = |n: usize| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let (id, response) = (id_of(n), &mut [0; 1024]);
        write!(
            stream,
            "MSRP bind{n:06} SEND\r\nTo-Path: msrp://127.0.0.1:2855/{id};tcp\r\nFrom-Path: msrp://127.0.0.1:9/c{n};tcp\r\n\
             Message-ID: m{n}\r\n-------bind{n:06}$\r\n"
        )
        .unwrap();
        let len = stream.read(response).unwrap();
        assert!(response[..len].starts_with(format!("MSRP bind{n:06} 200").as_bytes()));
        stream
    };
    let streams: Vec<_> = (0..sessions).map(connect).collect();
    println!("connected");
    let _ = std::io::stdin().read(&mut [0]);
    drop(streams);
}

struct Seat {
    session: Session,
    _open: OpenSession,
    link: Option<SessionLink>,
}

async fn node(sessions: usize) {
    let metrics = Arc::new(Metrics::new());
    let table = Arc::new(SessionTable::default());
    let context = Context { sessions: Arc::clone(&table), limits: Arc::default(), metrics, tls: None };
    let (listener, address) = listener::bind(([127, 0, 0, 1], 0).into(), false).unwrap();
    let mut mailbox = Mailbox::new();
    let at_first = resident();
    let mut seats: BTreeMap<SourceId, Seat> = (0..sessions).map(|n| seat(&mailbox, &table, n)).collect();
    tokio::spawn(listener::accept(listener, Kind::Tcp, Door::new(context, Origins::default(), None, |_| true)));
    let mut clients = Command::new(std::env::current_exe().unwrap())
        .env("CONNECT_TO", address.to_string())
        .env("SESSIONS", sessions.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = 0;
    while answered < sessions {
        let letter = timeout(PATIENCE, mailbox.recv()).await.expect("the next client connects");
        let seat = seats.get_mut(&letter.from).unwrap();
        answered += usize::from(seat.takes(letter.mail));
    }
    tokio::time::sleep(Duration::from_secs(7)).await; // longer than the round in which connections look after themselves
    let each = (resident() - at_first) / sessions as f64;
    println!("{sessions} idle sessions take {each:.0} octets each");
    drop(clients.stdin.take());
    clients.wait().unwrap();
    assert!(each <= MOST, "more than {MOST} octets");
}

fn seat(mailbox: &Mailbox, table: &Arc<SessionTable>, n: usize) -> (SourceId, Seat) {
    let id = id_of(n);
    let own = MsrpUri::parse(&format!("msrp://127.0.0.1:2855/{id};tcp")).unwrap();
    let peer = Path::new(MsrpUri::parse(&format!("msrp://127.0.0.1:9/c{n};tcp")).unwrap());
    let lost = SessionMail::Lost { why: String::new(), ago: Duration::ZERO };
    let (source_id, source) = mailbox.address().source(Mail::Session(lost));
    let open = table.open(id, source, Expectation::default());
    (source_id, Seat { session: Session::new(own, peer, Limits::default()), _open: open, link: None })
}

impl Seat {
    /// Whether a request was answered.
    fn takes(&mut self, mail: Mail) -> bool {
        let (mut ids, mut events) = (RandomIds, Vec::new());
        match mail {
            Mail::Session(SessionMail::Bound(link)) => {
                self.link = Some(link);
                self.session.bound(&mut clock::env(&mut ids), &mut events);
            }
            Mail::Session(SessionMail::Frame { frame, .. }) => {
                self.session.receive(&mut clock::env(&mut ids), *frame, &mut events);
            }
            other => panic!("{other:?}"),
        }
        let mut answered = false;
        for event in events {
            if let (Event::Transmit(frame), Some(link)) = (event, &self.link) {
                link.put(frame).unwrap();
                answered = true;
            }
        }
        answered
    }
}

/// Octets of our memory that are in use.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
