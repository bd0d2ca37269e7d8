//! Everything about a call, a subscription or a referral that needs no room: which room it is for, whether he may, as whom, and
//! whether he has not had enough of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jid::BareJid;
use mucfocus_core::address::domain;
use mucfocus_core::address::mapping::{AccountError, RoomMatch, RoomRules};
use mucfocus_core::address::nickname;
use mucfocus_core::address::pattern::{Folding, Pattern};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::conference::SubscriptionId;
use mucfocus_core::leg::{Dial as LegDial, LegId, MsrpAddresses, Policy};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::room::Timeouts;
use mucfocus_core::room::calling::Outgoing;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{AccountKey, Referral, Watch};
use mucfocus_core::room::referral::{Action, ReferralId};
use mucfocus_core::room::removing::Victim;
use mucfocus_core::translate::invitation;
use mucfocus_core::wire::conference_info::uris::xmpp_uri;
use mucfocus_core::wire::sdp::Family;
use tokio::sync::mpsc;

use super::accounts::{Accounts, Hold};
use super::bans::Bans;
use super::call::{NewCall, NewInvitation, NewLeg, NewReferral, NewSubscription};
use super::clock;
use super::moved::Moved;
use super::quota::{Pace, Places};
use crate::config::live::Live;
use crate::msrp_net::addresses::Addresses;
use crate::observe::ladder::Ladder;
use crate::sip::port::{Aim, Caller, Dial, Person, Placed, Refer, Refusal, Subscribe};
use crate::sip::settings::Rate;
use crate::tls::Tls;
use crate::xmpp::invitations::Invited;
use crate::xmpp::settings::{Account, Login};

/// When to try again on a node that is full or going down, in seconds.
pub(super) const RETRY_AFTER: u32 = 30;

/// Who a SIP user is on the XMPP side, or why he is nobody there.
pub type AccountFor = Box<dyn Fn(&SipUri) -> Result<Account, AccountError> + Send + Sync>;

/// What the focus is told, at the start and when the configuration is read again.
pub struct Settings {
    /// Which MUC a room is.
    pub rooms: Arc<RoomRules>,
    /// Who a SIP user is on the XMPP side, and how he logs in there.
    pub account_for: AccountFor,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Legs at a time; `None` lifts the limit.
    pub max_legs: Option<usize>,
    /// Legs of one SIP user at a time; `None` lifts the limit.
    pub legs_per_user: Option<usize>,
    /// INVITEs of one SIP user that reach a room; `None` lifts the limit.
    pub joins_per_user: Option<Rate>,
    /// Messages of one SIP user; `None` lifts the limit.
    pub messages_per_user: Option<Rate>,
    /// Subscriptions of one SIP user at a time; `None` lifts the limit.
    pub subscriptions_per_user: Option<usize>,
    /// Invitations of one SIP user; `None` lifts the limit.
    pub invitations_per_user: Option<Rate>,
    /// Presences of joins towards one MUC service; `None` lifts the limit.
    pub presences: Option<Rate>,
    /// Where MSRP connections reach this node.
    pub msrp: Addresses,
    /// What an MSRP session may cost.
    pub msrp_limits: Limits,
    /// What the operator leaves open.
    pub policy: Policy,
    /// The certificate of this node, where it has one: its fingerprint stands in answers.
    pub tls: Option<Arc<Tls>>,
    /// Where what legs say is noted.
    pub ladder: Ladder,
    /// Whom rooms may call, and who makes the calls; `None`: nobody.
    pub outbound: Option<Outbound>,
}

/// Calls that rooms make.
pub struct Outbound {
    /// Whom we may call at all.
    pub allow: Vec<Pattern>,
    /// Hosts whose addresses are rooms: nobody is called there (ADDR-13).
    pub domains: Vec<String>,
    /// The address of the proxy, where it has no name.
    pub proxy: Option<IpAddr>,
    /// Who makes them.
    pub calls: mpsc::Sender<Placed>,
}

/// Looks at what comes in.
pub(super) struct Reception {
    settings: Live<Settings>,
    accounts: Arc<Accounts>,
    joins: Pace,
    invitations: Pace,
    subscriptions: Arc<Places>,
    bans: Arc<Bans>,
    moved: Arc<Moved>,
    /// Our own end of the call that came last.
    seen_at: Mutex<Option<IpAddr>>,
    last: AtomicU64,
}

impl Reception {
    pub(super) fn new(settings: Settings, bans: Arc<Bans>, moved: Arc<Moved>) -> Self {
        Self {
            joins: Pace::new(settings.joins_per_user),
            invitations: Pace::new(settings.invitations_per_user),
            subscriptions: Places::new(settings.subscriptions_per_user),
            accounts: Arc::default(),
            bans,
            moved,
            seen_at: Mutex::default(),
            last: AtomicU64::new(0),
            settings: Live::new(settings),
        }
    }

    /// From now on it is these. Who has a leg keeps what he had; whom they give less is not asked to give back.
    pub(super) fn reconfigure(&self, settings: Settings) {
        self.joins.set_rate(settings.joins_per_user);
        self.invitations.set_rate(settings.invitations_per_user);
        self.subscriptions.set_limit(settings.subscriptions_per_user);
        self.settings.replace(settings);
    }

    /// What is in force now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.now()
    }

    /// Whether no more legs fit on this node.
    pub(super) fn is_full(&self) -> bool {
        self.settings().max_legs.is_some_and(|max| self.accounts.legs() >= max)
    }

    /// Legs of all rooms.
    pub(super) fn legs(&self) -> usize {
        self.accounts.legs()
    }

    /// A call on its way to its room.
    pub(super) fn call(&self, dial: Dial) -> Result<NewLeg, Refusal> {
        let settings = self.settings();
        let mut room = settings.room(&dial.request_uri, &dial.caller)?;
        if dial.is_fresh {
            (room.create, room.ad_hoc) = (true, true);
        }
        self.check_moved(&settings, &room)?;
        let user = &dial.caller.aor;
        let leg = LegId(self.number());
        let account = settings.account(&dial.caller, leg)?;
        let key = user.aor_key();
        self.check_ban(&account, &room.muc, user)?;
        self.joins.take(&key, clock::now()).map_err(|wait| too_fast("calls", wait))?;
        // One that takes the place of another is over the limit for a moment.
        let hold = self.hold(&settings, &account, user, usize::from(dial.replaces))?;
        let user_part = user.user_decoded().filter(|_| !dial.caller.is_anonymous);
        let display_name = dial.caller.display_name.as_deref();
        let nickname = nickname::temporary(display_name, user_part.as_deref(), &room.nickname, leg.0);
        let msrp = settings.msrp_for(dial.local, Family::of(dial.local));
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(dial.local);
        Ok(NewLeg {
            leg,
            account,
            hold,
            nickname,
            commands: dial.commands,
            dial: LegDial {
                caller: dial.caller.aor,
                call_id: dial.call_id,
                room,
                offer: dial.offer,
                msrp,
                limits: settings.msrp_limits,
                policy: settings.policy,
            },
        })
    }

    /// The room that `uri` makes, if it does (CF-04).
    pub(super) fn fresh(&self, uri: &SipUri, caller: &Caller) -> Result<Option<SipUri>, Refusal> {
        let rooms = &self.settings().rooms;
        let Some(rule) = rooms.factory(uri) else { return Ok(None) };
        if !rooms.allows(rule, &caller.aor) {
            return Err(Refusal::new(403, "You may not have rooms made"));
        }
        // Nobody guesses it, so that nobody is there already.
        let room = rooms.make(uri, &format!("{:016x}", rand::random::<u64>()));
        let room = room.ok_or_else(|| Refusal::new(404, "No rule gives an address to the rooms that are made here"))?;
        Ok(Some(room.uri))
    }

    /// A subscription on its way to its room.
    pub(super) fn subscription(&self, subscribe: Subscribe) -> Result<NewSubscription, Refusal> {
        let room = self.settings().room(&subscribe.request_uri, &subscribe.caller)?;
        let place = self.subscriptions.take(&subscribe.caller.aor.aor_key());
        let place = place.ok_or_else(|| Refusal::new(403, "You have as many subscriptions as you may have"))?;
        let watch = Watch {
            caller: subscribe.caller.aor,
            leg: subscribe.leg,
            room,
            expires: Duration::from_secs(subscribe.expires.into()),
            interval: subscribe.interval,
        };
        let subscription = SubscriptionId(self.number());
        Ok(NewSubscription { subscription, watch, notifications: subscribe.notifications, place })
    }

    /// A referral on its way to its room.
    pub(super) fn referral(&self, refer: Refer) -> Result<(BareJid, NewReferral), Refusal> {
        let settings = self.settings();
        let room = settings.room(&refer.request_uri, &refer.caller)?;
        let key = refer.caller.aor.aor_key();
        let what = if matches!(refer.aim, Aim::Remove(_)) { "removals" } else { "invitations" };
        self.invitations.take(&key, clock::now()).map_err(|wait| too_fast(what, wait))?;
        let (action, call) = match settings.phone_of(&refer.aim)? {
            Some((callee, account)) => {
                let (outgoing, hold) = self.outgoing(&settings, callee, &account, room.clone(), refer.local)?;
                let referred_by = (!refer.caller.is_anonymous).then(|| refer.caller.aor.to_string());
                (Action::Call(Box::new(outgoing)), Some(NewCall { account, hold, referred_by, subject: None }))
            }
            None => (settings.action(refer.aim)?, None),
        };
        let muc = room.muc.clone();
        let referral = Referral { caller: refer.caller.aor, leg: refer.leg, room, action, reason: refer.reason };
        Ok((muc, NewReferral { id: ReferralId(self.number()), referral, call, answers: refer.answers }))
    }

    /// The call that an invitation from the XMPP side leads to (XM-12). Who may invite is the XMPP side's to say; we look at who is
    /// called, and how often.
    pub(super) fn invitation(&self, invited: &Arc<Invited>) -> Result<NewInvitation, Refusal> {
        let settings = self.settings();
        let Invited { account, invitation, .. } = &**invited;
        let inviter = invitation.from.to_bare();
        let nobody = || Refusal::new(480, "Nobody can be reached here by an invitation");
        let callee = SipUri::parse(&account.user).map_err(|_| nobody())?;
        let room = settings.rooms.find_muc(&invitation.room);
        let mut room = room.ok_or_else(|| Refusal::new(404, "No rule maps this room to a SIP address"))?;
        if !settings.may_be_called(&callee)? {
            return Err(nobody());
        }
        for user in [format!("xmpp:{inviter}"), format!("for {}", callee.aor_key())] {
            self.invitations.take(&user, clock::now()).map_err(|wait| too_fast("invitations", wait))?;
        }
        room.password = room.password.or_else(|| invitation.password.clone());
        // An account has a stream because somebody called, who saw us there.
        let local = self.seen_at.lock().unwrap_or_else(PoisonError::into_inner).ok_or_else(nobody)?;
        let referred_by = Some(match invitation.from.resource() {
            // Prosody names who invites as its occupant.
            Some(nickname) if inviter == invitation.room => room.uri.with_gr(nickname.as_str()).to_string(),
            _ => xmpp_uri(&inviter.into()),
        });
        let (outgoing, hold) = self.outgoing(&settings, callee, account, room, local)?;
        let call = NewCall { account: account.clone(), hold, referred_by, subject: invitation::subject(invitation) };
        Ok(NewInvitation { id: InvitationId(self.number()), outgoing, call, invited: Arc::clone(invited) })
    }

    /// The leg of a call to somebody.
    fn outgoing(
        &self,
        settings: &Settings,
        callee: SipUri,
        account: &Account,
        room: RoomMatch,
        local: IpAddr,
    ) -> Result<(Outgoing, Hold), Refusal> {
        if !settings.rooms.allows(room.rule, &callee) {
            return Err(Refusal::new(403, "He may not enter this room"));
        }
        self.check_ban(account, &room.muc, &callee)?;
        if self.is_full() {
            return Err(full());
        }
        let hold = self.hold(settings, account, &callee, 0)?;
        let leg = LegId(self.number());
        let nickname = nickname::temporary(None, callee.user_decoded().as_deref(), &room.nickname, leg.0);
        let dial = LegDial {
            caller: callee,
            call_id: format!("{:032x}", rand::random::<u128>()),
            room,
            offer: Bytes::new(),
            msrp: settings.msrp_of_calls(local),
            limits: settings.msrp_limits,
            policy: settings.policy,
        };
        Ok((Outgoing { leg, account: account.key.clone(), nickname, dial }, hold))
    }

    /// Where a destroyed room has an address of ours instead, its callers are sent there.
    fn check_moved(&self, settings: &Settings, room: &RoomMatch) -> Result<(), Refusal> {
        let instead = self.moved.instead_of(&room.muc, clock::now());
        let Some(instead) = instead.and_then(|muc| settings.rooms.find_muc(&muc)) else { return Ok(()) };
        let contact = Some(instead.uri.to_string());
        Err(Refusal { contact, ..Refusal::new(302, "This room has moved: dial the other one") })
    }

    /// Whom no account keeps out of a room that has banned him.
    fn check_ban(&self, account: &Account, muc: &BareJid, user: &SipUri) -> Result<(), Refusal> {
        let is_stranger = matches!(account.login, Login::Anonymous);
        if is_stranger && self.bans.holds(muc, &user.aor_key(), clock::now()) {
            return Err(Refusal::new(403, "You are banned from this room"));
        }
        Ok(())
    }

    /// A leg of his, `more` over what one user may have.
    fn hold(&self, settings: &Settings, account: &Account, user: &SipUri, more: usize) -> Result<Hold, Refusal> {
        let (rate, legs) = (settings.messages_per_user, settings.legs_per_user.map(|legs| legs.saturating_add(more)));
        let hold = self.accounts.hold(&account.key, user.aor_key(), rate, legs);
        hold.map_err(|error| Refusal::new(error.sip_code(), error.to_string()))
    }

    fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }
}

impl Settings {
    /// Who is to be called, and under which account he would be in the room: a SIP user whom we may call. Anybody else is invited as
    /// an XMPP user.
    fn phone_of(&self, aim: &Aim) -> Result<Option<(SipUri, Account)>, Refusal> {
        let Aim::Invite(Person::Sip(callee)) = aim else { return Ok(None) };
        if !self.may_be_called(callee)? {
            return Ok(None);
        }
        let account = (self.account_for)(callee).ok();
        Ok(account.map(|account| (callee.clone(), account)))
    }

    /// Whether somebody is to be called at all.
    fn may_be_called(&self, callee: &SipUri) -> Result<bool, Refusal> {
        let Some(outbound) = &self.outbound else { return Ok(false) };
        if !outbound.allow.iter().any(|pattern| pattern.matches(callee, Folding::Account).is_some()) {
            return Ok(false);
        }
        if outbound.domains.iter().any(|domain| domain.eq_ignore_ascii_case(callee.host())) {
            return Err(Refusal::new(403, "That is the address of a room, which cannot be called into another"));
        }
        Ok(true)
    }

    /// Where our end of a session is, for a peer who sees us at `local` and is one of `family`, unless he says otherwise.
    fn msrp_for(&self, local: IpAddr, family: Family) -> MsrpAddresses {
        MsrpAddresses {
            places: self.msrp.places(local, family),
            certificate: self.tls.as_ref().map(|tls| tls.fingerprint()),
        }
    }

    /// The same for a call of ours: nothing is known of who is called, but perhaps of the proxy that finds him.
    fn msrp_of_calls(&self, local: IpAddr) -> MsrpAddresses {
        let proxy = self.outbound.as_ref().and_then(|outbound| outbound.proxy);
        self.msrp_for(local, Family::of(proxy.unwrap_or(local)))
    }

    fn room(&self, uri: &SipUri, caller: &Caller) -> Result<RoomMatch, Refusal> {
        let room = self.rooms.find(uri);
        let room = room.ok_or_else(|| Refusal::new(404, "No rule maps this URI to a room"))?;
        if !self.rooms.allows(room.rule, &caller.aor) {
            return Err(Refusal::new(403, "You may not enter this room"));
        }
        Ok(room)
    }

    /// The account that a caller acts under. Who has no name has an anonymous one to himself, or none (GC-JOIN-17).
    fn account(&self, caller: &Caller, leg: LegId) -> Result<Account, Refusal> {
        let account = (self.account_for)(&caller.aor);
        let mut account = account.map_err(|error| Refusal::new(403, error.to_string()))?;
        if caller.aor.host() == "anonymous.invalid" {
            if !matches!(account.login, Login::Anonymous) {
                return Err(Refusal::new(403, "Callers without a name are not let in"));
            }
            account.key = AccountKey::anonymous(account.jid.domain().as_str(), &format!("caller {}", leg.0));
        }
        Ok(account)
    }

    fn action(&self, aim: Aim) -> Result<Action, Refusal> {
        Ok(match aim {
            Aim::Invite(Person::Xmpp(jid)) => Action::Invite(jid),
            Aim::Invite(Person::Sip(uri) | Person::Occupant { room: uri, .. }) => {
                Action::Invite(self.jid_of(&uri).ok_or_else(nobody)?)
            }
            Aim::Remove(Person::Occupant { room, nickname }) => Action::Remove(Victim::Occupant { room, nickname }),
            Aim::Remove(Person::Xmpp(jid)) => Action::Remove(Victim::User { sip: None, xmpp: Some(jid) }),
            Aim::Remove(Person::Sip(uri)) => {
                let xmpp = self.jid_of(&uri);
                Action::Remove(Victim::User { sip: Some(uri), xmpp })
            }
        })
    }

    /// Who that is on the XMPP side: by an account rule that gives him a name, else as RFC 7247 §6.4 maps him.
    fn jid_of(&self, uri: &SipUri) -> Option<BareJid> {
        if let Ok(account) = (self.account_for)(uri)
            && !matches!(account.login, Login::Anonymous)
        {
            return Some(account.jid);
        }
        domain::jid_of(uri)
    }
}

/// There is no leg left.
pub(super) fn full() -> Refusal {
    Refusal::new(503, "This node is full").retry_after(RETRY_AFTER)
}

fn nobody() -> Refusal {
    Refusal::new(400, "Refer-To names nobody who could be invited")
}

fn too_fast(what: &str, wait: Duration) -> Refusal {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Refusal::new(480, format!("Too many {what}: slow down")).retry_after(seconds)
}
