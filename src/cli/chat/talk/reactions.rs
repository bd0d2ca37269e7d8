//! What follows from what has happened: words to the room and to the user, and the decision to leave.

use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, Talk};
use crate::cli::chat::msrp::{Lost, News};
use crate::cli::chat::screen::with_comment;
use crate::cli::chat::spoken::{Spoken, to_room};
use crate::cli::chat::typed::{Typed, lines};
use crate::hub::clock::now;

/// How long hanging up may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long what was said last may take to be acknowledged, before we hang up all the same.
const SETTLE: Duration = Duration::from_secs(5);

impl Talk {
    pub(super) fn hear(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Bound if self.phase == Phase::Joining => self.entered(),
                News::Bound => {}
                News::Received(body) => {
                    let Some(spoken) = Spoken::read(&body, &self.room) else { continue };
                    self.screen.show(&spoken.to_string());
                    if let Some(probe) = &mut self.probe {
                        probe.heard(&spoken.text);
                    }
                }
                News::Acknowledged => {
                    if let Some(probe) = &mut self.probe {
                        probe.acknowledged();
                    }
                }
                // Whoever leaves hears no more of what he said.
                News::Refused(..) | News::Unanswered | News::Gone(_) if self.phase == Phase::Leaving => {}
                News::Refused(code, comment) => {
                    self.not_said(&format!("refused: {}", with_comment(&code.to_string(), Some(&comment))));
                }
                News::Unanswered => self.not_said("the room does not answer; perhaps nobody read that"),
                News::Gone(code) => self.fail(&format!("the room does not know the MSRP session ({code})")),
            }
        }
    }

    pub(super) fn entered(&mut self) {
        self.phase = Phase::Inside;
        self.screen.tell(&format!("in the room as {}", self.display));
        if self.probe.is_none() {
            self.deadline = None;
            self.keyboard = Some(lines());
        }
    }

    pub(super) fn typed(&mut self, line: Option<&str>) {
        match line.map_or(Typed::Leave, Typed::parse) {
            Typed::Nothing => {}
            Typed::Say(text) => self.say(&text),
            Typed::Leave => {
                self.phase = Phase::Settling;
                self.deadline = Some(Instant::now() + SETTLE);
            }
            Typed::NotYet(command) => self.screen.tell(&format!("/{command} is not yet in this version")),
            Typed::Unknown(command) => {
                self.screen.tell(&format!("there is no /{command}; /leave leaves, // says what begins with a slash"));
            }
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        let cpim = to_room(&self.from, &self.room, text);
        let octets = u64::try_from(cpim.len()).unwrap_or(u64::MAX);
        if self.limit.is_some_and(|limit| octets > limit) {
            return self.not_said("refused: longer than the room takes");
        }
        if let Some(line) = &mut self.line {
            line.say(&cpim);
        }
    }

    /// Somebody at the terminal can say it again; a probe has failed.
    pub(super) fn not_said(&mut self, why: &str) {
        if self.probe.is_some() {
            self.fail(why);
        } else {
            self.screen.tell(why);
        }
    }

    /// The MSRP connection is gone. When the room ended the call, its BYE comes in a moment and says why.
    pub(super) fn lost(&mut self, lost: &Lost) {
        self.line = None;
        if matches!(self.phase, Phase::Joining | Phase::Inside | Phase::Settling) {
            self.screen.tell(&lost.to_string());
            self.failed |= self.phase != Phase::Settling;
            self.phase = Phase::Settling;
            self.deadline = Some(Instant::now() + GOODBYE);
        }
    }

    /// The SIP connection is gone, so that nobody can be told that we leave.
    pub(super) fn cut_off(&mut self, error: &std::io::Error) {
        if self.phase != Phase::Leaving {
            self.screen.tell(&format!("the SIP connection broke: {error}"));
            self.failed = true;
        }
        self.phase = Phase::Gone;
    }

    pub(super) fn too_late(&mut self) {
        match self.phase {
            Phase::Joining => self.fail(&format!("not in the room within {:?}", self.timeout)),
            Phase::Inside => self.fail(&format!("not done within {:?}", self.timeout)),
            Phase::Settling => self.leave(),
            Phase::Leaving | Phase::Gone => self.phase = Phase::Gone,
        }
    }

    /// The first time says goodbye, the second does not.
    pub(super) fn interrupted(&mut self) {
        match self.phase {
            Phase::Leaving | Phase::Gone => self.phase = Phase::Gone,
            Phase::Joining => self.fail("called off"),
            Phase::Inside | Phase::Settling => self.leave(),
        }
    }

    pub(super) fn fail(&mut self, why: &str) {
        self.screen.tell(why);
        self.failed = true;
        self.leave();
    }

    pub(super) fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.deadline = Some(Instant::now() + GOODBYE);
        self.agent.leave(now(), &mut self.events);
    }
}
