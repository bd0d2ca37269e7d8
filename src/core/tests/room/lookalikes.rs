//! Names that people would take for one another (NICK-12).

use mucfocus_core::stanza::{MucItem, PresenceKind};

use crate::story::{SipUser, Story};

/// A native occupant comes or goes.
fn native(story: &Story, nickname: &str, comes: bool, item: MucItem) {
    let kind = if comes { PresenceKind::Available } else { PresenceKind::Unavailable };
    story.muc().native(nickname, &kind, item);
    story.settles();
}

fn comes(story: &Story, nickname: &str) {
    native(story, nickname, true, MucItem::default());
}

fn goes(story: &Story, nickname: &str) {
    native(story, nickname, false, MucItem::default());
}

/// The warnings that a user has read.
fn warnings(reader: &SipUser) -> Vec<String> {
    reader.sees().notices.iter().filter(|notice| notice.contains("look alike")).cloned().collect()
}

/// NICK-12: Cyrillic, a digit, case, a pair of letters, Cherokee, Armenian.
#[test]
fn everybody_is_warned_once_of_a_name_that_looks_like_anothers() {
    for double in ["R\u{43e}meo", "R0meo", "romeo", "Rorneo", "\u{13a1}omeo", "Rome\u{585}"] {
        let (story, romeo) = Story::with_romeo();
        let tybalt = story.sip_user("Tybalt");
        tybalt.dials();
        for _ in 0..3 {
            comes(&story, double);
            story.in_the_room(double, "trust me");
            goes(&story, double);
        }
        for reader in [&romeo, &tybalt] {
            let [warning] = warnings(reader).try_into().unwrap_or_else(|all| panic!("{double:?}: {all:?}"));
            assert!(warning.contains(&format!("{double}, who")) && warning.contains("not Romeo"), "{warning}");
        }
        story.everybody_leaves();
    }
}

/// NICK-12: of names that nobody would mistake nobody is warned, nor of those who were here first.
#[test]
fn nobody_is_warned_of_other_names() {
    let story = Story::begins();
    for here in ["Nurse", "Nurs\u{435}"] {
        comes(&story, here);
    }
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    for name in ["Romeo 2", "Omeo", "\u{420}\u{43e}\u{43c}\u{435}\u{43e}", "JuliC 2", "\u{5d0}\u{5d1}"] {
        comes(&story, name);
    }
    assert_eq!(warnings(&romeo), [""; 0]);
    story.everybody_leaves();
}

/// NICK-12: who comes with a second client is no other, where the room shows who is who.
#[test]
fn who_is_the_same_is_no_double() {
    for (id, warned) in [("n1", 0), ("n2", 1)] {
        let story = Story::begins();
        story.muc().gives_occupant_ids = true;
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        let item = |id: &str| MucItem { occupant_id: Some(id.into()), ..MucItem::default() };
        native(&story, "Nurse", true, item("n1"));
        native(&story, "nurse", true, item(id));
        assert_eq!(warnings(&romeo).len(), warned, "{id}");
        story.everybody_leaves();
    }
}

/// NICK-12: whoever floods a room with such names gets three of them told, and one a minute after that.
#[test]
fn warnings_are_few() {
    let (story, romeo) = Story::with_romeo();
    let os = ["o", "\u{43e}", "\u{3bf}", "0", "\u{585}"];
    let doubles: Vec<String> = os.iter().flat_map(|a| os.map(|b| format!("R{a}m\u{435}{b}"))).collect();
    for double in &doubles {
        comes(&story, double);
    }
    let first = warnings(&romeo).len();
    assert!((1..=3).contains(&first), "{first}");
    for double in &doubles {
        goes(&story, double);
    }
    for round in 0..5 {
        story.seconds_pass(61);
        for double in &doubles {
            comes(&story, double);
            goes(&story, double);
        }
        assert!(warnings(&romeo).len() <= first + 1 + round, "{:?}", warnings(&romeo).len());
    }
    assert!(warnings(&romeo).len() > first);
    story.everybody_leaves();
}

/// NICK-12, NICK-03: a SIP user never gets such a name, by asking for it or by what he is called at home.
#[test]
fn a_sip_user_gets_no_name_that_looks_like_anothers() {
    for (name, double) in [("JuliC", "Ju1iC"), ("JuliC", "\u{408}uliC"), ("Bob", "B\u{43e}b")] {
        let (story, romeo) = Story::with_romeo();
        if name != "JuliC" {
            comes(&story, name);
        }
        let request = romeo.wants_to_be(double);
        romeo.gets_response(&request, 425);
        romeo.is_called("Romeo");
        let request = romeo.wants_to_be(&format!("{double} Montague"));
        romeo.gets_response(&request, 200);
        story.everybody_leaves();
    }
    let (story, _romeo) = Story::with_romeo();
    let other = story.sip_user("R0meo");
    other.dials();
    other.is_called("R0meo 2");
    story.everybody_leaves();
}
