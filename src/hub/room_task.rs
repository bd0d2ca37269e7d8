//! The task of one room: feeds the machine of the core, and carries out what it puts out.
//!
//! Everything that has to be undone at the end is undone by dropping it (seats, whose streams then send the leave, open
//! sessions, holds, the senders of call commands), so that a panic in here ends this room's legs properly and nobody else's.

mod operating;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::leg::call::{CallCommand, Refusal};
use mucfocus_core::leg::{Expectation, LegId, Target};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::Room;
use mucfocus_core::room::calling::Outgoing;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId, Output, Trace};
use mucfocus_core::room::referral::Action;
use mucfocus_core::stanza::OutStanza;
use mucfocus_core::time::Instant;
use mucfocus_core::xmpp_stream::framing::Framed;
use tokio::sync::mpsc;

use super::accounts::Hold;
use super::call::{NewCall, NewInvitation, NewLeg, NewReferral, NewSubscription};
use super::clock::{self, RandomIds};
use super::directory::{InForce, Shared};
use super::joins::Joins;
use super::leg_log::LegLog;
use super::mail::{CallEnd, CallMail, Mail, SessionMail, StreamMail, SubscriptionMail};
use super::mailbox::{Address, Letter, Mailbox, SourceId};
use super::speakers::{Speaker, Speakers};
use super::unfinished::Part;
use super::watchers::Watchers;
use crate::msrp_net::link::SessionLink;
use crate::msrp_net::listener;
use crate::msrp_net::outbox::Stalled;
use crate::msrp_net::table::OpenSession;
use crate::observe::ladder::{self, Held, Party, Side, Way};
use crate::observe::metrics::Fate;
use crate::sip::port::{COMMANDS, Placed};
use crate::xmpp::attachment::Attachment;
use crate::xmpp::invitations::Invited;
use crate::xmpp::settings::{Account, Login};
use crate::xmpp::{decode, encode};

/// Inputs that a room takes in before it lets others run.
const TURN: usize = 64;

/// Runs one room until it has nothing left to do.
pub(super) struct RoomTask {
    room: Room,
    mailbox: Mailbox,
    address: Address,
    shared: Arc<Shared>,
    ids: RandomIds,
    legs: BTreeMap<LegId, LegHandles>,
    /// The legs of an account.
    of_account: BTreeMap<AccountKey, Vec<LegId>>,
    /// Legs with unfinished messages.
    unfinished: BTreeSet<LegId>,
    seats: BTreeMap<MembershipId, Attachment>,
    joins: Joins,
    watchers: Watchers,
    /// Whose phones ring because somebody invited them.
    invitations: BTreeMap<InvitationId, Arc<Invited>>,
    speakers: Speakers,
    backlog: VecDeque<Input>,
    draining: bool,
}

/// A leg's ends of its drivers.
struct LegHandles {
    commands: mpsc::Sender<CallCommand>,
    account: Account,
    hold: Hold,
    /// The address of record of somebody who has no name on the XMPP side.
    stranger: Option<String>,
    session: Option<OpenSession>,
    link: Option<SessionLink>,
    /// Whether a connection was made for it before, which may be lost without anybody knowing it yet.
    has_dialled: bool,
    unfinished: Part,
    log: LegLog,
    ladder: Option<Held>,
    /// Of a call that is to be made.
    calling: Option<Calling>,
}

/// What a call of ours needs that the room has not to know.
struct Calling {
    callee: SipUri,
    room: SipUri,
    call_id: String,
    referred_by: Option<String>,
    subject: Option<String>,
    commands: mpsc::Receiver<CallCommand>,
}

impl RoomTask {
    pub(super) fn new(room: Room, mailbox: Mailbox, shared: Arc<Shared>) -> Self {
        Self {
            room,
            address: mailbox.address(),
            mailbox,
            watchers: Watchers::new(Arc::clone(&shared.metrics)),
            shared,
            ids: RandomIds,
            legs: BTreeMap::new(),
            of_account: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            seats: BTreeMap::new(),
            joins: Joins::default(),
            invitations: BTreeMap::new(),
            speakers: Speakers::default(),
            backlog: VecDeque::new(),
            draining: false,
        }
    }

    /// Runs until `retire` agrees that the room may go: it is asked whenever the room is deserted.
    pub(super) async fn run(mut self, retire: impl Fn(&Mailbox) -> bool) {
        let mut drain = self.shared.drain.subscribe();
        let mut in_force = self.shared.in_force.subscribe();
        // Whatever changed since the room was made.
        in_force.mark_changed();
        loop {
            let due = self.room.next_timeout().map(clock::to_tokio);
            tokio::select! {
                letter = self.mailbox.recv() => self.take_turn(letter),
                () = sleep_until(due), if due.is_some() => self.timeout(),
                _ = drain.changed(), if !self.draining => self.drain(),
                _ = in_force.changed() => {
                    let InForce { rules, timeouts } = in_force.borrow_and_update().clone();
                    self.input(Input::Reconfigured { rules, timeouts });
                }
            }
            if self.room.is_deserted() && self.legs.is_empty() && retire(&self.mailbox) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn take_turn(&mut self, first: Letter) {
        self.open(first);
        for _ in 1..TURN {
            let Some(letter) = self.mailbox.try_recv() else { return };
            self.open(letter);
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.input(Input::Drain);
    }

    fn timeout(&mut self) {
        let Self { room, ids, .. } = self;
        room.handle_timeout(&mut clock::env(ids));
        for leg in self.unfinished.clone() {
            self.weigh(leg);
        }
        self.carry_out();
    }

    fn input(&mut self, input: Input) {
        let Self { room, ids, .. } = self;
        let speaks = if let Input::Frame { leg, .. } = &input { Some(*leg) } else { None };
        room.handle(&mut clock::env(ids), input);
        if let Some(leg) = speaks {
            self.weigh(leg);
        }
        self.carry_out();
    }

    /// Notes what the unfinished messages of a leg hold now.
    fn weigh(&mut self, leg: LegId) {
        let Some(handles) = self.legs.get_mut(&leg) else { return };
        let held = self.room.unfinished(leg);
        handles.unfinished.set(held);
        if held > 0 {
            self.unfinished.insert(leg);
        } else {
            self.unfinished.remove(&leg);
        }
    }

    fn open(&mut self, letter: Letter) {
        let input = match letter.mail {
            Mail::Dial(new) => return self.dial(letter.from, *new),
            Mail::Call(mail) => self.call_input(letter.from, mail),
            Mail::Session(mail) => self.session_input(letter.from, mail),
            Mail::Stream(mail) => self.stream_input(letter.from, mail),
            Mail::Subscribe(new) => return self.subscribe(letter.from, *new),
            Mail::Subscription(mail) => self.subscription_input(letter.from, mail),
            Mail::Refer(new) => return self.refer(letter.from, *new),
            Mail::Invited(new) => return self.invited(*new),
            Mail::Operator(ask) => return self.answer(ask),
            Mail::Turn(turn) => {
                if let Some((member, join)) = self.joins.turn_came(letter.from, turn) {
                    self.write_stanza(member, &join);
                    self.carry_out();
                }
                None
            }
            Mail::ReferralEnded => {
                if let Some(speaker @ Speaker::Referral(id)) = self.speakers.of(letter.from) {
                    self.speakers.dismiss(speaker);
                    self.watchers.referral_ended(id);
                }
                None
            }
        };
        if let Some(input) = input {
            self.input(input);
        }
    }

    fn dial(&mut self, from: SourceId, new: NewLeg) {
        let NewLeg { leg, account, hold, nickname, dial, commands } = new;
        let log = LegLog::new(&dial, &account.jid);
        let ladder = self.shared.ladder.hold(&dial.call_id);
        self.speakers.introduce(from, Speaker::Call(leg));
        let key = account.key.clone();
        let unfinished = self.shared.unfinished.part();
        let stranger = matches!(account.login, Login::Anonymous).then(|| dial.caller.aor_key());
        self.of_account.entry(key.clone()).or_default().push(leg);
        let (session, link, calling) = (None, None, None);
        let handles = LegHandles {
            commands,
            account,
            hold,
            stranger,
            session,
            link,
            has_dialled: false,
            unfinished,
            log,
            ladder,
            calling,
        };
        self.legs.insert(leg, handles);
        self.input(Input::Dial { leg, account: key, nickname, dial });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn call_input(&mut self, from: SourceId, mail: CallMail) -> Option<Input> {
        let Some(speaker @ Speaker::Call(leg)) = self.speakers.of(from) else { return None };
        Some(match mail {
            CallMail::Cancelled => Input::Cancelled(leg),
            CallMail::Ringing { code, phrase } => Input::Ringing { leg, code, phrase },
            CallMail::Confirmed => Input::Confirmed(leg),
            CallMail::Answered { answer } => Input::Answered(leg, answer),
            CallMail::Reinvite { offer } => Input::Reoffered(leg, offer),
            CallMail::Ended(end) => {
                self.speakers.dismiss(speaker);
                Input::CallEnded(leg, end)
            }
        })
    }

    fn subscribe(&mut self, from: SourceId, new: NewSubscription) {
        let NewSubscription { subscription, watch, notifications, place } = new;
        self.speakers.introduce(from, Speaker::Subscription(subscription));
        self.watchers.subscribed(subscription, notifications, place);
        self.input(Input::Subscribe { subscription, watch });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn subscription_input(&mut self, from: SourceId, mail: SubscriptionMail) -> Option<Input> {
        let Some(speaker @ Speaker::Subscription(id)) = self.speakers.of(from) else { return None };
        Some(match mail {
            SubscriptionMail::Refreshed { expires, interval } => {
                let expires = Duration::from_secs(expires.into());
                Input::Refreshed { subscription: id, expires, interval }
            }
            SubscriptionMail::Notified(outcome) => {
                self.shared.metrics.notification(outcome);
                Input::Notified(id, outcome)
            }
            SubscriptionMail::Ended => {
                self.speakers.dismiss(speaker);
                Input::SubscriptionEnded(id)
            }
        })
    }

    fn refer(&mut self, from: SourceId, new: NewReferral) {
        let NewReferral { id, referral, call, answers } = new;
        self.speakers.introduce(from, Speaker::Referral(id));
        let removes = matches!(referral.action, Action::Remove(_));
        self.watchers.referred(id, removes, answers);
        if let (Some(call), Action::Call(outgoing)) = (call, &referral.action) {
            self.prepare_call(call, outgoing);
        }
        self.input(Input::Refer { id, referral });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn invited(&mut self, new: NewInvitation) {
        let NewInvitation { id, outgoing, call, invited } = new;
        self.invitations.insert(id, invited);
        self.prepare_call(call, &outgoing);
        self.input(Input::Invited { id, outgoing: Box::new(outgoing) });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn invitation_over(&mut self, id: InvitationId, result: Result<(), Refusal>) {
        if let (Some(invited), Err(refusal)) = (self.invitations.remove(&id), result) {
            invited.answer_with(&refusal);
        }
    }

    /// What a leg of ours needs should the room want the call.
    fn prepare_call(&mut self, call: NewCall, outgoing: &Outgoing) {
        let NewCall { account, hold, referred_by, subject } = call;
        let dial = &outgoing.dial;
        let log = LegLog::new(dial, &account.jid);
        let (commands, from_room) = mpsc::channel(COMMANDS);
        let calling = Calling {
            callee: dial.caller.clone(),
            room: dial.room.uri.clone(),
            call_id: dial.call_id.clone(),
            referred_by,
            subject,
            commands: from_room,
        };
        let ladder = self.shared.ladder.hold(&dial.call_id);
        let unfinished = self.shared.unfinished.part();
        let stranger = matches!(account.login, Login::Anonymous).then(|| dial.caller.aor_key());
        self.of_account.entry(account.key.clone()).or_default().push(outgoing.leg);
        let (session, link, calling) = (None, None, Some(calling));
        let handles = LegHandles {
            commands,
            account,
            hold,
            stranger,
            session,
            link,
            has_dialled: false,
            unfinished,
            log,
            ladder,
            calling,
        };
        self.legs.insert(outgoing.leg, handles);
    }

    /// Hands a call to who makes it. When nobody takes it, the source says so as it is dropped.
    fn place_call(&mut self, leg: LegId, offer: Bytes) {
        let Some(calling) = self.legs.get_mut(&leg).and_then(|handles| handles.calling.take()) else { return };
        let vanished = CallMail::Ended(CallEnd::Failed("nobody makes this call: too many are being made".into()));
        let (source_id, source) = self.address.source(Mail::Call(vanished));
        self.speakers.introduce(source_id, Speaker::Call(leg));
        let Calling { callee, room, call_id, referred_by, subject, commands } = calling;
        let placed = Placed { callee, room, leg, call_id, offer, subject, referred_by, commands, source };
        if let Some(calls) = &self.shared.calls {
            let _ = calls.try_send(placed);
        }
    }

    fn session_input(&mut self, from: SourceId, mail: SessionMail) -> Option<Input> {
        let Some(speaker @ Speaker::Session(leg)) = self.speakers.of(from) else { return None };
        Some(match mail {
            SessionMail::Bound(link) => {
                self.note(leg, Side::Msrp, Way::In, || "(connected)".into());
                self.legs.get_mut(&leg)?.link = Some(link);
                Input::Bound(leg)
            }
            SessionMail::Frame { frame, arrived } => {
                self.note(leg, Side::Msrp, Way::In, || ladder::msrp_frame(&frame));
                let turn = frame.ends_a_send().then(|| self.turn_of(leg)).flatten();
                if let Some(handles) = self.legs.get(&leg) {
                    self.room.grant(leg, handles.unfinished.spare());
                }
                Input::Frame { leg, frame: *frame, arrived, turn }
            }
            SessionMail::Concluded(outcome) => Input::Concluded(leg, outcome),
            SessionMail::Bad(bad) => Input::BadFrame(leg, *bad),
            SessionMail::Lost { why, ago } => {
                self.note(leg, Side::Msrp, Way::In, || "(connection lost)".into());
                self.speakers.dismiss(speaker);
                let unsent = self.take_back(leg);
                if let Some(handles) = self.legs.get_mut(&leg) {
                    handles.link = None;
                }
                Input::SessionLost { leg, why, ago, unsent }
            }
        })
    }

    fn turn_of(&self, leg: LegId) -> Option<Instant> {
        let patience = self.shared.in_force.borrow().timeouts.reflection;
        self.legs.get(&leg).map(|handles| handles.hold.budget().turn(clock::now(), patience))
    }

    fn stream_input(&mut self, from: SourceId, mail: StreamMail) -> Option<Input> {
        let Some(speaker @ Speaker::Stream(member)) = self.speakers.of(from) else { return None };
        match mail {
            StreamMail::Ready { bound } => {
                self.note_stanza(member, Way::In, || "(stream up)".into());
                Some(Input::StreamReady(member, bound))
            }
            StreamMail::Suspended(why) => Some(Input::StreamSuspended(member, why)),
            StreamMail::Resumed => Some(Input::StreamResumed(member)),
            StreamMail::Reset { why, unhandled } => Some(Input::StreamReset { membership: member, why, unhandled }),
            StreamMail::Ended(end) => {
                self.note_stanza(member, Way::In, || "(stream lost)".into());
                self.speakers.dismiss(speaker);
                Some(Input::StreamEnded(member, end))
            }
            StreamMail::Stanza(framed) => {
                self.note_stanza(member, Way::In, || ladder::stanza(&framed.bytes, Party::Sender));
                self.stanza_input(member, framed)
            }
        }
    }

    /// A copy of a message that another membership has heard is not parsed again.
    fn stanza_input(&self, member: MembershipId, framed: Framed) -> Option<Input> {
        if let Some(known) = self.room.recall(member, &framed) {
            self.shared.metrics.xmpp_stanza(framed.name(), Fate::Recalled);
            return Some(Input::Again(member, known));
        }
        match decode::decode(&framed.bytes) {
            Ok(stanza) => {
                self.shared.metrics.xmpp_stanza(framed.name(), Fate::Parsed);
                Some(Input::Stanza(member, framed, stanza))
            }
            Err(error) => {
                self.shared.metrics.xmpp_stanza_skipped("undecodable");
                tracing::debug!(%error, "a stanza of the room could not be read and was skipped");
                None
            }
        }
    }

    /// Carries out everything that the room put out, and what comes of it at once.
    fn carry_out(&mut self) {
        self.shared.metrics.messages_rendered(self.room.take_renderings());
        loop {
            while let Some(output) = self.room.poll() {
                self.perform(output);
            }
            let Some(input) = self.backlog.pop_front() else { return };
            let Self { room, ids, .. } = self;
            room.handle(&mut clock::env(ids), input);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Call(leg, command) => self.command(leg, command),
            Output::Invite(leg, offer) => self.place_call(leg, offer),
            Output::OpenSession(leg, id, expected) => self.open_session(leg, id, expected),
            Output::Connect(leg, target) => self.connect(leg, target),
            Output::Transmit(leg, frame) => {
                self.note(leg, Side::Msrp, Way::Out, || ladder::msrp_head(&frame.head));
                self.write(leg, |link| link.put(frame));
            }
            Output::Send(leg, post) => {
                self.note(leg, Side::Msrp, Way::Out, || format!("SEND, {} octets", post.content.body().len()));
                self.write(leg, |link| link.send(post));
            }
            Output::TakeBack(leg) => {
                let unsent = self.take_back(leg);
                self.backlog.push_back(Input::Returned(leg, unsent));
            }
            Output::Credit(leg) => {
                if let Some(link) = self.legs.get(&leg).and_then(|handles| handles.link.as_ref()) {
                    link.give_credit();
                }
            }
            Output::CloseSession(leg, _) => {
                if let Some(handles) = self.legs.get_mut(&leg) {
                    (handles.session, handles.link) = (None, None);
                }
                self.weigh(leg);
                // What its connection still has to say is not about the session that may follow.
                self.speakers.dismiss(Speaker::Session(leg));
            }
            Output::LegGone(leg) => self.leg_gone(leg),
            Output::Joined(member) => self.joins.is_over(member),
            Output::Banned(leg) => self.banned(leg),
            Output::Moved(instead) => self.shared.moved.note(self.room.muc(), instead, clock::now()),
            Output::OpenStream(member, account) => self.open_stream(member, &account),
            Output::Stanza(member, stanza) => self.send_stanza(member, &stanza),
            Output::Listen(member, interest) => {
                if let Some(seat) = self.seats.get(&member) {
                    seat.listen(interest);
                }
            }
            Output::CloseStream(member) => {
                self.seats.remove(&member);
                self.joins.is_over(member);
                self.speakers.dismiss(Speaker::Stream(member));
            }
            Output::Notify(id, notification) => {
                if !self.watchers.notify(id, notification) {
                    self.backlog.push_back(Input::SubscriptionEnded(id));
                }
            }
            Output::SubscriptionGone(id) => {
                self.watchers.unsubscribed(id);
                self.speakers.dismiss(Speaker::Subscription(id));
            }
            Output::Invitation(id, result) => self.invitation_over(id, result),
            Output::Referral(id, answer) => self.watchers.answer(id, answer),
            Output::Trace(leg, trace) => {
                if let Trace::Suspended { .. } | Trace::Resumed { .. } | Trace::Reset { .. } | Trace::CaughtUp { .. } =
                    trace
                {
                    self.note(leg, Side::Xmpp, Way::In, || format!("({trace})"));
                }
                if let Some(handles) = self.legs.get_mut(&leg) {
                    handles.log.record(&trace, &self.shared.metrics);
                }
            }
        }
    }

    fn write(&mut self, leg: LegId, write: impl FnOnce(&SessionLink) -> Result<(), Stalled>) {
        let link = self.legs.get(&leg).and_then(|handles| handles.link.as_ref());
        if link.is_some_and(|link| write(link).is_err()) {
            self.shared.metrics.peers_stalled.inc();
            self.backlog.push_back(Input::SessionStalled(leg));
        }
    }

    fn take_back(&self, leg: LegId) -> Vec<Arc<Content>> {
        let link = self.legs.get(&leg).and_then(|handles| handles.link.as_ref());
        link.map(SessionLink::take_back).unwrap_or_default()
    }

    fn leg_gone(&mut self, leg: LegId) {
        if let Some(handles) = self.legs.remove(&leg)
            && let Entry::Occupied(mut legs) = self.of_account.entry(handles.account.key)
        {
            legs.get_mut().retain(|l| *l != leg);
            if legs.get().is_empty() {
                legs.remove();
            }
        }
        self.unfinished.remove(&leg);
        self.speakers.dismiss(Speaker::Call(leg));
        self.speakers.dismiss(Speaker::Session(leg));
    }

    /// A named account stays banned by the MUC itself; who has none comes as somebody else.
    fn banned(&self, leg: LegId) {
        if let Some(handles) = self.legs.get(&leg)
            && let Some(stranger) = &handles.stranger
        {
            tracing::info!(room = %self.room.muc(), user = %stranger, "a stranger is banned for a day");
            self.shared.bans.add(self.room.muc(), stranger, clock::now());
            // The JID that is banned is of no use to him once the operator lets him in again.
            self.shared.pool.renew(&handles.account.key);
        }
    }

    /// A call whose driver does not take its commands is over.
    fn command(&mut self, leg: LegId, command: CallCommand) {
        let Some(handles) = self.legs.get(&leg) else { return };
        if handles.commands.try_send(command).is_err() {
            self.shared.metrics.peers_stalled.inc();
            self.backlog.push_back(Input::CallEnded(leg, CallEnd::Failed("the call takes no commands".into())));
        }
    }

    fn open_session(&mut self, leg: LegId, id: String, expected: Expectation) {
        let ended = SessionMail::Lost { why: "the connection ended".into(), ago: Duration::ZERO };
        let (source_id, source) = self.address.source(Mail::Session(ended));
        self.speakers.introduce(source_id, Speaker::Session(leg));
        if let Some(handles) = self.legs.get_mut(&leg) {
            handles.session = Some(self.shared.sessions.open(id, source, expected));
        }
    }

    fn connect(&mut self, leg: LegId, target: Target) {
        let Some(handles) = self.legs.get_mut(&leg) else { return };
        let Some(session) = &handles.session else { return };
        let id = session.id().to_owned();
        if let Ok(source) = self.shared.sessions.claim_for_us(&id) {
            let may_share = !std::mem::replace(&mut handles.has_dialled, true);
            tokio::spawn(listener::connect(target, id, source, may_share, self.shared.msrp.clone()));
        }
    }

    fn open_stream(&mut self, member: MembershipId, account: &AccountKey) {
        let lost = StreamMail::Ended(StreamEnd::Lost("the stream's task ended".into()));
        let (source_id, source) = self.address.source(Mail::Stream(lost));
        self.speakers.introduce(source_id, Speaker::Stream(member));
        // A membership is opened for a leg, whose account it is.
        let leg = self.of_account.get(account).and_then(|legs| legs.first());
        if let Some(handles) = leg.and_then(|leg| self.legs.get(leg)) {
            let (pool, muc) = (&self.shared.pool, self.room.muc().clone());
            let attachment = match self.room.is_on_its_way_back(member) {
                true => pool.attach_again(&handles.account, muc, source),
                false => pool.attach(&handles.account, muc, source),
            };
            self.seats.insert(member, attachment);
        }
    }

    fn send_stanza(&mut self, member: MembershipId, stanza: &OutStanza) {
        match stanza {
            OutStanza::Join { .. } => {
                let cost = (&self.shared.pacing, self.room.muc().domain().as_str(), self.room.presences_of_a_join());
                if !self.joins.may_send(cost, member, stanza, &self.address) {
                    return;
                }
            }
            // A join that waits is not sent after it.
            OutStanza::Leave { .. } => self.joins.is_over(member),
            _ => {}
        }
        self.write_stanza(member, stanza);
    }

    fn write_stanza(&mut self, member: MembershipId, stanza: &OutStanza) {
        let Some(seat) = self.seats.get(&member) else { return };
        match (encode::encode(stanza), stanza) {
            (Ok(bytes), _) => {
                self.note_stanza(member, Way::Out, || ladder::stanza(&bytes, Party::Addressee));
                if let Err(error) = seat.try_send(bytes) {
                    self.shared.metrics.peers_stalled.inc();
                    self.backlog.push_back(Input::StreamEnded(member, StreamEnd::Lost(error.to_string())));
                }
            }
            (
                Err(_),
                OutStanza::Groupchat { id, .. }
                | OutStanza::Private { id, .. }
                | OutStanza::Subject { id, .. }
                | OutStanza::Invite { id, .. }
                | OutStanza::SetRole { id, .. },
            ) => {
                self.backlog.push_back(Input::Unsendable { membership: member, id: id.clone() });
            }
            (Err(error), _) => tracing::error!(%error, "a stanza of ours cannot be sent"),
        }
    }
}

/// Sleeps until `at`; for ever when there is nothing to wait for.
async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
