//! Whatever an offer is, the answer to it is SDP of ours: complete, as many streams as were offered, one of them taken, and
//! nothing that was offered can add a line to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_core::wire::sdp::{
    Answer, Carrier, Conditions, Direction, Fingerprint, Offer, OfferError, RemoteAnswer, Reoffer, Setup,
};

fuzz_target!(|input: &[u8]| {
    let carriers = vec![Carrier::Tcp, Carrier::Tls, Carrier::Ws, Carrier::Wss];
    let everything = Conditions { carriers, ..Conditions::default() };
    let strict = Conditions { tls_only: true, cema_strict: true, ..everything.clone() };
    for conditions in [Conditions::default(), everything, strict] {
        check_offer(input, &conditions);
    }
    let _ = RemoteAnswer::parse(input);
    for line in input.split(|b| *b == b'\n').filter_map(mucfocus_fuzz::text) {
        if let Ok(fingerprint) = line.trim_start_matches("a=fingerprint:").parse::<Fingerprint>() {
            assert_eq!(fingerprint.octets.len(), fingerprint.hash.octets());
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }
});

fn check_offer(input: &[u8], conditions: &Conditions) {
    let offered = Offer::parse(input, conditions);
    if let Ok(offer) = &offered {
        assert!(
            conditions.carriers.contains(&offer.carrier()) && (offer.carrier().is_secure() || !conditions.tls_only)
        );
        check_answers(input, offer);
        assert!(offer.is_same_as(offer));
        check_line_ends(input, offer, conditions);
        check_certificate(input, offer, conditions);
    }
    match (Reoffer::parse(input, conditions), offered) {
        (Ok(Reoffer::Stream(again)), Ok(offer)) => assert_eq!(*again, offer),
        (Ok(Reoffer::Removed(removal)), Err(OfferError::NoMsrp)) => {
            check_streams(input, &removal.answer("focus1.example.com", 1, 2), false);
        }
        (Err(again), Err(error)) => assert_eq!(again, error),
        (again, offer) => panic!("first {offer:?}, later {again:?}"),
    }
}

/// Who announces a certificate is not taken with any other.
fn check_certificate(input: &[u8], offer: &Offer, conditions: &Conditions) {
    let lines = || input.split(|b| matches!(b, b'\n' | b'\r'));
    let is_alone = lines().filter(|line| line.starts_with(b"m=")).count() == 1;
    let announces = lines().any(|line| line.starts_with(b"a=fingerprint:"));
    if is_alone && announces && offer.carrier() == Carrier::Tls && offer.path().is_direct() {
        assert!(!offer.fingerprints(conditions).is_empty(), "{offer:?}");
    }
}

fn check_answers(input: &[u8], offer: &Offer) {
    let scheme = if offer.carrier().is_secure() { "msrps" } else { "msrp" };
    let transport = if offer.carrier().is_websocket() { "ws" } else { "tcp" };
    let certificate = format!("SHA-256{}", " 0F".to_owned() + &":5A".repeat(31)).parse().expect("a fingerprint");
    let everything = Conditions { carriers: vec![offer.carrier()], ..Conditions::default() };
    for (host, active) in [("focus1.example.com:2855", false), ("[2001:db8::1]:9999", true)] {
        let path = MsrpUri::parse(&format!("{scheme}://{host}/s;{transport}")).expect("ours");
        for (chatroom, max_size) in [(&[][..], None), (&["nickname", "private-messages"][..], Some(65_536))] {
            let ours = Answer {
                path: &path,
                host: path.host(),
                active,
                session: 42,
                version: 1,
                max_size,
                chatroom,
                wrapped: "text/plain",
                certificate: offer.carrier().is_secure().then_some(&certificate),
            };
            let answer = offer.answer(&ours);
            check_streams(input, &answer, true);
            let read = RemoteAnswer::parse(&answer).expect("a client understands our answer");
            assert_eq!((read.path().endpoint(), read.path().is_direct()), (&path, true));
            assert_eq!(read.setup(), if active { Setup::Active } else { Setup::Passive });
            assert_eq!(read.max_size(), max_size);
            assert_eq!(read.chatroom().map(<[_]>::len), Some(chatroom.len()));
            assert!(read.accepts_cpim());
            let text = std::str::from_utf8(&answer).expect("an answer is UTF-8");
            let direction = offer.direction().mirrored();
            let said = text.contains(&format!("\r\na={}\r\n", direction.as_str()));
            assert_eq!(said, direction != Direction::SendRecv, "{text}");

            let counteroffer = offer.counteroffer(&ours);
            check_streams(input, &counteroffer, true);
            let read = Offer::parse(&counteroffer, &everything).expect("our offer is one that we would take");
            assert_eq!((read.path().endpoint(), read.carrier()), (&path, offer.carrier()));
            assert_eq!(read.setup(), Setup::Actpass);
        }
    }
}

/// The streams are those of the offer, in its order; at most one is not refused.
fn check_streams(input: &[u8], answer: &[u8], is_taken: bool) {
    let text = std::str::from_utf8(answer).expect("an answer is UTF-8");
    assert!(text.ends_with("\r\n") && text.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])), "{text:?}");
    for line in text.lines() {
        let (name, _) = line.split_once('=').expect("every line is type=value");
        assert!(matches!(name, "v" | "o" | "s" | "c" | "t" | "m" | "a" | "r" | "z"), "{line:?}");
    }
    let streams: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("m=")).collect();
    let offered = input.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| line.starts_with(b"m="));
    assert_eq!(streams.len(), offered.count(), "{text}");
    let live: Vec<_> = streams.iter().filter(|stream| stream.split(' ').nth(1) != Some("0")).collect();
    assert_eq!(live.len(), usize::from(is_taken), "{text}");
    assert_eq!(text.matches("\r\na=path:").count(), live.len(), "{text}");
}

/// CRLF or LF alone: the same offer.
fn check_line_ends(input: &[u8], offer: &Offer, conditions: &Conditions) {
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    let feeds = text.replace("\r\n", "\n");
    if feeds.contains('\r') {
        return;
    }
    assert_eq!(Offer::parse(feeds.as_bytes(), conditions).as_ref(), Ok(offer));
}
