//! Anything may happen at any time, and what comes from different places in any order. The world checks after each step what
//! users may rely on, and at the end that everybody got his answer and nobody is left behind.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{Drain, Input};
use mucfocus_core::stanza::{Condition, ErrorKind, MucItem, MucUser, PresenceKind};
use proptest::prelude::*;

use crate::muc::error;
use crate::story::{SipUser, Story};
use crate::world::{Mail, Source};

#[derive(Debug, Clone)]
enum Operation {
    Dial {
        create: bool,
        passive: bool,
    },
    Cancel,
    Bye,
    NoAck,
    Confirm,
    Connect,
    LoseConnection,
    Say {
        failure: u8,
        turn: u8,
    },
    Chunks {
        order: u8,
        abandon: bool,
    },
    Garbage(u8),
    /// The same offer, or one with a hold or without the stream.
    Reinvite(u8),
    NativeSpeaks,
    Freeze,
    Thaw,
    Kick(u8),
    Rename,
    Forget,
    Destroy,
    RefuseJoins(bool),
    RefuseMessages(bool),
    LoseMessages(bool),
    LoseStream(bool),
    Pass(u16),
    /// Lets so many things arrive, each from a place of its own choice.
    Arrive(Vec<u8>),
    Settle,
    Drain,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        6 => (any::<bool>(), any::<bool>()).prop_map(|(create, passive)| Dial { create, passive }),
        2 => Just(Cancel),
        2 => Just(Bye),
        1 => Just(NoAck),
        1 => Just(Confirm),
        1 => Just(Connect),
        1 => Just(LoseConnection),
        8 => (0..4u8, 0..8u8).prop_map(|(failure, turn)| Say { failure, turn }),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(order, abandon)| Chunks { order, abandon }),
        2 => any::<u8>().prop_map(Garbage),
        3 => (0..6u8).prop_map(Reinvite),
        6 => Just(NativeSpeaks),
        2 => Just(Freeze),
        3 => Just(Thaw),
        2 => (0..6u8).prop_map(Kick),
        1 => Just(Rename),
        1 => Just(Forget),
        1 => Just(Destroy),
        1 => any::<bool>().prop_map(RefuseJoins),
        1 => any::<bool>().prop_map(RefuseMessages),
        1 => any::<bool>().prop_map(LoseMessages),
        1 => any::<bool>().prop_map(LoseStream),
        4 => (0..30_000u16).prop_map(Pass),
        8 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Arrive),
        6 => Just(Settle),
        1 => Just(Drain),
    ]
}

/// The story, the calls of three people, and a number for each text.
struct Play {
    story: Story,
    calls: Vec<SipUser>,
    texts: usize,
}

const PEOPLE: [&str; 3] = ["Romeo", "Juliet", "Mercutio"];

impl Play {
    fn text(&mut self) -> String {
        self.texts += 1;
        format!("line {}", self.texts)
    }

    /// The last call of this person.
    fn call_of(&self, who: usize) -> Option<SipUser> {
        let name = PEOPLE[who % PEOPLE.len()];
        self.calls.iter().rfind(|call| call.sees().name == name).cloned()
    }

    fn post(&self, source: Source, input: Input) {
        self.story.world().post(source, Mail::Input(input));
    }

    fn does(&mut self, who: usize, operation: Operation) {
        match operation {
            Operation::Dial { create, passive } => self.dials(who, create, passive),
            Operation::NativeSpeaks => {
                let text = self.text();
                self.story.muc().says("JuliC", None, &text);
            }
            Operation::Freeze => self.story.muc().freezes(),
            Operation::Thaw => self.story.muc().thaws(),
            Operation::RefuseJoins(refuse) => {
                self.story.muc().refuses_joins = refuse.then(|| error(Condition::Forbidden, ErrorKind::Auth));
            }
            Operation::RefuseMessages(refuse) => {
                self.story.muc().refuses_messages = refuse.then(|| error(Condition::Forbidden, ErrorKind::Auth));
            }
            Operation::LoseMessages(lose) => self.story.muc().loses_messages = lose,
            Operation::Pass(milliseconds) => self.passes(u64::from(milliseconds)),
            Operation::Arrive(choices) => self.arrives(&choices),
            Operation::Settle => self.story.settles(),
            Operation::Drain => self.story.world().feed(Input::Drain(Drain::GoingDown)),
            other => {
                if let Some(call) = self.call_of(who) {
                    self.of_a_call(&call, other);
                }
            }
        }
        self.collect();
    }

    /// What the MUC has to say is on its way.
    fn collect(&self) {
        let mut world = self.story.world();
        for (account, stanza) in std::mem::take(&mut world.muc.outbox) {
            world.post(Source::Streams, Mail::Stanza(account, Box::new(stanza)));
        }
    }

    fn dials(&mut self, who: usize, create: bool, passive: bool) {
        let call = self.story.sip_user(PEOPLE[who % PEOPLE.len()]);
        call.client().create = create;
        if passive {
            call.client().setup = "passive";
        }
        self.story.world().dial(call.leg);
        self.calls.push(call);
    }

    fn passes(&self, milliseconds: u64) {
        let mut world = self.story.world();
        let end = world.now + Duration::from_millis(milliseconds);
        while let Some(at) = world.room.next_timeout().filter(|at| *at <= end) {
            world.now = at.max(world.now);
            world.fire();
        }
        world.now = end;
    }

    fn arrives(&self, choices: &[u8]) {
        let mut world = self.story.world();
        for choice in choices {
            let sources: Vec<Source> = world.mail.iter().filter(|(_, m)| !m.is_empty()).map(|(s, _)| *s).collect();
            if !sources.is_empty() {
                world.deliver(sources[usize::from(*choice) % sources.len()]);
            }
        }
    }

    fn of_a_call(&mut self, call: &SipUser, operation: Operation) {
        let (leg, account) = (call.leg, call.account());
        let source = Source::Call(leg);
        if call.sees().is_gone {
            return; // nothing comes of it any more
        }
        match operation {
            Operation::Cancel if call.sees().answer.is_none() => {
                self.post(source, Input::Cancelled(leg));
                self.post(source, Input::CallEnded(leg, CallEnd::ByUs));
            }
            Operation::Bye => {
                self.post(source, Input::CallEnded(leg, CallEnd::Bye { reason: Some("bye\u{1}".into()) }));
            }
            Operation::NoAck => self.post(source, Input::CallEnded(leg, CallEnd::NoAck)),
            Operation::Confirm => self.post(source, Input::Confirmed(leg)),
            Operation::Connect if call.sees().session.is_some() => self.story.world().bind(leg),
            Operation::LoseConnection if call.sees().is_bound => {
                (call.client().is_bound, call.client().lost_once) = (false, true);
                self.story.world().mail.remove(&Source::Msrp(leg));
                self.post(
                    Source::Msrp(leg),
                    Input::SessionLost { leg, why: "reset".into(), ago: Duration::ZERO, unsent: vec![] },
                );
            }
            Operation::Reinvite(kind) => {
                let (what, instead) = match kind {
                    0 => ("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n"),
                    1 => ("m=message 7654", "m=message 0"),
                    _ => ("", ""),
                };
                call.client().offers_instead = vec![(what, instead.into())];
                let offer = Bytes::from(call.sees().offer());
                self.post(source, Input::Reoffered(leg, offer));
            }
            Operation::Say { failure, turn } => self.says(call, failure, turn),
            Operation::Chunks { order, abandon } => self.says_in_chunks(call, order, abandon),
            Operation::Garbage(kind) => self.writes_garbage(call, kind),
            Operation::Kick(kind) => self.removes(&account, usize::from(kind)),
            Operation::Destroy => {
                let destroy = Some(mucfocus_core::stanza::Destroy::default());
                let nick = self.story.muc().nickname_of(&account);
                if let Some(nick) = nick {
                    self.story.muc().removes(&account, &nick, MucUser { destroy, ..MucUser::default() });
                }
            }
            Operation::Rename => self.renames(&account),
            Operation::Forget => {
                let mut muc = self.story.muc();
                if let Some(nick) = muc.nickname_of(&account) {
                    muc.occupants.remove(&nick);
                }
            }
            Operation::LoseStream(login) => self.loses_stream(&account, login),
            _ => {}
        }
    }

    fn says(&mut self, call: &SipUser, failure: u8, turn: u8) {
        if !call.sees().is_bound {
            return;
        }
        let text = self.text();
        let header = ["", "Failure-Report: yes\r\n", "Failure-Report: partial\r\n", "Failure-Report: no\r\n"];
        let now = self.story.world().now;
        self.story.world().turn = (turn < 4).then(|| now + Duration::from_secs(u64::from(turn) * 9));
        call.client().spoke.insert(text.clone());
        let send = call.sends(header[usize::from(failure)], &call.cpim(&text));
        if failure < 2 {
            call.client().expects.insert(send, text);
        }
    }

    fn says_in_chunks(&mut self, call: &SipUser, order: u8, abandon: bool) {
        if !call.sees().is_bound {
            return;
        }
        let text = self.text();
        let cpim = call.cpim(&text);
        let (third, total) = (cpim.len() / 3, cpim.len());
        let mut parts = [(0, third, '+'), (third, 2 * third, '+'), (2 * third, total, if abandon { '#' } else { '$' })];
        parts.rotate_left(usize::from(order % 3));
        if order.is_multiple_of(2) {
            parts.swap(0, 1);
        }
        call.client().spoke.insert(text.clone());
        let mut sends = Vec::new();
        for (start, end, flag) in parts {
            let headers = format!(
                "Message-ID: c{}\r\nByte-Range: {}-{end}/{total}\r\nContent-Type: message/cpim\r\n",
                self.texts,
                start + 1
            );
            sends.push(call.writes("SEND", &headers, Some(&cpim[start..end]), flag));
        }
        let last = sends.pop().unwrap();
        for send in sends {
            call.client().expects.insert(send, String::new());
        }
        call.client().expects.insert(last, if abandon { String::new() } else { text });
    }

    fn writes_garbage(&mut self, call: &SipUser, kind: u8) {
        if !call.sees().is_bound {
            return;
        }
        let send = match kind % 6 {
            0 => call.writes("SEND", "Message-ID: g\r\nByte-Range: x\r\n", None, '$'),
            1 => call.writes("SEND", "Content-Type: message/cpim\r\n", Some("x"), '$'),
            2 => call.writes("NICKNAME", "Use-Nickname: \"N\"\r\n", None, '$'),
            3 => call.sends("", "nonsense"),
            4 => call.sends("", &call.cpim("x").replace("capulet@", "montague@")),
            _ => call.writes("SEND", "Message-ID: g\r\n", None, '$'),
        };
        call.client().expects.insert(send, String::new());
    }

    fn removes(&self, account: &jid::BareJid, kind: usize) {
        let codes = [vec![110, 307], vec![301], vec![110, 321], vec![110, 333], vec![110, 307, 333], vec![110]];
        let mut muc = self.story.muc();
        if let Some(nick) = muc.nickname_of(account) {
            muc.removes(account, &nick, MucUser { codes: codes[kind].clone(), ..MucUser::default() });
        }
    }

    fn renames(&mut self, account: &jid::BareJid) {
        let new = format!("N{}", self.text());
        let mut muc = self.story.muc();
        let Some(nick) = muc.nickname_of(account) else { return };
        let item = Some(MucItem { nick: Some(new.clone()), ..MucItem::default() });
        muc.present(
            account,
            &nick,
            PresenceKind::Unavailable,
            MucUser { codes: vec![110, 303], item, destroy: None, decline: None },
        );
        muc.occupants.remove(&nick);
        muc.occupants.insert(new.clone(), Some(account.clone()));
        muc.present(account, &new, PresenceKind::Available, MucUser { codes: vec![110], ..MucUser::default() });
    }

    fn loses_stream(&self, account: &jid::BareJid, login: bool) {
        let member = self.story.world().streams.iter().rfind(|(_, a)| *a == account).map(|(m, _)| *m);
        if let Some(member) = member {
            self.story.muc().loses(account);
            let end = if login { StreamEnd::LoginRefused("no".into()) } else { StreamEnd::Lost("reset".into()) };
            // What was on its way on that stream is lost with it.
            let mut world = self.story.world();
            if let Some(mail) = world.mail.get_mut(&Source::Streams) {
                mail.retain(|mail| !matches!(mail, Mail::Stanza(a, _) if a == account));
            }
            world.feed(Input::StreamEnded(member, end));
        }
    }

    /// Everybody gets what he is owed.
    fn ends(self) {
        self.story.muc().refuses_joins = None;
        self.story.muc_thaws();
        self.story.seconds_pass(31);
        self.story.settles();
        for call in &self.calls {
            let sees = call.sees();
            assert!(sees.answer.is_some() || sees.refusal.is_some() || sees.is_gone, "an INVITE without an answer");
            if sees.session.is_some() && sees.is_bound && !sees.lost_once {
                for (send, text) in &sees.expects {
                    assert!(sees.responses.contains_key(send), "{send} ({text:?}) was never answered");
                }
                assert_eq!(sees.credited, sees.taken, "credit");
            }
        }
        self.story.everybody_leaves();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_lost_and_nothing_is_heard_twice(
        operations in prop::collection::vec((0..3usize, operation()), 1..60),
    ) {
        let mut play = Play { story: Story::begins(), calls: Vec::new(), texts: 0 };
        for (who, operation) in operations {
            play.does(who, operation);
        }
        play.ends();
    }
}
