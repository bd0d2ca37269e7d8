//! Rooms with a door, and callers who are nobody in particular: passwords, members, voice, anonymous accounts and callers.
//! GC-JOIN-14, GC-PRES-09, GC-MSG-06, CI-12.

use mucfocus_rig::member::{Joining, any_offer};
use mucfocus_rig::sip::{Request, Transport, Ua};
use mucfocus_rig::world::{PASSWORD, Settings};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, SOON, World, on_both_servers, until};

use crate::{BINARY, Stage};

/// A room that Juliet has locked with [`PASSWORD`].
async fn locked(change: impl FnOnce(&mut Settings)) -> (World, Client) {
    let world = World::with(BINARY, change).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&muc, &[("passwordprotectedroom", "1"), ("roomsecret", PASSWORD)]).await;
    (world, juliet)
}

#[on_both_servers]
async fn a_room_whose_password_we_know_opens() {
    let rooms = "[[rooms]]\nsip = \"sip:capulet@rooms.test\"\nmuc = \"capulet@muc.xmpp.test\"\n\
                 password_file = \"$SECRETS/password\"\n";
    let (world, juliet) = locked(|s| s.rooms = rooms.into()).await;
    let romeo = world.chatter("capulet", "romeo").await;
    juliet.sees(&world.muc("capulet"), "Romeo").await;
    assert_eq!(romeo.says("I am in").await.code(), Some(200));
}

/// GC-JOIN-14.
#[on_both_servers]
async fn a_room_whose_password_we_do_not_know_is_403() {
    let (world, juliet) = locked(|_| {}).await;
    let ua = world.ua("romeo", Transport::Udp).await;
    let refused = ua.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(403), "{refused}");
    assert!(refused.header("Warning").is_some_and(|w| w.starts_with("399 rig \"")), "{refused}");
    assert_eq!(juliet.nicks(&world.muc("capulet")), ["Juliet"]);
}

/// GC-JOIN-14.
#[on_both_servers]
async fn a_room_for_members_only_lets_members_in_and_nobody_else() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&muc, &[("membersonly", "1")]).await;
    juliet.affiliate(&muc, "tybalt@xmpp.test", "member").await;
    let ua = world.ua("romeo", Transport::Udp).await;
    let refused = ua.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(403), "{refused}");
    let tybalt = world.chatter("capulet", "tybalt").await;
    assert_eq!(tybalt.says("a member").await.code(), Some(200));
}

/// GC-MSG-06, GC-PRES-09, CI-17.
#[on_both_servers]
async fn voice_is_given_and_taken_and_the_list_says_so() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    stage.juliet.configure(&stage.muc, &[("moderatedroom", "1")]).await;
    for (role, code, entry, shown) in [
        ("visitor", 403, "observer", ("muted-via-focus", "recvonly")),
        ("participant", 200, "participant", ("connected", "sendrecv")),
        ("visitor", 403, "observer", ("muted-via-focus", "recvonly")),
    ] {
        stage.juliet.role(&stage.muc, "Romeo", role).await;
        let roster = list.until(entry, |r| r.users.get("Romeo").is_some_and(|u| u.roles == [entry])).await;
        let user = &roster.users["Romeo"];
        assert_eq!((user.status.as_str(), user.media.as_str()), shown);
        assert_eq!(stage.romeo.says(&format!("as {role}")).await.code(), Some(code));
    }
}

const STRANGERS: &str =
    "[[accounts]]\nsip = \"sip:*@strangers.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n";

async fn stranger(world: &World, user: &str, display: &str) -> Member {
    let mut who = world.who(user, Transport::Udp);
    who.domain = "strangers.test".into();
    let joining = Joining { display: Some(display.into()), ..Joining::able() };
    Member::join(who, &world.sip("capulet"), joining).await
}

/// Two SIP users never share a JID; one user's devices do.
#[on_both_servers]
async fn strangers_have_an_account_each_and_the_devices_of_one_share_it() {
    let world = World::with(BINARY, |s| s.accounts = STRANGERS.into()).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let (one, _two) = (stranger(&world, "one", "One").await, stranger(&world, "two", "Two").await);
    let _tablet = stranger(&world, "one", "One").await;
    let (first, second) = (juliet.sees(&muc, "One").await, juliet.sees(&muc, "Two").await);
    assert_ne!(first.jid, second.jid);
    assert!(first.jid.unwrap().contains("@anon.xmpp.test/"));
    assert_eq!(one.says("hello").await.code(), Some(200));
    assert_eq!(juliet.nicks(&muc), ["Juliet", "One", "Two"]);
}

/// GC-JOIN-17: nobody's address of record is not believed of a trusted peer either.
#[on_both_servers]
async fn a_caller_who_is_only_anonymous_is_nobody_and_is_challenged() {
    let accounts = "[[accounts]]\nsip = \"sip:*@anonymous.invalid\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n";
    let world = World::with(BINARY, |s| s.accounts = accounts.into()).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for _ in 0..2 {
        let mut who = world.who("anonymous", Transport::Udp);
        who.domain = "anonymous.invalid".into();
        let ua = Ua::start(who).await;
        let refused = ua.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
        assert_eq!(refused.code(), Some(401), "{refused}");
    }
    assert_eq!(juliet.nicks(&world.muc("capulet")), ["Juliet"]);
}

/// CI-12, GC-JOIN-17: somebody who asks for privacy has no AOR anywhere.
#[on_both_servers]
async fn who_asks_for_privacy_is_named_nowhere() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let tybalt = world.chatter("capulet", "tybalt").await;
    let list = tybalt.watches().await;
    let headers = vec![
        ("From".to_owned(), "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1b2c3".to_owned()),
        ("P-Asserted-Identity".to_owned(), "\"Paris\" <sip:paris@sip.test>".to_owned()),
        ("Privacy".to_owned(), "id".to_owned()),
    ];
    let paris = world.member_with("capulet", "paris", Joining { headers, ..Joining::able() }).await;
    until(|| juliet.nicks(&muc).len() == 3, SOON, "three in the room").await;
    let nick = juliet.nicks(&muc).into_iter().find(|n| n != "Juliet" && n != "Tybalt").unwrap();
    assert!(!nick.to_lowercase().contains("paris"), "{nick}");
    assert_eq!(paris.sends(&paris.to_room("who am I?").without("From")).await, 200);
    let heard = tybalt.hears("who am I?").await;
    list.shows(&["Juliet", "Tybalt", &nick]).await;
    let shown = format!("{:?} {}", heard.cpim.unwrap().headers, list.documents().concat());
    assert!(!shown.to_lowercase().contains("paris"), "{shown}");
}

/// FT-07: a ban outlives the JID that it was made for; a kick is none.
#[on_both_servers]
async fn a_stranger_who_is_banned_stays_out_and_others_are_let_in() {
    let world = World::with(BINARY, |s| {
        s.accounts = STRANGERS.into();
        s.timeouts += "[control]\nsocket = \"ctl.sock\"\n";
    })
    .await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let call = async |user: &str, room: &str| {
        let mut who = world.who(user, Transport::Udp);
        who.domain = "strangers.test".into();
        let ua = Ua::start(who).await;
        ua.try_call(Request::invite(&world.sip(room), &any_offer())).await.err().map(|refused| refused.code())
    };
    let tybalt = stranger(&world, "tybalt", "Tybalt").await;
    juliet.sees(&muc, "Tybalt").await;
    juliet.kick(&muc, "Tybalt", "begone").await;
    tybalt.ended(SOON).await;
    let tybalt = stranger(&world, "tybalt", "Tybalt").await;
    let jid = juliet.sees(&muc, "Tybalt").await.jid.unwrap();
    juliet.ban(&muc, jid.split('/').next().unwrap(), "for ever").await;
    let bye = tybalt.ended(SOON).await;
    assert!(bye.header("Reason").is_some_and(|r| r.contains("banned")), "{bye}");
    for _ in 0..2 {
        assert_eq!(call("tybalt", "capulet").await, Some(Some(403)));
    }
    assert_eq!(juliet.nicks(&muc), ["Juliet"], "the room has seen nothing of it");
    let _paris = stranger(&world, "paris", "Paris").await;
    juliet.sees(&muc, "Paris").await;
    let _nurse = world.xmpp_in("montague", "nurse").await;
    assert_eq!(call("tybalt", "montague").await, None, "another room");
    // The operator lets him in again.
    let ctl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(BINARY);
        command.arg("ctl").args(arguments).arg("--config").arg(world.mucfocus.configuration());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(ctl(&["bans"]).1.contains("sip:tybalt@strangers.test"));
    assert_eq!(ctl(&["unban", "capulet", "sip:paris@strangers.test"]).0, Some(1));
    let lifted = (Some(0), format!("sip:tybalt@strangers.test may enter {muc} again\n"));
    assert_eq!(ctl(&["unban", "capulet", "sip:tybalt@strangers.test"]), lifted);
    assert_eq!(call("tybalt", "capulet").await, None);
}
