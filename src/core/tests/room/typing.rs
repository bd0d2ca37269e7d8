//! Who is typing (ISC-04, FT-27).

use mucfocus_core::stanza::{ChatState, Delay, Message, MessageKind, OutStanza, PresenceKind, Stanza};

use crate::story::{SipUser, Story};

fn with_typing() -> (Story, SipUser) {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().offers_instead.push(("types:text/plain", "types:text/plain application/im-iscomposing+xml".into()));
    romeo.dials();
    (story, romeo)
}

fn types(user: &SipUser, state: &str) -> String {
    types_to(user, "sip:capulet@rooms.example.com", state)
}

fn types_to(user: &SipUser, to: &str, state: &str) -> String {
    let cpim = format!(
        "From: <{}>\r\nTo: <{to}>\r\n\r\nContent-Type: application/im-iscomposing+xml\r\n\r\n\
         <isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>{state}</state></isComposing>",
        user.sees().uri()
    );
    let transaction = user.sends("", &cpim);
    user.story.settles();
    transaction
}

fn shown(story: &Story) -> Vec<ChatState> {
    let state = |stanza: &OutStanza| match stanza {
        OutStanza::ChatState { state, .. } => Some(*state),
        _ => None,
    };
    story.muc().log.iter().filter_map(|(_, stanza)| state(stanza)).collect()
}

#[test]
fn a_sip_user_who_types_is_seen_typing() {
    let (story, romeo) = with_typing();
    let request = types(&romeo, "active");
    romeo.gets_response(&request, 200);
    types(&romeo, "active");
    assert_eq!(shown(&story), [ChatState::Composing]);
    types(&romeo, "idle");
    assert_eq!(shown(&story).len(), 2);
    assert!(story.muc().said.is_empty());
}

#[test]
fn an_occupant_who_types_is_shown_to_clients_that_ask_for_it() {
    let (story, romeo) = with_typing();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let state =
        Message { body: None, chat_state: Some(ChatState::Composing), ..story.muc().message("JuliC", None, "") };
    story.muc().broadcast(&state);
    story.settles();
    let composing = romeo.sees().composing.clone();
    assert_eq!(composing.len(), 1, "once, though two of ours heard it");
    assert!(composing[0].0 == "JuliC" && composing[0].1.contains("<state>active</state>"), "{composing:?}");
    assert!(tybalt.sees().composing.is_empty());
}

#[test]
fn in_a_large_room_nobody_is_told() {
    // ISC-04
    let (story, romeo) = with_typing();
    for n in 0..25 {
        story.muc().native(&format!("n{n}"), &mucfocus_core::stanza::PresenceKind::Available, Default::default());
    }
    story.settles();
    types(&romeo, "active");
    assert!(shown(&story).is_empty());
}

#[test]
fn a_sip_user_who_types_is_shown_to_another() {
    let (story, romeo) = with_typing();
    let tybalt = story.sip_user("Tybalt");
    tybalt.client().offers_instead.push(("types:text/plain", "types:text/plain application/im-iscomposing+xml".into()));
    tybalt.dials();
    types(&romeo, "active");
    let composing = tybalt.sees().composing.clone();
    assert!(matches!(&composing[..], [(name, _)] if name == "Romeo"), "{composing:?}");
    assert!(romeo.sees().composing.is_empty());
}

const JULIC: &str = "sip:capulet@rooms.example.com;gr=JuliC";

/// Romeo, to whom `JuliC` has said something alone, and what she is doing.
fn with_a_confidant() -> (Story, SipUser) {
    let (story, romeo) = with_typing();
    julic_does(&romeo, ChatState::Active, Some("psst"));
    (story, romeo)
}

fn julic_does(user: &SipUser, state: ChatState, body: Option<&str>) {
    let account = user.account();
    user.story.muc().does(&account, "JuliC", state, body);
    user.story.settles();
}

fn shown_alone(story: &Story) -> Vec<(String, ChatState)> {
    story.muc().states.iter().map(|(_, to, state)| (to.clone(), *state)).collect()
}

fn julic(state: ChatState) -> (String, ChatState) {
    ("JuliC".into(), state)
}

/// SW-40: also in a large room, since it is told to one.
#[test]
fn who_types_to_one_alone_is_seen_typing_by_him_and_by_nobody_else() {
    for natives in [0, 25] {
        let (story, romeo) = with_a_confidant();
        for n in 0..natives {
            story.muc().native(&format!("n{n}"), &PresenceKind::Available, Default::default());
        }
        story.settles();
        let request = types_to(&romeo, JULIC, "active");
        romeo.gets_response(&request, 200);
        types_to(&romeo, JULIC, "active");
        assert_eq!(shown_alone(&story), [julic(ChatState::Composing)]);
        types_to(&romeo, JULIC, "idle");
        assert_eq!(shown_alone(&story), [julic(ChatState::Composing), julic(ChatState::Paused)]);
        assert!(shown(&story).is_empty() && story.muc().whispered.is_empty());
        story.everybody_leaves();
    }
}

#[test]
fn who_falls_silent_while_he_types_to_one_alone_has_paused() {
    let (story, romeo) = with_a_confidant();
    types_to(&romeo, JULIC, "active");
    story.seconds_pass(119);
    assert_eq!(shown_alone(&story).len(), 1);
    story.seconds_pass(2);
    assert_eq!(shown_alone(&story), [julic(ChatState::Composing), julic(ChatState::Paused)]);
    story.everybody_leaves();
}

/// XEP-0085 §5.1: a text says that one would like to know, and who answers without a word of it is left alone.
#[test]
fn only_who_says_what_he_is_doing_is_told_what_others_do() {
    let (story, romeo) = with_typing();
    types_to(&romeo, JULIC, "active");
    assert!(shown_alone(&story).is_empty());
    romeo.whispers_to("JuliC", "are you there?");
    let asks = |story: &Story| {
        story.muc().log.iter().any(|(_, stanza)| matches!(stanza, OutStanza::Private { is_active: true, .. }))
    };
    assert!(asks(&story));
    julic_does(&romeo, ChatState::Composing, None);
    types_to(&romeo, JULIC, "active");
    assert_eq!(shown_alone(&story), [julic(ChatState::Composing)]);
    let account = romeo.account();
    story.muc().whispers(&account, "JuliC", None, "I am");
    story.settles();
    story.seconds_pass(20);
    types_to(&romeo, JULIC, "active");
    assert_eq!(shown_alone(&story).len(), 1);

    let (story, tybalt) = Story::with_romeo();
    tybalt.whispers_to("JuliC", "are you there?");
    assert!(!asks(&story), "his client shows nobody typing");
}

#[test]
fn what_is_said_ends_it_and_who_has_his_nickname_next_begins_anew() {
    let (story, romeo) = with_a_confidant();
    types_to(&romeo, JULIC, "active");
    romeo.whispers_to("JuliC", "here");
    types_to(&romeo, JULIC, "active");
    assert_eq!(shown_alone(&story), [julic(ChatState::Composing), julic(ChatState::Composing)]);
    for kind in [PresenceKind::Unavailable, PresenceKind::Available] {
        story.muc().native("JuliC", &kind, Default::default());
        story.settles();
    }
    story.seconds_pass(60);
    types_to(&romeo, JULIC, "idle");
    types_to(&romeo, JULIC, "active");
    assert_eq!(shown_alone(&story).len(), 2);
    story.everybody_leaves();
}

#[test]
fn over_a_break_nobody_types() {
    let (story, romeo) = with_a_confidant();
    romeo.stream_is_suspended();
    let request = types_to(&romeo, JULIC, "active");
    romeo.gets_response(&request, 200);
    story.seconds_pass(2);
    romeo.stream_is_resumed();
    story.seconds_pass(1);
    assert!(shown_alone(&story).is_empty());
    story.everybody_leaves();
}

#[test]
fn an_occupant_who_types_to_one_alone_is_shown_to_him() {
    let (story, romeo) = with_typing();
    let tybalt = story.sip_user("Tybalt");
    tybalt.client().offers_instead.push(("types:text/plain", "types:text/plain application/im-iscomposing+xml".into()));
    tybalt.dials();
    julic_does(&romeo, ChatState::Composing, None);
    let composing = romeo.sees().composing.clone();
    assert!(matches!(&composing[..], [(name, document)] if name == "JuliC" && document.contains("<state>active<")));
    assert!(romeo.sees().last_wrapping.contains(&format!("To: <{}>", romeo.sees().uri())), "as a private message is");
    julic_does(&romeo, ChatState::Paused, None);
    story.seconds_pass(6);
    assert!(romeo.sees().composing[1].1.contains("<state>idle<"));
    assert!(tybalt.sees().composing.is_empty());
    story.everybody_leaves();
}

#[test]
fn who_takes_no_private_messages_or_none_of_this_kind_is_not_shown_who_types() {
    for (before, after) in [(" private-messages", ""), (" application/im-iscomposing+xml", "")] {
        let story = Story::begins();
        let romeo = story.sip_user("Romeo");
        let types = ("types:text/plain", "types:text/plain application/im-iscomposing+xml".into());
        romeo.client().offers_instead.extend([types, (before, after.into())]);
        romeo.dials();
        julic_does(&romeo, ChatState::Composing, None);
        assert!(romeo.sees().composing.is_empty(), "{before}");
    }
}

/// XM-17.
#[test]
fn that_somebody_was_typing_long_ago_is_not_shown() {
    let (story, romeo) = with_typing();
    let (kind, delay) = (MessageKind::Chat, Some(Delay { stamp: None }));
    let state = Some(ChatState::Composing);
    let late = Message { kind, body: None, chat_state: state, delay, ..story.muc().message("JuliC", None, "") };
    let account = romeo.account();
    story.muc().outbox.push_back((account, Stanza::Message(late)));
    story.settles();
    assert!(romeo.sees().composing.is_empty());
}

#[test]
fn two_sip_users_who_talk_alone_see_each_other_type() {
    let (story, romeo) = with_typing();
    let tybalt = story.sip_user("Tybalt");
    tybalt.client().offers_instead.push(("types:text/plain", "types:text/plain application/im-iscomposing+xml".into()));
    tybalt.dials();
    romeo.whispers_to("Tybalt", "peace?");
    types_to(&tybalt, "sip:capulet@rooms.example.com;gr=Romeo", "active");
    assert!(matches!(&romeo.sees().composing[..], [(name, _)] if name == "Tybalt"));
    types_to(&romeo, "sip:capulet@rooms.example.com;gr=Tybalt", "active");
    assert!(matches!(&tybalt.sees().composing[..], [(name, _)] if name == "Romeo"));
    story.everybody_leaves();
}
