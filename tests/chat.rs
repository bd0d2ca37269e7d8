//! `mucfocus chat` against `mucfocus serve` and a real XMPP server, and against a focus of the test's own for what a well-behaved
//! one does not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mucfocus_rig::member::offer;
use mucfocus_rig::msrp::{Cpim, Listener, Peer, Send, own_uri};
use mucfocus_rig::{SOON, World, on_both_servers, until, wait_for};
use tokio::net::UdpSocket;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// `mucfocus chat`, running, with all that it has printed so far.
struct Chat {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chat {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("chat").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (gather(child.stdout.take().unwrap()), gather(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    fn types(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn out(&self) -> String {
        String::from_utf8(self.out.lock().unwrap().clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.err.lock().unwrap().clone()).unwrap()
    }

    async fn shows(&self, line: &str) {
        let is_there = || self.out().lines().any(|l| l == line);
        until(is_there, SOON, Lazy(|| format!("{line:?} in\n{}\n{}", self.out(), self.err()))).await;
    }

    async fn tells(&self, what: &str) {
        let is_there = || self.err().contains(what);
        until(is_there, SOON, Lazy(|| format!("{what:?} in\n{}", self.err()))).await;
    }

    async fn ends(&mut self) -> ExitStatus {
        let err = self.err.clone();
        let picture = Lazy(move || String::from_utf8_lossy(&err.lock().unwrap()).into_owned());
        wait_for(|| self.child.try_wait().unwrap(), SOON, picture).await
    }
}

struct Lazy<F: Fn() -> String>(F);

impl<F: Fn() -> String> std::fmt::Display for Lazy<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.0)())
    }
}

fn gather(mut from: impl std::io::Read + std::marker::Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&gathered);
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            into.lock().unwrap().extend_from_slice(&piece[..length]);
        }
    });
    gathered
}

/// Runs a probe to its end, with a standard input that never ends.
async fn probe(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut chat = Chat::start(arguments);
    let code = chat.ends().await.code();
    // What it printed last may still be on its way through the pipes.
    let closed = || Arc::strong_count(&chat.out) == 1 && Arc::strong_count(&chat.err) == 1;
    until(closed, SOON, "the end of the output").await;
    (code, chat.out(), chat.err())
}

/// A usage error, which nobody needs a server for.
fn refused(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("chat").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn udp(world: &World) -> String {
    format!("udp:{}", world.mucfocus.udp())
}

fn tcp(world: &World) -> String {
    format!("tcp:{}", world.mucfocus.tcp())
}

const ROMEO: [&str; 4] = ["--from", "sip:romeo@sip.test", "--as", "Romeo"];

#[on_both_servers]
async fn a_probe_says_and_sees_over_udp_and_over_tcp() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for proxy in [udp(&world), tcp(&world)] {
        juliet.forget();
        let room = world.sip("capulet");
        let more = ["--proxy", &proxy, "--say", "I am here", "--say", "and here", "--expect", "come", "--ladder"];
        let mut chat = Chat::start(&[&[room.as_str()], &ROMEO[..], &more].concat());
        juliet.hears(&muc, "and here").await;
        assert_eq!(
            juliet.heard(&muc).iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["I am here", "and here"]
        );
        juliet.say(&muc, "welcome");
        assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
        chat.shows("Juliet: welcome").await;
        juliet.sees_leave(&muc, "Romeo", SOON).await;
        chat.tells("in the room as Romeo").await;
        for rung in ["SIP -> INVITE sip:capulet@rooms.test SIP/2.0", "SIP <- SIP/2.0 200 OK", "SIP -> BYE "] {
            chat.tells(rung).await;
        }
        for rung in ["MSRP -> SEND\n", "MSRP -> SEND \"I am here\"\n", "MSRP <- 200", "MSRP <- SEND \"welcome\"\n"] {
            chat.tells(rung).await;
        }
        let is_rung = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            words[0] != "ladder" || words[1].parse::<u64>().is_ok() && ["->", "<-"].contains(&words[3])
        };
        assert!(chat.err().lines().all(is_rung), "{}", chat.err());
    }
}

#[on_both_servers]
async fn what_is_expected_and_not_seen_in_time_is_named_with_status_1() {
    let world = World::start(BINARY).await;
    let (room, proxy) = (world.sip("capulet"), tcp(&world));
    let more = ["--proxy", &proxy, "--say", "hi", "--expect", "never said", "--timeout", "2s"];
    let (code, _, err) = probe(&[&[room.as_str()], &ROMEO[..], &more].concat()).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("not seen: \"never said\"") && !err.contains("not acknowledged"), "{err}");
}

#[on_both_servers]
async fn a_room_that_is_not_there_is_refused_with_the_reason() {
    let world = World::with(BINARY, |settings| settings.create = false).await;
    for proxy in [udp(&world), tcp(&world)] {
        let room = world.sip("nowhere");
        let (code, out, err) =
            probe(&[&[room.as_str()], &ROMEO[..], &["--proxy", &proxy, "--say", "hi"]].concat()).await;
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("the call was refused: 404 "), "{err}");
        assert!(err.contains("not said: \"hi\""), "{err}");
    }
}

#[on_both_servers]
async fn who_is_thrown_out_reads_why_and_gets_status_1() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let (room, proxy) = (world.sip("capulet"), udp(&world));
    let mut chat = Chat::start(&[&[room.as_str()], &ROMEO[..], &["--proxy", &proxy]].concat());
    chat.tells("in the room as Romeo").await;
    juliet.kick(&muc, "Romeo", "Deny thy father").await;
    assert_eq!(chat.ends().await.code(), Some(1));
    chat.tells("the room ended the call: ").await;
    chat.tells("Deny thy father").await;
    assert!(!chat.err().contains("no longer says who is here"), "one line tells of the end:\n{}", chat.err());
}

#[on_both_servers]
async fn somebody_at_the_terminal_talks_and_leaves() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let (room, proxy) = (world.sip("capulet"), tcp(&world));
    let arguments = [&[room.as_str()], &ROMEO[..], &["--proxy", &proxy]].concat();

    let mut chat = Chat::start(&arguments);
    chat.tells("in the room as Romeo").await;
    chat.types("Soft! what light");
    chat.types("/frobnicate Montague");
    juliet.hears(&muc, "Soft! what light").await;
    juliet.say(&muc, "\u{9b}31mAy me\nRomeo: I lie");
    chat.shows("Juliet: \u{fffd}31mAy me / Romeo: I lie").await;
    chat.tells("there is no /frobnicate").await;
    chat.types("/leave");
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
    juliet.sees_leave(&muc, "Romeo", SOON).await;

    // The end of the input leaves too, after what was said last has arrived.
    juliet.forget();
    let mut chat = Chat::start(&arguments);
    chat.tells("in the room as Romeo").await;
    chat.types("Farewell");
    drop(chat.child.stdin.take());
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
    juliet.hears(&muc, "Farewell").await;
    juliet.sees_leave(&muc, "Romeo", SOON).await;
}

#[test]
fn wrong_usage_is_status_2_and_says_what_to_write() {
    let cases: [(&[&str], &str); 6] = [
        (&["capulet"], "sip:"),
        (&["sip:rooms.test"], "sip:ROOM@HOST"),
        (&["sips:capulet@rooms.test"], "not yet"),
        (&["sip:capulet@rooms.test;transport=sctp"], "use udp or tcp"),
        (&["sip:capulet@rooms.test", "--password-file", "/nowhere/x"], "cannot read /nowhere/x"),
        (&["sip:capulet@rooms.test", "--proxy", "127.0.0.1:5060"], "udp:HOST:PORT"),
    ];
    for (arguments, help) in cases {
        let output = refused(arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(help), "{arguments:?}: {err}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_proxy_where_nobody_is_ends_with_status_1() {
    let nobody: SocketAddr = ([127, 0, 0, 1], mucfocus_rig::server::free_port()).into();
    for (proxy, why) in [(format!("tcp:{nobody}"), "cannot connect"), (format!("udp:{nobody}"), "not in the room")] {
        let began = std::time::Instant::now();
        let (code, _, err) = probe(&["sip:a@rooms.test", "--proxy", &proxy, "--say", "hi", "--timeout", "300ms"]).await;
        assert_eq!(code, Some(1));
        assert!(err.contains(why) && err.contains("not said: \"hi\""), "{err}");
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

/// A focus in the test's own hands, which lets the first caller in.
struct Focus {
    sip: UdpSocket,
    caller: SocketAddr,
    invite: String,
    msrp: Peer,
}

impl Focus {
    /// Starts the client with these arguments after the room and the proxy, and answers its call.
    async fn called(more: &[&str]) -> (Self, Chat) {
        let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("udp:{}", sip.local_addr().unwrap());
        let chat = Chat::start(&[&["sip:capulet@rooms.test", "--proxy", &proxy], &ROMEO[..], more].concat());
        let (invite, caller) = datagram(&sip).await;
        let listener = Listener::bind().await;
        let uri = own_uri(listener.port());
        let contact = format!("Contact: <sip:capulet@{}>;isfocus\r\n", sip.local_addr().unwrap());
        sip.send_to(answer(&invite, "200 OK", &contact, &offer(&uri, "passive")).as_bytes(), caller).await.unwrap();
        let path = invite.lines().find_map(|line| line.strip_prefix("a=path:")).unwrap();
        let msrp = listener.accept(&uri, path).await;
        let (ack, _) = datagram(&sip).await;
        assert!(ack.starts_with("ACK "), "{ack}");
        chat.tells("in the room as Romeo").await;
        (Self { sip, caller, invite, msrp }, chat)
    }

    fn line(&self, name: &str) -> String {
        field(&self.invite, name)
    }

    /// Says something to the room.
    fn message(&self, text: &str) -> Cpim {
        Cpim::text("sip:capulet@rooms.test;gr=Juliet", "sip:capulet@rooms.test", text)
    }

    async fn takes_bye(&self) {
        let (bye, from) = datagram(&self.sip).await;
        assert!(bye.starts_with("BYE sip:capulet@127.0.0.1:"), "{bye}");
        self.sip.send_to(answer(&bye, "200 OK", "", "").as_bytes(), from).await.unwrap();
    }
}

async fn datagram(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = tokio::time::timeout(SOON, socket.recv_from(&mut buffer)).await.expect("a datagram").unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

fn field(message: &str, name: &str) -> String {
    let start = format!("{name}: ");
    message.split("\r\n").find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
}

fn answer(request: &str, status: &str, fields: &str, body: &str) -> String {
    let to = field(request, "To");
    let to = if to.contains(";tag=") { to } else { format!("{to};tag=focus") };
    let of = |name: &str| field(request, name);
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{fields}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        of("Via"),
        of("From"),
        of("Call-ID"),
        of("CSeq"),
        body.len()
    )
}

/// MS-RSP-01, MS-REP-01: what comes is put together, answered, and reported on where that is asked for.
#[tokio::test]
async fn a_message_in_pieces_is_put_together_and_reported_on() {
    let (focus, mut chat) = Focus::called(&["--expect", "in three pieces"]).await;
    let message = focus.message("I come in three pieces");
    let pieces = Send::chunks(&message, message.bytes().len() / 3 + 1);
    assert_eq!(pieces.len(), 3);
    for piece in pieces {
        let id = focus.msrp.send(piece.header("Success-Report", "yes"));
        assert_eq!(focus.msrp.response(&id).await.code(), Some(200));
    }
    focus.takes_bye().await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
    chat.shows("Juliet: I come in three pieces").await;
    until(|| focus.msrp.reports().len() == 1, SOON, "one REPORT").await;
    assert_eq!(focus.msrp.reports()[0].header("Status"), Some("000 200 OK"));
}

#[tokio::test]
async fn a_message_that_the_room_refuses_is_told_with_its_comment_and_the_call_goes_on() {
    let (focus, mut chat) = Focus::called(&[]).await;
    focus.msrp.answer(false);
    chat.types("too much");
    let send = || focus.msrp.requests("SEND").into_iter().find(|send| send.body.is_some());
    let send = wait_for(send, SOON, "a message").await;
    let (local, remote) = (focus.msrp.local(), focus.msrp.remote());
    let id = &send.id;
    let refusal = "403 Not \x07now";
    // A control character makes the response malformed; it must neither ring nor end anything.
    focus.msrp.raw(format!("MSRP {id} {refusal}\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\n-------{id}$\r\n"));
    focus.msrp.raw(format!("MSRP {id} 403 Not now\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\n-------{id}$\r\n"));
    chat.tells("refused: 403 Not now: \"too much\"\n").await;
    focus.msrp.answer(true);
    chat.types("less");
    focus.msrp.hears("less").await;
    chat.types("/leave");
    focus.takes_bye().await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn a_probe_whose_words_are_refused_ends_with_status_1() {
    let (focus, mut chat) = Focus::called(&["--say", "x", "--expect", "y", "--timeout", "1s"]).await;
    focus.msrp.hears("x").await;
    let id = focus.msrp.requests("SEND").last().unwrap().header("Message-ID").unwrap().to_owned();
    let (local, remote) = (focus.msrp.local(), focus.msrp.remote());
    focus.msrp.raw(format!(
        "MSRP r3port REPORT\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\nMessage-ID: {id}\r\nByte-Range: 1-1/1\r\n\
         Status: 000 408 Lost\r\n-------r3port$\r\n"
    ));
    focus.takes_bye().await;
    assert_eq!(chat.ends().await.code(), Some(1));
    chat.tells("refused: 408 Lost\n").await;
    chat.tells("not seen: \"y\"").await;
}

#[tokio::test]
async fn what_is_not_msrp_ends_the_call() {
    let (focus, mut chat) = Focus::called(&[]).await;
    focus.msrp.raw("HTTP/1.1 200 OK\r\n\r\n");
    focus.takes_bye().await;
    assert_eq!(chat.ends().await.code(), Some(1));
    chat.tells("is not MSRP").await;
}

#[tokio::test]
async fn requests_within_the_call_are_answered_and_a_bye_ends_it() {
    let (focus, mut chat) = Focus::called(&[]).await;
    let (from, to, id) = (focus.line("To"), focus.line("From"), focus.line("Call-ID"));
    for (sequence, method, code) in [(1, "OPTIONS", "200"), (2, "INFO", "405"), (3, "BYE", "200")] {
        let request = format!(
            "{method} sip:romeo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method}\r\n\
             From: {from};tag=focus\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {sequence} {method}\r\n\
             Reason: SIP;cause=410;text=\"the room is gone\"\r\nContent-Length: 0\r\n\r\n"
        );
        focus.sip.send_to(request.as_bytes(), focus.caller).await.unwrap();
        let (response, _) = datagram(&focus.sip).await;
        assert!(response.starts_with(&format!("SIP/2.0 {code} ")), "{response}");
    }
    assert_eq!(chat.ends().await.code(), Some(1));
    chat.tells("the room ended the call: the room is gone").await;
}

#[tokio::test]
async fn an_answer_without_msrp_is_hung_up() {
    let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("udp:{}", sip.local_addr().unwrap());
    let mut chat = Chat::start(&["sip:capulet@rooms.test", "--proxy", &proxy]);
    let (invite, caller) = datagram(&sip).await;
    let refused = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=message 0 TCP/MSRP *\r\n";
    sip.send_to(answer(&invite, "200 OK", "", refused).as_bytes(), caller).await.unwrap();
    let (ack, _) = datagram(&sip).await;
    let (bye, _) = datagram(&sip).await;
    assert!(ack.starts_with("ACK ") && bye.starts_with("BYE "), "{ack}\n{bye}");
    sip.send_to(answer(&bye, "200 OK", "", "").as_bytes(), caller).await.unwrap();
    assert_eq!(chat.ends().await.code(), Some(1));
    chat.tells("the answer takes no MSRP stream").await;
}

/// Ctrl-C, as the terminal sends it.
fn interrupt(chat: &Chat) {
    let status = Command::new("kill").args(["-INT", &chat.child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn ctrl_c_hangs_up() {
    let (focus, mut chat) = Focus::called(&[]).await;
    interrupt(&chat);
    focus.takes_bye().await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn ctrl_c_cancels_a_call_that_nobody_has_answered() {
    let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("udp:{}", sip.local_addr().unwrap());
    let mut chat = Chat::start(&["sip:capulet@rooms.test", "--proxy", &proxy]);
    let (invite, caller) = datagram(&sip).await;
    sip.send_to(answer(&invite, "180 Ringing", "", "").as_bytes(), caller).await.unwrap();
    chat.tells("180 Ringing").await;
    interrupt(&chat);
    let (cancel, _) = datagram(&sip).await;
    assert!(cancel.starts_with("CANCEL sip:capulet@rooms.test "), "{cancel}");
    sip.send_to(answer(&cancel, "200 OK", "", "").as_bytes(), caller).await.unwrap();
    sip.send_to(answer(&invite, "487 Request Terminated", "", "").as_bytes(), caller).await.unwrap();
    let (ack, _) = datagram(&sip).await;
    assert!(ack.starts_with("ACK "), "{ack}");
    assert_eq!(chat.ends().await.code(), Some(1));
}
