//! What a SIP user may do in the room changes: FT-09.

use mucfocus_core::stanza::{Affiliation, MucItem, MucUser, PresenceKind, Role};

use crate::story::{SipUser, Story};

/// The room tells him what he is now.
fn becomes(story: &Story, who: &SipUser, role: Role, affiliation: Affiliation) {
    let account = who.account();
    let nick = story.muc().nickname_of(&account).unwrap();
    let item = MucItem { role: Some(role), affiliation: Some(affiliation), ..MucItem::default() };
    let muc = MucUser { codes: vec![110], item: Some(item), ..MucUser::default() };
    story.muc().present(&account, &nick, PresenceKind::Available, muc);
    story.settles();
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
            "You may only listen now.",
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
    assert_eq!(romeo.sees().notices.last().map(String::as_str), Some("You may only listen now."));
}
