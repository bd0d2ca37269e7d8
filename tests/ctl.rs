//! `mucfocus ctl` against a running mucfocus: what an operator sees, what he can do, and that he sees no secrets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mucfocus_rig::member::any_offer;
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::world::PASSWORD;
use mucfocus_rig::{Mucfocus, SOON, World, on_both_servers, until};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A configuration that needs no XMPP server.
const ALONE: &str = r#"[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
domains = ["rooms.test"]
[msrp]
listen = ["tcp:127.0.0.1:0"]
[control]
socket = "ctl.sock"
"#;

async fn world() -> World {
    World::with(BINARY, |settings| settings.timeouts += "[control]\nsocket = \"ctl.sock\"\n").await
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}{}", self.stdout, self.stderr))
    }
}

/// `mucfocus ctl`. On a thread of its own, so that the people of the test go on.
async fn ctl(mucfocus: &Mucfocus, arguments: &[&str]) -> Ran {
    let mut command = Command::new(BINARY);
    command.arg("ctl").args(arguments).arg("--config").arg(mucfocus.configuration()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let ran = Ran { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    eprintln!("$ mucfocus ctl {}\n{}{}", arguments.join(" "), ran.stdout, ran.stderr);
    assert!(
        ran.stdout.lines().all(|line| arguments.contains(&"--json") || line.chars().count() <= 100),
        "{}",
        ran.stdout
    );
    ran
}

async fn asked(mucfocus: &Mucfocus, arguments: &[&str]) -> String {
    let ran = ctl(mucfocus, arguments).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}: {}", ran.stdout);
    ran.stdout
}

async fn json(mucfocus: &Mucfocus, arguments: &[&str]) -> Value {
    let ran = ctl(mucfocus, &[arguments, &["--json"]].concat()).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    ran.json()
}

fn socket(mucfocus: &Mucfocus) -> PathBuf {
    mucfocus.configuration().with_file_name("ctl.sock")
}

/// The design's fifth promise: at rest the two sides of a room agree.
#[on_both_servers]
async fn an_operator_sees_rooms_and_legs() {
    let world = world().await;
    let status = asked(&world.mucfocus, &["status"]).await;
    assert!(status.contains("rig: mucfocus ") && status.contains(", ready, up "), "{status}");
    assert_eq!(asked(&world.mucfocus, &["rooms"]).await, "no room is in use\n");

    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    juliet.sees(&muc, "Romeo").await;
    let rooms = json(&world.mucfocus, &["rooms"]).await;
    assert_eq!((rooms[0]["muc"].as_str(), &rooms[0]["occupants"]), (Some(muc.as_str()), &Value::from(2)), "{rooms}");
    assert!(asked(&world.mucfocus, &["rooms"]).await.lines().nth(1).unwrap().starts_with(&muc));

    for name in [muc.as_str(), "capulet", "sip:capulet@rooms.test", "SIP:Capulet@ROOMS.test"] {
        let room = json(&world.mucfocus, &["room", name]).await;
        let nicknames: Vec<&str> =
            room["occupants"].as_array().unwrap().iter().filter_map(|o| o["nickname"].as_str()).collect();
        assert_eq!(nicknames, ["Juliet", "Romeo"], "{room}");
        assert_eq!(
            (&room["at_rest"], room["differences"].as_array().unwrap().len()),
            (&Value::from(true), 0),
            "{room}"
        );
        assert_eq!(room["memberships"][0]["user"], "sip:romeo@sip.test");
        assert_eq!(room["legs"][0]["msrp"], "connected");
    }
    let room = asked(&world.mucfocus, &["room", "capulet"]).await;
    let of_romeo = room.lines().find(|line| line.starts_with("Romeo ")).unwrap();
    assert!(of_romeo.contains("sip:romeo@sip.test") && of_romeo.contains("romeo@xmpp.test"), "{room}");

    let id = json(&world.mucfocus, &["room", "capulet"]).await["legs"][0]["id"].to_string();
    let leg = json(&world.mucfocus, &["leg", &id]).await;
    assert_eq!((leg["muc"].as_str(), leg["call"].as_str()), (Some(muc.as_str()), Some("answered")), "{leg}");
    assert_eq!(leg["membership"]["nickname"], "Romeo");
    let by_call_id = json(&world.mucfocus, &["leg", leg["call_id"].as_str().unwrap()]).await;
    assert_eq!(by_call_id["id"], leg["id"]);
    assert!(asked(&world.mucfocus, &["leg", &id]).await.contains("room entered as Romeo"));
    let status = json(&world.mucfocus, &["status"]).await;
    assert_eq!(
        (&status["legs"], &status["rooms"], &status["xmpp_streams"]),
        (&1.into(), &1.into(), &1.into()),
        "{status}"
    );

    romeo.leaves().await;
    until_empty(&world.mucfocus).await;
    let gone = ctl(&world.mucfocus, &["room", "capulet"]).await;
    assert_eq!((gone.status, gone.stdout.as_str()), (1, ""));
    assert!(gone.stderr.contains("no room capulet is in use"), "{}", gone.stderr);
}

async fn until_empty(mucfocus: &Mucfocus) {
    let deadline = std::time::Instant::now() + SOON;
    while asked(mucfocus, &["rooms"]).await != "no room is in use\n" {
        assert!(std::time::Instant::now() < deadline, "the room stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[on_both_servers]
async fn an_operator_ends_a_leg_and_its_user_may_come_again() {
    let world = world().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    let tybalt = world.member("capulet", "tybalt").await;
    let room = json(&world.mucfocus, &["room", "capulet"]).await;
    let legs = room["legs"].as_array().unwrap();
    let id = legs.iter().find(|leg| leg["user"] == "sip:romeo@sip.test").unwrap()["id"].to_string();
    assert!(asked(&world.mucfocus, &["kick", &id]).await.contains("gets a BYE"));
    let bye = romeo.ended(SOON).await;
    assert!(bye.header("Reason").unwrap().contains("Ended by the operator of the gateway"), "{bye}");
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    assert_eq!(tybalt.says("He is gone").await.code(), Some(200));
    assert_eq!(ctl(&world.mucfocus, &["kick", &id]).await.status, 1, "there is no such leg any more");
    assert!(world.mucfocus.log().contains("the operator ends a leg"));
    world.member("capulet", "romeo").await;
}

/// SEC-02, SEC-09, SEC-10: neither a text, nor a password, nor a session-id.
#[on_both_servers]
async fn a_ladder_shows_a_call_from_its_invite_to_its_bye_and_no_secret() {
    let world = world().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    let call_id = romeo.call().id().to_owned();
    let path = romeo.answer().sdp("path").unwrap();
    let session = path.rsplit_once('/').unwrap().1.split(';').next().unwrap().to_owned();

    let mut command = Command::new(BINARY);
    command.args(["ctl", "ladder", &call_id, "--follow", "--config"]).arg(world.mucfocus.configuration());
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(romeo.says("He jests at scars").await.code(), Some(200));
    juliet.say(&world.muc("capulet"), "Ay me!");
    romeo.hears("Ay me!").await;
    let by_number = json(&world.mucfocus, &["room", "capulet"]).await["legs"][0]["id"].to_string();
    let so_far = asked(&world.mucfocus, &["ladder", &by_number]).await;
    assert_eq!(asked(&world.mucfocus, &["ladder", &call_id]).await, so_far);
    romeo.leaves().await;

    let followed = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        follower.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (follower.wait().unwrap(), text)
    });
    let (status, followed) = tokio::time::timeout(SOON, followed).await.expect("it ends with the call").unwrap();
    assert!(status.success());
    eprintln!("{followed}");
    let shown = |what: &str| {
        let found = followed.lines().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what:?} in\n{followed}"))
    };
    let steps = [
        "SIP  -> us  INVITE sip:capulet@rooms.test",
        "XMPP <- us  presence to Romeo",
        "SIP  <- us  200 OK (INVITE)",
        "SIP  -> us  ACK",
        "MSRP -> us  SEND",
        "XMPP <- us  message groupchat to the room",
        "XMPP -> us  message groupchat from Romeo",
        "MSRP <- us  SEND",
        "SIP  -> us  BYE",
        "SIP  <- us  200 OK (BYE)",
    ]
    .map(shown);
    assert!(steps.windows(2).filter(|pair| pair[0] > pair[1]).count() <= 1, "{steps:?} of\n{followed}");

    let after = asked(&world.mucfocus, &["ladder", &call_id]).await;
    assert_eq!(after.lines().count(), followed.lines().count(), "it stays for a while after the call");
    for secret in ["jests", "Ay me", PASSWORD, session.as_str()] {
        assert!(!followed.contains(secret), "{secret} in\n{followed}");
    }
    let unknown = ctl(&world.mucfocus, &["ladder", "no-such-call"]).await;
    assert!(unknown.status == 1 && unknown.stderr.contains("nothing is known of a call no-such-call"));
}

/// Of an outage the node itself is well: who looks at its status still has to see it.
#[on_both_servers]
async fn the_status_says_that_the_xmpp_server_is_away() {
    let mut world = world().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    let status = asked(&world.mucfocus, &["status"]).await;
    assert!(status.contains("1 XMPP stream up\n"), "{status}");
    world.server.kill();
    status_becomes(&world.mucfocus, ", 0 XMPP streams up, 1 XMPP server away\n").await;
    let status = json(&world.mucfocus, &["status"]).await;
    assert_eq!((&status["xmpp_streams"], &status["xmpp_servers_away"]), (&0.into(), &1.into()), "{status}");
    world.server.restart().await;
    status_becomes(&world.mucfocus, ", 1 XMPP stream up\n").await;
    romeo.leaves().await;
}

async fn status_becomes(mucfocus: &Mucfocus, wanted: &str) {
    let deadline = std::time::Instant::now() + SOON;
    while !asked(mucfocus, &["status"]).await.contains(wanted) {
        assert!(std::time::Instant::now() < deadline, "no {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Draining: BYE for everybody, 503 for who comes, and the process stays until it is told to go.
#[on_both_servers]
async fn a_drained_node_says_503_until_it_is_ended() {
    let mut world = world().await;
    let romeo = world.member("capulet", "romeo").await;
    let list = romeo.watches().await;
    assert!(asked(&world.mucfocus, &["drain"]).await.starts_with("draining: 1 leg ending"));
    romeo.ended(SOON).await;
    assert_eq!(list.ended(SOON).await, "terminated;reason=deactivated", "EV-12: there are other nodes");
    until_empty(&world.mucfocus).await;
    assert_eq!(json(&world.mucfocus, &["status"]).await["state"], "draining");
    let tybalt = world.ua("tybalt", Transport::Udp).await;
    let refused = tybalt.try_call(Request::invite(&romeo.room, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(503));
    assert!(refused.header("Retry-After").is_some(), "{refused}");
    assert_eq!(tybalt.request(Request::new("OPTIONS", &romeo.room)).await.code(), Some(503));
    assert!(world.mucfocus.alive());
    world.mucfocus.terminate();
    assert_eq!(world.mucfocus.end(SOON).await.code(), Some(0));
    assert!(!socket(&world.mucfocus).exists(), "it takes its socket along");
}

/// The same while SIGTERM ends it and somebody does not answer his BYE: for as long as `timeouts.drain` says, and no longer.
#[on_both_servers]
async fn a_caller_who_does_not_answer_his_bye_holds_up_the_end_and_nobody_gets_in() {
    let mut world = World::with(BINARY, |settings| settings.timeouts = "drain = \"3s\"\n".into()).await;
    let romeo = world.member("capulet", "romeo").await;
    let tybalt = world.ua("tybalt", Transport::Udp).await;
    romeo.ua.answer(false);
    let begun = std::time::Instant::now();
    world.mucfocus.terminate();
    until(|| romeo.ua.find(|m| m.method() == Some("BYE")).is_some(), SOON, "the BYE").await;
    assert_eq!(tybalt.request(Request::new("OPTIONS", &romeo.room)).await.code(), Some(503));
    let refused = tybalt.try_call(Request::invite(&romeo.room, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(503));
    assert_eq!(world.mucfocus.end(SOON).await.code(), Some(0));
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(6), "{took:?}");
}

/// What a client says that is none.
async fn answer_to(mucfocus: &Mucfocus, octets: &[u8]) -> String {
    let (path, octets) = (socket(mucfocus), octets.to_vec());
    let talk = move || {
        let mut stream = UnixStream::connect(path).unwrap();
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn nonsense_on_the_control_socket_is_answered_and_harms_nobody() {
    let mut alone = Mucfocus::start(BINARY, ALONE).await;
    for nonsense in [
        &b"\n"[..],
        b"{}\n",
        b"{\"command\":\"format\"}\n",
        b"GET / HTTP/1.0\n",
        b"\xff\xfe\n",
        b"{\"command\":\"room\"}\n",
    ] {
        let answer = answer_to(&alone, nonsense).await;
        assert!(answer.starts_with("{\"failed\":{\"why\":\"this version does not know the request"), "{answer}");
    }
    for unfinished in [vec![b'['; 100_000], b"{\"command\":\"status\"}".to_vec()] {
        let answer = answer_to(&alone, &unfinished).await;
        assert!(answer.contains("a request is one line of at most 4096 octets") || answer.is_empty(), "{answer}");
    }
    // Half-closed is no hang-up.
    assert!(answer_to(&alone, b"{\"command\":\"status\"}\n").await.starts_with("{\"status\":{"));
    // Who says nothing is not waited for, and keeps nobody out for long.
    let silent: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(socket(&alone)).unwrap()).collect();
    drop(silent.into_iter().take(12).collect::<Vec<_>>());
    assert_eq!(json(&alone, &["status"]).await["state"], "ready");
    assert!(alone.alive() && !alone.log().contains("panicked"), "{}", alone.log());
}

/// Who connects and says nothing is let go soon, and keeps nobody from being answered meanwhile; a ladder that is followed may be
/// silent for as long as its call.
#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_do_not_keep_an_operator_waiting() {
    let alone = Mucfocus::start(BINARY, ALONE).await;
    let silent: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(socket(&alone)).unwrap()).collect();
    let begun = std::time::Instant::now();
    assert_eq!(json(&alone, &["status"]).await["state"], "ready");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let last = silent.last().unwrap();
    last.set_read_timeout(Some(SOON)).unwrap();
    let ended = tokio::task::block_in_place(|| (&*last).read(&mut [0; 16]));
    assert_eq!(ended.unwrap(), 0, "he is not waited for");
}

/// A process that is stopped, or never accepts.
#[tokio::test]
async fn who_gets_no_answer_on_the_control_socket_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mute");
    let mute = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    mute.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    mute.listen(0).unwrap();
    // One may wait to be let in, and is asked nothing; the next is not even let in.
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command.arg("ctl").args(arguments).arg("--socket").arg(&path).stderr(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let begun = std::time::Instant::now();
    for asks in [ask(&["ladder", "1", "--follow"]), ask(&["status"])] {
        let ran = tokio::task::spawn_blocking(move || asks.wait_with_output().unwrap()).await.unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains("does not answer on the control socket") && said.contains("within 10 s"), "{said}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_control_socket_is_for_its_group_and_for_one_process() {
    let mut alone = Mucfocus::start(BINARY, ALONE).await;
    let mode = std::fs::metadata(socket(&alone)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let second = Command::new(BINARY).args(["serve", "--config"]).arg(alone.configuration()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another process listens on the control socket"), "{said}");
    // What a killed process leaves is replaced.
    alone.kill();
    alone.end(SOON).await;
    assert!(socket(&alone).exists());
    alone.restart().await;
    assert_eq!(json(&alone, &["status"]).await["state"], "ready");
    // A file that is no socket is somebody's.
    alone.terminate();
    alone.end(SOON).await;
    std::fs::write(socket(&alone), "precious").unwrap();
    let third = Command::new(BINARY).args(["serve", "--config"]).arg(alone.configuration()).output().unwrap();
    assert_eq!(third.status.code(), Some(1));
    assert!(String::from_utf8(third.stderr).unwrap().contains("is there and is no socket"));
    assert_eq!(std::fs::read_to_string(socket(&alone)).unwrap(), "precious");
}

#[tokio::test]
async fn without_the_section_there_is_no_socket_and_ctl_says_what_is_missing() {
    let text = ALONE.split("[control]").next().unwrap();
    let alone = Mucfocus::start(BINARY, text).await;
    assert!(!socket(&alone).exists());
    let path = socket(&alone).display().to_string();
    let ran = ctl(&alone, &["status", "--socket", &path]).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("is mucfocus running, with [control] in its configuration"), "{}", ran.stderr);
}

/// A process that answers what it is told to, as often as it is asked.
fn scripted(path: &Path, answer: String) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

/// What a monitoring program goes by.
#[tokio::test]
async fn sides_that_differ_at_rest_are_shown_and_are_a_failure() {
    const GHOST: &str = r#"{"room":{"muc":"a@b","sip":"sip:a@c","occupants":[{"nickname":"Romeo\u001b[2J","role":"participant",
        "affiliation":"none","dialed_in":null}],"memberships":[],"legs":[],
        "counts":{"occupants":1,"memberships":0,"legs":0,"subscriptions":0,"unreachable":false},
        "at_rest":true,"differences":["Romeo is in the MUC through this node, with no SIP user behind"]}}"#;
    let folder = tempfile::tempdir().unwrap();
    let (path, closed) = (folder.path().join("ghost"), folder.path().join("closed"));
    scripted(&path, GHOST.replace('\n', "") + "\n");
    scripted(&closed, String::new());
    let run =
        |socket: &Path| Command::new(BINARY).args(["ctl", "room", "a@b", "--socket"]).arg(socket).output().unwrap();
    let ran = run(&path);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.contains("differs: Romeo is in the MUC through this node"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(String::from_utf8(ran.stderr).unwrap().contains("the two sides of the room differ"));
    let ran = run(&closed);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("without an answer"));
}
