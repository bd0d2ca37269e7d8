//! The XMPP stream breaks, in every phase.

use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{EndCause, Trace};

use crate::story::Story;

fn lost() -> StreamEnd {
    StreamEnd::Lost("reset by peer".into())
}

#[test]
fn a_stream_that_breaks_while_the_room_is_entered_refuses_the_call() {
    for create in [false, true] {
        let story = Story::begins();
        story.muc().freezes();
        let romeo = story.sip_user("Romeo");
        romeo.client().create = create;
        romeo.dials();
        romeo.loses_stream(lost());
        romeo.is_refused_with(480);
        story.everybody_leaves();
    }
}

#[test]
fn a_stream_that_stays_broken_ends_the_call_and_what_was_said_is_unknown() {
    let (story, romeo) = Story::with_romeo();
    story.world().connects_streams = false;
    story.muc().freezes();
    let send = romeo.says("Can you hear me?");
    romeo.loses_stream(lost());
    story.seconds_pass(26);
    romeo.gets_response(&send, 408);
    story.seconds_pass(100);
    romeo.gets_bye(503, "connection to the XMPP server was lost");
    let why = romeo.sees().bye.clone().unwrap().1;
    assert!(romeo.sees().traces.contains(&Trace::Ended { cause: EndCause::XmppLost, why }));
    story.everybody_leaves();
}

#[test]
fn a_stream_that_breaks_on_the_way_back_in_is_waited_for_too() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", mucfocus_core::stanza::MucUser { codes: vec![333], ..Default::default() });
    story.muc().freezes();
    story.settles();
    story.world().connects_streams = false;
    romeo.loses_stream(lost());
    story.seconds_pass(60);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(61);
    romeo.gets_bye(503, "connection to the XMPP server was lost");
    story.everybody_leaves();
}

/// One user's stream is nothing to the others.
#[test]
fn the_others_talk_on() {
    let (story, romeo) = Story::with_romeo();
    let juliet = story.sip_user("Juliet");
    juliet.dials();
    romeo.loses_stream(lost());
    let send = juliet.says("Romeo?");
    juliet.gets_response(&send, 200);
    story.everybody_leaves();
}
