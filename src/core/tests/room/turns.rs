//! `limits.messages_per_user`: whoever speaks too fast waits for his turn.

use std::time::Duration;

use mucfocus_core::stanza::OutStanza;

use crate::story::Story;

fn bodies(story: &Story) -> Vec<String> {
    story.muc().said.iter().map(|(_, body)| body.clone()).collect()
}

#[test]
fn messages_wait_for_their_turn_and_keep_their_order() {
    let (story, romeo) = Story::with_romeo();
    let now = story.world().now;
    story.world().turn = Some(now + Duration::from_secs(2));
    let first = romeo.says("one");
    story.world().turn = Some(now + Duration::from_secs(1)); // earlier, and yet after the first
    let second = romeo.says("two");
    story.world().turn = None;
    let third = romeo.says("three");
    romeo.gets_no_response(&first);
    assert!(bodies(&story).is_empty());
    story.milliseconds_pass(1_900);
    assert!(bodies(&story).is_empty());
    story.milliseconds_pass(200);
    assert_eq!(bodies(&story), ["one", "two", "three"]);
    for send in [&first, &second, &third] {
        romeo.gets_response(send, 200);
    }
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn a_turn_that_would_come_too_late_is_408_at_once() {
    let (story, romeo) = Story::with_romeo();
    let now = story.world().now;
    story.world().turn = Some(now + Duration::from_secs(26));
    let send = romeo.says("too much");
    romeo.gets_response(&send, 408);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// Guarantee 1: the sender is told within 30 seconds, also when he waited for his turn first.
#[test]
fn waiting_for_a_turn_gives_the_room_no_more_time() {
    let (story, romeo) = Story::with_romeo();
    let now = story.world().now;
    story.world().turn = Some(now + Duration::from_secs(20));
    let send = romeo.says("one");
    story.muc().freezes();
    story.seconds_pass(24);
    romeo.gets_no_response(&send);
    story.seconds_pass(2);
    romeo.gets_response(&send, 408);
    story.muc_thaws();
    romeo.has_heard(&[]);
    story.everybody_leaves();
}

#[test]
fn who_leaves_loses_his_turn() {
    let (story, romeo) = Story::with_romeo();
    let now = story.world().now;
    story.world().turn = Some(now + Duration::from_secs(2));
    romeo.says("never said");
    romeo.hangs_up();
    story.seconds_pass(5);
    assert!(bodies(&story).is_empty());
    story.everybody_leaves();
}

/// Guarantee 1: messages that waited in front of the room, behind others that it did not confirm, are answered in time too.
#[test]
fn time_spent_in_front_of_the_room_counts() {
    let (story, romeo) = Story::with_romeo();
    story.muc().loses_messages = true;
    story.seconds_pass(60);
    story.world().queued_for = Duration::from_secs(20);
    let late = romeo.says("late");
    story.world().queued_for = Duration::from_secs(25);
    let too_late = romeo.says("too late");
    romeo.gets_response(&too_late, 408);
    romeo.gets_no_response(&late);
    story.seconds_pass(6);
    romeo.gets_response(&late, 408);
    story.seconds_pass(30);
    romeo.has_all_credit();
    let published = story.muc().log.iter().filter(|(_, s)| matches!(s, OutStanza::Groupchat { .. })).count();
    assert_eq!(published, 1, "what is refused is not published");
    story.everybody_leaves();
}
