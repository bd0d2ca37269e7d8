//! Calls that come to the room, and those that it makes: what a leg needs of its drivers.

use bytes::Bytes;
use mucfocus_core::leg::call::{CallCommand, Refusal};
use mucfocus_core::leg::{Dial, LegId};
use mucfocus_core::room::calling::Outgoing;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::Input;
use mucfocus_core::room::referral::Action;
use tokio::sync::mpsc;

use super::{Calling, LegHandles, RoomTask};
use crate::hub::accounts::Hold;
use crate::hub::call::{NewCall, NewInvitation, NewLeg, NewReferral};
use crate::hub::leg_log::LegLog;
use crate::hub::mail::{CallEnd, CallMail, Mail};
use crate::hub::mailbox::SourceId;
use crate::hub::speakers::Speaker;
use crate::sip::port::{COMMANDS, Placed};
use crate::xmpp::settings::{Account, Login};

impl RoomTask {
    pub(super) fn dial(&mut self, from: SourceId, new: NewLeg) {
        let NewLeg { leg, account, hold, nickname, dial, commands } = new;
        self.speakers.introduce(from, Speaker::Call(leg));
        let key = account.key.clone();
        self.equip(leg, (account, hold), &dial, commands, None);
        self.input(Input::Dial { leg, account: key, nickname, dial: Box::new(dial) });
        self.drain();
    }

    pub(super) fn refer(&mut self, from: SourceId, new: NewReferral) {
        let NewReferral { id, referral, call, answers } = new;
        self.speakers.introduce(from, Speaker::Referral(id));
        let removes = matches!(referral.action, Action::Remove(_));
        self.watchers.referred(id, removes, answers);
        if let (Some(call), Action::Call(outgoing)) = (call, &referral.action) {
            self.prepare_call(call, outgoing);
        }
        self.input(Input::Refer { id, referral: Box::new(referral) });
        self.drain();
    }

    pub(super) fn invited(&mut self, new: NewInvitation) {
        let NewInvitation { id, outgoing, call, invited } = new;
        self.invitations.insert(id, invited);
        self.prepare_call(call, &outgoing);
        self.input(Input::Invited { id, outgoing: Box::new(outgoing) });
        self.drain();
    }

    pub(super) fn invitation_over(&mut self, id: InvitationId, result: Result<(), Refusal>) {
        if let (Some(invited), Err(refusal)) = (self.invitations.remove(&id), result) {
            invited.answer_with(&refusal);
        }
    }

    /// What a leg of ours needs should the room want the call.
    pub(super) fn prepare_call(&mut self, call: NewCall, outgoing: &Outgoing) {
        let NewCall { account, hold, referred_by, subject } = call;
        let dial = &outgoing.dial;
        let (commands, from_room) = mpsc::channel(COMMANDS);
        let calling = Calling {
            callee: dial.caller.clone(),
            room: dial.room.uri.clone(),
            call_id: dial.call_id.clone(),
            referred_by,
            subject,
            commands: from_room,
        };
        self.equip(outgoing.leg, (account, hold), dial, commands, Some(calling));
    }

    /// What a leg has of its drivers from the beginning.
    fn equip(
        &mut self,
        leg: LegId,
        (account, hold): (Account, Hold),
        dial: &Dial,
        commands: mpsc::Sender<CallCommand>,
        calling: Option<Calling>,
    ) {
        self.of_account.entry(account.key.clone()).or_default().push(leg);
        let handles = LegHandles {
            commands,
            hold,
            stranger: matches!(account.login, Login::Anonymous).then(|| dial.caller.aor_key()),
            session: None,
            link: None,
            has_dialled: false,
            unfinished: self.shared.unfinished.part(),
            log: LegLog::new(dial, &account.jid),
            ladder: self.shared.ladder.hold(&dial.call_id),
            calling: calling.map(Box::new),
            account,
        };
        self.legs.insert(leg, Box::new(handles));
    }

    /// Hands a call to who makes it. When nobody takes it, the source says so as it is dropped.
    pub(super) fn place_call(&mut self, leg: LegId, offer: Bytes) {
        let Some(calling) = self.legs.get_mut(&leg).and_then(|handles| handles.calling.take()) else { return };
        let vanished = CallMail::Ended(CallEnd::Failed("nobody makes this call: too many are being made".into()));
        let (source_id, source) = self.address.source(Mail::Call(vanished));
        self.speakers.introduce(source_id, Speaker::Call(leg));
        let Calling { callee, room, call_id, referred_by, subject, commands } = *calling;
        let placed = Placed { callee, room, leg, call_id, offer, subject, referred_by, commands, source };
        if let Some(calls) = &self.shared.calls {
            let _ = calls.try_send(placed);
        }
    }
}
