//! What a flood of calls does to a room that talks: `flood target/release/mucfocus [logins=20/s] [server=ejabberd]`.
//!
//! Two SIP users talk in one room of a real server, twenty messages a second, and the time until the MUC has each is taken. First
//! in peace; then while as many others call other rooms as the node can take, one after the other, which is its capacity; then
//! while three times as many call, whatever becomes of them; and then in peace again. A call that is taken ends at once. Callers
//! repeat nothing, as they would, and each is another user, who logs in without a name.
//!
//! Status 1 when the room suffered, when a refusal did not say when to come back, or when something is left at the end. The load
//! comes from this same machine, so the figures are of all that runs on it; the load average is printed beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tool"
)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use mucfocus_rig::gauge::{memory, processor};
use mucfocus_rig::member::any_offer;
use mucfocus_rig::msrp::Send;
use mucfocus_rig::{Kind, Member, SOON, World};
use tokio::process::Command;

/// How long each part takes.
const PART: Duration = Duration::from_secs(12);
/// Between two messages of the room that talks.
const BEAT: Duration = Duration::from_millis(50);
/// Calls that wait for an answer at any time while the capacity is found out.
const WINDOW: usize = 32;
/// What three times the capacity is taken to be at least, so that the flood is one.
const LEAST: f64 = 200.0;
/// How long a message of the room may take, of which one in a hundred takes longer.
const BOUND: Duration = Duration::from_millis(500);
/// How long callers wait for their answer after the last of them has called.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what is under way to come to an end.
const REST: Duration = Duration::from_secs(20);
/// The rooms that are called.
const ROOMS: usize = 50;

const STRANGERS: &str =
    "[[accounts]]\nsip = \"sip:*@strangers.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["call", to, rate, seconds] => {
            Callers::new(to.parse().unwrap()).call(rate.parse().unwrap(), seconds.parse().unwrap())
        }
        [binary, ref options @ ..] => return measure(binary, options).await,
        [] => println!("usage: flood PATH-OF-MUCFOCUS [logins=RATE] [server=prosody|ejabberd]"),
    }
    ExitCode::SUCCESS
}

async fn measure(binary: &str, options: &[&str]) -> ExitCode {
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name));
    let logins = option("logins=").unwrap_or("off").to_owned();
    let server = if option("server=") == Some("ejabberd") { Kind::Ejabberd } else { Kind::Prosody };
    let world = World::with(binary, |s| {
        s.server = server;
        s.accounts = STRANGERS.into();
        s.log = "error".into();
        s.limits = format!("messages_per_user = \"off\"\njoins_per_user = \"off\"\nxmpp_logins = \"{logins}\"\n");
        s.timeouts = String::new();
    })
    .await;
    let (romeo, tybalt) = (world.member("capulet", "romeo").await, world.member("capulet", "tybalt").await);
    let ours = world.mucfocus.id();
    println!("{}, xmpp_logins = {logins}, load average {}", server.name(), load_average());
    println!(
        "                  calls/s offered   200/s  refused        not answered   p50 ms   p99 ms   CPU %      KiB"
    );

    let mut is_well = true;
    let mut capacity = 0.0;
    for (name, rate) in [("peace", None), ("capacity", Some(0.0)), ("three times it", Some(3.0)), ("peace again", None)]
    {
        if name == "peace again" {
            tokio::time::sleep(REST).await;
        }
        let rate = rate.map(|times| f64::max(capacity * times, if times > 0.0 { LEAST } else { 0.0 }));
        let before = processor(ours);
        let started = Instant::now();
        let (mut times, calls) = tokio::join!(talk(&romeo, &tybalt), flood(world.mucfocus.udp(), rate));
        let seconds = started.elapsed().as_secs_f64();
        let cpu = (processor(ours) - before).as_secs_f64() * 100.0 / seconds;
        times.sort();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(Duration::MAX);
        let taken = calls.count("200") as f64 / PART.as_secs_f64();
        if name == "capacity" {
            capacity = taken;
        }
        println!(
            "{name:16} {:16.0} {taken:7.0}  {:14} {:12} {:8.1} {:8.1} {cpu:7.0} {:8}",
            calls.count("sent") as f64 / PART.as_secs_f64(),
            calls.refusals(),
            calls.count("silent"),
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3,
            memory(ours)
        );
        is_well &= at(99) < BOUND && calls.count("503") == calls.count("503 with Retry-After");
    }
    let caller = world.member("capulet", "mercutio").await;
    caller.leaves().await;
    is_well &= romeo.says("the end").await.code() == Some(200);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long each message took until the MUC had it and its author was told.
async fn talk(romeo: &Member, tybalt: &Member) -> Vec<Duration> {
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut beat = tokio::time::interval(BEAT);
    while begun.elapsed() < PART {
        beat.tick().await;
        let speaker = if times.len() % 2 == 0 { romeo } else { tybalt };
        let sent = Instant::now();
        let id = speaker
            .msrp
            .send(Send::cpim(&speaker.to_room("a message of about sixty octets, as people write in rooms")));
        let code = speaker.msrp.response_within(&id, SOON * 6).await.code();
        assert_eq!(code, Some(200), "the room does not take what is said");
        times.push(sent.elapsed());
    }
    times
}

/// What became of calls, by their status and other names.
struct Outcome(BTreeMap<String, usize>);

impl Outcome {
    fn count(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn refusals(&self) -> String {
        let codes = self.0.iter().filter(|(name, _)| name.len() == 3 && *name != "200");
        codes.map(|(code, count)| format!("{count}×{code}")).collect::<Vec<_>>().join(" ")
    }
}

/// Has another process call; `None` is nobody, and a rate of nothing as fast as the answers come.
async fn flood(to: SocketAddr, rate: Option<f64>) -> Outcome {
    let Some(rate) = rate else { return Outcome(BTreeMap::new()) };
    let mut callers = Command::new(std::env::current_exe().unwrap());
    let (rate, seconds) = (rate.to_string(), PART.as_secs().to_string());
    callers.args(["call", &to.to_string(), &rate, &seconds]).stdout(Stdio::piped());
    let output = callers.spawn().unwrap().wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| line.split_once('\t').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
    Outcome(text.lines().filter_map(pair).collect())
}

/// All who call.
struct Callers {
    socket: UdpSocket,
    local: SocketAddr,
    /// Who waits for his answer.
    waiting: BTreeMap<usize, Instant>,
    outcome: BTreeMap<String, usize>,
    /// What tells this process's calls from another's.
    token: String,
}

impl Callers {
    fn new(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket, local, waiting: BTreeMap::new(), outcome: BTreeMap::new(), token: mucfocus_rig::random(6) }
    }

    /// Calls for so long, so often a second; without a rate, [`WINDOW`] at a time. Prints what became of it.
    fn call(mut self, rate: f64, seconds: u64) {
        let (begun, time) = (Instant::now(), Duration::from_secs(seconds));
        let mut sent = 0;
        while begun.elapsed() < time {
            let due = match rate {
                0.0 => sent + WINDOW.saturating_sub(self.waiting.len()),
                rate => (begun.elapsed().as_secs_f64() * rate) as usize,
            };
            for n in sent..due.max(sent) {
                self.send(&self.invite(n));
                self.waiting.insert(n, Instant::now());
            }
            sent = due.max(sent);
            self.listen(time.checked_sub(begun.elapsed()).is_some());
            // A call that nobody answers gives its place to another.
            if rate == 0.0 {
                self.waiting.retain(|_, since| since.elapsed() < Duration::from_secs(4));
            }
        }
        let late = Instant::now();
        while !self.waiting.is_empty() && late.elapsed() < PATIENCE {
            self.listen(false);
        }
        self.outcome.insert("sent".into(), sent);
        self.outcome.insert("silent".into(), self.waiting.len());
        for (name, count) in &self.outcome {
            println!("{name}\t{count}");
        }
    }

    /// Takes what has come.
    fn listen(&mut self, counts: bool) {
        let mut buffer = [0; 8192];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let Some(text) = buffer.get(..len).and_then(|octets| std::str::from_utf8(octets).ok()) else { continue };
            self.take(text, counts);
        }
    }

    fn take(&mut self, answer: &str, counts: bool) {
        let Some(code) = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)) else { return };
        let (Some(call), Some(to)) = (field(answer, "Call-ID: "), field(answer, "To: ")) else { return };
        let Some(n) = call.split('-').next().and_then(|n| n.parse().ok()) else { return };
        if code.starts_with('1') || !field(answer, "CSeq: ").is_some_and(|cseq| cseq.ends_with("INVITE")) {
            return;
        }
        let is_first = self.waiting.remove(&n).is_some();
        if code == "200" {
            let contact = field(answer, "Contact: ").unwrap_or_default();
            let contact = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
            self.send(&self.request("ACK", &contact, &format!("a{n}"), n, 1, to));
            self.send(&self.request("BYE", &contact, &format!("b{n}"), n, 2, to));
        } else {
            self.send(&self.request("ACK", &room(n), &format!("i{n}"), n, 1, to));
        }
        if is_first && counts {
            *self.outcome.entry(code.to_owned()).or_default() += 1;
            if code == "503" && field(answer, "Retry-After: ").is_some() {
                *self.outcome.entry("503 with Retry-After".to_owned()).or_default() += 1;
            }
        }
    }

    fn send(&self, request: &str) {
        // What does not fit into the buffers of the system is lost, as on any network.
        let _ = self.socket.send(request.as_bytes());
    }

    fn invite(&self, n: usize) -> String {
        let offer = any_offer();
        let to = format!("<{}>", room(n));
        let head = self.request("INVITE", &room(n), &format!("i{n}"), n, 1, &to);
        let more = format!(
            "Contact: <sip:c{n}@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            self.local,
            offer.len()
        );
        head.replace("Content-Length: 0\r\n\r\n", &more)
    }

    fn request(&self, method: &str, uri: &str, branch: &str, n: usize, cseq: u32, to: &str) -> String {
        let (local, token) = (self.local, &self.token);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{token}{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:c{token}{n}@strangers.test>;tag=f{n}\r\nTo: {to}\r\nCall-ID: {n}-{token}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }
}

fn room(n: usize) -> String {
    format!("sip:flood{}@rooms.test", n % ROOMS)
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name))
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
