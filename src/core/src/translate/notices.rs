//! What the focus tells SIP users in words.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jid::Jid;

use super::{errors, phrases};
use crate::stanza::{Affiliation, Role};

/// Names in one list; of more only the number is told.
const MAX_NAMES: usize = 50;

/// What a client that knows no chat rooms shows first (SW-34).
#[must_use]
pub fn chat_room(room: &str, nickname: &str) -> String {
    format!("This is the chat room {room}: everybody in it reads what you write. You are {nickname}.")
}

/// Who is in a room.
#[must_use]
pub fn present<'a>(nicknames: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = nicknames.len();
    let mut text = String::from("Here are ");
    for (n, nickname) in nicknames.take(MAX_NAMES).enumerate() {
        if n > 0 {
            text.push_str(", ");
        }
        text.push_str(nickname);
    }
    if count > MAX_NAMES {
        text.push_str(&format!(" and {} more", count - MAX_NAMES));
    }
    text.push('.');
    text
}

/// Somebody is not called what he wanted (GC-NICK-06).
#[must_use]
pub fn known_as(nickname: &str) -> String {
    format!("You are known here as {nickname}.")
}

/// The moderators know that somebody would like to speak (XEP-0045 §7.13).
pub const VOICE_ASKED_FOR: &str = "The moderators have been asked to let you speak.";
/// Somebody asks for what he has.
pub const HAS_VOICE: &str = "You may speak here.";

/// Somebody's role or affiliation is another now (XEP-0045 §8, §9); `None` where he can do what he could before.
#[must_use]
pub fn standing(before: (Role, Affiliation), now: (Role, Affiliation)) -> Option<String> {
    let affiliation = (before.1 != now.1).then(|| affiliation(before.1, now.1)).flatten();
    let role = (before.0 != now.0).then(|| role(before.0, now.0)).flatten();
    let sentences: Vec<String> = affiliation.into_iter().chain(role.map(String::from)).collect();
    Some(sentences.join(" ")).filter(|text| !text.is_empty())
}

const fn role(before: Role, now: Role) -> Option<&'static str> {
    match (before, now) {
        (_, Role::Visitor) => Some("You may only listen now. Write /voice to ask to speak."),
        (_, Role::Moderator) => Some("You moderate this room now."),
        (Role::Visitor, Role::Participant) => Some("You may speak now."),
        (_, Role::Participant) => Some("You do not moderate this room any more."),
        (_, Role::None) => None,
    }
}

fn affiliation(before: Affiliation, now: Affiliation) -> Option<String> {
    let what = |affiliation| match affiliation {
        Affiliation::Owner => Some("an owner"),
        Affiliation::Admin => Some("an administrator"),
        Affiliation::Member => Some("a member"),
        Affiliation::None | Affiliation::Outcast => None,
    };
    match (what(before), what(now)) {
        (_, Some(now)) => Some(format!("You are {now} of this room now.")),
        (Some(before), None) => Some(format!("You are not {before} of this room any more.")),
        (None, None) => None,
    }
}

/// Somebody has come whose name people would take for that of somebody else who is here (NICK-12).
#[must_use]
pub fn lookalike(nickname: &str, other: &str) -> String {
    let (nickname, other) = (phrases::quoted(nickname), phrases::quoted(other));
    format!("Take care: {nickname}, who has come in, is not {other}, though the names look alike.")
}

/// An invitation was declined (GC-INV-08).
#[must_use]
pub fn declined(who: &Jid, reason: Option<&str>) -> String {
    let reason = reason.map(phrases::quoted).filter(|reason| !reason.is_empty());
    match reason {
        Some(reason) => format!("{} declined your invitation: {reason}", who.to_bare()),
        None => format!("{} declined your invitation.", who.to_bare()),
    }
}

/// The room could not be reached for a while; what was said there meanwhile is not known here.
#[must_use]
pub fn away(duration: Duration) -> String {
    let seconds = duration.as_secs().max(1);
    format!("The room could not be reached for {seconds} s: you may have missed what was said meanwhile.")
}

/// How many messages were not shown while a call was on hold.
#[must_use]
pub fn missed(count: usize) -> String {
    format!("While your call was on hold, {count} messages were not kept for you.")
}

/// What a status code of a room means to the people in it (XEP-0045 §15.6), of those that should know.
#[must_use]
pub fn for_status(code: u16) -> Option<&'static str> {
    errors::status::notice(code)
}
