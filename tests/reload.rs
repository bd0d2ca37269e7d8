//! SIGHUP and `mucfocus ctl reload`: the configuration is read again, whole or not at all, while calls go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::process::{Command, Stdio};

use mucfocus_rig::member::any_offer;
use mucfocus_rig::mucfocus::write_private;
use mucfocus_rig::sip::{Message, Request, Transport};
use mucfocus_rig::world::PASSWORD;
use mucfocus_rig::{Mucfocus, SOON, World, until};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Writes the configuration anew, with `change` made to its text.
fn rewrite(mucfocus: &Mucfocus, change: impl FnOnce(String) -> String) {
    let file = mucfocus.configuration();
    let before = std::fs::read_to_string(&file).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "nothing is changed");
    write_private(&file, &after);
}

fn replaced<'a>(old: &'a str, new: &'a str) -> impl FnOnce(String) -> String + 'a {
    move |text| {
        assert!(text.contains(old), "no {old:?} in\n{text}");
        text.replacen(old, new, 1)
    }
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

async fn reload(mucfocus: &Mucfocus) -> Ran {
    let mut command = Command::new(BINARY);
    command.args(["ctl", "reload", "--json", "--config"]).arg(mucfocus.configuration()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let status = output.status.code().unwrap();
    Ran { status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What is said to have changed, and what to need a restart.
async fn reloaded(mucfocus: &Mucfocus) -> (Vec<String>, Vec<String>) {
    let ran = reload(mucfocus).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    let list = |key: &str| serde_json::from_value(answer[key].clone()).unwrap();
    (list("changed"), list("needs_restart"))
}

async fn world() -> World {
    World::with(BINARY, |settings| settings.timeouts += "[control]\nsocket = \"ctl.sock\"\n").await
}

/// The answer of somebody whom the room should refuse.
async fn refusal(world: &World, user: &str, room: &str) -> Message {
    let ua = world.ua(user, Transport::Udp).await;
    ua.try_call(Request::invite(&world.sip(room), &any_offer())).await.err().expect("he is refused")
}

#[tokio::test]
async fn a_new_room_rule_counts_for_who_comes_and_who_is_in_goes_on() {
    let world = world().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    assert_eq!(reloaded(&world.mucfocus).await, (vec![], vec![]), "nothing is new");
    rewrite(&world.mucfocus, replaced("[room_defaults]\n", "[room_defaults]\nallow = [\"sip:tybalt@*\"]\n"));
    assert_eq!(reloaded(&world.mucfocus).await, (vec!["room_defaults.allow".to_owned()], vec![]));
    // Who is in stays, and is heard.
    assert_eq!(romeo.says("Yet I am here").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "Yet I am here").await;
    assert_eq!(refusal(&world, "mercutio", "capulet").await.code(), Some(403));
    let tybalt = world.member("capulet", "tybalt").await;
    assert_eq!(tybalt.says("And I").await.code(), Some(200));
    romeo.hears("And I").await;
    // And back.
    rewrite(&world.mucfocus, replaced("allow = [\"sip:tybalt@*\"]\n", ""));
    reloaded(&world.mucfocus).await;
    world.member("capulet", "mercutio").await;
}

/// A call takes its rule along: a reload that changes rules does not change it, and says so.
#[tokio::test]
async fn a_call_keeps_the_rule_that_it_began_with_and_the_reload_says_so() {
    let world = world().await;
    let _juliet = world.xmpp_in("capulet", "juliet").await;
    rewrite(&world.mucfocus, replaced("[room_defaults]\n", "[room_defaults]\nhistory = 3\n"));
    let new_calls_only = |ran: Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap()["new_calls_only"].clone();
    assert_eq!(new_calls_only(reload(&world.mucfocus).await), Value::Array(vec![]), "there is no call");
    let romeo = world.chatter("capulet", "romeo").await;
    rewrite(&world.mucfocus, replaced("[room_defaults]\n", "[room_defaults]\nprivate_messages = false\n"));
    rewrite(&world.mucfocus, replaced("drain = \"1s\"", "drain = \"3s\""));
    assert_eq!(new_calls_only(reload(&world.mucfocus).await), serde_json::json!(["room_defaults.private_messages"]));
    assert!(
        world.mucfocus.log().contains("new_calls_only=\"room_defaults.private_messages\""),
        "{}",
        world.mucfocus.log()
    );
    assert_eq!(romeo.whispers("Juliet", "still").await, 200);
    let tybalt = world.chatter("capulet", "tybalt").await;
    assert_eq!(tybalt.whispers("Juliet", "no more").await, 403);
}

/// SIGHUP does the same, and the log says what came of it.
#[tokio::test]
async fn a_hangup_signal_reads_accounts_and_their_secrets_again() {
    let world = world().await;
    assert_eq!(refusal(&world, "hamlet", "elsinore").await.code(), Some(403), "nobody knows him");
    let account = "[[accounts]]\nsip = \"sip:hamlet@sip.test\"\njid = \"nurse@xmpp.test\"\npassword = \"verona\"\n";
    rewrite(&world.mucfocus, replaced("[room_defaults]\n", &format!("{account}[room_defaults]\n")));
    hang_up(&world.mucfocus);
    until(|| world.mucfocus.log().contains("changed=\"accounts\""), SOON, "a word about the accounts").await;
    let hamlet = world.member("elsinore", "hamlet").await;
    assert_eq!(hamlet.says("To be").await.code(), Some(200));
    // The text of the file is the same, what it names is not.
    hamlet.leaves().await;
    let secret = world.mucfocus.configuration().with_file_name("hamlet.pw");
    write_private(&secret, "verona");
    rewrite(&world.mucfocus, replaced("password = \"verona\"", "password_file = \"hamlet.pw\""));
    reloaded(&world.mucfocus).await;
    write_private(&secret, "elsinore");
    assert_eq!(reloaded(&world.mucfocus).await, (vec!["accounts".to_owned()], vec![]));
    assert!(!world.mucfocus.log().contains("verona"), "no secret is in the log");
}

fn hang_up(mucfocus: &Mucfocus) {
    let id = mucfocus.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_is_pointed_at() {
    let world = world().await;
    let romeo = world.member("capulet", "romeo").await;
    let wrong = "[room_defaults]\nallow = [\"sip:tybalt@*\"]\nhistroy = 3\n";
    rewrite(&world.mucfocus, replaced("[room_defaults]\n", wrong));
    let ran = reload(&world.mucfocus).await;
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("nothing is changed: ") && ran.stderr.contains("did you mean \"history\"?"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("config.toml:"), "{}", ran.stderr);
    // Nor is what was right in it.
    world.member("capulet", "mercutio").await;
    assert_eq!(romeo.says("Still here").await.code(), Some(200));
    std::fs::remove_file(world.mucfocus.configuration()).unwrap();
    hang_up(&world.mucfocus);
    until(|| world.mucfocus.log().contains("cannot read"), SOON, "a word about the missing file").await;
    assert_eq!(romeo.says("And still").await.code(), Some(200));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_each_time_until_it_had_one() {
    let mut world = world().await;
    rewrite(&world.mucfocus, replaced("name = \"rig\"", "name = \"other\""));
    let wanted = (vec![], vec!["node.name".to_owned()]);
    assert_eq!(reloaded(&world.mucfocus).await, wanted);
    assert_eq!(reloaded(&world.mucfocus).await, wanted);
    let warning = refusal(&world, "hamlet", "capulet").await.header("Warning").unwrap().to_owned();
    assert!(warning.starts_with("399 rig "), "{warning}");
    world.mucfocus.terminate();
    world.mucfocus.end(SOON).await;
    world.mucfocus.restart().await;
    assert_eq!(reloaded(&world.mucfocus).await, (vec![], vec![]));
    let warning = refusal(&world, "hamlet", "capulet").await.header("Warning").unwrap().to_owned();
    assert!(warning.starts_with("399 other "), "{warning}");
}

/// SIP-14: a nonce that was given out stays good, and one that was used stays used.
#[tokio::test]
async fn who_was_challenged_before_answers_after() {
    let users = "[[sip.auth.users]]\nsip = \"sip:romeo@sip.test\"\npassword_file = \"$SECRETS/password\"\n";
    let world = World::with(BINARY, |settings| {
        settings.trusted = false;
        settings.auth = format!("realm = \"rooms.test\"\n{users}");
        settings.timeouts += "[control]\nsocket = \"ctl.sock\"\n";
    })
    .await;
    let romeo = world.ua("romeo", Transport::Udp).await;
    let answered = romeo.authorized(Request::invite(&world.sip("capulet"), &any_offer()), PASSWORD).await;
    let benvolio = format!("[[sip.auth.users]]\nsip = \"sip:benvolio@sip.test\"\npassword = \"{PASSWORD}\"\n");
    rewrite(&world.mucfocus, replaced("[msrp]\n", &format!("{benvolio}[msrp]\n")));
    assert_eq!(reloaded(&world.mucfocus).await, (vec!["sip.auth.users".to_owned()], vec![]));
    romeo.call(answered).await;
    let benvolio = world.ua("benvolio", Transport::Udp).await;
    let answered = benvolio.authorized(Request::invite(&world.sip("capulet"), &any_offer()), PASSWORD).await;
    benvolio.call(answered).await;
}

/// Limits, timeouts, the level of the log and who is believed: all from the next one on.
#[tokio::test]
async fn limits_and_trust_and_the_log_follow() {
    let world = world().await;
    let romeo = world.member("capulet", "romeo").await;
    rewrite(&world.mucfocus, replaced("[limits]\n", "[limits]\nlegs = 1\nlegs_per_user = 1\n"));
    rewrite(&world.mucfocus, replaced("level = \"debug\"", "level = \"warn\""));
    rewrite(&world.mucfocus, replaced("drain = \"1s\"", "drain = \"3s\""));
    let (changed, restart) = reloaded(&world.mucfocus).await;
    assert_eq!(changed, ["limits.legs", "limits.legs_per_user", "log.level", "timeouts.drain"]);
    assert_eq!(restart, [""; 0]);
    assert_eq!(refusal(&world, "tybalt", "capulet").await.code(), Some(503), "one leg is all there may be");
    let before = world.mucfocus.log().len();
    romeo.leaves().await;
    let tybalt = world.member("capulet", "tybalt").await;
    assert_eq!(world.mucfocus.log().len(), before, "nothing below a warning is logged");
    rewrite(&world.mucfocus, replaced("trusted_peers = [\"127.0.0.1\"]", "untrusted = \"refuse\"\ntrusted_peers = []"));
    let (changed, _) = reloaded(&world.mucfocus).await;
    assert_eq!(changed, ["sip.auth.trusted_peers", "sip.auth.untrusted"]);
    let refused = refusal(&world, "romeo", "capulet").await;
    assert_eq!(refused.code(), Some(403), "{refused}");
    assert!(!refused.header("Warning").unwrap().contains("room"), "{refused}");
    // A call that stands belongs to whom it belonged to.
    assert_eq!(tybalt.says("I stay").await.code(), Some(200));
}
