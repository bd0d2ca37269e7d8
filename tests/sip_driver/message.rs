//! SIP messages as a peer reads and writes them: text, with nothing checked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A word that no other test uses.
pub fn fresh() -> String {
    format!("x{}y{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Fields that a message has once at most (RFC 3261 §7.3.1); those that are lists are not among them.
const ONCE: [&str; 15] = [
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Contact",
    "Content-Length",
    "Content-Type",
    "Event",
    "Expires",
    "Subscription-State",
    "User-Agent",
    "Server",
    "Session-Expires",
    "Retry-After",
];

/// A message as received.
#[derive(Debug, Clone)]
pub struct Message(pub String);

impl Message {
    pub fn start(&self) -> &str {
        self.0.lines().next().unwrap()
    }

    pub fn code(&self) -> u16 {
        let mut parts = self.start().split(' ');
        assert_eq!(parts.next(), Some("SIP/2.0"), "not a response: {}", self.0);
        parts.next().unwrap().parse().unwrap()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        head.split("\r\n")
            .skip(1)
            .filter_map(|l| l.split_once(':'))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
            .collect()
    }

    /// The message, which says nothing twice.
    pub fn checked(self) -> Self {
        for name in ONCE {
            assert!(self.all(name).len() < 2, "{name} twice in {}", self.0);
        }
        self
    }

    pub fn get(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    pub fn to_tag(&self) -> &str {
        self.get("To").rsplit_once(";tag=").unwrap_or_else(|| panic!("no To tag in {}", self.0)).1
    }

    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").unwrap().1
    }
}

/// A request under construction.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub uri: String,
    pub transport: &'static str,
    pub local: SocketAddr,
    pub branch: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub more: String,
    pub body: String,
}

impl Request {
    pub fn with(mut self, fields: &str) -> Self {
        self.more += fields;
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.into();
        self
    }

    pub fn from(mut self, from: &str) -> Self {
        self.from = from.into();
        self
    }

    pub fn text(&self) -> String {
        let Self { method, uri, transport, local, branch, from, to, call_id, cseq, more, body } = self;
        let length = body.len();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// The ACK of a response to this INVITE: of a 2xx with a branch of its own, of another with that of the INVITE.
    pub fn ack(&self, response: &Message) -> String {
        let is_ok = response.code() < 300;
        let mut ack = self.clone();
        ack.method = "ACK".into();
        ack.to = response.get("To").into();
        ack.more.clear();
        ack.body.clear();
        if is_ok {
            ack.branch = format!("z9hG4bK{}", fresh());
            ack.uri = contact_uri(response).into();
        }
        ack.text()
    }

    /// A later request of the dialog that the 2xx opened.
    pub fn next(&self, method: &str, cseq: u32, response: &Message) -> Self {
        let mut next = self.clone();
        next.method = method.into();
        next.branch = format!("z9hG4bK{}", fresh());
        next.to = response.get("To").into();
        next.uri = contact_uri(response).into();
        next.cseq = cseq;
        next.more.clear();
        next.body.clear();
        next
    }
}

pub fn contact_uri(message: &Message) -> &str {
    let contact = message.get("Contact");
    contact.split_once('<').unwrap().1.split_once('>').unwrap().0
}
