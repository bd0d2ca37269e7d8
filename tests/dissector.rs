//! What we write on the wire, read by Wireshark, which shares no code with us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use mucfocus_rig::capture::Capture;
use mucfocus_rig::dissector::{Packet, read};
use mucfocus_rig::member::Joining;
use mucfocus_rig::msrp::{Cpim, Frame, Message, Peer, Send, own_uri};
use mucfocus_rig::sip::Transport;
use mucfocus_rig::{Member, SOON, World, on_both_servers, until};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A capture of what happens in `story`, read.
async fn dissected<T>(story: impl Future<Output = T>) -> (T, Vec<Packet>) {
    let file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
    let result = Capture::to(file.path()).of(story).await;
    (result, read(file.path()))
}

/// Fails with everything that Wireshark has to say against a packet of either side.
fn assert_flawless(packets: &[Packet]) {
    let complaints = packets.iter().flat_map(|packet| {
        packet.complaints().into_iter().map(move |complaint| format!("{complaint}: {:#?}", packet.fields))
    });
    let all: Vec<String> = complaints.collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Fails unless Wireshark read in our packets the frames that the members got, with the same headers.
fn assert_same(packets: &[Packet], members: &[&Member]) {
    let frames = members.iter().flat_map(|m| m.msrp.traffic()).filter(|t| !t.sent).map(|t| seen_by_us(&t.frame));
    let ours = packets.iter().filter(|p| p.is_ours() && p.value("msrp.transaction.id").is_some());
    assert_eq!(ours.map(seen_by_wireshark).collect::<BTreeSet<_>>(), frames.collect::<BTreeSet<_>>());
}

const IMDN: &str = "message/imdn+xml";
const COMPOSING: &str = "application/im-iscomposing+xml";

/// The names that Wireshark gives to the parts of a frame, and those of the headers.
const PARTS: [(&str, &str); 7] = [
    ("msrp.to.path", "To-Path"),
    ("msrp.from.path", "From-Path"),
    ("msrp.messageid", "Message-ID"),
    ("msrp.byte.range", "Byte-Range"),
    ("msrp.status", "Status"),
    ("msrp.content.type", "Content-Type"),
    ("msrp.success.report", "Success-Report"),
];

fn seen_by_wireshark(packet: &Packet) -> Vec<String> {
    let value = |field: &str| packet.value(field).unwrap_or("none").to_owned();
    let start = packet.value("msrp.method").or_else(|| packet.value("msrp.status.code"));
    let first = [value("msrp.transaction.id"), start.unwrap_or("none").to_owned(), value("msrp.cnt.flg")];
    first.into_iter().chain(PARTS.map(|(field, _)| value(field))).collect()
}

fn seen_by_us(frame: &Frame) -> Vec<String> {
    let start = frame.start.split(' ').next().unwrap().to_owned();
    let first = [frame.id.clone(), start, frame.flag.to_string()];
    let header = |name: &str| frame.header(name).unwrap_or("none").to_owned();
    first.into_iter().chain(PARTS.map(|(_, name)| header(name))).collect()
}

/// MS-FRAME-01, MS-SEND-08, MS-REP-01, SW-15, SW-23: a whole conversation over each transport and in each direction of connecting.
#[on_both_servers]
async fn wireshark_finds_nothing_wrong_with_a_conversation() {
    let (members, packets) = dissected(conversation()).await;
    assert_flawless(&packets);
    assert_same(&packets, &members.iter().collect::<Vec<_>>());

    let ours = |field: &str| -> BTreeSet<String> {
        let packets = packets.iter().filter(|packet| packet.is_ours());
        packets.flat_map(|packet| packet.values(field).map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let set = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ours("msrp.method"), set(&["SEND", "REPORT"]));
    assert_eq!(ours("msrp.status.code"), set(&["200", "403", "404", "415", "424", "425", "501"]));
    assert!(ours("sip.Method").is_superset(&set(&["NOTIFY"])), "{:?}", ours("sip.Method"));
    assert!(packets.iter().any(|p| p.is_ours() && p.value("sdp.media.proto") == Some("TCP/MSRP")));
}

/// Waits for something of this type in a CPIM message.
async fn gets(member: &Member, content_type: &str) {
    let is_it = |message: Message| message.cpim.is_some_and(|cpim| cpim.content_type.starts_with(content_type));
    until(|| member.msrp.messages().into_iter().any(is_it), SOON, content_type).await;
}

async fn conversation() -> Vec<Member> {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.chatter("capulet", "romeo").await;
    let mut active = Joining { setup: "passive", transport: Transport::Tcp, ..Joining::able() };
    active.offers_instead.push(("types:text/plain", format!("types:text/plain {IMDN} {COMPOSING}")));
    let tybalt = world.member_with("capulet", "tybalt", active).await;
    juliet.sees(&muc, "Tybalt").await;
    let (inside, _outside) = (romeo.watches_inside().await, tybalt.watches().await);

    // In pieces and with a report, in one piece, broken off.
    let long: String = ('a'..='z').cycle().take(60_000).collect();
    for piece in Send::chunks(&romeo.to_room(&long), 2048) {
        romeo.msrp.send(piece.header("Success-Report", "yes"));
    }
    tybalt.hears(&long).await;
    until(|| !romeo.msrp.reports().is_empty(), SOON, "a REPORT").await;
    juliet.say(&muc, "two\nlines, \u{e9} \u{1f600}");
    romeo.hears("two\nlines, \u{e9} \u{1f600}").await;
    romeo.msrp.send(Send::chunks(&tybalt.to_room("never mind"), 50).remove(0).flag('+'));
    assert_eq!(romeo.says("with all my heart").await.code(), Some(200));
    tybalt.hears("with all my heart").await;

    for (nick, code) in [("Montague", 200), ("Juliet", 425), ("\u{7}", 424)] {
        assert_eq!(romeo.wants_to_be(nick).await, code, "{nick}");
    }
    juliet.does(&muc, "composing");
    gets(&tybalt, COMPOSING).await;
    let asking = Cpim::text(tybalt.aor(), &format!("{};gr=Juliet", tybalt.room), "psst")
        .with("NS", "imdn <urn:ietf:params:imdn>")
        .with("imdn.Message-ID", "m-1")
        .with("imdn.Disposition-Notification", "positive-delivery");
    assert_eq!(tybalt.sends(&asking).await, 200);
    let heard = juliet.expect("psst", |e| e.body() == Some("psst")).await;
    let receipt = format!("<received xmlns='urn:xmpp:receipts' id='{}'/>", heard.attribute("id").unwrap());
    juliet.send(format!("<message type='chat' to='{}'>{receipt}</message>", heard.from()));
    gets(&tybalt, IMDN).await;

    assert_eq!(romeo.whispers("Tybalt", "a word").await, 200);
    assert_eq!(romeo.whispers("Nobody", "a word").await, 404);
    assert_eq!(romeo.sends(&romeo.to_room("no").of_type("image/png")).await, 415);
    let forged = Cpim::text("sip:paris@sip.test", &romeo.room, "no");
    assert_eq!(romeo.sends(&forged).await, 403);
    let id = romeo.msrp.request("DANCE", Vec::new(), None, '$');
    assert_eq!(romeo.msrp.response(&id).await.code(), Some(501));

    romeo.refers("<sip:paris@sip.test>").await;
    juliet.kick(&muc, "Tybalt", "enough").await;
    tybalt.ended(SOON).await;
    assert_eq!(romeo.leaves().await.code(), Some(200));
    drop(inside);
    vec![romeo, tybalt]
}

/// What holds the other tests of this file up: Wireshark does complain.
#[tokio::test]
async fn wireshark_complains_of_what_is_damaged() {
    let good = "MSRP abcd1234 SEND\r\nTo-Path: msrp://127.0.0.1:9/a;tcp\r\nFrom-Path: msrp://127.0.0.1:9/b;tcp\r\n\
                Message-ID: 1234\r\nByte-Range: 1-1/1\r\nContent-Type: text/plain\r\n\r\nx\r\n-------abcd1234$\r\n";
    let damaged = [
        good.replace("-------abcd1234$", "-------abcd1235$"),
        good.replace("-------abcd1234$\r\n", "-------abcd1234$\r\nand more"),
        good.replace("MSRP ", "MRSP "),
        good.replace(" SEND", ""),
    ];
    for (text, wrong) in damaged.iter().map(|text| (text.as_str(), true)).chain([(good, false)]) {
        let (_, packets) = dissected(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let there = own_uri(listener.local_addr().unwrap().port());
            let peer = Peer::connect(&own_uri(9), &there).await;
            peer.raw(text);
            let mut came = vec![0; text.len()];
            listener.accept().await.unwrap().0.read_exact(&mut came).await.unwrap();
        })
        .await;
        assert_eq!(packets.len(), 1);
        assert_eq!(!packets[0].complaints().is_empty(), wrong, "{text}\n{:#?}", packets[0]);
    }
}
