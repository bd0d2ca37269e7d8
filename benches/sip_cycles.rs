//! What a call costs the SIP side: INVITE, 200, ACK, BYE, 200 over UDP, with a focus that takes every call at once and no MUC.
//!
//! The driver runs on one thread, so its calls per second of CPU are what one core does; the clients are another process. `CALLS`
//! says how many, 20,000 by default. What is kept of a finished transaction for 32 s (RFC 3261 §17.1.1.2, timer J) grows with the
//! rate: the resident memory at the end shows that too.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails ends there"
)]

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mucfocus::hub::mail::{CallEnd, CallMail, Mail};
use mucfocus::hub::mailbox::{Mailbox, Source};
use mucfocus::sip::port::{CallCommand, Dial, Dialled, Focus, LegId, Readiness, Refer, Refusal, Subscribe};
use mucfocus::sip::settings::{
    IdentitySource, Listen, MIN_SESSION, Settings, SourceLimits, Transport, TrustedPeer, Untrusted,
};
use mucfocus::sip::{Driver, Timers};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_rig::gauge::{memory, processor};

/// Calls that wait for an answer at any time.
const WINDOW: usize = 64;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n\
                   a=path:msrp://127.0.0.1:9/abcdefgh;tcp\r\na=accept-types:message/cpim\r\n";

fn main() {
    let calls = std::env::var("CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    match std::env::var("CALL_TO") {
        Ok(address) => clients(address.parse().unwrap(), calls),
        Err(_) => node(calls),
    }
}

/// Takes every call.
struct Yes;

impl Focus for Yes {
    fn maps(&self, _: &SipUri) -> bool {
        true
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn dial(&self, dial: Dial) -> Result<Dialled, Refusal> {
        let mut mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(Mail::Call(CallMail::Ended(CallEnd::Failed("dropped".into()))));
        tokio::spawn(async move {
            dial.commands.send(CallCommand::Accept { answer: SDP.into() }).await.unwrap();
            while !mailbox.is_deserted() {
                drop(mailbox.recv().await);
            }
        });
        Ok(Dialled { source, leg: LegId(1) })
    }

    fn subscribe(&self, _: Subscribe) -> Result<Source, Refusal> {
        unreachable!("nobody subscribes")
    }

    fn refer(&self, _: Refer) -> Result<Source, Refusal> {
        unreachable!("nobody refers")
    }
}

fn node(calls: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = Settings {
            node: "focus1".into(),
            listen: vec![Listen { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() }],
            domains: vec!["rooms.example.com".into()],
            advertise: None,
            trusted_peers: vec![TrustedPeer { network: "127.0.0.1/32".parse().unwrap(), over_udp: true }],
            identity: vec![IdentitySource::From],
            untrusted: Untrusted::Refuse,
            sources: SourceLimits::NONE,
            min_session: MIN_SESSION,
            trusted_names: Vec::new(),
            tls: None,
            allowed_origins: Default::default(),
            dns: Default::default(),
        };
        let timers = Timers::default();
        let driver = Driver::start_with(settings, Arc::new(Yes), Arc::new(()), timers).await.unwrap();
        let address = driver.addresses().iter().find(|l| l.transport == Transport::Udp).unwrap().address;
        let own = std::process::id();
        let (started, cpu_before, memory_before) = (Instant::now(), processor(own).as_secs_f64(), memory(own));
        let mut clients = Command::new(std::env::current_exe().unwrap());
        clients.env("CALL_TO", address.to_string()).env("CALLS", calls.to_string()).stdout(Stdio::piped());
        let clients = clients.spawn().unwrap();
        let output = tokio::task::spawn_blocking(|| clients.wait_with_output().unwrap()).await.unwrap();
        assert!(output.status.success(), "the clients failed");
        let (elapsed, cpu_used) = (started.elapsed().as_secs_f64(), processor(own).as_secs_f64() - cpu_before);
        println!("calls         {:8.0} a second while the clients share the machine", calls as f64 / elapsed);
        println!(
            "CPU           {:8.1} µs for each call, {:.0} calls a second of one core",
            cpu_used * 1e6 / calls as f64,
            calls as f64 / cpu_used
        );
        println!("memory        {memory_before} KiB before, {} KiB at the end", memory(own));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    });
}

/// Makes the calls, so many at a time, and repeats what is not answered within half a second.
fn clients(to: SocketAddr, calls: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let local = socket.local_addr().unwrap();
    let mut waiting: Vec<(usize, bool)> = Vec::new();
    let (mut next, mut done, mut repeated) = (0, 0, 0_usize);
    let mut buffer = [0; 65_536];
    while done < calls {
        while waiting.len() < WINDOW && next < calls {
            waiting.push((next, false));
            send(&socket, &invite(local, next));
            next += 1;
        }
        let Ok(len) = socket.recv(&mut buffer) else {
            for (call, _) in waiting.iter().filter(|(_, is_up)| !is_up) {
                repeated += 1;
                send(&socket, &invite(local, *call));
            }
            continue;
        };
        let answer = std::str::from_utf8(buffer.get(..len).unwrap()).unwrap();
        let call: usize = field(answer, "Call-ID: ").unwrap().split('@').next().unwrap().parse().unwrap();
        let Some(entry) = waiting.iter_mut().find(|(n, _)| *n == call) else { continue };
        if !answer.starts_with("SIP/2.0 200") {
            assert!(answer.starts_with("SIP/2.0 1"), "{answer}");
        } else if field(answer, "CSeq: ").unwrap().ends_with("INVITE") {
            entry.1 = true;
            let (to, contact) = (field(answer, "To: ").unwrap(), field(answer, "Contact: ").unwrap());
            let contact = contact.trim_start_matches('<').split('>').next().unwrap();
            send(&socket, &within(local, "ACK", 1, call, to, contact));
            send(&socket, &within(local, "BYE", 2, call, to, contact));
        } else {
            waiting.retain(|(n, _)| *n != call);
            done += 1;
        }
    }
    println!("repeated      {repeated:8} requests that were not answered in half a second");
}

fn send(socket: &UdpSocket, request: &str) {
    socket.send(request.as_bytes()).unwrap();
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name))
}

fn invite(local: SocketAddr, call: usize) -> String {
    format!(
        "INVITE sip:capulet@rooms.example.com SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKi{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:romeo{call}@example.org>;tag=f{call}\r\nTo: <sip:capulet@rooms.example.com>\r\n\
         Call-ID: {call}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:romeo{call}@{local}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn within(local: SocketAddr, method: &str, cseq: u32, call: usize, to: &str, contact: &str) -> String {
    format!(
        "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{call};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:romeo{call}@example.org>;tag=f{call}\r\nTo: {to}\r\nCall-ID: {call}@bench\r\nCSeq: {cseq} {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
