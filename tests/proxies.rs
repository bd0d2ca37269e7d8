//! Behind a proxy that reaches us under TLS: Kamailio, whose TLS is OpenSSL and shares no code with ours. SIP-15, SEC-01.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::kamailio::proxy::Proxy;
use mucfocus_rig::member::{Joining, Member, any_offer};
use mucfocus_rig::sip::{Request, Transport, Ua, Who};
use mucfocus_rig::{SOON, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Us, who believe by name whoever `authority` vouches for, with a certificate of our own.
async fn world(focus: &Certificate, authority: &Certificate) -> World {
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = focus.copy_to(directory.path());
    World::with(BINARY, |settings| {
        settings.trusted = false;
        settings.sip = "listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\", \"tls:127.0.0.1:0\"]\n".into();
        settings.trusted_also = vec!["tls:proxy.test".into()];
        settings.msrp = "[tls]\ncertificate_file = \"$SECRETS/chain\"\nkey_file = \"$SECRETS/key\"\n\
                         client_ca_file = \"$SECRETS/authority\"\n"
            .into();
        for (name, file) in [("chain", chain), ("key", key), ("authority", authority.authority())] {
            settings.secrets.push((name.to_owned(), std::fs::read_to_string(file).unwrap()));
        }
    })
    .await
}

fn through(proxy: &Proxy, user: &str) -> Who {
    Who::new(user, "sip.test", Transport::Udp, proxy.udp())
}

/// SIP-15, SEC-01: everything of the call goes through the proxy, and the proxy is believed by its certificate alone.
#[tokio::test]
async fn a_call_through_a_proxy_under_tls_lasts_until_either_side_ends_it() {
    let (focus, kamailio) = (Certificate::for_host("focus.test"), Certificate::for_host("proxy.test"));
    let world = world(&focus, &kamailio).await;
    let proxy = Proxy::towards(world.mucfocus.sip_over("tls"), &kamailio, &focus).await;
    let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
    let juliet = world.xmpp_in("capulet", "juliet").await;

    let romeo = Member::join(through(&proxy, "romeo"), &room, Joining::default()).await;
    juliet.sees(&muc, "Romeo").await;
    romeo.says("But soft").await;
    juliet.hears(&muc, "But soft").await;
    let tybalt = Member::join(through(&proxy, "tybalt"), &room, Joining::default()).await;
    juliet.sees(&muc, "Tybalt").await;

    // Ours goes back the way that the proxy recorded, on the connection that it opened.
    juliet.kick(&muc, "Tybalt", "enough").await;
    tybalt.ended(SOON).await;
    romeo.leaves().await;
    assert!(juliet.sees_leave(&muc, "Romeo", Duration::from_secs(10)).await.is_some());
    assert!(proxy.log().contains("BYE from tls:127.0.0.1:"), "{}", proxy.log());
}

/// SEC-03: a certificate of somebody else is no reason to believe whom it says is calling.
#[tokio::test]
async fn a_proxy_with_another_name_is_a_stranger() {
    let (focus, kamailio) = (Certificate::for_host("focus.test"), Certificate::for_host("montague.test"));
    let world = world(&focus, &kamailio).await;
    let proxy = Proxy::towards(world.mucfocus.sip_over("tls"), &kamailio, &focus).await;
    let romeo = Ua::start(through(&proxy, "romeo")).await;
    let refused = romeo.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(401), "{refused}");
}
