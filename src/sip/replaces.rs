//! Calls that take the place of another: the phone in the pocket for the one on the desk (RFC 3891, CF-12).
//!
//! The devices of one user share his place in a room, so that a call which replaces another is one more of his devices, and the
//! other one is hung up as soon as the new one has its ACK: the room sees nobody leave or come, and a call that comes to nothing
//! leaves everything as it was. Only his own: who knows the tags of a call does not own it, and a Referred-By that nobody has
//! signed proves nothing. A call that has ended is not remembered, so that it is 481 and not 603; one that is still ringing is 481 as
//! well, for whoever called us set it up (§3).

use std::sync::atomic::Ordering;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Method, Request};

use super::call::Event;
use super::dispatch::Refused;
use super::head::{parameter, split_outside_quotes};
use super::port::Caller;
use super::reply::fields;
use super::shared::{CallHandle, DialogId, Shared};

/// What a Replaces names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replaces {
    /// The dialog as we see it: the tags are those of a request to us.
    dialog: DialogId,
    /// Not if it is talking.
    early_only: bool,
}

impl Replaces {
    /// Reads the field, if there is one.
    ///
    /// # Errors
    ///
    /// 400 where there are several, or what it says is no dialog.
    fn of(invite: &Request) -> Result<Option<Self>, Refused> {
        let bad = |text: &str| Refused::new(400, "replaces", text);
        let mut values = fields(invite, "replaces").flat_map(|value| split_outside_quotes(value, ','));
        let (value, more) = (values.next(), values.next());
        if more.is_some() {
            return Err(bad("an INVITE has one Replaces at most"));
        }
        let Some(value) = value else { return Ok(None) };
        let call_id = value.split(';').next().unwrap_or_default().trim();
        let (false, Some(ours), Some(theirs)) =
            (call_id.is_empty(), parameter(value, "to-tag"), parameter(value, "from-tag"))
        else {
            return Err(bad("Replaces needs a Call-ID, a to-tag and a from-tag"));
        };
        Ok(Some(Self {
            dialog: DialogId { call_id: call_id.to_owned(), local_tag: ours.to_owned(), remote_tag: theirs.to_owned() },
            early_only: parameter(value, "early-only").is_some(),
        }))
    }
}

/// The right to take the place of a call, which one call has at a time. A call that comes to nothing gives it back.
pub(super) struct Succession(CallHandle);

impl Succession {
    fn to(call: CallHandle) -> Option<Self> {
        let is_taken = call.has_successor.swap(true, Ordering::AcqRel);
        (!is_taken).then_some(Self(call))
    }

    /// Ends the call that is replaced.
    pub(super) fn begin(self) {
        self.0.is_talking.store(false, Ordering::Release);
        let events = self.0.events.clone();
        // In a task of its own: of two calls neither waits for the other.
        tokio::spawn(async move { events.send(Event::Replaced).await });
    }
}

impl Drop for Succession {
    fn drop(&mut self) {
        self.0.has_successor.store(false, Ordering::Release);
    }
}

/// That Replaces stands in an INVITE or nowhere (§3).
pub(super) fn check(request: &Request) -> Result<(), Refused> {
    if request.method == Method::Invite { Ok(()) } else { check_within(request) }
}

/// That it does not stand in a request of a dialog: what has begun takes no place any more.
pub(super) fn check_within(request: &Request) -> Result<(), Refused> {
    if fields(request, "replaces").next().is_some() {
        return Err(Refused::new(400, "replaces", "only a new call takes the place of another"));
    }
    Ok(())
}

/// The call of `caller` in `room` that his INVITE is to take the place of, if any.
///
/// # Errors
///
/// 400 for what cannot be read, 403 for a call of somebody else, 481 where there is no such call in this room, 486 where it is only
/// to be replaced before it is answered, or another call is about to take its place.
pub(super) fn replaced(
    shared: &Shared,
    invite: &Request,
    caller: &Caller,
    room: &SipUri,
) -> Result<Option<Succession>, Refused> {
    let Some(replaces) = Replaces::of(invite)? else { return Ok(None) };
    let no_call = || Refused::new(481, "replaces", "there is no such call to replace in this room");
    let dialog = shared.dialogs.get(&replaces.dialog).map(|dialog| dialog.clone()).ok_or_else(no_call)?;
    if !caller.aor.same_aor(&dialog.owner.aor) {
        return Err(Refused::new(403, "not_owner", "the call that is to be replaced is another caller's"));
    }
    let call = shared.calls.get(&replaces.dialog).map(|call| call.clone());
    let call = call.filter(|call| call.is_talking.load(Ordering::Acquire) && dialog.room.same_aor(room));
    let call = call.ok_or_else(no_call)?;
    if replaces.early_only {
        return Err(Refused::new(486, "replaces", "the call that is to be replaced is answered already"));
    }
    let taken = || Refused::new(486, "replaces", "another call is about to take its place");
    Succession::to(call).map(Some).ok_or_else(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Result<Option<Replaces>, u16> {
        let text = format!(
            "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:r@o>;tag=r\r\nTo: <sip:x@d>\r\n\
             Call-ID: c\r\nCSeq: 7 INVITE\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        Replaces::of(&Request::try_from(text.as_bytes()).unwrap()).map_err(|refused| refused.refusal.code)
    }

    /// CF-12.
    #[test]
    fn a_replaces_names_one_dialog_with_our_tag_as_the_one_of_the_to() {
        let dialog = DialogId { call_id: "98732@h".into(), local_tag: "ours".into(), remote_tag: "theirs".into() };
        let named = |early_only| Ok(Some(Replaces { dialog: dialog.clone(), early_only }));
        assert_eq!(of("Replaces: 98732@h;from-tag=theirs ;to-tag=ours\r\n"), named(false));
        assert_eq!(of("Replaces: 98732@h ; To-Tag=ours;from-tag=theirs;Early-Only\r\n"), named(true));
        assert_eq!(of(""), Ok(None));
    }

    #[test]
    fn two_of_them_or_half_of_one_are_refused() {
        let one = "a;to-tag=1;from-tag=2";
        for fields in [
            format!("Replaces: {one}\r\nReplaces: {one}\r\n"),
            format!("Replaces: {one}, {one}\r\n"),
            "Replaces: a;to-tag=1\r\n".into(),
            "Replaces: ;to-tag=1;from-tag=2\r\n".into(),
            "Replaces: \r\n".into(),
        ] {
            assert_eq!(of(&fields), Err(400), "{fields}");
        }
    }
}
