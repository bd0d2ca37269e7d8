//! What holds after every step, and what holds when nothing is on its way.

use super::World;
use crate::caller::Caller;

impl World {
    /// What holds after every step.
    pub(super) fn check(&self) {
        for caller in self.callers.values() {
            self.check_order(caller);
            let own = caller.read_in_order.iter().find(|(_, text)| caller.spoke.contains(text));
            assert_eq!(own, None, "{} hears himself", caller.name);
            assert!(caller.credited <= caller.taken, "{} got more credit than he used", caller.name);
            for (transaction, text) in &caller.expects {
                if caller.responses.get(transaction) == Some(&200) && !text.is_empty() {
                    let is_said = self.muc.said.iter().any(|(_, body)| body == text)
                        || self.muc.whispered.iter().any(|(_, _, body)| body == text);
                    assert!(is_said, "{text:?} was accepted and never said");
                }
            }
        }
    }

    /// Nobody hears a message twice, and everybody hears them in the order of the room, whether he was there or is told later.
    pub(super) fn check_order(&self, caller: &Caller) {
        let mut said = self.muc.said.iter();
        for heard in &caller.read_in_order {
            if heard.0.is_empty() || self.muc.history.contains(heard) {
                continue; // the room itself, and what was before all
            }
            let (name, all) = (&caller.name, &caller.read_in_order);
            assert!(
                said.any(|s| s == heard),
                "{name} hears {heard:?} twice or too early: {all:?} of {:?}",
                self.muc.said
            );
        }
    }

    /// What holds when nothing is on its way.
    pub fn at_rest(&self) {
        for (member, account) in &self.streams {
            let has_leg = self
                .callers
                .values()
                .any(|c| c.account == *account && !c.is_gone && c.refusal.is_none() && c.bye.is_none());
            assert!(has_leg, "membership {member:?} of {account} has no leg");
        }
        if self.muc.is_frozen() {
            return; // it has not heard of everything yet
        }
        for (nick, account) in self.muc.occupants.iter().filter_map(|(n, who)| Some((n, who.as_ref()?))) {
            assert!(self.streams.values().any(|a| a == account), "{nick} was left behind in the room");
        }
    }
}
