//! What is said by clients of different abilities, on calls that are held or move: SW-08, ISC-04, MS-SDP-04, FT-11.

use mucfocus_rig::member::{Joining, TOKENS};
use mucfocus_rig::msrp::{Cpim, Peer, Send, own_uri};
use mucfocus_rig::xml::Element;
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{Member, SOON, World, on_both_servers, until, wait_for};

use crate::{BINARY, Stage};

const COMPOSING: &str = "application/im-iscomposing+xml";
const STATES: &str = "http://jabber.org/protocol/chatstates";

/// A client that offers these lines more.
fn with(lines: &str) -> Joining {
    Joining { offers_instead: vec![("a=chatroom\r\n", format!("{TOKENS}{lines}"))], ..Joining::default() }
}

/// One that shows who is typing.
async fn typist(world: &World, user: &str) -> Member {
    let mut joining = Joining::able();
    joining.offers_instead.push(("types:text/plain", format!("types:text/plain {COMPOSING}")));
    world.member_with("capulet", user, joining).await
}

async fn types(member: &Member) -> u16 {
    types_to(member, &member.room).await
}

async fn types_to(member: &Member, to: &str) -> u16 {
    let document = "<?xml version='1.0'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>\
                    <state>active</state><refresh>60</refresh></isComposing>";
    member.sends(&Cpim::text(member.aor(), to, document).of_type(COMPOSING)).await
}

fn composing(member: &Member) -> Vec<String> {
    let all = member.msrp.messages().into_iter().filter_map(|m| m.cpim);
    all.filter(|c| c.content_type.starts_with(COMPOSING)).map(|c| c.text_content()).collect()
}

/// ISC-04.
#[on_both_servers]
async fn who_types_is_seen_typing_on_both_sides() {
    let stage = Stage::set().await;
    let tybalt = typist(&stage.world, "tybalt").await;
    assert_eq!(types(&tybalt).await, 200);
    let seen = stage.juliet.expect("Tybalt composing", |e| e.child("composing", STATES).is_some()).await;
    assert_eq!((seen.from(), seen.body()), (format!("{}/Tybalt", stage.muc).as_str(), None));
    stage.juliet.does(&stage.muc, "composing");
    until(|| !composing(&tybalt).is_empty(), SOON, "Juliet composing").await;
    assert!(composing(&tybalt)[0].contains("<state>active</state>"), "{:?}", composing(&tybalt));
    stage.juliet.say(&stage.muc, "that was all");
    stage.romeo.hears("that was all").await;
    assert_eq!(stage.romeo.msrp.messages().len(), 1, "his client did not say that it shows such things");
}

/// SW-40, XEP-0085 §5.1.
#[on_both_servers]
async fn who_types_to_one_alone_is_seen_typing_by_him_once_he_has_said_what_he_does() {
    let stage = Stage::set().await;
    let tybalt = typist(&stage.world, "tybalt").await;
    let (hers, his) = (format!("{};gr=Juliet", tybalt.room), format!("{}/Tybalt", stage.muc));
    assert_eq!(types_to(&tybalt, &hers).await, 200);
    assert_eq!(tybalt.whispers("Juliet", "psst").await, 200);
    let is_from_him = |e: &Element| e.from() == his && e.kind() == "chat";
    let asked = stage.juliet.expect("a private message", is_from_him).await;
    assert!(asked.body() == Some("psst") && asked.child("active", STATES).is_some(), "and nothing before: {asked}");
    let state = format!("<composing xmlns='{STATES}'/><x xmlns='{MUC_USER}'/>");
    stage.juliet.send(format!("<message type='chat' to='{his}'>{state}</message>"));
    until(|| !composing(&tybalt).is_empty(), SOON, "Juliet composing").await;
    assert!(composing(&tybalt)[0].contains("<state>active</state>"), "{:?}", composing(&tybalt));
    assert_eq!(types_to(&tybalt, &hers).await, 200);
    let seen = stage.juliet.expect("Tybalt composing", |e| is_from_him(e) && e.child("composing", STATES).is_some());
    assert_eq!(seen.await.body(), None);
}

/// ISC-04: every key of one would be a message to all.
#[on_both_servers]
async fn in_a_large_room_nobody_is_told_who_types() {
    let stage = Stage::set().await;
    let tybalt = typist(&stage.world, "tybalt").await;
    let mut crowd: Vec<Client> = Vec::new();
    for n in 0..20 {
        let client = stage.world.xmpp(&format!("u{}", n % 12)).await;
        client.join(&stage.muc, &format!("n{n}")).await;
        crowd.push(client);
    }
    tybalt.watches().await.until("all of them", |r| r.users.len() == 23).await;
    stage.juliet.forget();
    types(&tybalt).await;
    stage.juliet.does(&stage.muc, "composing");
    stage.juliet.say(&stage.muc, "that was all");
    tybalt.hears("that was all").await;
    assert_eq!(tybalt.says("and that").await.code(), Some(200));
    stage.juliet.hears(&stage.muc, "and that").await;
    assert_eq!(composing(&tybalt), Vec::<String>::new());
    let is_his =
        |e: &mucfocus_rig::xml::Element| e.from().ends_with("/Tybalt") && e.child("composing", STATES).is_some();
    assert!(!stage.juliet.received().iter().any(is_his));
}

/// GC-MSG-07: a page becomes what a person would read in it.
#[on_both_servers]
async fn html_is_said_as_text() {
    let stage = Stage::set().await;
    let page = "<html><body><p>Good <b>morrow</b>,</p><p>cousin &amp; friend</p></body></html>";
    assert_eq!(stage.romeo.sends(&stage.romeo.to_room(page).of_type("text/html;charset=utf-8")).await, 200);
    let is_it = |e: &mucfocus_rig::xml::Element| e.from().ends_with("/Romeo") && e.body().is_some();
    let heard = stage.juliet.expect("the text", is_it).await;
    let lines: Vec<&str> = heard.body().unwrap().lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, ["Good morrow,", "cousin & friend"]);
}

/// RFC 3264 §8.4: what is said during a hold comes afterwards.
#[on_both_servers]
async fn what_is_said_during_a_hold_comes_when_it_ends() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let held = tybalt.offer.replace("o=- 1 1 ", "o=- 1 2 ") + "a=inactive\r\n";
    let answer = tybalt.call().reinvite(&held).await;
    assert!(answer.code() == Some(200) && answer.text().contains("a=inactive"), "{answer}");
    stage.juliet.say(&stage.muc, "one");
    stage.juliet.say(&stage.muc, "two");
    stage.romeo.hears("two").await;
    assert!(tybalt.msrp.silent_for(std::time::Duration::from_millis(700)).await);
    let answer = tybalt.call().reinvite(&tybalt.offer.replace("o=- 1 1 ", "o=- 1 3 ")).await;
    assert_eq!(answer.code(), Some(200));
    tybalt.hears("two").await;
    assert_eq!(tybalt.msrp.texts(), ["one", "two"]);
    assert_eq!(tybalt.says("back").await.code(), Some(200));
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo", "Tybalt"]);
}

/// MS-SDP-04, GC-EXIT-04: a client that moves keeps its place, and hears what was said meanwhile.
#[on_both_servers]
async fn who_moves_to_another_path_keeps_his_place() {
    let stage = Stage::set().await;
    let list = stage.juliet.nicks(&stage.muc);
    stage.romeo.msrp.cut();
    let local = own_uri(9);
    let moved = stage.romeo.offer.replace("o=- 1 1 ", "o=- 1 2 ").replace(stage.romeo.msrp.local(), &local);
    let answer = stage.romeo.call().reinvite(&moved).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let remote = answer.sdp("path").unwrap();
    assert_ne!(remote, stage.romeo.msrp.remote());
    stage.juliet.say(&stage.muc, "where are you?");
    let peer = Peer::connect(&local, &remote).await;
    peer.bind().await;
    peer.hears("where are you?").await;
    let id = peer.send(Send::cpim(&stage.romeo.to_room("here")));
    assert_eq!(peer.response(&id).await.code(), Some(200));
    stage.juliet.hears(&stage.muc, "here").await;
    assert_eq!(stage.juliet.nicks(&stage.muc), list);
    let left = |e: &mucfocus_rig::xml::Element| e.name == "presence" && e.kind() == "unavailable";
    assert!(!stage.juliet.received().iter().any(left), "nobody saw him go");
}

/// RFC 4975 §8.6: a=max-size.
#[on_both_servers]
async fn a_long_message_comes_in_pieces_that_the_client_takes() {
    let stage = Stage::set().await;
    let small = stage.world.member_with("capulet", "tybalt", with("a=max-size:1000\r\n")).await;
    let long: String = "a word and \u{1f339} another ".repeat(150);
    let long = long.trim_end();
    stage.juliet.say(&stage.muc, long);
    stage.juliet.say(&stage.muc, "that was all");
    small.hears("that was all").await;
    stage.romeo.hears(long).await;
    let pieces = small.msrp.messages();
    assert!(pieces.len() > 4 && pieces.iter().all(|m| m.body.len() <= 1_000), "{:?}", pieces.len());
    let all = small.msrp.texts();
    assert_eq!(all[..all.len() - 1].concat(), long);
}

/// FT-11: 104, 172, 173.
#[on_both_servers]
async fn what_the_room_does_with_itself_is_told() {
    let stage = Stage::set().await;
    for (whois, told) in [("anyone", "From now on everybody"), ("moderators", "From now on only moderators")] {
        stage.juliet.configure(&stage.muc, &[("whois", whois)]).await;
        let look = || stage.romeo.msrp.messages().into_iter().find(|m| m.text().is_some_and(|t| t.starts_with(told)));
        let notice = wait_for(look, SOON, told).await;
        assert_eq!(notice.cpim.unwrap().sender().unwrap().1, "sip:capulet@rooms.test", "the room itself speaks");
    }
    stage.juliet.configure(&stage.muc, &[("roomdesc", "Verona")]).await;
    stage.romeo.hears("The configuration of the room has changed.").await;
}

/// FT-11, GC-PRES-08: 100.
#[on_both_servers]
async fn who_enters_a_room_that_shows_jids_is_told() {
    let world = World::start(BINARY).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&world.muc("capulet"), &[("whois", "anyone")]).await;
    let romeo = world.chatter("capulet", "romeo").await;
    romeo.hears("Everybody in this room can see your XMPP address.").await;
}

/// FT-11: 170, of which Prosody has nothing without a module of its own.
#[tokio::test]
async fn who_enters_a_room_that_is_logged_is_told() {
    let logged = |s: &mut mucfocus_rig::world::Settings| {
        s.server = mucfocus_rig::Kind::Ejabberd;
        s.ejabberd_rooms = "logging: true\n".into();
    };
    let stage = Stage::with(logged).await;
    stage.romeo.hears("What is said in this room is logged.").await;
}
