//! Whose view of the room everybody's list is made of, and when another's takes its place (GC-PRES-03, GC-PRES-16).

use mucfocus_core::stanza::{MucItem, MucUser, OutStanza, PresenceKind, Role};

use crate::story::{SipUser, Story};

fn three() -> (Story, [SipUser; 3]) {
    let (story, romeo) = Story::with_romeo();
    let (tybalt, paris) = (story.sip_user("Tybalt"), story.sip_user("Paris"));
    tybalt.dials();
    paris.dials();
    (story, [romeo, tybalt, paris])
}

/// Joins of this user's so far.
fn joins(story: &Story, user: &SipUser) -> usize {
    let account = user.account();
    let is_his = |a: &jid::BareJid, stanza: &OutStanza| *a == account && matches!(stanza, OutStanza::Join { .. });
    story.muc().log.iter().filter(|(a, stanza)| is_his(a, stanza)).count()
}

#[test]
fn a_change_of_ones_own_does_not_end_what_the_room_has_not_begun_to_say() {
    // GC-PRES-03: the list stays whole while the answer is awaited.
    for gives_back_ids in [false, true] {
        let (story, [romeo, tybalt, _paris]) = three();
        story.muc().gives_back_ids = gives_back_ids;
        let list = tybalt.watches();
        list.shows(&["JuliC", "Paris", "Romeo", "Tybalt"]);
        romeo.hangs_up();
        story.muc().freezes();
        story.milliseconds_pass(500);
        assert_eq!(joins(&story, &tybalt), 2, "he asks");
        let item = Some(MucItem { role: Some(Role::Visitor), ..MucItem::default() });
        let account = tybalt.account();
        story.muc().present(
            &account,
            "Tybalt",
            PresenceKind::Available,
            MucUser { codes: vec![110], item, ..MucUser::default() },
        );
        story.settles();
        story.milliseconds_pass(4_000);
        assert!(list.sees().list().contains("JuliC"), "half a list: {}", list.sees().last());
        story.muc_thaws();
        story.seconds_pass(6);
        list.shows(&["JuliC", "Paris", "Tybalt"]);
    }
}

#[test]
fn an_echo_with_the_id_of_an_earlier_presence_does_not_end_it_either() {
    // GC-PRES-03
    let (story, [romeo, tybalt, _paris]) = three();
    story.muc().gives_back_ids = true;
    let list = tybalt.watches();
    romeo.hangs_up();
    story.muc().freezes();
    story.milliseconds_pass(500);
    let account = tybalt.account();
    story.muc().present_as(&account, "Tybalt", Some("of the first join".into()), vec![110]);
    story.settles();
    story.milliseconds_pass(4_000);
    assert!(list.sees().list().contains("JuliC"), "half a list: {}", list.sees().last());
    story.muc_thaws();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Paris", "Tybalt"]);
}

#[test]
fn where_one_asks_in_vain_another_does() {
    // GC-PRES-16
    let (story, [romeo, tybalt, paris]) = three();
    let list = tybalt.watches();
    story.muc().stalls = Some(tybalt.account());
    romeo.hangs_up();
    story.muc().native("Nurse", &PresenceKind::Available, MucItem::default());
    story.settles();
    story.seconds_pass(4);
    assert_eq!((joins(&story, &tybalt), joins(&story, &paris)), (2, 1));
    story.seconds_pass(8);
    assert_eq!(joins(&story, &paris), 2);
    list.shows(&["JuliC", "Nurse", "Paris", "Tybalt"]);
}

#[test]
fn who_hears_nothing_of_what_others_hear_is_not_believed_for_long() {
    // GC-PRES-16
    let (story, [romeo, tybalt, paris]) = three();
    let list = tybalt.watches();
    story.in_the_room("JuliC", "Romeo?");
    story.seconds_pass(10);
    story.muc().stalls = Some(romeo.account());
    story.muc().native("Nurse", &PresenceKind::Available, MucItem::default());
    story.in_the_room("JuliC", "Romeo?");
    story.seconds_pass(12);
    assert_eq!(joins(&story, &romeo), 1);
    assert_eq!(joins(&story, &tybalt) + joins(&story, &paris), 3, "one of them asked");
    list.shows(&["JuliC", "Nurse", "Paris", "Romeo", "Tybalt"]);
}

#[test]
fn as_long_as_everybody_hears_the_same_nobody_takes_over() {
    // GC-PRES-16
    let (story, users) = three();
    for n in 0..40 {
        story.in_the_room("JuliC", &format!("line {n}"));
        story.seconds_pass(n % 7);
    }
    assert_eq!(users.each_ref().map(|user| joins(&story, user)), [1; 3]);
}

/// GC-PRES-16: what the stream of a lone observer has missed is found in the end.
#[test]
fn who_looks_alone_asks_for_everybody_once_in_half_an_hour() {
    let (story, romeo) = Story::with_romeo();
    story.muc().stalls = Some(romeo.account());
    story.muc().native("Nurse", &PresenceKind::Available, MucItem::default());
    story.settles();
    story.muc().stalls = None;
    story.seconds_pass(1_700);
    assert_eq!(joins(&story, &romeo), 1);
    romeo.watches().shows(&["JuliC", "Romeo"]);
    story.seconds_pass(450);
    romeo.watches().shows(&["JuliC", "Nurse", "Romeo"]);
    story.seconds_pass(2_000);
    assert_eq!(joins(&story, &romeo), 3, "again and again");
}

#[test]
fn where_one_of_us_is_nobody_asks_whether_the_room_exists() {
    // XM-07
    let (story, _users) = three();
    let asked = |story: &Story| {
        let is_question = |stanza: &OutStanza| matches!(stanza, OutStanza::DiscoInfo { node: None, .. });
        story.muc().log.iter().filter(|(_, stanza)| is_question(stanza)).count()
    };
    let before = asked(&story);
    let late = story.sip_user("Late");
    late.dials();
    late.is_answered();
    assert_eq!(asked(&story), before);
}

/// GC-PRES-03: the observer was put out after it had seen him go, and before it saw him come back. Ids tell whose answer is whose only
/// where the room gives them back.
#[test]
fn who_takes_over_and_is_not_on_the_list_himself_is_answered_all_the_same() {
    for gives_back_ids in [false, true] {
        let (story, [romeo, tybalt, paris]) = three();
        story.muc().gives_back_ids = gives_back_ids;
        paris.hangs_up();
        let list = tybalt.watches();
        let account = romeo.account();
        story.muc().present(&account, "Tybalt", PresenceKind::Unavailable, MucUser::default());
        story.settles();
        romeo.hangs_up();
        story.seconds_pass(6);
        list.shows(&["JuliC", "Tybalt"]);
    }
}

#[test]
fn who_asks_in_vain_and_has_nobody_to_ask_in_his_place_asks_again_after_a_while() {
    let (story, [romeo, tybalt, paris]) = three();
    paris.hangs_up();
    story.seconds_pass(1);
    let list = tybalt.watches();
    romeo.hangs_up();
    story.muc().freezes();
    story.seconds_pass(1);
    assert_eq!(joins(&story, &tybalt), 2, "he has asked");
    // The room has lost that.
    story.muc().forgets_questions();
    story.seconds_pass(28);
    assert_eq!(joins(&story, &tybalt), 2, "a room that is slow is not hurried");
    story.seconds_pass(12);
    assert_eq!(joins(&story, &tybalt), 3);
    list.shows(&["JuliC", "Tybalt"]);
}

#[test]
fn who_is_given_another_name_while_he_asks_has_no_answer_yet() {
    // GC-PRES-03
    let (story, [romeo, tybalt, _paris]) = three();
    let list = tybalt.watches();
    romeo.hangs_up();
    story.muc().freezes();
    story.milliseconds_pass(500);
    assert_eq!(joins(&story, &tybalt), 2, "he asks");
    let account = tybalt.account();
    story.muc().renames(&account, "Tybalt", "Third");
    story.settles();
    story.milliseconds_pass(4_000);
    assert!(list.sees().list().contains("JuliC"), "half a list: {}", list.sees().last());
    story.muc_thaws();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Paris", "Tybalt"]);
}
