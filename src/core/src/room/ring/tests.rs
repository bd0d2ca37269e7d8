//! What is taken for the same message, and for how long.

use alloc::format;
use alloc::string::{String, ToString};

use bytes::Bytes;
use jid::Jid;

use super::*;
use crate::env::{Env, IdSource};
use crate::stanza::{Asks, MessageKind};
use crate::time::WallClock;
use crate::xmpp_stream::framing::{Event, Framer};

struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

fn framed(xml: &str) -> Framed {
    let Ok(Some(Event::Stanza(framed))) = Framer::new().push(&mut xml.as_bytes()) else { panic!("{xml}") };
    framed
}

/// The copy that is sent to `to`.
fn copy(to: &str, id: &str, body: &str) -> Framed {
    framed(&format!(
        "<message to='{to}' from='capulet@muc.test/JuliC' type='groupchat' id='{id}'><body>{body}</body></message>"
    ))
}

fn message(body: &str) -> Arc<Message> {
    Arc::new(Message {
        from: Jid::new("capulet@muc.test/JuliC").unwrap(),
        kind: MessageKind::Groupchat,
        id: None,
        origin_id: None,
        stanza_id: None,
        body: Some(body.to_string()),
        subject: None,
        delay: None,
        chat_state: None,
        asks: Asks::default(),
        receipts: Vec::new(),
        muc: None,
    })
}

const NOW: Instant = Instant::ZERO;

fn after(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// As a membership does it that is at `position`: whether the message was parsed.
fn hears(ring: &mut Ring, now: Instant, position: &mut Position, raw: Framed) -> bool {
    if let Some(known) = ring.recall(*position, &raw) {
        assert!(known.position > *position);
        *position = known.position;
        return false;
    }
    if let Some(new) = ring.remember(now, raw, &message("x")) {
        assert!(new > *position);
        *position = new;
    }
    true
}

#[test]
fn copies_differ_in_their_addressee_and_in_nothing_else() {
    let mut ring = Ring::default();
    let (mut romeo, mut tybalt, mut paris) = (Position::default(), Position::default(), Position::default());
    assert!(hears(&mut ring, NOW, &mut romeo, copy("romeo@xmpp.test/1", "a", "hello")));
    assert!(!hears(&mut ring, NOW, &mut tybalt, copy("t@xmpp.test/a-longer-resource", "a", "hello")));
    // Another body, another id, an element more: each is another message, and nothing is wrong with either.
    assert!(hears(&mut ring, NOW, &mut paris, copy("p@xmpp.test/1", "a", "hellO")));
    assert!(hears(&mut ring, NOW, &mut paris, copy("p@xmpp.test/1", "b", "hello")));
    assert!(hears(&mut ring, NOW, &mut paris, copy("p@xmpp.test/1", "a", "hello</body><x/><body>")));
    assert_eq!(ring.entries.len(), 4);
}

#[test]
fn what_is_written_around_the_addressee_counts_wherever_he_stands() {
    // The same octets in all, cut at another place.
    let mut ring = Ring::default();
    let mut position = Position::default();
    let first = "<message type='groupchat' from='r@m/n' id='a' to='x'/>";
    assert!(hears(&mut ring, NOW, &mut position, framed(first)));
    let known = |xml: &str| ring.recall(Position::default(), &framed(xml)).is_some();
    assert!(known("<message type='groupchat' from='r@m/n' id='a' to='somebody@else.test/1'/>"));
    assert!(!known("<message type='groupchat' from='r@m/n' to='x' id='a'/>"));
    assert!(!known("<message type='groupchat' from='r@m/n' id='a'/>"), "without an addressee it is parsed");
}

#[test]
fn two_messages_of_the_same_octets_are_two_to_everybody() {
    // SW-05; design: at most once, and each once.
    let mut ring = Ring::default();
    let (mut romeo, mut tybalt) = (Position::default(), Position::default());
    let to = |who: &str| copy(who, "a", "again");
    assert!(hears(&mut ring, NOW, &mut romeo, to("romeo")));
    assert!(hears(&mut ring, NOW, &mut romeo, to("romeo")));
    assert!(!hears(&mut ring, NOW, &mut tybalt, to("tybalt")));
    let first = tybalt;
    assert!(!hears(&mut ring, NOW, &mut tybalt, to("tybalt")));
    assert!(tybalt > first);
    assert!(hears(&mut ring, NOW, &mut tybalt, to("tybalt")), "the third has not been heard by anybody");
}

#[test]
fn only_what_everybody_is_sent_is_remembered() {
    let private = "<message to='x' from='capulet@muc.test/JuliC' type='chat' id='a'><body>psst</body></message>";
    let of_the_room = "<message to='x' from='capulet@muc.test' type='groupchat' id='a'><body>hello</body></message>";
    let presence = "<presence to='x' from='capulet@muc.test/JuliC' type='groupchat'/>";
    let mut ring = Ring::default();
    for xml in [private, of_the_room, presence] {
        for _ in 0..2 {
            assert!(hears(&mut ring, NOW, &mut Position::default(), framed(xml)), "{xml}");
        }
    }
    assert_eq!((ring.entries.len(), ring.next_timeout()), (0, None));
}

#[test]
fn what_is_old_is_forgotten_and_what_is_large_sooner() {
    let mut ring = Ring::default();
    let mut position = Position::default();
    hears(&mut ring, NOW, &mut position, copy("x", "a", "small"));
    hears(&mut ring, NOW, &mut position, copy("x", "b", &"large".repeat(LARGE)));
    assert_eq!(ring.next_timeout(), Some(after(2)));
    ring.forget_old(after(2));
    assert_eq!((ring.entries.len(), ring.next_timeout()), (1, Some(after(10))));
    assert!(ring.recall(Position::default(), &copy("y", "a", "small")).is_some());
    ring.forget_old(after(10));
    assert_eq!((ring.entries.capacity(), ring.octets, ring.next_timeout()), (0, 0, None));
    assert!(hears(&mut ring, after(10), &mut Position::default(), copy("y", "a", "small")));
}

#[test]
fn there_is_a_bound_to_what_is_remembered() {
    let mut ring = Ring::default();
    let mut position = Position::default();
    for n in 0..10 * MAX {
        hears(&mut ring, NOW, &mut position, copy("x", &n.to_string(), "small"));
    }
    assert_eq!(ring.entries.len(), MAX);
    for n in 0..MAX {
        let octets = MAX_OCTETS / 8;
        hears(&mut ring, NOW, &mut position, copy("x", &n.to_string(), &"l".repeat(octets)));
        let held: usize = ring.entries.iter().map(|entry| entry.raw.len()).sum();
        assert!(ring.octets == held && held <= MAX_OCTETS);
    }
    // One that is larger than all that may be held is still parsed once.
    let huge = "h".repeat(2 * MAX_OCTETS - 1024);
    assert!(hears(&mut ring, NOW, &mut position, copy("x", "huge", &huge)));
    assert!(!hears(&mut ring, NOW, &mut Position::default(), copy("y", "huge", &huge)));
    assert_eq!(ring.entries.len(), 1);
}

#[test]
fn a_message_is_rendered_once_for_each_name_of_the_room() {
    let mut ids = Counting(0);
    let mut env = Env { now: NOW, wall: WallClock::from_unix_millis(0), ids: &mut ids };
    let mut ring = Ring::default();
    let raw = copy("x", "a", "hello");
    let said = message("hello");
    let position = ring.remember(NOW, raw, &said).unwrap();
    let rooms = ["sip:capulet@rooms.test", "sip:capulet@rooms.example"].map(|uri| SipUri::parse(uri).unwrap());
    let mut contents = Vec::new();
    for _ in 0..10 {
        for room in &rooms {
            let style = Style { room, by_room_ids: false };
            let rendered = ring.rendered(position, &said, style, || {
                Content::cpim(&mut env, "text/plain", Bytes::from(String::from("rendered")))
            });
            contents.push(rendered.unwrap());
        }
    }
    assert!(contents.iter().step_by(2).all(|content| Arc::ptr_eq(content, &contents[0])));
    assert!(contents.iter().skip(1).step_by(2).all(|content| Arc::ptr_eq(content, &contents[1])));
    assert!(!Arc::ptr_eq(&contents[0], &contents[1]));
    assert_eq!(ring.take_renderings(), Renderings { made: 2, shared: 18 });
    assert_eq!(ring.take_renderings(), Renderings::default());
}

#[test]
fn a_large_rendering_is_held_by_those_who_have_it_to_send() {
    let mut ids = Counting(0);
    let mut env = Env { now: NOW, wall: WallClock::from_unix_millis(0), ids: &mut ids };
    let mut ring = Ring::default();
    let said = message("hello");
    let position = ring.remember(NOW, copy("x", "a", "hello"), &said).unwrap();
    let room = SipUri::parse("sip:capulet@rooms.test").unwrap();
    let mut render = || {
        let body = Bytes::from(alloc::vec![b'x'; 2 * LARGE]);
        let style = Style { room: &room, by_room_ids: false };
        ring.rendered(position, &said, style, || Content::cpim(&mut env, "text/plain", body)).unwrap()
    };
    let (one, other) = (render(), render());
    assert!(Arc::ptr_eq(&one, &other));
    drop((one, other));
    let _ = render();
    assert_eq!(ring.take_renderings(), Renderings { made: 2, shared: 1 });
}
