//! What a room says, as a SIP user reads it (GC-MSG-10, GC-PM-08), and what became of what he said (IMDN-02).

use alloc::string::ToString;

use bytes::Bytes;

use crate::address::sip_uri::SipUri;
use crate::time::WallClock;
use crate::wire::cpim::{self, Address, Extras};
use crate::wire::imdn::{self, Imdn, Tracking};

/// Content-Type of the text inside; the charset is said, since MIME's default is another (CPIM-12).
const TEXT: &str = "text/plain;charset=utf-8";

/// `body`, as said to everybody by the occupant `nickname` of `room`, or by the room itself when there is no nickname.
#[must_use]
pub fn public(room: &SipUri, nickname: Option<&str>, tracking: &Tracking, body: &str, at: WallClock) -> Bytes {
    let extras = Extras { tracking: Some(tracking), ..Extras::default() };
    cpim::encode_with(&speaker(room, nickname), &place(room), &at.rfc3339(), extras, TEXT, body)
}

/// The same, said at `at`, before the reader came (FT-01).
#[must_use]
pub fn earlier(room: &SipUri, nickname: Option<&str>, tracking: &Tracking, body: &str, at: WallClock) -> Bytes {
    let extras = Extras { delayed: true, tracking: Some(tracking), ..Extras::default() };
    cpim::encode_with(&speaker(room, nickname), &place(room), &at.rfc3339(), extras, TEXT, body)
}

/// `body`, as said to the SIP user `reader` alone, with what its author wants to hear of it.
#[must_use]
pub fn private(
    room: &SipUri,
    nickname: &str,
    reader: &SipUri,
    tracking: &Tracking,
    body: &str,
    at: WallClock,
) -> Bytes {
    let extras = Extras { tracking: Some(tracking), ..Extras::default() };
    cpim::encode_with(&speaker(room, Some(nickname)), &place(reader), &at.rfc3339(), extras, TEXT, body)
}

/// What the focus itself has to tell the SIP user `reader`, in the room's name.
#[must_use]
pub fn notice(room: &SipUri, reader: &SipUri, body: &str, at: WallClock) -> Bytes {
    cpim::encode(&place(room), &place(reader), &at.rfc3339(), TEXT, body)
}

/// A status message of an occupant (RFC 3994), `document` being its body, for `reader`: the room, or a SIP user alone.
#[must_use]
pub fn composing(room: &SipUri, nickname: &str, reader: &SipUri, document: &str, at: WallClock) -> Bytes {
    let from = speaker(room, Some(nickname));
    cpim::encode(&from, &place(reader), &at.rfc3339(), "application/im-iscomposing+xml", document)
}

/// What became of a message of `author`, told by the occupant `nickname` or by the room. It asks for nothing itself (IMDN-03).
#[must_use]
pub fn notification(
    room: &SipUri,
    nickname: Option<&str>,
    author: &SipUri,
    name: &Tracking,
    imdn: &Imdn,
    at: WallClock,
) -> Bytes {
    let extras = Extras { tracking: Some(name), notification: true, ..Extras::default() };
    let (from, to) = (speaker(room, nickname), place(author));
    cpim::encode_with(&from, &to, &at.rfc3339(), extras, imdn::MEDIA_TYPE, &imdn.render())
}

fn place(uri: &SipUri) -> Address {
    Address::new(None, &uri.to_string())
}

fn speaker(room: &SipUri, nickname: Option<&str>) -> Address {
    match nickname {
        Some(nickname) => Address::new(Some(nickname), &room.with_gr(nickname).to_string()),
        None => place(room),
    }
}
