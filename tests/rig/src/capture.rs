//! Writes down what the rig's clients send and receive, as a file that Wireshark reads.
//!
//! Nothing is sniffed, so it takes no privilege: the clients hand over the octets of each message or frame that crosses their
//! sockets, and each becomes one packet with headers made up for it. Our program always has the port that is registered for
//! the protocol, so a reader needs no hint, and the source port says who speaks. [`dissector`](crate::dissector) reads the file.
//!
//! A test captures its own conversation with [`Capture::of`]. All the others can be captured too: with `MUCFOCUS_CAPTURE=DIR` in
//! the environment each process leaves a file there, which `dissect DIR` judges.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::wait::lock;

/// The port of our program in a capture where it speaks SIP.
pub const SIP: u16 = 5060;
/// The port of our program in a capture where it speaks MSRP.
pub const MSRP: u16 = 2855;

/// The most octets of one packet, headers apart; Wireshark takes no file with longer ones than 256 KiB.
const LONGEST: usize = 256_000;

/// The variable that names a directory; every test process leaves a capture there.
const EVERYTHING: &str = "MUCFOCUS_CAPTURE";

tokio::task_local! {
    static CURRENT: Capture;
}

/// A capture file. What it has taken is in the file at once.
#[derive(Clone)]
pub struct Capture(Arc<Mutex<Pcap>>);

struct Pcap {
    file: File,
    /// Octets that went each way so far, from (first) to (second), for the sequence numbers of TCP.
    flows: BTreeMap<(SocketAddr, SocketAddr), u32>,
}

/// What the packets of a line are carried by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carrier {
    Udp,
    Tcp,
}

/// One client's connection or socket, as far as captures go.
#[derive(Clone)]
pub(crate) struct Line {
    capture: Capture,
    carrier: Carrier,
    local: SocketAddr,
    far: SocketAddr,
}

impl Capture {
    /// Begins a file.
    pub fn to(path: &Path) -> Self {
        let mut file = File::create(path).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        // Version 2.4, no time zone, longest packet, LINKTYPE_RAW: every packet begins with an IP header.
        let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101_u32];
        file.write_all(&header.map(u32::to_le_bytes).concat()).unwrap();
        Self(Arc::new(Mutex::new(Pcap { file, flows: BTreeMap::new() })))
    }

    /// Runs a test; the clients that it makes itself, not in tasks of its own, are captured.
    pub async fn of<T>(&self, test: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), test).await
    }

    /// The capture that clients made now belong to.
    fn current() -> Option<Self> {
        static ALL: OnceLock<Option<Capture>> = OnceLock::new();
        let all = || {
            let directory = std::env::var_os(EVERYTHING)?;
            Some(Self::to(&Path::new(&directory).join(format!("{}.pcap", std::process::id()))))
        };
        CURRENT.try_with(Clone::clone).ok().or_else(|| ALL.get_or_init(all).clone())
    }
}

impl Line {
    /// The line between `local` and our program, which has `port` in the capture; `None` where nothing is captured.
    pub(crate) fn new(carrier: Carrier, local: SocketAddr, port: u16) -> Option<Self> {
        let far = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Capture::current().map(|capture| Self { capture, carrier, local, far })
    }

    /// Takes what the client sends.
    pub(crate) fn sent(&self, octets: &[u8]) {
        lock(&self.capture.0).add(self.carrier, self.local, self.far, octets);
    }

    /// Takes what comes to it.
    pub(crate) fn came(&self, octets: &[u8]) {
        lock(&self.capture.0).add(self.carrier, self.far, self.local, octets);
    }
}

impl Pcap {
    fn add(&mut self, carrier: Carrier, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        for piece in octets.chunks(LONGEST) {
            self.add_packet(carrier, from, to, piece);
        }
    }

    fn add_packet(&mut self, carrier: Carrier, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let transport = match carrier {
            Carrier::Udp => udp(from, to, octets.len()),
            Carrier::Tcp => self.tcp(from, to, octets.len()),
        };
        let packet = [&ip(carrier, from, to, transport.len() + octets.len()), &transport[..], octets].concat();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (seconds, length) = (u32::try_from(now.as_secs()).unwrap(), u32::try_from(packet.len()).unwrap());
        let header = [seconds, now.subsec_micros(), length, length].map(u32::to_le_bytes).concat();
        self.file.write_all(&[&header[..], &packet].concat()).unwrap();
    }

    /// RFC 9293 §3.1, with ACK and PSH set and no checksum.
    fn tcp(&mut self, from: SocketAddr, to: SocketAddr, length: usize) -> Vec<u8> {
        let acknowledged = self.flows.get(&(to, from)).copied().unwrap_or(1);
        let next = self.flows.entry((from, to)).or_insert(1);
        let sequence = *next;
        *next = next.wrapping_add(u32::try_from(length).unwrap());
        let ports = [from.port(), to.port()].map(u16::to_be_bytes).concat();
        let numbers = [sequence, acknowledged].map(u32::to_be_bytes).concat();
        [&ports[..], &numbers, &[5 << 4, 0x18, 0xff, 0xff, 0, 0, 0, 0]].concat()
    }
}

/// RFC 768, without a checksum.
fn udp(from: SocketAddr, to: SocketAddr, length: usize) -> Vec<u8> {
    let length = u16::try_from(8 + length).unwrap();
    [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat()
}

/// RFC 791 §3.1. What is longer than the header can say has length 0, as where a network card cuts it to size; Wireshark then
/// believes the capture.
fn ip(carrier: Carrier, from: SocketAddr, to: SocketAddr, length: usize) -> Vec<u8> {
    let total = u16::try_from(20 + length).unwrap_or(0).to_be_bytes();
    let protocol = match carrier {
        Carrier::Udp => 17,
        Carrier::Tcp => 6,
    };
    let address = |of: SocketAddr| match of.ip() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.octets(),
    };
    [&[0x45, 0][..], &total, &[0, 0, 0x40, 0, 64, protocol, 0, 0], &address(from), &address(to)].concat()
}
