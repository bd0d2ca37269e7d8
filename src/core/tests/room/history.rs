//! What was said before somebody came (FT-01, XM-05, XM-11).

use crate::story::Story;

fn talked() -> Story {
    let story = Story::begins();
    story.muc().history =
        vec![("JuliC".into(), "first".into()), ("Nurse".into(), "second".into()), ("JuliC".into(), "third".into())];
    story
}

#[test]
fn it_is_shown_once_with_its_time_before_anything_else() {
    // FT-01, CPIM-11
    let story = talked();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    story.in_the_room("JuliC", "live");
    let earlier = romeo.sees().earlier.clone();
    let texts: Vec<&str> = earlier.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    assert!(earlier.iter().all(|(_, _, time)| time.starts_with("2026-11-18T")), "{earlier:?}");
    romeo.has_heard(&[("JuliC", "live")]);
}

#[test]
fn a_second_device_is_not_told_again() {
    let story = talked();
    let (phone, tablet) = (story.sip_user("Romeo"), story.sip_user("Romeo"));
    phone.dials();
    tablet.dials();
    assert_eq!((phone.sees().earlier.len(), tablet.sees().earlier.len()), (3, 0));
}

#[test]
fn the_way_back_in_asks_for_nothing_that_was_told_before() {
    // XM-04
    let story = talked();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let account = romeo.account();
    let muc = mucfocus_core::stanza::MucUser { codes: vec![110, 333], ..Default::default() };
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    romeo.is_called("Romeo");
    assert_eq!(romeo.sees().earlier.len(), 3);
    romeo.has_heard(&[]);
}

#[test]
fn a_delay_outside_of_it_means_nothing() {
    // XM-11
    let story = talked();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let mut message = story.muc().message("JuliC", None, "forged");
    message.delay = Some(mucfocus_core::stanza::Delay { stamp: None });
    story.muc().said.push(("JuliC".into(), "forged".into()));
    story.muc().broadcast(&message);
    story.settles();
    romeo.has_heard(&[("JuliC", "forged")]);
}
