//! What became of a message: RFC 5438 on one side, XEP-0184 and XEP-0333 on the other (IMDN).

use mucfocus_core::stanza::{
    Asks, Condition, Delay, ErrorKind, Message, MessageKind, OutStanza, Receipt, ReceiptKind, Stanza,
};
use mucfocus_core::wire::imdn::{self, Disposition};

use crate::muc::error;
use crate::story::{SipUser, Story};
use crate::world::{Mail, Source};

const ALL: Asks = Asks { received: true, displayed: true };

/// A client that can tell what became of a message.
fn telling(story: &Story, name: &str) -> SipUser {
    let user = story.sip_user(name);
    user.client().offers_instead.push(("types:text/plain", "types:text/plain message/imdn+xml".into()));
    user.dials();
    user.is_answered();
    user
}

fn with_romeo() -> (Story, SipUser) {
    let story = Story::begins();
    let romeo = telling(&story, "Romeo");
    (story, romeo)
}

/// His message `text` for `to`, called `m-<text>`, about which he wants to hear `asks`.
fn asks(user: &SipUser, to: &str, asks: &str, text: &str) -> String {
    let cpim = user.cpim(text).replace("<sip:capulet@rooms.example.com>", to).replace(
        "DateTime",
        &format!(
            "NS: i <urn:ietf:params:imdn>\r\ni.Message-ID: m-{text}\r\ni.Disposition-Notification: {asks}\r\nDateTime"
        ),
    );
    let transaction = user.sends("", &cpim);
    user.client().spoke.insert(text.into());
    user.story.settles();
    transaction
}

const ROOM: &str = "<sip:capulet@rooms.example.com>";
const JULIC: &str = "<sip:capulet@rooms.example.com;gr=JuliC>";
const EVERYTHING: &str = "positive-delivery, negative-delivery, display";

/// What he tells `to` about the message `id`.
fn tells(user: &SipUser, to: &str, id: &str, what: &str) -> String {
    tells_with(user, to, "", id, what)
}

fn tells_with(user: &SipUser, to: &str, headers: &str, id: &str, what: &str) -> String {
    let kind = if what == "displayed" { "display" } else { "delivery" };
    let cpim = format!(
        "From: <{}>\r\nTo: {to}\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: of-{id}\r\n{headers}\r\n\
         Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n\
         <imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>{id}</message-id><datetime>2026-11-21T09:30:00Z</datetime>\
         <{kind}-notification><status><{what}/></status></{kind}-notification></imdn>",
        user.sees().uri()
    );
    let transaction = user.sends("", &cpim);
    user.story.settles();
    transaction
}

/// Who told him what about which message.
fn told(user: &SipUser) -> Vec<(String, String, Disposition)> {
    let told = |(who, imdn): &(String, imdn::Imdn)| {
        (who.clone(), imdn.message_id.as_str().to_string(), imdn.disposition.unwrap())
    };
    user.sees().told.iter().map(told).collect()
}

/// Stanza ids of private messages and what they ask for.
fn private_stanzas(story: &Story) -> Vec<(String, Asks)> {
    let private = |stanza: &OutStanza| match stanza {
        OutStanza::Private { id, asks, .. } => Some((id.clone(), *asks)),
        _ => None,
    };
    story.muc().log.iter().filter_map(|(_, stanza)| private(stanza)).collect()
}

/// What the room was told of the messages of its occupants.
fn receipts(story: &Story) -> Vec<(String, String, Receipt)> {
    story.muc().receipts.clone()
}

fn tracking(user: &SipUser, text: &str) -> imdn::Tracking {
    user.sees().tracked.iter().find(|(shown, _)| shown == text).map(|(_, tracking)| tracking.clone()).unwrap()
}

fn name(user: &SipUser, text: &str) -> Option<String> {
    tracking(user, text).message_id.map(|id| id.as_str().to_string())
}

/// IMDN-02: one answer by the room, however many hear it.
#[test]
fn who_asks_whether_the_room_has_his_message_is_told_once_and_by_the_room() {
    let (story, romeo) = with_romeo();
    let _others = (telling(&story, "Tybalt"), telling(&story, "Paris"));
    story.muc().freezes();
    let send = asks(&romeo, ROOM, EVERYTHING, "hear");
    assert_eq!(told(&romeo), [], "the room has it not yet");
    story.muc_thaws();
    romeo.gets_response(&send, 200);
    assert_eq!(told(&romeo), [(String::new(), "m-hear".into(), Disposition::Delivered)]);
    let about = romeo.sees().told[0].1.clone();
    assert_eq!(about.recipient.as_deref(), Some("sip:capulet@rooms.example.com"));
    assert_eq!(about.sent.unwrap().rfc3339(), "2026-11-21T09:30:00.000Z", "the time of his message, not of the answer");
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// IMDN-02: nobody is told who has seen what everybody sees, and nobody hears what he did not ask for.
#[test]
fn nothing_is_told_that_was_not_asked_for() {
    let (story, romeo) = with_romeo();
    for (wishes, text) in [("display", "one"), ("negative-delivery", "two"), ("processing", "three"), ("", "four")] {
        let send = asks(&romeo, ROOM, wishes, text);
        romeo.gets_response(&send, 200);
    }
    romeo.says("five");
    let deaf = story.sip_user("Tybalt");
    deaf.dials();
    asks(&deaf, ROOM, EVERYTHING, "six");
    assert_eq!((told(&romeo), told(&deaf)), (vec![], vec![]), "nor what his client does not take");
    story.everybody_leaves();
}

/// IMDN-02: the MSRP response says it too.
#[test]
fn a_message_that_the_room_refuses_has_failed() {
    let (story, romeo) = with_romeo();
    story.muc().refuses_messages = Some(error(Condition::Forbidden, ErrorKind::Auth));
    let send = asks(&romeo, ROOM, EVERYTHING, "public");
    romeo.gets_response(&send, 403);
    asks(&romeo, ROOM, "positive-delivery", "unasked");
    story.muc().refuses_private = Some(error(Condition::Forbidden, ErrorKind::Auth));
    let send = asks(&romeo, JULIC, EVERYTHING, "private");
    romeo.gets_response(&send, 403);
    let failed = |id: &str| (String::new(), id.to_string(), Disposition::DeliveryFailed);
    assert_eq!(told(&romeo), [failed("m-public"), failed("m-private")]);
    story.everybody_leaves();
}

/// IMDN-02, GC-MSG-04: of a message that may be in the room nothing is claimed.
#[test]
fn what_nobody_knows_is_not_told() {
    let (story, romeo) = with_romeo();
    story.muc().freezes();
    let send = asks(&romeo, ROOM, EVERYTHING, "lost");
    story.seconds_pass(26);
    romeo.gets_response(&send, 408);
    story.muc_thaws();
    assert_eq!(told(&romeo), []);
    story.everybody_leaves();
}

/// IMDN-01, IMDN-02: his name for it and that of the stanza are matched.
#[test]
fn what_an_occupant_says_of_a_private_message_reaches_its_author() {
    let (story, romeo) = with_romeo();
    let send = asks(&romeo, JULIC, EVERYTHING, "psst");
    romeo.gets_response(&send, 200);
    assert_eq!(told(&romeo), [], "the room has it, and she not yet");
    let [(id, wishes)] = private_stanzas(&story).try_into().unwrap();
    assert_eq!(wishes, ALL);
    let account = romeo.account();
    for kind in [ReceiptKind::Received, ReceiptKind::Received, ReceiptKind::Displayed, ReceiptKind::Displayed] {
        story.muc().tells(&account, "JuliC", &id, kind);
        story.settles();
    }
    let by_julic = |what| ("JuliC".to_string(), "m-psst".to_string(), what);
    assert_eq!(told(&romeo), [by_julic(Disposition::Delivered), by_julic(Disposition::Displayed)], "each once");
    assert_eq!(romeo.sees().told[0].1.recipient.as_deref(), Some("sip:capulet@rooms.example.com;gr=JuliC"));
    assert!(romeo.sees().whispered.is_empty() && romeo.sees().heard.is_empty(), "it is no message");
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn only_the_addressee_can_say_what_became_of_it_and_only_what_was_asked() {
    // IMDN-02
    let (story, romeo) = with_romeo();
    let tybalt = telling(&story, "Tybalt");
    let account = romeo.account();
    asks(&romeo, JULIC, "positive-delivery", "psst");
    asks(&romeo, JULIC, "", "unasked");
    let stanzas = private_stanzas(&story);
    assert_eq!(stanzas[0].1, Asks { received: true, displayed: false });
    assert_eq!(stanzas[1].1, Asks::default());
    let [first, second] = [&stanzas[0].0, &stanzas[1].0];
    story.muc().tells(&account, "Tybalt", first, ReceiptKind::Received);
    story.muc().tells(&account, "JuliC", "another", ReceiptKind::Received);
    story.muc().tells(&account, "JuliC", first, ReceiptKind::Displayed);
    story.muc().tells(&account, "JuliC", second, ReceiptKind::Received);
    let account = tybalt.account();
    story.muc().tells(&account, "JuliC", first, ReceiptKind::Received);
    story.settles();
    assert_eq!((told(&romeo), told(&tybalt)), (vec![], vec![]));
    story.everybody_leaves();
}

/// IMDN-02: what an XMPP user wants to hear is asked of the clients that understand it.
#[test]
fn what_a_sip_user_says_of_a_private_message_reaches_its_author() {
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    story.muc().asks(&account, "JuliC", Some("x-1".into()), "Romeo?", ALL);
    story.settles();
    let asked = tracking(&romeo, "Romeo?");
    assert_eq!(asked.message_id.unwrap().as_str(), "x-1");
    assert_eq!(asked.asks, imdn::Asks { positive_delivery: true, negative_delivery: false, display: true });
    assert_eq!(story.muc().receipts, [], "that MSRP delivered it is not what was asked");
    for what in ["delivered", "delivered", "displayed", "displayed"] {
        let send = tells(&romeo, JULIC, "x-1", what);
        romeo.gets_response(&send, 200);
    }
    let receipt = |kind| ("Romeo".to_string(), "JuliC".to_string(), Receipt { id: "x-1".into(), kind });
    assert_eq!(story.muc().receipts, [receipt(ReceiptKind::Received), receipt(ReceiptKind::Displayed)], "each once");
    assert!(story.muc().said.is_empty() && story.muc().whispered.is_empty(), "it is no message");
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn a_client_that_cannot_tell_is_not_asked_and_nothing_is_claimed() {
    // IMDN-02, SW-08
    let story = Story::begins();
    let phone = story.sip_user("Romeo");
    phone.dials();
    let account = phone.account();
    story.muc().asks(&account, "JuliC", Some("x-1".into()), "one", ALL);
    story.settles();
    assert_eq!(tracking(&phone, "one").asks, imdn::Asks::default());
    let tablet = telling(&story, "Romeo");
    story.muc().asks(&account, "JuliC", Some("x-2".into()), "two", ALL);
    story.settles();
    assert_eq!(tracking(&phone, "two").asks, imdn::Asks::default());
    assert!(tracking(&tablet, "two").asks.anything());
    assert_eq!(story.muc().receipts, []);
    // Each of his devices may tell; once is enough.
    tells(&tablet, JULIC, "x-2", "delivered");
    tells(&phone, JULIC, "x-2", "delivered");
    tells(&phone, JULIC, "x-1", "delivered");
    assert_eq!(receipts(&story).len(), 1);
    story.everybody_leaves();
}

/// IMDN-02, SW-40.
#[test]
fn a_notification_about_nothing_is_accepted_and_dropped() {
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    story.muc().asks(&account, "JuliC", Some("x-1".into()), "Romeo?", Asks { received: true, displayed: false });
    story.settles();
    let before = story.muc().log.len();
    for (to, id, what) in [
        (JULIC, "unknown", "delivered"),
        (JULIC, "x-1", "displayed"),
        (JULIC, "x-1", "failed"),
        (JULIC, "x-1", "pondered"),
        (ROOM, "x-1", "delivered"),
        ("<sip:capulet@rooms.example.com;gr=Nobody>", "x-1", "delivered"),
    ] {
        let send = tells(&romeo, to, id, what);
        romeo.gets_response(&send, 200);
    }
    assert_eq!(story.muc().log.len(), before);
    let send = tells(&romeo, JULIC, "", "delivered");
    romeo.gets_response(&send, 400);
    let forged = tells(&romeo, JULIC, "x-1", "delivered\u{0}");
    romeo.gets_response(&forged, 400);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// IMDN-03.
#[test]
fn a_notification_is_never_answered_with_one() {
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    story.muc().asks(&account, "JuliC", Some("x-1".into()), "Romeo?", ALL);
    story.settles();
    for to in [JULIC, ROOM] {
        let wish = "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n";
        let send = tells_with(&romeo, to, wish, "x-1", "delivered");
        romeo.gets_response(&send, 200);
    }
    assert_eq!((receipts(&story).len(), told(&romeo)), (1, vec![]));
    story.everybody_leaves();
}

/// IMDN-02: through the MUC, like everything else.
#[test]
fn what_became_of_it_goes_from_one_sip_user_to_another() {
    let (story, romeo) = with_romeo();
    let tybalt = telling(&story, "Tybalt");
    asks(&romeo, "<sip:capulet@rooms.example.com;gr=Tybalt>", "positive-delivery, display", "peace");
    let id = name(&tybalt, "peace").unwrap();
    assert_ne!(id, "m-peace", "his name for it is his own");
    let romeo_in_the_room = "<sip:capulet@rooms.example.com;gr=Romeo>";
    tells(&tybalt, romeo_in_the_room, &id, "delivered");
    tells(&tybalt, romeo_in_the_room, &id, "displayed");
    let by_tybalt = |what| ("Tybalt".to_string(), "m-peace".to_string(), what);
    assert_eq!(told(&romeo), [by_tybalt(Disposition::Delivered), by_tybalt(Disposition::Displayed)]);
    story.everybody_leaves();
}

/// IMDN-02: where the room's rule says no, nothing crosses. What the focus itself knows it tells.
#[test]
fn a_room_can_keep_to_itself_what_became_of_private_messages() {
    let story = Story::begins();
    story.world().keeps_receipts_back();
    let romeo = telling(&story, "Romeo");
    let account = romeo.account();
    asks(&romeo, JULIC, EVERYTHING, "psst");
    let [(id, wishes)] = private_stanzas(&story).try_into().unwrap();
    assert_eq!(wishes, Asks::default());
    story.muc().tells(&account, "JuliC", &id, ReceiptKind::Received);
    story.muc().asks(&account, "JuliC", Some("x-1".into()), "Romeo?", ALL);
    story.settles();
    assert_eq!(tracking(&romeo, "Romeo?").asks, imdn::Asks::default());
    tells(&romeo, JULIC, "x-1", "delivered");
    assert_eq!((receipts(&story).len(), told(&romeo)), (0, vec![]));
    asks(&romeo, ROOM, EVERYTHING, "hear");
    assert_eq!(told(&romeo).len(), 1);
    story.everybody_leaves();
}

/// IMDN-01.
#[test]
fn messages_are_called_by_the_room_where_it_announces_that_and_else_by_their_authors() {
    for (gives_ids, called) in [(true, "r-1"), (false, "a-1")] {
        let story = Story::begins();
        story.muc().gives_ids = gives_ids;
        let (phone, tablet) = (telling(&story, "Romeo"), story.sip_user("Romeo"));
        tablet.dials();
        let message =
            Message { stanza_id: Some("r-1".into()), ..story.muc().message("JuliC", Some("a-1".into()), "hi") };
        story.muc().said.push(("JuliC".into(), "hi".into()));
        story.muc().broadcast(&message);
        story.settles();
        assert_eq!(name(&phone, "hi").as_deref(), Some(called));
        assert_eq!(name(&tablet, "hi").as_deref(), Some(called));
        phone.says("and this");
        let account = phone.account();
        let id = story.muc().ids_from(&account).remove(0);
        assert_eq!(name(&tablet, "and this"), Some(id), "this room gave it no other name");
        story.everybody_leaves();
    }
}

/// IMDN-01: what cannot be cited is not given as a name, and nothing can be asked about it.
#[test]
fn a_message_without_a_usable_name_has_none() {
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    for (id, text) in
        [(None, "one"), (Some("a b"), "two"), (Some("\u{e9}"), "three"), (Some(&*"x".repeat(129)), "four")]
    {
        story.muc().asks(&account, "JuliC", id.map(Into::into), text, ALL);
        story.settles();
        assert_eq!(tracking(&romeo, text), imdn::Tracking::default());
    }
    story.everybody_leaves();
}

/// GC-MSG-10, IMDN-02: what is only a marker is nobody's message.
#[test]
fn markers_and_receipts_in_the_room_are_not_shown() {
    let (story, romeo) = with_romeo();
    let message = story.muc().message("JuliC", Some("x".into()), "");
    let receipts =
        [ReceiptKind::Received, ReceiptKind::Displayed].map(|kind| Receipt { id: "a".into(), kind }).to_vec();
    for body in [None, Some(String::new())] {
        story.muc().broadcast(&Message { body, receipts: receipts.clone(), ..message.clone() });
    }
    story.muc().broadcast(&Message { asks: ALL, body: Some("seen?".into()), ..message.clone() });
    story.muc().said.push(("JuliC".into(), "seen?".into()));
    story.settles();
    romeo.has_heard(&[("JuliC", "seen?")]);
    assert_eq!(tracking(&romeo, "seen?").asks, imdn::Asks::default(), "nobody is asked about what all have heard");
    assert_eq!(told(&romeo), []);
    story.everybody_leaves();
}

/// What is remembered has an end: the oldest is forgotten, and nothing of it is told.
#[test]
fn what_is_too_long_ago_is_forgotten() {
    // IMDN-02
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    for number in 0..65 {
        asks(&romeo, JULIC, "positive-delivery", &format!("n{number}"));
        story.muc().asks(&account, "JuliC", Some(format!("x-{number}")), &format!("x{number}"), ALL);
        story.settles();
    }
    let stanzas = private_stanzas(&story);
    for number in [0, 1] {
        story.muc().tells(&account, "JuliC", &stanzas[number].0, ReceiptKind::Received);
        story.settles();
        tells(&romeo, JULIC, &format!("x-{number}"), "delivered");
    }
    assert_eq!(told(&romeo), [("JuliC".into(), "m-n1".into(), Disposition::Delivered)]);
    assert_eq!(story.muc().receipts.iter().map(|(_, _, r)| r.id.as_str()).collect::<Vec<_>>(), ["x-1"]);
    story.seconds_pass(25 * 3600);
    story.muc().tells(&account, "JuliC", &stanzas[2].0, ReceiptKind::Received);
    story.settles();
    tells(&romeo, JULIC, "x-2", "delivered");
    assert_eq!((told(&romeo).len(), receipts(&story).len()), (1, 1));
    story.everybody_leaves();
}

/// RFC 5438 §7.2.1: what arrived has not failed.
#[test]
fn a_message_that_comes_back_late_has_failed_unless_it_had_arrived() {
    // IMDN-02, GC-PM-06
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    asks(&romeo, JULIC, EVERYTHING, "one");
    asks(&romeo, JULIC, EVERYTHING, "two");
    let stanzas = private_stanzas(&story);
    story.muc().tells(&account, "JuliC", &stanzas[0].0, ReceiptKind::Received);
    for (id, _) in &stanzas {
        story.muc().bounces(account.clone(), id.clone(), error(Condition::ServiceUnavailable, ErrorKind::Cancel));
    }
    story.settles();
    let expected = [
        ("JuliC".into(), "m-one".into(), Disposition::Delivered),
        (String::new(), "m-two".into(), Disposition::DeliveryFailed),
    ];
    assert_eq!(told(&romeo), expected);
    story.everybody_leaves();
}

/// IMDN-02: who took over a nickname hears nothing of what was said under it before.
#[test]
fn a_nickname_that_has_just_changed_hands_is_told_nothing() {
    let (story, romeo) = with_romeo();
    let tybalt = telling(&story, "Tybalt");
    let account = romeo.account();
    story.muc().asks(&account, "Tybalt", Some("x-1".into()), "peace", ALL);
    story.settles();
    tybalt.wants_to_be("Prince");
    let mercutio = telling(&story, "Mercutio");
    mercutio.wants_to_be("Tybalt");
    mercutio.is_called("Tybalt");
    let send = tells(&romeo, "<sip:capulet@rooms.example.com;gr=Tybalt>", "x-1", "displayed");
    romeo.gets_response(&send, 200);
    assert_eq!(receipts(&story), []);
}

/// XM-17: nobody waits any more for what becomes of a message that was kept on the way, or of history.
#[test]
fn a_message_with_a_delay_is_shown_and_nothing_is_told_of_it() {
    let (story, romeo) = with_romeo();
    let account = romeo.account();
    for kind in [MessageKind::Chat, MessageKind::Groupchat] {
        let text = format!("{kind:?}");
        let mut message = story.muc().message("JuliC", Some(format!("x-{text}")), &text);
        (message.kind, message.asks, message.delay) = (kind.clone(), ALL, Some(Delay { stamp: None }));
        if kind == MessageKind::Groupchat {
            story.muc().said.push(("JuliC".into(), text.clone()));
        }
        story.world().post(Source::Streams, Mail::Stanza(account.clone(), Box::new(Stanza::Message(message))));
        story.settles();
        let asked = tracking(&romeo, &text);
        assert!(!asked.asks.anything(), "{asked:?}");
        for what in ["delivered", "displayed"] {
            tells(&romeo, JULIC, &format!("x-{text}"), what);
        }
    }
    assert_eq!(receipts(&story), []);
    story.everybody_leaves();
}
