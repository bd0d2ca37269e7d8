//! Calls of ours that several phones answer (RFC 3261 §13.2.2.4): proxies fork an INVITE, and each 2xx opens a dialog of its own. The
//! first is the call; whoever comes after it gets his ACK and a BYE.
//!
//! Owns which 2xx was the first. That is settled in the order of the wire, before the stack sees it: the stack takes each one for a
//! repetition of the first, and acknowledges that once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Header, Method, Request, Response};
use rsipstack::transport::SipConnection;

use super::ack::Acks;
use super::client::{Draft, Way};
use super::dialog::Dialog;
use super::dispatch::Place;
use super::head::parameter;
use super::port::Caller;
use super::reason;
use super::shared::Shared;
use super::usage::Usage;

/// Phones beyond the first that are answered for one INVITE. People have fewer, and each costs a transaction.
const OTHERS: usize = 16;

/// INVITEs of ours that open a dialog, by their branch, from before they are sent until nobody answers them any more.
#[derive(Default)]
pub(super) struct Forks(DashMap<String, Forked>);

/// What was asked, for the dialog of whoever answers.
#[derive(Clone)]
pub(super) struct Asked {
    /// Without the tag of the peer.
    dialog: Dialog,
    /// Without its offer.
    invite: Request,
    place: Place,
    connection: SipConnection,
    callee: SipUri,
    room: SipUri,
}

struct Forked {
    asked: Asked,
    /// The tag of the first 2xx.
    first: Option<String>,
    /// The tags of the others, with what is said whenever their 2xx is repeated.
    others: BTreeMap<String, Option<Arc<Acks>>>,
}

impl Asked {
    /// `dialog` has the number of the INVITE.
    pub(super) fn new(
        dialog: &Dialog,
        invite: &Request,
        (place, connection): (&Place, &SipConnection),
        (callee, room): (&SipUri, &SipUri),
    ) -> Self {
        Self {
            dialog: dialog.clone(),
            invite: Request { body: Vec::new(), ..invite.clone() },
            place: place.clone(),
            connection: connection.clone(),
            callee: callee.clone(),
            room: room.clone(),
        }
    }
}

impl Forks {
    /// An INVITE goes out. It is forgotten with what this returns.
    pub(super) fn expect(&self, shared: &Arc<Shared>, branch: &str, asked: Asked) -> Open {
        self.0.insert(branch.to_owned(), Forked { asked, first: None, others: BTreeMap::new() });
        Open { shared: Arc::clone(shared), branch: branch.to_owned() }
    }
}

/// An INVITE that somebody may answer yet.
pub(super) struct Open {
    shared: Arc<Shared>,
    branch: String,
}

impl Open {
    /// It has a 2xx. Others may come as long as a transaction takes (RFC 3261 §13.2.2.4: 64*T1).
    pub(super) fn linger(self) {
        let (limit, shutdown) = (self.shared.timers.transaction(), self.shared.shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(limit) => {}
                () = shutdown.cancelled() => {}
            }
            drop(self);
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.forks.0.remove(&self.branch);
    }
}

/// Whether this is a 2xx to an INVITE of ours from another phone than the first. Then it is taken care of.
pub(super) fn is_of_another_phone(shared: &Arc<Shared>, response: &Response) -> bool {
    if shared.forks.0.is_empty() || !(200..300).contains(&response.status_code.code()) {
        return false;
    }
    let Some((branch, tag)) = branch_and_tag(response) else { return false };
    let Some(mut forked) = shared.forks.0.get_mut(branch) else { return false };
    if forked.first.get_or_insert_with(|| tag.to_owned()) == tag {
        return false;
    }
    let count = forked.others.len();
    match forked.others.get(tag) {
        Some(Some(acks)) => {
            let acks = Arc::clone(acks);
            tokio::spawn(async move { acks.send().await });
        }
        // Its ACK is on the way.
        Some(None) => {}
        None if count >= OTHERS => {}
        None => {
            forked.others.insert(tag.to_owned(), None);
            let (shared, branch, tag) = (Arc::clone(shared), branch.to_owned(), tag.to_owned());
            tokio::spawn(dismiss(shared, (branch, tag), forked.asked.clone(), response.clone()));
        }
    }
    true
}

/// Of an answer to an INVITE; the branch of a CANCEL is the same.
fn branch_and_tag(response: &Response) -> Option<(&str, &str)> {
    let value = |is_it: fn(&Header) -> bool| response.headers.iter().find(|h| is_it(h)).map(Header::value);
    let cseq = value(|h| matches!(h, Header::CSeq(_)))?;
    if cseq.split_ascii_whitespace().nth(1) != Some("INVITE") {
        return None;
    }
    let branch = value(|h| matches!(h, Header::Via(_))).and_then(|via| parameter(via, "branch"))?;
    let tag = value(|h| matches!(h, Header::To(_))).and_then(|to| parameter(to, "tag"))?;
    Some((branch, tag))
}

/// The ACK, which is repeated with the 2xx, and one BYE.
async fn dismiss(shared: Arc<Shared>, (branch, tag): (String, String), asked: Asked, ok: Response) {
    let Asked { dialog, invite, place, connection, callee, room } = asked;
    let call_id = dialog.id().call_id.clone();
    let dialog = match dialog.confirmed_by(&ok) {
        Ok(dialog) => dialog,
        Err(error) => {
            return tracing::info!(user = %callee, %call_id, %error, "another phone answered, whose 2xx opens no dialog");
        }
    };
    tracing::info!(user = %callee, %call_id, %room, "another phone answered too: it gets a BYE");
    let owner = Caller { aor: callee, display_name: None, is_anonymous: false };
    let usage = Usage::placed(&shared, dialog, owner, room);
    let mut way = Way::back(place, Some(connection));
    let Some(acks) = way.acks(&shared, &usage, &invite).await else { return };
    acks.send().await;
    if let Some(mut forked) = shared.forks.0.get_mut(&branch) {
        forked.others.insert(tag, Some(Arc::new(acks)));
    }
    // The words that phones know for it: this call is not one that was missed.
    let fields = vec![Header::Reason(reason::reason(200, "Call completed elsewhere").into())];
    let bye = Draft { method: Method::Bye, fields, has_contact: false, body: Vec::new() };
    way.send(&shared, &usage, bye).await;
}
