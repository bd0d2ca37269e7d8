//! What becomes of a stream whose connection breaks, on a server of the pages of XEP-0198: XM-02.

mod pair;
mod random;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use jid::FullJid;

use self::pair::{Pair, REFLECTION, ROOM};
use super::super::machine::{CLOSE, Ignored, Input, Output, PATIENCE, SILENCE, StreamFault};

const PING: &str = "<iq type='get' id='1' from='x@y/z'><ping xmlns='urn:xmpp:ping'/></iq>";

#[test]
fn nobody_waits_for_the_answer_to_enable() {
    let mut pair = Pair::new();
    pair.say("at once");
    pair.settles();
    assert_eq!(pair.said, ["at once"]);
    assert_eq!(pair.held, 1, "until the server says that it has it");
    pair.passes(Duration::from_secs(1));
    pair.settles();
    assert_eq!(pair.held, 0);
}

#[test]
fn a_server_that_does_not_manage_streams_after_all_holds_nothing_up() {
    let mut pair = Pair::refusing();
    pair.say("one");
    assert_eq!(pair.held, 1, "it may be managed yet");
    pair.settles();
    assert_eq!(pair.held, 0);
    pair.say("two");
    assert_eq!(pair.held, 0, "off our hands when it is written");
    pair.input(Input::Disconnected("cut".into()));
    assert_eq!(pair.ended(), Some(&StreamFault::Disconnected("cut".into())));
}

#[test]
fn a_server_that_has_forgotten_the_stream_is_given_another() {
    let mut pair = Pair::new();
    pair.say("last words");
    pair.cut(0, 0);
    pair.say("said meanwhile");
    pair.forgets = true;
    pair.log.clear();
    pair.reconnects();
    pair.settles();
    assert!(matches!(pair.log.as_slice(), [Output::Reset { .. }, Output::Bound(_)]), "{:?}", pair.log);
    assert_eq!((pair.held, pair.said.len()), (0, 0), "nothing is posted on a guess");
    pair.say("anew");
    pair.cut(10_000, 0);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["anew"], "the new one is resumed in its turn");
}

/// XEP-0198 §5: a server that has forgotten the stream may know how far it had got.
#[test]
fn what_the_server_says_that_it_has_not_handled_is_named() {
    for (handled, unhandled) in
        [("h='1'", vec!["b", "c"]), ("h='3'", vec![]), ("", vec![]), ("h='4'", vec![]), ("h='x'", vec![])]
    {
        let mut pair = Pair::new();
        for id in ["a", "b", "c"] {
            pair.held += 1;
            pair.input(Input::Send(format!("<message to='{ROOM}' type='groupchat' id='{id}'/>").into()));
        }
        pair.cut(0, 0);
        pair.input(Input::Reconnected { resumable: true });
        pair.log.clear();
        let failed = format!("<failed xmlns='urn:xmpp:sm:3' {handled}><item-not-found/></failed>");
        pair.input(Input::Received(failed.as_bytes()));
        let Some(Output::Reset { unhandled: named, .. }) = pair.log.first() else { panic!("{:?}", pair.log) };
        assert_eq!(*named, unhandled, "{handled}");
        assert_eq!(pair.held, 0);
    }
}

/// XM-19: no round trip more than logging in.
#[test]
fn a_stream_goes_on_as_soon_as_we_are_logged_in() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.cut(0, 0);
    pair.say("two");
    pair.room_says("three");
    pair.log.clear();
    pair.reconnects_in_one();
    assert_eq!(pair.log, []);
    pair.settles();
    assert!(pair.machine.is_up());
    assert_eq!(pair.log, [Output::Resumed { unhandled: vec![] }]);
    assert_eq!(
        (pair.said.as_slice(), pair.heard.as_slice()),
        (names_of("one two").as_slice(), names_of("three").as_slice())
    );
}

/// XM-19
#[test]
fn a_stream_that_is_forgotten_is_replaced_as_soon_as_we_are_logged_in() {
    let mut pair = Pair::new();
    pair.say("last words");
    pair.cut(0, 0);
    pair.forgets = true;
    pair.log.clear();
    pair.reconnects_in_one();
    assert!(pair.machine.is_up());
    pair.settles();
    let [Output::Reset { .. }, Output::Bound(jid)] = pair.log.as_slice() else { panic!("{:?}", pair.log) };
    assert_eq!(jid.resource().as_str(), "focus1~new");
    assert_eq!((pair.held, pair.said.len()), (0, 0), "nothing is posted on a guess");
    pair.say("anew");
    pair.cut(10_000, 0);
    pair.reconnects_in_one();
    pair.settles();
    assert_eq!(pair.said, ["anew"], "the new one is resumed in its turn");
}

/// XM-02: Prosody 0.12 goes on in the midst of the stanza that was cut off. Inside of a tag that is an error at once, inside of text
/// it is never one, until the stream is closed.
#[test]
fn a_server_that_goes_on_in_the_midst_of_a_stanza_is_given_a_stream_that_it_reads() {
    for (octets, waits) in [(4, Duration::ZERO), (70, PATIENCE)] {
        for is_one_trip in [false, true] {
            let mut pair = Pair::new();
            pair.keeps_half = true;
            pair.say("half a league onward");
            pair.cut(octets, 0);
            pair.say("rode the six hundred");
            pair.log.clear();
            pair.reconnects();
            pair.settles();
            pair.passes(waits);
            pair.settles();
            assert_eq!(pair.said, [""; 0], "nothing is said to who does not read on");
            assert!(!pair.connected);
            if is_one_trip {
                pair.reconnects_in_one()
            } else {
                pair.reconnects()
            }
            pair.settles();
            let [Output::Suspended(_), Output::Reset { .. }, Output::Bound(_)] = pair.log.as_slice() else {
                panic!("{:?}", pair.log)
            };
            assert_eq!(pair.said, ["half a league onward", "rode the six hundred"], "{octets} octets had come");
            pair.passes(Duration::from_secs(1));
            pair.settles();
            assert_eq!(pair.held, 0);
        }
    }
}

/// XM-02: it hears us no more, and says nothing.
#[test]
fn a_server_that_does_not_answer_on_a_resumed_stream_is_given_another() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.cut(0, 0);
    pair.reconnects();
    pair.server_reads(usize::MAX);
    pair.we_read(usize::MAX);
    pair.log.clear();
    pair.passes(PATIENCE + CLOSE);
    assert_eq!(pair.log, [Output::Suspended(StreamFault::Deaf)]);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["one"]);
}

/// NICK-11: what was said to one occupant is not sent to whoever has his nickname by then, and what came meanwhile is heard first.
#[test]
fn private_messages_are_handed_back_and_not_sent_once_more() {
    let mut pair = Pair::new();
    let to_juliet = format!("<message type='chat' to='{ROOM}/Juliet' id='p1'><body>come</body></message>");
    let receipt =
        format!("<message type='chat' to='{ROOM}/Juliet' id='d1'><received xmlns='urn:xmpp:receipts'/></message>");
    pair.say("one");
    pair.held += 2;
    pair.input(Input::Send(to_juliet.into()));
    pair.input(Input::Send(receipt.into()));
    pair.cut(0, 0);
    pair.say("two");
    pair.room_says("I am another Juliet");
    pair.log.clear();
    pair.reconnects();
    while pair.log.is_empty() {
        pair.server_reads(usize::MAX);
        pair.we_read(usize::MAX);
    }
    assert_eq!(pair.log, [Output::Resumed { unhandled: vec!["p1".into()] }]);
    assert_eq!(pair.heard, ["I am another Juliet"]);
    pair.settles();
    assert_eq!(pair.said, ["one", "", "two"]);
    pair.passes(Duration::from_secs(1));
    pair.settles();
    assert_eq!(pair.held, 0);
}

/// A connection that nobody asked for changes nothing.
#[test]
fn what_was_not_asked_for_is_not_resumed() {
    let mut pair = Pair::new();
    assert_eq!(pair.machine.resume(), None);
    pair.log.clear();
    pair.input(Input::ReconnectedAndResumed { handled: 7 });
    let jid = FullJid::new("romeo@xmpp.test/other").expect("a JID");
    pair.input(Input::ReconnectedAnew { jid, resumable: true });
    assert_eq!(pair.log, []);
}

fn names_of(lines: &str) -> Vec<String> {
    lines.split(' ').map(ToOwned::to_owned).collect()
}

/// Its author has been told that nobody knows what became of it.
#[test]
fn what_is_too_late_is_not_said_once_more() {
    let mut pair = Pair::new();
    pair.say("too late");
    pair.held += 1;
    pair.input(Input::Send(format!("<presence to='{ROOM}/Romeo' type='unavailable'/>").into()));
    pair.cut(0, 0);
    pair.passes(REFLECTION);
    pair.say("in time");
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["in time"]);
    assert_eq!(pair.session.as_ref().map(|s| s.handled), Some(2), "the presence is never too late");
    pair.passes(Duration::from_secs(2));
    pair.settles();
    assert_eq!(pair.held, 0);
}

#[test]
fn a_server_that_is_silent_loses_its_connection_without_a_word() {
    let mut pair = Pair::new();
    pair.passes(SILENCE);
    assert_eq!(String::from_utf8_lossy(&pair.to_server), "<r xmlns='urn:xmpp:sm:3'/>");
    pair.passes(PATIENCE - Duration::from_millis(1));
    assert!(pair.connected);
    pair.passes(Duration::from_millis(1));
    assert!(matches!(pair.log.last(), Some(Output::Suspended(StreamFault::Silent))), "{:?}", pair.log);
    assert!(pair.to_server.is_empty(), "a word would end the stream for good");
}

#[test]
fn a_stream_that_is_not_resumed_in_time_is_over() {
    let mut pair = Pair::new();
    pair.say("unheard");
    pair.cut(0, 0);
    pair.passes(Duration::from_secs(299));
    assert_eq!(pair.ended(), None);
    pair.passes(Duration::from_secs(1));
    assert_eq!(pair.ended(), Some(&StreamFault::Disconnected("cut".into())));
    assert_eq!(pair.held, 0);
}

/// The server would send the same stanza again after each resumption.
#[test]
fn a_stream_that_broke_the_rules_is_not_resumed() {
    let mut pair = Pair::new();
    pair.input(Input::Received(b"<message></presence>"));
    assert!(matches!(pair.ended(), Some(StreamFault::Violation(_))), "{:?}", pair.log);
}

#[test]
fn a_server_that_acknowledges_too_much_is_not_believed_any_more() {
    for lie in ["<a xmlns='urn:xmpp:sm:3' h='2'/>", "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"] {
        let mut pair = Pair::new();
        pair.say("one");
        pair.input(Input::Received(lie.as_bytes()));
        assert_eq!(pair.ended(), Some(&StreamFault::AcknowledgedTooMuch));
        assert_eq!(pair.held, 0);
    }
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let mut pair = Pair::new();
    pair.log.clear();
    for nonsense in [
        "<a xmlns='urn:xmpp:sm:3'/>",
        "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
        "<a xmlns='urn:xmpp:sm:3' h='99999999999'/>",
        "<enabled xmlns='urn:xmpp:sm:3' id='other' resume='true'/>",
        "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='x'/>",
        "<failed xmlns='urn:xmpp:sm:3'/>",
        "<nonsense xmlns='urn:xmpp:sm:3'/>",
    ] {
        pair.input(Input::Received(nonsense.as_bytes()));
    }
    assert_eq!(pair.log, []);
    pair.input(Input::Received(b"<r xmlns='urn:example'/>"));
    assert_eq!(pair.log, [Output::Ignored(Ignored::NotAStanza { name: "r".into() })]);
    pair.passes(Duration::from_secs(1));
    assert!(pair.to_server.is_empty(), "{:?}", String::from_utf8_lossy(&pair.to_server));
    pair.say("all is well");
    pair.cut(10_000, 10_000);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["all is well"]);
}

/// ejabberd asks after each stanza.
#[test]
fn many_questions_of_the_server_get_one_answer() {
    let mut pair = Pair::new();
    for n in 0..50 {
        pair.room_says(&format!("j{n}"));
        pair.server_asks();
        pair.we_read(usize::MAX);
    }
    assert!(pair.to_server.is_empty());
    pair.passes(Duration::from_millis(200));
    assert_eq!(String::from_utf8_lossy(&pair.to_server), "<a xmlns='urn:xmpp:sm:3' h='50'/>");
}

/// What we keep for others is bounded: who pings without end goes without answers, and costs nobody anything.
#[test]
fn answers_that_the_server_does_not_acknowledge_come_to_an_end() {
    let mut pair = Pair::new();
    for _ in 0..1000 {
        pair.input(Input::Received(PING.as_bytes()));
    }
    let written = String::from_utf8_lossy(&pair.to_server).matches("type='result'").count();
    assert_eq!(written, 128);
    pair.say("still talking");
    pair.passes(Duration::from_secs(1));
    pair.settles();
    assert_eq!((pair.said.as_slice(), pair.held), (["still talking".to_string()].as_slice(), 0));
}

/// Skipped or not, the server has counted it.
#[test]
fn a_stanza_that_is_left_out_counts() {
    let mut pair = Pair::new();
    let unfit = format!("<message from='{ROOM}/M'><!-- no --></message>");
    pair.comes(&unfit);
    pair.settles();
    pair.cut(0, 0);
    pair.log.clear();
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.log, [Output::Resumed { unhandled: vec![] }], "it is not sent again");
}

/// What was said before the stream is closed is heard before it, also where the connection breaks just then.
#[test]
fn a_close_that_was_not_heard_is_not_the_end_of_what_was_said() {
    let mut pair = Pair::new();
    pair.held += 1;
    pair.input(Input::Send(format!("<presence to='{ROOM}/Romeo' type='unavailable'/>").into()));
    pair.input(Input::Close);
    pair.to_server.clear();
    pair.input(Input::Disconnected("cut".into()));
    assert_eq!(pair.ended(), None);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.session.as_ref().map(|s| s.handled), Some(1));
}
