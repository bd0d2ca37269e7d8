//! Everything about a call, a subscription or a referral that needs no room: which room it is for, whether he may, as whom, and
//! whether he has not had enough of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use mucfocus_core::room::io::{AccountKey, Referral, Watch};
use mucfocus_core::room::referral::{Action, ReferralId};
use mucfocus_core::room::removing::Victim;
use tokio::sync::mpsc;

use super::accounts::{Accounts, Hold};
use super::bans::Bans;
use super::call::{NewCall, NewLeg, NewReferral, NewSubscription};
use super::clock;
use super::quota::{Pace, Places};
use crate::config::live::Live;
use crate::observe::ladder::Ladder;
use crate::sip::port::{Aim, Caller, Dial, Person, Placed, Refer, Refusal, Subscribe};
use crate::sip::settings::Rate;
use crate::sockets::literal;
use crate::tls::Tls;
use crate::xmpp::settings::{Account, Login};

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
    /// Where MSRP connections reach this node; an empty host: the address that the call came to.
    pub msrp: MsrpAddresses,
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
    last: AtomicU64,
}

impl Reception {
    pub(super) fn new(settings: Settings, bans: Arc<Bans>) -> Self {
        Self {
            joins: Pace::new(settings.joins_per_user),
            invitations: Pace::new(settings.invitations_per_user),
            subscriptions: Places::new(settings.subscriptions_per_user),
            accounts: Arc::default(),
            bans,
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
        let room = settings.room(&dial.request_uri, &dial.caller)?;
        let user = &dial.caller.aor;
        let leg = LegId(self.number());
        let account = settings.account(&dial.caller, leg)?;
        let key = user.aor_key();
        self.check_ban(&account, &room.muc, user)?;
        self.joins.take(&key, clock::now()).map_err(|wait| too_fast("calls", wait))?;
        let hold = self.hold(&settings, &account, user)?;
        let user_part = user.user_decoded().filter(|_| !dial.caller.is_anonymous);
        let display_name = dial.caller.display_name.as_deref();
        let nickname = nickname::temporary(display_name, user_part.as_deref(), &room.nickname, leg.0);
        let msrp = settings.msrp_for(dial.local);
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
                let referred_by = Some(refer.caller.aor.clone()).filter(|_| !refer.caller.is_anonymous);
                (Action::Call(Box::new(outgoing)), Some(NewCall { account, hold, referred_by }))
            }
            None => (settings.action(refer.aim)?, None),
        };
        let muc = room.muc.clone();
        let referral = Referral { caller: refer.caller.aor, leg: refer.leg, room, action, reason: refer.reason };
        Ok((muc, NewReferral { id: ReferralId(self.number()), referral, call, answers: refer.answers }))
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
        let hold = self.hold(settings, account, &callee)?;
        let leg = LegId(self.number());
        let nickname = nickname::temporary(None, callee.user_decoded().as_deref(), &room.nickname, leg.0);
        let dial = LegDial {
            caller: callee,
            call_id: format!("{:032x}", rand::random::<u128>()),
            room,
            offer: Bytes::new(),
            msrp: settings.msrp_for(local),
            limits: settings.msrp_limits,
            policy: settings.policy,
        };
        Ok((Outgoing { leg, account: account.key.clone(), nickname, dial }, hold))
    }

    /// Whom no account keeps out of a room that has banned him.
    fn check_ban(&self, account: &Account, muc: &BareJid, user: &SipUri) -> Result<(), Refusal> {
        let is_stranger = matches!(account.login, Login::Anonymous);
        if is_stranger && self.bans.holds(muc, &user.aor_key(), clock::now()) {
            return Err(Refusal::new(403, "You are banned from this room"));
        }
        Ok(())
    }

    fn hold(&self, settings: &Settings, account: &Account, user: &SipUri) -> Result<Hold, Refusal> {
        let (rate, legs) = (settings.messages_per_user, settings.legs_per_user);
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
        let (Some(outbound), Aim::Invite(Person::Sip(callee))) = (&self.outbound, aim) else {
            return Ok(None);
        };
        if !outbound.allow.iter().any(|pattern| pattern.matches(callee, Folding::Account).is_some()) {
            return Ok(None);
        }
        if outbound.domains.iter().any(|domain| domain.eq_ignore_ascii_case(callee.host())) {
            return Err(Refusal::new(403, "That is the address of a room, which cannot be called into another"));
        }
        let account = (self.account_for)(callee).ok();
        Ok(account.map(|account| (callee.clone(), account)))
    }

    /// Where our end of a session is, for a peer who sees us there.
    fn msrp_for(&self, local: IpAddr) -> MsrpAddresses {
        MsrpAddresses {
            host: self.msrp_host(local),
            certificate: self.tls.as_ref().map(|tls| tls.fingerprint()),
            ..self.msrp.clone()
        }
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

    fn msrp_host(&self, local: IpAddr) -> String {
        match self.msrp.host.as_str() {
            "" => literal(local.to_canonical()),
            host => host.to_owned(),
        }
    }
}

fn nobody() -> Refusal {
    Refusal::new(400, "Refer-To names nobody who could be invited")
}

fn too_fast(what: &str, wait: Duration) -> Refusal {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Refusal::new(480, format!("Too many {what}: slow down")).retry_after(seconds)
}
