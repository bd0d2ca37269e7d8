//! Connections of the stage's people, to us and to the XMPP server: how they break and come back.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{Input, MembershipId};

use super::stage::{Stage, Who};
use crate::world::{Mail, Source};

impl Stage {
    /// His MSRP connection breaks, and what was on it is lost.
    pub fn loses_connection(&mut self, who: Who) {
        self.cuts(who);
        self.then();
    }

    pub(super) fn cuts(&mut self, who: Who) {
        if self.is_connected(who) {
            let call = &self.calls[who];
            (call.client().is_bound, call.client().lost_once) = (false, true);
            let lost = Input::SessionLost { leg: call.leg, why: "reset".into(), ago: Duration::ZERO, unsent: vec![] };
            let mut world = self.story.world();
            world.mail.remove(&Source::Msrp(call.leg));
            world.post(Source::Msrp(call.leg), Mail::Input(lost));
        }
    }

    /// And he comes back by a new offer.
    pub fn reconnects(&mut self, who: Who) {
        self.comes_back(who);
        self.then();
    }

    pub(super) fn comes_back(&mut self, who: Who) {
        let call = self.calls[who].clone();
        let is_away = {
            let sees = call.sees();
            sees.answer.is_some() && !sees.is_gone && !sees.is_bound && sees.session.is_some() && sees.bye.is_none()
        };
        if !is_away || self.gone.contains(&who) {
            return;
        }
        let offer: Bytes = call.sees().offer().into();
        self.story.world().post(Source::Call(call.leg), Mail::Input(Input::Reoffered(call.leg, offer)));
        self.hears_all_from(Source::Msrp(call.leg));
        self.hears_all_from(Source::Call(call.leg));
        let is_there = { call.sees().session.is_some() && !call.sees().is_bound && call.sees().bye.is_none() };
        if is_there {
            self.story.world().bind(call.leg);
        }
    }

    fn hears_all_from(&self, source: Source) {
        let mut world = self.story.world();
        while world.mail.get(&source).is_some_and(|mail| !mail.is_empty()) {
            world.deliver(source);
        }
    }

    /// His connection to the XMPP server breaks.
    pub fn loses_stream(&mut self, who: Who) {
        self.cuts_stream(who);
        self.then();
    }

    /// It breaks, and the server keeps his stream.
    pub fn suspends_stream(&mut self, who: Who) {
        self.suspends(who);
        self.then();
    }

    /// There is another connection. Either nothing is lost, or everything that was on its way.
    pub fn gets_stream_back(&mut self, who: Who, is_kept: bool) {
        self.ends_suspension(who, is_kept);
        self.then();
    }

    pub(super) fn suspends(&self, who: Who) {
        if let Some(member) = self.member(who) {
            self.story.world().suspend(member);
        }
    }

    pub(super) fn ends_suspension(&self, who: Who, is_kept: bool) {
        let account = self.calls[who].account();
        let Some(member) = self.member(who) else { return };
        let mut world = self.story.world();
        match is_kept {
            _ if !world.is_suspended(&account) => {}
            true => world.resume(member),
            false => world.reset(member),
        }
    }

    fn member(&self, who: Who) -> Option<MembershipId> {
        let account = self.calls[who].account();
        self.story.world().streams.iter().rfind(|(_, a)| **a == account).map(|(member, _)| *member)
    }

    pub(super) fn cuts_stream(&mut self, who: Who) {
        let account = self.calls[who].account();
        let Some(member) = self.member(who) else { return };
        self.story.muc().loses(&account);
        let mut world = self.story.world();
        world.forgets_suspension(&account);
        if let Some(mail) = world.mail.get_mut(&Source::Streams) {
            mail.retain(|mail| match mail {
                Mail::Stanza(a, _) => *a != account,
                Mail::Ready(m) => *m != member,
                _ => true,
            });
        }
        world.feed(Input::StreamEnded(member, StreamEnd::Lost("reset".into())));
    }
}
