//! Virtual time, and everybody who has to do with one room. After each input the world checks what users may rely on.

// The benches have this file by its path, which is why the files below it are named by theirs.
#[path = "world/lines.rs"]
mod lines;
#[path = "world/outputs.rs"]
mod outputs;
#[path = "world/promises.rs"]
mod promises;
#[path = "world/suspensions.rs"]
mod suspensions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jid::BareJid;
use mucfocus_core::address::mapping::{RoomRule, RoomRules};
use mucfocus_core::address::pattern::Pattern;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::{NicknameTemplate, Template};
use mucfocus_core::conference::SubscriptionId;
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::leg::call::Refusal;
use mucfocus_core::leg::{Dial, LegId, MsrpAddresses, MsrpPlace, Policy};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Share, Transmitter};
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};
use mucfocus_core::room::{Room, Settings, Timeouts};
use mucfocus_core::stanza::{OutStanza, Stanza};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::sdp::Carrier;
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
    Stanza(BareJid, Box<Stanza>),
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
    /// Accounts whose streams have no connection, and what waits for one: to us, and from us.
    suspended: BTreeMap<BareJid, (VecDeque<Stanza>, VecDeque<OutStanza>)>,
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

/// What a node listens on, which has a name.
pub fn node1(listen: &[(Carrier, u16)]) -> MsrpAddresses {
    let places = listen.iter().map(|(carrier, port)| place(*carrier, "node1.example.com", *port)).collect();
    MsrpAddresses { places, certificate: None }
}

/// A listener for both families.
pub fn place(carrier: Carrier, host: &str, port: u16) -> MsrpPlace {
    MsrpPlace { carrier, host: host.into(), port, family: None }
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
        let mut world = Self {
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
            suspended: BTreeMap::new(),
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
        };
        world.is_now(world.now);
        world
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
            Mail::Input(Input::Dial { leg, account: AccountKey::named(&account), nickname, dial: Box::new(dial) }),
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
            msrp: node1(&[(Carrier::Tcp, 2855)]),
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
                if let Some((incoming, _)) = self.suspended.get_mut(&account) {
                    return incoming.push_back(*stanza);
                }
                let member = self.streams.iter().rfind(|(_, a)| **a == account).map(|(member, _)| *member);
                if let Some(member) = member {
                    self.feed_stanza(member, &account, *stanza);
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
                self.feed(Input::Stanza(member, framed, Box::new(stanza)));
            }
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

    /// The time that people read.
    fn wall(&self) -> WallClock {
        WallClock::from_unix_millis(1_795_253_399_123 + self.now.as_micros() / 1000)
    }

    /// It is this late.
    pub fn is_now(&mut self, now: Instant) {
        self.now = now;
        self.muc.wall = self.wall();
    }

    /// Prints what goes in and out where `TELL` is set.
    #[expect(clippy::print_stdout, reason = "for who plays a scenario again, and captured with the test")]
    fn tell(&self, way: &str, what: &dyn std::fmt::Debug) {
        static TELLS: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| std::env::var_os("TELL").is_some());
        if *TELLS {
            println!("{:>10.3} {way} {what:?}", Duration::from_micros(self.now.as_micros()).as_secs_f64());
        }
    }

    fn handle(&mut self, input: Input) {
        self.tell("in ", &input);
        let wall = self.wall();
        let mut env = Env { now: self.now, wall, ids: &mut self.ids };
        self.room.handle(&mut env, input);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let lines = self.lines.values().filter_map(|(line, _)| line.next_timeout());
        self.room.next_timeout().into_iter().chain(lines).min()
    }

    /// Lets `time` pass; timers fire one by one, each at its moment.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_timeout().filter(|at| *at <= end) {
            self.is_now(at.max(self.now));
            self.lines_time_out();
            self.fire();
            self.settle();
        }
        self.is_now(end);
    }

    pub fn fire(&mut self) {
        let wall = self.wall();
        let mut env = Env { now: self.now, wall, ids: &mut self.ids };
        self.room.handle_timeout(&mut env);
        self.drain();
        assert!(self.room.next_timeout().is_none_or(|at| at > self.now), "a timer fires in a loop");
    }
}
