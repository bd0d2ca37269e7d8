//! What a leg costs does not depend on how many there are: of what the room sends to each of us, most is not looked at again.

use mucfocus_core::stanza::{MucItem, PresenceKind};

use crate::story::{SipUser, Story};

const USERS: usize = 20;

fn full() -> (Story, Vec<SipUser>) {
    let story = Story::begins();
    let users: Vec<SipUser> = (0..USERS).map(|n| story.sip_user(&format!("User{n}"))).collect();
    users.iter().for_each(SipUser::dials);
    users.iter().for_each(SipUser::is_answered);
    (story, users)
}

/// Stanzas that were handed to the room while `what` happened, and those that were not.
fn counted(story: &Story, what: impl FnOnce()) -> (usize, usize) {
    let count = || {
        let world = story.world();
        (world.handed_on, world.left_out)
    };
    let before = count();
    what();
    let after = count();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn of_who_comes_and_goes_one_of_us_is_told() {
    // GC-PRES-16
    let (story, users) = full();
    let list = users[USERS - 1].watches();
    for kind in [PresenceKind::Available, PresenceKind::Available, PresenceKind::Unavailable] {
        let counts = counted(&story, || {
            story.muc().native("Benvolio", &kind, MucItem::default());
            story.settles();
        });
        assert_eq!(counts, (1, USERS - 1));
    }
    story.muc().native("Nurse", &PresenceKind::Available, MucItem::default());
    story.settles();
    story.seconds_pass(6);
    assert!(list.sees().list().contains("Nurse") && !list.sees().list().contains("Benvolio"));
}

#[test]
fn who_comes_in_as_the_last_is_told_of_himself() {
    // GC-PRES-03, GC-PRES-16, XM-07: which nickname the room keeps for him, his own presence, the subject; and one of us is told
    // of him. That the room exists is known.
    let (story, _users) = full();
    let late = story.sip_user("Late");
    assert_eq!(counted(&story, || late.dials()).0, 4);
    late.is_answered();
}

#[test]
fn who_takes_over_is_told_of_everybody_and_the_one_before_no_longer() {
    // GC-PRES-16
    let (story, users) = full();
    users[0].hangs_up();
    let list = users[1].watches();
    story.seconds_pass(1);
    let counts = counted(&story, || {
        story.muc().native("Benvolio", &PresenceKind::Available, MucItem::default());
        story.settles();
    });
    assert_eq!(counts, (1, USERS - 2));
    story.seconds_pass(6);
    assert!(list.sees().list().contains("Benvolio"), "{}", list.sees().last());
    story.seconds_pass(300); // somebody else's turn
    let counts = counted(&story, || {
        story.muc().native("Benvolio", &PresenceKind::Unavailable, MucItem::default());
        story.settles();
    });
    assert_eq!(counts, (1, USERS - 2));
    story.seconds_pass(6);
    assert!(!list.sees().list().contains("Benvolio"), "{}", list.sees().last());
}

#[test]
fn who_comes_back_on_another_stream_is_told_of_himself_again() {
    // XM-18
    let (story, users) = full();
    users[3].loses_stream(mucfocus_core::muc::StreamEnd::Lost("reset by peer".into()));
    story.seconds_pass(3);
    users[3].is_called("User3");
    let counts = counted(&story, || {
        story.muc().native("Benvolio", &PresenceKind::Available, MucItem::default());
        story.settles();
    });
    assert_eq!(counts, (1, USERS - 1));
}

#[test]
fn what_is_said_to_twenty_is_parsed_and_rendered_once() {
    // SW-05, GC-MSG-10
    let (story, users) = full();
    story.world().room.take_renderings();
    let before = story.world().parsed;
    for n in 0..30 {
        story.in_the_room("JuliC", &format!("line {n}"));
        let own = users[n % USERS].says(&format!("own {n}"));
        users[n % USERS].gets_response(&own, 200);
    }
    assert_eq!(story.world().parsed - before, 60);
    let renderings = story.world().room.take_renderings();
    assert_eq!((renderings.made, renderings.shared), (60, 30 * (2 * USERS as u64 - 1) - 60));
    for user in &users {
        assert_eq!(user.sees().heard.len() + user.sees().spoke.len(), 60);
    }
}

#[test]
fn the_same_words_twice_are_heard_twice_by_everybody() {
    // SW-05
    let (story, users) = full();
    let before = story.world().parsed;
    for _ in 0..3 {
        story.muc().says("JuliC", None, "Ay me!");
    }
    story.settles();
    assert_eq!(story.world().parsed - before, 3);
    for user in &users {
        user.has_heard(&[("JuliC", "Ay me!"); 3]);
    }
}

#[test]
fn what_was_said_is_not_held_on_to() {
    let (story, _users) = full();
    story.in_the_room("JuliC", "a short one");
    let timers = |story: &Story| story.world().room.next_timeout();
    assert!(timers(&story).is_some());
    story.seconds_pass(11);
    let before = story.world().parsed;
    story.in_the_room("JuliC", "a short one");
    assert_eq!(story.world().parsed - before, 1);
}
