//! A room that was made for its caller: CF-05.

use mucfocus_core::room::io::{Drain, Input};
use mucfocus_core::stanza::{Affiliation, MucItem, MucUser, PresenceKind, Role};

use crate::story::{SipUser, Story};

/// Romeo has a room made, which the MUC says is his.
fn romeo_has_a_room(affiliation: Affiliation) -> (Story, SipUser) {
    let story = Story::begins();
    story.world().ad_hoc = true;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_answered();
    story.world().ad_hoc = false;
    let item = MucItem { role: Some(Role::Moderator), affiliation: Some(affiliation), ..MucItem::default() };
    let account = romeo.account();
    let muc = MucUser { codes: vec![110], item: Some(item), ..MucUser::default() };
    story.muc().present(&account, "Romeo", PresenceKind::Available, muc);
    story.settles();
    (story, romeo)
}

#[test]
fn it_ends_with_his_last_device_and_with_nobody_else() {
    let (story, romeo) = romeo_has_a_room(Affiliation::Owner);
    let (tablet, tybalt) = (story.sip_user("Romeo"), story.sip_user("Tybalt"));
    tablet.dials();
    tybalt.dials();
    tybalt.hangs_up();
    romeo.hangs_up();
    assert_eq!(story.muc().destroyed_by, None);
    tablet.hangs_up();
    let account = romeo.account();
    assert_eq!(story.muc().destroyed_by, Some(account));
}

#[test]
fn it_goes_on_when_it_is_not_his_or_only_this_process_ends() {
    let (story, romeo) = romeo_has_a_room(Affiliation::Member);
    romeo.hangs_up();
    assert_eq!(story.muc().destroyed_by, None);
    let (story, romeo) = romeo_has_a_room(Affiliation::Owner);
    story.world().feed(Input::Drain(Drain::GoingDown));
    story.settles();
    romeo.gets_bye(503, "going down");
    assert_eq!(story.muc().destroyed_by, None);
}

#[test]
fn any_other_room_is_left_and_stays() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let item = MucItem { affiliation: Some(Affiliation::Owner), ..MucItem::default() };
    let muc = MucUser { codes: vec![110], item: Some(item), ..MucUser::default() };
    story.muc().present(&account, "Romeo", PresenceKind::Available, muc);
    story.settles();
    romeo.hangs_up();
    assert_eq!(story.muc().destroyed_by, None);
}
