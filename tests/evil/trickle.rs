//! The steady talk of a room, and how long each sentence takes.
//!
//! Owns who says what and when; judges nothing but whether all of it arrived. They have a thread of their own: what an attack
//! costs the test must not count as what it costs the room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mucfocus_rig::member::Joining;
use mucfocus_rig::msrp::{Cpim, Send};
use mucfocus_rig::sip::Who;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, SOON};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{interval, sleep};

/// What counts as slow at all: more than a delay that nobody in a chat notices. What is not optimised takes several times as long
/// for everything, and the inputs of a flood that are in the room's mailbox before a sentence with it.
pub(crate) const FLOOR: Duration = Duration::from_millis(if cfg!(debug_assertions) { 150 } else { 50 });
/// One sentence every so often.
const BEAT: Duration = Duration::from_millis(25);

/// A sentence as it was said.
#[derive(Clone)]
struct Sentence {
    speaker: usize,
    text: String,
    id: String,
    at: SystemTime,
}

/// Members of a room who talk in turns.
pub(crate) struct Trickle {
    members: Arc<Vec<Member>>,
    said: Arc<Mutex<Vec<Sentence>>>,
    runtime: Option<Runtime>,
}

impl Drop for Trickle {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Trickle {
    /// Lets these people enter the room, and talk from now on in sentences of `octets` each.
    pub(crate) async fn start(people: Vec<Who>, room: String, octets: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let enter = async move {
            let mut members = Vec::new();
            for who in people {
                members.push(Member::join(who, &room, Joining::default()).await);
            }
            members
        };
        let members = Arc::new(runtime.spawn(enter).await.unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        runtime.spawn(talk(Arc::clone(&members), Arc::clone(&said), octets));
        Self { members, said, runtime: Some(runtime) }
    }

    /// The 99th percentile of the time to each copy of what was said between two moments, once all of it has arrived.
    pub(crate) async fn p99(&self, from: SystemTime, to: SystemTime) -> Duration {
        let mut times = self.times(from, to).await;
        times.sort();
        times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }

    /// All that was said arrived once at every other member and at `listener`, and was answered with 200.
    pub(crate) async fn is_whole(&self, listener: &Client, muc: &str, under: &str) {
        let said: Vec<Sentence> = self.said();
        let last = said.last().map_or(SystemTime::UNIX_EPOCH, |s| s.at);
        let _ = self.times(last, SystemTime::now()).await;
        let end = Instant::now() + SOON;
        let at_listener = loop {
            let heard = count(listener.heard(muc).into_iter().map(|(_, text)| text));
            if said.iter().all(|s| heard.contains_key(&s.text)) || Instant::now() > end {
                break heard;
            }
            sleep(Duration::from_millis(50)).await;
        };
        for sentence in &said {
            let text = &sentence.text;
            let name = &text[..text.len().min(20)];
            assert_eq!(at_listener.get(text), Some(&1), "{under}: times that {name:?} arrived in the MUC");
        }
        for (n, member) in self.members.iter().enumerate() {
            let came = arrivals(member);
            for sentence in said.iter().filter(|s| s.speaker != n) {
                let name = &sentence.text[..sentence.text.len().min(20)];
                let times = came.get(&sentence.text).map_or(0, Vec::len);
                assert_eq!(times, 1, "{under}: times that {name:?} arrived at {}", member.aor());
            }
            for sentence in said.iter().filter(|s| s.speaker == n) {
                let response = member.msrp.response(&sentence.id).await;
                assert_eq!(response.code(), Some(200), "{under}: to {}\n{response}", member.aor());
            }
            assert!(!member.msrp.closed(), "{under}: {} lost his connection", member.aor());
            assert!(!member.call().has_ended(), "{under}: {} lost his call", member.aor());
            assert_eq!(member.msrp.broken(), Vec::<String>::new(), "{under}: at {}", member.aor());
        }
    }

    /// Who talks.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    fn said(&self) -> Vec<Sentence> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The time to each copy of what was said between these moments, once all of them have arrived. What never arrives took all of
    /// [`SOON`].
    async fn times(&self, from: SystemTime, to: SystemTime) -> Vec<Duration> {
        let said: Vec<Sentence> = self.said().into_iter().filter(|s| (from..=to).contains(&s.at)).collect();
        let end = Instant::now() + SOON;
        loop {
            let mut times = Vec::new();
            for (n, member) in self.members.iter().enumerate() {
                let came = arrivals(member);
                let others = said.iter().filter(|s| s.speaker != n);
                times.extend(others.map(|s| {
                    let at = came.get(&s.text).and_then(|all| all.first());
                    at.map(|at| at.duration_since(s.at).unwrap_or_default())
                }));
            }
            if times.iter().all(Option::is_some) || Instant::now() > end {
                return times.into_iter().map(|t| t.unwrap_or(SOON)).collect();
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn talk(members: Arc<Vec<Member>>, said: Arc<Mutex<Vec<Sentence>>>, octets: usize) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for n in 0.. {
        beat.tick().await;
        let speaker = n % members.len();
        let member = &members[speaker];
        let text = format!("{:.<octets$}", format!("sentence {n} "));
        let at = SystemTime::now();
        let id = member.msrp.send(Send::cpim(&member.to_room(&text)));
        said.lock().unwrap_or_else(PoisonError::into_inner).push(Sentence { speaker, text, id, at });
    }
}

/// When the last octet of each text came, as often as it came.
fn arrivals(member: &Member) -> BTreeMap<String, Vec<SystemTime>> {
    let (mut partial, mut all) = (BTreeMap::<String, Vec<u8>>::new(), BTreeMap::<String, Vec<SystemTime>>::new());
    for came in member.msrp.traffic().into_iter().filter(|t| !t.sent && t.frame.start == "SEND") {
        let id = came.frame.header("Message-ID").unwrap_or_default().to_owned();
        let body = partial.entry(id.clone()).or_default();
        body.extend_from_slice(came.frame.body.as_deref().unwrap_or_default());
        if came.frame.flag == '$'
            && let Some(cpim) = partial.remove(&id).and_then(|body| Cpim::parse(&body))
        {
            all.entry(cpim.text_content()).or_default().push(came.at);
        }
    }
    all
}

fn count(texts: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for text in texts {
        *all.entry(text).or_default() += 1;
    }
    all
}
