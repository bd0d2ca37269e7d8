//! `mucfocus print ejabberd`: what ejabberd has to be told, with the reasons. Facts are those of ejabberd 23.01 as Debian ships it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::half::{CLIENT_PORT, Domain, Half};
use crate::xmpp::settings::Tls;

pub(super) fn print(half: &Half) -> String {
    let mut out = format!(
        "# What ejabberd has to be told for {}. Merge it into ejabberd.yml: a key of the top level may\n# stand once.\n\n",
        half.of
    );
    out.push_str("hosts:\n");
    for name in half.domains.keys() {
        let _ = writeln!(out, "  - \"{name}\"");
    }
    out.push('\n');
    host_config(&mut out, half);
    limits(&mut out, half);
    modules(&mut out, half);
    commands(&mut out, half);
    out + &half.of_open("#")
}

fn host_config(out: &mut String, half: &Half) {
    let special = |domain: &&Domain| domain.hmac || domain.jwt || domain.anonymous;
    if !half.domains.values().any(|domain| special(&domain)) {
        return;
    }
    out.push_str("host_config:\n");
    for (name, domain) in half.domains.iter().filter(|(_, domain)| special(domain)) {
        let _ = writeln!(out, "  \"{name}\":");
        if domain.hmac {
            out.push_str(
                "    # login = \"hmac\" is for Prosody; with ejabberd write login = \"jwt\" and use what follows.\n",
            );
        }
        if domain.jwt || domain.hmac {
            out.push_str(
                "    # login = \"jwt\": tokens are signed with a secret that both sides have, and live for a minute; every user\n    \
                 # of this domain exists, so it must hold no other accounts. The key is the secret_file of mucfocus as a JWK:\n    \
                 # (umask 077; printf '{\"kty\":\"oct\",\"k\":\"%s\"}' \"$(tr -d '\\r\\n' < SECRET_FILE | basenc --base64url -w0 | tr -d =)\" \\\n    \
                 #   > /etc/ejabberd/mucfocus.jwk); chown ejabberd /etc/ejabberd/mucfocus.jwk\n    \
                 auth_method: [jwt]\n    jwt_key: /etc/ejabberd/mucfocus.jwk\n    jwt_jid_field: jid\n",
            );
        }
        if domain.anonymous {
            out.push_str(
                "    # login = \"anonymous\": a new JID each time.\n    \
                 auth_method: [anonymous]\n    anonymous_protocol: sasl_anon\n    allow_multiple_connections: true\n",
            );
        }
    }
    out.push('\n');
}

fn limits(out: &mut String, half: &Half) {
    out.push_str(
        "# As it ships, a connection may send 3,000 octets a second (1,000 upstream): a message of 64 KiB then takes twenty seconds\n\
         # and more, and its sender gets 408. All SIP users come from the address of mucfocus, which keeps limits for each itself\n\
         # (limits.messages_per_user). Those who connect from there are let through, the others stay as they are.\n\
         acl:\n  mucfocus:\n    ip:\n      - 127.0.0.0/8   # the addresses of mucfocus\n      - ::1/128\n\
         shaper_rules:\n  \
         # A user may be in rooms by several nodes, and a login that is being ended counts too.\n  \
         max_user_sessions: 100\n  \
         c2s_shaper:\n    - none: mucfocus\n    - none: admin\n    - normal\n\n",
    );
    out.push_str("listen:\n");
    let off = half.domains.values().any(|domain| domain.tls == Some(Tls::Off));
    let encryption = if off {
        "    # tls = \"off\": logins over loopback without TLS; every client may do that then.\n    starttls: true\n    starttls_required: false\n"
    } else {
        "    starttls: true\n    starttls_required: true\n"
    };
    for port in BTreeSet::from([CLIENT_PORT]).union(&half.ports) {
        listener(out, half, *port, encryption);
    }
    for port in &half.direct_ports {
        listener(out, half, *port, "    # tls = \"direct\"\n    tls: true\n");
    }
    out.push('\n');
}

fn listener(out: &mut String, half: &Half, port: u16, encryption: &str) {
    let octets = half.max_message.saturating_mul(5).saturating_add(4096).max(262_144);
    let _ = write!(
        out,
        "  -\n    port: {port}\n    ip: \"::\"\n    module: ejabberd_c2s\n    shaper: c2s_shaper\n    access: c2s\n    \
         # As it ships, five connections may wait to be accepted: after a restart of mucfocus all users come at once.\n    \
         backlog: 1024\n    \
         # Escaping can make a message of {} octets (msrp.max_message_size) five times as long.\n    \
         max_stanza_size: {octets}\n{encryption}",
        half.max_message
    );
}

fn modules(out: &mut String, half: &Half) {
    out.push_str(
        "modules:\n  \
         # As it ships, twenty wrong passwords from one address shut it out for an hour: that would be all SIP users at once.\n  \
         mod_fail2ban:\n    access: from_mucfocus\n",
    );
    out.push_str("  mod_muc:\n    hosts:\n");
    for name in half.services.keys() {
        let _ = writeln!(out, "      - \"{name}\"");
    }
    let creates = half.services.values().any(|service| service.creates);
    let _ = writeln!(
        out,
        "    access: all\n    # {}\n    access_create: {}",
        if creates { "create = true: SIP users may make rooms." } else { "create = false: SIP users make no rooms." },
        if creates { "all" } else { "muc_create" }
    );
    out.push_str(
        "    # As it ships, a room holds 200 occupants, and each user may be in 100.\n    max_users: 1000\n    \
         default_room_options:\n      max_users: 1000\n      persistent: true\n      \
         # As it ships, only moderators may invite.\n      allow_user_invites: true\n      \
         # An archive, so that after a break it can be told whether a message arrived, and what was missed can be shown.\n      \
         mam: true\n  mod_mam:\n    # Archives of rooms; users keep none. mnesia stores some 200 messages a second for each room: \
         use SQL for more.\n    default: never\n\n\
         access_rules:\n  # Whom mod_fail2ban never shuts out.\n  from_mucfocus:\n    - allow: mucfocus\n\n",
    );
}

fn commands(out: &mut String, half: &Half) {
    for jid in half.domains.values().flat_map(|domain| &domain.named) {
        if let Some((user, domain)) = jid.split_once('@') {
            let _ = writeln!(
                out,
                "# run: ejabberdctl register {user} {domain} PASSWORD   with what its password_file holds"
            );
        }
    }
    for (service, muc) in &half.services {
        for room in &muc.rooms {
            let name = room.jid.split('@').next().unwrap_or_default();
            let host = half.home_of(service).unwrap_or("example.net");
            let _ = writeln!(out, "# run: ejabberdctl create_room {name} {service} {host}");
            if room.password {
                let _ = writeln!(
                    out,
                    "#      ejabberdctl change_room_option {name} {service} password_protected true, and password likewise"
                );
            }
        }
    }
}
