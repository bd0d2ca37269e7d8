//! What to do about what was seen online: one sentence for each, for Prosody and ejabberd.

use crate::hub::mail::StreamEnd;
use crate::xmpp::settings::{Account, Login};

pub(super) const DNS: &str =
    "write server = \"HOST:5222\" in [xmpp], or add an SRV record _xmpp-client._tcp to the domain";
pub(super) const CERTIFICATE: &str = "write the path of a PEM file that may be read in tls.certificate_file";
pub(super) const THEIR_CERTIFICATE: &str =
    "renew the XMPP server's certificate before it ends: nobody who checks it gets in after that";
pub(super) const STANZA_SIZE: &str = "make msrp.max_message_size smaller, or raise c2s_stanza_size_limit (Prosody) or \
                                      max_stanza_size (ejabberd); `mucfocus print prosody` and `print ejabberd` show how";
pub(super) const SERVICE: &str = "write the server's MUC service in muc, or give the server one: `mucfocus print prosody` and `print ejabberd` show how";
pub(super) const NO_ROOM: &str =
    "make the room with any client (let it be persistent), or write create = true to let SIP users make it";
pub(super) const HIDDEN_ROOM: &str =
    "add the accounts as members if it is for members only; else ask who runs the service";
pub(super) const ROOM_PASSWORD: &str = "write the room's password_file in its [[rooms]]";
pub(super) const NO_ROOM_PASSWORD: &str = "set it in the room's configuration, or leave password_file out";
pub(super) const MEMBERS_ONLY: &str = "make the SIP users' accounts members of it; others get 403";
pub(super) const MODERATED: &str = "nothing, if the room gives voice to all who enter, as ejabberd's do by \
                                    default; else make the accounts members of it";
pub(super) const TEMPORARY: &str = "make it persistent: with Prosody a temporary room is destroyed even when its only \
                                    occupant changes his nickname (muc_room_default_persistent = true)";
pub(super) const ARCHIVE: &str = "after a break nobody can tell whether a message arrived, and its sender gets 408; Prosody: \
                                  modules_enabled = { \"muc_mam\" } in the component; ejabberd: mod_mam, and mam: true in \
                                  default_room_options of mod_muc";
pub(super) const STABLE_ID: &str = "nothing is wrong while messages come back with the ids that they were sent with, as \
                                    ejabberd's do; Prosody says so from 0.11 on";
pub(super) const OCCUPANT_ID: &str = "who takes over a nickname cannot be told from who had it; Prosody has them from 0.12 \
                                      on, ejabberd from 23.10 on (mod_muc_occupantid)";

/// What to do about a login that failed.
pub(super) fn login(account: &Account, end: &StreamEnd) -> String {
    let (jid, domain) = (&account.jid, account.jid.domain());
    match (end, &account.login) {
        (StreamEnd::LoginRefused(_), Login::Password(_)) => format!(
            "let the account and the password file say the same; Prosody: prosodyctl passwd {jid}; ejabberd: ejabberdctl \
             change_password {} {domain} PASSWORD",
            jid.node().map(|node| node.as_str()).unwrap_or_default()
        ),
        // The refusal itself says what the domain needs.
        (StreamEnd::LoginRefused(_), Login::Hmac(_)) => {
            format!("`mucfocus print prosody` shows how {domain} knows our passwords")
        }
        (StreamEnd::LoginRefused(_), Login::Jwt(_)) => {
            format!("`mucfocus print ejabberd` shows how {domain} knows our tokens")
        }
        (StreamEnd::LoginRefused(_), Login::Anonymous) => {
            format!("let {domain} be an anonymous host: `mucfocus print prosody` and `print ejabberd` show how")
        }
        (StreamEnd::Unreachable(why), _) if why.contains("certificate") => {
            format!(
                "show a certificate for {domain} there; [xmpp] ca_file names who signs those that this machine does not know"
            )
        }
        (StreamEnd::Unreachable(why), _) if why.contains("STARTTLS") => {
            "give the server a certificate; without TLS only a server on this machine is spoken to (tls = \"off\")"
                .to_owned()
        }
        _ if account.server.address.is_none() => {
            format!("see that the server runs and this machine reaches it, or say where {domain} is: [xmpp] server")
        }
        _ => "see that the server runs and that [xmpp] server leads to it".to_owned(),
    }
}
