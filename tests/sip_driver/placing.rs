//! Calls that rooms make: CF-06, CF-07, ERR-05 to ERR-08.

use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail, Mail};
use mucfocus::hub::mailbox::Mailbox;
use mucfocus::sip::port::{CallCommand, Placed};
use mucfocus::sip::settings::{Outbound, Transport};
use mucfocus_core::address::sip_uri::SipUri;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{House, LEG, Message, OFFER, PATIENCE, Peer, Request};
use crate::message::{contact_uri, fresh};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const ANSWER: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\n";

/// A driver that may call, and the proxy that it calls through.
struct Scene {
    house: House,
    proxy: Proxy,
    calls: mpsc::Sender<Placed>,
}

enum Proxy {
    Udp(Box<Peer>),
    Tcp(TcpListener),
}

/// A call as the room sees it.
struct Calling {
    commands: Option<mpsc::Sender<CallCommand>>,
    mailbox: Mailbox,
}

impl Calling {
    async fn hear(&mut self) -> CallMail {
        let letter = timeout(PATIENCE, self.mailbox.recv()).await.expect("the room hears nothing");
        let Mail::Call(mail) = letter.mail else { panic!("not from a call: {:?}", letter.mail) };
        mail
    }

    async fn hear_end(&mut self) -> CallEnd {
        match self.hear().await {
            CallMail::Ended(end) => end,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    async fn is_refused(&mut self, code: u16, phrase: &str) {
        let CallEnd::Refused { code: got, phrase: words, .. } = self.hear_end().await else { panic!("not refused") };
        assert_eq!((got, words.as_str()), (code, phrase));
    }

    async fn withdraw(&self) {
        let bye = CallCommand::Bye { cause: 408, text: "nobody came".into() };
        self.commands.as_ref().unwrap().send(bye).await.unwrap();
    }
}

impl Scene {
    async fn set(transport: Transport) -> Self {
        Self::set_with(transport, Duration::from_millis(500), None).await
    }

    async fn set_with(transport: Transport, t1: Duration, password: Option<&str>) -> Self {
        // What phones say within their calls comes through the proxy, which is believed.
        let mut house = House::open_at(t1, |settings| settings.trusted_peers[0].over_udp = true).await;
        let (proxy, port) = match transport {
            Transport::Udp => {
                let peer = house.udp().await;
                let port = peer.local.port();
                (Proxy::Udp(Box::new(peer)), port)
            }
            _ => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                (Proxy::Tcp(listener), port)
            }
        };
        let credentials = password.map(|password| ("mucfocus".to_owned(), SecretString::from(password)));
        let proxy_uri = format!("sip:127.0.0.1:{port};transport={transport};lr");
        let (calls, placed) = mpsc::channel(4);
        house.driver.place_calls(Outbound { proxy: proxy_uri, credentials }, placed);
        Self { house, proxy, calls }
    }

    async fn call(&self) -> Calling {
        let mailbox = Mailbox::new();
        let gone = CallMail::Ended(CallEnd::Failed("dropped".into()));
        let (_, source) = mailbox.address().source(Mail::Call(gone));
        let (commands, from_room) = mpsc::channel(16);
        let uri = |text: &str| SipUri::parse(text).unwrap();
        let placed = Placed {
            callee: uri("sip:o%27hara@example.org"),
            room: uri("sip:room%40conf@rooms.example.com"),
            leg: LEG,
            call_id: fresh(),
            offer: OFFER.into(),
            subject: Some("A feast\r\nVia: x".into()),
            referred_by: Some("sip:romeo@example.org".into()),
            commands: from_room,
            source,
        };
        self.calls.send(placed).await.map_err(|_| "nobody takes calls").unwrap();
        Calling { commands: Some(commands), mailbox }
    }

    /// The proxy's end of the way, and the INVITE.
    async fn invited(&mut self) -> (Peer, Message) {
        let mut peer = match std::mem::replace(&mut self.proxy, Proxy::Udp(Box::new(self.house.udp().await))) {
            Proxy::Udp(peer) => *peer,
            Proxy::Tcp(listener) => Peer::accept(&listener).await,
        };
        let invite = peer.hear().await;
        assert!(invite.start().starts_with("INVITE "), "{}", invite.0);
        (peer, invite)
    }
}

/// A response to this request, with a tag, these fields and this body.
async fn answer(peer: &mut Peer, request: &Message, status: &str, fields: &str, body: &str) {
    answer_as("oh", peer, request, status, fields, body).await;
}

/// The same of the phone with this tag.
async fn answer_as(tag: &str, peer: &mut Peer, request: &Message, status: &str, fields: &str, body: &str) {
    let to = "\r\nTo: <sip:o%27hara@example.org>";
    let tagged = request.0.replacen(&format!("{to}\r\n"), &format!("{to};tag={tag}\r\n"), 1);
    peer.answer_with(&Message(tagged), status, fields, body).await;
}

/// Where the phone is, by way of two proxies.
fn ok_fields(peer: &Peer) -> String {
    format!(
        "Contact: <sip:phone@{0};transport={1}>\r\nRecord-Route: <sip:far.example;lr>, <sip:{0};transport={1};lr>\r\n\
         Content-Type: application/sdp\r\n",
        peer.local,
        peer.name().to_lowercase()
    )
}

/// The next request of that method; what is repeated meanwhile is passed over.
async fn hear_method(peer: &mut Peer, method: &str) -> Message {
    loop {
        let message = peer.hear().await;
        if message.start().starts_with(&format!("{method} ")) {
            return message;
        }
    }
}

/// Takes the call: the ACK, and what the room hears.
async fn picks_up(peer: &mut Peer, invite: &Message, calling: &mut Calling) -> Message {
    let fields = ok_fields(peer);
    answer(peer, invite, "200 OK", &fields, ANSWER).await;
    let ack = hear_method(peer, "ACK").await;
    assert!(matches!(calling.hear().await, CallMail::Answered { answer } if answer == ANSWER));
    ack
}

/// CF-06, CF-07, RF-14, SIP-17.
#[tokio::test]
async fn a_call_of_a_room_goes_through_the_proxy_and_its_dialog_by_record_route() {
    for transport in BOTH {
        let mut scene = Scene::set(transport).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        assert!(invite.start().starts_with("INVITE sip:o%27hara@example.org SIP/2.0"), "{}", invite.0);
        assert!(invite.get("Route").starts_with("<sip:127.0.0.1:") && invite.get("Route").ends_with(";lr>"));
        assert!(invite.get("From").starts_with("<sip:room%40conf@rooms.example.com>;tag="), "{}", invite.0);
        assert_eq!(invite.get("To"), "<sip:o%27hara@example.org>");
        assert!(invite.get("Contact").starts_with("<sip:room%40conf@") && invite.get("Contact").contains(";isfocus"));
        assert_eq!((invite.get("CSeq"), invite.get("Max-Forwards")), ("1 INVITE", "70"));
        assert_eq!(invite.get("Referred-By"), "<sip:romeo@example.org>");
        assert_eq!(invite.get("Subject"), "A feast  Via: x");
        assert!(invite.get("Supported").contains("timer") && invite.get("Allow").contains("REFER"));
        assert_eq!((invite.get("Content-Type"), invite.body()), ("application/sdp", OFFER));
        assert!(invite.get("Via").starts_with(&format!("SIP/2.0/{} ", peer.name())), "{}", invite.0);

        peer.answer(&invite, "100 Trying").await;
        answer(&mut peer, &invite, "180 Ringing", "", "").await;
        let ringing = calling.hear().await;
        assert!(matches!(&ringing, CallMail::Ringing { code: 180, phrase } if phrase == "Ringing"), "{ringing:?}");
        let ack = picks_up(&mut peer, &invite, &mut calling).await;
        assert!(ack.start().starts_with(&format!("ACK sip:phone@{}", peer.local)), "{}", ack.0);
        let routes: Vec<_> = ack.all("Route");
        assert_eq!(routes.len(), 2, "{}", ack.0);
        assert!(routes[0].contains("127.0.0.1") && routes[1] == "<sip:far.example;lr>", "the last first: {routes:?}");
        assert_eq!((ack.get("CSeq"), ack.to_tag(), ack.get("From")), ("1 ACK", "oh", invite.get("From")));
        assert_ne!(ack.get("Via"), invite.get("Via"), "it is a transaction of its own");
        // A repeated 2xx is acknowledged again (RFC 3261 §13.2.2.4).
        let fields = ok_fields(&peer);
        answer(&mut peer, &invite, "200 OK", &fields, ANSWER).await;
        assert_eq!(hear_method(&mut peer, "ACK").await.get("CSeq"), "1 ACK");

        assert_eq!((scene.house.driver.calls(), scene.house.driver.dialogs()), (1, 1));
        calling.withdraw().await;
        let bye = hear_method(&mut peer, "BYE").await;
        assert_eq!((bye.get("CSeq"), bye.to_tag(), bye.all("Route").len()), ("2 BYE", "oh", 2));
        assert_eq!(bye.get("Reason"), "SIP;cause=408;text=\"nobody came\"");
        peer.answer(&bye, "200 OK").await;
        assert_eq!(calling.hear_end().await, CallEnd::ByUs);
        scene.house.is_empty().await;
    }
}

/// CF-06: what the phone says within the call.
#[tokio::test]
async fn whom_we_called_subscribes_refers_and_hangs_up_as_any_other() {
    for transport in BOTH {
        let mut scene = Scene::set(transport).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        picks_up(&mut peer, &invite, &mut calling).await;
        let request = |method: &str, cseq: u32| Request {
            method: method.into(),
            uri: contact_uri(&invite).into(),
            transport: peer.name(),
            local: peer.local,
            branch: format!("z9hG4bK{}", fresh()),
            from: "<sip:o%27hara@example.org>;tag=oh".into(),
            to: invite.get("From").into(),
            call_id: invite.get("Call-ID").into(),
            cseq,
            more: String::new(),
            body: String::new(),
        };
        let (options, other) = (request("OPTIONS", 5), request("BYE", 6).from("<sip:tybalt@example.org>;tag=oh"));
        let (refer, bye) = (request("REFER", 8).with(&peer.contact()), request("BYE", 9));
        assert_eq!(peer.ask(&options).await.code(), 200);
        assert_eq!(peer.ask(&other).await.code(), 403);
        peer.send(&refer.with("Refer-To: <xmpp:benvolio@example.com>\r\n").text()).await;
        let asked = scene.house.asked().await;
        assert_eq!(
            (asked.refer.leg, asked.refer.caller.aor.to_string().as_str()),
            (Some(LEG), "sip:o%27hara@example.org")
        );
        drop(asked);
        assert_eq!(peer.hear_final().await.code(), 500);
        assert_eq!(peer.ask(&bye.with("Reason: SIP;cause=200;text=\"good night\"\r\n")).await.code(), 200);
        assert_eq!(calling.hear_end().await, CallEnd::Bye { reason: Some("good night".into()) });
        scene.house.is_empty().await;
    }
}

/// ERR-05, ERR-06, ERR-07: in its own words, and with its own tag in the ACK (RFC 3261 §17.1.1.3).
#[tokio::test]
async fn a_refusal_is_acknowledged_and_quoted_and_no_redirection_is_followed() {
    for transport in BOTH {
        for (code, phrase) in [(403, "No robots"), (486, "Busy Here"), (607, "Unwanted"), (499, "What"), (301, "Moved")]
        {
            let mut scene = Scene::set(transport).await;
            let mut calling = scene.call().await;
            let (mut peer, invite) = scene.invited().await;
            let contact = "Contact: <sip:elsewhere@127.0.0.1:9>\r\n";
            answer(&mut peer, &invite, &format!("{code} {phrase}"), contact, "").await;
            let ack = hear_method(&mut peer, "ACK").await;
            assert!(ack.start().starts_with("ACK sip:o%27hara@example.org SIP/2.0"), "{}", ack.0);
            assert_eq!((ack.get("Via"), ack.get("CSeq"), ack.to_tag()), (invite.get("Via"), "1 ACK", "oh"));
            assert_eq!((ack.get("Route"), ack.get("From")), (invite.get("Route"), invite.get("From")));
            let end = calling.hear_end().await;
            let contact = Some("sip:elsewhere@127.0.0.1:9".to_owned());
            assert_eq!(end, CallEnd::Refused { code, phrase: phrase.into(), contact });
            scene.house.is_empty().await;
        }
    }
}

const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256\r\n";

/// ERR-08.
#[tokio::test]
async fn a_proxy_that_asks_who_we_are_is_told_once() {
    for transport in BOTH {
        let mut scene = Scene::set_with(transport, Duration::from_millis(500), Some("secret")).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        assert!(invite.all("Proxy-Authorization").is_empty());
        answer(&mut peer, &invite, "407 Proxy Authentication Required", CHALLENGE, "").await;
        let again = hear_method(&mut peer, "INVITE").await;
        assert_eq!((again.get("CSeq"), again.get("Call-ID")), ("2 INVITE", invite.get("Call-ID")));
        assert_eq!(again.get("From"), invite.get("From"));
        let authorization = again.get("Proxy-Authorization");
        assert!(authorization.starts_with("Digest username=\"mucfocus\", realm=\"example.org\""), "{authorization}");
        assert!(authorization.contains("uri=\"sip:o%27hara@example.org\"") && !again.0.contains("secret"));
        let ack = picks_up(&mut peer, &again, &mut calling).await;
        assert_eq!((ack.get("CSeq"), ack.get("Proxy-Authorization")), ("2 ACK", authorization));
        drop(calling.commands.take());
        let bye = hear_method(&mut peer, "BYE").await;
        peer.answer(&bye, "200 OK").await;
        calling.hear_end().await;
    }
}

/// ERR-08: a wrong password costs one failed login, and none is made without one.
#[tokio::test]
async fn a_proxy_that_does_not_know_us_is_not_asked_again_and_again() {
    for password in [Some("wrong"), None] {
        let mut scene = Scene::set_with(Transport::Tcp, Duration::from_millis(500), password).await;
        let mut calling = scene.call().await;
        let (mut peer, mut invite) = scene.invited().await;
        if password.is_some() {
            answer(&mut peer, &invite, "407 Proxy Authentication Required", CHALLENGE, "").await;
            invite = hear_method(&mut peer, "INVITE").await;
        }
        answer(&mut peer, &invite, "407 Who Are You", CHALLENGE, "").await;
        calling.is_refused(407, "Who Are You").await;
    }
}

/// RFC 3261 §9.1: not before anybody has it.
#[tokio::test]
async fn a_call_that_is_not_wanted_any_more_is_cancelled_when_somebody_has_it() {
    for transport in BOTH {
        let mut scene = Scene::set(transport).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        calling.withdraw().await;
        answer(&mut peer, &invite, "180 Ringing", "", "").await;
        let cancel = hear_method(&mut peer, "CANCEL").await;
        assert_eq!((cancel.get("Via"), cancel.get("CSeq")), (invite.get("Via"), "1 CANCEL"));
        assert_eq!(cancel.start(), invite.start().replace("INVITE", "CANCEL"));
        let same = ["From", "To", "Call-ID", "Route"].map(|name| cancel.get(name) == invite.get(name));
        assert_eq!(same, [true; 4], "{}", cancel.0);
        assert_eq!(cancel.get("Reason"), "SIP;cause=408;text=\"nobody came\"");
        peer.answer(&cancel, "200 OK").await;
        answer(&mut peer, &invite, "487 Request Terminated", "", "").await;
        calling.is_refused(487, "Request Terminated").await;
        scene.house.is_empty().await;
    }
}

/// RFC 3261 §9.1: the 200 crosses the CANCEL.
#[tokio::test]
async fn who_answers_in_the_same_moment_gets_a_bye() {
    let mut scene = Scene::set(Transport::Tcp).await;
    let mut calling = scene.call().await;
    let (mut peer, invite) = scene.invited().await;
    answer(&mut peer, &invite, "180 Ringing", "", "").await;
    assert!(matches!(calling.hear().await, CallMail::Ringing { .. }));
    calling.withdraw().await;
    let cancel = hear_method(&mut peer, "CANCEL").await;
    let fields = ok_fields(&peer);
    answer(&mut peer, &invite, "200 OK", &fields, ANSWER).await;
    peer.answer(&cancel, "200 OK").await;
    hear_method(&mut peer, "ACK").await;
    let bye = hear_method(&mut peer, "BYE").await;
    assert_eq!(bye.get("Reason"), "SIP;cause=408;text=\"nobody came\"");
    peer.answer(&bye, "200 OK").await;
    assert_eq!(calling.hear_end().await, CallEnd::ByUs);
    scene.house.is_empty().await;
}

/// ERR-07: nobody answers at all, or nobody listens.
#[tokio::test]
async fn a_proxy_that_does_not_answer_is_a_408_and_one_that_is_not_there_a_failure() {
    let mut scene = Scene::set_with(Transport::Udp, Duration::from_millis(20), None).await;
    let mut calling = scene.call().await;
    let (_peer, _invite) = scene.invited().await;
    let end = calling.hear_end().await;
    assert!(matches!(end, CallEnd::Refused { code: 408, .. }), "{end:?}");

    let mut scene = Scene::set(Transport::Tcp).await;
    let nobody = Proxy::Udp(Box::new(scene.house.udp().await));
    drop(std::mem::replace(&mut scene.proxy, nobody));
    let end = scene.call().await.hear_end().await;
    assert!(matches!(&end, CallEnd::Failed(why) if why.contains("proxy")), "{end:?}");
    scene.house.is_empty().await;
}

/// RFC 3261 §8.1.3.1.
#[tokio::test]
async fn a_proxy_whose_connection_breaks_is_a_503_at_once_unless_it_has_said_that_it_tries() {
    let mut scene = Scene::set(Transport::Tcp).await;
    let mut calling = scene.call().await;
    let (peer, _invite) = scene.invited().await;
    drop(peer);
    calling.is_refused(503, "Service Unavailable").await;
    scene.house.is_empty().await;

    let mut scene = Scene::set(Transport::Tcp).await;
    let mut calling = scene.call().await;
    let (mut peer, invite) = scene.invited().await;
    answer(&mut peer, &invite, "180 Ringing", "", "").await;
    assert!(matches!(calling.hear().await, CallMail::Ringing { code: 180, .. }));
    drop(peer);
    let early = timeout(Duration::from_secs(2), calling.mailbox.recv()).await;
    assert!(early.is_err(), "{early:?}");
}

/// An answer that opens no dialog is of no use to anybody.
#[tokio::test]
async fn a_2xx_without_a_contact_or_an_answer_ends_in_order() {
    let mut scene = Scene::set(Transport::Tcp).await;
    let mut calling = scene.call().await;
    let (mut peer, invite) = scene.invited().await;
    answer(&mut peer, &invite, "200 OK", "Content-Type: application/sdp\r\n", ANSWER).await;
    assert!(matches!(calling.hear_end().await, CallEnd::Failed(_)));

    let mut scene = Scene::set(Transport::Tcp).await;
    let mut calling = scene.call().await;
    let (mut peer, invite) = scene.invited().await;
    let fields = format!("Contact: <sip:phone@{}>\r\n", peer.local);
    answer(&mut peer, &invite, "200 OK", &fields, "").await;
    hear_method(&mut peer, "ACK").await;
    assert!(matches!(calling.hear().await, CallMail::Confirmed));
}

/// CF-06, RFC 3261 §13.2.2.4: a proxy asks several phones, and two answer.
#[tokio::test]
async fn the_second_phone_that_answers_gets_its_own_ack_and_a_bye() {
    for transport in BOTH {
        let mut scene = Scene::set(transport).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        picks_up(&mut peer, &invite, &mut calling).await;
        let fields = ok_fields(&peer);
        let others = fields.replace("sip:phone@", "sip:tablet@").replace("far.example", "near.example");
        answer_as("tablet", &mut peer, &invite, "200 OK", &others, ANSWER).await;
        let ack = hear_method(&mut peer, "ACK").await;
        assert!(ack.start().starts_with(&format!("ACK sip:tablet@{}", peer.local)), "{}", ack.0);
        assert_eq!((ack.get("CSeq"), ack.to_tag(), ack.get("From")), ("1 ACK", "tablet", invite.get("From")));
        assert!(ack.all("Route")[0].contains("127.0.0.1") && ack.all("Route")[1] == "<sip:near.example;lr>");
        let bye = hear_method(&mut peer, "BYE").await;
        assert!(bye.start().starts_with(&format!("BYE sip:tablet@{}", peer.local)), "{}", bye.0);
        assert_eq!((bye.get("CSeq"), bye.to_tag(), bye.get("From")), ("2 BYE", "tablet", invite.get("From")));
        assert_eq!((bye.get("Call-ID"), bye.all("Route")), (invite.get("Call-ID"), ack.all("Route")));
        assert_eq!(bye.get("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
        peer.answer(&bye, "200 OK").await;

        // It has missed the ACK.
        answer_as("tablet", &mut peer, &invite, "200 OK", &others, ANSWER).await;
        let again = peer.hear().await;
        assert_eq!((again.start(), again.to_tag(), again.get("CSeq")), (ack.start(), "tablet", "1 ACK"));
        // And so has the first.
        answer(&mut peer, &invite, "200 OK", &fields, ANSWER).await;
        let again = peer.hear().await;
        assert_eq!((again.to_tag(), again.get("CSeq")), ("oh", "1 ACK"));
        assert!(again.start().starts_with("ACK sip:phone@"), "{}", again.0);

        assert_eq!((scene.house.driver.calls(), scene.house.driver.dialogs()), (1, 1));
        calling.withdraw().await;
        let bye = hear_method(&mut peer, "BYE").await;
        assert_eq!((bye.get("CSeq"), bye.to_tag()), ("2 BYE", "oh"));
        peer.answer(&bye, "200 OK").await;
        assert_eq!(calling.hear_end().await, CallEnd::ByUs);
        scene.house.is_empty().await;
    }
}

/// RFC 3261 §13.2.2.4: neither has its ACK when the other answers.
#[tokio::test]
async fn of_phones_that_answer_in_the_same_moment_one_is_in_the_call() {
    for transport in BOTH {
        let mut scene = Scene::set(transport).await;
        let mut calling = scene.call().await;
        let (mut peer, invite) = scene.invited().await;
        let tags = ["first", "second", "third"];
        for tag in tags {
            let fields = ok_fields(&peer).replace("sip:phone@", &format!("sip:{tag}@"));
            answer_as(tag, &mut peer, &invite, "200 OK", &fields, ANSWER).await;
        }
        let mut heard = Vec::new();
        while heard.len() < 5 {
            let message = peer.hear().await;
            let method = message.start().split(' ').next().unwrap().to_owned();
            let said = (method, message.get("To").rsplit("=").next().unwrap().to_owned());
            if said.0 == "BYE" {
                peer.answer(&message, "200 OK").await;
            }
            if said.0 != "INVITE" && !heard.contains(&said) {
                heard.push(said);
            }
        }
        heard.sort();
        let expected = [("ACK", "first"), ("ACK", "second"), ("ACK", "third"), ("BYE", "second"), ("BYE", "third")];
        assert_eq!(heard, expected.map(|(method, tag)| (method.to_owned(), tag.to_owned())));
        assert!(matches!(calling.hear().await, CallMail::Answered { .. }));
        calling.withdraw().await;
        let bye = hear_method(&mut peer, "BYE").await;
        assert_eq!(bye.to_tag(), "first");
        peer.answer(&bye, "200 OK").await;
        scene.house.is_empty().await;
    }
}
