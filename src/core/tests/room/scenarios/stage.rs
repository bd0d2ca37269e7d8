//! What SIP users can do on the stage of a scenario. After each act the weather has its way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::room::io::Input;
use mucfocus_core::time::Instant;

use super::weather::{Dice, Weather};
use crate::story::{SipUser, Story, Subscriber};
use crate::world::{Mail, Source};

/// For so long a client tries to send something again.
pub(super) const MEMORY: Duration = Duration::from_secs(60);

/// One SIP user's call.
pub type Who = usize;

/// A SEND that a client may send again.
pub(super) struct Sent {
    pub(super) who: Who,
    pub(super) transaction: String,
    pub(super) headers: String,
    pub(super) cpim: String,
    pub(super) text: String,
    pub(super) at: Instant,
}

pub struct Stage {
    pub story: Story,
    pub weather: Weather,
    pub dice: Dice,
    pub calls: Vec<SipUser>,
    pub lists: Vec<(Who, Subscriber)>,
    /// Texts said to one alone, and the only name whose bearer may read them.
    pub secrets: BTreeMap<String, String>,
    /// Names that the room gave to accounts.
    pub names_given: BTreeSet<(jid::BareJid, String)>,
    /// Who may not come back by himself: he hung up, or was sent away.
    pub gone: BTreeSet<Who>,
    pub(super) sent: Vec<Sent>,
    pub(super) texts: usize,
    pub(super) calm: bool,
}

impl Stage {
    pub fn opens(weather: Weather, seed: u64) -> Self {
        let (story, mut dice) = (Story::begins(), Dice::new(seed));
        // Rooms remember nothing, the last lines, or everything.
        match dice.below(3) {
            0 => {}
            1 => story.muc().record.history = 20,
            _ => {
                let mut muc = story.muc();
                (muc.gives_ids, muc.record.has_archive) = (true, true);
            }
        }
        Self {
            story,
            weather,
            dice,
            calls: Vec::new(),
            lists: Vec::new(),
            secrets: BTreeMap::new(),
            names_given: BTreeSet::new(),
            gone: BTreeSet::new(),
            sent: Vec::new(),
            texts: 0,
            calm: false,
        }
    }

    /// A text that nobody has said yet.
    pub fn text(&mut self) -> String {
        self.texts += 1;
        format!("line {} of it", self.texts)
    }

    // What SIP users do.

    /// Dials and, in clear weather, is in.
    pub fn user(&mut self, name: &str) -> Who {
        self.user_with(name, |_| {})
    }

    pub fn user_with(&mut self, name: &str, how: impl FnOnce(&SipUser)) -> Who {
        let call = self.story.sip_user(name);
        how(&call);
        self.story.world().dial(call.leg);
        self.calls.push(call);
        self.then();
        self.calls.len() - 1
    }

    /// Whether his client can write.
    pub(super) fn is_connected(&self, who: Who) -> bool {
        let sees = self.calls[who].sees();
        sees.is_bound && !sees.is_gone && sees.session.is_some()
    }

    pub fn says(&mut self, who: Who) {
        self.says_with(who, "");
    }

    pub fn says_with(&mut self, who: Who, headers: &str) {
        let text = self.text();
        if self.is_connected(who) {
            let cpim = self.calls[who].cpim(&text);
            self.calls[who].client().spoke.insert(text.clone());
            self.sends(who, headers, cpim, text.clone());
        }
        self.then();
        let is_said = self.story.muc().said.iter().any(|(_, said)| *said == text);
        if self.weather == Weather::Clear && is_said {
            self.everybody_heard(&text, who);
        }
    }

    fn sends(&mut self, who: Who, headers: &str, cpim: String, text: String) {
        let call = self.calls[who].clone();
        let length = cpim.len();
        let headers = format!(
            "Message-ID: m{who}-{}\r\n{headers}Byte-Range: 1-{length}/{length}\r\nContent-Type: message/cpim\r\n",
            self.texts
        );
        let transaction = call.writes("SEND", &headers, Some(&cpim), '$');
        if !headers.contains("Failure-Report") {
            call.client().expects.insert(transaction.clone(), text.clone());
        }
        let at = self.story.world().now;
        self.sent.push(Sent { who, transaction, headers, cpim, text, at });
    }

    /// Says something long, in chunks of so many octets.
    pub fn says_in_chunks(&mut self, who: Who, size: usize) {
        let text = self.text();
        if self.is_connected(who) {
            let call = self.calls[who].clone();
            let cpim = call.cpim(&text);
            call.client().spoke.insert(text.clone());
            let (total, chunks) = (cpim.len(), cpim.len().div_ceil(size));
            for (n, chunk) in cpim.as_bytes().chunks(size).enumerate() {
                let (start, is_last) = (n * size + 1, n + 1 == chunks);
                let headers = format!(
                    "Message-ID: c{who}-{}\r\nByte-Range: {start}-{}/{total}\r\nContent-Type: message/cpim\r\n",
                    self.texts,
                    start + chunk.len() - 1
                );
                let chunk = std::str::from_utf8(chunk).unwrap();
                let send = call.writes("SEND", &headers, Some(chunk), if is_last { '$' } else { '+' });
                call.client().expects.insert(send, if is_last { text.clone() } else { String::new() });
            }
        }
        self.then();
    }

    pub fn whispers(&mut self, who: Who, nick: &str) {
        let text = self.text();
        if self.is_connected(who) {
            let call = self.calls[who].clone();
            let from = call.sees().uri();
            let cpim = format!(
                "From: <{from}>\r\nTo: <sip:capulet@rooms.example.com;gr={nick}>\r\n\r\n\
                 Content-Type: text/plain;charset=utf-8\r\n\r\n{text}"
            );
            self.secrets.insert(text.clone(), nick.to_owned());
            self.sends(who, "", cpim, text);
        }
        self.then();
    }

    pub fn renames(&mut self, who: Who, nick: &str) {
        if self.is_connected(who) {
            let headers = format!("Use-Nickname: \"{nick}\"\r\n");
            let call = self.calls[who].clone();
            let request = call.writes("NICKNAME", &headers, None, '$');
            call.client().expects.insert(request, String::new());
        }
        self.then();
    }

    pub fn watches(&mut self, who: Who) {
        let list = self.calls[who].watches();
        self.lists.push((who, list));
        self.then();
    }

    pub fn refers(&mut self, who: Who, invitee: &str) {
        self.calls[who].refers(invitee);
        self.then();
    }

    pub fn leaves(&mut self, who: Who) {
        self.ends_call(who, CallEnd::Bye { reason: Some("good night".into()) });
    }

    pub fn never_acknowledges(&mut self, who: Who) {
        self.ends_call(who, CallEnd::NoAck);
    }

    fn ends_call(&mut self, who: Who, end: CallEnd) {
        self.gone.insert(who);
        let leg = self.calls[who].leg;
        if !self.calls[who].sees().is_gone {
            self.story.world().post(Source::Call(leg), Mail::Input(Input::CallEnded(leg, end)));
        }
        self.then();
    }

    pub fn cancels(&mut self, who: Who) {
        self.gone.insert(who);
        let (leg, has_answer) = (self.calls[who].leg, self.calls[who].sees().answer.is_some());
        if !self.calls[who].sees().is_gone {
            let mut world = self.story.world();
            if has_answer {
                world.post(Source::Call(leg), Mail::Input(Input::CallEnded(leg, CallEnd::Bye { reason: None })));
            } else {
                world.post(Source::Call(leg), Mail::Input(Input::Cancelled(leg)));
                world.post(Source::Call(leg), Mail::Input(Input::CallEnded(leg, CallEnd::ByUs)));
            }
        }
        self.then();
    }

    pub fn seconds_pass(&mut self, seconds: u64) {
        self.passes(Duration::from_secs(seconds));
        self.then();
    }

    /// Lets time pass: in clear weather everything arrives meanwhile, else the timers run and what is on its way stays there.
    pub(super) fn passes(&self, time: Duration) {
        let mut world = self.story.world();
        if self.weather != Weather::Reordering || self.calm {
            return world.pass(time);
        }
        let end = world.now + time;
        while let Some(at) = world.room.next_timeout().filter(|at| *at <= end) {
            let at = at.max(world.now);
            world.is_now(at);
            world.fire();
        }
        world.is_now(end);
    }
}
