//! Kamailio as the proxy in front of us: callers reach it over UDP, and it reaches us under TLS, with a certificate of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{READY, address, listening};
use crate::certificate::Certificate;
use crate::process::{Place, Running};
use crate::server::free_port;

/// A running proxy, which stays in the way of its calls.
pub struct Proxy {
    running: Running,
    udp: u16,
    _place: Place,
}

impl Proxy {
    /// One that passes calls on to `focus` under TLS. It shows `own` and takes who was signed by the authority of `theirs` for
    /// the focus. It says who is calling (RFC 3325).
    pub async fn towards(focus: SocketAddr, own: &Certificate, theirs: &Certificate) -> Self {
        let place = Place::new(None, "kamailio-");
        for (name, file) in
            [("own.pem", own.files().0), ("own.key", own.files().1), ("authority.pem", theirs.authority())]
        {
            std::fs::copy(file, place.path().join(name)).unwrap();
        }
        for _ in 0..5 {
            let (udp, tls) = (free_port(), free_port());
            let configuration = configuration(&place, udp, tls, focus);
            if let Some(running) = listening(place.path(), &configuration, tls).await {
                return Self { running, udp, _place: place };
            }
        }
        panic!("Kamailio found no port to listen on in {}", place.path().display());
    }

    /// Where callers reach it.
    pub fn udp(&self) -> SocketAddr {
        address(self.udp)
    }

    /// What it has passed on, one line each, and what went wrong.
    pub fn log(&self) -> String {
        self.running.log()
    }
}

fn configuration(place: &Place, udp: u16, tls: u16, focus: SocketAddr) -> String {
    let at = |name: &str| place.path().join(name).display().to_string();
    let (own, key, authority) = (at("own.pem"), at("own.key"), at("authority.pem"));
    let mut text = format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
disable_core_dump=yes
enable_tls=yes
tcp_accept_no_cl=yes
listen=udp:127.0.0.1:{udp}
listen=tls:127.0.0.1:{tls}
"#
    );
    for module in ["tm", "rr", "sl", "pv", "textops", "siputils", "xlog", "cfgutils", "tls"] {
        writeln!(text, "loadmodule \"{module}.so\"").unwrap();
    }
    write!(
        text,
        r#"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{own}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{authority}")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 1)
modparam("rr", "enable_double_rr", 1)

event_route[core:worker-one-init] {{
    xlog("L_NOTICE", "{READY}\n");
}}

request_route {{
    xlog("L_NOTICE", "$rm from $proto:$si:$sp\n");
    if (has_totag()) {{
        if (!loose_route() && !is_method("ACK")) {{
            sl_send_reply("404", "Not here");
            exit;
        }}
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    record_route();
    remove_hf("P-Asserted-Identity");
    append_hf("P-Asserted-Identity: $fn <$fu>\r\n");
    $du = "sip:{focus};transport=tls";
    if (!t_relay()) {{
        sl_reply_error();
    }}
}}
"#
    )
    .unwrap();
    text
}
