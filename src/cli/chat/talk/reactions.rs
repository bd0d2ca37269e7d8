//! What follows from what has happened: words to the room and to the user, and the decision to leave.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Phase, Talk};
use crate::cli::chat::explain::{refusal, silence, too_long};
use crate::cli::chat::keyboard::{self, lines};
use crate::cli::chat::msrp::{Lost, News, Purpose};
use crate::cli::chat::names::shown;
use crate::cli::chat::screen::opening;
use crate::cli::chat::spoken::{self, Spoken};
use crate::cli::chat::typed::{HELP, Typed};
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
                    let Some(spoken) = Spoken::read(&body, &self.room, unix_seconds()) else { continue };
                    let line = spoken.to_string();
                    self.screen.show(&line);
                    if let Some(name) = spoken.own_name() {
                        self.introduced(name);
                    }
                    match &mut self.probe {
                        Some(probe) if spoken.is_history => probe.heard_of_old(&line),
                        Some(probe) => probe.heard(&line),
                        None => {}
                    }
                }
                News::Acknowledged(Purpose::Nickname(nickname)) => self.named(&nickname),
                News::Acknowledged(Purpose::Say(_)) => {
                    if let Some(probe) = &mut self.probe {
                        probe.acknowledged();
                    }
                }
                // The room sends back what is said to all, but not this.
                News::Acknowledged(Purpose::Whisper { name, text }) => {
                    self.screen.show(&format!("you to {} (privately): {text}", shown(&name)));
                }
                News::Acknowledged(_) => {}
                // Whoever leaves hears no more of what he said.
                News::Refused(..) | News::Unanswered(_) | News::Gone(_) if self.phase == Phase::Leaving => {}
                News::Refused(purpose, code, comment) => self.denied(&purpose, &refusal(&purpose, code, &comment)),
                News::Unanswered(purpose) => self.denied(&purpose, &silence(&purpose)),
                News::Gone(code) => self.fail(&format!("the room does not know the MSRP session ({code})")),
            }
        }
    }

    pub(super) fn entered(&mut self) {
        self.phase = Phase::Inside;
        self.ask_to_be_named();
        if self.probe.is_none() {
            self.deadline = None;
            self.keyboard = Some(lines());
            self.await_introduction();
        }
    }

    /// A line was typed; `None` is the end of the input.
    pub(super) fn typed(&mut self, line: Option<keyboard::Line>) {
        let typed = match line {
            None => Typed::Leave,
            Some(keyboard::Line::TooLong) => Typed::too_long(),
            Some(keyboard::Line::Whole(line)) => Typed::parse(&line),
        };
        match typed {
            Typed::Nothing => {}
            Typed::Say(text) => self.say(&text),
            Typed::Leave => {
                self.phase = Phase::Settling;
                self.deadline = Some(Instant::now() + SETTLE);
            }
            Typed::Nick(nickname) => self.change_nickname(&nickname),
            Typed::Msg(rest) => {
                match self.roster.split_name(&rest).map(|(name, text)| (name.to_owned(), text.to_owned())) {
                    Some((name, text)) => self.whisper(&name, &text),
                    None => self.screen.tell("write /msg NAME TEXT"),
                }
            }
            Typed::Topic(topic) => self.send(&spoken::topic(&self.from, &self.room, &topic), Purpose::Topic),
            Typed::Invite(uri) => {
                self.screen.tell(&format!("asking the room to invite {uri}"));
                self.agent.invite_other(&uri, now(), &mut self.events);
            }
            Typed::Who => match self.roster.list() {
                Some(list) => self.screen.show(&list),
                None => self.screen.tell("the room does not say who is here"),
            },
            Typed::ShowTopic => match self.roster.subject() {
                "" => self.screen.show("* there is no topic, as far as we know"),
                topic => self.screen.show(&format!("* the topic is: {topic}")),
            },
            Typed::Help => HELP.iter().for_each(|line| self.screen.tell(line)),
            Typed::Wrong(why) => self.screen.tell(&why),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.send(&spoken::to(None, &self.from, &self.room, text), Purpose::Say(opening(text)));
    }

    fn whisper(&mut self, nickname: &str, text: &str) {
        let purpose = Purpose::Whisper { name: nickname.to_owned(), text: text.to_owned() };
        self.send(&spoken::to(Some(nickname), &self.from, &self.room, text), purpose);
    }

    fn send(&mut self, cpim: &Bytes, purpose: Purpose) {
        let octets = u64::try_from(cpim.len()).unwrap_or(u64::MAX);
        if self.limit.is_some_and(|limit| octets > limit) {
            return self.denied(&purpose, &too_long(&purpose));
        }
        if let Some(line) = &mut self.line {
            line.say(cpim, purpose);
        }
    }

    fn denied(&mut self, purpose: &Purpose, why: &str) {
        match purpose {
            Purpose::Nickname(_) => self.not_named(why),
            _ => self.not_said(why),
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

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
