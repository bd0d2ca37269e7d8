//! What a list of the room shows: GC-PRES-05 to -14, GC-SUBJ-01, CI-01 to CI-18.

use mucfocus_rig::{SOON, World, on_both_servers};

use crate::{BINARY, Stage};

/// GC-PRES-05, -06, -07, -10, -11, CI-10, CI-17.
#[on_both_servers]
async fn everybody_is_listed_and_so_is_the_watcher() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    let roster = list.shows(&["Juliet", "Romeo"]).await;
    let romeo = &roster.users["Romeo"];
    assert_eq!((romeo.entity.as_str(), romeo.display.as_str()), ("sip:capulet@rooms.test;gr=Romeo", "Romeo"));
    assert_eq!((romeo.roles.as_slice(), romeo.media.as_str()), (["participant".to_owned()].as_slice(), "sendrecv"));
    assert!(roster.users["Juliet"].roles.contains(&"moderator".to_owned()), "{roster:?}");
    assert_eq!((roster.active, roster.locked), (Some(true), Some(false)));
}

/// GC-PRES-12, -13.
#[on_both_servers]
async fn who_comes_and_goes_is_shown() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    let benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    let tybalt = stage.joined_by("tybalt").await;
    list.shows(&["Benvolio", "Juliet", "Romeo", "Tybalt"]).await;
    benvolio.leave(&stage.muc, "Benvolio");
    tybalt.leaves().await;
    list.shows(&["Juliet", "Romeo"]).await;
}

/// GC-PRES-14: in one document.
#[on_both_servers]
async fn who_takes_another_name_is_never_there_twice_or_not_at_all() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.juliet.send(format!("<presence to='{}/JuliC'/>", stage.muc));
    list.shows(&["JuliC", "Romeo"]).await;
    for document in list.documents() {
        let is_shown = |name| document.contains(&format!("xcon:nickname='{name}'"));
        assert_eq!(is_shown("JuliC"), !is_shown("Juliet"), "{document}");
        let takes_over = is_shown("JuliC") && document.contains("<users state='partial'>");
        assert_eq!(document.contains("gr=Juliet' state='deleted'"), takes_over, "{document}");
    }
}

/// GC-PRES-09, CI-17.
#[on_both_servers]
async fn a_role_that_changes_is_shown() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.juliet.configure(&stage.muc, &[("moderatedroom", "1")]).await;
    stage.juliet.role(&stage.muc, "Romeo", "visitor").await;
    let roster = list.until("an observer", |r| r.users["Romeo"].roles == ["observer"]).await;
    assert_eq!(roster.users["Romeo"].media, "recvonly");
    stage.juliet.role(&stage.muc, "Romeo", "moderator").await;
    let roster = list.until("a moderator", |r| r.users["Romeo"].roles.contains(&"moderator".into())).await;
    assert_eq!(roster.users["Romeo"].media, "sendrecv");
}

/// GC-SUBJ-01: in the list and not in the chat.
#[on_both_servers]
async fn a_new_subject_is_in_the_list_and_not_in_the_chat() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage
        .juliet
        .send(format!("<message type='groupchat' to='{}'><subject>Feuds &amp; more</subject></message>", stage.muc));
    list.until("the subject", |r| r.subject.as_deref() == Some("Feuds & more")).await;
    stage.juliet.say(&stage.muc, "have you seen?");
    stage.romeo.hears("have you seen?").await;
    assert_eq!(stage.romeo.msrp.texts(), ["have you seen?"]);
}

/// GC-SUBJ-01: also when it was set before anybody watched.
#[on_both_servers]
async fn the_subject_of_before_is_in_the_first_list() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.send(format!("<message type='groupchat' to='{muc}'><subject>Feuds</subject></message>"));
    juliet.expect("the subject", |e| e.own("subject").is_some_and(|s| s.text == "Feuds")).await;
    let romeo = world.chatter("capulet", "romeo").await;
    let list = romeo.watches().await;
    let roster = list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(roster.subject.as_deref(), Some("Feuds"));
}

/// CI-26.
#[on_both_servers]
async fn a_name_full_of_markup_is_shown_as_it_is() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    let odd = "<\"&'> ]]> \u{4e2d}";
    let benvolio = stage.world.xmpp("benvolio").await;
    benvolio.join(&stage.muc, odd).await;
    let roster = list.shows(&["Juliet", "Romeo", odd]).await;
    assert_eq!(roster.users[odd].display, odd);
}

/// GC-PRES-08: the first one in is a moderator, whose stream sees every JID; nobody else is shown them.
#[on_both_servers]
async fn jids_that_the_room_hides_are_hidden_though_the_first_one_moderates() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    // Romeo makes the room, so that he owns it, and his stream is the one that the room is seen by.
    let romeo = world.chatter("capulet", "romeo").await;
    let tybalt = world.chatter("capulet", "tybalt").await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    assert_eq!(juliet.sees(&muc, "Tybalt").await.jid, None, "the room hides JIDs");
    for list in [romeo.watches().await, tybalt.watches().await] {
        let roster = list.shows(&["Juliet", "Romeo", "Tybalt"]).await;
        assert!(roster.users.values().all(|u| u.aors.is_empty()), "{roster:?}");
        assert!(!list.documents().concat().contains("xmpp.test/"), "{:?}", list.documents());
    }
}

/// GC-PRES-08: who may know is told by the room, then by us.
#[on_both_servers]
async fn a_room_that_hides_nothing_shows_jids_and_one_that_begins_to_hide_does_not() {
    let stage = Stage::set().await;
    stage.juliet.configure(&stage.muc, &[("whois", "anyone")]).await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    let is_shown = |r: &mucfocus_rig::roster::Roster| {
        r.users.get("Juliet").is_some_and(|u| u.aors.iter().any(|a| a.starts_with("xmpp:juliet@xmpp.test")))
    };
    list.until("Juliet's JID", is_shown).await;
    stage.juliet.configure(&stage.muc, &[("whois", "moderators")]).await;
    list.until("no JIDs", |r| r.users.values().all(|u| u.aors.is_empty())).await;
}

/// CI-15.
#[on_both_servers]
async fn a_room_for_members_only_is_shown_as_locked() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&muc, &[("membersonly", "1")]).await;
    juliet.affiliate(&muc, "romeo@xmpp.test", "member").await;
    let romeo = world.chatter("capulet", "romeo").await;
    juliet.sees(&muc, "Romeo").await;
    romeo.watches().await.until("locked", |r| r.locked == Some(true)).await;
}

/// GC-PRES-02, -16: what happened while nobody watched is in the next list.
#[on_both_servers]
async fn what_happens_while_nobody_watches_is_in_the_next_list() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(list.refresh(0).await.code(), Some(200));
    assert_eq!(list.ended(SOON).await, "terminated;reason=timeout", "EV-07");
    let _benvolio = stage.world.xmpp_in("capulet", "benvolio").await;
    let again = stage.romeo.watches().await;
    again.shows(&["Benvolio", "Juliet", "Romeo"]).await;
}
