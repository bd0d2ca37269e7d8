//! What is typed at `mucfocus chat`, against a focus of the test's own: nicknames, private messages, the roster, the topic,
//! invitations, passwords.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use mucfocus_rig::member::offer;
use mucfocus_rig::msrp::{Cpim, Frame, Listener, Peer, Send, own_uri};
use mucfocus_rig::{SOON, wait_for};
use tokio::net::UdpSocket;

#[path = "chat_commands/terminal.rs"]
mod terminal;

use self::terminal::Chat;

const ROOM: &str = "sip:capulet@rooms.test";
const CONFERENCE: &str = "Allow-Events: conference, refer\r\n";

/// A focus in the test's own hands, which lets the caller in.
struct Focus {
    sip: UdpSocket,
    caller: SocketAddr,
    msrp: Peer,
    invite: String,
}

impl Focus {
    /// Starts the client with these arguments after the room and the proxy.
    async fn dialled(more: &[&str]) -> (UdpSocket, Chat) {
        let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("udp:{}", sip.local_addr().unwrap());
        let chat = Chat::start(&[&[ROOM, "--proxy", &proxy, "--from", "sip:romeo@sip.test"], more].concat());
        (sip, chat)
    }

    /// Answers this INVITE with a room of these abilities.
    async fn answers(sip: UdpSocket, invite: String, caller: SocketAddr, fields: &str, tokens: &str) -> Self {
        let listener = Listener::bind().await;
        let uri = own_uri(listener.port());
        let contact = format!("Contact: <sip:capulet@{}>;isfocus\r\n{fields}", sip.local_addr().unwrap());
        let sdp = offer(&uri, "passive").replace("a=chatroom", tokens);
        sip.send_to(answer(&invite, "200 OK", &contact, &sdp).as_bytes(), caller).await.unwrap();
        let path = invite.lines().find_map(|line| line.strip_prefix("a=path:")).unwrap();
        let msrp = listener.accept(&uri, path).await;
        // From here on by hand, since a NICKNAME may follow at once.
        msrp.answer(false);
        let (ack, _) = datagram(&sip).await;
        assert!(ack.starts_with("ACK "), "{ack}");
        let focus = Self { sip, caller, msrp, invite };
        focus.responds("SEND", 0, "200 OK").await;
        focus
    }

    async fn called(more: &[&str], fields: &str, tokens: &str) -> (Self, Chat) {
        let (sip, chat) = Self::dialled(more).await;
        let (invite, caller) = datagram(&sip).await;
        let focus = Self::answers(sip, invite, caller, fields, tokens).await;
        if !more.contains(&"--as") {
            focus.msrp.answer(true);
        }
        (focus, chat)
    }

    /// The next request, which has to be of this method; it is answered.
    async fn takes(&self, method: &str, status: &str) -> String {
        let (request, from) = datagram(&self.sip).await;
        assert!(request.starts_with(&format!("{method} ")), "{request}");
        self.sip.send_to(answer(&request, status, "Expires: 600\r\n", "").as_bytes(), from).await.unwrap();
        request
    }

    /// Sends a NOTIFY in the dialog that `request` began, and takes its answer.
    async fn notifies(&self, request: &str, sequence: u32, fields: &str, body: &str) {
        let (to, from, id) = (field(request, "From"), field(request, "To"), field(request, "Call-ID"));
        let from = if from.contains("tag=") { from } else { format!("{from};tag=focus") };
        let notify = format!(
            "NOTIFY sip:romeo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKn{sequence}\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {id}\r\nCSeq: {sequence} NOTIFY\r\nContact: <sip:n@{}>\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            self.sip.local_addr().unwrap(),
            body.len()
        );
        self.sip.send_to(notify.as_bytes(), self.caller).await.unwrap();
        let (response, _) = datagram(&self.sip).await;
        assert!(response.starts_with("SIP/2.0 200 "), "{response}");
    }

    async fn shows_room(&self, subscribe: &str, version: u32, state: &str, body: &str) {
        let document = format!(
            "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='{ROOM}' state='{state}' \
             version='{version}'>{body}</conference-info>"
        );
        let fields = "Event: conference\r\nSubscription-State: active;expires=600\r\n";
        self.notifies(subscribe, version, fields, &document).await;
    }

    /// Waits for a request over MSRP that has not been answered, and answers it.
    async fn responds(&self, method: &str, nth: usize, code: &str) -> Frame {
        let request = || self.msrp.requests(method).into_iter().nth(nth);
        let request = wait_for(request, SOON, format!("{method} {nth}")).await;
        let (local, remote, id) = (self.msrp.local(), self.msrp.remote(), &request.id);
        self.msrp.raw(format!("MSRP {id} {code}\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\n-------{id}$\r\n"));
        request
    }

    fn message(&self, from: &str, to: &str, text: &str) -> Cpim {
        Cpim::text(&format!("{ROOM}{from}"), to, text)
    }
}

async fn datagram(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = tokio::time::timeout(SOON, socket.recv_from(&mut buffer)).await.expect("a datagram").unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

fn field(message: &str, name: &str) -> String {
    let start = format!("{name}: ");
    message.split("\r\n").find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
}

fn answer(request: &str, status: &str, fields: &str, body: &str) -> String {
    let of = |name: &str| field(request, name);
    let to = if of("To").contains(";tag=") { of("To") } else { format!("{};tag=focus", of("To")) };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{fields}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        of("Via"),
        of("From"),
        of("Call-ID"),
        of("CSeq"),
        body.len()
    )
}

const ABLE: &str = "a=chatroom:nickname private-messages";

/// SW-22, SW-28, GC-NICK-03.
#[tokio::test]
async fn a_nickname_is_asked_for_on_joining_and_by_nick_and_what_the_room_says_counts() {
    let (focus, mut chat) = Focus::called(&["--as", "Romeo"], "", ABLE).await;
    let asked = focus.responds("NICKNAME", 0, "200 OK").await;
    assert_eq!(asked.header("Use-Nickname"), Some("\"Romeo\""));
    assert!(asked.header("Success-Report").is_none() && asked.body.is_none());
    chat.tells("in the room as Romeo\n").await;
    chat.types("/nick Ju\"liet");
    let asked = focus.responds("NICKNAME", 1, "425 Nickname reserved").await;
    assert_eq!(asked.header("Use-Nickname"), Some("\"Ju\\\"liet\""));
    chat.tells("not Ju\"liet: 425 that nickname is taken (Nickname reserved)").await;
    chat.types("/nick Montague");
    focus.responds("NICKNAME", 2, "200 OK").await;
    chat.tells("you are Montague here").await;
    chat.types("/nick Montague");
    chat.tells("you are already Montague here").await;
    assert_eq!(focus.msrp.requests("NICKNAME").len(), 3);
    chat.types("/nick \u{7}");
    chat.tells("not \u{fffd}: ").await;
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn a_room_without_nicknames_is_not_asked_for_one() {
    let (focus, mut chat) = Focus::called(&["--as", "Romeo", "--say", "hi"], "", "a=chatroom").await;
    focus.responds("SEND", 1, "200 OK").await;
    focus.msrp.hears("hi").await;
    chat.tells("in the room as Romeo\n").await;
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
    assert_eq!(focus.msrp.requests("NICKNAME").len(), 0);
}

/// GC-PM-01, GC-PM-08, SW-14.
#[tokio::test]
async fn private_messages_go_to_one_and_come_from_one() {
    let (focus, mut chat) = Focus::called(&[], "", ABLE).await;
    chat.tells("in the room as romeo").await;
    chat.types("/msg \"Juli C\" my love");
    let said = focus.msrp.hears("my love").await;
    assert_eq!(said.cpim_header("To"), Some("<sip:capulet@rooms.test;gr=Juli%20C>"));
    chat.shows("you to Juli C (privately): my love").await;
    focus.msrp.send(Send::cpim(&focus.message(";gr=Juli%20C", "sip:romeo@sip.test", "ay me")));
    chat.shows("Juli C (privately): ay me").await;
    focus.msrp.answer(false);
    let so_far = focus.msrp.requests("SEND").len();
    chat.types("/msg Tybalt hello");
    focus.responds("SEND", so_far, "404 Nobody").await;
    chat.tells("not said to Tybalt: 404 nobody of that name is here (Nobody)").await;
    assert!(!chat.out().contains("you to Tybalt"), "{}", chat.out());
    chat.types("/msg Tybalt");
    chat.tells("write /msg NAME TEXT").await;
    focus.msrp.answer(true);
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

/// FT-10.
#[tokio::test]
async fn a_topic_is_asked_for_by_a_subject_without_a_body() {
    let (focus, chat) = Focus::called(&[], "", ABLE).await;
    let mut chat = chat;
    chat.tells("in the room as romeo").await;
    chat.types("/topic Balcony");
    let asked = || focus.msrp.messages().into_iter().find(|message| message.cpim_header("Subject").is_some());
    let asked = wait_for(asked, SOON, "a Subject").await;
    assert_eq!((asked.cpim_header("Subject"), asked.text().as_deref()), (Some("Balcony"), Some("")));
    assert_eq!(asked.cpim_header("To"), Some("<sip:capulet@rooms.test>"));
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

fn user(nickname: &str, more: &str) -> String {
    format!("<user entity='{ROOM};gr={nickname}'><display-text>{nickname}</display-text>{more}</user>")
}

/// GC-PRES-12…14, GC-NICK-06, EV-07.
#[tokio::test]
async fn who_is_here_is_shown_on_joining_and_as_it_changes_until_we_leave() {
    let (focus, mut chat) = Focus::called(&["--as", "Romeo"], CONFERENCE, "a=chatroom").await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    focus.shows_room(&subscribe, 1, "full", "<conference-description/><users/>").await;
    let dialled = "<endpoint entity='e'><joining-method>dialed-in</joining-method></endpoint>";
    let users = [user("Juliet", ""), user("Romeo", ""), user("Romeo%202", dialled).replace(">Romeo%202<", ">Romeo 2<")];
    let description = "<conference-description><subject>Balcony</subject></conference-description>";
    focus.shows_room(&subscribe, 2, "full", &format!("{description}<users>{}</users>", users.concat())).await;
    chat.shows("* 3 here: Juliet, Romeo, Romeo 2 (you)").await;
    chat.shows("* the topic is: Balcony").await;
    chat.tells("in the room as Romeo 2\n").await;
    let change = |users: &str| format!("<users state='partial'>{users}</users>");
    focus.shows_room(&subscribe, 3, "partial", &change(&user("Nurse", ""))).await;
    chat.shows("* Nurse joined").await;
    let gone = format!("<user entity='{ROOM};gr=Nurse' state='deleted'/>");
    focus.shows_room(&subscribe, 4, "partial", &change(&gone)).await;
    chat.shows("* Nurse left").await;
    chat.types("/who");
    chat.types("/topic");
    let twice = || chat.out().matches("* 3 here: ").count() == 2 && chat.out().matches("topic is: Bal").count() == 2;
    mucfocus_rig::until(twice, SOON, "the list and the topic again").await;
    chat.types("/leave");
    let unsubscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    assert_eq!(field(&unsubscribe, "Expires"), "0");
    focus.takes("BYE", "200 OK").await;
    focus.notifies(&subscribe, 5, "Event: conference\r\nSubscription-State: terminated;reason=timeout\r\n", "").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn a_probe_can_expect_somebody_to_join_but_no_answer_out_of_history() {
    let expects = ["--say", "ping", "--expect", "pong", "--expect", "Nurse joined"];
    let (focus, mut chat) = Focus::called(&expects, CONFERENCE, "a=chatroom").await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    focus.shows_room(&subscribe, 1, "full", &format!("<users>{}</users>", user("Juliet", ""))).await;
    let old = focus.message(";gr=Juliet", ROOM, "pong of yesterday").with("NS", "mucfocus <urn:x>");
    let old = old.without("DateTime").with("DateTime", "2020-01-02T03:04:05Z").with("mucfocus.Delayed", "true");
    focus.msrp.send(Send::cpim(&old));
    chat.shows("[2020-01-02 03:04Z] Juliet: pong of yesterday").await;
    let change = format!("<users state='partial'>{}</users>", user("Nurse", ""));
    focus.shows_room(&subscribe, 2, "partial", &change).await;
    chat.shows("* Nurse joined").await;
    focus.msrp.hears("ping").await;
    focus.msrp.send(Send::cpim(&focus.message(";gr=Juliet", ROOM, "pong")));
    focus.takes("SUBSCRIBE", "481 Gone").await;
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

/// GC-INV-01, GC-INV-04.
#[tokio::test]
async fn an_invitation_is_told_as_it_goes() {
    let (focus, mut chat) = Focus::called(&[], "", ABLE).await;
    chat.tells("in the room as romeo").await;
    chat.types("/invite benvolio@xmpp.test");
    let refer = focus.takes("REFER", "200 OK").await;
    assert_eq!(field(&refer, "Refer-To"), "<sip:benvolio@xmpp.test>");
    assert_eq!(field(&refer, "Call-ID"), field(&focus.invite, "Call-ID"));
    let last = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n";
    focus.notifies(&refer, 1, last, "SIP/2.0 100 Trying\r\n").await;
    chat.shows("* the invitation of sip:benvolio@xmpp.test is on its way: the room has sent it").await;
    chat.types("/invite xmpp:tybalt@xmpp.test");
    focus.takes("REFER", "403 Forbidden").await;
    chat.shows("* xmpp:tybalt@xmpp.test is not invited: 403 Forbidden").await;
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn a_password_answers_the_challenge_and_is_nowhere_shown() {
    let file = std::env::temp_dir().join(format!("mucfocus-chat-{}.pw", std::process::id()));
    std::fs::write(&file, "verona\n").unwrap();
    let path = file.to_str().unwrap();
    let (sip, mut chat) = Focus::dialled(&["--password-file", path, "--say", "hi", "--ladder"]).await;
    let (invite, caller) = datagram(&sip).await;
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
    sip.send_to(answer(&invite, "401 Unauthorized", challenge, "").as_bytes(), caller).await.unwrap();
    let (ack, _) = datagram(&sip).await;
    assert!(ack.starts_with("ACK "), "{ack}");
    let (again, caller) = datagram(&sip).await;
    let authorization = field(&again, "Authorization");
    assert!(authorization.starts_with("Digest username=\"romeo\", realm=\"r\""), "{authorization}");
    let focus = Focus::answers(sip, again, caller, "", ABLE).await;
    focus.responds("SEND", 1, "200 OK").await;
    focus.msrp.hears("hi").await;
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
    assert!(!chat.err().contains("verona") && chat.err().contains("chmod 600"), "{}", chat.err());
    std::fs::remove_file(&file).unwrap();
}

/// What does not fit is refused whole: the rest of a private message is not for everybody.
#[tokio::test]
async fn a_long_command_is_refused_and_a_long_text_is_said_as_one_message() {
    let (focus, mut chat) = Focus::called(&[], "", ABLE).await;
    let secret = "x".repeat(20_000);
    chat.types(&format!("/msg Juliet {secret}"));
    chat.tells("nothing of it was sent").await;
    chat.types(&format!("/topic {secret}"));
    let twice = || chat.err().matches("nothing of it was sent").count() == 2;
    mucfocus_rig::until(twice, SOON, "the second refusal").await;
    let text = format!("a{}z", "y".repeat(100_000));
    chat.types(&text);
    focus.msrp.hears(&text).await;
    chat.types(&"z".repeat(300_000));
    chat.tells("nothing of it was sent\nthat line has more than").await;
    chat.types("short");
    focus.msrp.hears("short").await;
    assert_eq!(focus.msrp.texts().iter().map(String::len).collect::<Vec<_>>(), [text.len(), 5]);
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn what_is_piped_in_waits_until_we_know_who_is_here() {
    let (sip, mut chat) = Focus::dialled(&[]).await;
    for line in ["/msg Juliet Capulet my love", "/who", "/leave"] {
        chat.types(line);
    }
    let (invite, caller) = datagram(&sip).await;
    let focus = Focus::answers(sip, invite, caller, CONFERENCE, ABLE).await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    focus.shows_room(&subscribe, 1, "full", "<conference-description/><users/>").await;
    assert_eq!(focus.msrp.texts(), [""; 0]);
    focus.msrp.answer(true);
    let juliet = user("Juliet%20Capulet", "").replace(">Juliet%20Capulet<", ">Juliet Capulet<");
    focus.shows_room(&subscribe, 2, "full", &format!("<users>{juliet}</users>")).await;
    let since = std::time::Instant::now();
    let said = focus.msrp.hears("my love").await;
    assert_eq!(said.cpim_header("To"), Some("<sip:capulet@rooms.test;gr=Juliet%20Capulet>"));
    assert!(since.elapsed() < std::time::Duration::from_secs(1), "the list ends the wait, not the clock");
    focus.takes("SUBSCRIBE", "481 Gone").await;
    focus.takes("BYE", "200 OK").await;
    let twice = || chat.out().matches("* 1 here: Juliet Capulet").count() == 2;
    mucfocus_rig::until(twice, SOON, "the list, and the list again").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}

#[tokio::test]
async fn a_room_that_does_not_say_who_is_here_holds_nothing_up_for_long() {
    let (focus, mut chat) = Focus::called(&[], CONFERENCE, ABLE).await;
    let _subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    chat.types("is anybody here?");
    focus.msrp.hears("is anybody here?").await;
}

/// GC-NICK-06: a second device of somebody is what the first one is called.
#[tokio::test]
async fn a_device_that_asks_for_no_name_learns_it_from_the_room() {
    let (focus, chat) = Focus::called(&[], CONFERENCE, ABLE).await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    let notice = "You are known here as Montague.";
    focus.msrp.send(Send::cpim(&focus.message(";gr=Tybalt", "sip:romeo@sip.test", "You are known here as Tybalt.")));
    focus.msrp.send(Send::cpim(&focus.message("", "sip:romeo@sip.test", notice)));
    chat.tells("in the room as Montague\n").await;
    let users = [user("Montague", ""), user("Tybalt", "")].concat();
    focus.shows_room(&subscribe, 1, "full", &format!("<users>{users}</users>")).await;
    chat.shows("* 2 here: Montague (you), Tybalt").await;
    assert_eq!(chat.err().matches("in the room as").count(), 1, "{}", chat.err());
}

#[tokio::test]
async fn nobody_is_said_to_be_in_the_room_under_a_name_that_is_not_in_its_list() {
    let (focus, chat) = Focus::called(&[], CONFERENCE, ABLE).await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    focus.shows_room(&subscribe, 1, "full", &format!("<users>{}</users>", user("Montague", ""))).await;
    chat.tells("in the room; under which name, it has not said\n").await;
    focus.msrp.send(Send::cpim(&focus.message("", "sip:romeo@sip.test", "You are known here as Montague.")));
    chat.tells("you are Montague here\n").await;
    assert!(!chat.err().contains("in the room as"), "{}", chat.err());
}

#[tokio::test]
async fn a_list_that_comes_late_and_lacks_the_name_is_believed() {
    let (focus, chat) = Focus::called(&[], CONFERENCE, ABLE).await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    chat.tells("in the room as romeo\n").await;
    focus.shows_room(&subscribe, 1, "full", &format!("<users>{}</users>", user("Montague", ""))).await;
    chat.tells("nobody here is called romeo; ").await;
}

#[tokio::test]
async fn a_roster_that_ends_while_the_call_goes_on_is_told() {
    let (focus, mut chat) = Focus::called(&[], CONFERENCE, ABLE).await;
    let subscribe = focus.takes("SUBSCRIBE", "200 OK").await;
    let last = "Event: conference\r\nSubscription-State: terminated;reason=rejected\r\n";
    focus.notifies(&subscribe, 1, last, "").await;
    chat.tells("the room no longer says who is here: rejected\n").await;
    chat.types("/leave");
    focus.takes("BYE", "200 OK").await;
    assert_eq!(chat.ends().await.code(), Some(0), "{}", chat.err());
}
