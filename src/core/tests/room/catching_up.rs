//! What was said while somebody was out of the room by no fault of his (FT-02, XM-04).

use mucfocus_core::room::io::Trace;
use mucfocus_core::stanza::{Asks, OutStanza};

use crate::record::Lie;
use crate::story::{SipUser, Story};

/// A room with Romeo in it, which remembers what was said.
fn that_remembers(how: impl FnOnce(&mut crate::muc::Muc)) -> (Story, SipUser) {
    let story = Story::begins();
    how(&mut story.muc());
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_answered();
    story.in_the_room("JuliC", "before");
    (story, romeo)
}

fn with_an_archive() -> (Story, SipUser) {
    that_remembers(|muc| (muc.gives_ids, muc.record.has_archive) = (true, true))
}

fn with_a_history() -> (Story, SipUser) {
    that_remembers(|muc| muc.record.history = 20)
}

/// His stream breaks for good, although he does not know that yet.
fn goes_away(romeo: &SipUser) {
    romeo.stream_is_suspended();
    let account = romeo.account();
    romeo.story.muc().loses(&account);
    romeo.story.seconds_pass(1);
}

fn reads(romeo: &SipUser) -> Vec<String> {
    romeo.sees().read_in_order.iter().map(|(_, text)| text.clone()).collect()
}

fn was_warned(romeo: &SipUser) -> bool {
    romeo.sees().notices.iter().any(|notice| notice.contains("may have missed"))
}

/// How often the archive was asked.
fn queries(story: &Story) -> usize {
    story.muc().log.iter().filter(|(_, stanza)| matches!(stanza, OutStanza::Archive { .. })).count()
}

#[test]
fn what_was_said_meanwhile_is_told_once_in_its_order_with_its_time() {
    // XM-04
    for (story, romeo) in [with_an_archive(), with_a_history()] {
        goes_away(&romeo);
        for n in 1..=3 {
            story.in_the_room("JuliC", &format!("meanwhile {n}"));
            story.seconds_pass(1);
        }
        romeo.stream_is_reset();
        story.in_the_room("JuliC", "after");
        assert_eq!(reads(&romeo), ["before", "meanwhile 1", "meanwhile 2", "meanwhile 3", "after"]);
        let earlier = romeo.sees().earlier.clone();
        assert_eq!(earlier.len(), 3, "FT-02: told as what was said earlier");
        assert!(earlier[0].2 < earlier[1].2 && earlier[1].2 < earlier[2].2, "{earlier:?}");
        assert!(!was_warned(&romeo), "nothing is missing");
        let is_it = |trace: &Trace| matches!(trace, Trace::CaughtUp { count: 3, is_whole: true, .. });
        assert!(romeo.sees().traces.iter().any(is_it), "{:?}", romeo.sees().traces);
        story.everybody_leaves();
    }
}

#[test]
fn a_room_that_remembers_nothing_makes_him_hear_that_once() {
    let (story, romeo) = that_remembers(|_| {});
    for _ in 0..2 {
        goes_away(&romeo);
        story.in_the_room("JuliC", "meanwhile");
        romeo.stream_is_reset();
    }
    assert_eq!(reads(&romeo), ["before"]);
    assert_eq!(romeo.sees().notices.iter().filter(|notice| notice.contains("may have missed")).count(), 2, "each time");
    story.everybody_leaves();
}

/// Design §4.2: found, it is acknowledged, and never said twice.
#[test]
fn what_he_had_said_and_the_room_has_is_acknowledged() {
    for (story, romeo) in [with_an_archive(), with_a_history()] {
        story.muc().stalls = Some(romeo.account());
        let send = romeo.says("did you hear that?");
        romeo.gets_no_response(&send);
        goes_away(&romeo);
        story.muc().stalls = None;
        romeo.stream_is_reset();
        romeo.gets_response(&send, 200);
        assert_eq!(story.muc().said.iter().filter(|(_, text)| text == "did you hear that?").count(), 1);
        story.everybody_leaves();
    }
}

/// Design §4.2: provably absent, it is said once more, in front of what was said later.
#[test]
fn what_he_had_said_and_the_room_has_not_is_said_once_more_under_its_id() {
    for (story, romeo) in [with_an_archive(), with_a_history()] {
        story.muc().loses_messages = true;
        let first = romeo.says("did you hear that?");
        goes_away(&romeo);
        story.muc().loses_messages = false;
        let second = romeo.says("and this?");
        romeo.stream_is_reset();
        romeo.gets_response(&first, 200);
        romeo.gets_response(&second, 200);
        let said: Vec<String> = story.muc().said.iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(said, ["before", "did you hear that?", "and this?"]);
        let account = romeo.account();
        let ids = story.muc().ids_from(&account);
        assert_eq!((ids.len(), &ids[0]), (3, &ids[1]), "the same id");
        story.everybody_leaves();
    }
}

/// Design §4.2: nothing is posted twice on a guess.
#[test]
fn what_nobody_knows_of_is_408() {
    let (story, romeo) = that_remembers(|_| {});
    story.muc().loses_messages = true;
    let send = romeo.says("did you hear that?");
    goes_away(&romeo);
    story.muc().loses_messages = false;
    romeo.stream_is_reset();
    story.seconds_pass(26);
    romeo.gets_response(&send, 408);
    assert_eq!(story.muc().said.len(), 1);
    story.everybody_leaves();
}

/// XEP-0198 §5: the server itself says that it has never got there.
#[test]
fn what_the_server_has_not_handled_is_said_once_more_even_where_nobody_remembers() {
    let (story, romeo) = that_remembers(|_| {});
    story.muc().loses_messages = true;
    let public = romeo.says("did you hear that?");
    let whisper = romeo.whispers_to("JuliC", "and you?");
    let account = romeo.account();
    let whispered = story.muc().whispered.len();
    let taken = story.muc().ids_from(&account);
    goes_away(&romeo);
    story.muc().loses_messages = false;
    romeo.stream_is_reset_without(&taken);
    romeo.gets_response(&public, 200);
    romeo.gets_response(&whisper, 200);
    let said: Vec<String> = story.muc().said.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(said, ["before", "did you hear that?"]);
    assert_eq!(story.muc().whispered.len(), whispered, "which the room had");
    assert_eq!(story.muc().ids_from(&account), [taken.clone(), taken].concat());
    story.everybody_leaves();
}

/// FT-02: that one of three is known to have got nowhere, and two are only not found, changes nothing in their order.
#[test]
fn what_is_said_once_more_is_said_in_the_order_in_which_it_was_said() {
    for known in 0..3 {
        let (story, romeo) = with_an_archive();
        story.muc().loses_messages = true;
        let account = romeo.account();
        let before = story.muc().ids_from(&account).len();
        let sends: Vec<String> = ["one", "two", "three"].map(|text| romeo.says(text)).into();
        let unhandled = story.muc().ids_from(&account)[before + known].clone();
        goes_away(&romeo);
        let late = romeo.says("four");
        story.muc().loses_messages = false;
        romeo.stream_is_reset_without(&[unhandled]);
        for send in sends.iter().chain([&late]) {
            romeo.gets_response(send, 200);
        }
        let said: Vec<String> = story.muc().said.iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(said[said.len() - 4..], ["one", "two", "three", "four"], "{known} was known");
        story.everybody_leaves();
    }
}

/// Design §4.2: what was missed once may have had it, however much is known of what came later.
#[test]
fn a_gap_that_was_left_is_not_taken_for_silence_after_the_next_break() {
    let (story, romeo) = with_an_archive();
    story.muc().stalls = Some(romeo.account());
    let send = romeo.says("did you hear that?");
    goes_away(&romeo);
    story.muc().stalls = None;
    story.muc().record.lies = Some(Lie::Mute);
    romeo.stream_is_reset();
    story.seconds_pass(11);
    story.muc().record.lies = None;
    story.in_the_room("JuliC", "later");
    goes_away(&romeo);
    romeo.stream_is_reset();
    story.seconds_pass(20);
    romeo.gets_response(&send, 408);
    assert_eq!(story.muc().said.iter().filter(|(_, text)| text == "did you hear that?").count(), 1);
    story.everybody_leaves();
}

#[test]
fn somebody_who_says_the_same_twice_is_heard_twice() {
    let (story, romeo) = with_a_history();
    story.in_the_room("JuliC", "yes");
    goes_away(&romeo);
    story.in_the_room("JuliC", "yes");
    romeo.stream_is_reset();
    assert_eq!(reads(&romeo), ["before", "yes", "yes"]);
    story.everybody_leaves();
}

#[test]
fn what_was_said_long_before_is_not_told_again() {
    let (story, romeo) = with_a_history();
    for n in 0..30 {
        story.in_the_room("JuliC", &format!("line {n}"));
    }
    story.seconds_pass(3600);
    goes_away(&romeo);
    story.in_the_room("JuliC", "meanwhile");
    romeo.stream_is_reset();
    assert_eq!(romeo.sees().earlier.len(), 1);
    assert!(!was_warned(&romeo));
    story.everybody_leaves();
}

/// More than a history holds: what is in between is lost, and he hears of it.
#[test]
fn a_history_that_does_not_reach_back_is_told_and_said_to_have_a_gap() {
    let (story, romeo) = with_a_history();
    goes_away(&romeo);
    (0..25).for_each(|n| story.in_the_room("JuliC", &format!("line {n}")));
    romeo.stream_is_reset();
    assert_eq!(romeo.sees().earlier.len(), 20);
    assert!(was_warned(&romeo));
    story.everybody_leaves();
}

#[test]
fn an_archive_is_read_page_by_page_and_not_for_ever() {
    for (said, told, pages) in [(120, 120, 3), (300, 200, 4)] {
        let (story, romeo) = with_an_archive();
        goes_away(&romeo);
        (0..said).for_each(|n| story.in_the_room("JuliC", &format!("line {n}")));
        romeo.stream_is_reset();
        story.in_the_room("JuliC", "after");
        assert_eq!(romeo.sees().earlier.len(), told);
        assert_eq!(reads(&romeo).last().unwrap(), "after");
        assert_eq!(queries(&story), pages);
        assert_eq!(was_warned(&romeo), said > told);
        story.everybody_leaves();
    }
}

/// Octets are bounded as well.
#[test]
fn very_long_messages_are_not_all_kept_for_him() {
    let (story, romeo) = with_an_archive();
    goes_away(&romeo);
    (0..10).for_each(|n| story.in_the_room("JuliC", &format!("{n}{}", "x".repeat(60_000))));
    romeo.stream_is_reset();
    assert_eq!(romeo.sees().earlier.len(), 4);
    assert!(was_warned(&romeo));
    assert_eq!(romeo.sees().bye, None);
    story.everybody_leaves();
}

#[test]
fn an_archive_that_has_begun_anew_tells_what_it_has() {
    let (story, romeo) = with_an_archive();
    goes_away(&romeo);
    story.in_the_room("JuliC", "lost");
    story.muc().record.is_lost();
    story.in_the_room("JuliC", "found");
    romeo.stream_is_reset();
    assert_eq!(reads(&romeo), ["before", "found"]);
    assert!(was_warned(&romeo));
    story.everybody_leaves();
}

/// XM-11: an archive that lies, or never ends, or never answers, costs a notice and nothing else.
#[test]
fn an_archive_that_misleads_harms_nobody() {
    for lie in [Lie::Endless, Lie::Mute, Lie::Empty, Lie::AnotherQuery, Lie::AnotherSender, Lie::AnotherRoom] {
        let (story, romeo) = with_an_archive();
        goes_away(&romeo);
        story.in_the_room("JuliC", "meanwhile");
        story.muc().record.lies = Some(lie);
        romeo.stream_is_reset();
        story.in_the_room("JuliC", "live");
        let send = romeo.says("I am back");
        story.seconds_pass(15);
        romeo.gets_response(&send, 200);
        let (read, told) = (reads(&romeo), romeo.sees().earlier.len());
        assert_eq!(read.last().unwrap(), "live", "{lie:?}: {read:?}");
        assert!(told <= 1, "{lie:?}: {read:?}");
        assert!(queries(&story) <= 4, "{lie:?}");
        let is_harmless = matches!(lie, Lie::AnotherQuery | Lie::AnotherSender | Lie::AnotherRoom);
        assert!(was_warned(&romeo) || is_harmless, "{lie:?}");
        assert_eq!(romeo.sees().bye, None);
        story.everybody_leaves();
    }
}

/// Whoever breaks again in the middle of it is told the rest later.
#[test]
fn a_second_break_in_the_middle_loses_nothing() {
    let (story, romeo) = with_an_archive();
    goes_away(&romeo);
    story.in_the_room("JuliC", "first");
    story.muc().record.lies = Some(Lie::Mute);
    romeo.stream_is_reset();
    story.in_the_room("JuliC", "second");
    assert_eq!(reads(&romeo), ["before"], "it waits behind what is older");
    goes_away(&romeo);
    story.muc().record.lies = None;
    romeo.stream_is_reset();
    assert_eq!(reads(&romeo), ["before", "first", "second"]);
    story.everybody_leaves();
}

/// A room that has put him out for a moment (XM-06) is caught up with in the same way.
#[test]
fn a_moment_outside_is_made_up_for() {
    let (story, romeo) = with_an_archive();
    let account = romeo.account();
    story.muc().occupants.remove("Romeo");
    story.in_the_room("JuliC", "meanwhile");
    let muc = mucfocus_core::stanza::MucUser { codes: vec![110, 333], ..Default::default() };
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    assert_eq!(reads(&romeo), ["before", "meanwhile"]);
    story.everybody_leaves();
}

/// XM-17: nobody waits any more for what becomes of it.
#[test]
fn nobody_is_told_what_becomes_of_what_was_said_meanwhile() {
    let (story, romeo) = with_an_archive();
    goes_away(&romeo);
    let mut message = story.muc().message("JuliC", Some("m1".into()), "tell me");
    message.asks = Asks { received: true, displayed: true };
    let wall = story.muc().wall;
    story.muc().said.push(("JuliC".into(), "tell me".into()));
    story.muc().record.keeps(wall, message);
    romeo.stream_is_reset();
    assert_eq!(reads(&romeo), ["before", "tell me"]);
    story.seconds_pass(5);
    assert!(story.muc().receipts.is_empty());
    let asked = romeo.sees().tracked.iter().any(|(text, tracking)| text == "tell me" && tracking.asks.anything());
    assert!(!asked, "nor is he asked");
    story.everybody_leaves();
}

/// He had to ask more than once to be let back in, and the first answer came when he had asked for the last time.
#[test]
fn history_that_comes_once_more_when_he_is_through_with_it_is_not_told_again() {
    let (story, romeo) = with_a_history();
    goes_away(&romeo);
    story.in_the_room("JuliC", "meanwhile");
    romeo.stream_is_reset();
    romeo.says("mine");
    story.in_the_room("JuliC", "after");
    let account = romeo.account();
    story.muc().tells_history(&account);
    story.settles();
    assert_eq!(reads(&romeo), ["before", "meanwhile", "after"]);
    story.everybody_leaves();
}

#[test]
fn what_an_archive_has_lost_is_heard_before_what_it_has_of_what_was_said_later() {
    let (story, romeo) = with_an_archive();
    goes_away(&romeo);
    story.muc().freezes_at_queries = true;
    romeo.stream_is_reset();
    story.in_the_room("JuliC", "live 1");
    story.muc().record.is_lost();
    story.in_the_room("JuliC", "live 2");
    story.muc_thaws();
    assert_eq!(reads(&romeo), ["before", "live 1", "live 2"]);
    story.everybody_leaves();
}
