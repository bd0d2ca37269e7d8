//! One dialog and all that it is used for (RFC 5057): a call, subscriptions, referrals. They share its numbers, its routes and
//! its target, and it lives until the last of them ends.
//!
//! Owns who uses a dialog. What a usage does is its own affair; nothing here waits but for the turn to send.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Header, Headers, Method, Request};
use rsipstack::transport::SipConnection;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::caller;
use super::contact::{OurEnd, user_of};
use super::dialog::{Dialog, Hop};
use super::dispatch::Place;
use super::flow::FlowUse;
use super::port::{Caller, LegId};
use super::reply;
use super::shared::{DialogId, Shared};
use super::subscription::{REFRESHES, Refresh};

/// Usages of one dialog besides its call; people have one or two.
pub(super) const USAGES: usize = 8;

/// A dialog that its usages share.
pub(super) struct SharedDialog {
    id: DialogId,
    /// Who opened it, or was called, and is the only one to use it.
    pub(super) owner: Caller,
    /// The room that he addressed.
    pub(super) room: SipUri,
    /// Where he said who he is, if nobody vouches for him; there he is believed within the dialog.
    pub(super) home: Option<String>,
    /// The user part of our Contact, as he dialled it.
    user: Option<String>,
    state: Mutex<State>,
    turn: Semaphore,
}

struct State {
    dialog: Dialog,
    /// All usages; a dialog without any has ended.
    usages: usize,
    leg: Option<LegId>,
    /// It was opened by a call that has ended: what it is used for yet ends, too, and nothing begins (GC-EXIT-03).
    outlives_its_call: bool,
    subscriptions: Vec<(Option<String>, mpsc::Sender<Box<Refresh>>)>,
    /// REFERs that came so far.
    referrals: u32,
    followed: Vec<Followed>,
    whence: Option<Whence>,
}

/// Where the last request of a stranger came from: his source is proved, and his Contact only says so.
struct Whence {
    place: Place,
    connection: Option<SipConnection>,
    _flow: Option<FlowUse>,
}

/// A REFER whose implicit subscription goes on.
struct Followed {
    /// Its CSeq number.
    number: u32,
    is_first: bool,
    refreshes: mpsc::Sender<Box<Refresh>>,
}

/// What a usage is.
enum Kind {
    Call,
    /// By the `id` of its Event.
    Subscription(Option<String>),
    Referral,
}

/// One usage of a dialog, counted as long as it is kept. The dialog ends with the last one.
pub(super) struct Usage {
    shared: Arc<Shared>,
    dialog: Arc<SharedDialog>,
    kind: Kind,
}

/// Why a dialog has no further usage.
pub(super) enum NoUsage {
    /// The dialog has ended, or the call that opened it.
    Ended,
    /// [`USAGES`].
    Full,
    /// There is a subscription of that `id`, which this is a refresh of.
    Exists(mpsc::Sender<Box<Refresh>>),
}

impl SharedDialog {
    pub(super) fn id(&self) -> &DialogId {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leg of its call, while there is one.
    pub(super) fn leg(&self) -> Option<LegId> {
        self.lock().leg
    }

    pub(super) fn belongs_to(&self, leg: LegId) {
        self.lock().leg = Some(leg);
    }

    /// Its call is over; the room need not know yet.
    pub(super) fn call_ends(&self) {
        self.lock().call_ends();
    }

    /// See [`Dialog::accepts_cseq`].
    pub(super) fn accepts_cseq(&self, request: &Request) -> bool {
        self.lock().dialog.accepts_cseq(request)
    }

    /// Whether nobody vouches for the owner: then our requests go to where he is, and never to where he says that he is.
    pub(super) fn is_of_a_stranger(&self) -> bool {
        self.home.is_some()
    }

    /// A request of the owner was accepted that came from there.
    pub(super) fn heard_from(&self, place: &Place, connection: Option<&SipConnection>) {
        if self.is_of_a_stranger() {
            let flow = place.flow.clone().map(FlowUse::new);
            let whence = Whence { place: place.clone(), connection: connection.cloned(), _flow: flow };
            self.lock().whence = Some(whence);
        }
    }

    /// Where the last request came from, of a stranger who has sent one within the dialog.
    pub(super) fn whence(&self) -> Option<(Place, Option<SipConnection>)> {
        self.lock().whence.as_ref().map(|whence| (whence.place.clone(), whence.connection.clone()))
    }

    /// See [`Dialog::remote`].
    pub(super) fn remote(&self) -> String {
        self.lock().dialog.remote().to_owned()
    }

    /// See [`Dialog::refresh_target`].
    pub(super) fn refresh_target(&self, request: &Request) {
        self.lock().dialog.refresh_target(request);
    }

    /// See [`Dialog::refresh_target_by`].
    pub(super) fn refresh_target_by(&self, headers: &Headers) {
        self.lock().dialog.refresh_target_by(headers);
    }

    /// See [`Dialog::ack`].
    pub(super) fn ack(&self, invite: &Request, via: String) -> Request {
        self.lock().dialog.ack(invite, via)
    }

    /// See [`Dialog::next_hop`].
    pub(super) fn next_hop(&self) -> Option<Hop> {
        self.lock().dialog.next_hop()
    }

    /// See [`Dialog::request`].
    pub(super) fn request(&self, method: Method, via: String, more: Vec<Header>, body: Vec<u8>) -> Request {
        self.lock().dialog.request(method, via, more, body)
    }

    /// The same request, without counting it.
    pub(super) fn draft(&self, method: Method, via: String, more: Vec<Header>, body: Vec<u8>) -> Request {
        let mut dialog = self.lock().dialog.clone();
        dialog.request(method, via, more, body)
    }

    /// Whose turn it is to send: requests of several usages are to go out in the order of their numbers (RFC 3261 §12.2.2 has a
    /// lower one refused). Held from numbering to sending, not until the answer.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.acquire().await.ok()
    }

    /// Our Contact in this dialog.
    pub(super) fn contact(&self, shared: &Shared, end: OurEnd) -> Header {
        end.contact(shared, self.user.as_deref())
    }

    /// A referral's subscription goes on; what comes for it is received (RFC 3515 §2.4.6).
    pub(super) fn follow_referral(&self, number: u32, is_first: bool) -> mpsc::Receiver<Box<Refresh>> {
        let (refreshes, receiver) = mpsc::channel(REFRESHES);
        let mut state = self.lock();
        state.followed.retain(|followed| !followed.refreshes.is_closed());
        state.followed.push(Followed { number, is_first, refreshes });
        receiver
    }

    /// The referral whose subscription has this `id`; without one, the first.
    pub(super) fn followed_referral(&self, id: Option<&str>) -> Option<mpsc::Sender<Box<Refresh>>> {
        let state = self.lock();
        let mut alive = state.followed.iter().filter(|followed| !followed.refreshes.is_closed());
        let found = match id {
            Some(id) => alive.find(|followed| followed.number.to_string() == id),
            None => alive.find(|followed| followed.is_first),
        };
        found.map(|followed| followed.refreshes.clone())
    }

    /// Counts a REFER; whether it is the first in this dialog (RFC 3515 §2.4.6).
    pub(super) fn is_first_referral(&self) -> bool {
        let mut state = self.lock();
        state.referrals = state.referrals.saturating_add(1);
        state.referrals == 1
    }
}

impl Usage {
    /// The first usage of a dialog that `request` opens, a call: known from here on.
    /// Where he dialled another address than that of the room, which was made for him, our Contact has that of the room (RFC 4579 §5.4).
    pub(super) fn call(
        shared: &Arc<Shared>,
        dialog: Dialog,
        owner: Caller,
        (room, is_fresh): (SipUri, bool),
        request: &Request,
    ) -> Self {
        let own = is_fresh.then(|| room.user()).flatten();
        let user = own.or_else(|| user_of(reply::request_uri(request))).map(str::to_owned);
        Self::open_as(shared, dialog, owner, room, (caller::home(request), user), Kind::Call)
    }

    /// The same for a subscription, which `refreshes` come to.
    pub(super) fn subscription(
        shared: &Arc<Shared>,
        dialog: Dialog,
        owner: Caller,
        room: SipUri,
        request: &Request,
        (id, refreshes): (Option<String>, mpsc::Sender<Box<Refresh>>),
    ) -> Self {
        let usage = Self::open(shared, dialog, owner, room, request, Kind::Subscription(id.clone()));
        usage.dialog.lock().subscriptions.push((id, refreshes));
        usage
    }

    /// The same for a referral.
    pub(super) fn referral(
        shared: &Arc<Shared>,
        dialog: Dialog,
        owner: Caller,
        room: SipUri,
        request: &Request,
    ) -> Self {
        Self::open(shared, dialog, owner, room, request, Kind::Referral)
    }

    /// The first usage of a dialog that an INVITE of ours has opened: known from here on. Its owner is who was called.
    pub(super) fn placed(shared: &Arc<Shared>, dialog: Dialog, owner: Caller, room: SipUri) -> Self {
        let user = room.user().map(str::to_owned);
        Self::open_as(shared, dialog, owner, room, (None, user), Kind::Call)
    }

    fn open(shared: &Arc<Shared>, dialog: Dialog, owner: Caller, room: SipUri, request: &Request, kind: Kind) -> Self {
        let user = user_of(reply::request_uri(request)).map(str::to_owned);
        Self::open_as(shared, dialog, owner, room, (caller::home(request), user), kind)
    }

    fn open_as(
        shared: &Arc<Shared>,
        dialog: Dialog,
        owner: Caller,
        room: SipUri,
        (home, user): (Option<String>, Option<String>),
        kind: Kind,
    ) -> Self {
        let id = dialog.id().clone();
        let state = State {
            dialog,
            usages: 1,
            leg: None,
            outlives_its_call: false,
            subscriptions: Vec::new(),
            referrals: 0,
            followed: Vec::new(),
            whence: None,
        };
        let dialog = Arc::new(SharedDialog {
            id: id.clone(),
            owner,
            room,
            home,
            user,
            state: Mutex::new(state),
            turn: Semaphore::new(1),
        });
        shared.dialogs.insert(id, Arc::clone(&dialog));
        Self { shared: Arc::clone(shared), dialog, kind }
    }

    /// A further subscription of a dialog.
    pub(super) fn subscription_within(
        shared: &Arc<Shared>,
        dialog: &Arc<SharedDialog>,
        (id, refreshes): (Option<String>, mpsc::Sender<Box<Refresh>>),
    ) -> Result<Self, NoUsage> {
        let mut state = dialog.lock();
        if let Some((_, there)) = state.subscriptions.iter().find(|(other, _)| *other == id) {
            return Err(NoUsage::Exists(there.clone()));
        }
        state.join()?;
        state.subscriptions.push((id.clone(), refreshes));
        Ok(Self { shared: Arc::clone(shared), dialog: Arc::clone(dialog), kind: Kind::Subscription(id) })
    }

    /// A further referral of a dialog.
    pub(super) fn referral_within(shared: &Arc<Shared>, dialog: &Arc<SharedDialog>) -> Result<Self, NoUsage> {
        dialog.lock().join()?;
        Ok(Self { shared: Arc::clone(shared), dialog: Arc::clone(dialog), kind: Kind::Referral })
    }

    /// The dialog, for what outlives a step of this usage.
    pub(super) fn dialog(&self) -> Arc<SharedDialog> {
        Arc::clone(&self.dialog)
    }
}

impl State {
    fn call_ends(&mut self) {
        self.leg = None;
        self.outlives_its_call = true;
    }

    fn join(&mut self) -> Result<(), NoUsage> {
        match self.usages {
            _ if self.outlives_its_call => Err(NoUsage::Ended),
            0 => Err(NoUsage::Ended),
            usages if usages > USAGES => Err(NoUsage::Full),
            usages => {
                self.usages = usages.saturating_add(1);
                Ok(())
            }
        }
    }
}

impl Deref for Usage {
    type Target = SharedDialog;

    fn deref(&self) -> &SharedDialog {
        &self.dialog
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        let mut state = self.dialog.lock();
        match &self.kind {
            Kind::Call => state.call_ends(),
            Kind::Subscription(id) => state.subscriptions.retain(|(other, _)| other != id),
            Kind::Referral => {}
        }
        state.usages = state.usages.saturating_sub(1);
        let is_over = state.usages == 0;
        drop(state);
        if is_over {
            self.shared.dialogs.remove(&self.dialog.id);
        }
    }
}
