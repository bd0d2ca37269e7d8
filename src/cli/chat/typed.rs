//! What a line that was typed means.

use mucfocus_core::address::escape::percent_encode;

use super::keyboard::MAX_LINE;

/// Octets of the longest command. What is said to all may be longer.
const MAX_COMMAND: usize = 16 * 1024;
/// What `/help` says.
pub(super) const HELP: [&str; 9] = [
    "/nick NAME          take another nickname",
    "/msg NAME TEXT      say it to one alone; a name with blanks may stand in quotes",
    "/invite ADDRESS     invite sip:USER@HOST, xmpp:USER@HOST or USER@HOST",
    "/who                who is here",
    "/topic [TEXT]       show or change the topic",
    "/voice              ask to speak, where you may only listen",
    "/leave              leave; so do /quit, Ctrl-C and Ctrl-D",
    "/help               this",
    "//…                 say what begins with a slash",
];

/// What somebody at the terminal wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// An empty line.
    Nothing,
    /// To say this.
    Say(String),
    /// Another nickname.
    Nick(String),
    /// A name and what is to be said to him alone; where the name ends, the roster tells.
    Msg(String),
    /// To have this URI invited.
    Invite(String),
    /// To see who is here.
    Who,
    /// To see the topic.
    ShowTopic,
    /// To change it.
    Topic(String),
    /// To see what can be typed.
    Help,
    /// To leave.
    Leave,
    /// Something that cannot be done like this, and how it can.
    Wrong(String),
}

impl Typed {
    /// What a line means that was longer than is read: nothing of it is done.
    pub(super) fn too_long() -> Self {
        Self::Wrong(format!("that line has more than {MAX_LINE} octets; nothing of it was sent"))
    }

    /// Reads a line.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        // `//` says something that begins with a slash.
        match line.strip_prefix('/') {
            None => Self::Say(line.to_owned()),
            Some(text) if text.starts_with('/') => Self::Say(text.to_owned()),
            Some(command) if command.len() >= MAX_COMMAND => Self::Wrong(format!(
                "a command may have {MAX_COMMAND} octets, and that one has {}; nothing of it was sent",
                line.len()
            )),
            Some(command) => {
                let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
                Self::command(name, rest.trim())
            }
        }
    }

    fn command(name: &str, rest: &str) -> Self {
        match (name.to_ascii_lowercase().as_str(), rest) {
            ("leave" | "quit", "") => Self::Leave,
            ("who", "") => Self::Who,
            // The focus reads it.
            ("voice", "") => Self::Say("/voice".to_owned()),
            ("help", _) => Self::Help,
            ("topic", "") => Self::ShowTopic,
            ("topic", topic) => Self::Topic(topic.to_owned()),
            ("nick", "") => Self::Wrong("write /nick NAME".to_owned()),
            ("nick", nickname) => Self::Nick(unquote(nickname).to_owned()),
            ("msg", "") => Self::Wrong("write /msg NAME TEXT".to_owned()),
            ("msg", rest) => Self::Msg(rest.to_owned()),
            ("invite", address) => match invitee(address) {
                Some(uri) => Self::Invite(uri),
                None => Self::Wrong("write /invite sip:USER@HOST, xmpp:USER@HOST or USER@HOST".to_owned()),
            },
            ("leave" | "quit" | "who" | "voice", _) => Self::Wrong(format!("write /{name} alone")),
            _ => {
                Self::Wrong(format!("there is no /{name}; /help shows what there is, // says what begins with a slash"))
            }
        }
    }
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The URI of somebody to be invited: as it is written, `sip:` where there is no scheme. What cannot stand in a URI is
/// percent-encoded. `None` when it is no address.
fn invitee(address: &str) -> Option<String> {
    let known = ["sip:", "sips:", "xmpp:", "im:"];
    let has_scheme =
        |scheme: &&&str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let (scheme, rest) = match known.iter().find(has_scheme) {
        Some(scheme) => (*scheme, address.get(scheme.len()..)?),
        None if address.contains("://") => return None,
        None => ("sip:", address),
    };
    let (user, host) = rest.split_once('@')?;
    let is_address = !user.is_empty() && !host.is_empty() && !rest.contains(char::is_whitespace);
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>' | b'"' | b'\\');
    is_address.then(|| format!("{scheme}{}", percent_encode(rest.as_bytes(), plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_a_slash() {
        assert_eq!(Typed::parse("hello / there\r\n"), Typed::Say("hello / there".into()));
        assert_eq!(Typed::parse("//me waves\n"), Typed::Say("/me waves".into()));
        assert_eq!(Typed::parse(" \n"), Typed::Nothing);
    }

    #[test]
    fn commands_are_read_and_what_is_none_is_never_said() {
        assert_eq!(Typed::parse("/leave\n"), Typed::Leave);
        assert_eq!((Typed::parse("/quit"), Typed::parse("/Quit ")), (Typed::Leave, Typed::Leave));
        assert_eq!(Typed::parse("/NICK Romeo"), Typed::Nick("Romeo".into()));
        assert_eq!(Typed::parse("/nick Friar Laurence "), Typed::Nick("Friar Laurence".into()));
        assert_eq!(Typed::parse("/nick \"Friar L\""), Typed::Nick("Friar L".into()));
        assert_eq!(Typed::parse("/msg\tJuliet  my love"), Typed::Msg("Juliet  my love".into()));
        assert_eq!(Typed::parse("/Voice"), Typed::Say("/voice".into()));
        assert_eq!(Typed::parse("/topic"), Typed::ShowTopic);
        assert_eq!(Typed::parse("/topic Balcony, at night"), Typed::Topic("Balcony, at night".into()));
        assert_eq!((Typed::parse("/who "), Typed::parse("/help me")), (Typed::Who, Typed::Help));
        for wrong in ["/leaves", "/nick", "/msg ", "/invite", "/ x", "/", "/leave now", "/quit now", "/NICK"] {
            assert!(matches!(Typed::parse(wrong), Typed::Wrong(_)), "{wrong}");
        }
    }

    #[test]
    fn a_command_that_is_too_long_is_refused_and_a_text_of_that_length_is_said() {
        let long = "x".repeat(MAX_COMMAND);
        for command in [format!("/msg Juliet {long}"), format!("/topic {long}\n"), format!("/{long}")] {
            assert!(matches!(Typed::parse(&command), Typed::Wrong(why) if why.contains("nothing of it was sent")));
        }
        assert_eq!(Typed::parse(&format!("{long}\n")), Typed::Say(long.clone()));
        assert_eq!(Typed::parse(&format!("//{long}\n")), Typed::Say(format!("/{long}")));
    }

    #[test]
    fn an_address_is_invited_under_its_scheme_or_as_a_sip_address() {
        let invited = |address: &str| match Typed::parse(&format!("/invite {address}")) {
            Typed::Invite(uri) => Some(uri),
            _ => None,
        };
        assert_eq!(invited("benvolio@example.com").as_deref(), Some("sip:benvolio@example.com"));
        assert_eq!(invited("xmpp:juliet@example.com").as_deref(), Some("xmpp:juliet@example.com"));
        assert_eq!(invited("SIP:a@b;transport=tcp").as_deref(), Some("sip:a@b;transport=tcp"));
        assert_eq!(invited("xmpp:jül<i>et@x").as_deref(), Some("xmpp:j%C3%BCl%3Ci%3Eet@x"));
        for no_address in ["benvolio", "http://a@b", "a b@c", "@x", "x@", "sip:x"] {
            assert_eq!(invited(no_address), None, "{no_address}");
        }
    }
}
