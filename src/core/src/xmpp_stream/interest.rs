//! Which stanzas of a room a membership has a use for, decided from what the framer knows, before anybody parses them.
//!
//! In a room of N occupants each of us is sent every presence, and one of us is enough to see it (GC-PRES-16). Here nothing is
//! dropped but such a presence: in doubt a stanza is wanted, which costs a parse and is never wrong.

use jid::FullJid;
use memchr::memmem;

use super::framing::Framed;

/// What a membership wants of what its room sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interest {
    /// All of it: its view of the room is everybody's, or it cannot know yet under which name it will be there.
    #[default]
    Everything,
    /// Everything but who else comes, changes and goes. This is the membership itself.
    Own(FullJid),
}

/// How a room tells somebody that a presence is his own (XEP-0045 §7.2.2), whatever nickname it bears: one that the service has
/// rewritten (status 210) is known by that alone. Quoted, as the value of an attribute: the digits are in many an address.
const SELF_PRESENCE: [&[u8]; 2] = [b"'110'", b"\"110\""];

impl Interest {
    /// Whether `stanza`, which the room or an occupant of it sent, is wanted.
    #[must_use]
    pub fn covers(&self, stanza: &Framed) -> bool {
        match self {
            Self::Everything => true,
            Self::Own(occupant) => !is_about_another(stanza, occupant),
        }
    }
}

/// Whether a message from nobody whom a room here knows may invite the account to a room, through it or not. Whoever reads it finds
/// out.
#[must_use]
pub fn may_invite(stanza: &Framed) -> bool {
    let has = |what: &str| memmem::find(&stanza.bytes, what.as_bytes()).is_some();
    let may_carry_it = stanza.name() == "message" && !matches!(stanza.kind().as_deref(), Some("error" | "groupchat"));
    may_carry_it && (has("jabber:x:conference") || (has("muc#user") && has("invite")))
}

/// Whether it says that somebody else is here or gone, and nothing more. Errors, and what the room says of itself, are not that.
fn is_about_another(stanza: &Framed, ours: &FullJid) -> bool {
    if stanza.name() != "presence" || !matches!(stanza.kind().as_deref(), None | Some("unavailable")) {
        return false;
    }
    let Some(from) = stanza.from() else { return false };
    let is_an_occupant = from.split_once('/').is_some_and(|(_, nickname)| !nickname.is_empty());
    is_an_occupant && from.as_ref() != ours.as_str() && !is_self_presence(&stanza.bytes)
}

/// Whether it may be: in doubt it is.
fn is_self_presence(presence: &[u8]) -> bool {
    SELF_PRESENCE.iter().any(|code| memmem::find(presence, code).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp_stream::framing::{Event, Framer};

    fn covers(interest: &Interest, xml: &str) -> bool {
        let Ok(Some(Event::Stanza(stanza))) = Framer::new().push(&mut xml.as_bytes()) else { panic!("{xml}") };
        interest.covers(&stanza)
    }

    fn own() -> Interest {
        Interest::Own(FullJid::new("capulet@muc.test/It's <Romeo>").unwrap())
    }

    /// GC-PRES-16: what one of us sees the others need not look at.
    #[test]
    fn only_the_presence_of_somebody_else_is_not_wanted() {
        let left_out = [
            "<presence from='capulet@muc.test/JuliC' to='romeo@xmpp.test/x'/>",
            "<presence from='capulet@muc.test/JuliC' type='unavailable'><status>bye</status></presence>",
            "<presence from='capulet@muc.test/Romeo'/>",
            "<presence from='capulet@muc.test/110' to='51107@anon.test/110' id='110a'><status>110</status></presence>",
        ];
        let wanted = [
            "<presence from='capulet@muc.test/It&apos;s &lt;Romeo&gt;' type='unavailable'/>",
            "<presence from='capulet@muc.test/romeo'><x xmlns='u'><status code='110'/><status code='210'/></x></presence>",
            "<presence from='capulet@muc.test/ROMEO'><x xmlns='u'><status code=\"110\"/></x></presence>",
            "<presence from='capulet@muc.test/JuliC' type='error'/>",
            "<presence from='capulet@muc.test' type='unavailable'/>",
            "<presence from='capulet@muc.test/'/>",
            "<presence type='unavailable'/>",
            "<message from='capulet@muc.test/JuliC' type='groupchat'><body>x</body></message>",
            "<iq from='capulet@muc.test/JuliC' type='result' id='1'/>",
        ];
        for xml in left_out {
            assert!(!covers(&own(), xml), "{xml}");
        }
        for xml in wanted {
            assert!(covers(&own(), xml), "{xml}");
        }
        for xml in left_out.into_iter().chain(wanted) {
            assert!(covers(&Interest::Everything, xml), "{xml}");
        }
    }
}
