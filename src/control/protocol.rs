//! Requests and replies on the control socket, and how the values of the core are written there.

use jid::BareJid;
use mucfocus_core::msrp::session::Link;
use mucfocus_core::room::view::{self, CallState, LegView, MembershipView, OccupantView, Phase, RoomView, Summary};
use mucfocus_core::stanza::{Affiliation, Role};
use serde::{Deserialize, Serialize};

use crate::hub::bans;
use crate::hub::looking::LegReport;
use crate::observe::ladder::Rung;

/// Octets of a request, its line end included.
pub const LONGEST_REQUEST: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Request {
    /// How the process is.
    Status,
    /// Which rooms are in use.
    Rooms,
    /// One room, both sides.
    Room {
        /// JID, SIP URI, or local part.
        name: String,
    },
    /// One leg.
    Leg {
        /// Number or Call-ID.
        id: String,
    },
    /// What went over the wire for a call.
    Ladder {
        /// Call-ID, or number of a leg.
        call_id: String,
        /// Whether also what comes.
        follow: bool,
    },
    /// End a leg.
    Kick {
        /// Number or Call-ID.
        id: String,
    },
    /// Which strangers are kept out of which rooms.
    Bans,
    /// Let a stranger in again.
    Unban {
        /// JID, SIP URI, or local part of the room.
        room: String,
        /// His SIP address.
        user: String,
    },
    /// Read the configuration again.
    Reload,
    /// End all legs and take no more.
    Drain,
}

/// A stranger who is kept out of a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ban {
    /// JID of the MUC.
    pub muc: String,
    /// His SIP address.
    pub user: String,
    /// For how long, in seconds.
    pub left_s: u64,
}

impl From<bans::Ban> for Ban {
    fn from(ban: bans::Ban) -> Self {
        Self { muc: ban.room.to_string(), user: format!("sip:{}", ban.user), left_s: ban.left.as_secs() }
    }
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How the process is.
    Status(Status),
    /// Which rooms are in use.
    Rooms(Vec<RoomLine>),
    /// One room.
    Room(Box<Room>),
    /// One leg.
    Leg(Box<Leg>),
    /// One message of a call.
    Rung(Rung),
    /// This leg is ended.
    Kicked(Box<Leg>),
    /// Who is kept out of which rooms.
    Bans(Vec<Ban>),
    /// He is let in again.
    Unbanned(Ban),
    /// The configuration was read again.
    Reloaded(Reloaded),
    /// So many legs are being ended.
    Draining {
        /// How many there were.
        legs: usize,
    },
    /// It was not done.
    Failed {
        /// Why, and what to do about it.
        why: String,
    },
}

/// How the process is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// `node.name`.
    pub node: String,
    /// Of mucfocus.
    pub version: String,
    /// `ready`, `draining` or `overloaded`.
    pub state: String,
    /// Since it started.
    pub uptime_s: u64,
    /// Octets of memory (VmRSS); `null` where the system does not say.
    pub memory: Option<u64>,
    /// Rooms in use.
    pub rooms: usize,
    /// Legs of all rooms.
    pub legs: usize,
    /// `limits.legs`; `null` is without limit.
    pub legs_limit: Option<usize>,
    /// XMPP streams that are up.
    pub xmpp_streams: usize,
    /// XMPP servers that cannot be reached. A process that is older than its `ctl` does not say so.
    #[serde(default)]
    pub xmpp_servers_away: usize,
    /// What is listened on.
    pub listening: Vec<String>,
}

/// One room among others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomLine {
    /// The MUC.
    pub muc: String,
    /// Absent where the room did not answer in time.
    #[serde(flatten)]
    pub counts: Option<Counts>,
}

/// How much there is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Occupants as the MUC shows them.
    pub occupants: usize,
    /// Accounts of ours, in it or on the way there.
    pub memberships: usize,
    /// Legs.
    pub legs: usize,
    /// Conference subscriptions.
    pub subscriptions: usize,
    /// Whether the MUC is out of reach.
    pub unreachable: bool,
}

/// One room, both sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Room {
    /// The MUC.
    pub muc: String,
    /// Its canonical SIP URI, while somebody is in it.
    pub sip: Option<String>,
    /// The numbers.
    pub counts: Counts,
    /// Whether nothing is under way that changes who is where.
    pub at_rest: bool,
    /// What the two sides do not agree about. At rest: nothing.
    pub differences: Vec<String>,
    /// The MUC's side.
    pub occupants: Vec<Occupant>,
    /// The SIP side: accounts.
    pub memberships: Vec<Membership>,
    /// The SIP side: calls.
    pub legs: Vec<LegLine>,
}

/// An occupant of the MUC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Occupant {
    /// His nickname.
    pub nickname: String,
    /// XEP-0045 §5.1.
    pub role: String,
    /// XEP-0045 §5.2.
    pub affiliation: String,
    /// When he came in through this node (RFC 3339); `null` of all others.
    pub dialed_in: Option<String>,
}

/// An account of ours in the MUC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Membership {
    /// The account.
    pub account: String,
    /// The SIP user.
    pub user: String,
    /// `connecting`, `entering`, `inside` or `returning`.
    pub phase: String,
    /// His nickname, once he is inside.
    pub nickname: Option<String>,
    /// Whether the roster is what he sees.
    pub observer: bool,
    /// His legs.
    pub legs: Vec<u64>,
}

/// One leg among others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LegLine {
    /// Its number.
    pub id: u64,
    /// The SIP user.
    pub user: String,
    /// The Call-ID.
    pub call_id: String,
    /// `ringing`, `answered` or `ending`.
    pub call: String,
    /// `awaited`, `unheard`, `connected`, `lost` or `removed`; `null` while the call does not stand.
    pub msrp: Option<String>,
    /// In how many seconds the leg ends if no connection comes.
    pub ends_in_s: Option<f64>,
}

/// All about a leg.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Leg {
    /// The MUC.
    pub muc: String,
    /// Name of the room rule.
    pub rule: String,
    /// The leg.
    #[serde(flatten)]
    pub line: LegLine,
    /// How long ago it called.
    pub age_s: f64,
    /// Its membership.
    pub membership: Option<Membership>,
    /// What happened to it last.
    pub events: Vec<Event>,
}

/// Something that happened to a leg.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// How long ago.
    pub ago_s: f64,
    /// What.
    pub event: String,
}

/// What reading the configuration again has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys that changed and are in force.
    pub changed: Vec<String>,
    /// Those of them by which the calls that are on do not go: these keep what they began with.
    #[serde(default)]
    pub new_calls_only: Vec<String>,
    /// Keys that changed and stay as they were until the process starts anew.
    pub needs_restart: Vec<String>,
    /// Warnings about the configuration.
    pub warnings: Vec<String>,
}

impl From<Summary> for Counts {
    fn from(summary: Summary) -> Self {
        let Summary { occupants, memberships, legs, subscriptions, unreachable } = summary;
        Self { occupants, memberships, legs, subscriptions, unreachable }
    }
}

impl Room {
    pub(super) fn new(muc: &BareJid, view: &RoomView) -> Self {
        Self {
            muc: muc.to_string(),
            sip: view.uri.as_ref().map(ToString::to_string),
            counts: view.summary.into(),
            at_rest: view.at_rest,
            differences: view.differences().iter().map(view::Difference::to_string).collect(),
            occupants: view.occupants.iter().map(occupant).collect(),
            memberships: view.memberships.iter().map(membership).collect(),
            legs: view.legs.iter().map(leg).collect(),
        }
    }
}

impl Leg {
    pub(super) fn new(muc: &BareJid, report: &LegReport) -> Self {
        let event = |(ago, event): &(std::time::Duration, String)| Event { ago_s: seconds(*ago), event: event.clone() };
        Self {
            muc: muc.to_string(),
            rule: report.rule.clone(),
            line: leg(&report.leg),
            age_s: seconds(report.age),
            membership: report.membership.as_ref().map(membership),
            events: report.events.iter().map(event).collect(),
        }
    }
}

/// To the millisecond.
fn seconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn occupant(occupant: &OccupantView) -> Occupant {
    let role = match occupant.role {
        Role::Moderator => "moderator",
        Role::Participant => "participant",
        Role::Visitor => "visitor",
        Role::None => "none",
    };
    let affiliation = match occupant.affiliation {
        Affiliation::Owner => "owner",
        Affiliation::Admin => "admin",
        Affiliation::Member => "member",
        Affiliation::None => "none",
        Affiliation::Outcast => "outcast",
    };
    Occupant {
        nickname: occupant.nickname.clone(),
        role: role.to_owned(),
        affiliation: affiliation.to_owned(),
        dialed_in: occupant.dialed_in.map(mucfocus_core::time::WallClock::rfc3339),
    }
}

fn membership(membership: &MembershipView) -> Membership {
    let phase = match membership.phase {
        Phase::Connecting => "connecting",
        Phase::Entering => "entering",
        Phase::Inside => "inside",
        Phase::Returning => "returning",
    };
    Membership {
        account: membership.account.to_string(),
        user: membership.user.to_string(),
        phase: phase.to_owned(),
        nickname: membership.nickname.clone(),
        observer: membership.is_observer,
        legs: membership.legs.iter().map(|leg| leg.0).collect(),
    }
}

fn leg(leg: &LegView) -> LegLine {
    let call = match leg.call {
        CallState::Ringing => "ringing",
        CallState::Answered => "answered",
        CallState::Ending => "ending",
    };
    let msrp = leg.msrp.map(|link| match link {
        Link::Awaited => "awaited",
        Link::Unheard => "unheard",
        Link::Bound => "connected",
        Link::Lost => "lost",
        Link::Removed => "removed",
    });
    LegLine {
        id: leg.id.0,
        user: leg.user.to_string(),
        call_id: leg.call_id.clone(),
        call: call.to_owned(),
        msrp: msrp.map(str::to_owned),
        ends_in_s: leg.ends_at.map(|at| seconds(at.since(crate::hub::clock::now()))),
    }
}
