//! Who is in the room, and under which name we are.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::address::nickname;
use mucfocus_core::time::Instant;

use super::{Phase, Talk};
use crate::cli::chat::call::Refusal;
use crate::cli::chat::document::Update;
use crate::cli::chat::names::shown;
use crate::hub::clock::now;

/// How long the room may take to say who is here and under which name we are, before we go by what we asked for.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// How long after the end of the roster that of the call may come, so that one line tells of both.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Under which name we are in the room, and whether that has been told.
#[derive(Debug)]
pub(super) struct Naming {
    /// What the user wants to be called in the room, where he says so.
    wanted: Option<String>,
    /// What the room was told with the call.
    display: String,
    /// Whether the room gives nicknames.
    pub(super) is_possible: bool,
    /// Whether the room has not yet answered the wish that came with the call.
    pub(super) asking: bool,
    /// When the name is told, known or not.
    pub(super) announce_by: Option<Instant>,
    /// As whom the user was told to be in the room.
    told: Option<Called>,
}

/// What is known of our name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    /// It is this.
    Name(String),
    /// It is not the one that we asked for, and the room has not said which.
    Unknown,
}

impl Naming {
    pub(super) const fn new(wanted: Option<String>, display: String) -> Self {
        Self { wanted, display, is_possible: false, asking: false, announce_by: None, told: None }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.announce_by.is_some_and(|at| at <= now)
    }
}

impl Talk {
    /// We have just come in. What the user wants to be called is asked for; else the roster says what we are called.
    pub(super) fn ask_to_be_named(&mut self) {
        let wanted = self.naming.wanted.clone().filter(|_| self.naming.is_possible);
        if let (Some(wanted), Some(line)) = (wanted, &mut self.line) {
            line.ask_to_be(&wanted);
            self.naming.asking = true;
        } else {
            self.wait_for_introduction();
        }
    }

    /// What is typed is carried out once we know the room: a command means names, and may have been piped in before.
    pub(super) fn await_introduction(&mut self) {
        self.ready_by = Some(now() + INTRODUCTION);
    }

    /// Whether we have the name that we asked for or know that we have not, and who is here, where the room says so.
    pub(super) fn knows_the_room(&self) -> bool {
        !self.naming.asking && (self.roster.is_known() || !self.agent.awaits_roster())
    }

    fn wait_for_introduction(&mut self) {
        if self.roster.me().is_some() || !self.agent.awaits_roster() {
            self.announce();
        } else {
            self.naming.announce_by = Some(now() + INTRODUCTION);
        }
    }

    /// Tells under which name we are in the room, once, and again when that turns out to be another.
    pub(super) fn announce(&mut self) {
        self.naming.announce_by = None;
        if self.phase == Phase::Joining || self.naming.asking {
            return;
        }
        let called = match self.roster.me() {
            Some(me) => Called::Name(me.to_owned()),
            None if self.roster.lacks(&self.naming.display) => Called::Unknown,
            None => Called::Name(self.naming.display.clone()),
        };
        match (&self.naming.told, &called) {
            (None, Called::Name(name)) => self.screen.tell(&format!("in the room as {}", shown(name))),
            (None, Called::Unknown) => self.screen.tell("in the room; under which name, it has not said"),
            (Some(told), _) if *told == called => {}
            (Some(_), Called::Name(name)) => self.screen.tell(&format!("you are {} here", shown(name))),
            (Some(_), Called::Unknown) => {
                let asked = shown(&self.naming.display);
                self.screen
                    .tell(&format!("nobody here is called {asked}; under which name you are, the room has not said"));
            }
        }
        self.naming.told = Some(called);
    }

    /// `/nick`
    pub(super) fn change_nickname(&mut self, wanted: &str) {
        match (nickname::enforce(wanted), &mut self.line) {
            (Ok(nickname), _) if self.roster.me() == Some(nickname.as_str()) => {
                self.screen.tell(&format!("you are already {} here", shown(&nickname)));
            }
            (Ok(nickname), Some(line)) => line.ask_to_be(&nickname),
            (Err(error), _) => self.screen.tell(&format!("not {wanted}: {error}")),
            (_, None) => {}
        }
    }

    /// The room has given us this nickname.
    pub(super) fn named(&mut self, nickname: &str) {
        self.naming.asking = false;
        self.roster.is_me(nickname);
        self.announce();
    }

    /// The room says unasked under which name we are.
    pub(super) fn introduced(&mut self, nickname: &str) {
        self.roster.is_me(nickname);
        self.announce();
    }

    /// The room has not given us the nickname that we wanted; we go on under the one that we have.
    pub(super) fn not_named(&mut self, why: &str) {
        self.screen.tell(why);
        if std::mem::take(&mut self.naming.asking) {
            self.wait_for_introduction();
        }
    }

    /// A conference document came.
    pub(super) fn roster_came(&mut self, document: &Bytes) {
        let update = match Update::parse(document) {
            Ok(update) => update,
            Err(error) => return self.screen.tell(&format!("who is here cannot be read: {error}")),
        };
        let news = self.roster.take(update);
        if news.gap {
            self.agent.refresh(now(), &mut self.events);
        }
        if matches!(self.phase, Phase::Leaving | Phase::Gone) {
            return;
        }
        for line in &news.lines {
            self.inform(line);
        }
        let is_due = match &self.naming.told {
            None | Some(Called::Unknown) => self.roster.me().is_some(),
            // That we have another name now is one of the lines.
            Some(Called::Name(name)) => self.roster.me().is_none() && self.roster.lacks(name),
        };
        if is_due {
            self.announce();
        }
    }

    /// There will be no more conference documents.
    pub(super) fn roster_is_lost(&mut self, why: &str) {
        self.unsaid = Some((now() + LAST_WORDS, why.to_owned()));
        if self.naming.announce_by.is_some() {
            self.announce();
        }
    }

    /// Tells that there is no more of the roster, unless that was but the beginning of the end of the call.
    pub(super) fn tell_unsaid(&mut self) {
        let Some((_, why)) = self.unsaid.take_if(|(at, _)| *at <= now()) else { return };
        if !matches!(self.phase, Phase::Leaving | Phase::Gone) {
            self.screen.tell(&format!("the room no longer says who is here: {why}"));
        }
    }

    /// An invitation goes on; or this was the last of it.
    pub(super) fn invitation(&mut self, whom: &str, outcome: &Refusal, is_last: bool) {
        self.inform(&match outcome.code {
            100..=199 if is_last => format!("* the invitation of {whom} is on its way: the room has sent it"),
            100..=199 => format!("* the invitation of {whom} is on its way ({outcome})"),
            200..=299 => format!("* {whom} has accepted the invitation"),
            _ => format!("* {whom} is not invited: {outcome}"),
        });
    }

    /// A line about the room, which may be expected.
    fn inform(&mut self, line: &str) {
        self.screen.show(line);
        if let Some(probe) = &mut self.probe {
            probe.heard(line);
        }
    }
}
