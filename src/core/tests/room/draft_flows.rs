//! The flows F35–F49 and F61–F64 of draft-ietf-stox-groupchat-08 §6, in their order. Conference subscriptions (F38, F39, F42,
//! F43) are not part of this version.

use mucfocus_core::stanza::OutStanza;

use crate::story::Story;

/// F35 INVITE … F40 presence, F41 presence … F36 200 OK, F37 ACK. The room is entered before the call is answered
/// (GC-JOIN-01, GC-JOIN-10, GC-JOIN-12).
#[test]
fn f35_to_f41_romeo_dials_and_is_in_the_room() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    story.muc().freezes();
    romeo.dials(); // F35
    romeo.is_still_waiting();
    story.muc_thaws(); // the question whether there is such a room, F40, F41
    romeo.is_answered(); // F36
    romeo.is_called("Romeo");
    let joins = story.muc().log.iter().filter(|(_, s)| matches!(s, OutStanza::Join { .. })).count();
    assert_eq!(joins, 1, "exactly one presence to room/nick");

    let answer = romeo.sees().answer.clone().unwrap();
    for line in [
        "m=message 2855 TCP/MSRP *\r\n",
        "a=accept-types:message/cpim\r\n",
        "a=accept-wrapped-types:text/plain\r\n",
        "a=chatroom\r\n",
        "a=setup:passive\r\n",
        "a=path:msrp://node1.example.com:2855/",
    ] {
        assert!(answer.contains(line), "{line:?} in {answer}"); // GC-JOIN-07, GC-JOIN-08
    }
    story.everybody_leaves();
}

/// F44 MSRP SEND, F46 groupchat message, F47 the copies of the room, F45 200 OK (in the order of RFC 7702), F48 MSRP SEND to the
/// others, F49 200 OK (GC-MSG-01, -03, -04, -10, -11).
#[test]
fn f44_to_f49_romeo_speaks_and_everybody_else_hears_it() {
    let (story, romeo) = Story::with_romeo();
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    mercutio.is_answered();

    story.muc().freezes();
    let send = romeo.says("Romeo is here!"); // F44
    romeo.gets_no_response(&send); // the 200 waits for the reflection
    let (account, last) = story.muc().log.last().cloned().unwrap(); // F46
    assert_eq!(account, romeo.account());
    assert!(matches!(last, OutStanza::Groupchat { body, .. } if body == "Romeo is here!"));
    story.muc_thaws(); // F47
    romeo.gets_response(&send, 200); // F45
    mercutio.has_heard(&[("Romeo", "Romeo is here!")]); // F48, F49
    romeo.has_heard(&[]);

    story.in_the_room("JuliC", "O Romeo, Romeo!");
    romeo.has_heard(&[("JuliC", "O Romeo, Romeo!")]);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// Example 33 of the draft, octet for octet but for the framing that RFC 4975 wants: To before From, a resource behind the `>` of
/// From, a time with an offset, and no blank line before Content-Type.
#[test]
fn example_33_is_understood_as_it_stands() {
    let (story, romeo) = Story::with_romeo();
    let cpim = "To: <sip:capulet@rooms.example.com>\r\nFrom: \"Romeo\" <sip:romeo@example.org>;gr=c4pul3ts0rch4rd\r\n\
                DateTime: 2008-10-15T15:02:31-03:00\r\nContent-Type: text/plain\r\n\r\nRomeo is here!";
    let headers = "Message-ID: 87652492\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n";
    let send = romeo.writes("SEND", headers, Some(cpim), '$');
    story.settles();
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said, [("Romeo".to_string(), "Romeo is here!".to_string())]);
    story.everybody_leaves();
}

/// F61 BYE, F62 and F63 presence unavailable; F64 is the driver's, which answers at once (GC-EXIT-01).
#[test]
fn f61_to_f64_romeo_hangs_up_and_is_out_of_the_room() {
    let (story, romeo) = Story::with_romeo();
    romeo.hangs_up(); // F61
    romeo.is_not_in_the_room(); // F62, F63
    let leaves = story.muc().log.last().cloned().unwrap().1;
    let occupant = story.muc().occupant("Romeo");
    assert_eq!(leaves, OutStanza::Leave { occupant, status: None });
    assert!(romeo.sees().is_gone && romeo.sees().session.is_none());
    assert_eq!(romeo.sees().bye, None, "who said BYE is not told BYE");
    story.everybody_leaves();
}
