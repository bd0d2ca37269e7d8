//! Everything by IPv6, with addresses for names: SIP-19.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;

use mucfocus_rig::member::{Joining, Member};
use mucfocus_rig::sip::{Transport, Who};
use mucfocus_rig::{SOON, World};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A node that has no other addresses, and believes its neighbour.
async fn world() -> World {
    World::with(BINARY, |settings| {
        settings.sip = "listen = [\"udp:[::1]:0\", \"tcp:[::1]:0\"]\n".into();
        settings.msrp = "listen = [\"tcp:[::1]:0\"]\n".into();
        settings.trusted_also = vec!["::1".into()];
    })
    .await
}

/// SIP-19: Request-URI, Via, Contact, `c=` and `a=path` are addresses of IPv6 in both directions, whoever connects.
#[tokio::test]
async fn a_caller_who_has_nothing_but_ipv6_is_in_the_room() {
    let world = world().await;
    let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
    let juliet = world.xmpp_in("capulet", "juliet").await;
    for (user, transport, setup) in [("romeo", Transport::Udp, "active"), ("tybalt", Transport::Tcp, "passive")] {
        let nick = mucfocus_rig::sip::capital(user);
        let joining = Joining { transport, setup, ..Joining::default() };
        let member = Member::join(world.who(user, transport), &room, joining).await;
        juliet.sees(&muc, &nick).await;
        let answer = member.answer();
        let path = answer.sdp("path").unwrap();
        assert!(path.starts_with("msrp://[::1]:") && answer.text().contains("c=IN IP6 ::1\r\n"), "{answer}");
        let contact = answer.header("Contact").unwrap();
        assert!(contact.contains("@[::1]:"), "{contact}");
        assert!(answer.header("Via").unwrap().contains(" [::1]:"), "{answer}");

        member.says(&format!("{nick} by IPv6")).await;
        juliet.hears(&muc, &format!("{nick} by IPv6")).await;
        juliet.say(&muc, &format!("Hello {nick}"));
        member.hears(&format!("Hello {nick}")).await;
        // A request to our Contact, which is an address.
        juliet.kick(&muc, &nick, "enough").await;
        member.ended(SOON).await;
    }
}

/// SIP-19, MS-SDP-01: with a listener for each family a caller is answered with his, and gets in.
#[tokio::test]
async fn callers_of_either_family_are_answered_with_an_address_of_theirs() {
    let port = free_port().await;
    let one_port = format!("listen = [\"tcp:0.0.0.0:{port}\", \"tcp:[::]:{port}\"]\n");
    for msrp in ["listen = [\"tcp:127.0.0.1:0\", \"tcp:[::1]:0\"]\n", &one_port, "listen = [\"tcp:[::]:0\"]\n"] {
        let world = World::with(BINARY, |settings| {
            settings.sip = "listen = [\"udp:127.0.0.1:0\", \"udp:[::1]:0\", \"tcp:[::1]:0\"]\n".into();
            settings.msrp = msrp.into();
            settings.trusted_also = vec!["::1".into()];
        })
        .await;
        let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
        let juliet = world.xmpp_in("capulet", "juliet").await;
        for (user, address, path) in
            [("romeo", "c=IN IP4 127.0.0.1\r\n", "msrp://127.0.0.1:"), ("tybalt", "c=IN IP6 ::1\r\n", "msrp://[::1]:")]
        {
            let peer = sip_by_udp(&world, path.trim_start_matches("msrp://"));
            let who = Who::new(user, "sip.test", Transport::Udp, peer);
            let member = Member::join(who, &room, Joining::default()).await;
            let answer = member.answer();
            assert!(answer.sdp("path").unwrap().starts_with(path) && answer.text().contains(address), "{msrp}{answer}");
            member.says(&format!("{user} is here")).await;
            juliet.hears(&muc, &format!("{user} is here")).await;
        }
    }
}

fn sip_by_udp(world: &World, host: &str) -> SocketAddr {
    let at = format!("udp:{host}");
    let listener = world.mucfocus.ready_line().split(' ').find(|word| word.starts_with(&at));
    listener.unwrap().trim_start_matches("udp:").parse().unwrap()
}

async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port()
}
