//! Virtual time, and everybody who has to do with one room. After each input the world checks what users may rely on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jid::BareJid;
use mucfocus_core::address::mapping::{RoomRule, RoomRules};
use mucfocus_core::address::pattern::Pattern;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::{NicknameTemplate, Template};
use mucfocus_core::conference::{Outcome, SubscriptionId};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::leg::call::{CallCommand, CallEnd, Refusal};
use mucfocus_core::leg::{Dial, LegId, MsrpAddresses, Policy};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Heard, Octets, RESPONSE_TIME, Share, Transmitter};
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId, Output};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};
use mucfocus_core::room::{Room, Settings, Timeouts};
use mucfocus_core::stanza::{OutStanza, Stanza};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::xmpp_stream::interest::Interest;

use crate::bytes::framed;
use crate::caller::Caller;
use crate::muc::Muc;
use crate::watcher::Watcher;

/// Counts. What is drawn looks different at both ends, since ids are cut from both.
#[derive(Default)]
pub struct Counting(pub u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0 | (self.0 << 66)
    }
}

/// Where an input comes from. What comes from one place keeps its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Call(LegId),
    Msrp(LegId),
    Watcher(SubscriptionId),
    Streams,
}

/// What is on its way to the room.
pub enum Mail {
    Input(Input),
    /// Octets for the session of a leg.
    Octets(LegId, String),
    /// A stanza for whichever membership the account has when it arrives, as on a stream.
    Stanza(BareJid, Stanza),
    /// The stream of this membership is there, if the membership still is.
    Ready(MembershipId),
}

pub struct World {
    pub room: Room,
    ids: Counting,
    pub now: Instant,
    pub rules: Arc<RoomRules>,
    pub muc: Muc,
    pub callers: BTreeMap<LegId, Caller>,
    /// Conference subscriptions.
    pub watchers: BTreeMap<SubscriptionId, Watcher>,
    pub referrals: BTreeMap<ReferralId, Vec<ReferAnswer>>,
    /// Where to go instead.
    pub moved: Vec<BareJid>,
    /// What came of invitations.
    pub invitations: BTreeMap<InvitationId, Result<(), Refusal>>,
    /// Open streams and their accounts.
    pub streams: BTreeMap<MembershipId, BareJid>,
    /// What open streams hand on.
    interests: BTreeMap<MembershipId, Interest>,
    /// Stanzas that they handed on, and those that they did not.
    pub handed_on: usize,
    pub left_out: usize,
    /// Of those that they did, what had to be parsed.
    pub parsed: usize,
    pub mail: BTreeMap<Source, VecDeque<Mail>>,
    /// Whether streams come up as soon as they are asked for.
    pub connects_streams: bool,
    /// Whether clients connect their sessions by themselves, and say ACK.
    pub connects_sessions: bool,
    /// Stanzas with a body longer than this cannot be sent.
    pub max_body: usize,
    receipts: bool,
    private_messages: bool,
    /// Whether subscribers are told the whole each time.
    pub whole_roster: bool,
    /// Whether a factory made the room.
    pub ad_hoc: bool,
    pub turn: Option<Instant>,
    /// The sending halves of connections.
    lines: BTreeMap<LegId, (Transmitter, Share)>,
    backlog: VecDeque<Input>,
    /// How long frames waited in front of the room.
    pub queued_for: Duration,
}

pub fn rules() -> RoomRules {
    let rule = RoomRule {
        name: "capulets".into(),
        sip: Pattern::parse("sip:{room}@rooms.example.com").unwrap(),
        muc: Template::parse("{room}@muc.example.net").unwrap(),
        allow: vec![Pattern::parse("sip:*@*").unwrap()],
        create: false,
        nickname: NicknameTemplate::default(),
        password: None,
        history: 20,
        private_messages: true,
        tls_only: false,
        receipts: true,
        whole_roster: false,
    };
    RoomRules::new(vec![rule], vec!["rooms.example.com".into()]).with_alias_hosts(["node1.example.com".to_string()])
}

impl World {
    pub fn new() -> Self {
        let rules = Arc::new(rules());
        let muc = Muc::new();
        let settings = Settings { muc: muc.room.clone(), rules: Arc::clone(&rules), timeouts: Timeouts::default() };
        Self {
            room: Room::new(settings),
            ids: Counting::default(),
            now: Instant::from_micros(1_000_000),
            rules,
            muc,
            callers: BTreeMap::new(),
            watchers: BTreeMap::new(),
            referrals: BTreeMap::new(),
            moved: Vec::new(),
            invitations: BTreeMap::new(),
            streams: BTreeMap::new(),
            interests: BTreeMap::new(),
            handed_on: 0,
            left_out: 0,
            parsed: 0,
            mail: BTreeMap::new(),
            connects_streams: true,
            connects_sessions: true,
            max_body: 1 << 20,
            receipts: true,
            private_messages: true,
            whole_roster: false,
            ad_hoc: false,
            turn: None,
            lines: BTreeMap::new(),
            backlog: VecDeque::new(),
            queued_for: Duration::ZERO,
        }
    }

    pub fn post(&mut self, source: Source, mail: Mail) {
        self.mail.entry(source).or_default().push_back(mail);
    }

    /// The rule of the room says so from now on.
    pub fn keeps_receipts_back(&mut self) {
        self.receipts = false;
    }

    /// And this.
    pub fn carries_no_private_messages(&mut self) {
        self.private_messages = false;
    }

    pub fn dial(&mut self, leg: LegId) {
        let dial = self.dial_of(leg);
        let caller = &self.callers[&leg];
        let (account, nickname) = (caller.account.clone(), caller.name.clone());
        self.post(
            Source::Call(leg),
            Mail::Input(Input::Dial { leg, account: AccountKey::named(&account), nickname, dial }),
        );
    }

    /// What is known of a call.
    pub fn dial_of(&self, leg: LegId) -> Dial {
        let caller = &self.callers[&leg];
        let mut room = self.rules.find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap();
        room.create = caller.create;
        room.ad_hoc = self.ad_hoc;
        (room.receipts, room.private_messages) = (self.receipts, self.private_messages);
        Dial {
            caller: SipUri::parse(&caller.uri()).unwrap(),
            call_id: format!("call-{}", leg.0),
            room,
            offer: Bytes::from(if caller.is_silent { String::new() } else { caller.offer() }),
            msrp: MsrpAddresses { host: "node1.example.com".into(), tcp: Some(2855), ..MsrpAddresses::default() },
            limits: Limits::default(),
            policy: Policy::default(),
        }
    }

    /// Delivers everything that is on its way, and what comes of it.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(source) = self.mail.iter().find(|(_, mail)| !mail.is_empty()).map(|(s, _)| *s) else {
                return self.at_rest();
            };
            self.deliver(source);
        }
        panic!("it never comes to rest");
    }

    /// Delivers the next thing from `source`.
    pub fn deliver(&mut self, source: Source) {
        match self.mail.get_mut(&source).and_then(VecDeque::pop_front) {
            None => {}
            Some(Mail::Input(input)) => self.feed(input),
            Some(Mail::Octets(leg, octets)) => self.feed_octets(leg, &octets),
            Some(Mail::Stanza(account, _)) if self.muc.stalls.as_ref() == Some(&account) => {}
            Some(Mail::Stanza(account, stanza)) => {
                let member = self.streams.iter().rfind(|(_, a)| **a == account).map(|(member, _)| *member);
                if let Some(member) = member {
                    self.feed_stanza(member, &account, stanza);
                }
            }
            Some(Mail::Ready(member)) => {
                if let Some(account) = self.streams.get(&member) {
                    let jid = account.with_resource_str("node1").unwrap();
                    self.feed(Input::StreamReady(member, jid));
                }
            }
        }
    }

    /// Hands on what the stream of a membership would.
    fn feed_stanza(&mut self, member: MembershipId, account: &BareJid, stanza: Stanza) {
        let framed = framed(account, &stanza);
        if self.interests.get(&member).is_some_and(|interest| !interest.covers(&framed)) {
            self.left_out += 1;
            return;
        }
        self.handed_on += 1;
        match self.room.recall(member, &framed) {
            Some(known) => self.feed(Input::Again(member, known)),
            None => {
                self.parsed += 1;
                self.feed(Input::Stanza(member, framed, stanza));
            }
        }
    }

    fn feed_octets(&mut self, leg: LegId, octets: &str) {
        // A connection that is gone carries nothing.
        if !self.callers[&leg].is_bound {
            return;
        }
        let mut collector = Collector::new(65_536);
        let mut buffer = BytesMut::from(octets.as_bytes());
        let incoming = collector.next(&mut buffer).unwrap().expect("a whole message");
        let turn = self.turn;
        match incoming {
            Incoming::Frame(frame) => {
                match self.lines.get_mut(&leg).map(|(line, share)| line.hear(self.now, *share, &frame)) {
                    None | Some(Heard::Request) => {}
                    Some(Heard::Answer(None)) => return,
                    Some(Heard::Answer(Some(outcome))) => return self.feed(Input::Concluded(leg, outcome)),
                    Some(Heard::Elsewhere) => {
                        self.callers.get_mut(&leg).unwrap().is_bound = false;
                        let (why, unsent) = ("506".into(), Vec::new());
                        return self.feed(Input::SessionLost { leg, why, ago: Duration::ZERO, unsent });
                    }
                }
                self.callers.get_mut(&leg).unwrap().taken += usize::from(frame.ends_a_send());
                let arrived = Instant::ZERO + (self.now - Instant::ZERO).saturating_sub(self.queued_for);
                self.feed(Input::Frame { leg, frame, arrived, turn });
            }
            Incoming::Bad(bad) => self.feed(Input::BadFrame(leg, bad)),
        }
    }

    pub fn feed(&mut self, input: Input) {
        let input = match input {
            Input::SessionLost { leg, why, ago, .. } => {
                let unsent = self.takes_back(leg);
                self.lines.remove(&leg);
                Input::SessionLost { leg, why, ago, unsent }
            }
            other => other,
        };
        self.handle(input);
        self.drain();
    }

    fn handle(&mut self, input: Input) {
        let mut env = Env { now: self.now, wall: WallClock::from_unix_millis(1_795_253_400_123), ids: &mut self.ids };
        self.room.handle(&mut env, input);
    }

    fn takes_back(&mut self, leg: LegId) -> Vec<Arc<Content>> {
        self.lines.get_mut(&leg).map(|(line, share)| line.take_back(*share)).unwrap_or_default()
    }

    /// The connection takes what there is to write, unless it is gone and the room has not heard of it.
    fn write(&mut self, leg: LegId) {
        let Some((line, _)) = self.lines.get_mut(&leg).filter(|_| self.callers[&leg].is_bound) else { return };
        while line.has_work() {
            let mut octets = Octets::new();
            line.fill(self.now, &mut octets);
            line.written(self.now);
            for response in self.callers.get_mut(&leg).unwrap().reads(octets) {
                self.mail.entry(Source::Msrp(leg)).or_default().push_back(Mail::Octets(leg, response));
            }
        }
    }

    /// Connections whose clients owe answers.
    fn lines_time_out(&mut self) {
        for leg in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some((line, _)) = self.lines.get_mut(&leg) else { continue };
            let mut outcomes = Vec::new();
            let mute = line.handle_timeout(self.now, &mut outcomes).err();
            for (_, outcome) in outcomes {
                self.feed(Input::Concluded(leg, outcome));
            }
            if let Some(mute) = mute {
                self.callers.get_mut(&leg).unwrap().is_bound = false;
                self.feed(Input::SessionLost { leg, why: mute.to_string(), ago: RESPONSE_TIME, unsent: Vec::new() });
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let lines = self.lines.values().filter_map(|(line, _)| line.next_timeout());
        self.room.next_timeout().into_iter().chain(lines).min()
    }

    /// Lets `time` pass; timers fire one by one, each at its moment.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.lines_time_out();
            self.fire();
            self.settle();
        }
        self.now = end;
    }

    pub fn fire(&mut self) {
        let mut env = Env { now: self.now, wall: WallClock::from_unix_millis(1_795_253_400_123), ids: &mut self.ids };
        self.room.handle_timeout(&mut env);
        self.drain();
        assert!(self.room.next_timeout().is_none_or(|at| at > self.now), "a timer fires in a loop");
    }

    fn drain(&mut self) {
        loop {
            while let Some(output) = self.room.poll() {
                self.perform(output);
            }
            let Some(input) = self.backlog.pop_front() else { break };
            self.handle(input);
        }
        // Connections write when the room has had its turn, not in the middle of it.
        for leg in self.lines.keys().copied().collect::<Vec<_>>() {
            self.write(leg);
        }
        for (account, stanza) in std::mem::take(&mut self.muc.outbox) {
            self.post(Source::Streams, Mail::Stanza(account, stanza));
        }
        self.check();
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Call(leg, command) => self.command(leg, command),
            Output::Invite(leg, offer) => self.caller(leg).invited = Some(String::from_utf8(offer.to_vec()).unwrap()),
            Output::OpenSession(leg, id, _) => self.caller(leg).session = Some(id),
            Output::Connect(leg, target) => {
                let caller = self.caller(leg);
                let address = format!("{}:{}", target.host, target.port);
                assert!(caller.path().contains(&address), "{address}");
                caller.connects += 1;
                if self.connects_sessions {
                    self.bind(leg);
                }
            }
            Output::Transmit(leg, frame) => {
                let now = self.now;
                if let Some((line, share)) = self.lines.get_mut(&leg) {
                    line.put(now, *share, frame).unwrap();
                }
            }
            Output::Send(leg, post) => {
                let now = self.now;
                let line = self.lines.get_mut(&leg);
                if line.is_some_and(|(line, share)| line.post(now, *share, post).is_err()) {
                    self.backlog.push_back(Input::SessionStalled(leg));
                }
            }
            Output::TakeBack(leg) => {
                let unsent = self.takes_back(leg);
                self.backlog.push_back(Input::Returned(leg, unsent));
            }
            Output::Credit(leg) => self.caller(leg).credited += 1,
            Output::CloseSession(leg, id) => {
                self.write(leg);
                let caller = self.caller(leg);
                assert_eq!(caller.session.take(), Some(id));
                caller.is_bound = false;
                caller.expects.clear(); // nobody answers on a session that is over (MS-REP-06)
                self.lines.remove(&leg);
                // What the connection had to say was about that session.
                self.mail.remove(&Source::Msrp(leg));
            }
            Output::Joined(member) => assert!(self.streams.contains_key(&member), "a membership that there is"),
            Output::Banned(leg) => {
                let caller = self.caller(leg);
                assert!(!caller.is_gone && !caller.is_banned, "once, and while it is known whose leg it is");
                caller.is_banned = true;
            }
            Output::Moved(instead) => self.moved.push(instead),
            Output::LegGone(leg) => {
                let caller = self.caller(leg);
                assert!(!caller.is_gone, "gone twice");
                caller.is_gone = true;
            }
            Output::OpenStream(member, account) => {
                self.streams.insert(member, account.to_string().parse().unwrap());
                self.interests.insert(member, Interest::Everything);
                if self.connects_streams {
                    self.post(Source::Streams, Mail::Ready(member));
                }
            }
            Output::Stanza(member, stanza) => self.carry(member, stanza),
            Output::Listen(member, interest) => {
                assert!(self.streams.contains_key(&member), "nobody is there to listen");
                assert_ne!(self.interests.insert(member, interest.clone()), Some(interest), "it was told before");
            }
            Output::CloseStream(member) => {
                assert!(self.streams.remove(&member).is_some(), "a stream that is not open is closed");
                self.interests.remove(&member);
            }
            Output::Notify(id, notification) => {
                let watcher = self.watchers.get_mut(&id).expect("a subscription that was made");
                assert!(!watcher.is_gone && !watcher.is_in_flight, "one notification at a time (EV-18)");
                watcher.takes(notification);
                if watcher.answers {
                    self.post(Source::Watcher(id), Mail::Input(Input::Notified(id, Outcome::Delivered)));
                }
            }
            Output::SubscriptionGone(id) => self.watchers.get_mut(&id).expect("a subscription").is_gone = true,
            Output::Referral(id, answer) => self.referrals.entry(id).or_default().push(answer),
            Output::Invitation(id, result) => assert!(self.invitations.insert(id, result).is_none(), "said twice"),
            Output::Trace(leg, trace) => self.caller(leg).traces.push(trace),
        }
    }

    fn caller(&mut self, leg: LegId) -> &mut Caller {
        self.callers.get_mut(&leg).expect("a leg that was dialled")
    }

    fn command(&mut self, leg: LegId, command: CallCommand) {
        let is_final = matches!(command, CallCommand::Reject(_) | CallCommand::Bye { .. });
        let is_accept = matches!(command, CallCommand::Accept { .. });
        self.caller(leg).call(command);
        if is_final {
            self.post(Source::Call(leg), Mail::Input(Input::CallEnded(leg, CallEnd::ByUs)));
        }
        if is_accept && self.connects_sessions {
            let caller = &self.callers[&leg];
            let answer = caller.is_silent.then(|| Input::Answered(leg, caller.offer().into()));
            self.post(Source::Call(leg), Mail::Input(answer.unwrap_or(Input::Confirmed(leg))));
            if self.callers[&leg].setup == "active" {
                self.bind(leg);
            }
        }
    }

    /// The connection of the session comes about; the client sends its first SEND on it.
    pub fn bind(&mut self, leg: LegId) {
        // Whatever is written from now on can be read, also what the room writes in the same moment.
        let caller = self.caller(leg);
        caller.is_bound = true;
        caller.reads_anew();
        let mut line = Transmitter::new(self.now, Limits::default(), false);
        let share = line.attach();
        self.lines.insert(leg, (line, share));
        self.post(Source::Msrp(leg), Mail::Input(Input::Bound(leg)));
    }

    fn carry(&mut self, member: MembershipId, stanza: OutStanza) {
        let account = self.streams.get(&member).expect("a stream for the stanza").clone();
        if let OutStanza::Groupchat { id, body, .. } | OutStanza::Private { id, body, .. } = &stanza
            && body.len() > self.max_body
        {
            let input = Input::Unsendable { membership: member, id: id.clone() };
            return self.post(Source::Streams, Mail::Input(input));
        }
        self.muc.take(account, stanza);
    }

    /// What holds after every step.
    fn check(&self) {
        for caller in self.callers.values() {
            self.check_order(caller);
            let own = caller.heard.iter().find(|(_, text)| caller.spoke.contains(text));
            assert_eq!(own, None, "{} hears himself", caller.name);
            assert!(caller.credited <= caller.taken, "{} got more credit than he used", caller.name);
            for (transaction, text) in &caller.expects {
                if caller.responses.get(transaction) == Some(&200) && !text.is_empty() {
                    let is_said = self.muc.said.iter().any(|(_, body)| body == text)
                        || self.muc.whispered.iter().any(|(_, _, body)| body == text);
                    assert!(is_said, "{text:?} was accepted and never said");
                }
            }
        }
    }

    /// Nobody hears a message twice, and everybody hears them in the order of the room.
    fn check_order(&self, caller: &Caller) {
        let mut said = self.muc.said.iter();
        for heard in &caller.heard {
            if heard.0.is_empty() {
                continue; // the room itself
            }
            let (name, all) = (&caller.name, &caller.heard);
            assert!(
                said.any(|s| s == heard),
                "{name} hears {heard:?} twice or too early: {all:?} of {:?}",
                self.muc.said
            );
        }
    }

    /// What holds when nothing is on its way.
    pub fn at_rest(&self) {
        for (member, account) in &self.streams {
            let has_leg = self
                .callers
                .values()
                .any(|c| c.account == *account && !c.is_gone && c.refusal.is_none() && c.bye.is_none());
            assert!(has_leg, "membership {member:?} of {account} has no leg");
        }
        if self.muc.is_frozen() {
            return; // it has not heard of everything yet
        }
        for (nick, account) in self.muc.occupants.iter().filter_map(|(n, who)| Some((n, who.as_ref()?))) {
            assert!(self.streams.values().any(|a| a == account), "{nick} was left behind in the room");
        }
    }
}
