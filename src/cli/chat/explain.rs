//! What the codes of MSRP mean to somebody at the terminal (RFC 4975 §10, RFC 7701 §10).

use super::msrp::Purpose;
use super::screen::with_comment;

/// How it is told that what was wanted did not come about: one line, with the code, what it means here, and what the room says.
pub(super) fn refusal(purpose: &Purpose, code: u16, comment: &str) -> String {
    let meaning = meaning(purpose, code);
    let reason = match (meaning, comment) {
        (None, comment) => with_comment(&code.to_string(), Some(comment)),
        (Some(meaning), "") => format!("{code} {meaning}"),
        (Some(meaning), comment) => format!("{code} {meaning} ({comment})"),
    };
    match purpose {
        // The room's own words where it has some.
        Purpose::Bind | Purpose::Say(_) if !comment.is_empty() => {
            not_done(purpose, &with_comment(&code.to_string(), Some(comment)))
        }
        _ => not_done(purpose, &reason),
    }
}

/// How it is told that something was not sent at all.
pub(super) fn too_long(purpose: &Purpose) -> String {
    not_done(purpose, "longer than the room takes")
}

fn not_done(purpose: &Purpose, reason: &str) -> String {
    match purpose {
        Purpose::Say(words) if !words.is_empty() => format!("refused: {reason}: \"{words}\""),
        Purpose::Bind | Purpose::Say(_) => format!("refused: {reason}"),
        Purpose::Whisper { name, .. } => format!("not said to {name}: {reason}"),
        Purpose::Topic => format!("the topic stays: {reason}"),
        Purpose::Nickname(name) => format!("not {name}: {reason}"),
    }
}

/// How it is told that there was no answer.
pub(super) fn silence(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Say(words) if !words.is_empty() => {
            format!("the room does not answer; perhaps nobody read \"{words}\"")
        }
        Purpose::Bind | Purpose::Say(_) => "the room does not answer; perhaps nobody read that".to_owned(),
        Purpose::Whisper { name, .. } => format!("the room does not answer; perhaps {name} did not read that"),
        Purpose::Topic => "the room does not answer; perhaps the topic stays".to_owned(),
        Purpose::Nickname(name) => format!("the room does not answer; perhaps you are not {name}"),
    }
}

const fn meaning(purpose: &Purpose, code: u16) -> Option<&'static str> {
    Some(match (purpose, code) {
        (Purpose::Nickname(_), 403) => "the room gives no nicknames",
        (Purpose::Nickname(_), 424) => "that cannot be a nickname",
        (Purpose::Nickname(_), 425) => "that nickname is taken",
        (Purpose::Whisper { .. }, 403) => "private messages are not allowed here",
        (Purpose::Whisper { .. }, 404) => "nobody of that name is here",
        (Purpose::Whisper { .. }, 428) => "he cannot take private messages",
        (Purpose::Topic, 403) => "you may not change it",
        (Purpose::Say(_), 403) => "you may not speak here",
        (Purpose::Nickname(_) | Purpose::Topic, 408) => "the room did not confirm it",
        (_, 408) => "the room did not confirm it; perhaps nobody read that",
        (_, 413) => "too long, or too much at once",
        (_, 415) => "the room does not take messages of this kind",
        (_, 400) => "the room did not understand",
        (_, 501) => "the room cannot do that",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_did_not_happen_why_and_with_which_code() {
        let whisper = Purpose::Whisper { name: "Juliet".into(), text: "hi".into() };
        assert_eq!(refusal(&whisper, 404, ""), "not said to Juliet: 404 nobody of that name is here");
        assert_eq!(refusal(&whisper, 428, "No PM"), "not said to Juliet: 428 he cannot take private messages (No PM)");
        assert_eq!(refusal(&whisper, 499, "?"), "not said to Juliet: 499 ?");
        assert_eq!(refusal(&Purpose::Nickname("J".into()), 425, ""), "not J: 425 that nickname is taken");
        assert_eq!(refusal(&Purpose::Topic, 403, ""), "the topic stays: 403 you may not change it");
        let (known, unknown) = (Purpose::Say("ay me".into()), Purpose::Say(String::new()));
        assert_eq!(refusal(&unknown, 403, "Not now"), "refused: 403 Not now");
        assert_eq!(refusal(&known, 403, "Not now"), "refused: 403 Not now: \"ay me\"");
        assert_eq!(refusal(&known, 403, ""), "refused: 403 you may not speak here: \"ay me\"");
        assert_eq!(too_long(&whisper), "not said to Juliet: longer than the room takes");
        assert_eq!(silence(&known), "the room does not answer; perhaps nobody read \"ay me\"");
    }
}
