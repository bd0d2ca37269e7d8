//! A message of the room as a SIP user reads it (GC-MSG-10).

use alloc::string::ToString;

use bytes::Bytes;

use crate::address::sip_uri::SipUri;
use crate::time::WallClock;
use crate::wire::cpim::{self, Address};

/// Content-Type of the text inside; the charset is said, since MIME's default is another (CPIM-12).
const TEXT: &str = "text/plain;charset=utf-8";

/// `body`, as said by the occupant `nickname` of `room`, or by the room itself when there is no nickname.
#[must_use]
pub fn to_cpim(room: &SipUri, nickname: Option<&str>, body: &str, at: WallClock) -> Bytes {
    let to = Address::new(None, &room.to_string());
    let from = match nickname {
        Some(nickname) => Address::new(Some(nickname), &room.with_gr(nickname).to_string()),
        None => to.clone(),
    };
    cpim::encode(&from, &to, &at.rfc3339(), TEXT, body)
}
