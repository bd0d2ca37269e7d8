//! Who and what is refused, and how: SIP-04, 07, 09, 22, 23; GC-JOIN-09; SEC-03.

use std::time::Duration;

use mucfocus::sip::port::Readiness;
use mucfocus::sip::settings::{IdentitySource, MIN_SESSION, Rate, SourceLimits, Transport, Untrusted};

use crate::harness::{House, Peer, call_up};

const ROOM: &str = "sip:capulet@rooms.example.com";
const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const METHODS: [&str; 10] =
    ["INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "BYE", "CANCEL", "PUBLISH", "INFO", "FROBNICATE"];

fn strangers_only(settings: &mut mucfocus::sip::settings::Settings) {
    settings.trusted_peers.clear();
}

#[tokio::test]
async fn a_stranger_gets_the_same_403_for_every_method_and_every_user_part() {
    let house = House::open_with(strangers_only).await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        for method in METHODS {
            for uri in [ROOM, "sip:nobody@rooms.example.com", "sip:rooms.example.com", "tel:+1"] {
                let answer = peer.ask(&peer.request(method, uri)).await;
                assert_eq!(answer.start(), "SIP/2.0 403 Forbidden", "{method} {uri}");
                assert!(answer.get("Warning").starts_with("399 focus1 \"not allowed ["), "{}", answer.0);
                assert!(!answer.to_tag().is_empty());
                assert!(answer.all("Allow").is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_hears_nothing_where_that_is_said() {
    let house = House::open_with(|s| {
        s.trusted_peers.clear();
        s.untrusted = Untrusted::Drop;
    })
    .await;
    let mut peer = house.udp().await;
    for method in METHODS {
        peer.send(&peer.request(method, ROOM).text()).await;
    }
    assert!(peer.hears_nothing(Duration::from_millis(300)).await);
    assert_eq!(house.counts.0.lock().unwrap().iter().filter(|r| **r == "untrusted").count(), METHODS.len());
}

#[tokio::test]
async fn of_a_stranger_no_identity_is_believed() {
    let house = House::open_with(strangers_only).await;
    let mut peer = house.tcp().await;
    let invite = peer.invite(ROOM).with("P-Asserted-Identity: <sip:romeo@example.org>\r\n");
    assert_eq!(peer.ask(&invite).await.code(), 403);
}

#[tokio::test]
async fn a_trusted_peers_request_without_an_identity_is_treated_like_a_strangers() {
    let house = House::open_with(|s| s.identity = vec![IdentitySource::PAssertedIdentity]).await;
    let mut peer = house.udp().await;
    for method in ["INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE"] {
        let answer = peer.ask(&peer.request(method, ROOM)).await;
        assert_eq!(answer.code(), 403, "{method}");
        assert!(answer.get("Warning").contains("\"not allowed ["));
    }
    // The keep-alive of a proxy is nobody's request.
    assert_eq!(peer.ask(&peer.request("OPTIONS", "sip:rooms.example.com")).await.code(), 200);
    let asserted = peer.request("OPTIONS", ROOM).with("P-Asserted-Identity: <sip:romeo@example.org>\r\n");
    assert_eq!(peer.ask(&asserted).await.code(), 200);
}

#[tokio::test]
async fn anonymous_callers_are_refused() {
    let house = House::open().await;
    let mut peer = house.udp().await;
    let anonymous = peer.invite(ROOM).from("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1");
    assert_eq!(peer.ask(&anonymous).await.code(), 403);
    assert_eq!(peer.ask(&peer.invite(ROOM).with("Privacy: id\r\n")).await.code(), 403);
}

#[tokio::test]
async fn a_stranger_who_asks_too_much_is_not_answered_and_trusted_peers_are_not_limited() {
    let limit = |s: &mut mucfocus::sip::settings::Settings| {
        s.sources.requests = Some(Rate { count: 5, per: Duration::from_secs(3600) });
    };
    let house = House::open_with(|s| {
        limit(s);
        s.trusted_peers.clear();
    })
    .await;
    let mut peer = house.udp().await;
    for _ in 0..5 {
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 403);
    }
    peer.send(&peer.request("OPTIONS", ROOM).text()).await;
    assert!(peer.hears_nothing(Duration::from_millis(200)).await);
    assert!(house.counts.0.lock().unwrap().contains(&"requests_per_source"));

    let house = House::open_with(limit).await;
    let mut peer = house.udp().await;
    for _ in 0..20 {
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 200);
    }
}

#[tokio::test]
async fn a_stranger_gets_so_many_connections_and_no_more() {
    let house = House::open_with(|s| {
        s.trusted_peers.clear();
        s.sources.connections = Some(2);
    })
    .await;
    let mut first = house.tcp().await;
    let mut second = house.tcp().await;
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 403);
    }
    let mut third = house.tcp().await;
    assert!(third.is_closed().await);
    assert!(house.counts.0.lock().unwrap().contains(&"connections_per_source"));
}

/// SIP-09, GC-JOIN-09.
#[tokio::test]
async fn each_refusal_has_its_code_and_says_what_would_do() {
    let house = House::open().await;
    for transport in BOTH {
        let mut peer = house.peer(transport).await;
        let cases = [
            (peer.invite("sip:nobody@rooms.example.com"), 404, ""),
            (peer.invite("sip:capulet@elsewhere.example.com"), 404, ""),
            (peer.invite("sip:rooms.example.com"), 404, ""),
            (peer.request("REGISTER", "sip:2001:db8::10"), 400, ""),
            (peer.invite("tel:+15550100"), 416, ""),
            (peer.invite("soap.beep://192.0.2.103:3002"), 416, ""),
            (peer.invite("nobodyKnowsThisScheme:totallyopaquecontent"), 416, ""),
            (peer.invite(ROOM).with("Require: 100rel, timer\r\nRequire: x\r\n"), 420, "Unsupported: 100rel, x"),
            (peer.request("PUBLISH", ROOM), 405, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"),
            (peer.request("REGISTER", "sip:rooms.example.com"), 405, "Allow: "),
            (peer.request("MESSAGE", ROOM), 405, "Allow: "),
            (peer.request("INFO", ROOM), 405, "Allow: "),
            (peer.request("REFER", ROOM), 400, ""),
            (peer.request("SUBSCRIBE", ROOM).with("Event: presence\r\n"), 489, "Allow-Events: conference, refer\r\n"),
            (peer.request("FROBNICATE", ROOM), 501, "Allow: INVITE"),
            (peer.request("BYE", ROOM), 481, ""),
            (peer.invite(ROOM).with("Content-Encoding: gzip\r\n"), 415, "Accept: application/sdp"),
            (
                peer.request("INVITE", ROOM).with("Contact: <sip:r@h>\r\nContent-Type: text/plain\r\n").body("x"),
                415,
                "Accept: application/sdp",
            ),
            (peer.request("INVITE", ROOM), 400, ""),
        ];
        for (request, code, field) in cases {
            let answer = peer.ask(&request).await;
            let what = format!("{} {}: {}", request.method, request.uri, answer.0);
            assert_eq!(answer.code(), code, "{what}");
            assert!(answer.0.contains(&format!("\r\n{field}")), "{what}");
            assert!(answer.get("Warning").starts_with("399 focus1 \""), "{what}");
            // SIP-07, SIP-22
            assert!(!answer.to_tag().is_empty() && answer.get("Server").starts_with("mucfocus/"), "{what}");
            assert!(!answer.get("Warning").contains("127.0.0.1"), "{what}");
            assert_eq!(answer.all("Allow-Events").is_empty(), code != 489, "{what}");
        }
    }
}

#[tokio::test]
async fn other_spellings_of_a_rooms_address_reach_it() {
    let mut house = House::open().await;
    let local = house.address(Transport::Udp);
    let mut peer = house.udp().await;
    for uri in [
        &format!("sip:capulet@{local}"),
        "sip:capulet@ROOMS.example.com:5099;transport=foo;method=X",
        "sip:capulet:verona@rooms.example.com;x=1?y=2", // ADDR-04
        "sip:capulet@rooms.example.com?Route=%3Csip:elsewhere.example.com%3E",
    ] {
        peer.send(&peer.invite(uri).text()).await;
        let room = house.ringing().await;
        let dialled = room.dial.request_uri;
        assert_eq!(
            (dialled.host(), dialled.user(), dialled.headers()),
            ("rooms.example.com", Some("capulet"), None),
            "{uri}"
        );
    }
}

/// What a proxy's keep-alive sees.
#[tokio::test]
async fn options_say_whether_we_live_and_whether_a_room_is_mapped() {
    let house = House::open().await;
    let mut peer = house.udp().await;
    let node = format!("sip:{}", house.address(Transport::Udp));
    for uri in [node.as_str(), ROOM, "sip:rooms.example.com"] {
        let answer = peer.ask(&peer.request("OPTIONS", uri)).await;
        assert_eq!(answer.code(), 200, "{uri}");
        assert!(answer.get("Allow").contains("INVITE") && answer.get("Accept").contains("application/sdp"));
        // CF-01, CF-02, EV-16
        assert!(answer.get("Contact").contains(">;isfocus;") && answer.get("Allow").contains("SUBSCRIBE, REFER"));
        assert_eq!(answer.get("Allow-Events"), "conference, refer");
        assert_eq!(answer.get("Supported"), "norefersub, nosub, replaces, tdialog, timer");
    }
    assert_eq!(peer.ask(&peer.request("OPTIONS", "sip:x@rooms.example.com")).await.code(), 404);
    for readiness in [Readiness::Draining, Readiness::Overloaded] {
        *house.stage.readiness.lock().unwrap() = readiness;
        for request in [peer.request("OPTIONS", &node), peer.request("OPTIONS", ROOM), peer.invite(ROOM)] {
            let answer = peer.ask(&request).await;
            assert_eq!(answer.code(), 503, "{readiness:?} {}", request.method);
            assert!(answer.get("Retry-After").parse::<u32>().is_ok());
        }
    }
}

/// SIP-21: what is there is what the 503 is for.
#[tokio::test]
async fn a_node_that_is_too_busy_says_503_to_all_that_is_new_and_goes_on_with_what_is_there() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    *house.stage.readiness.lock().unwrap() = Readiness::Busy;
    let peer = &mut up.peer;
    for request in [peer.request("OPTIONS", ROOM), peer.invite(ROOM), peer.subscribe(ROOM)] {
        let answer = peer.ask(&request).await;
        assert_eq!(answer.code(), 503, "{}", request.method);
        assert!((5..=30).contains(&answer.get("Retry-After").parse::<u32>().unwrap()));
        // It is not remembered either: the same once more is judged anew.
        *house.stage.readiness.lock().unwrap() = Readiness::Draining;
        assert!(!peer.ask(&request).await.0.contains(answer.get("Warning")), "{}", request.method);
        *house.stage.readiness.lock().unwrap() = Readiness::Busy;
    }
    assert_eq!(peer.ask(&up.invite.next("OPTIONS", 2, &up.ok)).await.code(), 200);
    assert_eq!(peer.ask(&up.invite.next("BYE", 3, &up.ok)).await.code(), 200);
}

/// SIP-04.
#[tokio::test]
async fn answers_go_back_to_where_the_request_came_from() {
    let house = House::open().await;
    let mut peer = house.udp().await;
    let port = peer.local.port();
    let text = peer.request("OPTIONS", ROOM).text().replace(&peer.local.to_string(), "host.invalid:9");
    for text in [text.clone(), text.replace("OPTIONS", "FROBNICATE")] {
        peer.send(&text).await;
        let answer = peer.hear().await;
        let via = answer.get("Via");
        assert!(via.contains("received=127.0.0.1") && via.contains(&format!("rport={port}")), "{via}");
    }
}

/// RFC 5626 §4.4.1 (SIP-03).
#[tokio::test]
async fn a_ping_on_a_stream_gets_a_pong() {
    let house = House::open().await;
    let mut peer = house.tcp().await;
    peer.send("\r\n\r\n").await;
    assert_eq!(peer.raw().await, b"\r\n");
    assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 200);
}

#[tokio::test]
async fn an_ack_or_a_response_that_nobody_waits_for_is_met_with_silence() {
    let house = House::open().await;
    let mut peer = Peer::udp(house.address(Transport::Udp), "127.0.0.1").await;
    let ack = peer.request("ACK", ROOM);
    peer.send(&ack.text()).await;
    peer.send(&ack.text().replace("From:", "Fr om:")).await;
    peer.send(&ack.text().replace(&format!("ACK {ROOM} SIP/2.0"), "SIP/2.0 200 OK")).await;
    peer.send(&ack.text().replace(&format!("ACK {ROOM} SIP/2.0"), "SIP/2.0 4294967301 better not break")).await;
    // Whatever comes next must be the answer to this.
    let options = peer.request("OPTIONS", ROOM);
    assert_eq!(peer.ask(&options).await.get("Call-ID"), options.call_id);
}

#[tokio::test]
async fn an_address_in_use_is_a_start_error_that_names_it() {
    let house = House::open().await;
    for taken in house.driver.addresses() {
        let settings = mucfocus::sip::settings::Settings {
            node: "n".into(),
            listen: vec![taken],
            domains: vec!["rooms.example.com".into()],
            advertise: None,
            trusted_peers: Vec::new(),
            identity: Vec::new(),
            untrusted: Untrusted::Refuse,
            sources: SourceLimits::NONE,
            min_session: MIN_SESSION,
            trusted_names: Vec::new(),
            tls: None,
            allowed_origins: Default::default(),
            dns: Default::default(),
        };
        let (focus, observer) = (std::sync::Arc::clone(&house.stage), std::sync::Arc::clone(&house.counts));
        let error = mucfocus::sip::Driver::start(settings, focus, observer).await.unwrap_err();
        assert!(error.to_string().contains(&taken.address.to_string()), "{error}");
    }
}

/// One that nobody has, by UDP or by TCP.
fn free_port() -> u16 {
    let is_free = |port: &u16| {
        let address = std::net::SocketAddr::from(([0, 0, 0, 0], *port));
        std::net::UdpSocket::bind(address).is_ok() && std::net::TcpListener::bind(address).is_ok()
    };
    let any = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::iter::repeat_with(any).find(is_free).unwrap()
}

/// SIP-19, and both transports on one port.
#[tokio::test]
async fn ipv6_and_ipv4_listen_side_by_side_on_one_port() {
    let free = free_port();
    let mut house = House::open_with(|s| {
        s.trusted_peers
            .push(mucfocus::sip::settings::TrustedPeer { network: "::1/128".parse().unwrap(), over_udp: false });
        s.listen = [Transport::Udp, Transport::Tcp]
            .into_iter()
            .flat_map(|transport| {
                ["0.0.0.0", "::"].map(|ip| mucfocus::sip::settings::Listen {
                    transport,
                    address: std::net::SocketAddr::new(ip.parse().unwrap(), free),
                })
            })
            .collect();
    })
    .await;
    for transport in BOTH {
        let to = std::net::SocketAddr::new("::1".parse().unwrap(), free);
        let mut peer = match transport {
            Transport::Udp => Peer::udp(to, "::1").await,
            _ => Peer::tcp(to).await,
        };
        peer.send(&peer.invite(ROOM).text()).await;
        let room = house.ringing().await;
        assert_eq!(room.dial.local.to_string(), "::1");
        room.accept("answer").await;
        let ok = peer.hear_final().await;
        assert!(ok.get("Contact").starts_with(&format!("<sip:capulet@[::1]:{free}")), "{}", ok.0);
    }
}
