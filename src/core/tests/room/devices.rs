//! Several devices of one user share his place (GC-JOIN-17).

use std::time::Duration;

use crate::story::{SipUser, Story};

fn with_two_devices() -> (Story, SipUser, SipUser) {
    let (story, phone) = Story::with_romeo();
    let tablet = story.sip_user("Romeo");
    tablet.dials();
    tablet.is_answered();
    (story, phone, tablet)
}

#[test]
fn both_hear_everything_and_the_room_sees_one() {
    // GC-JOIN-17, GC-MSG-11
    let (story, phone, tablet) = with_two_devices();
    assert_eq!(story.muc().occupants.len(), 2);
    story.in_the_room("JuliC", "both of you");
    phone.has_heard(&[("JuliC", "both of you")]);
    tablet.has_heard(&[("JuliC", "both of you")]);
}

#[test]
fn what_one_device_says_the_other_one_shows() {
    // GC-MSG-03, FT-33
    let (_story, phone, tablet) = with_two_devices();
    let request = phone.says("from the phone");
    phone.gets_response(&request, 200);
    tablet.has_heard(&[("Romeo", "from the phone")]);
    phone.has_heard(&[]);
}

#[test]
fn the_last_words_of_one_device_are_shown_on_the_one_that_stays() {
    // FT-33: the room takes its time
    let (story, phone, tablet) = with_two_devices();
    story.muc().freezes();
    phone.says("last words");
    phone.hangs_up();
    story.muc_thaws();
    tablet.has_heard(&[("Romeo", "last words")]);
    tablet.hangs_up();
    story.everybody_leaves();
}

#[test]
fn the_place_is_left_with_the_last_device() {
    let (story, phone, tablet) = with_two_devices();
    phone.hangs_up();
    tablet.is_called("Romeo");
    story.in_the_room("JuliC", "still there?");
    tablet.has_heard(&[("JuliC", "still there?")]);
    tablet.hangs_up();
    tablet.is_not_in_the_room();
    story.everybody_leaves();
}

#[test]
fn a_device_that_dials_while_the_other_is_on_its_way_enters_with_it() {
    let story = Story::begins();
    let (phone, tablet) = (story.sip_user("Romeo"), story.sip_user("Romeo"));
    story.muc().freezes();
    phone.dials();
    tablet.dials();
    phone.cancels();
    tablet.is_still_waiting();
    story.muc_thaws();
    tablet.is_answered();
    tablet.is_called("Romeo");
}

#[test]
fn a_private_message_rings_where_it_can_be_shown() {
    // SW-17
    let (story, phone, tablet) = with_two_devices();
    let watch = story.sip_user("Romeo");
    watch.client().offers_instead.push((" private-messages", String::new()));
    watch.dials();
    let account = phone.account();
    story.muc().whispers(&account, "JuliC", None, "psst");
    story.settles();
    for device in [phone, tablet] {
        assert_eq!(device.sees().whispered, [("JuliC".to_string(), "psst".to_string())]);
    }
    assert!(watch.sees().whispered.is_empty());
}

#[test]
fn a_nickname_is_that_of_all_his_devices() {
    // E-33
    let (_story, phone, tablet) = with_two_devices();
    let request = tablet.wants_to_be("montecchi");
    tablet.gets_response(&request, 200);
    phone.is_called("montecchi");
}

/// How often something is said that comes under this Message-ID twice on one session and once on another, each time wrapped anew.
fn said_of_three(message_id: &str) -> usize {
    let (story, phone, tablet) = with_two_devices();
    for (device, second) in [(&phone, 0), (&phone, 1), (&tablet, 2)] {
        let cpim = device.cpim("yes").replace("T09:30:00Z", &format!("T09:30:0{second}Z"));
        let length = cpim.len();
        let headers =
            format!("Message-ID: {message_id}\r\nByte-Range: 1-{length}/{length}\r\nContent-Type: message/cpim\r\n");
        let transaction = device.writes("SEND", &headers, Some(&cpim), '$');
        story.settles();
        device.gets_response(&transaction, 200);
    }
    story.muc().said.len()
}

#[test]
fn a_message_that_is_wrapped_anew_when_it_comes_again_is_said_once() {
    // GC-MSG-13, E-12
    assert_eq!(said_of_three("aX4-21f9"), 1);
}

#[test]
fn the_first_message_of_two_sessions_of_a_client_that_counts_is_two() {
    // E-12: their Message-ID is 1, and what they say may be the same.
    assert_eq!(said_of_three("1"), 2);
}

#[test]
fn a_message_that_comes_again_on_a_new_session_is_said_once() {
    // GC-MSG-13, E-12
    let (story, phone, tablet) = with_two_devices();
    let cpim = phone.cpim("only once");
    let send = |device: &SipUser| {
        let length = cpim.len();
        let headers = format!("Message-ID: same\r\nByte-Range: 1-{length}/{length}\r\nContent-Type: message/cpim\r\n");
        let transaction = device.writes("SEND", &headers, Some(&cpim), '$');
        story.settles();
        transaction
    };
    story.muc().freezes();
    let (first, second) = (send(&phone), send(&tablet));
    phone.gets_no_response(&first);
    tablet.gets_no_response(&second);
    story.muc_thaws();
    phone.gets_response(&first, 200);
    tablet.gets_response(&second, 200);
    let third = send(&phone);
    phone.gets_response(&third, 200);
    assert_eq!(story.muc().said.len(), 1);
    story.world().pass(Duration::from_secs(601));
    send(&phone);
    assert_eq!(story.muc().said.len(), 2, "after ten minutes it is another message");
}
