//! `mucfocus print prosody`: what Prosody has to be told, with the reasons. Facts are those of Prosody 0.12 as Debian ships it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::half::{CLIENT_PORT, Domain, Half, Service};
use crate::xmpp::settings::Tls;

pub(super) fn print(half: &Half) -> String {
    let mut out = format!(
        "-- What Prosody has to be told for {}.\n-- The first part belongs into prosody.cfg.lua; the rest may stand in \
         conf.d/mucfocus.cfg.lua.\n\n",
        half.of
    );
    limits(&mut out, half);
    for (name, domain) in &half.domains {
        host(&mut out, name, domain);
    }
    for (name, muc) in &half.services {
        service(&mut out, half, name, muc);
    }
    out + &half.of_open("--")
}

/// What stands in the way as it ships.
fn limits(out: &mut String, half: &Half) {
    out.push_str(
        "-- As it ships, a connection may send 10 kB a second: a message of 64 KiB then takes six seconds and delays what its\n\
         -- sender says after it. mucfocus keeps limits for each user itself (limits.messages_per_user). Put this in place of the\n\
         -- limits that are there.\n\
         limits = {\n  c2s = { rate = \"1mb/s\"; burst = \"10s\" };\n  s2sin = { rate = \"30kb/s\" };\n}\n",
    );
    // A message is text: escaping and the rest of the stanza can make five octets of one.
    let largest = half.max_message.saturating_mul(5).saturating_add(4096);
    if largest > 256 * 1024 {
        let _ = writeln!(
            out,
            "-- msrp.max_message_size is {} octets, which escaping can make five times as long;\n\
             -- Prosody's default for a stanza is 256 KiB.\n\
             c2s_stanza_size_limit = {largest}",
            half.max_message
        );
    }
    if half.ports.iter().any(|port| *port != CLIENT_PORT) {
        let ports = BTreeSet::from([CLIENT_PORT]).union(&half.ports).copied().collect();
        let _ = writeln!(
            out,
            "-- The ports of server in [xmpp], and {CLIENT_PORT} for all other clients.\nc2s_ports = {{ {} }}",
            listed(&ports)
        );
    }
    if !half.direct_ports.is_empty() {
        let _ = writeln!(out, "-- tls = \"direct\"\nc2s_direct_tls_ports = {{ {} }}", listed(&half.direct_ports));
    }
    if half.domains.values().any(|domain| domain.tls == Some(Tls::Off)) {
        let _ = writeln!(
            out,
            "-- tls = \"off\": logins over loopback without TLS. This lets every client do that; keep port {} on 127.0.0.1.\n\
             c2s_require_encryption = false",
            listed(&half.ports)
        );
    }
    out.push('\n');
}

fn host(out: &mut String, name: &str, domain: &Domain) {
    let _ = writeln!(out, "VirtualHost \"{name}\"");
    if domain.hmac {
        out.push_str(
            "  -- login = \"hmac\": passwords are made of a secret that both sides have; every user of this domain exists.\n  \
             -- So it must hold no other accounts. Copy contrib/prosody/mod_auth_mucfocus.lua into a folder of plugin_paths.\n  \
             authentication = \"mucfocus\"\n  \
             -- The same octets as the secret_file of mucfocus. Two files while one replaces the other.\n  \
             mucfocus_secret_files = { \"/etc/prosody/mint.key\" }\n  \
             -- Who may log in like that at all: where mucfocus connects from.\n  \
             mucfocus_addresses = { \"127.0.0.1\", \"::1\" }\n",
        );
        if domain.tls == Some(Tls::Off) {
            out.push_str(
                "  -- tls = \"off\": these passwords go as they are.\n  allow_unencrypted_plain_auth = true\n",
            );
        }
        if !domain.named.is_empty() {
            out.push_str("  -- There are accounts with passwords here as well: give them, or the rule with hmac, another domain.\n");
        }
    }
    if domain.jwt {
        out.push_str("  -- login = \"jwt\" is for ejabberd; with Prosody write login = \"hmac\".\n");
    }
    if domain.anonymous {
        out.push_str(
            "  -- login = \"anonymous\": a new JID each time. They reach the MUC and nothing else.\n  \
             authentication = \"anonymous\"\n  allow_anonymous_s2s = false\n",
        );
    }
    for jid in &domain.named {
        let _ = writeln!(out, "  -- run: prosodyctl adduser {jid}   with what its password_file holds");
    }
    out.push('\n');
}

fn service(out: &mut String, half: &Half, name: &str, muc: &Service) {
    let _ = writeln!(out, "Component \"{name}\" \"muc\"");
    out.push_str(
        "  -- An archive, so that after a break it can be told whether a message arrived, and what was missed can be shown.\n  \
         modules_enabled = { \"muc_mam\" }\n  \
         -- Rooms last: a temporary one is destroyed when its only occupant changes his nickname.\n  \
         muc_room_default_persistent = true\n  \
         -- As it ships, only moderators set the subject: /topic of the others is refused. This lets all occupants of new rooms.\n  \
         -- muc_room_default_change_subject = true\n",
    );
    if muc.creates {
        out.push_str("  -- create = true: SIP users may make rooms, which are open at once.\n  restrict_room_creation = false\n  muc_room_locking = false\n");
    } else {
        out.push_str(
            "  -- create = false: SIP users make no rooms; \"local\" lets the server's own users make them.\n  \
             restrict_room_creation = \"local\"\n",
        );
    }
    for room in &muc.rooms {
        let _ = writeln!(
            out,
            "  -- run: prosodyctl shell muc create {}   (or make it with any client of {})",
            room.jid,
            half.home_of(name).unwrap_or("the server")
        );
        if room.password {
            password(out, &room.jid);
        }
    }
    out.push('\n');
}

/// By standard input, so that no list of processes shows it.
fn password(out: &mut String, jid: &str) {
    let _ = writeln!(
        out,
        "  -- and give it the password of its password_file, as root, once it is there:\n  \
         -- run: printf '(function(room) room:set_password([=[%s]=]) return room:save() end)(muc:room(\"{jid}\"))\\n' \
         \"$(cat PASSWORD_FILE)\" | prosodyctl shell"
    );
}

fn listed(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
