//! What a room does with the stream of one membership.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, FullJid};
use mucfocus::hub::mail::{Mail, StreamEnd, StreamMail};
use mucfocus::hub::mailbox::Mailbox;
use mucfocus::xmpp::attachment::Attachment;
use mucfocus::xmpp::decode::decode;
use mucfocus::xmpp::encode::encode;
use mucfocus::xmpp::pool::Pool;
use mucfocus::xmpp::settings::{Account, Login, Server, Settings, Tls};
use mucfocus_core::room::io::AccountKey;
use mucfocus_core::stanza::{History, MessageKind, OutStanza, Presence, Stanza};
use mucfocus_rig::SOON;
use secrecy::SecretString;

pub(crate) const HOST: &str = "xmpp.test";
pub(crate) const PASSWORD: &str = "verona";

pub(crate) fn settings() -> Settings {
    Settings { node: "focus1".into(), logins: None, reflection: Duration::from_secs(25) }
}

pub(crate) fn account(user: &str, address: SocketAddr) -> Account {
    let server = Server { address: Some((address.ip().to_string(), address.port())), tls: Tls::Off, ca_file: None };
    let jid = BareJid::new(&format!("{user}@{HOST}")).expect("a JID");
    let user = format!("sip:{user}@sip.test");
    Account { key: AccountKey::named(&jid), user, jid, login: Login::Password(SecretString::from(PASSWORD)), server }
}

/// What a room has of one stream.
pub(crate) struct Room {
    pub(crate) jid: BareJid,
    pub(crate) mailbox: Mailbox,
    pub(crate) attachment: Attachment,
}

impl Room {
    pub(crate) fn attach(pool: &Arc<Pool>, account: &Account, room: &str) -> Self {
        let (mailbox, jid) = (Mailbox::new(), BareJid::new(room).expect("a JID"));
        let dropped = Mail::Stream(StreamMail::Ended(StreamEnd::Lost("dropped".into())));
        let (_, source) = mailbox.address().source(dropped);
        let attachment = pool.attach(account, jid.clone(), source);
        Self { jid, mailbox, attachment }
    }

    /// Attaches, waits until the stream is up and joins.
    pub(crate) async fn join(pool: &Arc<Pool>, account: &Account, room: &str, nick: &str) -> (Self, FullJid) {
        let mut room = Self::attach(pool, account, room);
        let bound = room.ready().await;
        room.enter(nick).await;
        (room, bound)
    }

    pub(crate) async fn mail(&mut self) -> StreamMail {
        self.mail_within(SOON).await
    }

    pub(crate) async fn mail_within(&mut self, time: Duration) -> StreamMail {
        let letter = tokio::time::timeout(time, self.mailbox.recv()).await.expect("mail");
        let Mail::Stream(mail) = letter.mail else { panic!("{letter:?}") };
        mail
    }

    pub(crate) async fn ready(&mut self) -> FullJid {
        match self.mail().await {
            StreamMail::Ready { bound } => bound,
            other => panic!("not ready: {other:?}"),
        }
    }

    pub(crate) async fn end(&mut self) -> StreamEnd {
        loop {
            if let StreamMail::Ended(end) = self.mail().await {
                return end;
            }
        }
    }

    /// The next stanza that satisfies `accept`.
    pub(crate) async fn stanza<T>(&mut self, accept: impl Fn(Stanza) -> Option<T>) -> T {
        loop {
            match self.mail().await {
                StreamMail::Stanza(framed) => {
                    if let Some(found) = accept(decode(&framed.bytes).expect("a stanza")) {
                        return found;
                    }
                }
                StreamMail::Suspended(_) | StreamMail::Resumed { .. } => {} // nobody need know
                other => panic!("not a stanza: {other:?}"),
            }
        }
    }

    pub(crate) fn send(&self, stanza: &OutStanza) {
        self.attachment.try_send(encode(stanza).expect("encodes")).expect("is taken");
    }

    pub(crate) fn occupant(&self, nick: &str) -> FullJid {
        self.jid.with_resource_str(nick).expect("a nickname")
    }

    pub(crate) async fn enter(&mut self, nick: &str) {
        self.send(&OutStanza::Join {
            occupant: self.occupant(nick),
            id: "join".into(),
            password: None,
            history: History::Last(0),
        });
        self.stanza(|stanza| match stanza {
            Stanza::Presence(Presence { muc: Some(muc), .. }) => muc.has(110).then_some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) fn say(&self, id: &str, body: &str) {
        self.send(&OutStanza::Groupchat { room: self.jid.clone(), id: id.into(), body: body.into() });
    }

    /// Nickname, id and text of the next message to everybody.
    pub(crate) async fn hears(&mut self) -> (String, Option<String>, String) {
        self.stanza(|stanza| match stanza {
            Stanza::Message(m) if m.kind == MessageKind::Groupchat => {
                Some((m.from.resource()?.to_string(), m.id, m.body?))
            }
            _ => None,
        })
        .await
    }
}
