//! What a room says, as a SIP user reads it (GC-MSG-10, GC-PM-08).

use alloc::string::ToString;

use bytes::Bytes;

use crate::address::sip_uri::SipUri;
use crate::time::WallClock;
use crate::wire::cpim::{self, Address};

/// Content-Type of the text inside; the charset is said, since MIME's default is another (CPIM-12).
const TEXT: &str = "text/plain;charset=utf-8";

/// `body`, as said to everybody by the occupant `nickname` of `room`, or by the room itself when there is no nickname.
#[must_use]
pub fn public(room: &SipUri, nickname: Option<&str>, body: &str, at: WallClock) -> Bytes {
    text(&speaker(room, nickname), &Address::new(None, &room.to_string()), body, at)
}

/// The same, said at `at`, before the reader came (FT-01).
#[must_use]
pub fn earlier(room: &SipUri, nickname: Option<&str>, body: &str, at: WallClock) -> Bytes {
    cpim::encode_delayed(&speaker(room, nickname), &Address::new(None, &room.to_string()), &at.rfc3339(), TEXT, body)
}

/// `body`, as said to the SIP user `reader` alone.
#[must_use]
pub fn private(room: &SipUri, nickname: &str, reader: &SipUri, body: &str, at: WallClock) -> Bytes {
    text(&speaker(room, Some(nickname)), &Address::new(None, &reader.to_string()), body, at)
}

/// What the focus itself has to tell the SIP user `reader`, in the room's name.
#[must_use]
pub fn notice(room: &SipUri, reader: &SipUri, body: &str, at: WallClock) -> Bytes {
    text(&speaker(room, None), &Address::new(None, &reader.to_string()), body, at)
}

/// A status message of an occupant (RFC 3994), `document` being its body.
#[must_use]
pub fn composing(room: &SipUri, nickname: &str, document: &str, at: WallClock) -> Bytes {
    let (from, to) = (speaker(room, Some(nickname)), Address::new(None, &room.to_string()));
    cpim::encode(&from, &to, &at.rfc3339(), "application/im-iscomposing+xml", document)
}

fn text(from: &Address, to: &Address, body: &str, at: WallClock) -> Bytes {
    cpim::encode(from, to, &at.rfc3339(), TEXT, body)
}

fn speaker(room: &SipUri, nickname: Option<&str>) -> Address {
    match nickname {
        Some(nickname) => Address::new(Some(nickname), &room.with_gr(nickname).to_string()),
        None => Address::new(None, &room.to_string()),
    }
}
