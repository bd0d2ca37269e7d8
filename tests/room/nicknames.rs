//! Nicknames over MSRP and XMPP: GC-NICK-01 to -10, NICK-06, SW-28, SW-29.

use std::collections::BTreeSet;

use mucfocus_rig::{Kind, Member, SOON, on_both_servers, until};

use crate::Stage;

/// Who somebody is when he speaks.
async fn is_heard_as(stage: &Stage, member: &Member, nick: &str, words: &str) {
    assert_eq!(member.says(words).await.code(), Some(200));
    let heard = stage.juliet.hears(&stage.muc, words).await;
    assert_eq!(heard.from(), format!("{}/{nick}", stage.muc));
}

/// GC-NICK-01, -02: XMPP users and SIP users see it.
#[on_both_servers]
async fn a_free_nickname_is_given_and_everybody_sees_it() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    assert_eq!(stage.romeo.wants_to_be("montecchi").await, 200);
    assert!(stage.juliet.nicks(&stage.muc).len() >= 2);
    stage.juliet.sees(&stage.muc, "montecchi").await;
    stage.juliet.sees_leave(&stage.muc, "Romeo", SOON).await;
    list.shows(&["Juliet", "Tybalt", "montecchi"]).await;
    is_heard_as(&stage, &stage.romeo, "montecchi", "by another name").await;
    let copy = tybalt.hears("by another name").await;
    assert_eq!(copy.cpim.unwrap().sender(), Some(("montecchi".into(), "sip:capulet@rooms.test;gr=montecchi".into())));
}

/// GC-NICK-03, -05, SW-28.
#[on_both_servers]
async fn a_nickname_that_is_taken_is_425_and_the_old_one_stays() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    assert_eq!(stage.romeo.wants_to_be("Juliet").await, 425);
    is_heard_as(&stage, &stage.romeo, "Romeo", "still me").await;
    list.shows(&["Juliet", "Romeo"]).await;
}

/// GC-NICK-08.
#[on_both_servers]
async fn the_nickname_that_he_has_is_200_and_no_traffic() {
    let stage = Stage::set().await;
    stage.juliet.forget();
    assert_eq!(stage.romeo.wants_to_be("Romeo").await, 200);
    is_heard_as(&stage, &stage.romeo, "Romeo", "none").await;
    assert!(stage.juliet.received().iter().all(|e| e.name != "presence"), "{:?}", stage.juliet.received());
}

/// GC-NICK-10, SW-29.
#[on_both_servers]
async fn a_nickname_given_back_becomes_that_of_the_join() {
    let stage = Stage::set().await;
    assert_eq!(stage.romeo.wants_to_be("montecchi").await, 200);
    assert_eq!(stage.romeo.wants_to_be("").await, 200);
    stage.juliet.sees(&stage.muc, "Romeo").await;
    is_heard_as(&stage, &stage.romeo, "Romeo", "myself again").await;
}

/// NICK-06, GC-NICK-04: what is no nickname is 424 and asks nobody.
#[on_both_servers]
async fn what_is_no_nickname_is_424() {
    let stage = Stage::set().await;
    for bad in ["bell\u{7}", "   ", &"x".repeat(1_024)] {
        assert_eq!(stage.romeo.wants_to_be(bad).await, 424, "{bad:?}");
    }
    is_heard_as(&stage, &stage.romeo, "Romeo", "unchanged").await;
}

/// GC-NICK-04: a visitor of a room where visitors may not rename (ejabberd), a name that the room has locked (Prosody).
#[on_both_servers]
async fn a_change_that_the_room_forbids_leaves_the_old_nickname() {
    let stage = match Kind::current() {
        Kind::Ejabberd => {
            let lines = "allow_visitor_nickchange: false\nmembers_by_default: false\nmoderated: true\n";
            Stage::with(|s| s.ejabberd_rooms = lines.into()).await
        }
        Kind::Prosody => {
            let stage = Stage::set().await;
            let reserve = "nick='Mercutio' jid='mercutio@xmpp.test' affiliation='member'";
            let query = format!("<query xmlns='http://jabber.org/protocol/muc#admin'><item {reserve}/></query>");
            stage.juliet.set(&stage.muc, &query).await;
            stage
        }
    };
    let code = stage.romeo.wants_to_be("Mercutio").await;
    let wanted = if stage.world.server.kind() == Kind::Ejabberd { 403 } else { 425 };
    assert_eq!(code, wanted);
    stage.juliet.sees(&stage.muc, "Romeo").await;
    assert_eq!(stage.juliet.nicks(&stage.muc), ["Juliet", "Romeo"]);
}

/// GC-NICK-03: two ask for one name at once; one gets it.
#[on_both_servers]
async fn of_two_who_want_one_name_one_gets_it() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let (one, two) = tokio::join!(stage.romeo.wants_to_be("prize"), tybalt.wants_to_be("prize"));
    let mut codes = [one, two];
    codes.sort_unstable();
    assert_eq!(codes, [200, 425]);
    let loser = if one == 200 { "Tybalt" } else { "Romeo" };
    let mut wanted = vec!["Juliet", loser, "prize"];
    wanted.sort_unstable();
    until(|| stage.juliet.nicks(&stage.muc) == wanted, SOON, "the winner and the loser").await;
    is_heard_as(&stage, &tybalt, if one == 200 { "Tybalt" } else { "prize" }, "and so it is").await;
}

/// GC-NICK-06, NICK-10: two of one display name.
#[on_both_servers]
async fn a_second_one_of_a_name_gets_another_and_his_list_says_which() {
    let stage = Stage::set().await;
    let named =
        mucfocus_rig::member::Joining { display: Some("Juliet".into()), ..mucfocus_rig::member::Joining::able() };
    let paris = stage.world.member_with("capulet", "paris", named).await;
    until(|| stage.juliet.nicks(&stage.muc).len() == 3, SOON, "three").await;
    let nicks = stage.juliet.nicks(&stage.muc);
    let nicks: Vec<&str> = nicks.iter().map(String::as_str).collect();
    paris.watches().await.shows(&nicks).await;
}

/// GC-NICK-02: the 200 comes when the room has confirmed it.
#[on_both_servers]
async fn the_200_waits_for_the_room() {
    let mut stage = Stage::set().await;
    stage.world.server.freeze();
    let name = vec![("Use-Nickname".to_owned(), "\"montecchi\"".to_owned())];
    let id = stage.romeo.msrp.request("NICKNAME", name, None, '$');
    let early = tokio::time::timeout(std::time::Duration::from_millis(700), stage.romeo.msrp.response(&id)).await;
    assert!(early.is_err(), "before the room has said so");
    stage.world.server.thaw();
    assert_eq!(stage.romeo.msrp.response(&id).await.code(), Some(200));
}

/// GC-NICK-06, NICK-10: many of one name dial at the same time; each is somebody.
#[on_both_servers]
async fn five_of_one_display_name_who_dial_at_once_are_five() {
    let stage = Stage::set().await;
    let same = mucfocus_rig::member::Joining { display: Some("Bob".into()), ..mucfocus_rig::member::Joining::able() };
    let users = ["u0", "u1", "u2", "u3", "u4"];
    let joins = users.map(|user| stage.world.member_with("capulet", user, same.clone()));
    let members = futures_util::future::join_all(joins).await;
    until(|| stage.juliet.nicks(&stage.muc).len() == 7, SOON, "seven in the room").await;
    let nicks = stage.juliet.nicks(&stage.muc);
    assert!(nicks.iter().filter(|n| n.starts_with("Bob")).count() == 5, "{nicks:?}");
    let shown: Vec<&str> = nicks.iter().map(String::as_str).collect();
    members[4].watches().await.shows(&shown).await;
    for (n, member) in members.iter().enumerate() {
        assert_eq!(member.says(&format!("I am {n}")).await.code(), Some(200));
    }
    // Her copy may come after the one that his 200 waited for.
    let speakers = || stage.juliet.heard(&stage.muc).into_iter().map(|h| h.0).collect::<BTreeSet<String>>();
    until(|| speakers().len() == 5, SOON, "five who speak").await;
}

/// GC-NICK-02: changes that follow each other at once are all answered, and the last one counts.
#[on_both_servers]
async fn of_changes_in_a_row_the_last_one_counts() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    let list = tybalt.watches().await;
    let ask = |nick: &str| {
        let field = ("Use-Nickname".to_owned(), format!("\"{nick}\""));
        stage.romeo.msrp.request("NICKNAME", vec![field], None, '$')
    };
    let ids = ["a", "b", "c"].map(ask);
    let mut last = "Romeo";
    for (id, nick) in ids.iter().zip(["a", "b", "c"]) {
        if stage.romeo.msrp.response(id).await.code() == Some(200) {
            last = nick;
        }
    }
    assert_ne!(last, "Romeo");
    is_heard_as(&stage, &stage.romeo, last, "after all that").await;
    list.shows(&["Juliet", "Tybalt", last]).await;
}

/// SEC-04: nobody is taken for somebody else because both were quick. The MUC decides who was first.
#[on_both_servers]
async fn of_two_who_want_one_nickname_at_once_one_gets_it_and_the_other_is_425() {
    let stage = Stage::set().await;
    let tybalt = stage.joined_by("tybalt").await;
    for round in 0..5 {
        let nick = format!("escalus {round}");
        let (one, two) = tokio::join!(stage.romeo.wants_to_be(&nick), tybalt.wants_to_be(&nick));
        let mut codes = [one, two];
        codes.sort_unstable();
        assert_eq!(codes, [200, 425], "{nick}");
        let (winner, loser) = if one == 200 { (&stage.romeo, &tybalt) } else { (&tybalt, &stage.romeo) };
        is_heard_as(&stage, winner, &nick, &format!("I have it, round {round}")).await;
        assert_eq!(loser.says(&format!("I have not, round {round}")).await.code(), Some(200));
        let heard = stage.juliet.hears(&stage.muc, &format!("I have not, round {round}")).await;
        assert_ne!(heard.from(), format!("{}/{nick}", stage.muc));
        let ours = stage.juliet.nicks(&stage.muc).into_iter().filter(|n| *n == nick).count();
        assert_eq!(ours, 1);
    }
}
