//! Every folder of `scenarios/` is a call flow that real SIPp plays against mucfocus and a real XMPP server.
//!
//! A folder holds `scenario.xml`, a `README` of one line that says what it shows, and, where the defaults of [`Run`] do
//! not fit, a `run.toml`. Where the caller listens for streams, too, `stream.xml` is what is to come that way. To add a flow,
//! add the folder and its name below; a test compares the two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mucfocus_rig::sip::Transport;
use mucfocus_rig::wait::within;
use mucfocus_rig::{Kind, SOON, World, on_both_servers, sipp, until, xmpp};
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
    /// Whether SIPp answers by itself the NOTIFYs that the scenario does not wait for.
    answers: bool,
    /// For what depends on the XMPP server: `prosody` or `ejabberd` alone.
    xmpp_server: Option<String>,
    /// What rooms are like on ejabberd.
    ejabberd_rooms: String,
    /// More lines of `[sip.auth]`.
    auth: String,
    /// More lines of `[room_defaults]`.
    room_defaults: String,
    /// `runs`, or `frozen` while SIPp runs.
    server: String,
    /// `watches` the room from within, `kicks` Romeo soon after he has come, or is `away`.
    juliet: String,
    /// How many lists Romeo has answered before she kicks him.
    notified: usize,
    /// How often Romeo comes into the room. He is never in it at the end.
    joins: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            transport: "udp".into(),
            timeout: 20,
            trusted: true,
            create: true,
            answers: false,
            xmpp_server: None,
            ejabberd_rooms: String::new(),
            auth: String::new(),
            room_defaults: String::new(),
            server: "runs".into(),
            juliet: "watches".into(),
            notified: 0,
            joins: 0,
        }
    }
}

macro_rules! scenarios {
    (on both servers { $($both:ident)* } on one of them { $($one:ident)* }) => {
        const LISTED: &[&str] = &[$(stringify!($both),)* $(stringify!($one)),*];
        $(#[on_both_servers]
        async fn $both() {
            play(&stringify!($both).replace('_', "-")).await;
        })*
        $(#[tokio::test]
        async fn $one() {
            play(&stringify!($one).replace('_', "-")).await;
        })*
    };
}

// On one server: what no XMPP server has a say in.
scenarios! {
    on both servers {
        bad_version
        cancel
        cancel_unknown
        compact_forms
        delayed_offer
        f35_f43_join_subscribe_notify
        f57_f60_refer
        f61_f64_bye
        join_and_leave_tcp
        join_and_leave_udp
        kicked_by_moderator
        kicked_subscriber
        lost_ack
        no_account
        offer_of_audio_and_message
        offer_without_cpim
        offer_without_msrp
        offer_without_path
        old_cseq
        options_unknown_room
        options_without_user
        record_route
        refer_out_of_dialog
        reinvite_moved
        reinvite_unchanged
        retransmitted_invite
        second_leg
        subscribe_before_invite
        subscribe_fetch
        subscribe_in_dialog
        subscribe_refresh
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
    on one of them {
        delayed_offer_unanswered
        digest_md5
        digest_nonce_count
        digest_other_from
        digest_subscribe
        digest_unknown_user
        digest_wrong_password
        early_reinvite
        invite_merged
        notify_large_by_tcp
        notify_large_by_udp
        notify_refused
        options
        refer_bad_targets
        refer_not_permitted
        refer_outsider
        refer_twice
        refer_without_subscription
        reinvite_hold_and_resume
        reinvite_port_0
        reinvite_refused
        reliable_provisional
        session_timer
        subscribe_and_unsubscribe
        subscribe_merged
        subscribe_not_acceptable
        subscribe_not_allowed
        subscribe_outsider
        subscribe_too_brief
        subscribe_twice_in_a_dialog
        subscribe_unknown_dialog
        subscribe_unknown_event
        subscribe_unknown_room
        update
    }
}

#[test]
fn every_folder_is_listed_and_says_in_one_line_what_it_shows() {
    let mut folders: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace('-', "_"))
        .collect();
    folders.sort();
    let mut listed = LISTED.to_vec();
    listed.sort_unstable();
    assert_eq!(folders, listed);
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
        settings.server = match run.xmpp_server.as_deref() {
            None => settings.server,
            Some("prosody") => Kind::Prosody,
            Some("ejabberd") => Kind::Ejabberd,
            Some(other) => panic!("xmpp_server {other:?} in {name}/run.toml"),
        };
        settings.ejabberd_rooms = run.ejabberd_rooms.clone();
        settings.trusted = run.trusted;
        settings.create = run.create;
        settings.auth = run.auth.clone();
        settings.room_defaults = run.room_defaults.clone();
        settings.timeouts = String::new();
    })
    .await;
    let muc = world.muc(ROOM);
    let juliet = match run.juliet.as_str() {
        "away" => world.xmpp("juliet").await,
        _ => world.xmpp_in(ROOM, "juliet").await,
    };
    if run.server == "frozen" {
        world.server.freeze();
    }
    let kick = async {
        if run.juliet == "kicks" {
            juliet.sees(&muc, "Romeo").await;
            // A list goes in a dialog of its own, which a BYE may overtake; SIPp wants it first.
            let answered = || world.mucfocus.log().matches("method=NOTIFY sent=Answered(200)").count();
            until(|| answered() >= run.notified, SOON, "Romeo to have his lists").await;
            // SIPp refuses a BYE that comes on its way from that answer to where it waits for one.
            tokio::time::sleep(Duration::from_millis(200)).await;
            juliet.kick(&muc, "Romeo", "out").await;
        }
    };
    let transport = match run.transport.as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        other => panic!("transport {other:?} in {name}/run.toml"),
    };
    let caller = sipp::Caller::new(world.who("romeo", transport).peer, ROOM, run.timeout, run.answers);
    let stream = Some(folder.join("stream.xml")).filter(|file| file.exists());
    let by_stream = async {
        if let Some(file) = &stream {
            caller.play(file, Transport::Tcp).await;
        }
    };
    let call = async {
        if stream.is_some() {
            caller.listens_for_streams().await;
        }
        caller.play(&folder.join("scenario.xml"), transport).await;
    };
    tokio::join!(by_stream, call, kick);
    world.server.thaw();
    if run.joins > 0 {
        until(|| joins(&juliet, &muc) >= run.joins, SOON, "Romeo to come into the room").await;
    }
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    if run.server == "frozen" {
        // What was under way when the server stood still may still bring him in for a moment, not for good.
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
