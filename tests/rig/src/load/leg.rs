//! SIP legs: each calls a room, binds its MSRP session, and counts what it hears there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};

use super::msrp;
use super::sip::{Line, Mail, code, field};
use super::tally::Tally;
use super::worker::Command;
use crate::random;

/// How long a list may take to be whole.
const PATIENCE: Duration = Duration::from_secs(30);

/// Some of them.
pub(super) struct Legs {
    line: Arc<Line>,
    tally: Arc<Tally>,
    inside: Vec<Call>,
}

impl Legs {
    /// For calls to `focus`, over UDP.
    pub(super) async fn start(focus: SocketAddr) -> Self {
        let tally = Arc::<Tally>::default();
        Self { line: Line::open(focus, Arc::clone(&tally)).await, tally, inside: Vec::new() }
    }

    /// `join ROOM FIRST COUNT watching|deaf`, `leave`, `enter ROOM N OCCUPANTS`, `churn ROOM ROOMS RATE SECONDS`, `settle COPIES`,
    /// `notified COUNT`, `take`.
    pub(super) async fn obey(&mut self, command: &Command) -> Vec<f64> {
        match command.name() {
            "join" => {
                self.join(command.word(1), command.count(2), command.count(3), command.word(4) == "watching").await
            }
            "leave" => self.leave().await,
            "enter" => vec![self.enter(command.word(1), command.count(2), command.count(3)).await],
            "churn" => self.churn(command.word(1), command.count(2), command.number(3), command.number(4)).await,
            "settle" => vec![self.tally.settle(command.number(1) as u64, PATIENCE).await as f64],
            "notified" => {
                let wanted = command.number(1) as u64;
                crate::wait::within(|| (self.tally.notifies() >= wanted).then_some(()), PATIENCE).await;
                vec![self.tally.notifies() as f64]
            }
            "take" => self.tally.take(),
            other => panic!("no {other:?} in the part of legs"),
        }
    }

    /// All at once; seconds until the last one is in.
    async fn join(&mut self, room: &str, first: usize, count: usize, watching: bool) -> Vec<f64> {
        let started = Instant::now();
        let mut joins = JoinSet::new();
        for n in first..first + count {
            let (line, tally, room) = (Arc::clone(&self.line), Arc::clone(&self.tally), room.to_owned());
            joins.spawn(async move {
                let mut call = Call::to(line, n, &room).await.unwrap_or_else(|refusal| panic!("{refusal}"));
                call.bind(tally).await;
                if watching {
                    call.watch().await;
                }
                call
            });
        }
        self.inside.extend(joins.join_all().await);
        vec![started.elapsed().as_secs_f64()]
    }

    /// All at once; seconds until the last one is out.
    async fn leave(&mut self) -> Vec<f64> {
        let started = Instant::now();
        let mut leaves = JoinSet::new();
        for call in self.inside.drain(..) {
            leaves.spawn(call.hang_up());
        }
        leaves.join_all().await;
        vec![started.elapsed().as_secs_f64()]
    }

    /// Milliseconds from INVITE and SUBSCRIBE, sent one behind the other, to a list of so many occupants; then the leg goes.
    async fn enter(&self, room: &str, n: usize, occupants: usize) -> f64 {
        let watcher = Watcher::new(Arc::clone(&self.line), n, room);
        let started = Instant::now();
        let listing = tokio::spawn(watcher.until_it_lists(occupants));
        let mut call = Call::to(Arc::clone(&self.line), n, room).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        let listed = listing.await.unwrap();
        let took = listed.duration_since(started).as_secs_f64() * 1e3;
        call.bind(Arc::clone(&self.tally)).await;
        call.hang_up().await;
        took
    }

    /// Legs come evenly, to `room0`, `room1` … by turns, and stay for a second each; how many came, and how many were refused.
    async fn churn(&self, room: &str, rooms: usize, rate: f64, seconds: f64) -> Vec<f64> {
        let started = Instant::now();
        let mut stays: JoinSet<Result<(), String>> = JoinSet::new();
        let count = (rate * seconds) as usize;
        let mut refusals = BTreeMap::<String, usize>::new();
        let mut note = |stay| match stay {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => *refusals.entry(refusal).or_default() += 1,
            Err(error) => *refusals.entry(format!("{error:?}")).or_default() += 1,
        };
        for n in 0..count {
            let due = Duration::from_secs_f64(n as f64 / rate);
            if let Some(early) = due.checked_sub(started.elapsed()) {
                tokio::time::sleep(early).await;
            }
            // Users come again, as people do.
            let (user, room) = (n % 1000, format!("{room}{}", n % rooms));
            let (line, tally) = (Arc::clone(&self.line), Arc::clone(&self.tally));
            stays.spawn(async move {
                let mut call = Call::to(line, user, &room).await.map_err(|refusal| why(&refusal))?;
                call.bind(tally).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                call.hang_up().await;
                Ok(())
            });
            while let Some(stay) = stays.try_join_next() {
                note(stay);
            }
        }
        while let Some(stay) = stays.join_next().await {
            note(stay);
        }
        for (refusal, count) in &refusals {
            eprintln!("refused {count} times: {refusal}");
        }
        vec![count as f64, refusals.values().sum::<usize>() as f64]
    }
}

/// Status and warning of a refusal, without what it has for itself alone.
fn why(refusal: &str) -> String {
    let warning = field(refusal, "Warning").unwrap_or_default();
    format!("{} {}", refusal.lines().next().unwrap_or_default(), warning.split(" [").next().unwrap_or_default())
}

/// Who calls, and by what.
struct Party {
    line: Arc<Line>,
    user: usize,
    room: String,
    call_id: String,
    tag: String,
}

impl Party {
    fn new(line: Arc<Line>, user: usize, room: &str) -> Self {
        Self { line, user, room: room.to_owned(), call_id: random(16), tag: random(8) }
    }

    /// A request; `target` and `to` are those of the dialog where there is one.
    fn request(&self, method: &str, cseq: u32, (target, to): (&str, &str), more: &str, body: &str) -> String {
        let (local, user, call_id, tag) = (self.line.local, self.user, &self.call_id, &self.tag);
        let branch = random(16);
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
             From: \"l{user}\" <sip:l{user}@sip.test>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:l{user}@{local}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Before there is a dialog.
    fn outside(&self) -> (String, String) {
        (format!("sip:{}@rooms.test", self.room), format!("<sip:{}@rooms.test>", self.room))
    }
}

/// A call that was answered.
struct Call {
    party: Party,
    mail: Mail,
    cseq: u32,
    target: String,
    to: String,
    own: String,
    remote: String,
    session: Option<AbortHandle>,
}

impl Call {
    /// Calls a room; the error is the refusal.
    async fn to(line: Arc<Line>, user: usize, room: &str) -> Result<Self, String> {
        let party = Party::new(line, user, room);
        let mut mail = party.line.listen(&party.call_id);
        let own = format!("msrp://127.0.0.1:9/{}l{user};tcp", party.call_id);
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\na=path:{own}\r\n\
             a=setup:active\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\na=chatroom\r\n"
        );
        let (target, to) = party.outside();
        let invite = party.request("INVITE", 1, (&target, &to), "Content-Type: application/sdp\r\n", &offer);
        let answer = party.line.ask(&invite, &mut mail, |_| {}).await;
        if code(&answer) != 200 {
            return Err(answer);
        }
        let target = field(&answer, "Contact").and_then(|c| c.split(['<', '>']).nth(1)).unwrap().to_owned();
        let to = field(&answer, "To").unwrap().to_owned();
        let remote = answer.lines().find_map(|line| line.strip_prefix("a=path:")).unwrap().trim().to_owned();
        party.line.send(&party.request("ACK", 1, (&target, &to), "", "")).await;
        Ok(Self { party, mail, cseq: 1, target, to, own, remote, session: None })
    }

    async fn bind(&mut self, tally: Arc<Tally>) {
        self.session = Some(msrp::bind(&self.own, &self.remote, tally).await);
    }

    /// Subscribes within the call.
    async fn watch(&mut self) {
        self.cseq += 1;
        let fields = "Event: conference\r\nExpires: 3600\r\n";
        let subscribe = self.party.request("SUBSCRIBE", self.cseq, (&self.target, &self.to), fields, "");
        let answer = self.party.line.ask(&subscribe, &mut self.mail, |_| {}).await;
        assert_eq!(code(&answer), 200, "{answer}");
    }

    async fn hang_up(mut self) {
        self.cseq += 1;
        let bye = self.party.request("BYE", self.cseq, (&self.target, &self.to), "", "");
        self.party.line.ask(&bye, &mut self.mail, |_| {}).await;
        self.party.line.forget(&self.party.call_id);
        if let Some(session) = self.session {
            session.abort();
        }
    }
}

/// A subscription in a dialog of its own.
struct Watcher {
    party: Party,
    mail: Mail,
}

impl Watcher {
    fn new(line: Arc<Line>, user: usize, room: &str) -> Self {
        let party = Party::new(line, user, room);
        let mail = party.line.listen(&party.call_id);
        Self { party, mail }
    }

    /// When a document has come that lists so many.
    async fn until_it_lists(mut self, occupants: usize) -> Instant {
        let (target, to) = self.party.outside();
        let fields = "Event: conference\r\nExpires: 3600\r\n";
        let subscribe = self.party.request("SUBSCRIBE", 1, (&target, &to), fields, "");
        let lists = |m: &str| m.starts_with("NOTIFY") && m.matches("<user ").count() >= occupants;
        let mut listed = None;
        let aside = |message: String| listed = listed.or_else(|| lists(&message).then(Instant::now));
        let answer = self.party.line.ask(&subscribe, &mut self.mail, aside).await;
        assert_eq!(code(&answer), 200, "{answer}");
        while listed.is_none() {
            let next = tokio::time::timeout(PATIENCE, self.mail.recv()).await;
            let message = next.ok().flatten().unwrap_or_else(|| panic!("no list of {occupants} in time"));
            listed = lists(&message).then(Instant::now);
        }
        self.party.line.forget(&self.party.call_id);
        listed.unwrap_or_else(Instant::now)
    }
}
