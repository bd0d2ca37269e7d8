//! Every folder of `scenarios/` is a call flow that real SIPp plays against mucfocus and a real Prosody.
//!
//! A folder holds `scenario.xml`, a `README` of one line that says what it shows, and, where the defaults of [`Run`] do
//! not fit, a `run.toml`. To add a flow, add the folder and its name below; a test compares the two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mucfocus_rig::sip::Transport;
use mucfocus_rig::wait::within;
use mucfocus_rig::{SOON, World, sipp, until, xmpp};
use serde::Deserialize;

/// What `run.toml` may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Run {
    /// `udp` or `tcp`.
    transport: String,
    /// Seconds that SIPp may take.
    timeout: u64,
    /// Whether the caller's address is a trusted peer.
    trusted: bool,
    /// Whether a SIP user may bring a room into being.
    create: bool,
    /// `runs`, or `frozen` while SIPp runs.
    prosody: String,
    /// `watches` the room from within, `kicks` Romeo as soon as he is there, or is `away`.
    juliet: String,
    /// How often Romeo comes into the room. He is never in it at the end.
    joins: usize,
}

impl Default for Run {
    fn default() -> Self {
        let (transport, prosody, juliet) = ("udp".into(), "runs".into(), "watches".into());
        Self { transport, timeout: 20, trusted: true, create: true, prosody, juliet, joins: 0 }
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];
        $(#[tokio::test]
        async fn $name() {
            play(&stringify!($name).replace('_', "-")).await;
        })*
    };
}

scenarios! {
    bad_version
    cancel
    cancel_unknown
    compact_forms
    join_and_leave_tcp
    join_and_leave_udp
    kicked_by_moderator
    lost_ack
    no_account
    offer_of_audio_and_message
    offer_without_cpim
    offer_without_msrp
    offer_without_path
    old_cseq
    options
    options_unknown_room
    options_without_user
    record_route
    reinvite_moved
    reinvite_unchanged
    retransmitted_invite
    second_leg
    subscribe
    unknown_dialog_bye
    unknown_muc
    unknown_room
    unsupported_body
    unsupported_require
    untrusted
    untrusted_options
    wrong_method
    wrong_scheme
}

#[test]
fn every_folder_is_listed_and_says_in_one_line_what_it_shows() {
    let mut folders: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace('-', "_"))
        .collect();
    folders.sort();
    assert_eq!(folders, LISTED);
    for folder in folders {
        let readme = std::fs::read_to_string(root().join(folder.replace('_', "-")).join("README")).unwrap();
        assert_eq!(readme.lines().count(), 1, "{folder}/README");
    }
}

const ROOM: &str = "capulet";

async fn play(name: &str) {
    let folder = root().join(name);
    let run: Run = match std::fs::read_to_string(folder.join("run.toml")) {
        Ok(text) => toml::from_str(&text).unwrap(),
        Err(_) => Run::default(),
    };
    let mut world = World::with(env!("CARGO_BIN_EXE_mucfocus"), |settings| {
        settings.trusted = run.trusted;
        settings.create = run.create;
        settings.timeouts = String::new();
    })
    .await;
    let muc = world.muc(ROOM);
    let juliet = match run.juliet.as_str() {
        "away" => world.xmpp("juliet").await,
        _ => world.xmpp_in(ROOM, "juliet").await,
    };
    if run.prosody == "frozen" {
        world.prosody.freeze();
    }
    let kick = async {
        if run.juliet == "kicks" {
            juliet.sees(&muc, "Romeo").await;
            juliet.kick(&muc, "Romeo", "out").await;
        }
    };
    let transport = match run.transport.as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        other => panic!("transport {other:?} in {name}/run.toml"),
    };
    let (peer, scenario) = (world.who("romeo", transport).peer, folder.join("scenario.xml"));
    tokio::join!(sipp::play(&scenario, peer, transport, ROOM, run.timeout), kick);
    world.prosody.thaw();
    if run.joins > 0 {
        until(|| joins(&juliet, &muc) >= run.joins, SOON, "Romeo to come into the room").await;
    }
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    if run.prosody == "frozen" {
        // What was under way when Prosody stood still may still bring him in for a moment, not for good.
        within(|| juliet.occupants(&muc).contains_key("Romeo").then_some(()), Duration::from_secs(2)).await;
        juliet.sees_leave(&muc, "Romeo", SOON).await;
    } else {
        assert_eq!(joins(&juliet, &muc), run.joins, "how often Romeo came into the room");
    }
    assert!(world.mucfocus.alive(), "mucfocus has ended:\n{}", world.mucfocus.log());
}

/// How often the room said that Romeo is there.
fn joins(juliet: &xmpp::Client, room: &str) -> usize {
    let romeo = format!("{room}/Romeo");
    juliet.received().iter().filter(|e| e.name == "presence" && e.from() == romeo && e.kind().is_empty()).count()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}
