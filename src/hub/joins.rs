//! The joins of one room that are on their way: those that wait for their turn, and those that the MUC has not answered.

use std::collections::BTreeMap;

use mucfocus_core::room::io::MembershipId;
use mucfocus_core::stanza::OutStanza;
use tokio::task::AbortHandle;

use super::mail::Mail;
use super::mailbox::{Address, SourceId};
use super::pacing::{Pacing, Start, Turn};

/// At most one for each membership: a later one stands for an earlier one.
#[derive(Default)]
pub(super) struct Joins(BTreeMap<MembershipId, Join>);

enum Join {
    /// Its turn comes as mail from this source.
    Waiting { stanza: OutStanza, source: SourceId, line: AbortHandle },
    /// It was sent.
    Sent { _turn: Turn },
}

impl Drop for Join {
    fn drop(&mut self) {
        if let Self::Waiting { line, .. } = self {
            line.abort();
        }
    }
}

impl Joins {
    /// Whether `stanza`, a join, may be sent now; else it is kept until its turn, which comes as [`Mail::Turn`].
    pub(super) fn may_send(
        &mut self,
        (pacing, service, presences): (&Pacing, &str, usize),
        member: MembershipId,
        stanza: &OutStanza,
        address: &Address,
    ) -> bool {
        self.0.remove(&member);
        match pacing.start(service, presences) {
            Start::Now(turn) => {
                self.0.insert(member, Join::Sent { _turn: turn });
                true
            }
            Start::Later(waiting) => {
                let (source, mail) = address.source(Mail::Turn(None));
                let line = tokio::spawn(async move {
                    let turn = waiting.turn().await;
                    // The room is told by the end of the source in any case; a turn that does not reach it is given back.
                    let _ = mail.try_send(Mail::Turn(Some(turn)), 64);
                });
                let line = line.abort_handle();
                self.0.insert(member, Join::Waiting { stanza: stanza.clone(), source, line });
                false
            }
        }
    }

    /// A turn came through `source`: whose it is, and the join that is to be sent now.
    pub(super) fn turn_came(&mut self, source: SourceId, turn: Option<Turn>) -> Option<(MembershipId, OutStanza)> {
        let whose = |join: &Join| matches!(join, Join::Waiting { source: from, .. } if *from == source);
        let member = self.0.iter().find(|(_, join)| whose(join)).map(|(member, _)| *member)?;
        let stanza = match self.0.get(&member)? {
            Join::Waiting { stanza, .. } => stanza.clone(),
            Join::Sent { .. } => return None,
        };
        self.0.remove(&member);
        if let Some(turn) = turn {
            self.0.insert(member, Join::Sent { _turn: turn });
        }
        Some((member, stanza))
    }

    /// The MUC has answered, or the membership is over or leaves.
    pub(super) fn is_over(&mut self, member: MembershipId) {
        self.0.remove(&member);
    }
}
