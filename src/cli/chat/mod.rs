//! `mucfocus chat`: a SIP/MSRP client for the terminal, and with `--say` and `--expect` a probe.
//!
//! One task with one loop (`talk`) owns everything: the SIP socket, the call with its subscription and invitations (`agent`,
//! without I/O), the MSRP connection, what is known of the room (`roster`) and what is typed. It shares the wire formats with
//! the focus, but neither its SIP stack nor its rooms.
//!
//! ```text
//! keyboard, --say ─► talk ─► msrp ─► room          room ─► msrp ─► talk ─► standard output, --expect
//!                     └──► agent ─► wire ─► proxy ─► wire ─► agent ─► roster ┘
//! ```

mod agent;
mod call;
mod document;
mod explain;
mod keyboard;
mod message;
mod msrp;
mod names;
mod probe;
mod roster;
mod screen;
mod serving;
mod setup;
mod spoken;
mod talk;
mod typed;
mod wire;

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use mucfocus_core::address::nickname;
use mucfocus_core::address::sip_uri::SipUri;
use secrecy::SecretString;

use self::probe::Probe;
use self::screen::Screen;
use super::args::{ChatArgs, Proxy};
use super::{FAILED, WRONG, tell};
use crate::sip::settings::Transport;

/// The port of SIP without TLS (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;
/// Octets of the longest password file: a mistaken path does not read a disk.
const MAX_PASSWORD: u64 = 4096;

/// What is to be done, checked.
#[derive(Debug, Clone)]
struct Plan {
    room: SipUri,
    from: SipUri,
    display: String,
    /// What the caller wants to be called in the room, where he says so.
    nickname: Option<String>,
    password: Option<SecretString>,
    proxy: Proxy,
    probe: Option<Probe>,
    timeout: Duration,
    screen: Screen,
}

/// Runs until the user leaves, or the probe has its result. Ends with 0 after a call that went as wanted, 1 when it was refused
/// or ended by the other side, or when a probe missed something, 2 for wrong usage.
#[must_use]
pub fn run(args: ChatArgs) -> ExitCode {
    let plan = match plan(args, std::env::var("USER").ok()) {
        Ok(plan) => plan,
        Err(wrong) => {
            tell(&format!("mucfocus chat: {wrong}"));
            return ExitCode::from(WRONG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("mucfocus chat: the runtime does not start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let went_well = runtime.block_on(talk::talk(plan));
    // Name resolution may still occupy a thread.
    runtime.shutdown_background();
    if went_well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// What the arguments mean; else what is wrong with them, and what to write instead.
fn plan(args: ChatArgs, user: Option<String>) -> Result<Plan, String> {
    let password = args.password_file.as_deref().map(password).transpose()?;
    let nickname = args.nickname.as_deref().map(nickname::enforce).transpose();
    let nickname = nickname.map_err(|error| format!("--as: {error}; write a name"))?;
    let room = uri("the room", &args.room)?;
    if room.user().is_none() {
        return Err(format!("\"{}\" names no room; write sip:ROOM@HOST", args.room));
    }
    let from = match (&args.from, user.filter(|user| !user.is_empty())) {
        (Some(from), _) => uri("--from", from)?,
        (None, user) => SipUri::new(Some(user.as_deref().unwrap_or("anonymous")), "localhost")
            .map_err(|error| format!("$USER makes no SIP URI ({error}); say who calls with --from SIP-URI"))?,
    };
    let user = from.user_decoded().ok_or_else(|| "--from has no user part; write sip:USER@HOST".to_owned())?;
    let display = args.nickname.clone().unwrap_or_else(|| user.into_owned());
    let proxy = match args.proxy {
        Some(proxy) => proxy,
        None => next_hop(&room)?,
    };
    let screen = Screen { ladder: args.ladder };
    let probe = Probe::new(args.script.0);
    Ok(Plan { room, from, display, nickname, password, proxy, probe, timeout: args.timeout, screen })
}

/// The password that a file holds; a line end behind it does not count.
fn password(file: &Path) -> Result<SecretString, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("--password-file: cannot read {}: {why}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| cannot(&error))?;
    if opened.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o066 != 0) {
        let shown = file.display();
        tell(&format!("mucfocus chat: others can read or change {shown}; run: chmod 600 {shown}"));
    }
    opened.take(MAX_PASSWORD).read_to_string(&mut text).map_err(|error| cannot(&error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(char::is_control) {
        return Err(cannot(&"it has to hold one line, the password"));
    }
    Ok(SecretString::from(password))
}

fn uri(what: &str, text: &str) -> Result<SipUri, String> {
    let uri = SipUri::parse(text).map_err(|error| format!("{what}: \"{text}\": {error}; write sip:USER@HOST"))?;
    if uri.secure() {
        return Err(format!("{what}: sips: is not yet in this version; use sip:"));
    }
    if uri.headers().is_some() {
        return Err(format!("{what}: leave out what follows the `?` of \"{text}\""));
    }
    Ok(uri)
}

/// Where a room is without a proxy: at the host of its URI (RFC 3263 without NAPTR and SRV).
fn next_hop(room: &SipUri) -> Result<Proxy, String> {
    let transport = match room.param("transport").flatten() {
        None => Transport::Udp,
        Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) => return Err(format!("transport={name} is not yet in this version; use udp or tcp")),
    };
    Ok(Proxy { transport, host: room.host().to_owned(), port: room.port().unwrap_or(SIP_PORT) })
}
