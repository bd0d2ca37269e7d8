//! Every message of RFC 4475 and RFC 5118, sent to the running program over UDP and over TCP: what comes back, and that nothing is
//! the worse for it (SIP-01, SIP-02, SIP-09, SIP-19).
//!
//! What the gate in front of the stack thinks of them is in `src/sip/torture.rs`; here they meet everything behind it, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mucfocus_rig::sip::{Message, Request, Transport, Ua, Who};
use mucfocus_rig::wait::within;
use mucfocus_rig::{Mucfocus, SOON, random, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// How long nothing has to come before silence is believed. Only for what has no event to wait for.
const SILENCE: Duration = Duration::from_millis(300);

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// One final response with this code, and with a field that begins so.
    Gets(u16, &'static str),
    /// The same, and the end of the connection: where the next message begins is not known.
    Closes(u16),
    /// Two requests in one stream get these, and what is behind them is no message. Each is a transaction of its own, so
    /// that nothing says which of them is answered first (RFC 3261 §17.2).
    Two(u16, u16),
    /// Nothing.
    Silence,
    /// Nothing either: the rest of the message is waited for.
    Waits,
}
use Fate::{Closes, Gets, Silence, Two, Waits};

/// A message: its file, and what becomes of it by UDP and by TCP.
type Row = (&'static str, Fate, Fate);

const fn both(name: &'static str, fate: Fate) -> Row {
    (name, fate, fate)
}

const BAD: Fate = Gets(400, "Warning: 399 ");
const NOT_HERE: Fate = Gets(405, "Allow: INVITE, ");
const UNHEARD_OF: Fate = Gets(501, "Allow: INVITE, ");
/// An INVITE that was understood down to its offer, which is of audio.
const NO_MSRP: Fate = Gets(488, "Warning: 399 ");
const WELCOME: Fate = Gets(200, "Allow: INVITE, ");

const RFC_4475: &[Row] = &[
    // §3.1.1: valid. This one is of a call that nobody knows.
    both("wsinv.dat", Gets(481, "Warning: 399 ")),
    both("intmeth.dat", UNHEARD_OF),
    both("esc01.dat", NO_MSRP),
    both("escnull.dat", NOT_HERE),
    // "RE%47IST%45R" is not REGISTER.
    both("esc02.dat", UNHEARD_OF),
    both("lwsdisp.dat", WELCOME),
    both("longreq.dat", NO_MSRP),
    // A REGISTER, and an INVITE without a Contact, the second longer than it says. Of a datagram the first one counts.
    ("dblreq.dat", NOT_HERE, Two(400, 405)),
    both("semiuri.dat", WELCOME),
    both("transports.dat", WELCOME),
    both("mpart01.dat", NOT_HERE),
    both("unreason.dat", Silence),
    both("noreason.dat", Silence),
    // §3.1.2: invalid.
    both("badinv01.dat", BAD),
    ("clerr.dat", BAD, Waits),
    ("ncl.dat", BAD, Closes(400)),
    both("scalar02.dat", BAD),
    both("scalarlg.dat", Silence),
    both("quotbal.dat", BAD),
    both("ltgtruri.dat", BAD),
    both("lwsruri.dat", BAD),
    both("lwsstart.dat", BAD),
    both("trws.dat", BAD),
    // Its headers are ignored, and it offers audio.
    both("escruri.dat", NO_MSRP),
    // The time zone of a Date harms nobody.
    both("baddate.dat", NO_MSRP),
    both("regbadct.dat", BAD),
    both("badaspec.dat", BAD),
    // Its file has no empty line at the end: a stream has to wait for one.
    ("baddn.dat", BAD, Waits),
    both("badvers.dat", Gets(505, "Warning: 399 ")),
    both("mismatch01.dat", BAD),
    both("mismatch02.dat", UNHEARD_OF),
    both("bigcode.dat", Silence),
    // §3.2: what transactions make of them. A branch that is the cookie alone still tells two requests apart, with the rest.
    both("badbranch.dat", WELCOME),
    // §3.3.
    both("insuf.dat", BAD),
    both("unkscm.dat", Gets(416, "Warning: 399 ")),
    both("novelsc.dat", Gets(416, "Warning: 399 ")),
    // A From of a scheme that nobody knows names no caller.
    both("unksm2.dat", Gets(401, "WWW-Authenticate: Digest ")),
    both("bext01.dat", Gets(420, "Unsupported: nothingSupportsThis, nothingSupportsThisEither")),
    both("invut.dat", Gets(415, "Accept: application/sdp")),
    // There is no registrar here, so nobody's credentials are looked at.
    both("regaut01.dat", NOT_HERE),
    ("multi01.dat", BAD, Closes(400)),
    ("mcl01.dat", BAD, Closes(400)),
    both("bcast.dat", Silence),
    // Who is asked himself needs no more hops.
    both("zeromf.dat", WELCOME),
    both("cparam01.dat", NOT_HERE),
    both("cparam02.dat", NOT_HERE),
    both("regescrt.dat", NOT_HERE),
    both("sdp01.dat", Gets(406, "Warning: 399 ")),
    // §4: of RFC 2543, which is not spoken here; without a length it cannot be cut out of a stream.
    ("inv2543.dat", BAD, Closes(400)),
    // In the archive and not in the text. "TO :" and a From without a tag leave nothing to answer to.
    both("test.dat", Silence),
];

const RFC_5118: &[Row] = &[
    both("ipv6-good", NOT_HERE),
    // An IPv6 address without brackets.
    both("ipv6-bad", BAD),
    both("port-ambiguous", NOT_HERE),
    both("port-unambiguous", NOT_HERE),
    both("via-received-param-no-delim", WELCOME),
    both("via-received-param-with-delim", Gets(481, "Warning: 399 ")),
    both("ipv6-in-sdp", NO_MSRP),
    both("mult-ip-in-sdp", NO_MSRP),
    both("mult-ip-in-header", Gets(481, "Warning: 399 ")),
    both("ipv4-mapped-ipv6", NO_MSRP),
    both("ipv6-bug-abnf-3-colons", WELCOME),
    both("ipv6-correct-abnf-2-colons", WELCOME),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torture")
}

fn rfc_4475(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

/// RFC 5118 prints its messages: with bare line feeds, without the empty line at the end, and with lengths of bodies that nobody
/// has counted.
fn rfc_5118(name: &str) -> Vec<u8> {
    let printed = std::fs::read_to_string(fixtures().join("ipv6").join(name)).unwrap().replace('\n', "\r\n");
    let (head, body) = printed.split_once("\r\n\r\n").unwrap_or((printed.trim_end(), ""));
    let head = head.split("\r\n").filter(|line| !line.starts_with("Content-Length"));
    let head: Vec<_> = head.collect();
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
}

/// Every host of the messages is one of ours, and everybody may call. No XMPP server is needed: none of them gets that far.
async fn focus() -> Mucfocus {
    let domains = [
        "example.com",
        "example.net",
        "example.org",
        "company.com",
        "chair-dnrc.example.com",
        "host.example.net",
        "jasomi.com",
        "[2001:db8::10]",
        "[2001:db8::10:5070]",
        "[2001:db8::c000:201]",
    ];
    let configuration = format!(
        "[node]\nname = \"rig\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\ndomains = {domains:?}\n\
         [sip.auth]\ntrusted_peers = [\"127.0.0.1\"]\nidentity = [\"p-asserted-identity\", \"from\"]\n\
         [msrp]\nlisten = [\"tcp:127.0.0.1:0\"]\n[xmpp]\nserver = \"127.0.0.1:9\"\ntls = \"off\"\n\
         [[accounts]]\nsip = \"sip:*@*\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n\
         [[rooms]]\nsip = \"sip:{{room}}@{{host}}\"\nmuc = \"{{room}}@muc.xmpp.test\"\n"
    );
    Mucfocus::start(BINARY, &configuration).await
}

async fn ua(focus: &Mucfocus, transport: Transport) -> Ua {
    let peer = match transport {
        Transport::Udp => focus.udp(),
        Transport::Tcp => focus.tcp(),
    };
    Ua::start(Who::new("romeo", "example.org", transport, peer)).await
}

/// By what a transaction or a merged request is known: messages that share it must not meet one process.
fn identity(octets: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(octets);
    let call_ids = text.lines().filter_map(|l| l.split_once(':')).filter(|(name, _)| {
        let name = name.trim().to_ascii_lowercase();
        name == "call-id" || name == "i"
    });
    let branches = text.split("branch=").skip(1).filter_map(|rest| rest.split([';', '\r', ' ']).next());
    call_ids.map(|(_, id)| id.trim().to_owned()).chain(branches.map(str::to_owned)).collect()
}

/// A process, and by what the messages that it has met are known.
struct Round {
    focus: Mucfocus,
    seen: BTreeSet<String>,
}

async fn replay(rows: &[Row], read: impl Fn(&str) -> Vec<u8>, transport: Transport) {
    let mut rounds: Vec<Round> = Vec::new();
    let mut wrong = Vec::new();
    for (name, by_udp, by_tcp) in rows {
        let octets = read(name);
        let identity = identity(&octets);
        let round = match rounds.iter().position(|round| round.seen.is_disjoint(&identity)) {
            Some(at) => at,
            None => {
                rounds.push(Round { focus: focus().await, seen: BTreeSet::new() });
                rounds.len() - 1
            }
        };
        rounds[round].seen.extend(identity);
        let fate = if transport == Transport::Udp { *by_udp } else { *by_tcp };
        let focus = &mut rounds[round].focus;
        if let Err(why) = meets(focus, octets, transport, fate).await {
            wrong.push(format!("{name}: expected {fate:?}, {why}"));
        }
        is_well(focus, name).await;
    }
    assert!(wrong.is_empty(), "by {transport:?}:\n{}", wrong.join("\n"));
}

/// Sends one message on a socket of its own, and looks whether it meets its fate.
async fn meets(focus: &Mucfocus, octets: Vec<u8>, transport: Transport, fate: Fate) -> Result<(), String> {
    let ua = ua(focus, transport).await;
    ua.send_raw(octets);
    let (codes, field): (&[u16], _) = match &fate {
        Gets(code, field) => (&[*code], *field),
        Closes(code) => (&[*code], ""),
        Two(one, two) => (&[*one, *two], ""),
        Silence | Waits => (&[], ""),
    };
    if codes.is_empty() {
        tokio::time::sleep(SILENCE).await;
    } else {
        within(|| (finals(&ua).len() >= codes.len()).then_some(()), SOON).await;
    }
    if matches!(fate, Closes(_) | Two(..)) && transport == Transport::Tcp {
        within(|| ua.closed().then_some(()), SOON).await.ok_or("the connection stays open")?;
    } else if fate != Waits {
        // The same socket goes on, and what else the message might have brought has come before this is answered.
        let probe = ask(&ua).await;
        probe.ok_or_else(|| format!("what comes after it is not answered\n{}", pictures(&ua)))?;
    } else if ua.closed() {
        return Err("the connection was closed".into());
    }
    let answers = finals(&ua);
    let mut came: Vec<_> = answers.iter().filter_map(Message::code).collect();
    came.sort_unstable();
    let has_field = |m: &Message| m.headers.iter().any(|(n, v)| format!("{n}: {v}").starts_with(field));
    if came != codes || !answers.iter().all(has_field) {
        return Err(format!("got {came:?}\n{}", pictures(&ua)));
    }
    Ok(())
}

/// Final responses but to [`ask`], repetitions left out.
fn finals(ua: &Ua) -> Vec<Message> {
    let mut finals: Vec<Message> = Vec::new();
    for message in ua.received() {
        let is_probe = message.header("Call-ID").is_some_and(|id| id.starts_with("probe"));
        if message.code() >= Some(200) && !is_probe && !finals.contains(&message) {
            finals.push(message);
        }
    }
    finals
}

fn pictures(ua: &Ua) -> String {
    ua.received().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Whether an OPTIONS on this socket is answered with 200.
async fn ask(ua: &Ua) -> Option<()> {
    let id = format!("probe{}", random(8));
    ua.send_raw(ua.bytes(Request::new("OPTIONS", "sip:user@example.com").header("Call-ID", &id)));
    within(|| ua.find(|m| m.header("Call-ID") == Some(&id)), SOON).await.filter(|m| m.code() == Some(200)).map(|_| ())
}

/// Nobody else notices.
async fn is_well(focus: &mut Mucfocus, after: &str) {
    assert!(focus.alive(), "after {after}:\n{}", focus.log());
    let somebody = ua(focus, Transport::Udp).await;
    ask(&somebody).await.unwrap_or_else(|| panic!("nobody is answered after {after}:\n{}", focus.log()));
    assert!(!focus.log().contains("panicked"), "after {after}:\n{}", focus.log());
}

#[tokio::test]
async fn rfc_4475_over_udp() {
    replay(RFC_4475, rfc_4475, Transport::Udp).await;
}

#[tokio::test]
async fn rfc_4475_over_tcp() {
    replay(RFC_4475, rfc_4475, Transport::Tcp).await;
}

#[tokio::test]
async fn rfc_5118_over_udp() {
    replay(RFC_5118, rfc_5118, Transport::Udp).await;
}

#[tokio::test]
async fn rfc_5118_over_tcp() {
    replay(RFC_5118, rfc_5118, Transport::Tcp).await;
}

#[test]
fn no_message_is_left_out() {
    let rows = RFC_4475.iter().chain(RFC_5118).map(|row| row.0.to_owned());
    let listed: BTreeSet<_> = rows.collect();
    let folders = [fixtures(), fixtures().join("ipv6")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let names = files.map(|file| file.file_name().into_string().unwrap());
    let there: BTreeSet<_> = names.filter(|name| !name.starts_with('.') && name != "README.md").collect();
    assert_eq!((listed.len(), listed), (62, there));
}

/// A body that was announced and never comes is not waited for without end (RFC 4475 §3.1.2.2).
#[tokio::test]
async fn a_stream_that_owes_a_body_is_closed_in_time() {
    let mut focus = focus().await;
    let debtor = ua(&focus, Transport::Tcp).await;
    debtor.send_raw(rfc_4475("clerr.dat"));
    until(|| debtor.closed(), Duration::from_secs(60), "the end of a stream that owes octets").await;
    is_well(&mut focus, "a debt").await;
}
