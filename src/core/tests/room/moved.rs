//! A room is destroyed in favour of another: FT-12.

use jid::BareJid;
use mucfocus_core::stanza::{Destroy, MucUser};

use crate::story::Story;

#[test]
fn whoever_sends_callers_there_is_told_where_the_room_is_now() {
    for alternate in [None, Some(BareJid::new("mantua@muc.example.net").unwrap())] {
        let (story, romeo) = Story::with_romeo();
        let destroy = Destroy { alternate: alternate.clone(), reason: None };
        let muc = MucUser { codes: vec![110], destroy: Some(destroy), ..MucUser::default() };
        let account = romeo.account();
        story.muc().removes(&account, "Romeo", muc);
        story.settles();
        match &alternate {
            Some(room) => romeo.gets_bye(301, room.as_str()),
            None => romeo.gets_bye(410, "destroyed"),
        }
        assert_eq!(story.world().moved, alternate.into_iter().collect::<Vec<_>>());
        story.everybody_leaves();
    }
}
