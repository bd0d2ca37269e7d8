//! Which task owns which room, and how a call finds it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use jid::BareJid;
use mucfocus_core::address::mapping::{AccountError, RoomMatch, RoomRules};
use mucfocus_core::address::nickname;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::leg::{Dial as LegDial, LegId, MsrpAddress};
use mucfocus_core::room::{self, Room, Timeouts};
use tokio::sync::watch;

use super::accounts::Accounts;
use super::call::NewLeg;
use super::mail::{CallEnd, CallMail, Mail};
use super::mailbox::{Address, Mailbox, Source};
use super::room_task::RoomTask;
use crate::msrp_net::connection::Context;
use crate::msrp_net::table::SessionTable;
use crate::observe::metrics::Metrics;
use crate::sip::port::{Dial, Focus, Readiness, Refusal};
use crate::sip::settings::Rate;
use crate::sockets::literal;
use crate::xmpp::pool::Pool;
use crate::xmpp::settings::Account;

/// When to try again on a node that is full or going down, in seconds.
const RETRY_AFTER: u32 = 30;

/// Who a SIP user is on the XMPP side, or why he is nobody there.
pub type AccountFor = Box<dyn Fn(&SipUri) -> Result<Account, AccountError> + Send + Sync>;

/// What the focus is told once.
pub struct Settings {
    /// Which MUC a room is.
    pub rooms: Arc<RoomRules>,
    /// Who a SIP user is on the XMPP side, and how he logs in there.
    pub account_for: AccountFor,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Legs at a time; `None` lifts the limit.
    pub max_legs: Option<usize>,
    /// Messages of one SIP user; `None` lifts the limit.
    pub messages_per_user: Option<Rate>,
    /// Host of `a=path`; `None`: the address that the call came to.
    pub msrp_host: Option<String>,
    /// Port of `a=path`.
    pub msrp_port: u16,
}

/// What all rooms share.
pub(super) struct Shared {
    pub(super) timeouts: Timeouts,
    pub(super) sessions: Arc<SessionTable>,
    pub(super) msrp: Context,
    pub(super) pool: Arc<Pool>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: watch::Sender<bool>,
    rooms: DashMap<BareJid, Entered>,
    /// Rooms that have a task.
    running: watch::Sender<usize>,
}

/// A room that has a task.
struct Entered {
    number: u64,
    address: Address,
}

/// The focus: finds rooms and accounts for calls.
pub struct Directory {
    settings: Settings,
    shared: Arc<Shared>,
    accounts: Arc<Accounts>,
    last_leg: AtomicU64,
    last_room: AtomicU64,
}

impl Directory {
    /// A focus without rooms. `msrp` holds the table of sessions that its connections bind to.
    #[must_use]
    pub fn new(settings: Settings, pool: Arc<Pool>, msrp: Context, metrics: Arc<Metrics>) -> Arc<Self> {
        let shared = Shared {
            timeouts: settings.timeouts,
            sessions: Arc::clone(&msrp.sessions),
            msrp,
            pool,
            metrics,
            drain: watch::Sender::new(false),
            rooms: DashMap::new(),
            running: watch::Sender::new(0),
        };
        Arc::new(Self {
            settings,
            shared: Arc::new(shared),
            accounts: Arc::default(),
            last_leg: AtomicU64::new(0),
            last_room: AtomicU64::new(0),
        })
    }

    /// Ends every leg: BYE to the callers, every occupant leaves. Returns when all rooms are empty; new calls get 503.
    pub async fn drain(&self) {
        self.shared.drain.send_replace(true);
        let mut running = self.shared.running.subscribe();
        let _ = running.wait_for(|rooms| *rooms == 0).await;
    }

    /// Everything about a call that needs no room: which room, whether he may, and as whom.
    fn route(&self, dial: Dial) -> Result<(NewLeg, RoomMatch), Refusal> {
        let room = self.settings.rooms.find(&dial.request_uri);
        let room = room.ok_or_else(|| Refusal::new(404, "No rule maps this URI to a room"))?;
        let user = &dial.caller.aor;
        if !self.settings.rooms.allows(room.rule, user) {
            return Err(Refusal::new(403, "You may not enter this room"));
        }
        let account = (self.settings.account_for)(user);
        let account = account.map_err(|error| Refusal::new(403, error.to_string()))?;
        let hold = self.accounts.hold(&account.jid, user.aor_key(), self.settings.messages_per_user);
        let hold = hold.map_err(|error| Refusal::new(403, error.to_string()))?;
        let leg = LegId(self.last_leg.fetch_add(1, Ordering::Relaxed));
        let user_part = user.user_decoded();
        let display_name = dial.caller.display_name.as_deref();
        let nickname = nickname::temporary(display_name, user_part.as_deref(), &room.nickname, leg.0);
        let msrp = MsrpAddress { host: self.msrp_host(dial.local), port: self.settings.msrp_port };
        let new = NewLeg {
            leg,
            account,
            hold,
            nickname,
            commands: dial.commands,
            dial: LegDial {
                caller: dial.caller.aor,
                call_id: dial.call_id,
                room: room.clone(),
                offer: dial.offer,
                msrp,
                max_message_size: self.shared.msrp.max_message_size,
            },
        };
        Ok((new, room))
    }

    fn msrp_host(&self, local: IpAddr) -> String {
        self.settings.msrp_host.clone().unwrap_or_else(|| literal(local.to_canonical()))
    }

    /// Hands a leg to the task of its room, which is started if there is none. The directory's shard is locked meanwhile, so
    /// that a room cannot retire between being found and being written to.
    fn deliver(&self, muc: &BareJid, new: NewLeg) -> Result<Source, Refusal> {
        let entered = self.shared.rooms.entry(muc.clone()).or_insert_with(|| self.start_room(muc));
        let vanished = CallMail::Ended(CallEnd::Failed("the SIP driver dropped the call".into()));
        let (_, source) = entered.address.source(Mail::Call(vanished));
        let full = Refusal::new(503, "The room is overloaded").retry_after(RETRY_AFTER);
        source.try_send(Mail::Dial(Box::new(new)), 4096).map_err(|_| full)?;
        Ok(source)
    }

    fn start_room(&self, muc: &BareJid) -> Entered {
        let number = self.last_room.fetch_add(1, Ordering::Relaxed);
        let settings = room::Settings {
            muc: muc.clone(),
            rules: Arc::clone(&self.settings.rooms),
            timeouts: self.settings.timeouts,
        };
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
        self.settings.rooms.find(uri).is_some()
    }

    fn readiness(&self) -> Readiness {
        let full = self.settings.max_legs.is_some_and(|max| self.accounts.legs() >= max);
        match () {
            () if *self.shared.drain.borrow() => Readiness::Draining,
            () if full => Readiness::Overloaded,
            () => Readiness::Ready,
        }
    }

    fn dial(&self, dial: Dial) -> Result<Source, Refusal> {
        let why = match self.readiness() {
            Readiness::Ready => None,
            Readiness::Draining => Some("This node is going down"),
            Readiness::Overloaded => Some("This node is full"),
        };
        let (user, call_id) = (dial.caller.aor.to_string(), dial.call_id.clone());
        let routed = match why {
            Some(why) => Err(Refusal::new(503, why).retry_after(RETRY_AFTER)),
            None => self.route(dial),
        };
        routed.and_then(|(new, room)| self.deliver(&room.muc, new)).inspect_err(|refusal| {
            self.shared.metrics.call_refused(refusal.code);
            // The SIP driver has a line for it, with the id that the caller reads.
            tracing::debug!(%user, %call_id, code = refusal.code, reason = %refusal.text, "call not taken");
        })
    }
}
