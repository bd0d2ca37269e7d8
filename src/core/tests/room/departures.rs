//! How others went, as subscribers are shown it (CI-19, GC-PRES-13, GC-PRES-15), and how the room did (CI-22).

use mucfocus_core::conference::Reason;
use mucfocus_core::stanza::{Destroy, MucItem, MucUser, Presence, PresenceKind, Stanza};

use crate::story::Story;

/// A native goes, and everybody sees how.
fn goes(story: &Story, nick: &str, status: Option<&str>, codes: &[u16], item: &MucItem) {
    let mut muc = story.muc();
    muc.occupants.remove(nick);
    let from = muc.occupant(nick);
    let everybody: Vec<_> = muc.occupants.values().flatten().cloned().collect();
    for to in everybody {
        let presence = Presence {
            from: from.clone().into(),
            id: None,
            kind: PresenceKind::Unavailable,
            status: status.map(Into::into),
            display_name: None,
            muc: Some(MucUser { codes: codes.to_vec(), item: Some(item.clone()), ..MucUser::default() }),
        };
        muc.outbox.push_back((to, Stanza::Presence(presence)));
    }
    drop(muc);
    story.settles();
}

fn by(actor: &str, reason: &str) -> MucItem {
    MucItem { actor: Some(actor.into()), reason: Some(reason.into()), ..MucItem::default() }
}

#[test]
fn who_goes_is_shown_with_how_and_why_and_by_whom_and_then_not_any_more() {
    let none = MucItem::default();
    for (status, codes, item, expected) in [
        (Some("Time to go!"), &[][..], none.clone(), &["departed", "Reason: SIP;text=\"Time to go!\""][..]),
        (None, &[], none.clone(), &["departed"]),
        (Some("x"), &[307], by("Nurse", "Peace"), &["booted", "cause=403", "by Nurse: Peace", "gr=Nurse</by>"]),
        (None, &[301], by("Nurse", ""), &["booted", "banned from the room by Nurse\"", "gr=Nurse</by>"]),
        (None, &[321], none.clone(), &["booted", "no longer a member"]),
        (None, &[322], none.clone(), &["booted", "members only now\""]),
        (None, &[322], by("Nurse", "Family only"), &["booted", "members only now: Family only"]),
        (None, &[307, 333], none.clone(), &["failed", "technical"]),
        (None, &[332], none, &["failed", "shutting down"]),
    ] {
        let (story, romeo) = Story::with_romeo();
        let list = romeo.watches();
        goes(&story, "JuliC", status, codes, &item);
        assert_eq!(list.sees().shown.leaving().into_iter().collect::<Vec<_>>(), ["JuliC"]);
        list.shows(&["Romeo"]);
        let last = list.sees().last().to_string();
        for words in expected {
            assert!(last.contains(words), "{words:?} in {last}");
        }
        assert_eq!(last.contains("<reason>"), expected.len() > 1, "{last}");
        story.seconds_pass(1);
        assert!(list.sees().last().contains("gr=JuliC' state='deleted'"), "{}", list.sees().last());
        assert_eq!((list.documents(), list.sees().shown.users.len()), (3, 1));
        story.seconds_pass(60);
        assert_eq!(list.documents(), 3, "and no more is said of it");
    }
}

#[test]
fn what_somebody_says_on_going_is_one_line_and_breaks_nothing() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    goes(&story, "JuliC", Some("\";cause=200\\ <b>\r\nVia: x\u{202e}"), &[], &MucItem::default());
    let last = list.sees().last().to_string();
    let expected = r#"<reason>Reason: SIP;text="\";cause=200\\ &lt;b&gt;  Via: x"</reason>"#;
    assert!(last.contains(expected), "{last}");
}

#[test]
fn a_sip_user_who_hangs_up_is_shown_with_his_reason_to_the_others() {
    // GC-EXIT-02, GC-PRES-15
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let list = romeo.watches();
    list.shows(&["JuliC", "Romeo", "Tybalt"]);
    tybalt.hangs_up();
    assert!(list.sees().user("Tybalt").contains("<disconnection-method>departed</disconnection-method>"));
    assert!(list.sees().user("Tybalt").contains("<joining-method>dialed-in</joining-method>"));
    story.seconds_pass(2);
    list.shows(&["JuliC", "Romeo"]);
    assert_eq!(list.sees().shown.users.len(), 2);
}

#[test]
fn a_room_that_is_destroyed_is_the_last_that_everybody_hears_of_it() {
    // CI-22: who only watched it, too.
    let (story, romeo) = Story::with_romeo();
    let (list, stranger) = (romeo.watches(), story.sip_user("Tybalt").watches());
    let destroy = Destroy { alternate: None, reason: Some("plague".into()) };
    let muc = MucUser { codes: vec![110], destroy: Some(destroy), ..MucUser::default() };
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    for list in [list, stranger] {
        assert_eq!(list.sees().ended(), Some(Reason::Noresource));
        assert!(list.sees().shown.is_deleted && list.sees().is_gone, "{}", list.sees().last());
        assert!(!list.sees().last().contains("Juli"));
    }
    story.everybody_leaves();
}

#[test]
fn who_leaves_a_room_that_goes_on_is_not_told_that_it_is_no_more() {
    // CI-22
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    romeo.hangs_up();
    assert_eq!(list.sees().ended(), Some(Reason::Noresource));
    assert!(!list.sees().shown.is_deleted);
    story.everybody_leaves();
}

#[test]
fn where_nobody_has_changed_nobody_is_told_by_the_view_of_another() {
    // GC-PRES-12: what is the same from another seat is not news.
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let list = tybalt.watches();
    story.seconds_pass(10);
    let before = list.documents();
    story.seconds_pass(301);
    assert_eq!(list.documents(), before, "{}", list.sees().last());
    romeo.hangs_up();
    story.seconds_pass(10);
    list.shows(&["JuliC", "Tybalt"]);
    assert!(
        list.sees().documents.iter().skip(before).all(|d| d.contains("state='partial'") && !d.contains("gr=JuliC"))
    );
}
