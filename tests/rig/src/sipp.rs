//! Real SIPp, playing a scenario once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use socket2::{Domain, Socket, Type};
use tokio::process::Command;

use crate::process::tail;
use crate::sip::Transport;
use crate::wait::{SOON, lock, until};

/// A SIP user whose part SIPp plays, at a port of his own for both transports.
pub struct Caller {
    peer: SocketAddr,
    service: String,
    port: u16,
    /// Keeps the port from everybody else until SIPp listens there itself: what is too large for a datagram is first tried over TCP, and
    /// whoever listened there would take it.
    reserved: Mutex<Option<Socket>>,
    seconds: u64,
    answers: bool,
}

impl Caller {
    /// Somebody who talks to `peer`, calls `service`, and has so many seconds for each scenario. Whether he `answers` what
    /// the scenario does not wait for concerns NOTIFY, OPTIONS, INFO and UPDATE.
    pub fn new(peer: SocketAddr, service: &str, seconds: u64, answers: bool) -> Self {
        let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let port = reserved.local_addr().unwrap().as_socket().unwrap().port();
        Self { peer, service: service.to_owned(), port, reserved: Mutex::new(Some(reserved)), seconds, answers }
    }

    /// Plays `scenario`. Panics with SIPp's own account when it fails.
    pub async fn play(&self, scenario: &Path, transport: Transport) {
        if transport == Transport::Tcp {
            lock(&self.reserved).take();
        }
        play(self, scenario, transport).await;
    }

    /// Waits until a scenario that plays over TCP can be connected to, without connecting.
    pub async fn listens_for_streams(&self) {
        // The local address ends in the port, the remote one is none, and 0A is LISTEN.
        let socket = format!(":{:04X} 00000000:0000 0A", self.port);
        let listens = || std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&socket);
        until(listens, SOON, "SIPp to listen").await;
    }
}

async fn play(caller: &Caller, scenario: &Path, transport: Transport) {
    let place = tempfile::tempdir().unwrap();
    let (errors, messages) = (place.path().join("errors"), place.path().join("messages"));
    let flag = match transport {
        Transport::Udp => "u1",
        Transport::Tcp => "t1",
    };
    let port = caller.port.to_string();
    let status = Command::new("sipp")
        .args([&caller.peer.to_string(), "-t", flag, "-m", "1", "-s", &caller.service, "-nostdin"])
        .args(["-timeout_error", "-timeout", &format!("{}s", caller.seconds)])
        .args(["-i", "127.0.0.1", "-p", &port, "-ci", "127.0.0.1"])
        .args(caller.answers.then_some("-aa"))
        .args(["-trace_err", "-trace_msg", "-sf"])
        .arg(scenario)
        .arg("-error_file")
        .arg(&errors)
        .arg("-message_file")
        .arg(&messages)
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .expect("the program sipp (apt-get install sip-tester)");
    if !status.success() {
        let (errors, messages) = (tail(&errors, 60), tail(&messages, 200));
        panic!("SIPp ended with {status}\n---- its errors\n{errors}\n---- its messages\n{messages}");
    }
}
