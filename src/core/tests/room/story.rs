//! The people of a story, and what they do and see.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::conference::SubscriptionId;
use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::leg::{Dial, LegId};
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::calling::Outgoing;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId, Referral, Watch};
use mucfocus_core::room::referral::{Action, ReferralId};
use mucfocus_core::room::removing::Victim;

use crate::caller::Caller;
use crate::muc::Muc;
use crate::watcher::Watcher;
use crate::world::{Mail, Source, World};

/// A world that its people share.
#[derive(Clone)]
pub struct Story(Rc<RefCell<World>>);

impl Story {
    pub fn begins() -> Self {
        Self(Rc::new(RefCell::new(World::new())))
    }

    /// A room with Romeo in it, who listens.
    pub fn with_romeo() -> (Self, SipUser) {
        let story = Self::begins();
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        romeo.is_answered();
        (story, romeo)
    }

    pub fn world(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }

    pub fn muc(&self) -> RefMut<'_, Muc> {
        RefMut::map(self.0.borrow_mut(), |world| &mut world.muc)
    }

    pub fn sip_user(&self, name: &str) -> SipUser {
        let mut world = self.world();
        let leg = LegId(u64::try_from(world.callers.len()).unwrap() + 1);
        world.callers.insert(leg, Caller::new(leg, name));
        SipUser { story: self.clone(), leg }
    }

    /// Whatever the MUC has to say arrives.
    pub fn settles(&self) {
        let mut world = self.world();
        for (account, stanza) in std::mem::take(&mut world.muc.outbox) {
            world.post(Source::Streams, Mail::Stanza(account, Box::new(stanza)));
        }
        world.settle();
    }

    pub fn seconds_pass(&self, seconds: u64) {
        self.milliseconds_pass(seconds * 1000);
    }

    pub fn milliseconds_pass(&self, milliseconds: u64) {
        self.world().pass(Duration::from_millis(milliseconds));
    }

    /// Somebody on the XMPP side speaks.
    pub fn in_the_room(&self, nick: &str, text: &str) {
        self.muc().says(nick, None, text);
        self.settles();
    }

    pub fn muc_thaws(&self) {
        self.muc().thaws();
        self.settles();
    }

    pub fn everybody_leaves(&self) {
        let legs: Vec<LegId> = self.world().callers.keys().copied().collect();
        for leg in legs {
            let end = Input::CallEnded(leg, CallEnd::Bye { reason: None });
            if !self.world().callers[&leg].is_gone {
                self.world().feed(end);
            }
        }
        self.muc_thaws();
        let world = self.world();
        assert!(world.room.is_deserted(), "somebody is left in {:?}", world.room);
        assert_eq!(world.room.next_timeout(), None, "nothing is left to do");
    }
}

/// A SIP user and one call of his.
#[derive(Clone)]
pub struct SipUser {
    pub story: Story,
    pub leg: LegId,
}

impl SipUser {
    pub fn sees(&self) -> Ref<'_, Caller> {
        Ref::map(self.story.0.borrow(), |world| &world.callers[&self.leg])
    }

    pub fn client(&self) -> RefMut<'_, Caller> {
        RefMut::map(self.story.world(), |world| world.callers.get_mut(&self.leg).unwrap())
    }

    pub fn account(&self) -> BareJid {
        self.sees().account.clone()
    }

    pub fn dials(&self) {
        self.story.world().dial(self.leg);
        self.story.settles();
    }

    pub fn input(&self, input: Input) {
        self.story.world().post(Source::Call(self.leg), Mail::Input(input));
        self.story.settles();
    }

    pub fn is_answered(&self) {
        let sees = self.sees();
        assert!(sees.answer.is_some(), "{} is not answered: {:?}", sees.name, sees.refusal);
    }

    pub fn is_refused_with(&self, code: u16) -> String {
        let sees = self.sees();
        assert_eq!(sees.answer, None);
        let refusal = sees.refusal.as_ref().unwrap_or_else(|| panic!("{} waits still", sees.name));
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(sees.is_gone);
        refusal.text.clone()
    }

    pub fn is_still_waiting(&self) {
        let sees = self.sees();
        assert!(sees.answer.is_none() && sees.refusal.is_none(), "{} has an answer", sees.name);
    }

    /// The nickname that he has in the MUC.
    pub fn is_called(&self, nick: &str) {
        let account = self.account();
        assert_eq!(self.story.muc().nickname_of(&account).as_deref(), Some(nick));
    }

    pub fn is_not_in_the_room(&self) {
        let account = self.account();
        assert_eq!(self.story.muc().nickname_of(&account), None);
    }

    pub fn hangs_up(&self) {
        self.hangs_up_because(None);
    }

    pub fn hangs_up_because(&self, reason: Option<&str>) {
        self.input(Input::CallEnded(self.leg, CallEnd::Bye { reason: reason.map(Into::into) }));
    }

    pub fn cancels(&self) {
        self.story.world().post(Source::Call(self.leg), Mail::Input(Input::Cancelled(self.leg)));
        self.input(Input::CallEnded(self.leg, CallEnd::ByUs));
    }

    pub fn connects(&self) {
        self.story.world().bind(self.leg);
        self.story.settles();
    }

    /// Offers, within the call, what he offers now.
    pub fn reoffers(&self) {
        let offer = self.sees().offer();
        self.input(Input::Reoffered(self.leg, offer.into()));
    }

    pub fn loses_connection(&self) {
        self.client().is_bound = false;
        self.story.world().mail.remove(&Source::Msrp(self.leg));
        self.input(Input::SessionLost {
            leg: self.leg,
            why: "reset by peer".into(),
            ago: Duration::ZERO,
            unsent: vec![],
        });
    }

    fn member(&self) -> MembershipId {
        let account = self.account();
        self.story.world().streams.iter().find(|(_, a)| **a == account).map(|(m, _)| *m).unwrap()
    }

    /// The connection of his stream breaks; the server keeps the stream.
    pub fn stream_is_suspended(&self) {
        self.input(Input::StreamSuspended(self.member(), StreamEnd::Lost("reset by peer".into())));
    }

    /// There is another one, and nothing is lost.
    pub fn stream_is_resumed(&self) {
        self.stream_is_resumed_without(&[]);
    }

    /// It is back, and these private messages have not got anywhere.
    pub fn stream_is_resumed_without(&self, unhandled: &[String]) {
        self.input(Input::StreamResumed { membership: self.member(), unhandled: unhandled.into() });
    }

    /// The server has lost the stream, and gives him another.
    pub fn stream_is_reset(&self) {
        self.stream_is_reset_without(&[]);
    }

    /// The same, and it says that it has never handled what has these ids.
    pub fn stream_is_reset_without(&self, unhandled: &[String]) {
        let (member, account) = (self.member(), self.account());
        self.story.muc().loses(&account);
        let why = StreamEnd::Lost("reset by peer".into());
        self.input(Input::StreamReset { membership: member, why, unhandled: unhandled.into() });
        self.input(Input::StreamReady(member, account.with_resource_str("node1").unwrap()));
    }

    pub fn loses_stream(&self, end: StreamEnd) {
        let account = self.account();
        let member = self.story.world().streams.iter().find(|(_, a)| **a == account).map(|(m, _)| *m).unwrap();
        self.story.muc().loses(&account);
        self.input(Input::StreamEnded(member, end));
    }

    /// His new stream is there.
    pub fn stream_is_ready(&self) {
        let jid = self.account().with_resource_str("node1").unwrap();
        self.input(Input::StreamReady(self.member(), jid));
    }

    /// The call was ended by the room, with this cause and a text that has `why` in it.
    pub fn gets_bye(&self, cause: u16, why: &str) {
        let sees = self.sees();
        let (code, text) = sees.bye.clone().unwrap_or_else(|| panic!("{} got no BYE", sees.name));
        assert_eq!(code, cause, "{text}");
        assert!(text.contains(why), "{text:?} does not say {why:?}");
    }

    pub fn has_heard(&self, expected: &[(&str, &str)]) {
        let sees = self.sees();
        let heard: Vec<(&str, &str)> = sees.heard.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!(heard, expected, "what {} hears", sees.name);
    }

    /// Subscribes to the conference package in his own name, for ten minutes.
    pub fn watches(&self) -> Subscriber {
        self.watches_for(600, None)
    }

    /// The same within his call.
    pub fn watches_within_the_call(&self) -> Subscriber {
        self.watches_for(600, Some(self.leg))
    }

    pub fn watches_for(&self, seconds: u64, leg: Option<LegId>) -> Subscriber {
        let mut world = self.story.world();
        let id = SubscriptionId(u64::try_from(world.watchers.len()).unwrap() + 1);
        world.watchers.insert(id, Watcher::new());
        let mut room = world.rules.find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap();
        room.whole_roster = world.whole_roster;
        let watch = Watch {
            caller: SipUri::parse(&world.callers[&self.leg].uri()).unwrap(),
            leg,
            room,
            expires: Duration::from_secs(seconds),
            interval: None,
        };
        world.post(Source::Watcher(id), Mail::Input(Input::Subscribe { subscription: id, watch: Box::new(watch) }));
        drop(world);
        self.story.settles();
        Subscriber { story: self.story.clone(), id }
    }

    /// Refers somebody to the room; what comes of it.
    pub fn refers(&self, invitee: &str) -> ReferralId {
        self.wants(Action::Invite(BareJid::new(invitee).unwrap()), None)
    }

    /// Wants somebody out of the room, and may say why.
    pub fn removes(&self, victim: Victim, reason: Option<&str>) -> ReferralId {
        self.wants(Action::Remove(victim), reason)
    }

    /// Wants somebody called who has a phone.
    pub fn has_called(&self, callee: &Self) -> ReferralId {
        let dial = Dial { offer: Bytes::new(), ..self.story.world().dial_of(callee.leg) };
        let (account, nickname) = (AccountKey::named(&callee.account()), callee.sees().name.clone());
        self.wants(Action::Call(Box::new(Outgoing { leg: callee.leg, account, nickname, dial })), None)
    }

    /// Somebody on the XMPP side invites him to the room.
    pub fn is_invited(&self) -> InvitationId {
        let dial = Dial { offer: Bytes::new(), ..self.story.world().dial_of(self.leg) };
        let (account, nickname) = (AccountKey::named(&self.account()), self.sees().name.clone());
        let outgoing = Box::new(Outgoing { leg: self.leg, account, nickname, dial });
        let id = InvitationId(self.leg.0);
        self.input(Input::Invited { id, outgoing });
        id
    }

    /// His phone says so.
    pub fn rings(&self, code: u16, phrase: &str) {
        self.input(Input::Ringing { leg: self.leg, code, phrase: phrase.into() });
    }

    /// He takes the call, and connects.
    pub fn picks_up(&self) {
        let (offer, is_active) = (self.sees().offer(), self.sees().setup == "active");
        self.story.world().post(Source::Call(self.leg), Mail::Input(Input::Answered(self.leg, offer.into())));
        if is_active {
            self.story.world().bind(self.leg);
        }
        self.story.settles();
    }

    /// He does not.
    pub fn refuses(&self, code: u16, phrase: &str) {
        let end = CallEnd::Refused { code, phrase: phrase.into(), contact: None };
        self.input(Input::CallEnded(self.leg, end));
    }

    fn wants(&self, action: Action, reason: Option<&str>) -> ReferralId {
        let mut world = self.story.world();
        let id = ReferralId(u64::try_from(world.referrals.len()).unwrap() + 1);
        world.referrals.insert(id, Vec::new());
        let caller = SipUri::parse(&world.callers[&self.leg].uri()).unwrap();
        let room = world.rules.find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap();
        let referral = Referral { caller, leg: None, room, action, reason: reason.map(Into::into) };
        world.post(Source::Call(self.leg), Mail::Input(Input::Refer { id, referral: Box::new(referral) }));
        drop(world);
        self.story.settles();
        id
    }

    /// Wants to be called something else; what is returned names the request.
    pub fn wants_to_be(&self, nickname: &str) -> String {
        let transaction = self.writes("NICKNAME", &format!("Use-Nickname: \"{nickname}\"\r\n"), None, '$');
        self.story.settles();
        transaction
    }

    /// Says something to one occupant.
    pub fn whispers_to(&self, nickname: &str, text: &str) -> String {
        let from = self.sees().uri();
        let cpim = format!(
            "From: <{from}>\r\nTo: <sip:capulet@rooms.example.com;gr={nickname}>\r\n\r\n\
             Content-Type: text/plain;charset=utf-8\r\n\r\n{text}"
        );
        let transaction = self.sends("", &cpim);
        self.client().expects.insert(transaction.clone(), text.into());
        self.story.settles();
        transaction
    }

    /// A CPIM message of his to the room.
    pub fn cpim(&self, text: &str) -> String {
        let from = self.sees().uri();
        format!(
            "From: <{from}>\r\nTo: <sip:capulet@rooms.example.com>\r\nDateTime: 2026-11-21T09:30:00Z\r\n\r\n\
             Content-Type: text/plain;charset=utf-8\r\n\r\n{text}"
        )
    }

    /// Says something in one chunk; what is returned names the request.
    pub fn says(&self, text: &str) -> String {
        self.says_with("", text)
    }

    /// The same with more headers, each with its line end.
    pub fn says_with(&self, headers: &str, text: &str) -> String {
        let transaction = self.sends(headers, &self.cpim(text));
        self.client().spoke.insert(text.into());
        if !headers.contains("Failure-Report") {
            self.client().expects.insert(transaction.clone(), text.into());
        }
        self.story.settles();
        transaction
    }

    /// Puts a SEND with this CPIM on its way.
    pub fn sends(&self, headers: &str, cpim: &str) -> String {
        let length = cpim.len();
        let range = format!("Byte-Range: 1-{length}/{length}\r\nContent-Type: message/cpim\r\n");
        let id = self.sees().transactions + 1;
        self.writes("SEND", &format!("Message-ID: m{}-{id}\r\n{headers}{range}", self.leg.0), Some(cpim), '$')
    }

    /// Puts a request on its way, octet for octet.
    pub fn writes(&self, method: &str, headers: &str, body: Option<&str>, flag: char) -> String {
        let mut world = self.story.world();
        let caller = world.callers.get_mut(&self.leg).unwrap();
        caller.transactions += 1;
        let transaction = format!("t{}x{:04}", self.leg.0, caller.transactions);
        let session = caller.session.clone().unwrap_or_else(|| "none".into());
        let path = caller.path();
        let body = body.map_or_else(String::new, |body| format!("\r\n{body}\r\n"));
        let octets = format!(
            "MSRP {transaction} {method}\r\nTo-Path: msrp://node1.example.com:2855/{session};tcp\r\n\
             From-Path: {path}\r\n{headers}{body}-------{transaction}{flag}\r\n"
        );
        world.post(Source::Msrp(self.leg), Mail::Octets(self.leg, octets));
        transaction
    }

    pub fn gets_response(&self, transaction: &str, code: u16) {
        let sees = self.sees();
        assert_eq!(sees.responses.get(transaction), Some(&code), "{:?}", sees.comments);
    }

    pub fn gets_no_response(&self, transaction: &str) {
        assert_eq!(self.sees().responses.get(transaction), None);
    }

    /// Every SEND that was taken in has given its place back.
    pub fn has_all_credit(&self) {
        let sees = self.sees();
        assert_eq!(sees.credited, sees.taken, "credit of {}", sees.name);
    }
}

/// Somebody's subscription.
pub struct Subscriber {
    story: Story,
    id: SubscriptionId,
}

impl Subscriber {
    pub fn sees(&self) -> Ref<'_, Watcher> {
        Ref::map(self.story.0.borrow(), |world| &world.watchers[&self.id])
    }

    /// The list of the last document.
    pub fn shows(&self, nicknames: &[&str]) {
        let list = self.sees().list();
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        assert_eq!(list, nicknames, "{}", self.sees().last());
    }

    pub fn documents(&self) -> usize {
        self.sees().documents.len()
    }

    pub fn input(&self, input: impl FnOnce(SubscriptionId) -> Input) {
        self.story.world().post(Source::Watcher(self.id), Mail::Input(input(self.id)));
        self.story.settles();
    }
}
