//! Invitations by REFER: GC-INV-01 to -09.

use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{World, on_both_servers};

use crate::{BINARY, Stage};

const OVER: &str = "terminated;reason=noresource";

/// A room where everybody may invite, which is not what ejabberd does by itself.
async fn open_stage() -> Stage {
    Stage::with(|s| s.ejabberd_rooms = "allow_user_invites: true\n".into()).await
}

/// Waits for the room's invitation.
async fn is_invited(who: &Client, muc: &str) -> mucfocus_rig::xml::Element {
    let is_invitation = |e: &mucfocus_rig::xml::Element| {
        e.from() == muc && e.child("x", MUC_USER).is_some_and(|x| x.child("invite", MUC_USER).is_some())
    };
    who.expect("an invitation", is_invitation).await
}

/// GC-INV-01, -02, -03, -04, -06: in a dialog of its own, and in that of the call.
#[on_both_servers]
async fn a_refer_becomes_an_invitation_by_the_room() {
    let stage = open_stage().await;
    let benvolio = stage.world.xmpp("benvolio").await;
    let answer = stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    assert_eq!(stage.romeo.is_told(&answer).await, (OVER.to_owned(), "SIP/2.0 100 Trying\r\n".to_owned()));
    is_invited(&benvolio, &stage.muc).await;

    let mercutio = stage.world.xmpp("mercutio").await;
    let inside = stage.romeo.call().request("REFER").header("Refer-To", "<xmpp:mercutio@xmpp.test>");
    let answer = stage.romeo.ua.request(inside).await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    assert_eq!(stage.romeo.is_told(&answer).await, (OVER.to_owned(), "SIP/2.0 100 Trying\r\n".to_owned()));
    is_invited(&mercutio, &stage.muc).await;
}

/// GC-INV-08.
#[on_both_servers]
async fn a_decline_is_shown_to_who_invited() {
    let stage = open_stage().await;
    let benvolio = stage.world.xmpp("benvolio").await;
    assert_eq!(stage.romeo.refers("<xmpp:benvolio@xmpp.test>").await.code(), Some(200));
    let invitation = is_invited(&benvolio, &stage.muc).await;
    let inviter = invitation.find("invite").unwrap().from().to_owned();
    benvolio.send(format!(
        "<message to='{}'><x xmlns='{MUC_USER}'><decline to='{inviter}'><reason>too busy</reason></decline></x></message>",
        stage.muc
    ));
    let shown = || stage.romeo.msrp.texts().into_iter().find(|t| t.contains("too busy"));
    let text = mucfocus_rig::wait_for(shown, mucfocus_rig::SOON, "the decline in the chat").await;
    assert!(text.contains("benvolio"), "{text}");
}

/// GC-INV-05: in the sipfrag.
#[on_both_servers]
async fn who_may_not_invite_is_told_403_in_the_notify() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    juliet.configure(&muc, &[("membersonly", "1"), ("allowinvites", "0")]).await;
    juliet.affiliate(&muc, "romeo@xmpp.test", "member").await;
    let romeo = world.chatter("capulet", "romeo").await;
    juliet.sees(&muc, "Romeo").await;
    let answer = romeo.refers("<xmpp:benvolio@xmpp.test>").await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let (state, fragment) = romeo.is_told(&answer).await;
    assert_eq!(state, OVER);
    assert!(fragment.starts_with("SIP/2.0 403 "), "{fragment}");
}

/// GC-INV-09, EV-17.
#[on_both_servers]
async fn who_is_not_in_the_room_may_not_invite() {
    let stage = Stage::set().await;
    let ua = stage.world.ua("tybalt", Transport::Udp).await;
    let refer = Request::new("REFER", &stage.world.sip("capulet")).header("Refer-To", "<xmpp:benvolio@xmpp.test>");
    assert_eq!(ua.request(refer).await.code(), Some(403));
}

/// GC-INV-06: a SIP user who has an account by the rules is invited under his JID or refused; nothing is sent to others.
#[on_both_servers]
async fn a_target_of_another_kind_is_refused() {
    let stage = Stage::set().await;
    for (target, code) in [("<http://example.com/>", 400), ("<sips:benvolio@sip.test>", 403)] {
        assert_eq!(stage.romeo.refers(target).await.code(), Some(code), "{target}");
    }
}
