//! A SIP user whose MSRP goes through a relay (RFC 4976): Kamailio, which shares no code with us.
//!
//! The relay moves its own URI from the front of To-Path to the front of From-Path, so what comes out of it says which paths we
//! wrote: it passes nothing on whose To-Path does not begin with the relay and end with the client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use mucfocus_rig::kamailio::Relay;
use mucfocus_rig::member::{TOKENS, offer};
use mucfocus_rig::msrp::{Cpim, Frame, Peer, Send, own_uri};
use mucfocus_rig::sip::{Call, Message, Request, Transport, Ua};
use mucfocus_rig::{SOON, World, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A SIP user in a room, behind a relay.
struct Guest {
    ua: Ua,
    answer: Message,
    msrp: Peer,
    room: String,
    /// His URI at the relay.
    relay: String,
    /// Ours.
    focus: String,
}

impl Guest {
    /// Registers with the relay and calls the room with `a=path:RELAY CLIENT`. Where `setup` leaves it to us, we connect to the
    /// relay; the first SEND is ours then.
    async fn join(world: &World, relay: &Relay, user: &str, setup: &str) -> Self {
        let local = own_uri(9);
        let (msrp, at_relay) = relay.admits(user, &local).await;
        let (ua, room) = (world.ua(user, Transport::Tcp).await, world.sip("capulet"));
        let sdp = offer(&format!("{at_relay} {local}"), setup).replace("a=chatroom\r\n", TOKENS);
        let answer = ua.call(Request::invite(&room, &sdp)).await.answer;
        let focus = answer.sdp("path").unwrap();
        let msrp = msrp.towards(&format!("{at_relay} {focus}"));
        if answer.sdp("setup").as_deref() == Some("active") {
            until(|| !msrp.requests("SEND").is_empty(), SOON, "the first SEND, through the relay").await;
        } else {
            msrp.bind().await;
        }
        Self { ua, answer, msrp, room, relay: at_relay, focus }
    }

    fn call(&self) -> Call<'_> {
        self.ua.resume(&self.answer)
    }

    fn to_room(&self, text: &str) -> Cpim {
        Cpim::text(self.ua.aor(), &self.room, text)
    }

    /// Says something to everybody and waits until the room has it: the relay's own answer does not say that.
    async fn says(&self, text: &str) -> Frame {
        let cpim = self.to_room(text);
        self.is_told_of(Send::chunks(&cpim, 2048)).await
    }

    /// Sends a message in pieces; the success report.
    async fn is_told_of(&self, pieces: Vec<Send>) -> Frame {
        let known = self.msrp.reports().len();
        for piece in pieces {
            self.msrp.send(piece.header("Success-Report", "yes"));
        }
        until(|| self.msrp.reports().len() > known, SOON, "a success report").await;
        self.msrp.reports().pop().unwrap()
    }

    /// That the frame came the whole way: from us, through the relay, to the client.
    fn came_through(&self, frame: &Frame) {
        assert_eq!(frame.header("To-Path"), Some(self.msrp.local()), "{frame}");
        let from = format!("{} {}", self.relay, self.focus);
        assert_eq!(frame.header("From-Path"), Some(from.as_str()), "{frame}");
    }
}

/// MS-SDP-02, ACM-07, RLY-01, MS-RSP-02, MS-REP-05, SW-23: whoever connects, the relay is where to, and everything that we send
/// names the whole path.
#[tokio::test]
async fn a_conversation_goes_through_a_relay_whoever_connects() {
    let (world, relay) = (World::start(BINARY).await, Relay::start().await);
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for (setup, answered) in [("active", "passive"), ("passive", "active"), ("actpass", "passive")] {
        let romeo = Guest::join(&world, &relay, "romeo", setup).await;
        juliet.sees(&muc, "Romeo").await;
        assert_eq!(romeo.answer.sdp("setup").as_deref(), Some(answered));
        if answered == "active" {
            // Who connects speaks first: the room's history, or nothing.
            romeo.came_through(&romeo.msrp.requests("SEND").remove(0));
        }

        let words = format!("he is {setup}");
        let report = romeo.says(&words).await;
        romeo.came_through(&report);
        assert_eq!(report.header("Status"), Some("000 200 OK"));
        juliet.hears(&muc, &words).await;
        juliet.say(&muc, &format!("indeed {words}"));
        romeo.came_through(&romeo.msrp.hears(&format!("indeed {words}")).await.frame);

        let nickname = ("Use-Nickname".to_owned(), "\"Montague\"".to_owned());
        let id = romeo.msrp.request("NICKNAME", vec![nickname], None, '$');
        let response = romeo.msrp.response(&id).await;
        assert_eq!(response.code(), Some(200), "{response}");
        romeo.came_through(&response);
        juliet.sees(&muc, "Montague").await;

        let whisper = Cpim::text(romeo.ua.aor(), &format!("{};gr=Juliet", romeo.room), "for you alone");
        romeo.came_through(&romeo.is_told_of(vec![Send::cpim(&whisper)]).await);
        juliet.whisper(&format!("{muc}/Montague"), "so is this");
        let whispered = romeo.msrp.hears("so is this").await;
        romeo.came_through(&whispered.frame);
        assert_eq!(whispered.cpim_header("To"), Some("<sip:romeo@sip.test>"));

        assert_eq!(romeo.call().bye().await.code(), Some(200));
        juliet.sees_leave(&muc, "Montague", SOON).await;
        assert_eq!(romeo.msrp.broken(), Vec::<String>::new());
    }
}

/// RLY-01, MS-SEND-08: a relay passes the pieces of a long message on as they come. Towards the client the length is one that
/// Kamailio passes on in one piece: it knows no frames of more than 14 KiB.
#[tokio::test]
async fn long_messages_go_through_a_relay_in_both_directions() {
    let (world, relay) = (World::start(BINARY).await, Relay::start().await);
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = Guest::join(&world, &relay, "romeo", "active").await;
    juliet.sees(&muc, "Romeo").await;
    let long = |length: usize| ('a'..='z').cycle().take(length).collect::<String>();
    let report = romeo.says(&long(60_000)).await;
    romeo.came_through(&report);
    let octets = romeo.to_room(&long(60_000)).bytes().len();
    assert_eq!(report.header("Byte-Range"), Some(format!("1-{octets}/{octets}").as_str()));
    juliet.hears(&muc, &long(60_000)).await;
    juliet.say(&muc, &long(60_000));
    romeo.came_through(&romeo.msrp.hears(&long(60_000)).await.frame);
}

/// RLY-01, MS-CONN-02: two clients of one relay come to us over one connection, and one of them outlives the other.
#[tokio::test]
async fn two_users_behind_one_relay_do_not_disturb_each_other() {
    let (world, relay) = (World::start(BINARY).await, Relay::start().await);
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = Guest::join(&world, &relay, "romeo", "active").await;
    let tybalt = Guest::join(&world, &relay, "tybalt", "active").await;
    juliet.sees(&muc, "Tybalt").await;
    assert_eq!(connections_to(world.mucfocus.msrp()), 1, "of the relay, which keeps what it has");
    romeo.says("to all of you").await;
    tybalt.came_through(&tybalt.msrp.hears("to all of you").await.frame);
    assert_eq!(romeo.call().bye().await.code(), Some(200));
    juliet.sees_leave(&muc, "Romeo", SOON).await;
    tybalt.says("still here").await;
    juliet.hears(&muc, "still here").await;
    assert_eq!(romeo.msrp.texts(), Vec::<String>::new());
}

/// How many established TCP connections lead to an address of 127.0.0.1.
fn connections_to(address: SocketAddr) -> usize {
    // Its local address, the remote one, which ends in the port, and 01 for ESTABLISHED.
    let remote = format!(" 0100007F:{:04X} 01 ", address.port());
    std::fs::read_to_string("/proc/net/tcp").unwrap().lines().filter(|line| line.contains(&remote)).count()
}

/// Without the relay nobody is there: the user leaves the room as if his own connection had broken.
#[tokio::test]
async fn the_end_of_the_relay_is_the_end_of_its_users() {
    let (world, relay) = (World::start(BINARY).await, Relay::start().await);
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = Guest::join(&world, &relay, "romeo", "passive").await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    drop(relay);
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await.expect("timeouts.lost_leg is 2 s here");
    romeo.call().ended(SOON).await;
}
