//! What RFC 7701 §6 says of a switch and no other module tells.

use mucfocus_core::room::io::Trace;

use crate::story::{SipUser, Story};

fn with_tybalt() -> (Story, SipUser, SipUser) {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    (story, romeo, tybalt)
}

fn chunk(user: &SipUser, range: &str, body: &str, flag: char) -> String {
    let headers = format!("Message-ID: m\r\nByte-Range: {range}\r\nContent-Type: message/cpim\r\n");
    let transaction = user.writes("SEND", &headers, Some(body), flag);
    user.story.settles();
    transaction
}

/// SW-07, SW-11, SW-12: a message goes on when it is whole, to whoever is there by then, and never a part of it.
#[test]
fn a_message_that_is_cut_within_a_header_is_awaited_and_goes_on_whole() {
    for cut in [3, 9, 40, 75, 130] {
        let (story, romeo) = Story::with_romeo();
        let cpim = romeo.cpim("in pieces");
        let total = cpim.len();
        chunk(&romeo, &format!("1-{cut}/{total}"), &cpim[..cut], '+');
        let late = story.sip_user("Paris");
        late.dials();
        assert_eq!(story.muc().said, []);
        let send = chunk(&romeo, &format!("{}-{total}/{total}", cut + 1), &cpim[cut..], '$');
        romeo.gets_response(&send, 200);
        late.has_heard(&[("Romeo", "in pieces")]);
        story.everybody_leaves();
    }
}

/// SW-18, SW-39: a REPORT is the switch's, whatever it says and about whatever.
#[test]
fn what_a_recipient_reports_is_not_told_to_the_sender() {
    let (story, romeo, tybalt) = with_tybalt();
    let send = romeo.says_with("Success-Report: yes\r\n", "Hear all");
    romeo.gets_response(&send, 200);
    let reports = romeo.sees().reports.len();
    assert_eq!(reports, 1, "SW-19: of the switch, which has it");
    for status in ["000 200 OK", "000 413 No"] {
        for id in ["m1-1", "unknown"] {
            tybalt.writes(
                "REPORT",
                &format!("Message-ID: {id}\r\nByte-Range: 1-9/9\r\nStatus: {status}\r\n"),
                None,
                '$',
            );
        }
    }
    story.settles();
    assert_eq!((romeo.sees().reports.len(), tybalt.sees().responses.len()), (reports, 0));
    romeo.says("and still here");
    tybalt.has_heard(&[("Romeo", "Hear all"), ("Romeo", "and still here")]);
    story.everybody_leaves();
}

/// SW-01, MS-SEND-15: what nobody can carry never vanishes: who wants to hear of it reads what it was, and the operator always does.
#[test]
fn a_type_that_is_not_carried_is_named_to_the_sender_and_to_the_operator() {
    let (story, romeo) = Story::with_romeo();
    let image = romeo.cpim("PNG").replace("text/plain;charset=utf-8", "image/png");
    for (headers, response) in [("", Some(415)), ("Failure-Report: no\r\n", None)] {
        romeo.client().comments.clear();
        romeo.client().traces.clear();
        let send = romeo.sends(headers, &image);
        story.settles();
        let sees = romeo.sees();
        assert_eq!(sees.responses.get(&send).copied(), response);
        assert_eq!(sees.comments.iter().any(|comment| comment.contains("image/png")), response.is_some());
        let is_named =
            |trace: &Trace| matches!(trace, Trace::MessageRefused { code: 415, why } if why.contains("image/png"));
        assert!(sees.traces.iter().any(is_named), "{:?}", sees.traces);
    }
    assert_eq!(story.muc().said, []);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// SW-16, SW-13: the room says so when it answers, and again when it is tried.
#[test]
fn a_room_without_private_messages_carries_none() {
    let story = Story::begins();
    story.world().carries_no_private_messages();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let answer = romeo.sees().answer.clone().unwrap();
    assert!(answer.contains("a=chatroom:nickname\r\n"), "{answer}");
    let send = romeo.whispers_to("JuliC", "psst");
    romeo.gets_response(&send, 403);
    assert!(story.muc().whispered.is_empty() && story.muc().said.is_empty());
    story.everybody_leaves();
}

/// SW-17, SW-31, SW-36: what counts is what the last offer said.
#[test]
fn who_takes_his_tokens_back_gets_no_private_messages_any_more() {
    let (story, romeo, tybalt) = with_tybalt();
    let send = romeo.whispers_to("Tybalt", "one");
    romeo.gets_response(&send, 200);
    tybalt.client().offers_instead.push((" private-messages", String::new()));
    tybalt.reoffers();
    let send = romeo.whispers_to("Tybalt", "two");
    romeo.gets_response(&send, 428);
    tybalt.client().offers_instead.clear();
    tybalt.reoffers();
    let send = romeo.whispers_to("Tybalt", "three");
    romeo.gets_response(&send, 200);
    let whispered: Vec<String> = tybalt.sees().whispered.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(whispered, ["one", "three"]);
    story.everybody_leaves();
}

/// MS-SEND-14, MS-SEND-17, CPIM-13: as a client sends it, through the whole switch.
#[test]
fn what_is_wrapped_or_encoded_is_said_as_text() {
    let (story, romeo) = Story::with_romeo();
    let message = romeo.cpim("x");
    let head = message.split("Content-Type").next().unwrap();
    for (content, said) in [
        ("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nTyBSb21lbw==", "O Romeo"),
        (
            "Content-Type: multipart/alternative;boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n\
             <b>bold</b>\r\n--b--",
            "plain",
        ),
        (
            "Content-Type: message/cpim\r\n\r\nFrom: Ben <sip:ben@example.com>\r\nTo: <sip:romeo@example.org>\r\n\r\n\
             Content-Type: text/plain\r\n\r\nSupper is done",
            "Ben <sip:ben@example.com>:\n> Supper is done",
        ),
    ] {
        let send = romeo.sends("", &format!("{head}{content}"));
        story.settles();
        romeo.gets_response(&send, 200);
        assert_eq!(story.muc().said.last().unwrap().1, said);
    }
    let sealed = format!("{head}Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nMIIB");
    let send = romeo.sends("", &sealed);
    story.settles();
    romeo.gets_response(&send, 415); // SEC-08
    assert!(romeo.sees().comments.iter().any(|comment| comment.contains("send the text as it is")));
    let top = romeo.writes(
        "SEND",
        "Message-ID: p\r\nContent-Type: multipart/mixed;boundary=b\r\n",
        Some("--b\r\n\r\nx\r\n--b--"),
        '$',
    );
    story.settles();
    romeo.gets_response(&top, 415); // SW-01
    assert_eq!(story.muc().said.len(), 3);
    story.everybody_leaves();
}

/// XM-15, ADDR-13: what the room said, and a client sends back as it came, is in somebody else's name and goes nowhere.
#[test]
fn a_client_that_sends_back_what_it_hears_makes_no_loop() {
    let (story, romeo, tybalt) = with_tybalt();
    let account = tybalt.account();
    story.in_the_room("JuliC", "from XMPP");
    let mut wrappings = vec![tybalt.sees().last_wrapping.clone()];
    romeo.says("from SIP");
    wrappings.push(tybalt.sees().last_wrapping.clone());
    story.muc().whispers(&account, "JuliC", None, "between us");
    story.settles();
    wrappings.push(tybalt.sees().last_wrapping.clone());
    assert_eq!((story.muc().said.len(), wrappings.len()), (2, 3));
    for wrapping in wrappings {
        let send = tybalt.sends("", &wrapping);
        story.settles();
        tybalt.gets_response(&send, 403);
    }
    let muc = story.muc();
    assert_eq!((muc.said.len(), muc.whispered.len()), (2, 0));
    drop(muc);
    romeo.has_heard(&[("JuliC", "from XMPP")]);
    tybalt.has_heard(&[("JuliC", "from XMPP"), ("Romeo", "from SIP")]);
}
