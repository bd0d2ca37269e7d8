//! Who is in the room, comes, goes and is called what.

use jid::{BareJid, FullJid};
use mucfocus_core::stanza::{
    Condition, DiscoInfo, ErrorKind, History, IqAnswer, MucItem, MucUser, Presence, PresenceKind, Stanza, StanzaError,
};

use super::{Muc, error};

impl Muc {
    /// The account's stream broke: its occupants are gone.
    pub fn loses(&mut self, account: &BareJid) {
        if let Some(frozen) = &mut self.frozen {
            frozen.retain(|(a, _)| a != account);
        }
        let gone = self.nickname_of(account);
        self.occupants.retain(|_, who| who.as_ref() != Some(account));
        self.outbox.retain(|(a, _)| a != account);
        if let Some(nick) = gone {
            self.tell_others(account, &nick, &PresenceKind::Unavailable);
        }
    }

    pub fn nickname_of(&self, account: &BareJid) -> Option<String> {
        self.occupants.iter().find(|(_, who)| who.as_ref() == Some(account)).map(|(nick, _)| nick.clone())
    }

    pub fn occupant(&self, nick: &str) -> FullJid {
        self.room.with_resource_str(nick).unwrap()
    }

    /// It was started again, and knows nobody who was in it; nobody is told.
    pub fn forgets(&mut self, account: &BareJid) {
        self.occupants.retain(|_, who| who.as_ref() != Some(account));
    }

    pub(super) fn join(&mut self, account: BareJid, occupant: &FullJid, id: String, history: History) {
        let wanted = occupant.resource().as_str();
        let nick = if self.lower_cases { wanted.to_lowercase() } else { wanted.to_string() };
        let taken = self.occupants.get(&nick).is_some_and(|who| who.as_ref() != Some(&account));
        let conflict = taken.then(|| error(Condition::Conflict, ErrorKind::Cancel));
        if let Some(error) = self.refuses_joins.clone().or(conflict) {
            return self.refuses_join(account, occupant, id, error);
        }
        if let Some(old) = self.nickname_of(&account).filter(|old| *old != nick) {
            // XEP-0045 §7.6: whoever is in the room changes his nickname in this way.
            let item = Some(MucItem { nick: Some(nick.clone()), ..MucItem::default() });
            let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
            for to in everybody {
                let codes = if to == account { vec![110, 303] } else { vec![303] };
                let muc = MucUser { codes, item: item.clone(), ..MucUser::default() };
                self.present(&to, &old, PresenceKind::Unavailable, muc);
            }
            self.occupants.remove(&old);
        }
        // Only who comes in is told what he did not want to know.
        let insists = self.insists_on_history && self.nickname_of(&account).is_none();
        let is_new = !self.exists || self.says_201;
        if is_new {
            (self.exists, self.locked) = (true, true);
        }
        let others: Vec<String> = self.occupants.keys().filter(|n| **n != nick).cloned().collect();
        for other in others {
            self.present(&account, &other, PresenceKind::Available, MucUser::default());
        }
        self.occupants.insert(nick.clone(), Some(account.clone()));
        let mut codes = if is_new { vec![110, 201] } else { vec![110] };
        codes.extend(self.shows_jids.then_some(100));
        let id = Some(id).filter(|_| self.gives_back_ids);
        self.present_as(&account, &nick, id, codes);
        self.tell_others(&account, &nick, &PresenceKind::Available);
        for message in self.history_for(history, insists) {
            self.outbox.push_back((account.clone(), Stanza::Message(message)));
        }
        if self.sends_subject {
            let mut message = self.message("JuliC", None, "");
            (message.body, message.subject) = (None, Some("Verona".into()));
            self.outbox.push_back((account.clone(), Stanza::Message(message)));
        }
        if self.throws_out.as_ref() == Some(&account) {
            self.removes(&account, &nick, MucUser::default());
        }
    }

    pub(super) fn refuses_join(&mut self, account: BareJid, occupant: &FullJid, id: String, error: StanzaError) {
        let kind = PresenceKind::Error(error);
        let from = occupant.clone().into();
        let presence = Presence { from, id: Some(id), kind, status: None, display_name: None, muc: None };
        self.outbox.push_back((account, Stanza::Presence(presence)));
    }

    /// XEP-0045 §7.6.
    pub(super) fn rename(&mut self, account: BareJid, occupant: &FullJid, id: String) {
        let wanted = occupant.resource().as_str();
        let new = if self.lower_cases { wanted.to_lowercase() } else { wanted.to_string() };
        let taken = self.occupants.get(&new).is_some_and(|who| who.as_ref() != Some(&account));
        let conflict = taken.then(|| error(Condition::Conflict, ErrorKind::Cancel));
        if let Some(error) = self.refuses_names.clone().or(conflict) {
            return self.refuses_join(account, occupant, id, error);
        }
        let Some(old) = self.nickname_of(&account) else { return };
        self.renames(&account, &old, &new);
    }

    /// An occupant is called something else from now on.
    pub fn renames(&mut self, account: &BareJid, old: &str, new: &str) {
        let item = Some(MucItem { nick: Some(new.into()), ..MucItem::default() });
        let muc = |own: bool| MucUser {
            codes: if own { vec![110, 303] } else { vec![303] },
            item: item.clone(),
            ..MucUser::default()
        };
        let who = self.occupants.remove(old).flatten();
        self.occupants.insert(new.into(), who);
        let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for to in everybody {
            let is_own = to == *account;
            self.present(&to, old, PresenceKind::Unavailable, muc(is_own));
            let codes = if is_own { vec![110] } else { vec![] };
            self.present(&to, new, PresenceKind::Available, MucUser { codes, ..MucUser::default() });
        }
    }

    pub(super) fn leave(&mut self, account: &BareJid) {
        let Some(nick) = self.nickname_of(account) else { return };
        self.removes(account, &nick, MucUser { codes: vec![110], ..MucUser::default() });
        if self.locked {
            self.exists = false; // nobody ever configured it
        }
    }

    /// XEP-0045 §8.2.
    pub(super) fn removal(&mut self, account: BareJid, id: String, nick: &str, reason: Option<String>) {
        if let Some(error) = self.refuses_removals.clone() {
            return self.iq(account, id, IqAnswer::Error(error));
        }
        let Some(victim) = self.occupants.get(nick).cloned() else {
            return self.iq(account, id, IqAnswer::Error(error(Condition::NotAcceptable, ErrorKind::Modify)));
        };
        let item = MucItem { actor: self.nickname_of(&account), reason, ..MucItem::default() };
        match victim {
            Some(victim) => {
                self.removes(&victim, nick, MucUser { codes: vec![110, 307], item: Some(item), ..MucUser::default() });
            }
            None => self.native(nick, &PresenceKind::Unavailable, item),
        }
        self.iq(account, id, IqAnswer::Result(DiscoInfo::default()));
    }

    /// Takes an occupant of ours out, saying `muc` to him.
    pub fn removes(&mut self, account: &BareJid, nick: &str, muc: MucUser) {
        self.present(account, nick, PresenceKind::Unavailable, muc);
        self.occupants.remove(nick);
        self.tell_others(account, nick, &PresenceKind::Unavailable);
    }

    pub(super) fn tell_others(&mut self, account: &BareJid, nick: &str, kind: &PresenceKind) {
        let others: Vec<BareJid> = self.occupants.values().flatten().filter(|a| *a != account).cloned().collect();
        for other in others {
            self.present(&other, nick, kind.clone(), MucUser::default());
        }
    }

    pub fn present(&mut self, to: &BareJid, nick: &str, kind: PresenceKind, mut muc: MucUser) {
        let item = muc.item.get_or_insert_with(MucItem::default);
        if item.occupant_id.is_none() {
            item.occupant_id = self.occupant_ids.get(nick).cloned();
        }
        if self.blocks.as_ref().is_some_and(|(who, whom)| who == to && whom == nick) {
            return;
        }
        let from = self.occupant(nick).into();
        let presence = Presence { from, id: None, kind, status: None, display_name: None, muc: Some(muc) };
        self.outbox.push_back((to.clone(), Stanza::Presence(presence)));
    }

    /// One of us is here, as he himself is told.
    pub fn present_as(&mut self, to: &BareJid, nick: &str, id: Option<String>, codes: Vec<u16>) {
        self.present(to, nick, PresenceKind::Available, MucUser { codes, ..MucUser::default() });
        if let Some((_, Stanza::Presence(presence))) = self.outbox.back_mut() {
            presence.id = id;
        }
    }

    /// Somebody of the XMPP side comes in, changes or goes.
    pub fn native(&mut self, nick: &str, kind: &PresenceKind, item: MucItem) {
        if *kind == PresenceKind::Available {
            self.occupants.insert(nick.into(), None);
            self.occupant_ids.extend(item.occupant_id.clone().map(|id| (nick.into(), id)));
        } else {
            self.occupant_ids.remove(nick);
            self.occupants.remove(nick);
        }
        let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for to in everybody {
            self.present(&to, nick, kind.clone(), MucUser { item: Some(item.clone()), ..MucUser::default() });
        }
    }
}
