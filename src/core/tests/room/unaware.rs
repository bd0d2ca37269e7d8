//! Clients that do not know what a chat room is.

use crate::story::Story;

#[test]
fn they_are_told_that_it_is_one_and_who_is_in_it() {
    // SW-34, GC-JOIN-03
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().offers_instead.push(("a=chatroom:nickname private-messages\r\n", String::new()));
    romeo.dials();
    romeo.is_answered();
    story.seconds_pass(3);
    let told = romeo.sees().notices.clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("chat room") && told[0].contains("You are Romeo"), "{told:?}");
    assert!(told[1].contains("JuliC"), "{told:?}");

    // Who knows is spared.
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    story.seconds_pass(3);
    assert!(tybalt.sees().notices.is_empty(), "{:?}", tybalt.sees().notices);
}
