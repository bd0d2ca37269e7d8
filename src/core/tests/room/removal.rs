//! Removed by the MUC: the call ends with a BYE that says why (GC-EXIT-05, XM-06).

use mucfocus_core::conference::{Notification, Reason, SubscriptionState};
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::io::{EndCause, Trace};
use mucfocus_core::stanza::{Condition, Destroy, ErrorKind, MucItem, MucUser, OutStanza, PresenceKind, StanzaError};

use crate::muc::error;
use crate::story::{SipUser, Story};

fn removed(muc: MucUser) -> (Story, SipUser) {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    (story, romeo)
}

fn codes(codes: &[u16]) -> MucUser {
    MucUser { codes: codes.to_vec(), ..MucUser::default() }
}

#[test]
fn every_way_to_be_removed_has_its_cause_and_its_words() {
    for (code, cause, words) in [
        (307, 403, "removed from the room by a moderator"),
        (301, 403, "banned from the room by a moderator"),
        (321, 403, "no longer a member"),
        (322, 403, "members only"),
        (332, 503, "shutting down"),
    ] {
        for own in [vec![110, code], vec![code]] {
            let (story, romeo) = removed(codes(&own));
            romeo.gets_bye(cause, words);
            romeo.is_not_in_the_room();
            let ended = Trace::Ended { cause: EndCause::ByRoom, why: romeo.sees().bye.clone().unwrap().1 };
            assert!(romeo.sees().traces.contains(&ended));
            story.everybody_leaves();
        }
    }
}

/// FT-07: only a ban, and once for all devices of one user.
#[test]
fn whoever_knows_callers_hears_of_a_ban() {
    for (code, is_ban) in [(301, true), (307, false), (321, false), (332, false)] {
        let (story, phone) = Story::with_romeo();
        let tablet = story.sip_user("Romeo");
        tablet.dials();
        let account = phone.account();
        story.muc().removes(&account, "Romeo", codes(&[110, code]));
        story.settles();
        assert_eq!((phone.sees().is_banned, tablet.sees().is_banned), (is_ban, false), "{code}");
        story.everybody_leaves();
    }
}

/// A ban while the new room of a caller waits for its configuration.
#[test]
fn nor_is_it_missed_before_the_call_is_answered() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().create = true;
    (story.muc().exists, story.muc().configuration_is_slow) = (false, true);
    romeo.dials();
    romeo.is_still_waiting();
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", codes(&[110, 301]));
    story.settles();
    romeo.is_refused_with(403);
    assert!(romeo.sees().is_banned);
}

#[test]
fn a_kick_says_who_and_why() {
    let item = MucItem { actor: Some("Tybalt".into()), reason: Some("Avaunt\r\nVia: x".into()), ..MucItem::default() };
    let (story, romeo) = removed(MucUser { codes: vec![110, 307], item: Some(item), destroy: None, decline: None });
    romeo.gets_bye(403, "removed from the room by Tybalt: Avaunt");
    assert!(!romeo.sees().bye.as_ref().unwrap().1.chars().any(char::is_control));
    story.everybody_leaves();
}

#[test]
fn a_destroyed_room_says_where_to_go() {
    for (alternate, cause, words) in
        [(Some("orchard@muc.example.net"), 301, "go to orchard@muc.example.net"), (None, 410, "destroyed")]
    {
        let alternate = alternate.map(|room| room.parse().unwrap());
        let destroy = Destroy { alternate, reason: Some("plague".into()) };
        let (story, romeo) = Story::with_romeo();
        let (list, account) = (romeo.watches(), romeo.account());
        let destroyed = MucUser { codes: vec![110], item: None, destroy: Some(destroy), decline: None };
        story.muc().removes(&account, "Romeo", destroyed);
        story.settles();
        romeo.gets_bye(cause, words);
        romeo.gets_bye(cause, "plague");
        let Some(Notification { state: SubscriptionState::Terminated { reason, cause: told, text, .. }, .. }) =
            list.sees().told.last().cloned()
        else {
            panic!("{:?}", list.sees().told)
        };
        assert_eq!((reason, told, text), (Reason::Noresource, Some(cause), romeo.sees().bye.clone().map(|bye| bye.1)));
        story.everybody_leaves();
    }
}

/// Status 333, which beats 307: back in, and nobody notices. What is under way is still answered.
#[test]
fn after_a_technical_removal_romeo_is_back_without_noticing() {
    for code in [vec![110, 333], vec![110, 307, 333], vec![110]] {
        let (story, romeo) = removed(codes(&code));
        assert_eq!(romeo.sees().bye, None);
        romeo.is_called("Romeo");
        let send = romeo.says("I was never away");
        romeo.gets_response(&send, 200);
        story.in_the_room("JuliC", "Indeed");
        romeo.has_heard(&[("JuliC", "Indeed")]);
        story.seconds_pass(60);
        assert_eq!(romeo.sees().bye, None);
        story.everybody_leaves();
    }
}

/// The history after the way back in is not shown, for it was heard before.
#[test]
fn the_way_back_in_shows_nothing_twice() {
    let (story, romeo) = Story::with_romeo();
    story.in_the_room("JuliC", "Heard once");
    story.muc().history = vec![("JuliC".into(), "Heard once".into())];
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", codes(&[110, 333]));
    story.settles();
    romeo.is_called("Romeo");
    romeo.has_heard(&[("JuliC", "Heard once")]);
    story.everybody_leaves();
}

/// GC-EXIT-05, ERR-01: what the room says to who wants back in is why he is out, whatever had put him out.
#[test]
fn a_way_back_in_that_is_refused_ends_the_call_as_it_is_refused() {
    use Condition::{
        Forbidden, ItemNotFound, NotAuthorized, RegistrationRequired, RemoteServerNotFound, ServiceUnavailable,
    };
    for (condition, kind, cause, words, reason) in [
        (Forbidden, ErrorKind::Auth, 403, "You are banned from this room", Reason::Rejected),
        (RegistrationRequired, ErrorKind::Auth, 403, "for members only", Reason::Rejected),
        (NotAuthorized, ErrorKind::Auth, 403, "password", Reason::Rejected),
        (ServiceUnavailable, ErrorKind::Wait, 480, "not available", Reason::Probation),
        (RemoteServerNotFound, ErrorKind::Cancel, 404, "cannot be found", Reason::Probation),
        (ItemNotFound, ErrorKind::Cancel, 404, "no such room", Reason::Noresource),
    ] {
        for loses_stream in [false, true] {
            let (story, romeo) = Story::with_romeo();
            let (list, account) = (romeo.watches_within_the_call(), romeo.account());
            story.muc().refuses_joins = Some(error(condition, kind));
            if loses_stream {
                romeo.loses_stream(StreamEnd::Lost("reset".into()));
            } else {
                story.muc().removes(&account, "Romeo", codes(&[110, 333]));
            }
            story.settles();
            story.seconds_pass(3);
            romeo.gets_bye(cause, "not let back into the room");
            romeo.gets_bye(cause, words);
            assert_eq!(list.sees().ended(), Some(reason), "{condition:?}");
            story.everybody_leaves();
        }
    }
}

/// In the room's own words, where it has any.
#[test]
fn and_in_the_words_of_the_room() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let text = Some("Banished!".into());
    story.muc().refuses_joins = Some(StanzaError { text, ..error(Condition::Forbidden, ErrorKind::Auth) });
    story.muc().removes(&account, "Romeo", codes(&[110, 333]));
    story.settles();
    romeo.gets_bye(403, "Banished!");
    story.everybody_leaves();
}

/// The room is gone when the stream is back, and may not be made anew.
#[test]
fn a_room_that_is_gone_when_the_stream_is_back_ends_the_call_as_that() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches_within_the_call();
    story.muc().exists = false;
    romeo.loses_stream(StreamEnd::Lost("reset".into()));
    story.seconds_pass(3);
    romeo.gets_bye(404, "no such room");
    assert_eq!(list.sees().ended(), Some(Reason::Noresource));
    story.everybody_leaves();
}

/// The room answers the way back in after the call was ended: nobody may be left behind.
#[test]
fn a_way_back_in_that_takes_too_long_ends_the_call_and_is_withdrawn() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", codes(&[110, 333]));
    story.muc().freezes();
    story.settles();
    let send = romeo.says("Is this thing on?");
    story.seconds_pass(14);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.gets_bye(503, "technical reason");
    romeo.gets_response(&send, 408);
    story.muc_thaws();
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// The room is destroyed while the join on the way back in travels towards it.
#[test]
fn a_removal_that_crosses_the_way_back_in_leaves_nobody_behind() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().present(&account, "Romeo", PresenceKind::Unavailable, codes(&[110, 333]));
    story.muc().present(&account, "Romeo", PresenceKind::Available, codes(&[110]));
    let destroy = MucUser { codes: vec![110], item: None, destroy: Some(Destroy::default()), decline: None };
    story.muc().present(&account, "Romeo", PresenceKind::Unavailable, destroy);
    story.settles();
    romeo.gets_bye(410, "destroyed");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// GC-MSG-06: the room has forgotten us without a word: back in, and nobody notices.
#[test]
fn who_is_no_occupant_any_more_comes_back_in() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().loses(&account);
    let sends = [romeo.sends("", &romeo.cpim("one")), romeo.sends("", &romeo.cpim("two"))];
    story.settles();
    for send in &sends {
        romeo.gets_response(send, 200);
    }
    let said: Vec<String> = story.muc().said.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(said, ["one", "two"], "the room had taken neither");
    romeo.is_called("Romeo");
    let joins = story.muc().log.iter().filter(|(_, s)| matches!(s, OutStanza::Join { .. })).count();
    assert_eq!(joins, 2, "once more and not for every message");
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// What a room says to who is no occupant, and the status that it comes to.
const FOR_STRANGERS: [(Condition, ErrorKind, u16); 2] =
    [(Condition::NotAcceptable, ErrorKind::Modify, 415), (Condition::ItemNotFound, ErrorKind::Cancel, 404)];

/// GC-MSG-06, ERR-09: the room says so while it has us. It is entered once more, and after that it is a refusal.
#[test]
fn a_room_that_refuses_an_occupant_as_if_he_were_none_is_believed_once() {
    for (condition, kind, code) in FOR_STRANGERS {
        let (story, romeo) = Story::with_romeo();
        story.seconds_pass(60);
        story.muc().log.clear();
        story.muc().refuses_messages = Some(error(condition, kind));
        let send = romeo.says("one");
        romeo.gets_response(&send, code);
        let account = romeo.account();
        assert_eq!((joins(&story), story.muc().ids_from(&account).len()), (1, 2), "{condition:?}");
        for text in ["two", "three", "four"] {
            let send = romeo.says(text);
            romeo.gets_response(&send, code);
            story.seconds_pass(40);
        }
        assert_eq!((joins(&story), story.muc().ids_from(&account).len()), (1, 5), "{condition:?}");
        let subject = romeo.sends("", &romeo.cpim("").replace("DateTime", "Subject: The feast\r\nDateTime"));
        let whisper = romeo.whispers_to("JuliC", "to you alone");
        romeo.gets_response(&subject, code);
        romeo.gets_response(&whisper, 200);
        assert!(romeo.sees().notices.is_empty(), "nothing was missed: {:?}", romeo.sees().notices);
        story.muc().refuses_messages = None;
        let send = romeo.says("six");
        romeo.gets_response(&send, 200);
        romeo.has_all_credit();
        story.everybody_leaves();
    }
}

/// Several messages that are refused one after the other are not as many losses of the room, and what it takes between them changes
/// nothing about that.
#[test]
fn nor_is_what_a_room_takes_between_two_refusals_a_reason_to_leave_it_again() {
    let (story, romeo) = Story::with_romeo();
    story.seconds_pass(60);
    story.muc().log.clear();
    for n in 0..5 {
        story.muc().refuses_messages = Some(error(Condition::NotAcceptable, ErrorKind::Modify));
        let send = romeo.says(&format!("refused {n}"));
        romeo.gets_response(&send, 415);
        story.muc().refuses_messages = None;
        let send = romeo.says(&format!("taken {n}"));
        romeo.gets_response(&send, 200);
        story.seconds_pass(2);
    }
    assert_eq!(joins(&story), 1);
    assert!(romeo.sees().notices.is_empty(), "{:?}", romeo.sees().notices);
    story.everybody_leaves();
}

/// Who was once refused so and is really lost later comes back all the same.
#[test]
fn a_room_that_has_refused_so_and_loses_us_later_is_entered_again() {
    for takes_between in [true, false] {
        let (story, romeo) = Story::with_romeo();
        let account = romeo.account();
        story.muc().refuses_messages = Some(error(Condition::NotAcceptable, ErrorKind::Modify));
        let send = romeo.says("refused");
        romeo.gets_response(&send, 415);
        story.muc().refuses_messages = None;
        if takes_between {
            let send = romeo.says("taken");
            romeo.gets_response(&send, 200);
        }
        story.seconds_pass(60);
        story.muc().forgets(&account);
        let send = romeo.says("are you there?");
        romeo.gets_response(&send, if takes_between { 200 } else { 415 });
        romeo.is_called("Romeo");
        let send = romeo.says("here you are");
        romeo.gets_response(&send, 200);
        story.everybody_leaves();
    }
}

/// Status 303: the nickname was changed for us; we go on under the new one, also when we come back in.
#[test]
fn a_nickname_that_the_room_changed_stays_changed() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let item = MucItem { nick: Some("Montague".into()), ..MucItem::default() };
    let rename = MucUser { codes: vec![110, 303], item: Some(item), destroy: None, decline: None };
    {
        let mut muc = story.muc();
        muc.present(&account, "Romeo", PresenceKind::Unavailable, rename);
        muc.occupants.remove("Romeo");
        muc.occupants.insert("Montague".into(), Some(account.clone()));
        muc.present(&account, "Montague", PresenceKind::Available, codes(&[110]));
    }
    story.settles();
    let send = romeo.says("What's in a name?");
    romeo.gets_response(&send, 200);
    romeo.has_heard(&[]);
    story.muc().removes(&account, "Montague", codes(&[110, 333]));
    story.settles();
    romeo.is_called("Montague");
    romeo.hangs_up();
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// Presence of others, of the room itself, and of our former nickname is nothing to us.
#[test]
fn the_leaving_of_others_ends_nothing() {
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().present(&account, "JuliC", PresenceKind::Unavailable, codes(&[307]));
    story.settles();
    assert_eq!(romeo.sees().bye, None);
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

/// The room lets Romeo in and puts him out again without saying why, and goes on so.
fn thrown_out_for_ever() -> (Story, SipUser) {
    let (story, romeo) = Story::with_romeo();
    story.seconds_pass(60);
    story.muc().log.clear();
    let account = romeo.account();
    story.muc().throws_out = Some(account.clone());
    story.muc().removes(&account, "Romeo", MucUser::default());
    story.settles();
    (story, romeo)
}

fn joins(story: &Story) -> usize {
    story.muc().log.iter().filter(|(_, stanza)| matches!(stanza, OutStanza::Join { .. })).count()
}

#[test]
fn a_room_that_lets_in_and_throws_out_at_once_is_entered_less_and_less_often() {
    let (story, romeo) = thrown_out_for_ever();
    assert_eq!(joins(&story), 1, "the first time it may have meant his former self");
    let after = |seconds| {
        let before = joins(&story);
        story.seconds_pass(seconds);
        joins(&story) - before
    };
    let (early, late) = (after(10), after(100));
    assert!((3..=6).contains(&early) && (3..=7).contains(&late), "{early} and {late} times");
    assert_eq!(romeo.sees().bye, None);
    story.everybody_leaves();
}

/// As where the server is out of reach for as long.
#[test]
fn and_in_the_end_the_call_ends() {
    let (story, romeo) = thrown_out_for_ever();
    story.seconds_pass(115);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(40);
    romeo.gets_bye(503, "technical reason");
    romeo.is_not_in_the_room();
    let before = joins(&story);
    story.seconds_pass(120);
    assert_eq!(joins(&story), before);
    story.everybody_leaves();
}

#[test]
fn who_is_let_stay_at_last_is_back_and_forgets_it() {
    let (story, romeo) = thrown_out_for_ever();
    let list = romeo.watches();
    story.seconds_pass(20);
    let send = romeo.says("Let me in!");
    romeo.gets_no_response(&send);
    story.muc().throws_out = None;
    story.seconds_pass(20);
    romeo.is_called("Romeo");
    romeo.gets_response(&send, 200);
    story.in_the_room("JuliC", "At last");
    romeo.has_heard(&[("JuliC", "At last")]);
    story.seconds_pass(60);
    list.shows(&["JuliC", "Romeo"]);
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", codes(&[110, 333]));
    story.settles();
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

/// While one of two is kept out, the list is made from what the other sees.
#[test]
fn who_is_kept_out_for_a_while_is_not_who_the_list_is_made_from() {
    let (story, romeo) = Story::with_romeo();
    let benvolio = story.sip_user("Benvolio");
    benvolio.dials();
    let list = benvolio.watches();
    story.seconds_pass(60);
    let account = romeo.account();
    story.muc().throws_out = Some(account.clone());
    story.muc().removes(&account, "Romeo", codes(&[110, 333]));
    story.settles();
    story.seconds_pass(10);
    story.muc().native("Tybalt", &PresenceKind::Available, MucItem::default());
    story.settles();
    story.seconds_pass(3);
    list.shows(&["Benvolio", "JuliC", "Tybalt"]);
    story.muc().throws_out = None;
    story.seconds_pass(40);
    list.shows(&["Benvolio", "JuliC", "Romeo", "Tybalt"]);
    story.everybody_leaves();
}
