//! What people can do on the stage of a scenario. After each act the weather has its way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::Input;
use mucfocus_core::stanza::{MucItem, MucUser, PresenceKind, Role};
use mucfocus_core::time::Instant;

use super::weather::{Dice, Weather};
use crate::story::{SipUser, Story, Subscriber};
use crate::world::{Mail, Source};

/// For so long a client tries to send something again.
const MEMORY: Duration = Duration::from_secs(60);

/// One SIP user's call.
pub type Who = usize;

/// A SEND that a client may send again.
struct Sent {
    who: Who,
    transaction: String,
    headers: String,
    cpim: String,
    text: String,
    at: Instant,
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
    sent: Vec<Sent>,
    texts: usize,
    calm: bool,
}

impl Stage {
    pub fn opens(weather: Weather, seed: u64) -> Self {
        let story = Story::begins();
        Self {
            story,
            weather,
            dice: Dice::new(seed),
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
    fn is_connected(&self, who: Who) -> bool {
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

    /// His MSRP connection breaks, and what was on it is lost.
    pub fn loses_connection(&mut self, who: Who) {
        self.cuts(who);
        self.then();
    }

    fn cuts(&mut self, who: Who) {
        if self.is_connected(who) {
            let call = &self.calls[who];
            (call.client().is_bound, call.client().lost_once) = (false, true);
            let lost = Input::SessionLost { leg: call.leg, why: "reset".into(), ago: Duration::ZERO, unsent: vec![] };
            let mut world = self.story.world();
            world.mail.remove(&Source::Msrp(call.leg));
            world.post(Source::Msrp(call.leg), Mail::Input(lost));
        }
    }

    /// And he comes back by a new offer.
    pub fn reconnects(&mut self, who: Who) {
        self.comes_back(who);
        self.then();
    }

    fn comes_back(&mut self, who: Who) {
        let call = self.calls[who].clone();
        let is_away = {
            let sees = call.sees();
            sees.answer.is_some() && !sees.is_gone && !sees.is_bound && sees.session.is_some() && sees.bye.is_none()
        };
        if !is_away || self.gone.contains(&who) {
            return;
        }
        let offer: Bytes = call.sees().offer().into();
        self.story.world().post(Source::Call(call.leg), Mail::Input(Input::Reoffered(call.leg, offer)));
        self.hears_all_from(Source::Msrp(call.leg));
        self.hears_all_from(Source::Call(call.leg));
        let is_there = { call.sees().session.is_some() && !call.sees().is_bound && call.sees().bye.is_none() };
        if is_there {
            self.story.world().bind(call.leg);
        }
    }

    fn hears_all_from(&self, source: Source) {
        let mut world = self.story.world();
        while world.mail.get(&source).is_some_and(|mail| !mail.is_empty()) {
            world.deliver(source);
        }
    }

    // What others do.

    pub fn native_comes(&mut self, nick: &str) {
        self.native(nick, &PresenceKind::Available, Role::Participant);
    }

    pub fn native_goes(&mut self, nick: &str) {
        self.native(nick, &PresenceKind::Unavailable, Role::None);
    }

    fn native(&mut self, nick: &str, kind: &PresenceKind, role: Role) {
        let item = MucItem { role: Some(role), ..MucItem::default() };
        self.story.muc().native(nick, kind, item);
        self.then();
    }

    pub fn native_says(&mut self, nick: &str) {
        let text = self.text();
        self.story.muc().says(nick, None, &text);
        self.then();
    }

    pub fn native_whispers(&mut self, nick: &str, who: Who) {
        let (text, call) = (self.text(), self.calls[who].clone());
        let account = call.account();
        let addressee = self.story.muc().nickname_of(&account);
        if let Some(addressee) = addressee {
            self.secrets.insert(text.clone(), addressee);
            self.story.muc().whispers(&account, nick, Some(format!("w{}", self.texts)), &text);
        }
        self.then();
    }

    pub fn subject(&mut self, nick: &str, subject: &str) {
        let message = self.story.muc().message(nick, None, "");
        let message = mucfocus_core::stanza::Message { body: None, subject: Some(subject.into()), ..message };
        self.story.muc().broadcast(&message);
        self.then();
    }

    /// A moderator, or the service, takes him out with these status codes.
    pub fn is_removed(&mut self, who: Who, codes: &[u16]) {
        self.leaves_with(who, MucUser { codes: codes.to_vec(), ..MucUser::default() });
    }

    pub fn room_is_destroyed(&mut self) {
        let destroy = Some(mucfocus_core::stanza::Destroy::default());
        for who in 0..self.calls.len() {
            self.leaves_with(who, MucUser { codes: vec![110], destroy: destroy.clone(), ..MucUser::default() });
        }
    }

    fn leaves_with(&mut self, who: Who, muc: MucUser) {
        let account = self.calls[who].account();
        let nick = self.story.muc().nickname_of(&account);
        if let Some(nick) = nick {
            self.story.muc().removes(&account, &nick, muc);
        }
        self.then();
    }

    /// The room gives him another name.
    pub fn is_renamed(&mut self, who: Who, new: &str) {
        let account = self.calls[who].account();
        let old = self.story.muc().nickname_of(&account);
        if let Some(old) = old {
            self.story.muc().renames(&account, &old, new);
            self.names_given.insert((account, new.to_owned()));
        }
        self.then();
    }

    /// His connection to the XMPP server breaks.
    pub fn loses_stream(&mut self, who: Who) {
        self.cuts_stream(who);
        self.then();
    }

    fn cuts_stream(&mut self, who: Who) {
        let account = self.calls[who].account();
        let member = self.story.world().streams.iter().rfind(|(_, a)| **a == account).map(|(m, _)| *m);
        let Some(member) = member else { return };
        self.story.muc().loses(&account);
        let mut world = self.story.world();
        if let Some(mail) = world.mail.get_mut(&Source::Streams) {
            mail.retain(|mail| match mail {
                Mail::Stanza(a, _) => *a != account,
                Mail::Ready(m) => *m != member,
                _ => true,
            });
        }
        world.feed(Input::StreamEnded(member, StreamEnd::Lost("reset".into())));
    }

    /// Another node, which shares nothing with us, is killed: the MUC says so to nobody.
    pub fn muc_forgets(&mut self, who: Who) {
        let account = self.calls[who].account();
        let nick = self.story.muc().nickname_of(&account);
        if let Some(nick) = nick {
            self.story.muc().occupants.remove(&nick);
        }
        self.then();
    }

    pub fn seconds_pass(&mut self, seconds: u64) {
        self.passes(Duration::from_secs(seconds));
        self.then();
    }

    /// Lets time pass: in clear weather everything arrives meanwhile, else the timers run and what is on its way stays there.
    fn passes(&self, time: Duration) {
        let mut world = self.story.world();
        if self.weather != Weather::Reordering || self.calm {
            return world.pass(time);
        }
        let end = world.now + time;
        while let Some(at) = world.room.next_timeout().filter(|at| *at <= end) {
            world.now = at.max(world.now);
            world.fire();
        }
        world.now = end;
    }

    // The weather.

    /// What happens after an act.
    pub fn then(&mut self) {
        self.collects();
        match self.weather {
            _ if self.calm => self.story.settles(),
            Weather::Clear => self.story.settles(),
            Weather::Reordering => self.arrives_in_any_order(),
            Weather::Loss => self.breaks(),
            Weather::Duplication => self.repeats(),
            Weather::Stall => self.stalls(),
        }
        self.collects();
    }

    fn collects(&self) {
        let mut world = self.story.world();
        for (account, stanza) in std::mem::take(&mut world.muc.outbox) {
            world.post(Source::Streams, Mail::Stanza(account, stanza));
        }
    }

    fn arrives_in_any_order(&mut self) {
        for _ in 0..self.dice.below(12) {
            self.collects();
            let mut world = self.story.world();
            let sources: Vec<Source> = world.mail.iter().filter(|(_, m)| !m.is_empty()).map(|(s, _)| *s).collect();
            match self.dice.one_of(&sources) {
                Some(source) => world.deliver(*source),
                None => break,
            }
        }
        if self.dice.once_in(4) {
            let milliseconds = self.dice.below(3_000);
            self.passes(Duration::from_millis(milliseconds));
        }
    }

    fn breaks(&mut self) {
        if !self.calls.is_empty() {
            let who = self.anybody();
            match self.dice.below(12) {
                0 | 1 => self.cuts(who),
                2 | 3 => self.cuts_stream(who),
                _ => {}
            }
            for who in 0..self.calls.len() {
                if self.dice.once_in(3) {
                    self.comes_back(who);
                }
            }
        }
        self.arrives_in_any_order();
        if self.dice.once_in(3) {
            self.story.settles();
            let milliseconds = self.dice.below(4_000);
            self.passes(Duration::from_millis(milliseconds));
        }
    }

    fn anybody(&mut self) -> Who {
        usize::try_from(self.dice.below(u64::try_from(self.calls.len()).unwrap())).unwrap()
    }

    fn repeats(&mut self) {
        {
            // What was said is the history of whoever comes in again.
            let mut muc = self.story.muc();
            muc.insists_on_history = true;
            muc.history = muc.said.clone();
        }
        if !self.calls.is_empty() {
            let who = self.anybody();
            match self.dice.below(10) {
                0 => self.cuts(who),
                1 => self.cuts_stream(who),
                _ => {}
            }
            self.comes_back(who);
            self.sends_again(who);
        }
        self.story.settles();
    }

    /// A client sends what was never answered, and now and then what was, once more under the same Message-ID.
    fn sends_again(&mut self, who: Who) {
        if !self.is_connected(who) {
            return;
        }
        let (call, now) = (self.calls[who].clone(), self.story.world().now);
        for sent in self.sent.iter_mut().filter(|sent| sent.who == who && now < sent.at + MEMORY) {
            let is_answered = call.sees().responses.contains_key(&sent.transaction);
            if if is_answered { self.dice.once_in(6) } else { self.dice.once_in(2) } {
                sent.transaction = call.writes("SEND", &sent.headers, Some(&sent.cpim), '$');
                if !sent.headers.contains("Failure-Report") {
                    call.client().expects.insert(sent.transaction.clone(), sent.text.clone());
                }
            }
        }
    }

    fn stalls(&mut self) {
        let is_frozen = self.story.muc().is_frozen();
        if !is_frozen && self.dice.once_in(4) {
            self.story.muc().freezes();
        } else if is_frozen && self.dice.once_in(3) {
            self.story.muc().thaws();
            self.collects();
        }
        if self.dice.once_in(3) {
            let milliseconds = self.dice.below(20_000);
            self.story.settles();
            self.passes(Duration::from_millis(milliseconds));
        }
        self.story.settles();
    }

    /// From now on nothing goes wrong any more, and who can come back does.
    pub fn becomes_calm(&mut self) {
        self.calm = true;
        self.story.muc_thaws();
        self.story.settles();
        for who in 0..self.calls.len() {
            self.comes_back(who);
            self.story.settles();
        }
    }
}
