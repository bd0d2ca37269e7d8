//! What tshark, Wireshark without a window, reads in a capture.
//!
//! Wireshark 4.0 is mistaken about two bodies that are fine: a line of seven hyphens ends its frame, and a semicolon soon after a
//! Content-Type without one is malformed.

use std::path::Path;
use std::process::Command;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::capture::{MSRP, SIP};

/// One packet as it was understood.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    /// The protocols in it, outermost first.
    pub layers: Vec<Layer>,
    /// All fields in order, those within others after them.
    pub fields: Vec<(String, String)>,
    /// Octets in it, headers included.
    length: usize,
}

/// The part of a packet that belongs to one protocol.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Its short name, such as `msrp`.
    pub name: String,
    /// The first octet after it, counted from the start of the packet.
    end: usize,
}

/// Reads a capture.
pub fn read(capture: &Path) -> Vec<Packet> {
    read_some(capture, "frame")
}

/// Reads what our program sent in a capture.
pub fn read_ours(capture: &Path) -> Vec<Packet> {
    read_some(capture, &format!("tcp.srcport == {MSRP} or tcp.srcport == {SIP} or udp.srcport == {SIP}"))
}

fn read_some(capture: &Path, filter: &str) -> Vec<Packet> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", filter, "-T", "pdml"]);
    let output = command.output().expect("the program tshark (apt-get install tshark)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut reader, mut packets) = (Reader::from_str(&text), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => take(&tag, &mut packets),
            Event::Eof => return packets,
            _ => {}
        }
    }
}

fn take(tag: &BytesStart<'_>, packets: &mut Vec<Packet>) {
    let attribute = |name: &str| -> String {
        let found = tag.try_get_attribute(name).unwrap();
        found.map(|a| a.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned()).unwrap_or_default()
    };
    let number = |name: &str| attribute(name).parse().unwrap_or(0);
    match (tag.name().into_inner(), packets.last_mut()) {
        ("packet", _) => packets.push(Packet::default()),
        ("proto", Some(packet)) => {
            packet.layers.push(Layer { name: attribute("name"), end: number("pos") + number("size") });
        }
        ("field", Some(packet)) => {
            if attribute("name") == "len" && packet.length == 0 {
                packet.length = attribute("show").parse().unwrap();
            }
            packet.fields.push((attribute("name"), attribute("show")));
        }
        _ => {}
    }
}

impl Packet {
    /// The first value of a field.
    pub fn value(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// All values of a field, in order.
    pub fn values<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// Whether our program sent it.
    pub fn is_ours(&self) -> bool {
        let port = self.value("tcp.srcport").or_else(|| self.value("udp.srcport"));
        port.is_some_and(|port| [MSRP, SIP].iter().any(|ours| ours.to_string() == port))
    }

    fn has(&self, layer: &str) -> bool {
        self.layers.iter().any(|l| l.name == layer)
    }

    /// What is wrong with it: it does not hold what its port is for, or not to its last octet; something in it is malformed, is
    /// not understood, or made an expert of Wireshark's say something.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<String> = self.values("_ws.expert.message").map(str::to_owned).collect();
        for bad in ["_ws.malformed", "_ws.short", "data", "_ws.unreassembled"] {
            complaints.extend(self.has(bad).then(|| bad.to_owned()));
        }
        match self.layers.iter().find(|layer| layer.name == "msrp" || layer.name == "sip") {
            None => complaints.push("neither MSRP nor SIP".into()),
            Some(layer) if layer.end != self.length => {
                complaints.push(format!("{} ends at octet {} of {}", layer.name, layer.end, self.length));
            }
            Some(_) => {}
        }
        let mut ids = self.values("msrp.transaction.id");
        if ids.next() != ids.next() {
            complaints.push("the end-line is that of another transaction".into());
        }
        complaints
    }
}
