//! Rooms that are made for a call: CF-04, CF-05.

use mucfocus_rig::member::any_offer;
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{SOON, World, on_both_servers};

use crate::BINARY;

const FACTORY: &str = "[[rooms]]\nsip = \"sip:conference@rooms.test\"\nmuc = \"x{token}@muc.xmpp.test\"\n\
    factory = true\nallow = [\"sip:romeo@sip.test\", \"sip:tybalt@sip.test\"]\n";

/// The room that a Contact names.
fn room_of(contact: Option<&str>) -> String {
    let contact = contact.expect("a Contact");
    assert!(contact.contains(";isfocus"), "{contact}");
    contact.split(['@', ':']).nth(1).unwrap().to_owned()
}

/// CF-04, CF-05.
#[on_both_servers]
async fn a_factory_makes_a_room_that_ends_with_whom_it_was_made_for() {
    let world = World::with(BINARY, |s| s.rooms = FACTORY.into()).await;
    let romeo = world.chatter("conference", "romeo").await;
    let room = room_of(romeo.answer().header("Contact"));
    assert!(room.starts_with('x') && room.len() == 17, "{room}");
    let list = romeo.watches_inside().await;
    list.shows(&["Romeo"]).await;
    let tybalt = world.chatter(&room, "tybalt").await;
    let juliet = world.xmpp_in(&room, "juliet").await;
    list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
    assert_eq!(romeo.says("To the name that I dialled").await.code(), Some(200));
    tybalt.hears("To the name that I dialled").await;
    tybalt.says("Well met").await;
    romeo.hears("Well met").await;

    let another = world.chatter("conference", "tybalt").await;
    assert_ne!(room_of(another.answer().header("Contact")), room, "another call, another room");
    tybalt.leaves().await;
    juliet.sees_leave(&world.muc(&room), "Tybalt", SOON).await;
    assert_eq!(romeo.says("Who did not have it made may go").await.code(), Some(200));

    romeo.leaves().await;
    let is_destroyed = |e: &mucfocus_rig::xml::Element| e.name == "presence" && e.find("destroy").is_some();
    juliet.expect("the end of the room", is_destroyed).await;
}

/// CF-04: only for whom the rule allows, and nothing but a call makes a room.
#[on_both_servers]
async fn a_factory_makes_nothing_for_others_nor_of_anything_but_a_call() {
    let world = World::with(BINARY, |s| s.rooms = FACTORY.into()).await;
    let factory = world.sip("conference");
    let paris = world.ua("paris", Transport::Udp).await;
    let refused = paris.try_call(Request::invite(&factory, &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(403), "{refused}");
    let romeo = world.ua("romeo", Transport::Udp).await;
    let subscribe = Request::new("SUBSCRIBE", &factory).header("Event", "conference").header("Expires", "60");
    assert_eq!(romeo.request(subscribe).await.code(), Some(404));
    assert_eq!(romeo.request(Request::new("OPTIONS", &factory)).await.code(), Some(200));
}
