//! What `make run` starts: a throw-away Prosody and mucfocus, and a short conversation between a SIP user and an XMPP
//! user, drawn as a ladder. It stays up with lines to paste until Ctrl-C; with `ONCE=1` it ends after the conversation,
//! with status 0, or 1 when something in it failed.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a demonstration says what it sees")]

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use mucfocus_rig::ladder::{Rung, draw};
use mucfocus_rig::mucfocus::write_private;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::wait::within;
use mucfocus_rig::world::PASSWORD;
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{Mucfocus, SOON};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

const SIP_PORT: u16 = 15_060;
const MSRP_PORT: u16 = 12_855;
const XMPP_PORT: u16 = 15_222;
const ROOM: &str = "sip:capulet@rooms.localhost";
const MUC: &str = "capulet@muc.localhost";
const PLACE: &str = "target/demo";

/// Who says what, in turn; Romeo begins.
const WORDS: [[&str; 2]; 2] = [
    ["But soft! What light through yonder window breaks?", "O Romeo, Romeo! Wherefore art thou Romeo?"],
    ["Shall I hear more, or shall I speak at this?", "Good night, good night! Parting is such sweet sorrow."],
];

#[tokio::main]
async fn main() -> ExitCode {
    let Some(binary) = std::env::args().nth(1) else {
        eprintln!("usage: demo PATH-OF-MUCFOCUS");
        return ExitCode::from(2);
    };
    let once = std::env::var("ONCE").is_ok_and(|v| !matches!(v.as_str(), "" | "0"));
    // What fails in there says so itself.
    match tokio::spawn(demonstrate(binary, once)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn demonstrate(binary: String, once: bool) {
    let place = std::env::current_dir().expect("a current directory").join(PLACE);
    let me = login_name();
    let prosody = Server::start(
        Kind::Prosody,
        Options {
            host: "localhost".into(),
            muc: "muc.localhost".into(),
            accounts: ["romeo", "juliet", &me].map(|user| (user.to_owned(), PASSWORD.to_owned())).to_vec(),
            port: Some(XMPP_PORT),
            smacks: true,
            directory: Some(place.join("prosody")),
            ..Options::default()
        },
    )
    .await;
    // Dropped before Prosody, so that it can say goodbye there.
    let state = place.join("mucfocus");
    std::fs::create_dir_all(&state).expect("a directory for mucfocus");
    write_private(&state.join("password"), PASSWORD);
    let configuration = configuration(&me, &state.join("password"));
    let mut mucfocus = Mucfocus::start_in(&binary, &configuration, Some(&state)).await;
    let juliet = Client::login(prosody.address(), "juliet@localhost", PASSWORD).await;
    juliet.join(MUC, "Juliet").await;

    println!("{}\n", conversation(&binary, &juliet).await);
    println!("{}", lines_to_paste(&binary));
    if !once {
        keep_up(&mut mucfocus, &juliet).await;
    }
}

/// The user who runs this, as user part of a JID.
fn login_name() -> String {
    let user = caller().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let taken = matches!(user.as_str(), "anonymous" | "romeo" | "juliet");
    if taken || !user.chars().all(plain) { "guest".into() } else { user }
}

/// The same as `mucfocus chat` has it: it calls as `sip:$USER@localhost`, and as anonymous where nobody is logged in.
fn caller() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "anonymous".into())
}

fn configuration(me: &str, password: &Path) -> String {
    let account = |sip: &str, user: &str| {
        format!("[[accounts]]\nsip = \"{sip}\"\njid = \"{user}@localhost\"\npassword_file = {password:?}\n")
    };
    let accounts =
        [account("sip:romeo@sip.localhost", "romeo"), account(&format!("sip:{}@localhost", caller()), me)].concat();
    format!(
        r#"[node]
name = "demo"
[sip]
listen = ["udp:127.0.0.1:{SIP_PORT}", "tcp:127.0.0.1:{SIP_PORT}"]
domains = ["rooms.localhost"]
[sip.auth]
trusted_peers = ["127.0.0.1"]
identity = ["p-asserted-identity", "from"]
[msrp]
listen = ["tcp:127.0.0.1:{MSRP_PORT}"]
[xmpp]
server = "127.0.0.1:{XMPP_PORT}"
tls = "off"
{accounts}[room_defaults]
create = true
[[rooms]]
sip = "sip:{{room}}@rooms.localhost"
muc = "{{room}}@muc.localhost"
"#
    )
}

/// Romeo calls through `mucfocus chat`, Juliet answers from XMPP; returns the ladder of both.
async fn conversation(binary: &str, juliet: &Client) -> String {
    let mut chat = Command::new(binary);
    chat.args(["chat", ROOM, "--proxy", &format!("tcp:127.0.0.1:{SIP_PORT}"), "--from", "sip:romeo@sip.localhost"]);
    chat.args(["--as", "Romeo", "--timeout", "15s", "--ladder"]);
    for [said, answered] in WORDS {
        chat.args(["--say", said, "--expect", answered]);
    }
    chat.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let chat = chat.spawn().unwrap_or_else(|e| panic!("cannot start {binary} chat: {e}"));
    let answers = async {
        for [said, answer] in WORDS {
            let heard = || juliet.heard(MUC).iter().any(|(_, text)| text == said).then_some(());
            if within(heard, SOON * 2).await.is_some() {
                juliet.say(MUC, answer);
            }
        }
    };
    // Juliet only waits: when something fails, the words of `mucfocus chat` say more than her silence.
    let child = tokio::time::timeout(Duration::from_secs(60), chat.wait_with_output());
    tokio::pin!(child);
    let output = tokio::select! {
        output = &mut child => output,
        () = answers => child.await,
    };
    let output = output.expect("mucfocus chat to end within a minute").expect("mucfocus chat to be waited for");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "mucfocus chat ended with {}:\n{errors}", output.status);
    juliet.sees_leave(MUC, "Romeo", SOON).await;
    let mut rungs: Vec<Rung> = errors.lines().filter_map(Rung::parse).collect();
    assert!(!rungs.is_empty(), "mucfocus chat --ladder printed no ladder:\n{errors}");
    let stanzas = juliet.traffic().into_iter();
    rungs.extend(stanzas.filter_map(|t| Some(Rung::stanza(t.at, t.sent, summary(&t.xml)?))));
    draw(&rungs, ["SIP    Romeo | mucfocus", "MSRP   Romeo | mucfocus", "XMPP   Juliet | Prosody"], 40)
}

/// A stanza in a few words; nothing for those that are not about the room.
fn summary(xml: &str) -> Option<String> {
    let (start, _) = xml.split_once('>')?;
    let attribute = |name: &str| {
        let (_, rest) = start.split_once(&format!(" {name}='"))?;
        rest.split_once('\'').map(|(value, _)| value)
    };
    let (room, nick) = attribute("from").or(attribute("to"))?.split_once('/').unwrap_or((attribute("to")?, ""));
    let body = xml.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>")).map(|(body, _)| body);
    let kind = start.trim_start_matches('<').split(' ').next()?;
    match (kind, body, attribute("type")) {
        _ if room != MUC => None,
        ("message", Some(body), _) if nick.is_empty() => Some(format!("message: {body}")),
        ("message", Some(body), _) => Some(format!("message of {nick}: {body}")),
        ("presence", _, Some(kind)) => Some(format!("presence {kind} {nick}")),
        ("presence", _, None) if xml.contains(MUC_USER) => Some(format!("presence of {nick}")),
        ("presence", _, None) => Some(format!("presence to {nick}")),
        _ => None,
    }
}

fn lines_to_paste(binary: &str) -> String {
    format!(
        "Room            {ROOM}  =  {MUC}          Ctrl-C ends it\n\
         Talk from here  {binary} chat {ROOM} --proxy tcp:127.0.0.1:{SIP_PORT} --as Me\n\
         From XMPP       any client: juliet@localhost, password {PASSWORD}, server 127.0.0.1 port {XMPP_PORT}, room \
         {MUC}\n\
         From Blink      account romeo@sip.localhost, password {PASSWORD}, outbound proxy 127.0.0.1:{SIP_PORT} TCP; \
         chat with the room"
    )
}

/// Until Ctrl-C, SIGTERM, or the end of mucfocus. Juliet stays in the room and answers.
async fn keep_up(mucfocus: &mut Mucfocus, juliet: &Client) {
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM to be caught");
    let mut heard = juliet.heard(MUC).len();
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            _ = term.recv() => return,
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
        assert!(mucfocus.alive(), "mucfocus has ended, see {}", Path::new(PLACE).join("mucfocus/stderr").display());
        let all = juliet.heard(MUC);
        for (nick, text) in all.iter().skip(heard).filter(|(nick, _)| nick != "Juliet") {
            juliet.say(MUC, &format!("I hear you, {nick}: {text}"));
        }
        heard = all.len();
    }
}
