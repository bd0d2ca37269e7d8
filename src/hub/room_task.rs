//! The task of one room: feeds the machine of the core, and carries out what it puts out.
//!
//! Everything that has to be undone at the end is undone by dropping it (seats, whose streams then send the leave, open
//! sessions, holds, the senders of call commands), so that a panic in here ends this room's legs properly and nobody else's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::conference::SubscriptionId;
use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::leg::{Expectation, LegId, Target};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::Room;
use mucfocus_core::room::io::{AccountKey, Input, MembershipId, Output};
use mucfocus_core::room::referral::{Action, ReferralId};
use mucfocus_core::stanza::OutStanza;
use mucfocus_core::time::Instant;
use tokio::sync::mpsc;

use super::accounts::Hold;
use super::call::{NewLeg, NewReferral, NewSubscription};
use super::clock::{self, RandomIds};
use super::directory::Shared;
use super::leg_log::LegLog;
use super::mail::{CallEnd, CallMail, Mail, SessionMail, StreamMail, SubscriptionMail};
use super::mailbox::{Address, Letter, Mailbox, SourceId};
use super::unfinished::Part;
use super::watchers::Watchers;
use crate::msrp_net::link::SessionLink;
use crate::msrp_net::listener;
use crate::msrp_net::outbox::Stalled;
use crate::msrp_net::table::OpenSession;
use crate::xmpp::attachment::Attachment;
use crate::xmpp::settings::Account;
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
    seats: BTreeMap<MembershipId, Attachment>,
    watchers: Watchers,
    sources: BTreeMap<SourceId, Speaker>,
    backlog: VecDeque<Input>,
    draining: bool,
}

/// Who a source of the mailbox is.
#[derive(Debug, Clone, Copy)]
enum Speaker {
    Call(LegId),
    Session(LegId),
    Stream(MembershipId),
    Subscription(SubscriptionId),
    Referral(ReferralId),
}

/// A leg's ends of its drivers.
struct LegHandles {
    commands: mpsc::Sender<CallCommand>,
    account: Account,
    hold: Hold,
    session: Option<OpenSession>,
    link: Option<SessionLink>,
    unfinished: Part,
    log: LegLog,
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
            seats: BTreeMap::new(),
            sources: BTreeMap::new(),
            backlog: VecDeque::new(),
            draining: false,
        }
    }

    /// Runs until `retire` agrees that the room may go: it is asked whenever the room is deserted.
    pub(super) async fn run(mut self, retire: impl Fn(&Mailbox) -> bool) {
        let mut drain = self.shared.drain.subscribe();
        loop {
            let due = self.room.next_timeout().map(clock::to_tokio);
            tokio::select! {
                letter = self.mailbox.recv() => self.take_turn(letter),
                () = sleep_until(due), if due.is_some() => self.timeout(),
                _ = drain.changed(), if !self.draining => self.drain(),
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
        for (leg, handles) in self.legs.iter_mut().filter(|(_, handles)| handles.unfinished.held() > 0) {
            handles.unfinished.set(self.room.unfinished(*leg));
        }
        self.carry_out();
    }

    fn input(&mut self, input: Input) {
        let Self { room, ids, .. } = self;
        let speaks = if let Input::Frame { leg, .. } = &input { Some(*leg) } else { None };
        room.handle(&mut clock::env(ids), input);
        if let Some(handles) = speaks.and_then(|leg| self.legs.get_mut(&leg)) {
            handles.unfinished.set(speaks.map_or(0, |leg| self.room.unfinished(leg)));
        }
        self.carry_out();
    }

    fn open(&mut self, letter: Letter) {
        let input = match letter.mail {
            Mail::Dial(new) => return self.dial(letter.from, *new),
            Mail::Call(mail) => self.call_input(letter.from, mail),
            Mail::Session(mail) => self.session_input(letter.from, mail),
            Mail::Stream(mail) => self.stream_input(letter.from, mail),
            Mail::Subscribe(new) => return self.subscribe(letter.from, *new),
            Mail::Subscription(mail) => self.subscription_input(letter.from, mail),
            Mail::Refer(new) => Some(self.refer(letter.from, *new)),
            Mail::ReferralEnded => {
                if let Some(Speaker::Referral(id)) = self.sources.remove(&letter.from) {
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
        self.sources.insert(from, Speaker::Call(leg));
        let key = account.key.clone();
        let unfinished = self.shared.unfinished.part();
        self.legs.insert(leg, LegHandles { commands, account, hold, session: None, link: None, unfinished, log });
        self.input(Input::Dial { leg, account: key, nickname, dial });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn call_input(&mut self, from: SourceId, mail: CallMail) -> Option<Input> {
        let Some(&Speaker::Call(leg)) = self.sources.get(&from) else { return None };
        Some(match mail {
            CallMail::Cancelled => Input::Cancelled(leg),
            CallMail::Confirmed => Input::Confirmed(leg),
            CallMail::Answered { answer } => Input::Answered(leg, answer),
            CallMail::Reinvite { offer } => Input::Reoffered(leg, offer),
            CallMail::Ended(end) => {
                self.sources.remove(&from);
                Input::CallEnded(leg, end)
            }
        })
    }

    fn subscribe(&mut self, from: SourceId, new: NewSubscription) {
        let NewSubscription { subscription, watch, notifications, place } = new;
        self.sources.insert(from, Speaker::Subscription(subscription));
        self.watchers.subscribed(subscription, notifications, place);
        self.input(Input::Subscribe { subscription, watch });
        if self.draining {
            self.input(Input::Drain);
        }
    }

    fn subscription_input(&mut self, from: SourceId, mail: SubscriptionMail) -> Option<Input> {
        let Some(&Speaker::Subscription(id)) = self.sources.get(&from) else { return None };
        Some(match mail {
            SubscriptionMail::Refreshed { expires } => Input::Refreshed(id, Duration::from_secs(expires.into())),
            SubscriptionMail::Notified(outcome) => {
                self.shared.metrics.notification(outcome);
                Input::Notified(id, outcome)
            }
            SubscriptionMail::Ended => {
                self.sources.remove(&from);
                Input::SubscriptionEnded(id)
            }
        })
    }

    fn refer(&mut self, from: SourceId, new: NewReferral) -> Input {
        let NewReferral { id, referral, answers } = new;
        self.sources.insert(from, Speaker::Referral(id));
        let removes = matches!(referral.action, Action::Remove(_));
        self.watchers.referred(id, removes, answers);
        Input::Refer { id, referral }
    }

    fn session_input(&mut self, from: SourceId, mail: SessionMail) -> Option<Input> {
        let Some(&Speaker::Session(leg)) = self.sources.get(&from) else { return None };
        Some(match mail {
            SessionMail::Bound(link) => {
                self.legs.get_mut(&leg)?.link = Some(link);
                Input::Bound(leg)
            }
            SessionMail::Frame { frame, arrived } => {
                let turn = frame.ends_a_send().then(|| self.turn_of(leg)).flatten();
                if let Some(handles) = self.legs.get(&leg) {
                    self.room.grant(leg, handles.unfinished.spare());
                }
                Input::Frame { leg, frame: *frame, arrived, turn }
            }
            SessionMail::Concluded(outcome) => Input::Concluded(leg, outcome),
            SessionMail::Bad(bad) => Input::BadFrame(leg, *bad),
            SessionMail::Lost { why, ago } => {
                self.sources.remove(&from);
                let unsent = self.take_back(leg);
                if let Some(handles) = self.legs.get_mut(&leg) {
                    handles.link = None;
                }
                Input::SessionLost { leg, why, ago, unsent }
            }
        })
    }

    fn turn_of(&self, leg: LegId) -> Option<Instant> {
        let patience = self.shared.timeouts.reflection;
        self.legs.get(&leg).map(|handles| handles.hold.budget().turn(clock::now(), patience))
    }

    fn stream_input(&mut self, from: SourceId, mail: StreamMail) -> Option<Input> {
        let Some(&Speaker::Stream(member)) = self.sources.get(&from) else { return None };
        match mail {
            StreamMail::Ready { bound } => Some(Input::StreamReady(member, bound)),
            StreamMail::Ended(end) => {
                self.sources.remove(&from);
                Some(Input::StreamEnded(member, end))
            }
            StreamMail::Stanza(raw) => match decode::decode(&raw) {
                Ok(stanza) => Some(Input::Stanza(member, stanza)),
                Err(error) => {
                    self.shared.metrics.xmpp_stanza_skipped("undecodable");
                    tracing::debug!(%error, "a stanza of the room could not be read and was skipped");
                    None
                }
            },
        }
    }

    /// Carries out everything that the room put out, and what comes of it at once.
    fn carry_out(&mut self) {
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
            Output::OpenSession(leg, id, expected) => self.open_session(leg, id, expected),
            Output::Connect(leg, target) => self.connect(leg, target),
            Output::Transmit(leg, frame) => self.write(leg, |link| link.put(frame)),
            Output::Send(leg, post) => self.write(leg, |link| link.send(post)),
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
                    handles.unfinished.set(self.room.unfinished(leg));
                }
                // What its connection still has to say is not about the session that may follow.
                self.sources.retain(|_, speaker| !matches!(speaker, Speaker::Session(l) if *l == leg));
            }
            Output::LegGone(leg) => self.leg_gone(leg),
            Output::OpenStream(member, account) => self.open_stream(member, &account),
            Output::Stanza(member, stanza) => self.send_stanza(member, &stanza),
            Output::CloseStream(member) => {
                self.seats.remove(&member);
                self.sources.retain(|_, speaker| !matches!(speaker, Speaker::Stream(m) if *m == member));
            }
            Output::Notify(id, notification) => {
                if !self.watchers.notify(id, notification) {
                    self.backlog.push_back(Input::SubscriptionEnded(id));
                }
            }
            Output::SubscriptionGone(id) => {
                self.watchers.unsubscribed(id);
                self.sources.retain(|_, speaker| !matches!(speaker, Speaker::Subscription(s) if *s == id));
            }
            Output::Referral(id, answer) => self.watchers.answer(id, answer),
            Output::Trace(leg, trace) => {
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
        self.legs.remove(&leg);
        self.sources.retain(|_, s| !matches!(s, Speaker::Call(l) | Speaker::Session(l) if *l == leg));
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
        self.sources.insert(source_id, Speaker::Session(leg));
        if let Some(handles) = self.legs.get_mut(&leg) {
            handles.session = Some(self.shared.sessions.open(id, source, expected));
        }
    }

    fn connect(&mut self, leg: LegId, target: Target) {
        let Some(session) = self.legs.get(&leg).and_then(|handles| handles.session.as_ref()) else { return };
        let id = session.id().to_owned();
        if let Ok(source) = self.shared.sessions.claim_for_us(&id) {
            tokio::spawn(listener::connect(target, id, source, self.shared.msrp.clone()));
        }
    }

    fn open_stream(&mut self, member: MembershipId, account: &AccountKey) {
        let lost = StreamMail::Ended(StreamEnd::Lost("the stream's task ended".into()));
        let (source_id, source) = self.address.source(Mail::Stream(lost));
        self.sources.insert(source_id, Speaker::Stream(member));
        // A membership is opened for a leg, whose account it is.
        if let Some(handles) = self.legs.values().find(|handles| handles.account.key == *account) {
            let attachment = self.shared.pool.attach(&handles.account, self.room.muc().clone(), source);
            self.seats.insert(member, attachment);
        }
    }

    fn send_stanza(&mut self, member: MembershipId, stanza: &OutStanza) {
        let Some(seat) = self.seats.get(&member) else { return };
        match (encode::encode(stanza), stanza) {
            (Ok(bytes), _) => {
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
