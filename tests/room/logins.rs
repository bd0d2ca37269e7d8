//! Callers whom no peer vouches for, and who log in by digest: GC-JOIN-19, EV-17, SIP-14.

use std::sync::Arc;

use mucfocus_rig::member::offer;
use mucfocus_rig::msrp::{Cpim, Peer, Send, own_uri};
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::{Request, Transport, Ua};
use mucfocus_rig::world::PASSWORD;
use mucfocus_rig::{SOON, World, on_both_servers};

use crate::BINARY;

const USERS: &str = "[[sip.auth.users]]\nsip = \"sip:romeo@sip.test\"\npassword_file = \"$SECRETS/password\"\n";

/// Juliet in a room that nobody is vouched for in.
async fn open() -> (World, mucfocus_rig::xmpp::Client) {
    let world = World::with(BINARY, |s| {
        s.trusted = false;
        s.auth = USERS.into();
    })
    .await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    (world, juliet)
}

/// GC-JOIN-19: the whole of a call, in each transport.
#[on_both_servers]
async fn who_knows_his_password_calls_speaks_watches_and_leaves() {
    let (world, juliet) = open().await;
    let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
    for transport in [Transport::Udp, Transport::Tcp] {
        let ua = Arc::new(world.ua("romeo", transport).await);
        let local = own_uri(9);
        let invite = ua.authorized(Request::invite(&room, &offer(&local, "active")), PASSWORD).await;
        let call = ua.call(invite).await;
        juliet.sees(&muc, "Romeo").await;
        let peer = Peer::connect(&local, &call.answer.sdp("path").unwrap()).await;
        peer.bind().await;
        let words = format!("by {transport:?}");
        let id = peer.send(Send::cpim(&Cpim::text(ua.aor(), &room, &words)));
        assert_eq!(peer.response(&id).await.code(), Some(200));
        juliet.hears(&muc, &words).await;
        let list = Watch::start(ua.clone(), ua.authorized(Watch::request(&room), PASSWORD).await).await;
        list.shows(&["Juliet", "Romeo"]).await;
        let bye = call.request("BYE");
        let answer = ua.request(bye).await;
        assert_eq!(answer.code(), Some(200), "{answer}");
        juliet.sees_leave(&muc, "Romeo", SOON).await;
    }
}

/// GC-JOIN-19.
#[on_both_servers]
async fn a_wrong_password_is_challenged_again_and_nobody_enters() {
    let (world, juliet) = open().await;
    let ua = world.ua("romeo", Transport::Udp).await;
    let invite = Request::invite(&world.sip("capulet"), &mucfocus_rig::member::any_offer());
    let wrong = ua.authorized(invite, "wrong").await;
    assert_eq!(ua.try_call(wrong).await.err().unwrap().code(), Some(401));
    assert_eq!(juliet.nicks(&world.muc("capulet")), ["Juliet"]);
}

/// A password lets one be oneself and nobody else.
#[on_both_servers]
async fn a_password_does_not_make_its_owner_somebody_else() {
    let (world, juliet) = open().await;
    let mut who = world.who("romeo", Transport::Udp);
    who.display = Some("Juliet's nurse".into());
    let ua = Ua::start(who).await;
    let from = "\"Tybalt\" <sip:tybalt@sip.test>;tag=forged";
    let invite = Request::invite(&world.sip("capulet"), &mucfocus_rig::member::any_offer()).header("From", from);
    let invite = ua.authorized(invite, PASSWORD).await;
    let refused = ua.try_call(invite).await.err().expect("a refusal");
    assert_eq!(refused.code(), Some(403), "{refused}");
    assert_eq!(juliet.nicks(&world.muc("capulet")), ["Juliet"]);
}

/// RF-13, EV-17: neither a list nor an invitation without a login.
#[on_both_servers]
async fn nobody_watches_or_invites_without_a_login() {
    let (world, _juliet) = open().await;
    let ua = world.ua("tybalt", Transport::Udp).await;
    let room = world.sip("capulet");
    let refer = Request::new("REFER", &room).header("Refer-To", "<xmpp:benvolio@xmpp.test>");
    for request in [Watch::request(&room), refer, Watch::request(&world.sip("nowhere"))] {
        assert_eq!(ua.request(request).await.code(), Some(401));
    }
}
