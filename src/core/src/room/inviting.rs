//! Invitations from the XMPP side to SIP users (XM-12): the room that somebody is invited to calls his phone.

use alloc::boxed::Box;

use super::Room;
use super::calling::{Asked, Outgoing};
use super::io::Output;
use crate::env::Env;
use crate::leg::call::Refusal;

/// Names an invitation within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub u64);

impl Room {
    /// Who is in the room already has what he is invited to, and his phone does not ring.
    pub(super) fn invited(&mut self, env: &mut Env<'_>, id: InvitationId, outgoing: Box<Outgoing>) {
        let is_here = self.index.of_account(&outgoing.account).is_some();
        let leg = if is_here { None } else { Some(self.may_call(&outgoing)) };
        match leg {
            Some(Ok(leg)) => return self.place_call(env, *outgoing, leg, (Asked::Invitation(id), None)),
            Some(Err(refusal)) => self.invitation_over(id, Err(refusal)),
            None => self.invitation_over(id, Ok(())),
        }
        self.out.push_back(Output::LegGone(outgoing.leg));
    }

    pub(super) fn invitation_over(&mut self, id: InvitationId, result: Result<(), Refusal>) {
        self.out.push_back(Output::Invitation(id, result));
    }
}
