//! What a SIP user may do in the room changes: FT-09.

use mucfocus_core::stanza::{Affiliation, Condition, ErrorKind, MucItem, MucUser, PresenceKind, Role};

use crate::muc::error;
use crate::story::{SipUser, Story};

const LISTEN: &str = "You may only listen now. Write /voice to ask to speak.";

/// Writes to everybody what is not to be there to be read; returns what names the request.
fn writes(story: &Story, who: &SipUser, text: &str) -> String {
    let transaction = who.sends("", &who.cpim(text));
    story.settles();
    transaction
}

/// The room tells him what he is now.
fn becomes(story: &Story, who: &SipUser, role: Role, affiliation: Affiliation) {
    let account = who.account();
    let nick = story.muc().nickname_of(&account).unwrap();
    let item = MucItem { role: Some(role), affiliation: Some(affiliation), ..MucItem::default() };
    let muc = MucUser { codes: vec![110], item: Some(item), ..MucUser::default() };
    story.muc().present(&account, &nick, PresenceKind::Available, muc);
    story.settles();
}

/// FT-09: who may only listen is muted by the room, and a change of that is told as one.
#[test]
fn who_has_no_voice_is_shown_as_muted_until_he_gets_it() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    for (role, status, medium) in [
        (Role::Visitor, "muted-via-focus", "recvonly"),
        (Role::Participant, "connected", "sendrecv"),
        (Role::Visitor, "muted-via-focus", "recvonly"),
        (Role::Moderator, "connected", "sendrecv"),
    ] {
        becomes(&story, &romeo, role, Affiliation::None);
        story.seconds_pass(5);
        assert!(list.sees().last().contains("state='partial'"), "{}", list.sees().last());
        let user = list.sees().user("Romeo").to_string();
        assert!(user.contains(&format!("<status>{status}</status><joining-method>dialed-in")), "{user}");
        assert!(user.contains(&format!("<status>{medium}</status></media>")), "{user}");
        list.shows(&["JuliC", "Romeo"]);
    }
    story.everybody_leaves();
}

#[test]
fn whose_role_or_affiliation_changes_is_told_once_and_nobody_else_is() {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    tybalt.is_answered();
    assert!(romeo.sees().notices.is_empty(), "nothing has changed yet: {:?}", romeo.sees().notices);
    for (role, affiliation) in [
        (Role::Visitor, Affiliation::None),
        (Role::Visitor, Affiliation::None),
        (Role::Participant, Affiliation::None),
        (Role::Participant, Affiliation::Member),
        (Role::Moderator, Affiliation::Admin),
        (Role::Moderator, Affiliation::Owner),
        (Role::Participant, Affiliation::None),
    ] {
        becomes(&story, &romeo, role, affiliation);
    }
    assert_eq!(
        romeo.sees().notices,
        [
            LISTEN,
            "You may speak now.",
            "You are a member of this room now.",
            "You are an administrator of this room now. You moderate this room now.",
            "You are an owner of this room now.",
            "You are not an owner of this room any more. You do not moderate this room any more.",
        ]
    );
    assert!(tybalt.sees().notices.is_empty(), "{:?}", tybalt.sees().notices);
}

#[test]
fn on_a_way_back_in_nothing_has_changed() {
    let (story, romeo) = Story::with_romeo();
    becomes(&story, &romeo, Role::Moderator, Affiliation::None);
    let account = romeo.account();
    let codes = MucUser { codes: vec![110, 333], ..MucUser::default() };
    story.muc().removes(&account, "Romeo", codes);
    story.settles();
    romeo.is_called("Romeo");
    // He is back as a participant, which is what he may not be told of as news; what comes after that is.
    assert_eq!(romeo.sees().notices, ["You moderate this room now."]);
    becomes(&story, &romeo, Role::Visitor, Affiliation::None);
    assert_eq!(romeo.sees().notices.last().map(String::as_str), Some(LISTEN));
}

/// XEP-0045 §7.13: no SIP client has a form for it.
#[test]
fn who_may_only_listen_asks_to_speak_by_writing_so() {
    let (story, romeo) = Story::with_romeo();
    becomes(&story, &romeo, Role::Visitor, Affiliation::None);
    for (asked, command) in ["/voice", " /VOICE\n"].into_iter().enumerate() {
        romeo.gets_response(&writes(&story, &romeo, command), 200);
        assert_eq!(story.muc().voice_requests.len(), asked + 1);
        assert_eq!(
            romeo.sees().notices.last().map(String::as_str),
            Some("The moderators have been asked to let you speak.")
        );
    }
    becomes(&story, &romeo, Role::Participant, Affiliation::None);
    romeo.gets_response(&writes(&story, &romeo, "/voice"), 200);
    assert_eq!(romeo.sees().notices.last().map(String::as_str), Some("You may speak here."));
    romeo.gets_response(&romeo.says("/voice is what I wrote"), 200);
    assert_eq!(story.muc().voice_requests.len(), 2, "the rest is what he says to everybody");
    story.everybody_leaves();
}

#[test]
fn a_room_that_takes_no_requests_to_speak_is_quoted_and_one_that_says_nothing_is_408() {
    let (story, romeo) = Story::with_romeo();
    becomes(&story, &romeo, Role::Visitor, Affiliation::None);
    story.muc().refuses_voice_requests = Some(error(Condition::Forbidden, ErrorKind::Auth));
    romeo.gets_response(&writes(&story, &romeo, "/voice"), 403);
    assert_eq!(romeo.sees().notices, [LISTEN]);
    story.muc().freezes();
    let request = writes(&story, &romeo, "/voice");
    story.seconds_pass(26);
    romeo.gets_response(&request, 408);
    story.muc().thaws();
    story.everybody_leaves();
}

#[test]
fn who_may_only_listen_and_speaks_is_told_how_to_ask() {
    let (story, romeo) = Story::with_romeo();
    becomes(&story, &romeo, Role::Visitor, Affiliation::None);
    story.muc().refuses_messages = Some(error(Condition::Forbidden, ErrorKind::Auth));
    let request = romeo.says("Shall I speak at this?");
    romeo.gets_response(&request, 403);
    let comments = format!("{:?}", romeo.sees().comments);
    assert!(comments.contains("You may only listen in this room; write /voice to ask to speak"), "{comments}");
}
