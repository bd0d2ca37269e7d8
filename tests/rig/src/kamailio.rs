//! Kamailio as an MSRP relay (RFC 4976) on a free loopback port.
//!
//! Its script does what §6.4 asks as far as its module can: it lets in by digest who has the password, gives out one URI for
//! each connection, passes frames on between that connection and the far side, and answers each SEND itself. It cannot make the
//! REPORT that §6.4.3 wants where the far side refuses a SEND.

pub mod proxy;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::digest;
use crate::msrp::{Frame, Peer};
use crate::process::{Place, Running};
use crate::server::{free_port, hand_over};
use crate::wait::within;
use crate::world::PASSWORD;

const BOOT: Duration = Duration::from_secs(20);

/// A running relay. Everybody's password is [`PASSWORD`].
pub struct Relay {
    running: Running,
    port: u16,
    _place: Place,
}

impl Relay {
    /// Starts one and waits until it listens.
    pub async fn start() -> Self {
        let place = Place::new(None, "kamailio-");
        // It ends when somebody else has taken the port meanwhile.
        for _ in 0..5 {
            let port = free_port();
            if let Some(running) = listening(place.path(), &configuration(port), port).await {
                return Self { running, port, _place: place };
            }
        }
        panic!("Kamailio found no port to listen on in {}", place.path().display());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        address(self.port)
    }

    /// Its own URI, to which AUTH goes.
    pub fn uri(&self) -> String {
        format!("msrp://{};tcp", self.address())
    }

    /// The frames that it has passed on or answered, one line each: method or code, and where it came from.
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Connects as `user`, whose own URI is `local`, and gets a URI at the relay (RFC 4976 §5.1): the connection, and that URI.
    pub async fn admits(&self, user: &str, local: &str) -> (Peer, String) {
        let relay = self.uri();
        let peer = Peer::connect(local, &relay).await;
        let challenged = auth(&peer, None).await;
        assert_eq!(challenged.code(), Some(401), "{challenged}");
        let challenge = challenged.header("WWW-Authenticate").unwrap_or_default();
        let credentials = digest::answer(challenge, "AUTH", &relay, user, PASSWORD);
        let admitted = auth(&peer, Some(credentials)).await;
        assert_eq!(admitted.code(), Some(200), "{admitted}");
        let path = admitted.header("Use-Path").unwrap_or_else(|| panic!("no Use-Path in\n{admitted}")).to_owned();
        (peer, path)
    }
}

async fn auth(peer: &Peer, credentials: Option<String>) -> Frame {
    let headers = credentials.map(|value| ("Authorization".to_owned(), value));
    let id = peer.request("AUTH", headers.into_iter().collect(), None, '$');
    peer.response(&id).await
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// One that listens on `port`; `None` where somebody else has taken it.
async fn listening(directory: &Path, configuration: &str, port: u16) -> Option<Running> {
    let mut running = spawn(directory, configuration);
    let listens = || {
        let ended = running.ended().is_some();
        (ended || running.log().contains(READY)).then_some(!ended)
    };
    match within(listens, BOOT).await {
        Some(true) if TcpStream::connect(address(port)).is_ok() => Some(running),
        Some(false) => None,
        _ => panic!("Kamailio does not listen\n{}", running.log_tail(40)),
    }
}

fn spawn(directory: &Path, configuration: &str) -> Running {
    let (script, log) = (directory.join("kamailio.cfg"), directory.join("kamailio.log"));
    std::fs::write(&script, configuration).unwrap();
    let output = File::create(&log).unwrap();
    // It has children, which live on when it is killed: so it is asked to end, also where we end without a word.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "sh", "-c", r#""$@" & trap "kill $!" TERM; wait; wait"#, "sh"])
        .process_group(0);
    // In the foreground, its log on standard error, little memory.
    command.args(["kamailio", "-DD", "-E", "-m", "16", "-M", "4", "-Y"]).arg(directory).arg("-f").arg(script);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    hand_over("kamailio", directory, &mut command);
    Running::start("kamailio", &mut command, log)
}

/// What the log says when all is bound and read.
const READY: &str = "Kamailio is ready";

fn configuration(port: u16) -> String {
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
disable_core_dump=yes
tcp_accept_no_cl=yes
tcp_rd_buf_size=65536
listen=tcp:127.0.0.1:{port}

loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "sl.so"
loadmodule "auth.so"
loadmodule "htable.so"
loadmodule "cfgutils.so"
loadmodule "msrp.so"

modparam("auth", "qop", "auth")
modparam("htable", "htable", "clients=>size=8;autoexpire=3600")

request_route {{
    exit;
}}

event_route[core:worker-one-init] {{
    xlog("L_NOTICE", "{READY}\n");
}}

event_route[msrp:frame-in] {{
    # Never over a new connection.
    msrp_reply_flags("1");
    if ($msrp(method) == "AUTH") {{
        route(AUTH);
        exit;
    }}
    xlog("L_NOTICE", "$msrp(method)$msrp(code) from $msrp(srcaddr)\n");
    if ($msrp(nexthops) == 0) {{
        # The answer to a SEND ends here.
        exit;
    }}
    $var(session) = $msrp(sessid);
    if ($sht(clients=>$var(session)::address) == $null) {{
        if (msrp_is_request()) {{
            msrp_reply("481", "No such session");
        }}
        exit;
    }}
    if ($msrp(method) == "SEND" && $hdr(Failure-Report) != "no" && $hdr(Failure-Report) != "partial") {{
        msrp_reply("200", "OK");
    }}
    if ($msrp(srcaddr) != $sht(clients=>$var(session)::address)) {{
        $sht(clients=>$var(session)::far) = $msrp(srcaddr);
        msrp_relay_flags("1");
        msrp_set_dst("$sht(clients=>$var(session)::address)", "tcp:127.0.0.1:{port}");
    }} else if ($sht(clients=>$var(session)::far) != $null) {{
        # The far side has a connection to us already.
        msrp_relay_flags("1");
        msrp_set_dst("$sht(clients=>$var(session)::far)", "tcp:127.0.0.1:{port}");
    }}
    if (!msrp_relay()) {{
        xlog("L_NOTICE", "not passed on\n");
    }}
}}

route[AUTH] {{
    if (!pv_www_authenticate("relay.test", "{PASSWORD}", "0", "AUTH")) {{
        auth_get_www_authenticate("relay.test", "1", "$var(challenge)");
        msrp_reply("401", "Unauthorized", "$var(challenge)");
        exit;
    }}
    $var(session) = "r" + $RANDOM + $RANDOM;
    $sht(clients=>$var(session)::address) = $msrp(srcaddr);
    msrp_reply("200", "OK", "Use-Path: msrp://127.0.0.1:{port}/$var(session);tcp\r\nExpires: 3600\r\n");
}}
"#
    )
}
