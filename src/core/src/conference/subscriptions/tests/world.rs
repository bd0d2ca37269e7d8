//! A room and its subscribers, in virtual time.

use std::string::ToString;
use std::vec;

use jid::BareJid;

use super::*;
use crate::conference::SubscriptionState;
use crate::roster::{Occupant, Roster};
use crate::stanza::{Affiliation, Role};

pub(super) const ROMEO: SubscriptionId = SubscriptionId(1);
pub(super) const MERCUTIO: SubscriptionId = SubscriptionId(2);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;

/// What a subscriber sees in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) version: u32,
    pub(super) users: Vec<String>,
    pub(super) count: Option<usize>,
    pub(super) subject: Option<String>,
}

impl Seen {
    pub(super) fn of(document: &[u8]) -> Self {
        let text = core::str::from_utf8(document).unwrap();
        let document = roxmltree::Document::parse(text).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("state"), Some("full"));
        let text = |name| root.descendants().find(|n| n.has_tag_name(name)).map(|n| n.text().unwrap_or("").to_string());
        let users = root.descendants().filter(|n| n.has_tag_name("user"));
        Self {
            version: root.attribute("version").unwrap().parse().unwrap(),
            users: users.map(|n| n.attribute(NICKNAME).unwrap().to_string()).collect(),
            count: text("user-count").map(|count| count.parse().unwrap()),
            subject: text("subject"),
        }
    }

    pub(super) fn is_neutral(&self) -> bool {
        self.users.is_empty() && self.count.is_none() && self.subject.is_none()
    }
}

pub(super) const NICKNAME: (&str, &str) = ("urn:ietf:params:xml:ns:xcon-conference-info", "nickname");

/// What subscribers get: `active 3600` or `terminated Timeout`, and what they see.
pub(super) type Got = (SubscriptionId, String, Option<Seen>);

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) conference: Conference,
    pub(super) roster: Roster,
    pub(super) muc: BareJid,
    pub(super) complete: bool,
    pub(super) got: Vec<Got>,
    pub(super) gone: Vec<SubscriptionId>,
}

macro_rules! act {
    ($world:expr, $method:ident $(, $argument:expr)*) => {{
        let world: &mut World = $world;
        let view = View { roster: &world.roster, muc: &world.muc, complete: world.complete };
        let mut out = Vec::new();
        world.conference.$method(world.now $(, $argument)*, view, &mut out);
        world.take(out);
    }};
}

impl World {
    pub(super) fn new(nicknames: &[&str]) -> Self {
        let mut roster = Roster::default();
        for nickname in nicknames {
            roster.put(nickname, occupant());
        }
        roster.describe(|about| about.subject = Some("Balcony".into()));
        Self {
            now: Instant::ZERO + HOUR,
            conference: Conference::new(),
            roster,
            muc: BareJid::new("capulet@muc.example.com").unwrap(),
            complete: true,
            got: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, out: Vec<Event>) {
        for event in out {
            match event {
                Event::Gone(id) => self.gone.push(id),
                Event::Notify(id, notification) => {
                    let state = match notification.state {
                        SubscriptionState::Active { expires } => format!("active {expires}"),
                        SubscriptionState::Terminated { reason, .. } => format!("terminated {reason:?}"),
                    };
                    self.got.push((id, state, notification.document.map(|document| Seen::of(&document))));
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, id: SubscriptionId, expires: Duration, sees: bool) {
        let room = SipUri::parse("sip:capulet@rooms.example.com").unwrap();
        act!(self, subscribe, id, room, expires, sees);
    }

    pub(super) fn join(&mut self, nickname: &str) {
        self.roster.put(nickname, occupant());
        act!(self, changed);
    }

    pub(super) fn delivered(&mut self, id: SubscriptionId) {
        act!(self, notified, id, Outcome::Delivered);
    }

    pub(super) fn after(&mut self, later: Duration) {
        self.now = self.now + later;
        act!(self, handle_timeout);
        assert!(self.conference.next_timeout().is_none_or(|due| due > self.now), "time stands still");
    }

    /// The one thing that came since the last look.
    #[track_caller]
    pub(super) fn one(&mut self) -> Got {
        let [one] = <[Got; 1]>::try_from(core::mem::take(&mut self.got)).unwrap_or_else(|got| panic!("{got:?}"));
        one
    }

    #[track_caller]
    pub(super) fn nothing(&mut self) {
        assert_eq!(self.got, vec![]);
        assert_eq!(self.gone, vec![]);
    }

    /// A room whose one subscriber knows everybody.
    pub(super) fn with_romeo(nicknames: &[&str]) -> Self {
        let mut world = Self::new(nicknames);
        world.subscribe(ROMEO, HOUR, true);
        world.one();
        world.delivered(ROMEO);
        world
    }
}

pub(super) const fn occupant() -> Occupant {
    Occupant { display_name: None, role: Role::Participant, affiliation: Affiliation::None, jid: None, dialed_in: None }
}

pub(super) fn seen(version: u32, users: &[&str]) -> Option<Seen> {
    Some(Seen {
        version,
        users: users.iter().map(ToString::to_string).collect(),
        count: Some(users.len()),
        subject: Some("Balcony".into()),
    })
}
