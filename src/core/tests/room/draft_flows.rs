//! The flows F35–F64 of draft-ietf-stox-groupchat-08 §6, in their order. What only the SIP driver sees of them, 200 and ACK, is
//! left to its own tests.

use mucfocus_core::conference::Reason;
use mucfocus_core::room::referral::ReferAnswer;
use mucfocus_core::stanza::OutStanza;

use crate::alone::Alone;
use crate::story::Story;

const EXAMPLE_27: &str = include_str!("../fixtures/rfc7702/example-27-invite-with-offer.sip");
const EXAMPLE_28: &str = include_str!("../fixtures/rfc7702/example-28-ok-with-answer.sip");
const EXAMPLE_36: &str = include_str!("../fixtures/rfc7702/example-36-private-message.msrp");
const EXAMPLE_43: &str = include_str!("../fixtures/rfc7702/example-43-progress.sip");

/// What follows the first blank line, with the line ends of the wire.
fn body(message: &str) -> String {
    message.split_once("\n\n").unwrap().1.replace('\n', "\r\n")
}

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
        "a=accept-wrapped-types:text/plain text/html application/im-iscomposing+xml message/imdn+xml\r\n",
        "a=chatroom:nickname private-messages\r\n",
        "a=setup:passive\r\n",
        "a=path:msrp://node1.example.com:2855/",
    ] {
        assert!(answer.contains(line), "{line:?} in {answer}"); // GC-JOIN-07, GC-JOIN-08
    }
    story.everybody_leaves();
}

/// F36 to the offer of example 27: what example 28 answers, but that CPIM is all that we take (E-06), isComposing may be inside,
/// and that the SDP is complete (E-04).
#[test]
fn the_offer_of_example_27_gets_the_answer_of_example_28() {
    let mut leg = Alone::rings(&body(EXAMPLE_27), "chat.example.org", true);
    let answer = leg.is_answered();
    let line = |sdp: &str, start: &str| sdp.lines().find(|line| line.starts_with(start)).map(String::from);
    let printed = body(EXAMPLE_28);
    assert_eq!(line(&answer, "a=chatroom:"), line(&printed, "a=chatroom:"));
    assert_eq!(line(&answer, "m=").unwrap().replace("2855", "8763"), line(&printed, "m=").unwrap());
    let wrapped = line(&printed, "a=accept-wrapped-types:").unwrap();
    assert!(line(&answer, "a=accept-wrapped-types:").unwrap().starts_with(&wrapped));
    assert_eq!(line(&answer, "a=accept-types:").unwrap(), "a=accept-types:message/cpim");
    assert!(line(&answer, "a=path:msrp://chat.example.org:2855/").unwrap().ends_with(";tcp"));
}

/// F38 SUBSCRIBE, F42 NOTIFY; F41, the presence of everybody, comes before or after it. F39 and F43 are the driver's (GC-PRES-01,
/// -02, -04, -11).
#[test]
fn f38_to_f43_romeo_sees_who_is_in_the_room() {
    for subscribes_first in [true, false] {
        let story = Story::begins();
        let romeo = story.sip_user("Romeo");
        story.muc().freezes();
        romeo.dials(); // F35
        let early = subscribes_first.then(|| romeo.watches_within_the_call()); // F38
        story.muc_thaws(); // F40, F41
        romeo.is_answered();
        let list = early.unwrap_or_else(|| romeo.watches_within_the_call());
        list.shows(&["JuliC", "Romeo"]); // F42
        let whole = list.sees().documents[usize::from(subscribes_first)].clone();
        assert!(whole.contains("JuliC") && whole.contains("Romeo"), "everybody at once: {whole}");
        let first = list.sees().documents[0].clone();
        assert_eq!(first.contains("JuliC"), !subscribes_first, "while the room is silent, only where it is: {first}");
        romeo.hangs_up();
        assert_eq!(list.sees().ended(), Some(Reason::Noresource));
        story.everybody_leaves();
    }
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

/// F50 MSRP SEND, F52 chat message, F51 200 OK, as example 36 prints the SEND: the occupant stands behind the brackets (E-03).
/// Only JuliC hears it (GC-PM-01, -02, -03, -07).
#[test]
fn f50_to_f52_romeo_whispers_to_julic() {
    let (story, romeo) = Story::with_romeo();
    let printed = body(EXAMPLE_36);
    let cpim = printed.split_once("\r\n-------").unwrap().0;
    story.muc().freezes();
    let headers = "Message-ID: 87652492\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n";
    let send = romeo.writes("SEND", headers, Some(cpim), '$'); // F50
    story.settles();
    romeo.gets_no_response(&send); // it waits for what the room says to the ping behind it
    let sent: Vec<OutStanza> = story.muc().log.iter().rev().take(2).map(|(_, stanza)| stanza.clone()).collect();
    let julic = story.muc().occupant("JuliC");
    assert!(matches!(&sent[1], OutStanza::Private { to, body, .. } if *to == julic && body == "I am here!!!")); // F52
    assert!(matches!(&sent[0], OutStanza::Ping { .. }));
    story.muc_thaws();
    romeo.gets_response(&send, 200); // F51
    assert!(story.muc().said.is_empty(), "what was private is public");
    story.everybody_leaves();
}

/// F53 MSRP NICKNAME, F54 presence, F55 presence error, F56 425; then the same with a nickname that is free (GC-NICK-01 … 03, 05).
#[test]
fn f53_to_f56_romeo_wants_another_name() {
    let (story, romeo) = Story::with_romeo();
    story.muc().occupants.insert("montecchi".into(), None);
    let nickname = romeo.wants_to_be("montecchi"); // F53
    let occupant = story.muc().occupant("montecchi");
    let last = story.muc().log.last().cloned().unwrap().1;
    assert!(matches!(last, OutStanza::Rename { occupant: wanted, .. } if wanted == occupant)); // F54
    romeo.gets_response(&nickname, 425); // F55, F56
    romeo.is_called("Romeo");

    story.muc().occupants.remove("montecchi");
    let nickname = romeo.wants_to_be("montecchi");
    romeo.gets_response(&nickname, 200);
    romeo.is_called("montecchi");
    story.everybody_leaves();
}

/// F57 REFER, F58 200 OK, F59 NOTIFY with 100, F60 the invitation (GC-INV-01, -03, -04).
#[test]
fn f57_to_f60_romeo_invites_benvolio() {
    let (story, romeo) = Story::with_romeo();
    let referral = romeo.refers("benvolio@example.com"); // F57
    let answers = story.world().referrals[&referral].clone();
    let [ReferAnswer::Accepted, ReferAnswer::Last { code, phrase }] = &answers[..] else { panic!("{answers:?}") }; // F58
    assert_eq!(format!("SIP/2.0 {code} {phrase}"), body(EXAMPLE_43).trim_end()); // F59
    assert_eq!(story.muc().invited, ["benvolio@example.com".parse::<jid::BareJid>().unwrap()]); // F60
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
