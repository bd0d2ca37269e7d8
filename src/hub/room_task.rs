//! The task of one room: feeds the machine of the core, and carries out what it puts out.
//!
//! Everything that has to be undone at the end is undone by dropping it (seats, whose streams then send the leave, open
//! sessions, holds, the senders of call commands), so that a panic in here ends this room's legs properly and nobody else's.

mod calls;
mod letters;
mod operating;
mod outputs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::leg::LegId;
use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::room::Room;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Drain, Input, MembershipId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::accounts::Hold;
use super::clock::{self, RandomIds};
use super::directory::{InForce, Shared};
use super::joins::Joins;
use super::leg_log::LegLog;
use super::mail::Mail;
use super::mailbox::{Address, Letter, Mailbox};
use super::speakers::{Speaker, Speakers};
use super::unfinished::Part;
use super::watchers::Watchers;
use crate::bell::{self, changed};
use crate::msrp_net::link::SessionLink;
use crate::msrp_net::table::OpenSession;
use crate::observe::ladder::Held;
use crate::xmpp::attachment::Attachment;
use crate::xmpp::invitations::Invited;
use crate::xmpp::settings::Account;

/// Inputs that a room takes in before it lets others run.
const TURN: usize = 64;
/// A room that is told something more often than that, or several things at a time, lets others run after each turn: those who
/// have something for it say so meanwhile, and its next turn is for all of that. Where there is time between, it would only be
/// polled once more for nothing.
const BUSY: Duration = Duration::from_micros(50);

/// Runs one room until it has nothing left to do.
pub(super) struct RoomTask {
    room: Room,
    mailbox: Mailbox,
    address: Address,
    shared: Arc<Shared>,
    ids: RandomIds,
    legs: BTreeMap<LegId, Box<LegHandles>>,
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
    /// Legs for which something was put in the outboxes of their connections in this turn.
    unwritten: Vec<LegId>,
    drain: Option<Drain>,
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
    calling: Option<Box<Calling>>,
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
            unwritten: Vec::new(),
            drain: None,
        }
    }

    /// Runs until `retire` agrees that the room may go: it is asked whenever the room is deserted.
    pub(super) async fn run(mut self, retire: impl Fn(&Mailbox) -> bool) {
        let drain = self.shared.drain.subscribe();
        self.drain = *drain.borrow();
        let mut drain = pin!(changed(drain));
        let mut in_force = self.shared.in_force.subscribe();
        // Whatever changed since the room was made.
        in_force.mark_changed();
        let mut in_force = pin!(changed(in_force));
        let mut timer = pin!(bell::timer());
        let mut busy_until = Instant::now();
        loop {
            bell::set(timer.as_mut(), self.room.next_timeout().map(clock::to_tokio));
            let mut is_busy = false;
            tokio::select! {
                letter = self.mailbox.recv() => is_busy = self.take_turn(letter) > 1,
                () = timer.as_mut() => self.timeout(),
                mut receiver = drain.as_mut() => {
                    self.drain = *receiver.borrow_and_update();
                    drain.set(changed(receiver));
                    self.drain();
                }
                mut receiver = in_force.as_mut() => {
                    let InForce { rules, timeouts } = receiver.borrow_and_update().clone();
                    in_force.set(changed(receiver));
                    self.input(Input::Reconfigured { rules, timeouts });
                }
            }
            self.write_out();
            if self.room.is_deserted() && self.legs.is_empty() && retire(&self.mailbox) {
                return;
            }
            let now = Instant::now();
            if is_busy || now < busy_until {
                tokio::task::yield_now().await;
            }
            busy_until = now + BUSY;
        }
    }

    /// Opens a letter and those that wait behind it. Returns how many.
    fn take_turn(&mut self, first: Letter) -> usize {
        self.open(first);
        for opened in 1..TURN {
            let Some(letter) = self.mailbox.try_recv() else { return opened };
            self.open(letter);
        }
        TURN
    }

    /// Everybody leaves, if that is how it is: whoever has come just now, too.
    fn drain(&mut self) {
        if let Some(why) = self.drain {
            self.input(Input::Drain(why));
        }
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
}
