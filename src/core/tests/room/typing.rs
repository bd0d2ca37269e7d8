//! Who is typing (ISC-04, FT-27).

use mucfocus_core::stanza::{ChatState, Message, OutStanza};

use crate::story::{SipUser, Story};

fn with_typing() -> (Story, SipUser) {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().offers_instead.push(("types:text/plain", "types:text/plain application/im-iscomposing+xml".into()));
    romeo.dials();
    (story, romeo)
}

fn types(user: &SipUser, state: &str) -> String {
    let cpim = format!(
        "From: <{}>\r\nTo: <sip:capulet@rooms.example.com>\r\n\r\nContent-Type: application/im-iscomposing+xml\r\n\r\n\
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
