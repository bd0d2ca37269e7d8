//! What a membership hears: who is here, who speaks, what becomes of the room.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use jid::{FullJid, Jid};

use super::membership::{Event, Membership, Phase};
use super::reflections::Known;
use super::{Departure, JoinRefusal, Removal};
use crate::env::Env;
use crate::stanza::{
    Affiliation, Asks, ChatState, Message, MessageKind, OutStanza, Presence, PresenceKind, Receipt, Role, StanzaError,
};
use crate::time::WallClock;

/// What an occupant does besides speaking to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// His nickname.
    pub nickname: String,
    /// What he does.
    pub utterance: Utterance,
}

/// What somebody in a room does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Utterance {
    /// He speaks to us alone.
    Private {
        /// What he says.
        body: String,
        /// For an answer that it could not be delivered.
        from: Jid,
        /// The id of his message.
        id: Option<String>,
        /// What he wants to hear of it.
        asks: Asks,
        /// What he is doing, if he says so.
        state: Option<ChatState>,
    },
    /// He says what became of private messages of ours.
    Receipts(Vec<Receipt>),
    /// He is typing, or not any more.
    State(ChatState),
    /// He is typing to us alone, or not any more.
    PrivateState(ChatState),
}

/// How a message may be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    /// By the room, if that can be believed (XEP-0359 §6).
    pub room: Option<String>,
    /// By its author.
    pub author: Option<String>,
}

/// An occupant, as one copy of his presence shows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// His nickname.
    pub nickname: String,
    /// What is known of him; `None` when he is gone.
    pub state: Option<SeenState>,
    /// His new nickname, where he is gone only to come back under it (status 303).
    pub renamed: Option<String>,
    /// How he went; `None` while he is here, and of one who comes back under another nickname.
    pub why: Option<Departure>,
    /// Whether he is ourselves.
    pub is_us: bool,
    /// Status 100: whether everybody's real JID is shown to everybody. Only our own presence tells.
    pub shows_jids: bool,
    /// The id of the presence, of our own alone: where servers give it back, that of ours which it answers.
    pub id: Option<String>,
}

/// What is known of an occupant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenState {
    /// What he wants to be called beside his nickname.
    pub display_name: Option<String>,
    /// His role.
    pub role: Role,
    /// His affiliation.
    pub affiliation: Affiliation,
    /// His real JID, if this copy shows it: which does not mean that everybody may see it.
    pub jid: Option<Jid>,
    /// His id in the room, if this copy has one: to be believed only where the room announces that it gives them.
    pub occupant_id: Option<String>,
}

impl<T: Clone> Membership<T> {
    pub(super) fn presence(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        self.pinging.hear(env.now, matches!(presence.kind, PresenceKind::Error(_)));
        match &presence.kind {
            PresenceKind::Error(error) => self.presence_error(env, presence, error, out),
            PresenceKind::Available => self.available(env, presence, out),
            PresenceKind::Unavailable => self.unavailable(env, presence, out),
            PresenceKind::Other => {}
        }
    }

    fn presence_error(&mut self, env: &mut Env<'_>, presence: &Presence, error: &StanzaError, out: &mut Vec<Event<T>>) {
        match &self.phase {
            Phase::Entering { presence: ours, .. } if presence.id.as_ref().is_none_or(|id| id == ours) => {
                self.join_refused(env, error, out);
            }
            Phase::Inside { .. } => self.renaming_refused(env, presence, error, out),
            _ => {}
        }
    }

    fn available(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        let Ok(occupant) = presence.from.clone().try_into_full() else { return };
        if matches!(self.phase, Phase::Connecting | Phase::Asking { .. } | Phase::Pausing { .. } | Phase::Outside) {
            return;
        }
        let is_us = presence.muc.as_ref().is_some_and(|muc| muc.has(110));
        let shows_jids = is_us && presence.muc.as_ref().is_some_and(|muc| muc.has(100));
        out.push(Event::Seen(Seen {
            nickname: occupant.resource().as_str().to_string(),
            state: Some(state_of(presence)),
            renamed: None,
            why: None,
            is_us,
            shows_jids,
            id: presence.id.clone().filter(|_| is_us),
        }));
        if is_us {
            // Of the way back in nobody need hear.
            let tells_codes = matches!(self.phase, Phase::Entering { .. }) && !self.is_returning();
            self.placed(env, presence, occupant, out);
            self.settle_renaming(env, presence, out);
            let codes = presence.muc.as_ref().map(|muc| muc.codes.clone()).unwrap_or_default();
            if tells_codes && !codes.is_empty() {
                out.push(Event::Codes(codes));
            }
        }
    }

    fn unavailable(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        let Ok(gone) = presence.from.clone().try_into_full() else { return };
        let codes = |code| presence.muc.as_ref().is_some_and(|muc| muc.has(code));
        // While entering, an unavailable presence of ours is of a membership that was left a moment ago.
        let (Phase::Inside { occupant, .. } | Phase::Unlocking { occupant, .. }) = &self.phase else {
            if matches!(self.phase, Phase::Entering { .. }) && !codes(110) {
                out.push(Event::Seen(gone_from(presence, &gone, None, false)));
            }
            return;
        };
        let is_us = gone == *occupant || codes(110);
        let item = presence.muc.as_ref().and_then(|muc| muc.item.as_ref());
        let renamed = codes(303).then(|| item?.nick.clone()).flatten();
        out.push(Event::Seen(gone_from(presence, &gone, renamed.clone(), is_us)));
        if !is_us {
            return;
        }
        if codes(303) {
            if let Some(Ok(new)) = renamed.map(|nick| self.muc.with_resource_str(&nick)) {
                self.renamed(new);
            }
            return;
        }
        match Removal::read(presence) {
            Some(removal) if self.is_inside() || self.is_returning() => self.removed(removal, out),
            Some(removal) => self.refused(JoinRefusal::Removed(removal), out),
            None => self.thrown_out(env, out),
        }
    }

    /// A message from the room or an occupant of it, which others of ours may have heard too.
    pub fn message(&mut self, env: &mut Env<'_>, message: Arc<Message>, out: &mut Vec<Event<T>>) {
        self.pinging.hear(env.now, matches!(message.kind, MessageKind::Error(_)));
        match &message.kind {
            MessageKind::Error(error) => self.message_error(env, &message, error, out),
            MessageKind::Groupchat => self.groupchat(env, message, out),
            MessageKind::Chat | MessageKind::Normal => self.aside(&message, out),
            MessageKind::Headline => {}
        }
    }

    /// Whether a message was said before we came, and is told to us alone.
    #[must_use]
    pub fn is_history(&self, message: &Message) -> bool {
        matches!(self.phase, Phase::Inside { history: true, .. }) && message.delay.is_some()
    }

    fn groupchat(&mut self, env: &mut Env<'_>, message: Arc<Message>, out: &mut Vec<Event<T>>) {
        let Phase::Inside { occupant, history } = &mut self.phase else { return };
        let is_ours = message.from == *occupant;
        if message.from.resource().is_none()
            && let Some(muc) = &message.muc
            && !muc.codes.is_empty()
        {
            out.push(Event::Codes(muc.codes.clone()));
        }
        let is_subject = message.subject.is_some() && message.body.is_none();
        let is_history = *history && !is_subject && message.delay.is_some();
        // History always carries a delay, so the first message without one is live even where no subject ever comes.
        let is_silent = message.body.is_none() && !is_subject;
        let was_history = *history;
        *history &= is_history || is_silent;
        if was_history && !*history {
            self.history_is_over(env, out);
        }
        if let Some(subject) = message.subject.as_ref().filter(|_| is_subject) {
            return self.subject(is_ours, subject.clone(), &message, out);
        }
        let has_text = message.body.as_ref().is_some_and(|body| !body.is_empty());
        match message.delay.filter(|_| is_history) {
            Some(delay) if has_text => self.history(env, message, delay.stamp, out),
            None if has_text && self.was_heard(env, &message) => {}
            None if has_text && self.holds_back(env, (&message, is_ours), out) => {}
            _ => self.said_to_all(env, message, is_ours, out),
        }
    }

    /// Something that the room had in store for whoever enters.
    fn history(&mut self, env: &Env<'_>, message: Arc<Message>, stamp: Option<WallClock>, out: &mut Vec<Event<T>>) {
        match &self.catching {
            Some(catching) if catching.asks_archive() => {} // which tells it
            Some(_) => self.heard_late(env, message, stamp),
            None if self.has_reentered => self.heard_too_late(env, message, stamp, out),
            None => {
                self.memory.note(&message, self.by_room, stamp.unwrap_or(env.wall), env.wall);
                out.push(Event::Spoken { message, earlier: Some(stamp) });
            }
        }
    }

    /// Something that is said now.
    pub(super) fn said_to_all(&mut self, env: &Env<'_>, message: Arc<Message>, is_ours: bool, out: &mut Vec<Event<T>>) {
        let has_text = message.body.as_ref().is_some_and(|body| !body.is_empty());
        if has_text {
            self.memory.note(&message, self.by_room, env.wall, env.wall);
        }
        if is_ours {
            if has_text {
                self.refuses_nothing();
            }
            for id in message.id.iter().chain(&message.origin_id) {
                match self.reflections.settle(id) {
                    Known::Awaited(said) => {
                        let ids = Ids { room: message.stanza_id.clone(), author: Some(id.clone()) };
                        return out.push(Event::Reflected(said.ticket, Arc::clone(&message), ids));
                    }
                    Known::Overdue => return,
                    Known::Foreign => {}
                }
            }
        }
        if has_text {
            out.push(Event::Spoken { message, earlier: None });
        } else if let Some(state) = message.chat_state.filter(|_| message.delay.is_none())
            && let Some(nickname) = message.from.resource()
        {
            let nickname = nickname.as_str().to_string();
            out.push(Event::Heard(Heard { nickname, utterance: Utterance::State(state) }));
        }
    }

    /// The subject, perhaps one of ours: Prosody gives it back without its id, so then the text decides.
    fn subject(&mut self, is_ours: bool, subject: String, message: &Message, out: &mut Vec<Event<T>>) {
        if is_ours {
            self.refuses_nothing();
            let mut ids = message.id.iter().chain(&message.origin_id);
            let by_id = ids.find_map(|id| match self.reflections.settle(id) {
                Known::Awaited(said) => Some(said),
                Known::Overdue | Known::Foreign => None,
            });
            let said = by_id.or_else(|| self.reflections.settle_where(|said| said.is_subject(&subject)));
            out.extend(said.map(|said| Event::Concluded(said.ticket, Ok(()))));
        }
        out.push(Event::Subject(subject));
    }

    /// What is not for everybody: private messages of occupants, and what the room has to say to us.
    fn aside(&mut self, message: &Message, out: &mut Vec<Event<T>>) {
        if !self.is_inside() {
            return;
        }
        match message.from.resource() {
            Some(nick) => {
                let nickname = nick.as_str().to_string();
                if let Some(body) = message.body.clone().filter(|body| !body.is_empty()) {
                    let (from, id) = (message.from.clone(), message.id.clone());
                    // Nobody waits any more for what becomes of a message that was kept for us (XEP-0184 §5.5).
                    let asks = if message.delay.is_some() { Asks::default() } else { message.asks };
                    let utterance = Utterance::Private { body, from, id, asks, state: message.chat_state };
                    out.push(Event::Heard(Heard { nickname, utterance }));
                } else if !message.receipts.is_empty() {
                    let utterance = Utterance::Receipts(message.receipts.clone());
                    out.push(Event::Heard(Heard { nickname, utterance }));
                } else if let Some(state) = message.chat_state.filter(|_| message.delay.is_none()) {
                    // Of one that comes late nobody wants to know (XM-17).
                    out.push(Event::Heard(Heard { nickname, utterance: Utterance::PrivateState(state) }));
                }
            }
            None => {
                let Some(muc) = &message.muc else { return };
                if let Some(decline) = &muc.decline {
                    return out.push(Event::Declined(decline.clone()));
                }
                if !muc.codes.is_empty() {
                    out.push(Event::Codes(muc.codes.clone()));
                }
            }
        }
    }

    /// A private message that reaches nobody: its author is told (GC-PM-09, ERR-09).
    pub fn bounce(&mut self, to: Jid, id: Option<String>, error: StanzaError, out: &mut Vec<Event<T>>) {
        if self.is_inside() {
            let (condition, kind, text) = (error.condition, error.kind, error.text.unwrap_or_default());
            out.push(Event::Send(OutStanza::MessageError { to, id, condition, kind, text }));
        }
    }
}

fn state_of(presence: &Presence) -> SeenState {
    let item = presence.muc.as_ref().and_then(|muc| muc.item.as_ref());
    SeenState {
        display_name: presence.display_name.clone().filter(|name| !name.trim().is_empty()),
        role: item.and_then(|item| item.role).unwrap_or(Role::Participant),
        affiliation: item.and_then(|item| item.affiliation).unwrap_or(Affiliation::None),
        jid: item.and_then(|item| item.jid.clone()),
        occupant_id: item.and_then(|item| item.occupant_id.clone()),
    }
}

fn gone_from(presence: &Presence, occupant: &FullJid, renamed: Option<String>, is_us: bool) -> Seen {
    let nickname = occupant.resource().as_str().to_string();
    Seen { nickname, state: None, renamed, why: Departure::read(presence), is_us, shows_jids: false, id: None }
}
