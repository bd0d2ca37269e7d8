//! Who connects to whom, and by what: offers for TLS, WebSocket, relays and middleboxes, and our answers.

use mucfocus_core::leg::call::Refusal;
use mucfocus_core::leg::{Dial, Event, Expectation, Leg, MsrpPlace, Target};
use mucfocus_core::wire::sdp::{Carrier, Family, Fingerprint};

use crate::alone::{Alone, OFFER, offer_with};
use crate::reoffers::{line, names, text};
use crate::world::{node1, place};

/// Certificates of the caller, of which nothing counts but that they differ.
const A: &str = "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF";
const B: &str = "BB:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF";
const OURS: &str =
    "SHA-256 00:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF";
const SHA1: &str = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
const PATH: &str = "a=path:msrp://192.0.2.7:7654/romeo;tcp";

/// A node that listens for everything.
fn everything(dial: &mut Dial) {
    let msrp = &mut dial.msrp;
    *msrp = node1(&[(Carrier::Tcp, 2855), (Carrier::Tls, 2856), (Carrier::Ws, 8080), (Carrier::Wss, 8443)]);
    msrp.certificate = Some(OURS.parse().unwrap());
}

/// An offer under TLS, with more lines.
fn secure(lines: &[&str]) -> String {
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    OFFER.replace("TCP/MSRP", "TCP/TLS/MSRP").replace("msrp://", "msrps://") + &more
}

fn print(of: &str) -> String {
    format!("a=fingerprint:SHA-256 {of}")
}

/// The answer, and what a connection has to be.
fn answer(offer: &str) -> (String, Expectation) {
    let mut romeo = Alone::calls(offer, everything).unwrap_or_else(|refusal| panic!("{refusal:?} {offer}"));
    let answer = romeo.is_answered();
    let Some(Event::OpenSession(_, expected)) = romeo.events.first() else { panic!("{:?}", romeo.events) };
    (answer, expected.clone())
}

fn expected(fingerprints: &[&str]) -> Expectation {
    let read = |of: &&str| -> Fingerprint { format!("SHA-256 {of}").parse().unwrap() };
    Expectation { secure: true, fingerprints: fingerprints.iter().map(read).collect() }
}

fn refusal(offer: &str, change: impl FnOnce(&mut Dial)) -> String {
    let Refusal { code, text, .. } = Alone::calls(offer, change).map(|_| ()).expect_err(offer);
    assert_eq!(code, 488);
    text
}

/// Where we connect to, after the ACK.
fn target(offer: &str) -> Target {
    let mut romeo = Alone::calls(offer, everything).unwrap();
    let answer = romeo.is_answered();
    assert!(answer.contains("a=setup:active\r\n"), "{answer}");
    romeo.events.clear();
    romeo.does(|leg, _, out| leg.confirmed(out));
    let [Event::Connect(target)] = &romeo.events[..] else { panic!("{:?}", romeo.events) };
    target.clone()
}

/// MS-TLS-01, MS-TLS-02, MS-SDP-01: port, scheme and fingerprint are ours; whoever connects has to be the one of the offer.
#[test]
fn a_secure_stream_is_answered_with_our_certificate_and_waits_for_his() {
    let (sdp, expects) = answer(&secure(&[&print(A)]));
    assert_eq!(line(&sdp, "m="), "m=message 2856 TCP/TLS/MSRP *");
    assert!(line(&sdp, "a=path:").starts_with("a=path:msrps://node1.example.com:2856/"), "{sdp}");
    assert_eq!(line(&sdp, "a=fingerprint"), format!("a=fingerprint:{OURS}"));
    assert_eq!(expects, expected(&[A]));
    let (sdp, expects) = answer(&secure(&[]));
    assert_eq!(line(&sdp, "a=fingerprint"), format!("a=fingerprint:{OURS}"));
    assert_eq!(expects, expected(&[]), "anybody, but under TLS");
    let (sdp, expects) = answer(&offer_with("a=setup:actpass", &print(A)));
    assert!(!sdp.contains("fingerprint") && sdp.contains("2855 TCP/MSRP"), "{sdp}");
    assert_eq!(expects, Expectation::default(), "nobody shows a certificate without TLS");
}

/// RFC 8122 §5: the lines of the stream, else those of the session, several, in either case; of several hashes the strongest.
#[test]
fn the_fingerprints_that_count_are_found() {
    let of_session = |offer: &str| offer.replace("t=0 0\r\n", &format!("t=0 0\r\n{}\r\n", print(B)));
    let strong = format!("a=fingerprint:SHA-512 {A}:{B}");
    let (lower, nobody_knows) = (print(A).to_lowercase(), print(B).replace("SHA-256", "SHA-3"));
    for (offer, fingerprints) in [
        (of_session(&secure(&[])), vec![B]),
        (of_session(&secure(&[&print(A)])), vec![A]),
        (secure(&[&print(A), &print(B)]), vec![A, B]),
        (secure(&[&lower]), vec![A]),
        (secure(&[&nobody_knows, &print(A)]), vec![A]),
        (secure(&[&format!("a=fingerprint:{SHA1}"), &print(B)]), vec![B]),
    ] {
        assert_eq!(answer(&offer).1, expected(&fingerprints), "{offer}");
    }
    let (_, expects) = answer(&secure(&[&print(A), &strong]));
    assert_eq!(expects.fingerprints, [format!("SHA-512 {A}:{B}").parse().unwrap()]);
}

/// MS-TLS-02: a fingerprint that is of no use must not let everybody in.
#[test]
fn a_fingerprint_that_cannot_be_compared_is_refused() {
    let sha1 = secure(&[&format!("a=fingerprint:{SHA1}")]);
    for bad in [&sha1, &secure(&["a=fingerprint:MD5 4A:AD"]), &secure(&["a=fingerprint:SHA-256 4A:AD"])] {
        assert!(refusal(bad, everything).contains("SHA-256"), "{bad}");
    }
    let allowed = Alone::calls(&sha1, |dial| {
        everything(dial);
        dial.policy.sha1_fingerprints = true;
    });
    let mut romeo = allowed.unwrap();
    romeo.is_answered();
    let Some(Event::OpenSession(_, expects)) = romeo.events.first() else { panic!() };
    assert_eq!(expects.fingerprints, [SHA1.parse().unwrap()]);
}

/// MS-TLS-03, MS-TLS-01, SW-37: each refusal says what to do.
#[test]
fn what_does_not_fit_is_refused_with_what_to_offer() {
    let mismatched = [secure(&[]).replace("TCP/TLS/MSRP", "TCP/MSRP"), secure(&[]).replace("msrps:", "msrp:")];
    for offer in &mismatched {
        assert!(refusal(offer, everything).contains("msrps: with TCP/TLS/MSRP"));
    }
    let only_tls = |dial: &mut Dial| {
        everything(dial);
        dial.room.tls_only = true;
    };
    assert!(refusal(OFFER, only_tls).contains("this room takes MSRP under TLS only; offer TCP/TLS/MSRP"));
    assert!(Alone::calls(&secure(&[]), only_tls).is_ok());
    assert!(refusal(&secure(&[]), |_| {}).contains("not available here; offer TCP/MSRP"));
    let no_plain = |dial: &mut Dial| dial.msrp = node1(&[(Carrier::Tls, 2856)]);
    assert!(refusal(OFFER, no_plain).contains("not available here; offer TCP/TLS/MSRP"));
    let both = secure(&[]) + &OFFER[OFFER.find("m=").unwrap()..].replace("7654", "7655");
    let sdp = Alone::calls(&both, |_| {}).unwrap().is_answered();
    let media: Vec<&str> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=message 0 TCP/TLS/MSRP *", "m=message 2855 TCP/MSRP *"], "MS-SDP-07");
}

/// ACM-08, MS-TLS-01: whom we connect to under TLS has to be the one that he said.
#[test]
fn we_connect_under_tls_to_whom_the_offer_names() {
    let romeo = target(&secure(&[&print(A)]).replace("actpass", "passive"));
    assert_eq!(
        (romeo.host.as_str(), romeo.port, romeo.secure, romeo.name.as_str()),
        ("192.0.2.7", 7654, true, "192.0.2.7")
    );
    assert_eq!(romeo.fingerprints, expected(&[A]).fingerprints);
    assert!(!target(&offer_with("actpass", "passive")).secure);
}

/// MS-SDP-02, RLY-01, ACM-07: the relay is who connects or is connected to, whose certificate nobody announced.
#[test]
fn a_client_behind_a_relay_is_reached_through_it() {
    let relay = "a=path:msrps://relay.example.org:9000/r1;tcp msrp://192.0.2.7:7654/romeo;ws";
    let offer = secure(&[&print(A)]).replace(&PATH.replace("msrp:", "msrps:"), relay);
    let relay = target(&offer.replace("actpass", "passive"));
    assert_eq!((relay.host.as_str(), relay.port, relay.secure), ("relay.example.org", 9000, true));
    assert_eq!((relay.name.as_str(), relay.fingerprints), ("relay.example.org", vec![]));
    assert_eq!(answer(&offer).1, expected(&[]));
    let mut romeo = Alone::calls(&offer, everything).unwrap();
    romeo.is_answered();
    romeo.does(Leg::bound);
    romeo.does(|leg, env, out| leg.deliver(env, &text("hello"), out));
    let to: Vec<String> = romeo.frames()[0].head.to_path.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["msrps://relay.example.org:9000/r1;tcp", "msrp://192.0.2.7:7654/romeo;ws"]);
}

/// WS-01: the port and the transport are those of WebSocket, and we wait.
#[test]
fn a_browser_is_answered_by_websocket_and_connects() {
    let browser = |secure: &str| secure.replace("192.0.2.7:7654/romeo;tcp", "df7jal23ls0d.invalid:2855/98cjs;ws");
    for setup in ["active", "actpass", "holdconn"] {
        let (sdp, expects) = answer(&browser(&secure(&[&print(A)])).replace("actpass", setup));
        assert_eq!(line(&sdp, "m="), "m=message 8443 TCP/TLS/MSRP *");
        let path = line(&sdp, "a=path:");
        assert!(path.starts_with("a=path:msrps://node1.example.com:8443/") && path.ends_with(";ws"), "{sdp}");
        assert!(sdp.contains("a=setup:passive\r\n"));
        assert_eq!(expects, expected(&[]), "a browser shows no certificate");
    }
    let (sdp, expects) = answer(&browser(OFFER));
    assert_eq!((line(&sdp, "m="), expects), ("m=message 8080 TCP/MSRP *", Expectation::default()));
    assert!(refusal(&browser(&secure(&[])).replace("actpass", "passive"), everything).contains("offer a=setup:active"));
    assert!(
        refusal(&browser(&secure(&[])), |dial| dial.msrp = node1(&[(Carrier::Tcp, 2855), (Carrier::Tls, 2856)]))
            .contains("WebSocket is not available")
    );
}

/// WS-01: we connected to his desk; to the browser that he moves to nobody can.
#[test]
fn a_client_that_moves_into_a_browser_connects_from_there() {
    let mut romeo = Alone::calls(&offer_with("actpass", "passive"), everything).unwrap();
    romeo.is_answered();
    romeo.does(|leg, _, out| leg.confirmed(out));
    romeo.does(Leg::bound);
    romeo.events.clear();
    let sdp = romeo.offers(&OFFER.replace("192.0.2.7:7654/romeo;tcp", "x.invalid:2855/romeo2;ws")).unwrap();
    assert!(sdp.contains("a=setup:passive\r\n") && line(&sdp, "a=path:").ends_with(";ws"), "{sdp}");
    romeo.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&romeo.events), ["take back", "close", "open", "answer"]);
}

/// ACM-02, ACM-03, ACM-04, ACM-06: whatever he says, or does not; `a=connection` is not looked at.
#[test]
fn who_connects_is_answered_to_every_offer() {
    for (said, ours) in [
        ("a=setup:actpass\r\n", "passive"),
        ("a=setup:active\r\n", "passive"),
        ("a=setup:passive\r\n", "active"),
        ("a=setup:holdconn\r\n", "passive"),
        ("a=connection:existing\r\n", "passive"),
        ("", "passive"),
    ] {
        let (sdp, _) = answer(&offer_with("a=setup:actpass\r\n", said));
        assert_eq!(line(&sdp, "a=setup:"), format!("a=setup:{ours}"), "{said}");
        assert!(!sdp.contains("a=connection"), "{said}");
    }
    let nowhere = offer_with("a=setup:actpass", "a=setup:passive").replace("7654", "9");
    assert!(refusal(&nowhere, everything).contains("offer the port, or a=setup:active"));
    let (sdp, _) = answer(&nowhere.replace("passive", "active"));
    assert_eq!(line(&sdp, "m="), "m=message 2855 TCP/MSRP *", "who connects to us has a port of no consequence");
}

/// CEMA-02: where both know it, we connect to the box in front of him, and speak to him.
#[test]
fn a_middlebox_that_both_know_of_is_connected_to() {
    let boxed = OFFER.replace("c=IN IP4 192.0.2.7", "c=IN IP4 203.0.113.1").replace("message 7654", "message 4000");
    let knows = boxed.clone() + "a=msrp-cema\r\n";
    let reached = |offer: &str| {
        let target = target(&offer.replace("actpass", "passive"));
        (target.host, target.port, target.name)
    };
    assert_eq!(reached(&knows), ("203.0.113.1".into(), 4000, "192.0.2.7".into()));
    assert_eq!(reached(&boxed), ("192.0.2.7".into(), 7654, "192.0.2.7".into()), "E-15: the path counts");
    let on_hold = knows.replace("203.0.113.1", "0.0.0.0");
    assert_eq!(reached(&on_hold).0, "192.0.2.7", "not to ourselves");
    assert!(answer(&knows).0.contains("a=msrp-cema\r\n"));
    assert!(!answer(&boxed).0.contains("msrp-cema"), "who does not know it is not told");
    let mut romeo = Alone::calls(&knows.replace("actpass", "passive"), everything).unwrap();
    assert!(romeo.is_answered().contains("a=msrp-cema\r\n"));
    romeo.does(|leg, _, out| leg.confirmed(out));
    romeo.events.clear();
    romeo.does(Leg::bound);
    assert_eq!(romeo.frames()[0].head.to_path.endpoint().as_str(), "msrp://192.0.2.7:7654/romeo;tcp");
}

/// RFC 6714 §4.3: a relay that connects for him goes by our path, so that the answer is one without CEMA.
#[test]
fn a_relay_that_connects_falls_back_to_the_path() {
    let relayed = PATH.replace(":msrp://", ":msrp://relay.example.org:9000/r;tcp msrp://");
    let offer = OFFER.replace(PATH, &relayed) + "a=msrp-cema\r\n";
    for setup in ["active", "actpass"] {
        assert!(!answer(&offer.replace("actpass", setup)).0.contains("msrp-cema"), "{setup}");
    }
    assert!(answer(&offer.replace("actpass", "passive")).0.contains("a=msrp-cema\r\n"));
}

/// CEMA-03, CEMA-05: with `cema_strict`, `c=` and `m=` have to lead to the path, in whatever spelling.
#[test]
fn a_strict_node_refuses_what_leads_elsewhere() {
    let strict = |dial: &mut Dial| dial.policy.cema_strict = true;
    let six =
        |host: &str| OFFER.replace("IP4 192.0.2.7", &format!("IP6 {host}")).replace("//192.0.2.7:", "//[2001:db8::7]:");
    let named = OFFER.replace("//192.0.2.7:", "//client.example.org:");
    for fits in [
        OFFER.to_owned(),
        six("2001:DB8:0:0::7"),
        named.clone(),
        named.replace("IP4 192.0.2.7", "IP4 CLIENT.example.org."),
        offer_with("IP4 192.0.2.7", "IP4 203.0.113.1") + "a=msrp-cema\r\n",
        offer_with("c=IN IP4 192.0.2.7\r\n", ""),
    ] {
        assert!(Alone::calls(&fits, strict).is_ok(), "{fits}");
    }
    for differs in [
        OFFER.replace("c=IN IP4 192.0.2.7", "c=IN IP4 203.0.113.1"),
        OFFER.replace("m=message 7654", "m=message 7655"),
        six("2001:db8::8"),
        named.replace("IP4 192.0.2.7", "IP4 elsewhere.example.org"),
    ] {
        assert!(refusal(&differs, strict).contains("or say a=msrp-cema"), "{differs}");
        assert!(Alone::calls(&differs, |_| {}).is_ok(), "E-15");
    }
}

/// MS-CONN-08, MS-SDP-04: while the connection lives and the path is the same, nothing that an offer changes touches it.
#[test]
fn an_offer_that_keeps_the_path_keeps_the_connection() {
    let mut romeo = Alone::talks(OFFER);
    for changed in [
        offer_with("a=setup:actpass", "a=recvonly"),
        offer_with("text/plain", "text/plain text/html"),
        offer_with(" private-messages", ""),
        OFFER.replace("c=IN IP4 192.0.2.7", "c=IN IP4 203.0.113.1"),
        offer_with("actpass", "passive"),
        OFFER.to_owned(),
    ] {
        romeo.offers(&changed).unwrap();
        romeo.does(|leg, _, out| leg.confirmed(out));
        assert_eq!(names(&romeo.takes_events()), ["answer"], "{changed}");
    }
}

/// RFC 4975 §14.5: each new address is a connection to whoever is there.
#[test]
fn nobody_has_us_knock_at_a_hundred_doors() {
    let mut romeo = Alone::talks(&offer_with("actpass", "passive"));
    let passive = |n: u64| offer_with("actpass", "passive").replace("7654/romeo", &format!("765{n}/romeo{n}"));
    let moved = (0..9).filter(|n| romeo.offers(&passive(*n)).is_ok()).count();
    assert_eq!(moved, 4);
    assert_eq!(romeo.offers(&passive(9)).unwrap_err().code, 491);
    romeo.now = romeo.now + std::time::Duration::from_secs(10);
    assert!(romeo.offers(&passive(9)).is_ok() && romeo.offers(&passive(8)).is_err());
    assert!(romeo.offers(&passive(7).replace("passive", "active")).is_ok(), "who connects himself moves as he likes");
}

/// A node with a listener for each family, the one of IPv4 first.
fn either_family(dial: &mut Dial) {
    let at = |host, port, family| MsrpPlace { family: Some(family), ..place(Carrier::Tcp, host, port) };
    dial.msrp.places = vec![at("192.0.2.1", 2855, Family::V4), at("[2001:db8::1]", 2857, Family::V6)];
}

const FOUR: [&str; 3] = ["IN IP4 192.0.2.1", "m=message 2855 TCP/MSRP *", "msrp://192.0.2.1:2855/"];
const SIX: [&str; 3] = ["IN IP6 2001:db8::1", "m=message 2857 TCP/MSRP *", "msrp://[2001:db8::1]:2857/"];

fn says(sdp: &str, address: [&str; 3]) {
    let found = ["c=", "m=", "a=path:"].map(|start| line(sdp, start).trim_start_matches(start).to_owned());
    let [connection, media, path] = address;
    assert!(found[0] == connection && media.ends_with(&found[1]) && found[2].starts_with(path), "{sdp}");
    assert!(line(sdp, "o=").ends_with(connection), "{sdp}");
}

/// SIP-19, MS-SDP-01: `c=`, `m=` and path are those of the listener that the client can reach.
#[test]
fn the_address_family_of_the_offer_chooses_the_listener() {
    let of =
        |host: &str, kind: &str| OFFER.replace("192.0.2.7:", &format!("{host}:")).replace("c=IN IP4 192.0.2.7", kind);
    for (offer, address) in [
        (OFFER.to_owned(), FOUR),
        (of("[2001:db8::7]", "c=IN IP6 2001:db8::7"), SIX),
        // MS-SDP-01: the path counts where `c=` says something else, but with CEMA.
        (of("[2001:db8::7]", "c=IN IP4 192.0.2.7"), SIX),
        (of("[2001:db8::7]", "c=IN IP4 192.0.2.7") + "a=msrp-cema\r\n", FOUR),
        (of("romeo.example.org", "c=IN IP6 romeo.example.org"), SIX),
        (of("romeo.example.org", "c=IN IP4 192.0.2.7"), FOUR),
        // Nobody says: where the call came in.
        (of("romeo.example.org", "b=AS:64"), FOUR),
        (of("[::ffff:192.0.2.7]", "c=IN IP6 ::ffff:192.0.2.7"), FOUR),
    ] {
        says(&Alone::calls(&offer, either_family).unwrap().is_answered(), address);
    }
    says(&Alone::calls("", either_family).unwrap().is_answered(), FOUR);
}

/// A client that stays keeps our address, one that moves gets the one that he can reach from there.
#[test]
fn a_client_that_moves_to_the_other_family_finds_us_there() {
    let moved =
        OFFER.replace("192.0.2.7", "2001:db8::7").replace("//2001:db8::7:", "//[2001:db8::7]:").replace("IP4", "IP6");
    let mut romeo = Alone::calls(&moved, either_family).unwrap();
    let first = romeo.is_answered();
    says(&first, SIX);
    romeo.does(Leg::bound);
    assert_eq!(romeo.offers(&moved).unwrap(), first);
    says(&romeo.offers(OFFER).unwrap(), FOUR);
    says(&romeo.offers(&moved).unwrap(), SIX);
    let removed = moved.replace("m=message 7654", "m=message 0");
    assert!(romeo.offers(&removed).unwrap().contains("c=IN IP6 2001:db8::1\r\n"));
}
