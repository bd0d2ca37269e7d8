//! Invitations that come to an account of ours (XM-12): read here, followed elsewhere, answered on the stream that they came by.
//! An account shows no presence, so that only those come that are sent to its full JID.

use std::sync::Arc;

use jid::{BareJid, Jid};
use mucfocus_core::leg::call::Refusal;
use mucfocus_core::stanza::{OutStanza, Password};
use mucfocus_core::translate::invitation::{self, Invitation};
use tokio::sync::mpsc;
use xmpp_parsers::minidom::Element;

use super::settings::Account;
use crate::observe::sparing::Sparing;

const CLIENT: &str = "jabber:client";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const CONFERENCE: &str = "jabber:x:conference";
/// Invitations of one stream that are not answered yet: each may be a phone that rings. How many come in a time is the operator's to
/// say (`limits.invitations_per_user`); this bounds memory, whatever he says.
const MAX_PENDING: usize = 64;

/// Invitations that are not followed.
static LINES: Sparing = Sparing::new(5);

/// Logs that an invitation is not followed, and why.
pub fn not_followed(account: &Account, room: &BareJid, why: &Refusal) {
    if let Some(kept_back) = LINES.line() {
        tracing::info!(user = %account.user, %room, kept_back, reason = %why.text, "an invitation is not followed");
    }
}

/// Somebody invites a SIP user by his account.
pub struct Invited {
    /// The account.
    pub account: Account,
    /// To what.
    pub invitation: Invitation,
    reply: Reply,
}

/// The way back. While it is there, the stream is.
struct Reply {
    answers: mpsc::Sender<Answer>,
    open: Arc<()>,
}

/// What waits for the stream, and counts as unanswered until then.
type Answer = (OutStanza, Arc<()>);

impl Invited {
    /// Says why it is not followed. On a stream that is gone nobody hears it.
    pub fn answer_with(&self, why: &Refusal) {
        if let Some(answer) = invitation::refused(&self.invitation, why) {
            let _ = self.reply.answers.try_send((answer, Arc::clone(&self.reply.open)));
        }
    }
}

impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invited").field("invitation", &self.invitation).finish_non_exhaustive()
    }
}

/// Whoever follows invitations. It must not wait.
pub type Follow = Box<dyn Fn(Invited) + Send + Sync>;

/// The invitations of one stream.
pub(super) struct Invitations {
    /// From the first one on: few streams have one.
    answers: Option<(mpsc::Sender<Answer>, mpsc::Receiver<Answer>)>,
    /// One share for each that is not answered.
    open: Arc<()>,
}

/// What somebody is invited to.
#[derive(Debug)]
pub(super) enum Read {
    /// It is to be followed.
    Invited(Invited),
    /// Too many wait, and its sender is to be told so.
    TooMany(Option<OutStanza>),
}

/// It only looked like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoInvitation;

impl Invitations {
    pub(super) fn new() -> Self {
        Self { answers: None, open: Arc::new(()) }
    }

    /// What a stray message to `account` invites it to.
    ///
    /// # Errors
    ///
    /// [`NoInvitation`].
    pub(super) fn read(&mut self, account: &Account, raw: &[u8]) -> Result<Read, NoInvitation> {
        let invitation = read(raw).ok_or(NoInvitation)?;
        if self.pending() >= MAX_PENDING {
            // `resource-constraint` in XMPP, of type wait.
            let why = Refusal::new(423, "Too many invitations wait for an answer");
            not_followed(account, &invitation.room, &why);
            return Ok(Read::TooMany(invitation::refused(&invitation, &why)));
        }
        // An answer counts among those that wait, so that there is place for it.
        let (answers, _) = self.answers.get_or_insert_with(|| mpsc::channel(MAX_PENDING));
        let reply = Reply { answers: answers.clone(), open: Arc::clone(&self.open) };
        Ok(Read::Invited(Invited { account: account.clone(), invitation, reply }))
    }

    fn pending(&self) -> usize {
        Arc::strong_count(&self.open).saturating_sub(1)
    }

    /// Whether somebody may yet answer one.
    pub(super) fn are_open(&self) -> bool {
        self.pending() > 0
    }

    /// The next answer. Cancel-safe.
    pub(super) async fn answer(&mut self) -> Option<OutStanza> {
        match &mut self.answers {
            Some((_, to_send)) => to_send.recv().await.map(|(answer, _)| answer),
            None => std::future::pending().await,
        }
    }
}

/// The invitation in a message: what the room says itself, else what its sender does (XEP-0045 §7.8.2, XEP-0249 §2). Rooms that
/// write both for old clients mean the first.
fn read(raw: &[u8]) -> Option<Invitation> {
    let root = Element::from_reader_with_prefixes(raw, CLIENT.to_owned()).ok()?;
    let from = Jid::new(root.attr("from")?).ok()?;
    let id = root.attr("id").map(str::to_owned);
    if let Some(x) = root.get_child("x", MUC_USER)
        && let Some(invite) = x.get_child("invite", MUC_USER)
    {
        // From an occupant it would be his word that the room says so.
        let room = BareJid::try_from(from).ok()?;
        let inviter = Jid::new(invite.attr("from")?).ok()?;
        let reason = invite.get_child("reason", MUC_USER).map(Element::text);
        let password = x.get_child("password", MUC_USER).map(|password| Password::new(password.text()));
        return Some(Invitation { room, from: inviter, is_mediated: true, id, reason, password });
    }
    let x = root.get_child("x", CONFERENCE)?;
    let room = BareJid::new(x.attr("jid")?).ok()?;
    let (reason, password) = (x.attr("reason"), x.attr("password"));
    Some(Invitation {
        room,
        from,
        is_mediated: false,
        id,
        reason: reason.map(str::to_owned),
        password: password.map(|password| Password::new(password.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::settings::{Login, Server, Tls};
    use mucfocus_core::room::io::AccountKey;
    use mucfocus_core::stanza::{Condition, ErrorKind};

    /// Room, inviter, whether the room invites, reason, password.
    type Text = (String, String, bool, Option<String>, Option<String>);

    fn text(raw: &str) -> Option<Text> {
        let Invitation { room, from, is_mediated, reason, password, .. } = read(raw.as_bytes())?;
        Some((room.to_string(), from.to_string(), is_mediated, reason, password.map(|p| p.expose().to_owned())))
    }

    #[test]
    fn invitations_of_both_kinds_are_read() {
        // XM-12, XM-13: XEP-0045 example 58, XEP-0249 example 1
        let mediated = "<message from='coven@chat.shakespeare.lit' id='a' to='hecate@shakespeare.lit'>\
            <x xmlns='http://jabber.org/protocol/muc#user'><invite from='crone1@shakespeare.lit/desktop'>\
            <reason>Hey Hecate</reason></invite><password>cauldronburn</password></x>\
            <x xmlns='jabber:x:conference' jid='other@chat.shakespeare.lit'/></message>";
        let (room, crone) = ("coven@chat.shakespeare.lit".to_owned(), "crone1@shakespeare.lit/desktop".to_owned());
        let (reason, password) = (Some("Hey Hecate".to_owned()), Some("cauldronburn".to_owned()));
        assert_eq!(text(mediated), Some((room, crone, true, reason, password)));
        let direct = "<message from='crone1@shakespeare.lit/desktop' to='hecate@shakespeare.lit'>\
            <x xmlns='jabber:x:conference' jid='darkcave@macbeth.shakespeare.lit' password='cauldronburn' \
            reason='Hey Hecate' continue='true'/></message>";
        let (room, crone) =
            ("darkcave@macbeth.shakespeare.lit".to_owned(), "crone1@shakespeare.lit/desktop".to_owned());
        let (reason, password) = (Some("Hey Hecate".to_owned()), Some("cauldronburn".to_owned()));
        assert_eq!(text(direct), Some((room, crone, false, reason, password)));
    }

    fn account() -> Account {
        let jid = BareJid::new("romeo@example.net").unwrap();
        let (key, user) = (AccountKey::named(&jid), "sip:romeo@example.com".to_owned());
        let server = Server { address: None, tls: Tls::Starttls, ca_file: None };
        Account { key, user, jid, login: Login::Anonymous, server }
    }

    const DIRECT: &[u8] =
        b"<message id='i' from='juliet@b'><x xmlns='jabber:x:conference' jid='garden@muc'/></message>";

    fn followed(invitations: &mut Invitations) -> Option<Invited> {
        match invitations.read(&account(), DIRECT).unwrap() {
            Read::Invited(invited) => Some(invited),
            Read::TooMany(answer) => {
                let Some(OutStanza::InvitationError { id, error, .. }) = answer else { panic!("{answer:?}") };
                assert_eq!((error.condition, error.kind), (Condition::ResourceConstraint, ErrorKind::Wait));
                assert_eq!(id.as_deref(), Some("i"));
                None
            }
        }
    }

    #[tokio::test]
    async fn as_many_as_come_are_followed_or_answered() {
        // XM-12: those beyond what may wait are told so, and nothing is left of those that were answered
        let busy = Refusal::new(486, "Busy Here");
        let mut invitations = Invitations::new();
        for _ in 0..1000 {
            followed(&mut invitations).expect("each was answered before the next").answer_with(&busy);
            assert!(matches!(invitations.answer().await, Some(OutStanza::InvitationError { .. })));
        }
        assert!(!invitations.are_open());
        let waiting: Vec<Invited> = (0..100).filter_map(|_| followed(&mut invitations)).collect();
        assert_eq!(waiting.len(), MAX_PENDING);
        waiting.iter().for_each(|invited| invited.answer_with(&busy));
        drop(waiting);
        assert!(followed(&mut invitations).is_none(), "the answers wait yet");
        for _ in 0..MAX_PENDING {
            assert!(invitations.answer().await.is_some(), "none is lost");
        }
        assert!(!invitations.are_open() && followed(&mut invitations).is_some());
    }

    #[test]
    fn what_is_none_or_says_too_little_is_no_invitation() {
        let muc =
            |from: &str, invite: &str| format!("<message from='{from}'><x xmlns='{MUC_USER}'>{invite}</x></message>");
        for raw in [
            muc("coven@chat.test/nick", "<invite from='a@b'/>"),
            muc("coven@chat.test", "<invite to='a@b'/>"),
            muc("coven@chat.test", "<decline from='a@b'/>"),
            "<message><x xmlns='jabber:x:conference' jid='a@b'/></message>".into(),
            "<message from='a@b'><x xmlns='jabber:x:conference'/></message>".into(),
            "<message from='a@b'><x xmlns='jabber:x:conference' jid='@'/></message>".into(),
            "<message from='a@b'><body>jabber:x:conference</body></message>".into(),
            "<message from='a@b'>".into(),
        ] {
            assert_eq!(text(&raw), None, "{raw}");
        }
    }
}
