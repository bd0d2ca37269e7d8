//! Strangers who know a password: SIP-14, SIP-23, GC-JOIN-19, EV-17, SW-35.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::settings::{
    Algorithm, Digest, DigestUser, IdentitySource, NonceKey, Settings, Transport, TrustedPeer, Untrusted,
};
use mucfocus_core::address::sip_uri::SipUri;

use crate::client::{Answer, answered};
use crate::harness::{House, Message, Peer, Request, Ringing};

const ROOM: &str = "sip:capulet@rooms.example.com";
const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
pub const ROMEO: Answer<'_> =
    Answer { username: "romeo", password: "verona", algorithm: "SHA-256", count: 1, uri: ROOM };

pub fn challenge(settings: &mut Settings) {
    let user = |aor: &str, password: &str| DigestUser {
        aor: SipUri::parse(aor).unwrap(),
        password: password.to_owned().into(),
    };
    settings.trusted_peers.clear();
    settings.untrusted = Untrusted::Challenge(Digest {
        realm: "rooms.example.com".into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        users: vec![user("sip:romeo@example.org", "verona"), user("sip:juliet@example.org", "balcony")],
        nonce_key: NonceKey::random(),
    });
}

pub async fn call(house: &mut House, peer: &mut Peer) -> (Request, Message, Ringing) {
    let invite = peer.invite(ROOM);
    let challenge = peer.ask(&invite).await;
    assert_eq!(challenge.code(), 401, "{}", challenge.0);
    peer.send(&invite.ack(&challenge)).await;
    let again = answered(&invite, &challenge, &ROMEO);
    peer.send(&again.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    assert_eq!(ok.code(), 200, "{}", ok.0);
    peer.send(&again.ack(&ok)).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
    (again, ok, room)
}

/// GC-JOIN-19: the challenges of both algorithms, SHA-256 first.
#[tokio::test]
async fn a_stranger_with_a_password_gets_in_by_either_algorithm() {
    for transport in BOTH {
        for algorithm in ["SHA-256", "MD5"] {
            let mut house = House::open_with(challenge).await;
            let mut peer = house.peer(transport).await;
            let invite = peer.invite(ROOM);
            let refused = peer.ask(&invite).await;
            assert_eq!(refused.start(), "SIP/2.0 401 Unauthorized");
            let offered = refused.all("WWW-Authenticate");
            assert!(
                offered.len() == 2 && offered[0].contains("SHA-256") && offered[1].contains("MD5"),
                "{}",
                refused.0
            );
            peer.send(&invite.ack(&refused)).await;
            peer.send(&answered(&invite, &refused, &Answer { algorithm, ..ROMEO }).text()).await;
            let room = house.ringing().await;
            assert_eq!(room.dial.caller.aor.to_string(), "sip:romeo@example.org");
            assert_eq!(room.dial.caller.display_name.as_deref(), Some("Romeo"));
            assert!(!room.dial.caller.is_anonymous);
        }
    }
}

#[tokio::test]
async fn strangers_hear_the_same_401_for_every_method_and_user_and_mistake() {
    let house = House::open_with(challenge).await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        for method in ["INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "BYE", "PUBLISH", "FROBNICATE"] {
            for uri in [ROOM, "sip:nobody@rooms.example.com", "sip:rooms.example.com", "tel:+1"] {
                let answer = peer.ask(&peer.request(method, uri)).await;
                assert_eq!(answer.start(), "SIP/2.0 401 Unauthorized", "{method} {uri}");
                assert!(answer.get("Warning").starts_with("399 focus1 \"say who you are ["), "{}", answer.0);
                assert!(answer.all("Allow").is_empty() && !answer.0.contains("stale"), "{}", answer.0);
            }
        }
        let invite = peer.invite(ROOM);
        let refused = peer.ask(&invite).await;
        for wrong in [
            Answer { password: "mantua", ..ROMEO },
            Answer { username: "tybalt", ..ROMEO },
            Answer { uri: "sip:elsewhere.example.com", ..ROMEO },
        ] {
            let answer = peer.ask(&answered(&invite, &refused, &wrong)).await;
            assert_eq!(answer.start(), "SIP/2.0 401 Unauthorized");
            assert!(answer.get("Warning").starts_with("399 focus1 \"say who you are [") && !answer.0.contains("stale"));
        }
        let broken = peer.ask(&invite.with("Authorization: Digest username=\"\r\n")).await;
        assert_eq!(broken.code(), 401);
    }
    let counts = house.counts.0.lock().unwrap();
    for reason in ["failed_login", "digest_uri", "credentials", "untrusted", "challenged"] {
        assert!(counts.contains(&reason), "{reason}");
    }
}

/// What the log says at its default level.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_who_failed_to_log_in_and_not_who_is_only_asked_to() {
    let (paper, info) = (Paper::default(), tracing::Level::INFO);
    let writer = paper.clone();
    let log = tracing_subscriber::fmt().with_max_level(info).with_ansi(false).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(log.finish());
    let written = || String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let mut house = House::open_with(challenge).await;
    let mut peer = house.udp().await;
    let _goes_on = call(&mut house, &mut peer).await;
    assert!(!written().contains("refused"), "{}", written());
    let invite = peer.invite(ROOM);
    let challenge = peer.ask(&invite).await;
    peer.ask(&answered(&invite, &challenge, &Answer { username: "tybalt of Verona", ..ROMEO })).await;
    let log = written();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("refused")).collect();
    let [line] = lines[..] else { panic!("{log}") };
    assert!(line.contains("wrong user name or password") && line.contains("username=\"tybalt of Verona\""), "{log}");
}

/// Before anybody is asked for a password: no credentials would help.
#[tokio::test]
async fn what_cannot_be_read_is_400_with_and_without_credentials() {
    let house = House::open_with(challenge).await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let refused = peer.ask(&peer.request("OPTIONS", ROOM)).await;
        let good = peer.request("OPTIONS", ROOM);
        for bad in [
            peer.request("OPTIONS", "sip:\"><x@rooms.example.com"),
            peer.request("OPTIONS", "sip:\u{202e}x@rooms.example.com"),
            good.clone().from("\"a\u{1}b\" <sip:romeo@example.org>;tag=r1"),
            good.clone().from("<<>;tag=r1"),
        ] {
            let uri = &*bad.uri.clone();
            let proved = answered(&bad, &refused, &Answer { uri, ..ROMEO });
            for bad in [bad, proved] {
                let answer = peer.ask(&bad).await;
                assert_eq!(answer.code(), 400, "{uri} {}", bad.from);
                assert!(answer.all("WWW-Authenticate").is_empty());
            }
        }
        assert_eq!(peer.ask(&answered(&good, &refused, &ROMEO)).await.code(), 200);
    }
}

/// RFC 3261 §22.1.
#[tokio::test]
async fn an_ack_and_a_cancel_are_never_challenged() {
    let mut house = House::open_with(challenge).await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        peer.send(&peer.request("ACK", ROOM).text()).await;
        assert_eq!(peer.ask(&peer.request("CANCEL", ROOM)).await.code(), 481);
        let invite = peer.invite(ROOM);
        let refused = peer.ask(&invite).await;
        let again = answered(&invite, &refused, &ROMEO);
        peer.send(&again.text()).await;
        let mut room = house.ringing().await;
        assert_eq!(peer.hear().await.code(), 100);
        let mut cancel = peer.request("CANCEL", ROOM);
        (cancel.branch, cancel.call_id, cancel.cseq) = (again.branch.clone(), again.call_id.clone(), again.cseq);
        peer.send(&cancel.text()).await;
        let codes = [peer.hear_final().await, peer.hear_final().await];
        let of = |cseq: &str| codes.iter().find(|m| m.get("CSeq").ends_with(cseq)).unwrap().clone();
        assert_eq!((of("CANCEL").code(), of("INVITE").code()), (200, 487));
        assert!(matches!(room.hear().await, CallMail::Cancelled));
        // The ACK of a refusal is heard: else the refusal would come again.
        peer.send(&again.ack(&of("INVITE"))).await;
        assert!(peer.hears_nothing(Duration::from_millis(1200)).await);
    }
}

#[tokio::test]
async fn a_repeated_datagram_is_the_same_request_and_replayed_credentials_are_stale() {
    let mut house = House::open_with(challenge).await;
    let mut peer = house.udp().await;
    let options = peer.request("OPTIONS", ROOM);
    let refused = peer.ask(&options).await;
    let good = answered(&options, &refused, &ROMEO);
    let first = peer.ask(&good).await;
    assert_eq!(first.code(), 200);
    assert_eq!(peer.ask(&good).await.0, first.0);
    // The same credentials in another request, and over another way.
    let replayed = Request { branch: format!("{}x", good.branch), ..good.clone() };
    let stale = peer.ask(&replayed).await;
    assert_eq!(stale.code(), 401);
    assert!(stale.all("WWW-Authenticate").iter().all(|c| c.ends_with("stale=true")), "{}", stale.0);
    let next = Answer { count: 2, ..ROMEO };
    assert_eq!(peer.ask(&answered(&options, &refused, &next)).await.code(), 200);
    let invite = peer.invite(ROOM);
    peer.send(&answered(&invite, &stale, &ROMEO).text()).await;
    house.ringing().await;
}

/// SIP-14, SIP-23, SEC-03.
#[tokio::test]
async fn from_has_to_be_the_user_and_nothing_else_that_a_stranger_says_counts() {
    let mut house = House::open_with(|s| {
        challenge(s);
        s.identity = vec![IdentitySource::PAssertedIdentity, IdentitySource::From];
    })
    .await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let other = peer.invite(ROOM).from("\"Romeo\" <sip:juliet@example.org>;tag=r1");
        let refused = peer.ask(&other).await;
        let answer = peer.ask(&answered(&other, &refused, &ROMEO)).await;
        assert_eq!(answer.code(), 403);
        assert!(answer.get("Warning").contains("From"), "{}", answer.0);
        let spoof = "P-Asserted-Identity: <sip:juliet@example.org>\r\nMucfocus-Stranger: sip:juliet@example.org\r\n";
        let invite = peer.invite(ROOM).with(spoof);
        let refused = peer.ask(&invite).await;
        assert_eq!(refused.code(), 401);
        peer.send(&answered(&invite, &refused, &ROMEO).text()).await;
        assert_eq!(house.ringing().await.dial.caller.aor.to_string(), "sip:romeo@example.org");
    }
}

/// SW-35.
#[tokio::test]
async fn an_anonymous_from_hides_the_user_from_the_room_and_not_from_us() {
    let mut house = House::open_with(challenge).await;
    let mut peer = house.tcp().await;
    let invite = peer.invite(ROOM).from("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1");
    let refused = peer.ask(&invite).await;
    peer.send(&answered(&invite, &refused, &ROMEO).text()).await;
    let caller = house.ringing().await.dial.caller;
    assert_eq!(caller.aor.to_string(), "sip:romeo@example.org");
    assert_eq!((caller.display_name.as_deref(), caller.is_anonymous), (Some("Anonymous"), true));
}

#[tokio::test]
async fn within_a_call_only_another_source_is_asked_who_it_is() {
    for transport in BOTH {
        let mut house = House::open_with(challenge).await;
        let mut peer = house.peer(transport).await;
        let (invite, ok, mut room) = call(&mut house, &mut peer).await;
        assert_eq!(peer.ask(&invite.next("OPTIONS", 2, &ok)).await.code(), 200);
        // Elsewhere, by somebody who has seen the tags; then by another user; then by the one who calls.
        let mut elsewhere = house.peer(transport).await;
        let bye = |cseq| Request { local: elsewhere.local, ..invite.next("BYE", cseq, &ok) };
        let bye = [bye(3), bye(3), bye(4)];
        let refused = elsewhere.ask(&bye[0]).await;
        assert_eq!(refused.code(), 401);
        let uri = &*bye[0].uri;
        let juliet = Answer { username: "juliet", password: "balcony", uri, ..ROMEO };
        let theirs = answered(&bye[1], &refused, &juliet).from("<sip:juliet@example.org>;tag=r1");
        assert_eq!(elsewhere.ask(&theirs).await.code(), 403);
        let romeo = Answer { count: 2, uri, ..ROMEO };
        assert_eq!(elsewhere.ask(&answered(&bye[2], &refused, &romeo)).await.code(), 200);
        assert!(matches!(room.hear_end().await, CallEnd::Bye { .. }));
    }
}

/// A trusted peer that says nothing about its caller is no better than a stranger.
#[tokio::test]
async fn a_trusted_peers_request_without_an_identity_is_challenged() {
    let mut house = House::open_with(|s| {
        challenge(s);
        s.trusted_peers = vec![TrustedPeer { network: "127.0.0.1/32".parse().unwrap(), over_udp: false }];
        s.identity = vec![IdentitySource::PAssertedIdentity];
    })
    .await;
    let mut peer = house.udp().await;
    let invite = peer.invite(ROOM);
    let refused = peer.ask(&invite).await;
    assert_eq!((refused.code(), refused.all("WWW-Authenticate").len()), (401, 2));
    peer.send(&invite.ack(&refused)).await;
    let mut again = answered(&invite, &refused, &ROMEO);
    again.cseq = 2;
    peer.send(&again.text()).await;
    assert_eq!(house.ringing().await.dial.caller.aor.to_string(), "sip:romeo@example.org");
    let asserted = peer.invite(ROOM).with("P-Asserted-Identity: <sip:juliet@example.org>\r\n");
    peer.send(&asserted.text()).await;
    assert_eq!(house.ringing().await.dial.caller.aor.to_string(), "sip:juliet@example.org");
}

/// EV-17: 401 and never 407; afterwards the subscription is its owner's, as a call is.
#[tokio::test]
async fn a_subscription_is_challenged_and_its_refresh_from_the_same_source_is_not() {
    for transport in BOTH {
        let mut house = House::open_with(challenge).await;
        let mut peer = house.peer(transport).await;
        let subscribe = peer.subscribe(ROOM);
        let refused = peer.ask(&subscribe).await;
        assert_eq!(refused.code(), 401);
        let again = answered(&subscribe, &refused, &ROMEO);
        let ok = peer.ask(&again).await;
        assert_eq!(ok.code(), 200, "{}", ok.0);
        let watching = house.watching().await;
        assert_eq!(watching.subscribe.caller.aor.to_string(), "sip:romeo@example.org");
        let refresh = |cseq| again.next("SUBSCRIBE", cseq, &ok).with("Event: conference\r\nExpires: 600\r\n");
        assert_eq!(peer.ask(&refresh(2)).await.code(), 200);
        let mut elsewhere = house.peer(transport).await;
        let theirs = Request { local: elsewhere.local, ..refresh(3) };
        assert_eq!(elsewhere.ask(&theirs).await.code(), 401);
    }
}
