//! What a SIP user hears of the room: what is live, once, in order (XM-05, XM-11; design: history is a phase).

use mucfocus_core::stanza::Stanza;

use crate::story::Story;

#[test]
fn history_is_not_shown() {
    let story = Story::begins();
    story.muc().history = vec![("JuliC".into(), "long ago".into()), ("Nurse".into(), "madam!".into())];
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.has_heard(&[]);
    story.in_the_room("JuliC", "now");
    romeo.has_heard(&[("JuliC", "now")]);
    story.everybody_leaves();
}

/// The first message without a delay ends the history where no subject ever comes.
#[test]
fn a_room_without_a_subject_is_heard_all_the_same() {
    let story = Story::begins();
    story.muc().sends_subject = false;
    story.muc().history = vec![("JuliC".into(), "long ago".into())];
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    story.in_the_room("JuliC", "now");
    romeo.has_heard(&[("JuliC", "now")]);
    story.everybody_leaves();
}

/// ejabberd passes an occupant's own `<delay/>` on: after the history it means nothing.
#[test]
fn a_forged_delay_hides_no_message() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let mut message = story.muc().message("JuliC", Some("d".into()), "psst, not old at all");
    message.delay = Some(mucfocus_core::stanza::Delay { stamp: None });
    story.muc().said.push(("JuliC".into(), "psst, not old at all".into()));
    story.muc().outbox.push_back((account, Stanza::Message(message)));
    story.settles();
    romeo.has_heard(&[("JuliC", "psst, not old at all")]);
    story.everybody_leaves();
}

#[test]
fn a_change_of_subject_is_not_a_message() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let mut message = story.muc().message("JuliC", None, "");
    (message.body, message.subject) = (None, Some("Orchard".into()));
    story.muc().outbox.push_back((account, Stanza::Message(message)));
    story.settles();
    romeo.has_heard(&[]);
    story.everybody_leaves();
}

#[test]
fn what_the_room_itself_says_comes_from_the_room() {
    let (story, romeo) = Story::with_romeo();
    let (account, room) = (romeo.account(), story.muc().room.clone());
    let mut message = story.muc().message("x", None, "This room is not anonymous");
    message.from = room.into();
    story.muc().outbox.push_back((account, Stanza::Message(message)));
    story.settles();
    romeo.has_heard(&[("", "This room is not anonymous")]);
    story.everybody_leaves();
}

/// Guarantee 3: the order of the room is everybody's, also for two SIP users who speak at the same time.
#[test]
fn two_sip_users_hear_the_order_of_the_room() {
    let (story, romeo) = Story::with_romeo();
    let juliet = story.sip_user("Juliet");
    juliet.dials();
    romeo.sends("", &romeo.cpim("first"));
    juliet.sends("", &juliet.cpim("second"));
    story.settles();
    story.in_the_room("JuliC", "third");
    romeo.has_heard(&[("Juliet", "second"), ("JuliC", "third")]);
    juliet.has_heard(&[("Romeo", "first"), ("JuliC", "third")]);
    story.everybody_leaves();
}

/// GC-MSG-10: markup, quotes and line ends in a nickname or a text stay what they are.
#[test]
fn a_strange_nickname_and_a_strange_text_arrive_as_they_are() {
    let (story, romeo) = Story::with_romeo();
    let nick = "J\"u<l>;gr=\\C é";
    story.muc().occupants.insert(nick.into(), None);
    let text = "-------t\r\nMSRP x SEND\r\n<&> \u{1F339}";
    story.in_the_room(nick, text);
    romeo.has_heard(&[(nick, text)]);
    story.everybody_leaves();
}

/// Each membership hears its own copy; what they send on is one message. What is said twice is two.
#[test]
fn a_message_is_rendered_once_for_all_who_hear_it() {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let ids = || (romeo.sees().last_message.clone(), tybalt.sees().last_message.clone());
    let long = "long ".repeat(2000);
    let mut seen = Vec::new();
    // A long one is kept only as long as somebody has it to send.
    (romeo.client().responds, tybalt.client().responds) = (false, false);
    for text in ["Peace", "Peace", &long, &long] {
        story.in_the_room("JuliC", text);
        let (his, the_others) = ids();
        assert_eq!(his, the_others, "{text:.10}");
        assert!(!seen.contains(&his), "{text:.10}");
        seen.push(his);
    }
    assert_eq!(romeo.sees().heard.len(), 4);
    assert_eq!(tybalt.sees().heard.len(), 4);
    story.everybody_leaves();
}
