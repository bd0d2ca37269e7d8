//! `docs/errors.md` is the table of errors.

use mucfocus_core::stanza::ErrorKind;
use mucfocus_core::translate::errors::status::{Effect, Watching, Why};
use mucfocus_core::translate::errors::{Codes, TABLE, msrp, row_of, sip, status};

use crate::hold;

const HEAD: &str = "# Errors

Written from `src/core/src/translate/errors.rs` by a test; change it there. Requirements ERR-01 to ERR-07, ERR-09, XM-06.

## What an XMPP error is called in SIP and MSRP

*Call* is the answer to an INVITE, *invitation* the status line in the last NOTIFY of a REFER, the others are responses to MSRP
requests. `wait` and `modify` are types of the error. A caller who is told to wait by 404, 480 or 500 reads `Retry-After: 30`. To
a caller an address that came with the error is the Contact. Before `conflict` and `not-acceptable` refuse a call, other nicknames have
been tried. It is never 503, which would take the whole node out of service. When a message for the room meets `not-acceptable` or
`item-not-found`, which rooms have for who is no occupant, the room is entered again and the message said once more; its
sender reads the status only if the room has let him in and refuses still.

| XMPP | call | invitation | message | private message | nickname |
|---|---|---|---|---|---|
";
const SIP: &str = "
## What a SIP status is called in XMPP

The reason phrase becomes the text of the error, a Contact the address of `gone` and `redirect`, but never with 410. Who reads them is
who has invited a SIP user.

| SIP | XMPP | type |
|---|---|---|
";
const MSRP: &str = "
## What an MSRP status is called in XMPP

The text of the error names the status. Who says something to a SIP user alone is told when no client of his takes it; of what
is said to everybody nobody is told, nor of 408, which stands for no response in time as well. A MUC puts out whoever sends
another occupant `item-not-found`, `jid-malformed`, `internal-server-error` or `remote-server-timeout`: in a room
`undefined-condition` stands in their place.

| MSRP | XMPP | type | session |
|---|---|---|---|
";
const STATUS: &str = "
## What the status codes of a room lead to

| status | what comes of it |
|---|---|
";
const REMOVAL: &str = "
## What ends a call, and why

The BYE has a Reason (RFC 3326) with this cause and the words of the room; a call that is not answered yet gets 403, 410, or 480
with Retry-After. The last NOTIFY of a conference subscription gives this reason. Where a way back in is refused, the refusal is what
counts: the cause is that of a call that is refused so, or 404 where there is no such room any more, and the reason `rejected` with 403,
`probation` where the room may let him in later, else `noresource`.

| the occupant | cause | subscription |
|---|---|---|
";

#[test]
fn the_errors_are_documented() {
    let mut text = HEAD.to_string();
    for row in TABLE {
        let moved = row.moved.map(|moved| format!("; with an address {moved}")).unwrap_or_default();
        let (call, invitation) = (codes(row.call) + &moved, codes(row.invitation) + &moved);
        let (message, private, nickname) = (codes(row.message), codes(row.private), codes(row.nickname));
        text += &format!("| `{}` | {call} | {invitation} | {message} | {private} | {nickname} |\n", row.name);
    }
    text += SIP;
    for row in sip::TABLE.iter().chain(&sip::YOUNGER) {
        let condition = row_of(row.condition);
        text += &format!("| {} | `{}` | {} |\n", row.code, condition.name, kind(condition.kind));
    }
    for row in sip::CLASSES {
        let condition = row_of(row.condition);
        text += &format!("| {}xx, others | `{}` | {} |\n", row.code / 100, condition.name, kind(condition.kind));
    }
    text += MSRP;
    for row in msrp::TABLE {
        let condition = row_of(row.condition);
        let session = if row.ends_session { "is over" } else { "goes on" };
        text += &format!("| {} | `{}` | {} | {session} |\n", row.code, condition.name, kind(condition.kind));
    }
    text += "| 4xx, others | `bad-request` | modify | goes on |\n| 5xx, others | `internal-server-error` | cancel | goes on |\n";
    text += STATUS;
    for row in status::TABLE {
        text += &format!("| {} | {} |\n", row.code, effect(row.effect));
    }
    text += REMOVAL;
    for reason in Why::ALL {
        text += &format!("| {} | {} | {} |\n", why(reason), reason.sip_cause(), watching(reason.watching()));
    }
    hold("errors.md", &text);
}

fn codes(codes: Codes) -> String {
    let mut text = codes.usual.to_string();
    for (name, code) in [("wait", codes.wait), ("modify", codes.modify)] {
        if code != codes.usual {
            text += &format!("; `{name}` {code}");
        }
    }
    text
}

const fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Auth => "auth",
        ErrorKind::Cancel => "cancel",
        ErrorKind::Continue => "continue",
        ErrorKind::Modify => "modify",
        ErrorKind::Wait => "wait",
    }
}

fn effect(effect: Effect) -> String {
    match effect {
        Effect::Inner(text) => text.into(),
        Effect::Notice(text) => format!("SIP users read: “{text}”"),
        Effect::Removal(Why::Technical) => "Out of the room, into which a way back is tried first".into(),
        Effect::Removal(why) => format!("Out of the room: the occupant {}", self::why(why)),
        Effect::Ignored => "Nothing".into(),
    }
}

const fn why(why: Why) -> &'static str {
    match why {
        Why::Kicked => "was removed by a moderator",
        Why::Banned => "was banned",
        Why::AffiliationLost => "is no member any more",
        Why::MembersOnly => "is no member, and the room is for members only now",
        Why::ServiceShutdown => "was removed because the service goes down",
        Why::Technical => "was removed for a technical reason, and the room does not answer who wants to come back",
        Why::Destroyed => "was in a room that was destroyed",
        Why::DestroyedForAnother => "was in a room that was destroyed for another, which the words name",
        Why::StreamLost => "lost the XMPP stream for longer than the time of grace",
    }
}

const fn watching(watching: Watching) -> &'static str {
    match watching {
        Watching::Forbidden => "`rejected`",
        Watching::Over => "`noresource`",
        Watching::Later => "`probation`, with a time",
    }
}
