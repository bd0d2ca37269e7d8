//! Documents in, lines out.

use super::*;

/// Users as `Name`, `Name@TIME` who has dialled in, or `-Name` who is gone.
fn users(names: &[&str]) -> String {
    let one = |name: &&str| {
        if let Some(gone) = name.strip_prefix('-') {
            return format!("<user entity='sip:r@x;gr={}' state='deleted'/>", gone.replace(' ', "%20"));
        }
        let (name, when) = name.split_once('@').map_or((*name, None), |(name, when)| (name, Some(when)));
        let since = when.map(|when| {
            format!("<endpoint entity='e'><joining-method>dialed-in</joining-method><joining-info><when>{when}</when></joining-info></endpoint>")
        });
        let entity = name.replace(' ', "%20");
        format!(
            "<user entity='sip:r@x;gr={entity}'><display-text>{name}</display-text>{}</user>",
            since.unwrap_or_default()
        )
    };
    names.iter().map(one).collect()
}

fn document(state: &str, version: u32, body: &str) -> Update {
    let text = format!(
        "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:r@x' state='{state}' version='{version}'>{body}</conference-info>"
    );
    Update::parse(text.as_bytes()).unwrap()
}

fn full(version: u32, names: &[&str]) -> Update {
    document("full", version, &format!("<users>{}</users>", users(names)))
}

fn partial(version: u32, names: &[&str]) -> Update {
    document("partial", version, &format!("<users state='partial'>{}</users>", users(names)))
}

fn lines(roster: &mut Roster, update: Update) -> Vec<String> {
    let news = roster.take(update);
    assert!(!news.gap);
    news.lines
}

#[test]
fn the_first_list_is_one_line_and_then_joins_and_leaves_are_told() {
    let mut roster = Roster::new("Romeo");
    assert_eq!(lines(&mut roster, full(1, &[])), [""; 0], "the room does not know yet");
    assert_eq!(lines(&mut roster, full(2, &["Juliet", "Romeo@t1", "nurse"])), ["* 3 here: Juliet, nurse, Romeo (you)"]);
    assert_eq!(lines(&mut roster, partial(3, &["Tybalt"])), ["* Tybalt joined"]);
    assert_eq!(lines(&mut roster, partial(4, &["-Tybalt", "-Nobody"])), ["* Tybalt left"]);
    assert_eq!(lines(&mut roster, full(5, &["Juliet", "Romeo@t1"])), ["* nurse left"]);
    assert_eq!(lines(&mut roster, full(6, &["Juliet", "Romeo@t1"])), [""; 0]);
}

/// GC-PRES-13, GC-PRES-15: he is shown once more as he leaves, and is deleted with the next document.
#[test]
fn who_leaves_is_told_of_once_with_what_he_said() {
    let leaving = |name: &str, reason: &str| {
        format!(
            "<user entity='sip:r@x;gr={name}'><display-text>{name}</display-text><endpoint entity='e'><status>disconnected</status>\
             <disconnection-info><reason>Reason: SIP;text=\"{reason}\"</reason></disconnection-info></endpoint></user>"
        )
    };
    let mut roster = Roster::new("Romeo");
    lines(&mut roster, full(1, &["Juliet", "Paris", "Romeo@t1"]));
    let goes = format!("<users state='partial'>{}{}</users>", leaving("Juliet", "Good night"), users(&["Nurse"]));
    let told = lines(&mut roster, document("partial", 2, &goes));
    assert_eq!(told, ["* Nurse joined", "* Juliet left: Good night"], "and nobody has changed his name");
    assert_eq!(roster.list().unwrap(), "* 3 here: Nurse, Paris, Romeo (you)");
    assert_eq!(lines(&mut roster, partial(3, &["-Juliet"])), [""; 0]);
    let goes = format!("<users state='partial'>{}</users>", leaving("Paris", "* you are an administrator"));
    assert_eq!(lines(&mut roster, document("partial", 4, &goes)), ["* Paris left: \"* you are an administrator\""]);
}

/// GC-PRES-14.
#[test]
fn one_who_goes_and_one_who_comes_in_one_document_is_a_change_of_name() {
    let mut roster = Roster::new("Romeo");
    lines(&mut roster, full(1, &["Juliet", "Paris@t0", "Romeo@t1"]));
    assert_eq!(lines(&mut roster, partial(2, &["-Juliet", "JuliC"])), ["* Juliet is now known as JuliC"]);
    let told = lines(&mut roster, partial(3, &["-JuliC", "-Romeo", "Montague@t1", "Nurse"]));
    assert_eq!(told, ["* you are now known as Montague", "* Nurse joined", "* JuliC left"]);
    assert_eq!(roster.me(), Some("Montague"));
    assert_eq!(lines(&mut roster, partial(4, &["-Paris", "Friar"])), ["* Friar joined", "* Paris left"]);
}

/// GC-NICK-06: the name in force is not the one that was asked for.
#[test]
fn we_are_the_last_who_dialled_in_under_our_name_or_a_variant_of_it() {
    let mut roster = Roster::new("Romeo");
    let told = lines(
        &mut roster,
        full(1, &["Romeo", "Romeo 2@2026-11-21T13:00:00Z", "Romeo 3@2026-11-21T13:05:00Z", "Benvolio@t"]),
    );
    assert_eq!(told, ["* 4 here: Benvolio, Romeo, Romeo 2, Romeo 3 (you)"]);
    let mut roster = Roster::new("Romeo");
    roster.is_me("Romeo 2");
    let told = lines(&mut roster, full(1, &["Romeo 2@t1", "Romeo 3@t2"]));
    assert_eq!(told, ["* 2 here: Romeo 2 (you), Romeo 3"], "what the room has said comes first");
}

/// RFC 4575 §4.6.
#[test]
fn a_version_that_was_missed_asks_for_the_whole_and_an_old_one_is_ignored() {
    let mut roster = Roster::new("Romeo");
    assert!(roster.take(partial(1, &["Juliet"])).gap, "there is nothing to add it to");
    lines(&mut roster, full(3, &["Juliet", "Romeo@t"]));
    assert!(roster.take(partial(5, &["Tybalt"])).gap);
    assert_eq!(lines(&mut roster, partial(3, &["-Juliet"])), [""; 0]);
    assert_eq!(lines(&mut roster, full(2, &["Romeo@t"])), [""; 0]);
    roster.restart();
    assert_eq!(lines(&mut roster, full(1, &["Romeo@t"])), ["* Juliet left"]);
}

#[test]
fn the_topic_and_the_state_of_the_room_are_told_when_they_change() {
    let mut roster = Roster::new("Romeo");
    let topic = |version, subject: &str, active: bool| {
        let about = format!("<conference-description><subject>{subject}</subject></conference-description>");
        document("partial", version, &format!("{about}<conference-state><active>{active}</active></conference-state>"))
    };
    lines(&mut roster, full(1, &["Romeo@t"]));
    assert_eq!(lines(&mut roster, topic(2, "Balcony", true)), ["* the topic is: Balcony"]);
    assert_eq!(lines(&mut roster, topic(3, "Balcony", false)), ["* the room cannot be reached"]);
    assert_eq!(roster.subject(), "Balcony");
    assert_eq!(
        lines(&mut roster, topic(4, "", true)),
        ["* there is no topic any more", "* the room can be reached again"]
    );
    assert_eq!(roster.list().unwrap(), "* 1 here: Romeo (you)");
}

#[test]
fn large_rooms_are_counted_and_roles_shown() {
    let mut roster = Roster::new("Romeo");
    let names: Vec<String> = (0..60).map(|n| format!("P{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let body =
        format!("<conference-state><user-count>2500</user-count></conference-state><users>{}</users>", users(&names));
    let told = lines(&mut roster, document("full", 1, &body));
    assert!(told[0].starts_with("* 2500 here: P00, P01") && told[0].ends_with("P49 and 2450 more"), "{told:?}");
    let role = "<users state='partial'><user entity='sip:r@x;gr=P00' state='partial'><roles><entry>moderator</entry></roles></user></users>";
    lines(&mut roster, document("partial", 2, role));
    assert!(roster.list().unwrap().starts_with("* 2500 here: P00 (moderator), P01"));
}

#[test]
fn the_list_says_who_may_not_speak_and_who_moderates_ourselves_included() {
    let mut roster = Roster::new("Romeo");
    let with = |name: &str, role: &str| {
        format!("<user entity='sip:r@x;gr={name}'><roles><entry>{role}</entry></roles></user>")
    };
    roster.is_me("Romeo");
    let all = [
        with("Juliet", "moderator"),
        with("Nurse", "observer"),
        with("Paris", "participant"),
        with("Romeo", "observer"),
    ];
    let told = lines(&mut roster, document("full", 1, &format!("<users>{}</users>", all.concat())));
    assert_eq!(told, ["* 4 here: Juliet (moderator), Nurse (may not speak), Paris, Romeo (you, may not speak)"]);
}

#[test]
fn a_name_that_imitates_a_line_is_told_in_quotation_marks() {
    let mut roster = Roster::new("Romeo");
    let told = lines(&mut roster, full(1, &["* Juliet left", "Nurse, Paris", "Romeo@t"]));
    assert_eq!(told, ["* 3 here: \"* Juliet left\", \"Nurse, Paris\", Romeo (you)"]);
    assert_eq!(lines(&mut roster, partial(2, &["a: b"])), ["* \"a: b\" joined"]);
    assert_eq!(lines(&mut roster, partial(3, &["-a: b", "(you)"])), ["* \"a: b\" is now known as \"(you)\""]);
    assert_eq!(lines(&mut roster, partial(4, &["-(you)"])), ["* \"(you)\" left"]);
    assert_eq!(
        roster.split_name("* Juliet left indeed"),
        Some(("* Juliet left", "indeed")),
        "/msg finds him all the same"
    );
}

#[test]
fn a_name_with_blanks_is_found_by_the_roster_or_by_quotes() {
    let mut roster = Roster::new("Romeo");
    lines(&mut roster, full(1, &["Juliet", "Juliet Capulet"]));
    assert_eq!(roster.split_name("Juliet Capulet come here"), Some(("Juliet Capulet", "come here")));
    assert_eq!(roster.split_name("Juliet  come"), Some(("Juliet", "come")));
    assert_eq!(roster.split_name("Julietta come"), Some(("Julietta", "come")));
    assert_eq!(roster.split_name("\"Friar L\" come"), Some(("Friar L", "come")));
    assert_eq!(roster.split_name("Juliet Capulet"), Some(("Juliet", "Capulet")));
    assert_eq!(roster.split_name("Juliet "), None);
    assert_eq!(roster.split_name(""), None);
}
