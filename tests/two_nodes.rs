//! One room on two nodes at once, as while one is drained for the other: the same messages, the same roster, and each node's
//! people are the other's occupants like everybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::member::Joining;
use mucfocus_rig::sip::{Transport, Who};
use mucfocus_rig::world::SIP;
use mucfocus_rig::{Member, Mucfocus, SOON, World, on_both_servers};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Two nodes on one XMPP server. The second has the configuration of the first, but for its name.
async fn two_nodes() -> (World, Mucfocus) {
    let world = World::start(BINARY).await;
    let configuration = std::fs::read_to_string(world.mucfocus.configuration()).unwrap();
    let other = configuration.replace("name = \"rig\"", "name = \"rig2\"");
    assert_ne!(configuration, other);
    (world, Mucfocus::start(BINARY, &other).await)
}

/// A SIP user who calls a room on this node.
async fn member_on(node: &Mucfocus, world: &World, room: &str, user: &str) -> Member {
    let who = Who::new(user, SIP, Transport::Udp, node.udp());
    Member::join(who, &world.sip(room), Joining::able()).await
}

#[on_both_servers]
async fn a_room_on_two_nodes_has_one_conversation_and_one_roster() {
    let (world, other) = two_nodes().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.chatter("capulet", "romeo").await;
    let tybalt = member_on(&other, &world, "capulet", "tybalt").await;
    let (here, there) = (romeo.watches().await, tybalt.watches().await);
    let everybody = ["Juliet", "Romeo", "Tybalt"];
    here.shows(&everybody).await;
    there.shows(&everybody).await;
    for (speaker, text) in [(&romeo, "one"), (&tybalt, "two"), (&romeo, "three")] {
        assert_eq!(speaker.says(text).await.code(), Some(200));
    }
    juliet.say(&world.muc("capulet"), "four");
    romeo.hears("four").await;
    tybalt.hears("four").await;
    let heard = |member: &Member| member.msrp.texts();
    assert_eq!(heard(&romeo), ["two", "four"], "who spoke does not hear himself");
    assert_eq!(heard(&tybalt), ["one", "three", "four"]);
    assert_eq!(tybalt.whispers("Romeo", "psst").await, 200);
    romeo.hears("psst").await;
    tybalt.leaves().await;
    here.shows(&["Juliet", "Romeo"]).await;
}

/// His second session is his own occupant in the MUC, by another node: what he says there he hears here, and where one leaves the
/// other stays.
#[on_both_servers]
async fn one_user_on_two_nodes_is_in_the_room_until_he_has_left_both() {
    let (world, other) = two_nodes().await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let here = world.chatter("capulet", "romeo").await;
    let there = member_on(&other, &world, "capulet", "romeo").await;
    assert_eq!(here.says("from the first").await.code(), Some(200));
    there.hears("from the first").await;
    assert_eq!(there.says("from the second").await.code(), Some(200));
    here.hears("from the second").await;
    juliet.hears(&world.muc("capulet"), "from the second").await;
    assert!(!there.msrp.texts().contains(&"from the second".to_owned()), "who spoke does not hear himself");
    there.leaves().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!here.call().has_ended(), "the first goes on");
    assert_eq!(here.says("still here").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "still here").await;
    here.leaves().await;
    juliet.sees_leave(&muc, "Romeo", SOON).await;
}

/// A node that is killed takes nobody along but its own, and says goodbye for them when it is back.
#[on_both_servers]
async fn a_killed_node_is_gone_from_the_others_roster() {
    let (world, mut other) = two_nodes().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.chatter("capulet", "romeo").await;
    let _tybalt = member_on(&other, &world, "capulet", "tybalt").await;
    let watch = romeo.watches().await;
    watch.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    other.kill();
    other.end(SOON).await;
    juliet.say(&world.muc("capulet"), "He does not answer");
    romeo.hears("He does not answer").await;
    // Until it is back the XMPP server keeps its people, whose streams might be resumed (XM-02).
    other.restart().await;
    watch.shows(&["Juliet", "Romeo"]).await;
    juliet.say(&world.muc("capulet"), "He is gone");
    romeo.hears("He is gone").await;
    assert_eq!(romeo.says("So he is").await.code(), Some(200));
}

/// Draining one node while the other takes over: nobody on the other notices but by the roster.
#[on_both_servers]
async fn a_node_that_goes_down_hands_its_people_to_the_other() {
    let (mut world, other) = two_nodes().await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.chatter("capulet", "romeo").await;
    let tybalt = member_on(&other, &world, "capulet", "tybalt").await;
    world.mucfocus.terminate();
    romeo.ended(SOON).await;
    // Before that the MUC takes him for somebody else of his nickname.
    juliet.sees_leave(&world.muc("capulet"), "Romeo", SOON).await;
    let again = member_on(&other, &world, "capulet", "romeo").await;
    assert_eq!(again.says("I am back").await.code(), Some(200));
    tybalt.hears("I am back").await;
    juliet.hears(&world.muc("capulet"), "I am back").await;
    let watch = tybalt.watches().await;
    watch.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    world.mucfocus.end(SOON).await;
}
