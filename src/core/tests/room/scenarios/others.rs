//! What others do on the stage: people of the XMPP side, moderators, and the room itself.

use mucfocus_core::stanza::{MucItem, MucUser, PresenceKind, Role};

use super::stage::{Stage, Who};

impl Stage {
    pub fn native_comes(&mut self, nick: &str) {
        self.native(nick, &PresenceKind::Available, Role::Participant);
    }

    pub fn native_goes(&mut self, nick: &str) {
        self.native(nick, &PresenceKind::Unavailable, Role::None);
    }

    fn native(&mut self, nick: &str, kind: &PresenceKind, role: Role) {
        let item = MucItem { role: Some(role), ..MucItem::default() };
        self.story.muc().native(nick, kind, item);
        self.then();
    }

    pub fn native_says(&mut self, nick: &str) {
        let text = self.text();
        self.story.muc().says(nick, None, &text);
        self.then();
    }

    pub fn native_whispers(&mut self, nick: &str, who: Who) {
        let (text, call) = (self.text(), self.calls[who].clone());
        let account = call.account();
        let addressee = self.story.muc().nickname_of(&account);
        if let Some(addressee) = addressee {
            self.secrets.insert(text.clone(), addressee);
            self.story.muc().whispers(&account, nick, Some(format!("w{}", self.texts)), &text);
        }
        self.then();
    }

    pub fn subject(&mut self, nick: &str, subject: &str) {
        let message = self.story.muc().message(nick, None, "");
        let message = mucfocus_core::stanza::Message { body: None, subject: Some(subject.into()), ..message };
        self.story.muc().broadcast(&message);
        self.then();
    }

    /// A moderator, or the service, takes him out with these status codes.
    pub fn is_removed(&mut self, who: Who, codes: &[u16]) {
        self.leaves_with(who, MucUser { codes: codes.to_vec(), ..MucUser::default() });
    }

    pub fn room_is_destroyed(&mut self) {
        let destroy = Some(mucfocus_core::stanza::Destroy::default());
        for who in 0..self.calls.len() {
            self.leaves_with(who, MucUser { codes: vec![110], destroy: destroy.clone(), ..MucUser::default() });
        }
    }

    fn leaves_with(&mut self, who: Who, muc: MucUser) {
        let account = self.calls[who].account();
        let nick = self.story.muc().nickname_of(&account);
        if let Some(nick) = nick {
            self.story.muc().removes(&account, &nick, muc);
        }
        self.then();
    }

    /// The room gives him another name.
    pub fn is_renamed(&mut self, who: Who, new: &str) {
        let account = self.calls[who].account();
        let old = self.story.muc().nickname_of(&account);
        if let Some(old) = old {
            self.story.muc().renames(&account, &old, new);
            self.names_given.insert((account, new.to_owned()));
        }
        self.then();
    }

    /// Another node, which shares nothing with us, is killed: the MUC says so to nobody.
    pub fn muc_forgets(&mut self, who: Who) {
        let account = self.calls[who].account();
        let nick = self.story.muc().nickname_of(&account);
        if let Some(nick) = nick {
            self.story.muc().occupants.remove(&nick);
        }
        self.then();
    }
}
