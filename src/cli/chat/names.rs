//! Names that people have given themselves, as they are shown: none looks like a line of ours, or like a part of one.

use std::borrow::Cow;

use mucfocus_core::address::name_addr::quote;

use super::screen::is_bidi_control;

/// What we write behind names, in front of texts and between names.
const OURS: [&str; 7] =
    ["(privately)", "(you", "(may not speak", "(moderator", "(administrator", " is now known as ", "you to "];

/// A name, in quotation marks when it could be taken for something else.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    if imitates(name) { Cow::Owned(quote(name)) } else { Cow::Borrowed(name) }
}

fn imitates(name: &str) -> bool {
    let lower = name.to_lowercase();
    // A line of the room, a time, a quoted name.
    name.trim_start().starts_with(['*', '\u{ff0a}', '\u{2217}', '[', '"'])
        // The end of a name, and the next one.
        || name.contains([':', '\u{ff1a}', '\u{a789}', ','])
        || name.contains(|c: char| c.is_control() || is_bidi_control(c) || is_invisible(c))
        || OURS.iter().any(|ours| lower.contains(ours))
}

/// What takes no place, marks of direction among it. Two names must not differ in that alone without it being seen that
/// something is odd.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_imitates_a_line_of_ours_stands_in_quotation_marks() {
        for name in
            ["* the topic is", " *x", "Mercutio (privately)", "M (Privately)", "a: b", "you to Juliet (privately)"]
        {
            assert_eq!(shown(name), format!("\"{name}\""));
        }
        for name in
            ["[2026-11-21 13:00Z] J", "Nurse, Romeo", "R (you)", "x\u{202e}y", "x\u{200f}", "J is now known as P"]
        {
            assert_eq!(shown(name), format!("\"{name}\""));
        }
        assert_eq!(shown("\"a\": said \"b"), r#""\"a\": said \"b""#, "nothing ends the quotation");
        assert_eq!(shown("x\u{7}\ny"), "\"x  y\"");
    }

    #[test]
    fn any_other_name_is_shown_as_it_is() {
        for name in
            ["Juliet", "Friar Laurence", "J\u{fc}l-i_et's (work)", "Star*", "\u{1f451}", "\u{5d9}\u{5d5}\u{5dc}"]
        {
            assert_eq!(shown(name), name);
        }
    }
}
