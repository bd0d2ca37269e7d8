//! Who is in the room, as its subscribers are shown (GC-PRES).

use std::time::Duration;

use mucfocus_core::conference::{Reason, SubscriptionId};
use mucfocus_core::room::io::{Drain, Input};
use mucfocus_core::stanza::{Affiliation, MucItem, MucUser, PresenceKind, Role};

use crate::story::Story;

fn refreshed(subscription: SubscriptionId, seconds: u64) -> Input {
    Input::Refreshed { subscription, expires: Duration::from_secs(seconds), interval: None }
}

fn item(role: Role) -> MucItem {
    MucItem { role: Some(role), affiliation: Some(Affiliation::None), ..MucItem::default() }
}

#[test]
fn the_first_document_has_everybody_and_himself() {
    // GC-PRES-02, GC-PRES-11
    let (_story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    list.shows(&["JuliC", "Romeo"]);
    assert_eq!(list.documents(), 1);
}

#[test]
fn who_watches_before_he_is_in_sees_nothing_and_then_everything() {
    // GC-PRES-04, EV-17
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    let list = romeo.watches();
    list.shows(&[]);
    assert_eq!(list.documents(), 1);
    assert!(!list.sees().last().contains("JuliC") && !list.sees().last().contains("Verona"));
    romeo.dials();
    list.shows(&["JuliC", "Romeo"]);
    let second = list.sees().documents[1].clone();
    assert!(second.contains("JuliC") && second.contains("Romeo"), "everybody at once: {second}");
}

#[test]
fn who_is_not_in_the_room_is_shown_nobody() {
    // EV-17
    let (story, _romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    let list = tybalt.watches();
    list.shows(&[]);
    assert!(!list.sees().last().contains("Verona"), "{}", list.sees().last());
    story.seconds_pass(30);
    assert_eq!(list.documents(), 1);
}

#[test]
fn while_the_room_is_slow_nobody_is_shown_half_of_it() {
    // GC-PRES-03, GC-PRES-04
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    story.muc().freezes();
    romeo.dials();
    let list = romeo.watches();
    list.shows(&[]);
    story.muc_thaws();
    list.shows(&["JuliC", "Romeo"]);
    let second = list.sees().documents[1].clone();
    assert!(second.contains("JuliC") && second.contains("Romeo"), "everybody at once: {second}");
}

#[test]
fn comings_and_goings_and_the_subject_are_shown() {
    // GC-PRES-06, GC-PRES-09, GC-SUBJ-01
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.muc().native("Benvolio", &PresenceKind::Available, item(Role::Visitor));
    story.settles();
    story.seconds_pass(6);
    list.shows(&["Benvolio", "JuliC", "Romeo"]);
    assert!(list.sees().last().contains("<entry>observer</entry>"), "{}", list.sees().last());
    story.muc().native("JuliC", &PresenceKind::Unavailable, item(Role::None));
    let mut subject = story.muc().message("Benvolio", None, "");
    (subject.body, subject.subject) = (None, Some("Today & tomorrow".into()));
    story.muc().broadcast(&subject);
    story.settles();
    story.seconds_pass(6);
    list.shows(&["Benvolio", "Romeo"]);
    assert!(list.sees().last().contains("<subject>Today &amp; tomorrow</subject>"), "{}", list.sees().last());
    romeo.has_heard(&[]);
}

#[test]
fn where_the_rule_says_so_everybody_is_told_the_whole_each_time() {
    // CI-08
    let (story, romeo) = Story::with_romeo();
    story.world().whole_roster = true;
    let list = romeo.watches();
    story.muc().native("JuliC", &PresenceKind::Unavailable, item(Role::None));
    story.settles();
    story.seconds_pass(6);
    list.shows(&["Romeo"]);
    assert_eq!(list.documents(), 2, "nobody is shown as leaving");
    assert!(list.sees().documents.iter().all(|document| document.contains(" state='full' ")));
}

#[test]
fn presence_without_a_change_is_no_news() {
    // XM-08
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.seconds_pass(6);
    for _ in 0..5 {
        story.muc().native("JuliC", &PresenceKind::Available, MucItem::default());
        story.settles();
        story.seconds_pass(6);
    }
    assert_eq!(list.documents(), 1);
}

#[test]
fn one_view_serves_all_and_another_takes_over_when_it_ends() {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let list = tybalt.watches();
    list.shows(&["JuliC", "Romeo", "Tybalt"]);
    // Romeo's stream was the observer's.
    romeo.hangs_up();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Tybalt"]);
    story.muc().native("Nurse", &PresenceKind::Available, item(Role::Participant));
    story.settles();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Nurse", "Tybalt"]);
    let deleted = "gr=JuliC' state='deleted'";
    assert!(list.sees().documents.iter().all(|d| !d.contains(deleted)), "nobody vanished meanwhile");
    let whole = list.sees().documents.iter().filter(|d| d.contains(" state='full' ")).count();
    assert_eq!(whole, 1, "who takes over tells what is new, and not everything");
    tybalt.hangs_up();
    story.everybody_leaves();
}

#[test]
fn who_takes_over_asks_what_the_room_is_like_now() {
    // CI-15, GC-PRES-16: the one who looked may have been put out by the change.
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let list = tybalt.watches();
    assert!(list.sees().last().contains("<locked>false</locked>"));
    story.muc().is_members_only = true;
    romeo.hangs_up();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Tybalt"]);
    assert!(list.sees().last().contains("<locked>true</locked>"), "{}", list.sees().last());
}

#[test]
fn real_jids_are_shown_where_the_room_shows_them_to_all_and_nowhere_else() {
    // GC-PRES-08
    for shows in [false, true] {
        let story = Story::begins();
        story.muc().shows_jids = shows;
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        let list = romeo.watches();
        let jid = Some(jid::Jid::new("benvolio@example.net/phone").unwrap());
        // A moderator's copy of a presence names everybody, whatever the room is.
        story.muc().native("Benvolio", &PresenceKind::Available, MucItem { jid, ..item(Role::Participant) });
        story.settles();
        story.seconds_pass(6);
        list.shows(&["Benvolio", "JuliC", "Romeo"]);
        let document = list.sees().last().to_string();
        assert_eq!(document.contains("benvolio@example.net"), shows, "{document}");
    }
}

/// Prosody says so to those who come in, and not to those who ask again.
#[test]
fn who_takes_over_goes_on_showing_the_jids_that_the_room_shows() {
    // GC-PRES-08
    let story = Story::begins();
    story.muc().shows_jids = true;
    let (romeo, tybalt) = (story.sip_user("Romeo"), story.sip_user("Tybalt"));
    romeo.dials();
    tybalt.dials();
    let list = tybalt.watches();
    story.muc().shows_jids = false;
    romeo.hangs_up();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Tybalt"]);
    let jid = Some(jid::Jid::new("benvolio@example.net/phone").unwrap());
    story.muc().native("Benvolio", &PresenceKind::Available, MucItem { jid, ..item(Role::Participant) });
    story.settles();
    story.seconds_pass(6);
    list.shows(&["Benvolio", "JuliC", "Tybalt"]);
    assert!(list.sees().last().contains("benvolio@example.net"), "{}", list.sees().last());
}

#[test]
fn a_room_that_hides_jids_again_is_believed_at_once() {
    // GC-PRES-08, FT-11
    let story = Story::begins();
    story.muc().shows_jids = true;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let list = romeo.watches();
    let jid = Some(jid::Jid::new("benvolio@example.net/phone").unwrap());
    story.muc().native("Benvolio", &PresenceKind::Available, MucItem { jid, ..item(Role::Participant) });
    story.settles();
    story.seconds_pass(6);
    assert!(list.sees().last().contains("benvolio@example.net"));
    let mut change = story.muc().message("x", None, "");
    change.from = story.muc().room.clone().into();
    (change.body, change.muc) = (None, Some(MucUser { codes: vec![104, 173], ..MucUser::default() }));
    story.muc().broadcast(&change);
    story.settles();
    story.seconds_pass(6);
    assert!(!list.sees().last().contains("benvolio@example.net"), "{}", list.sees().last());
    assert!(romeo.sees().notices.iter().any(|notice| notice.contains("only moderators")), "{:?}", romeo.sees().notices);
}

#[test]
fn who_leaves_has_nothing_to_watch_any_more() {
    // GC-EXIT-03, EV-15
    let (story, romeo) = Story::with_romeo();
    let (own, within) = (romeo.watches(), romeo.watches_within_the_call());
    romeo.hangs_up();
    for list in [own, within] {
        assert_eq!(list.sees().ended(), Some(Reason::Noresource));
        assert!(list.sees().is_gone);
    }
    assert!(story.world().room.is_deserted());
}

#[test]
fn who_is_kicked_has_nothing_to_watch_any_more() {
    // GC-EXIT-05, EV-12
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    let muc = MucUser { codes: vec![110, 307], item: Some(MucItem::default()), ..MucUser::default() };
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    romeo.gets_bye(403, "removed");
    assert_eq!(list.sees().ended(), Some(Reason::Rejected));
}

#[test]
fn the_end_of_the_process_and_a_drain_end_every_subscription_with_their_reason() {
    // EV-12: who has to wait is told so, and who can go to another node at once.
    for (why, reason) in [(Drain::GoingDown, Reason::Probation), (Drain::OutOfService, Reason::Deactivated)] {
        let (story, romeo) = Story::with_romeo();
        let tybalt = story.sip_user("Tybalt");
        let lists = [romeo.watches(), tybalt.watches()];
        story.world().feed(Input::Drain(why));
        story.settles();
        for list in lists {
            assert_eq!(list.sees().ended(), Some(reason));
        }
        assert!(story.world().room.is_deserted());
    }
}

#[test]
fn a_fetch_is_one_document_and_an_end() {
    // EV-08
    let (_story, romeo) = Story::with_romeo();
    let list = romeo.watches_for(0, None);
    list.shows(&["JuliC", "Romeo"]);
    assert_eq!((list.documents(), list.sees().ended()), (1, Some(Reason::Timeout)));
}

#[test]
fn a_refresh_gets_the_whole_list_and_without_one_it_ends() {
    // CI-07, EV-09
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.seconds_pass(300);
    list.input(|id| refreshed(id, 600));
    assert_eq!(list.documents(), 2);
    list.shows(&["JuliC", "Romeo"]);
    story.seconds_pass(599);
    assert_eq!(list.sees().ended(), None);
    story.seconds_pass(2);
    assert_eq!(list.sees().ended(), Some(Reason::Timeout));
}

#[test]
fn what_changes_while_nobody_watches_is_not_missed() {
    // GC-PRES-16
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    list.input(|id| refreshed(id, 0));
    assert_eq!(list.sees().ended(), Some(Reason::Timeout));
    story.muc().native("Benvolio", &PresenceKind::Available, item(Role::Participant));
    story.settles();
    romeo.watches().shows(&["Benvolio", "JuliC", "Romeo"]);
}

#[test]
fn who_is_hidden_from_the_observer_is_found_when_he_speaks() {
    // One account's blocking list is not the truth for all.
    let story = Story::begins();
    let mallory = story.sip_user("Mallory");
    let account = mallory.account();
    story.muc().blocks = Some((account, "Benvolio".into()));
    mallory.dials();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let list = romeo.watches();
    story.muc().native("Benvolio", &PresenceKind::Available, item(Role::Participant));
    story.settles();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Mallory", "Romeo"]);
    story.in_the_room("Benvolio", "I am here");
    story.seconds_pass(8);
    list.shows(&["Benvolio", "JuliC", "Mallory", "Romeo"]);
}

#[test]
fn nobody_observes_for_ever() {
    let story = Story::begins();
    let mallory = story.sip_user("Mallory");
    let account = mallory.account();
    story.muc().blocks = Some((account, "JuliC".into()));
    mallory.dials();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let list = romeo.watches();
    list.shows(&["Mallory", "Romeo"]);
    story.seconds_pass(301);
    list.shows(&["JuliC", "Mallory", "Romeo"]);
}
