//! Streams without a connection, as the XMPP server has them: it keeps what is on its way in both directions, or loses it.

use std::collections::btree_map::Entry;

use jid::BareJid;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{Input, MembershipId};

use super::{Mail, Source, World};

impl World {
    /// The connection of a stream breaks, and the server keeps the stream.
    pub fn suspend(&mut self, member: MembershipId) {
        let account = self.streams[&member].clone();
        if let Entry::Vacant(account) = self.suspended.entry(account) {
            account.insert(Default::default());
            self.feed(Input::StreamSuspended(member, StreamEnd::Lost("reset by peer".into())));
        }
    }

    /// Nothing of it is kept.
    pub fn forgets_suspension(&mut self, account: &BareJid) {
        self.suspended.remove(account);
    }

    pub fn is_suspended(&self, account: &BareJid) -> bool {
        self.suspended.contains_key(account)
    }

    /// There is another connection, and nothing is lost.
    pub fn resume(&mut self, member: MembershipId) {
        let account = self.streams[&member].clone();
        let Some((incoming, _)) = self.suspended.get(&account) else { return };
        let incoming: Vec<_> = incoming.iter().cloned().collect();
        self.is_heard_at_last(&account);
        self.feed(Input::StreamResumed { membership: member, unhandled: [].into() });
        let mail = self.mail.entry(Source::Streams).or_default();
        incoming.into_iter().rev().for_each(|stanza| mail.push_front(Mail::Stanza(account.clone(), Box::new(stanza))));
    }

    /// What we had to say without a connection arrives.
    pub(super) fn is_heard_at_last(&mut self, account: &BareJid) {
        let (_, outgoing) = self.suspended.remove(account).unwrap_or_default();
        outgoing.into_iter().for_each(|stanza| self.muc.take(account.clone(), stanza));
    }

    /// The server has not kept the stream, and gives another.
    pub fn reset(&mut self, member: MembershipId) {
        let account = self.streams[&member].clone();
        self.suspended.remove(&account);
        self.muc.loses(&account);
        if let Some(mail) = self.mail.get_mut(&Source::Streams) {
            mail.retain(|mail| !matches!(mail, Mail::Stanza(a, _) if *a == account));
        }
        let why = StreamEnd::Lost("reset by peer".into());
        self.feed(Input::StreamReset { membership: member, why, unhandled: [].into() });
        if self.streams.contains_key(&member) {
            self.post(Source::Streams, Mail::Ready(member));
        }
    }
}
