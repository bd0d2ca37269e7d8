//! A room and its subscribers, in virtual time.

use std::format;
use std::string::{String, ToString};
use std::vec;

use jid::BareJid;

use super::*;
use crate::address::sip_uri::SipUri;
use crate::conference::{Interest, SubscriptionState};
use crate::muc::Departure;
use crate::roster::{Occupant, Roster};
use crate::stanza::{Affiliation, Role};
use crate::time::WallClock;

pub(super) const ROMEO: SubscriptionId = SubscriptionId(1);
pub(super) const MERCUTIO: SubscriptionId = SubscriptionId(2);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;

pub(super) use crate::wire::conference_info::tests::document::Shown;

/// What a subscriber sees after a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) version: u32,
    pub(super) users: Vec<String>,
    pub(super) leaving: Vec<String>,
    pub(super) count: Option<usize>,
    pub(super) subject: Option<String>,
    /// Whether the document was a whole one.
    pub(super) is_whole: bool,
    pub(super) octets: usize,
    /// The document.
    pub(super) text: String,
}

impl Seen {
    fn of(shown: &Shown, text: &str) -> Self {
        let own = |names: std::collections::BTreeSet<&str>| names.into_iter().map(ToString::to_string).collect();
        Self {
            version: shown.version,
            users: own(shown.nicknames()),
            leaving: own(shown.leaving()),
            count: shown.state.map(|state| state.count),
            subject: shown.about.as_ref().and_then(|about| about.subject.clone()),
            is_whole: text.contains(" state='full' "),
            octets: text.len(),
            text: text.to_string(),
        }
    }

    pub(super) fn is_neutral(&self) -> bool {
        self.users.is_empty() && self.count.is_none() && self.subject.is_none()
    }

    /// Version, who is here, and their number.
    pub(super) fn list(&self) -> (u32, Vec<&str>, Option<usize>) {
        (self.version, self.users.iter().map(String::as_str).collect(), self.count)
    }
}

/// What subscribers get: `active 3600` or `terminated Timeout`, and what they see.
pub(super) type Got = (SubscriptionId, String, Option<Seen>);

/// How many documents came, and how many octets of partial ones; and who has one under way.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) wholes: usize,
    pub(super) parts: usize,
    pub(super) octets: usize,
    pub(super) in_flight: Vec<SubscriptionId>,
}

impl Meter {
    fn count(&mut self, id: SubscriptionId, document: &[u8]) {
        self.in_flight.push(id);
        if document.windows(13).take(300).any(|octets| octets == b" state='full'") {
            self.wholes += 1;
        } else {
            (self.parts, self.octets) = (self.parts + 1, self.octets + document.len());
        }
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) conference: Conference,
    pub(super) roster: Roster,
    pub(super) muc: BareJid,
    pub(super) complete: bool,
    pub(super) shown: std::collections::BTreeMap<SubscriptionId, Shown>,
    /// Whether subscribers may refuse a document.
    pub(super) keeps_before: bool,
    /// What they showed before the document that is under way, where they may.
    pub(super) before: std::collections::BTreeMap<SubscriptionId, Shown>,
    /// How often whom has gone.
    absences: std::collections::BTreeMap<String, usize>,
    /// Where set, documents are counted and not read.
    pub(super) meter: Option<Meter>,
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
            shown: std::collections::BTreeMap::new(),
            keeps_before: false,
            before: std::collections::BTreeMap::new(),
            absences: std::collections::BTreeMap::new(),
            meter: None,
            got: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, out: Vec<Event>) {
        for event in out {
            match event {
                Event::Gone(id) => {
                    self.shown.remove(&id);
                    self.before.remove(&id);
                    self.gone.push(id);
                }
                Event::Notify(id, notification) => {
                    if let (Some(meter), Some(document)) = (&mut self.meter, &notification.document) {
                        meter.count(id, document);
                        continue;
                    }
                    let state = match notification.state {
                        SubscriptionState::Active { expires, interval: None } => format!("active {expires}"),
                        SubscriptionState::Active { expires, interval: Some(interval) } => {
                            format!("active {expires} every {}", interval.as_secs_f64())
                        }
                        SubscriptionState::Terminated { reason, .. } => format!("terminated {reason:?}"),
                    };
                    let shown = self.shown.entry(id).or_default();
                    if self.keeps_before {
                        self.before.insert(id, shown.clone());
                    }
                    let seen = notification.document.map(|document| {
                        let text = core::str::from_utf8(&document).unwrap();
                        shown.take(text);
                        // The roster knows eight of each, and takes off a list once too often rather than leave a ghost there.
                        let is_excused = self.absences.values().any(|count| *count > 8);
                        assert!(is_excused || shown.strangers.is_empty(), "nobody knew them:\n{text}");
                        Seen::of(shown, text)
                    });
                    self.got.push((id, state, seen));
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, id: SubscriptionId, expires: Duration, sees: bool) {
        self.subscribe_with(id, Interest { expires, sees, ..interest() });
    }

    pub(super) fn subscribe_with(&mut self, id: SubscriptionId, interest: Interest) {
        act!(self, subscribe, id, interest);
    }

    pub(super) fn refresh(&mut self, id: SubscriptionId, expires: Duration) {
        act!(self, refreshed, id, (expires, None));
    }

    pub(super) fn join(&mut self, nickname: &str) {
        self.roster.put(nickname, occupant());
        act!(self, changed);
    }

    pub(super) fn leave(&mut self, nickname: &str, words: &str) {
        let words = Some(words).filter(|words| !words.is_empty()).map(String::from);
        self.goes(nickname, Some((Departure::Left(words), WallClock::from_unix_millis(1_795_253_400_123))));
        act!(self, changed);
    }

    pub(super) fn goes(&mut self, nickname: &str, why: Option<(Departure, WallClock)>) -> Option<Occupant> {
        let occupant = self.roster.remove(nickname, why)?;
        *self.absences.entry(nickname.to_string()).or_default() += 1;
        Some(occupant)
    }

    pub(super) fn delivered(&mut self, id: SubscriptionId) {
        self.before.remove(&id);
        act!(self, notified, id, Outcome::Delivered);
    }

    /// The subscriber does not take what is under way, if anything is.
    pub(super) fn refused(&mut self, id: SubscriptionId) {
        assert!(self.keeps_before);
        if let Some(before) = self.before.remove(&id) {
            self.shown.insert(id, before);
        }
        act!(self, notified, id, Outcome::Refused);
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

    /// The one thing that came is a whole document for this one, in this state and version, with these on the list.
    #[track_caller]
    pub(super) fn whole(&mut self, id: SubscriptionId, state: &str, version: u32, users: &[&str]) {
        let (of, told, seen) = self.one();
        let seen = seen.expect("a document");
        assert_eq!((of, told.as_str(), seen.is_whole), (id, state, true), "{}", seen.text);
        assert_eq!(seen.list(), (version, users.to_vec(), Some(users.len())));
        assert_eq!(seen.subject.as_deref(), Some("Balcony"));
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

pub(super) fn interest() -> Interest {
    let room = SipUri::parse("sip:capulet@rooms.example.com").unwrap();
    Interest { room, expires: HOUR, sees: true, interval: None, whole: false }
}
