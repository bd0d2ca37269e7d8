//! Which task owns which room, and how a call finds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use jid::BareJid;
use mucfocus_core::address::mapping::RoomRules;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::room::io::Drain;
use mucfocus_core::room::{self, Room, Timeouts};
use tokio::sync::{mpsc, watch};

use super::bans::Bans;
use super::load::Load;
use super::mail::{CallEnd, CallMail, Mail, SubscriptionMail};
use super::mailbox::{Address, Mailbox, Source};
use super::moved::Moved;
use super::pacing::Pacing;
use super::reception::{self, RETRY_AFTER, Reception};
pub use super::reception::{AccountFor, Outbound, Settings};
use super::room_task::RoomTask;
use super::unfinished::Unfinished;
use crate::msrp_net::connection::Context;
use crate::msrp_net::table::SessionTable;
use crate::observe::ladder::Ladder;
use crate::observe::metrics::Metrics;
use crate::sip::port::{Caller, Dial, Dialled, Focus, Placed, Readiness, Refer, Refusal, Subscribe};
use crate::xmpp::invitations::{Invited, not_followed};
use crate::xmpp::pool::Pool;

/// What all rooms share.
pub(super) struct Shared {
    /// For all rooms; changed when the configuration is read again.
    pub(super) in_force: watch::Sender<InForce>,
    pub(super) sessions: Arc<SessionTable>,
    pub(super) msrp: Context,
    pub(super) unfinished: Arc<Unfinished>,
    pub(super) pool: Arc<Pool>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) bans: Arc<Bans>,
    pub(super) moved: Arc<Moved>,
    pub(super) pacing: Pacing,
    /// Once everybody has to leave.
    pub(super) drain: watch::Sender<Option<Drain>>,
    pub(super) ladder: Ladder,
    /// Who makes the calls of rooms.
    pub(super) calls: Option<mpsc::Sender<Placed>>,
    rooms: DashMap<BareJid, Entered>,
    /// Rooms that have a task.
    running: watch::Sender<usize>,
}

/// What of the settings rooms go by.
#[derive(Debug, Clone)]
pub(super) struct InForce {
    pub(super) rules: Arc<RoomRules>,
    pub(super) timeouts: Timeouts,
}

impl InForce {
    fn of(settings: &Settings) -> Self {
        Self { rules: Arc::clone(&settings.rooms), timeouts: settings.timeouts }
    }
}

/// A room that has a task.
struct Entered {
    number: u64,
    address: Address,
}

/// The focus: finds rooms and accounts for calls.
pub struct Directory {
    reception: Reception,
    shared: Arc<Shared>,
    last_room: AtomicU64,
    load: Arc<Load>,
}

impl Directory {
    /// A focus without rooms. `msrp` holds the table of sessions that its connections bind to.
    #[must_use]
    pub fn new(settings: Settings, pool: Arc<Pool>, msrp: Context, metrics: Arc<Metrics>) -> Arc<Self> {
        let (bans, moved) = (Arc::<Bans>::default(), Arc::<Moved>::default());
        let shared = Shared {
            in_force: watch::Sender::new(InForce::of(&settings)),
            sessions: Arc::clone(&msrp.sessions),
            unfinished: Unfinished::new(msrp.limits.unfinished_octets_total),
            msrp,
            pool,
            metrics,
            bans: Arc::clone(&bans),
            moved: Arc::clone(&moved),
            pacing: Pacing::new(settings.presences),
            drain: watch::Sender::new(None),
            ladder: settings.ladder.clone(),
            calls: settings.outbound.as_ref().map(|outbound| outbound.calls.clone()),
            rooms: DashMap::new(),
            running: watch::Sender::new(0),
        };
        let (reception, shared) = (Reception::new(settings, bans, moved), Arc::new(shared));
        let focus = Arc::new(Self { reception, shared, last_room: AtomicU64::new(0), load: Arc::default() });
        let weak = Arc::downgrade(&focus);
        focus.shared.pool.follow_invitations(Box::new(move |invited| {
            if let Some(focus) = weak.upgrade() {
                focus.invited(invited);
            }
        }));
        focus
    }

    /// What the node finds out about itself, once somebody looks.
    #[must_use]
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }

    /// From now on it is these settings; what has begun goes on as it began. Where MSRP connections come in, and how, stays.
    pub fn reconfigure(&self, settings: Settings) {
        let in_force = InForce::of(&settings);
        self.shared.metrics.set_legs_limit(settings.max_legs);
        self.reception.reconfigure(settings);
        self.shared.in_force.send_replace(in_force);
    }

    /// Ends every leg since the process ends: BYE to the callers, every occupant leaves. Returns when all rooms are empty; new calls
    /// get 503.
    pub async fn drain(&self) {
        self.shared.drain.send_replace(Some(Drain::GoingDown));
        let mut running = self.shared.running.subscribe();
        let _ = running.wait_for(|rooms| *rooms == 0).await;
    }

    /// The same since the operator has put the node out of service, and without waiting for the end of it.
    pub fn start_drain(&self) {
        self.shared.drain.send_replace(Some(Drain::OutOfService));
    }

    /// Legs of all rooms.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.reception.legs()
    }

    /// How many legs there may be; `None` is without limit.
    #[must_use]
    pub fn legs_limit(&self) -> Option<usize> {
        self.reception.settings().max_legs
    }

    /// Rooms that have a task.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.rooms.len()
    }

    /// The same by name, and how to reach them.
    pub(super) fn addresses(&self) -> Vec<(BareJid, Address)> {
        let mut rooms: Vec<(BareJid, Address)> =
            self.shared.rooms.iter().map(|room| (room.key().clone(), room.address.clone())).collect();
        rooms.sort_by(|(one, _), (other, _)| one.cmp(other));
        rooms
    }

    /// Which strangers stay out.
    pub(super) fn shared_bans(&self) -> &Bans {
        &self.shared.bans
    }

    /// The MUC that a SIP URI maps to.
    pub(super) fn muc_of(&self, uri: &SipUri) -> Option<BareJid> {
        self.reception.settings().rooms.find(uri).map(|room| room.muc)
    }

    /// An XMPP user invites a SIP user: his phone rings, or the inviter is told why not (XM-12).
    fn invited(&self, invited: Invited) {
        let invited = Arc::new(invited);
        let taken = self.check_readiness().and_then(|()| self.reception.invitation(&invited)).and_then(|new| {
            let muc = new.outgoing.dial.room.muc.clone();
            let source = self.deliver(&muc, Mail::Invited(Box::new(new)), Mail::ReferralEnded)?;
            // Nothing more is said through it.
            source.finish(Mail::ReferralEnded);
            Ok(())
        });
        if let Err(refusal) = taken {
            not_followed(&invited.account, &invited.invitation.room, &refusal);
            invited.answer_with(&refusal);
        }
    }

    fn check_readiness(&self) -> Result<(), Refusal> {
        let why = match self.readiness() {
            Readiness::Ready => return Ok(()),
            Readiness::Draining => "This node is going down",
            Readiness::Overloaded => return Err(reception::full()),
            Readiness::Busy => "This node is too busy",
        };
        Err(Refusal::new(503, why).retry_after(RETRY_AFTER))
    }

    /// The same for what needs no leg (SIP-21): whom there is no place for may watch, and who is in the room invite.
    fn check_readiness_without_a_leg(&self) -> Result<(), Refusal> {
        match self.readiness() {
            Readiness::Overloaded => Ok(()),
            Readiness::Ready | Readiness::Draining | Readiness::Busy => self.check_readiness(),
        }
    }

    /// Hands something new to the task of its room, which is started if there is none. The directory's shard is locked meanwhile, so
    /// that a room cannot retire between being found and being written to.
    /// `last` is what the room hears should the source be dropped.
    fn deliver(&self, muc: &BareJid, first: Mail, last: Mail) -> Result<Source, Refusal> {
        let entered = self.shared.rooms.entry(muc.clone()).or_insert_with(|| self.start_room(muc));
        let (_, source) = entered.address.source(last);
        let full = Refusal::new(503, "The room is overloaded").retry_after(RETRY_AFTER);
        source.try_send(first, 4096).map_err(|_| full)?;
        Ok(source)
    }

    fn start_room(&self, muc: &BareJid) -> Entered {
        let number = self.last_room.fetch_add(1, Ordering::Relaxed);
        let InForce { rules, timeouts } = self.shared.in_force.borrow().clone();
        let settings = room::Settings { muc: muc.clone(), rules, timeouts };
        let mailbox = Mailbox::new();
        let address = mailbox.address();
        self.shared.running.send_modify(|rooms| *rooms += 1);
        self.shared.metrics.rooms.inc();
        let task = RoomTask::new(Room::new(settings), mailbox, Arc::clone(&self.shared));
        tokio::spawn(supervise(task, muc.clone(), number, Arc::clone(&self.shared)));
        Entered { number, address }
    }
}

/// Runs the task of a room. One that panics takes its own legs with it, properly, and no other's.
async fn supervise(task: RoomTask, muc: BareJid, number: u64, shared: Arc<Shared>) {
    let retire = {
        let (muc, shared) = (muc.clone(), Arc::clone(&shared));
        move |mailbox: &Mailbox| shared.retire(&muc, number, || mailbox.is_deserted())
    };
    if let Err(panic) = tokio::spawn(task.run(retire)).await {
        tracing::error!(room = %muc, error = %panic, "the task of a room failed; its legs are ended");
    }
    shared.retire(&muc, number, || true);
    shared.metrics.rooms.dec();
    shared.running.send_modify(|rooms| *rooms -= 1);
}

impl Shared {
    /// Takes a room out of the directory if it is the one with this number and `may` says so while nobody can find it. Whether
    /// it is out.
    fn retire(&self, muc: &BareJid, number: u64, may: impl Fn() -> bool) -> bool {
        match self.rooms.entry(muc.clone()) {
            Entry::Occupied(entry) if entry.get().number == number => {
                let retires = may();
                if retires {
                    entry.remove();
                }
                retires
            }
            Entry::Occupied(_) | Entry::Vacant(_) => true,
        }
    }
}

impl Focus for Directory {
    fn maps(&self, uri: &SipUri) -> bool {
        let rooms = &self.reception.settings().rooms;
        rooms.find(uri).is_some() || rooms.factory(uri).is_some()
    }

    fn fresh(&self, uri: &SipUri, caller: &Caller) -> Result<Option<SipUri>, Refusal> {
        self.reception.fresh(uri, caller)
    }

    fn readiness(&self) -> Readiness {
        let full = self.reception.is_full();
        match () {
            () if self.shared.drain.borrow().is_some() => Readiness::Draining,
            () if self.load.is_too_much() => Readiness::Busy,
            () if full => Readiness::Overloaded,
            () => Readiness::Ready,
        }
    }

    fn dial(&self, dial: Dial) -> Result<Dialled, Refusal> {
        let (user, call_id) = (dial.caller.aor.to_string(), dial.call_id.clone());
        let taken = self.check_readiness().and_then(|()| self.reception.call(dial)).and_then(|new| {
            let (leg, muc) = (new.leg, new.dial.room.muc.clone());
            let vanished = CallMail::Ended(CallEnd::Failed("the SIP driver dropped the call".into()));
            let source = self.deliver(&muc, Mail::Dial(Box::new(new)), Mail::Call(vanished))?;
            Ok(Dialled { source, leg })
        });
        taken.inspect_err(|refusal| {
            self.shared.metrics.call_refused(refusal.code);
            // The SIP driver has a line for it, with the id that the caller reads.
            tracing::debug!(%user, %call_id, code = refusal.code, reason = %refusal.text, "call not taken");
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> Result<Source, Refusal> {
        self.check_readiness_without_a_leg()?;
        let new = self.reception.subscription(subscribe)?;
        let muc = new.watch.room.muc.clone();
        self.deliver(&muc, Mail::Subscribe(Box::new(new)), Mail::Subscription(SubscriptionMail::Ended))
    }

    fn refer(&self, refer: Refer) -> Result<Source, Refusal> {
        self.check_readiness_without_a_leg()?;
        let (muc, new) = self.reception.referral(refer)?;
        self.deliver(&muc, Mail::Refer(Box::new(new)), Mail::ReferralEnded)
    }
}
