//! What users may rely on whatever happened, as far as it shows only afterwards. The world checks the rest after each input.

use std::collections::{BTreeMap, BTreeSet};

use mucfocus_core::room::io::Trace;

use super::stage::{Stage, Who};
use crate::story::SipUser;

/// Seconds after which everything has found its end: joins, reflections, streams that come back.
const PATIENCE: u64 = 60;
/// Seconds after which a silent room has been asked whether it still has us (XM-03).
const DOUBT: u64 = 20 * 60;

impl Stage {
    /// Everybody who is in the room and connected has heard it, but for its author.
    pub fn everybody_heard(&self, text: &str, author: Who) {
        for (who, call) in self.calls.iter().enumerate() {
            let account = call.account();
            let is_away = self.story.world().is_suspended(&account) || self.story.muc().nickname_of(&account).is_none();
            let sees = call.sees();
            if who != author && !is_away && sees.is_bound && sees.answer.is_some() && sees.bye.is_none() {
                assert!(sees.heard.iter().any(|(_, heard)| heard == text), "{} did not hear {text:?}", sees.name);
            }
        }
    }

    /// The weather clears, and the promises are looked at one by one.
    pub fn ends(mut self) {
        self.becomes_calm();
        self.seconds_pass(PATIENCE);
        self.every_call_has_its_answer();
        self.every_request_has_its_response();
        self.nothing_was_said_twice();
        self.nothing_is_missing_unsaid();
        self.secrets_were_kept();
        self.lists_show_who_is_there();
        self.seconds_pass(DOUBT);
        self.everybody_hears_what_is_said_next();
        self.nobody_stays_behind();
    }

    fn every_call_has_its_answer(&self) {
        for call in &self.calls {
            let sees = call.sees();
            assert!(sees.answer.is_some() || sees.refusal.is_some() || sees.is_gone, "{} has no answer", sees.name);
        }
    }

    /// Promise 1: accepted means said (the world checks), and otherwise the sender is told, if he can still be told.
    fn every_request_has_its_response(&self) {
        for call in &self.calls {
            let sees = call.sees();
            if sees.is_bound && !sees.is_gone && !sees.lost_once {
                let open: Vec<_> =
                    sees.expects.iter().filter(|(send, _)| !sees.responses.contains_key(*send)).collect();
                assert!(open.is_empty(), "{} was never answered: {open:?}", sees.name);
                assert_eq!(sees.credited, sees.taken, "credit of {}", sees.name);
            }
        }
    }

    /// Promise 2.
    fn nothing_was_said_twice(&self) {
        let mut times = BTreeMap::<String, usize>::new();
        for (_, text) in &self.story.muc().said {
            *times.entry(text.clone()).or_default() += 1;
        }
        for (_, _, text) in &self.story.muc().whispered {
            *times.entry(text.clone()).or_default() += 1;
        }
        times.retain(|_, times| *times > 1);
        assert!(times.is_empty(), "posted more than once: {times:?}");
        for call in &self.calls {
            let sees = call.sees();
            let all: Vec<&String> = sees.read_in_order.iter().chain(&sees.whispered).map(|(_, text)| text).collect();
            let different: BTreeSet<_> = all.iter().filter(|text| text.contains("line")).collect();
            assert_eq!(
                all.iter().filter(|text| text.contains("line")).count(),
                different.len(),
                "{} reads twice",
                sees.name
            );
        }
    }

    /// Promise 1, the other way round: from the first word that somebody reads he reads them all, if he was not told that something
    /// may be missing, and was never removed or without a session.
    fn nothing_is_missing_unsaid(&self) {
        let said = self.story.muc().said.clone();
        for call in &self.calls {
            // What one device says and the room confirms too late is shown on no other.
            let is_his = |other: &&SipUser| other.account() == call.account();
            let own: BTreeSet<_> = self.calls.iter().filter(is_his).flat_map(|c| c.sees().spoke.clone()).collect();
            let sees = call.sees();
            let is_gap = |trace: &Trace| matches!(trace, Trace::CaughtUp { is_whole: false, .. });
            let is_there = sees.is_bound && sees.bye.is_none() && !sees.is_gone && !sees.lost_once;
            if !is_there
                || sees.traces.iter().any(is_gap)
                || sees.traces.iter().any(|t| matches!(t, Trace::MessageNotDelivered(_)))
            {
                continue;
            }
            let others = said.iter().filter(|(_, text)| !own.contains(text));
            let read: BTreeSet<_> = sees.read_in_order.iter().collect();
            let missing: Vec<_> =
                others.skip_while(|line| !read.contains(line)).filter(|line| !read.contains(line)).collect();
            assert!(missing.is_empty(), "{} never reads {missing:?}: {:?}", sees.name, sees.read_in_order);
        }
    }

    /// Promise 6.
    fn secrets_were_kept(&self) {
        for (secret, addressee) in &self.secrets {
            assert!(self.story.muc().said.iter().all(|(_, text)| text != secret), "{secret:?} was said aloud");
            for call in &self.calls {
                let (name, is_public, reads) = {
                    let sees = call.sees();
                    let has = |said: &[(String, String)]| said.iter().any(|(_, text)| text == secret);
                    (sees.name.clone(), has(&sees.heard), has(&sees.whispered))
                };
                assert!(!is_public, "{name} hears {secret:?}");
                assert!(!reads || self.was_called(call, addressee), "{name} reads what is for {addressee}");
            }
        }
        for (_, list) in &self.lists {
            let documents = &list.sees().documents;
            assert!(documents.iter().all(|document| !document.contains("@example.org")), "a real JID is shown");
        }
    }

    /// Whether a device of his user went by this name at any time.
    fn was_called(&self, call: &SipUser, nick: &str) -> bool {
        let account = call.account();
        let is_his = |(whose, stanza): &(jid::BareJid, mucfocus_core::stanza::OutStanza)| {
            use mucfocus_core::stanza::OutStanza::{Join, Rename};
            matches!(stanza, Join { occupant, .. } | Rename { occupant, .. } if occupant.resource().as_str() == nick)
                && *whose == account
        };
        self.story.muc().log.iter().any(is_his) || self.names_given.contains(&(account, nick.to_owned()))
    }

    /// Whose call goes on is connected and hears, and is in the room (promise 4 the other way round).
    fn everybody_hears_what_is_said_next(&mut self) {
        let alive: Vec<Who> = (0..self.calls.len())
            .filter(|who| {
                let sees = self.calls[*who].sees();
                sees.answer.is_some() && sees.bye.is_none() && !sees.is_gone && sees.is_bound
            })
            .collect();
        let text = "line the last".to_owned();
        self.story.muc().says("JuliC", None, &text);
        self.story.settles();
        for who in alive {
            let sees = self.calls[who].sees();
            let times = sees.heard.iter().filter(|(_, heard)| *heard == text).count();
            assert_eq!(times, 1, "{} does not hear what is said at the end: {:?}", sees.name, sees.heard);
        }
    }

    /// Promise 5.
    fn lists_show_who_is_there(&self) {
        let there: BTreeSet<String> = self.story.muc().occupants.keys().cloned().collect();
        for (who, list) in &self.lists {
            let call = &self.calls[*who];
            let account = call.account();
            let is_in = self.story.muc().nickname_of(&account).is_some();
            let list = list.sees();
            if is_in && list.ended().is_none() && !list.is_gone {
                assert_eq!(list.list(), there, "the list of {}: {}", call.sees().name, list.last());
            }
        }
    }

    /// Promise 4: a BYE ends an occupant within a second.
    fn nobody_stays_behind(mut self) {
        for who in 0..self.calls.len() {
            self.leaves(who);
        }
        self.seconds_pass(1);
        let left = self.story.muc().occupants.values().flatten().count();
        assert_eq!(left, 0, "ghosts: {:?}", self.story.muc().occupants);
        self.story.everybody_leaves();
    }
}
