//! MSRP over WebSocket from a browser (RFC 7977): Chromium, which shares no code with us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod caller;

use mucfocus_rig::browser::Browser;
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::member::{TOKENS, offer};
use mucfocus_rig::msrp::{Cpim, Frame};
use mucfocus_rig::sip::{Call, Message, Request, Transport, Ua};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{SOON, World, random, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
const PAGE: &str = include_str!("page.html");

/// Juliet (XMPP) in a room that Romeo has called; his MSRP is in the browser, and not connected yet.
struct Stage {
    world: World,
    muc: String,
    room: String,
    juliet: Client,
    browser: Browser,
    romeo: Ua,
    answer: Message,
    local: String,
}

impl Stage {
    /// By `wss:`, or by `ws:` as behind a proxy that ends TLS. `origin` is what is let in in place of the page's own.
    async fn set(secure: bool, origin: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = Certificate::for_host("rooms.test").copy_to(directory.path());
        let browser = Browser::open(PAGE, Some(&chain)).await;
        let own = browser.origin();
        let (listen, scheme, proto) =
            if secure { ("wss", "msrps", " TCP/TLS/MSRP ") } else { ("ws", "msrp", " TCP/MSRP ") };
        let world = World::with(BINARY, |settings| {
            settings.msrp = format!(
                "listen = [\"tcp:127.0.0.1:0\", \"{listen}:127.0.0.1:0\"]\nallowed_origins = [{:?}]\n\
                 [tls]\ncertificate_file = \"$SECRETS/chain\"\nkey_file = \"$SECRETS/key\"\n",
                origin.unwrap_or(&own)
            );
            for (name, file) in [("chain", chain), ("key", key)] {
                settings.secrets.push((name.to_owned(), std::fs::read_to_string(file).unwrap()));
            }
        })
        .await;
        let (room, muc) = (world.sip("capulet"), world.muc("capulet"));
        let juliet = world.xmpp_in("capulet", "juliet").await;
        let romeo = world.ua("romeo", Transport::Tcp).await;
        // RFC 7977 §5.2: nobody can connect to a browser, so its host is made up.
        let local = format!("{scheme}://{}.invalid:2855/{};ws", random(12), random(24));
        let usual = offer(&local, "active").replace("a=chatroom\r\n", TOKENS);
        let answer = romeo.call(Request::invite(&room, &usual.replace(" TCP/MSRP ", proto))).await.answer;
        juliet.sees(&muc, "Romeo").await;
        Self { world, muc, room, juliet, browser, romeo, answer, local }
    }

    fn call(&self) -> Call<'_> {
        self.romeo.resume(&self.answer)
    }

    /// Lets the browser connect to where the answer says.
    fn dials(&self) {
        let path = self.answer.sdp("path").unwrap();
        let (scheme, rest) = path.split_once("://").unwrap();
        let (address, scheme) = (rest.split('/').next().unwrap(), scheme.replace("msrp", "ws"));
        self.browser.does("connect", &format!("{scheme}://{address}/ {path} {}", self.local));
    }

    /// The same, and binds the connection to the session.
    async fn connects(&self) {
        self.dials();
        assert_eq!(self.browser.sees("open", |_| true).await, "msrp", "the sub-protocol");
        assert_eq!(self.asks("bind", "").await, Some(200));
    }

    /// Waits for a frame in the browser; every WebSocket message is one, and nothing else (RFC 7977 §5.1).
    async fn gets(&self, accept: impl Fn(&Frame) -> bool) -> Frame {
        let one = |text: &str| Frame::parse(text.as_bytes()).unwrap_or_else(|| panic!("not one chunk:\n{text}"));
        one(&self.browser.sees("frame", |text| accept(&one(text))).await)
    }

    /// Lets the browser do something that is answered; the status code.
    async fn asks(&self, what: &str, text: &str) -> Option<u16> {
        let requests = || {
            let sent = self.browser.events().into_iter().filter(|event| event.kind == "sent");
            let frames = sent.filter_map(|event| Frame::parse(event.text.as_bytes()));
            frames.filter(|frame| frame.code().is_none()).collect::<Vec<_>>()
        };
        let before = requests().len();
        self.browser.does(what, text);
        until(|| requests().len() > before, SOON, what).await;
        let request = requests().remove(before);
        self.gets(|frame| frame.code().is_some() && frame.id == request.id).await.code()
    }

    fn cpim(&self, to: &str, text: &str) -> String {
        String::from_utf8(Cpim::text(self.romeo.aor(), to, text).bytes()).unwrap()
    }
}

/// WS-01: SIP beside it, MSRP in it.
#[tokio::test]
async fn a_browser_talks_with_a_room() {
    conversation(false).await;
}

/// WS-01: as RFC 7977 §5.1 wants it, under TLS.
#[tokio::test]
async fn a_browser_talks_with_a_room_under_tls() {
    conversation(true).await;
}

async fn conversation(secure: bool) {
    let stage = Stage::set(secure, None).await;
    let (juliet, muc) = (&stage.juliet, &stage.muc);
    stage.connects().await;

    // Text or binary is the same to us (RFC 7977 §4.2).
    assert_eq!(stage.asks("say", &stage.cpim(&stage.room, "h\u{e9}, \u{1f600}")).await, Some(200));
    juliet.hears(muc, "h\u{e9}, \u{1f600}").await;
    assert_eq!(stage.asks("say binary", &stage.cpim(&stage.room, "in octets")).await, Some(200));
    juliet.hears(muc, "in octets").await;

    juliet.say(muc, "and \u{e0} toi");
    let heard = stage.gets(|frame| frame.start == "SEND" && frame.to_string().contains("\u{e0} toi")).await;
    assert_eq!(heard.header("To-Path"), Some(stage.local.as_str()));
    assert_eq!(heard.header("From-Path"), stage.answer.sdp("path").as_deref());

    assert_eq!(stage.asks("nickname", "Montague").await, Some(200));
    juliet.sees(muc, "Montague").await;
    assert_eq!(stage.asks("nickname", "Juliet").await, Some(425));
    assert_eq!(stage.asks("say", &stage.cpim(&format!("{};gr=Juliet", stage.room), "a word")).await, Some(200));

    assert_eq!(stage.call().bye().await.code(), Some(200));
    juliet.sees_leave(muc, "Montague", SOON).await;
    let errors = stage.browser.events().into_iter().filter(|event| event.kind == "error");
    assert_eq!(errors.collect::<Vec<_>>(), []);
}

/// WS-01: a long message arrives in chunks, each in a WebSocket message of its own.
#[tokio::test]
async fn a_browser_gets_every_chunk_by_itself() {
    let stage = Stage::set(false, None).await;
    stage.connects().await;
    let long: String = ('a'..='z').cycle().take(50_000).collect();
    stage.juliet.say(&stage.muc, &long);
    stage.juliet.say(&stage.muc, "that was all");
    stage.gets(|frame| frame.to_string().contains("that was all")).await;
    let frames = stage.browser.events().into_iter().filter(|event| event.kind == "frame");
    let sends = frames.map(|event| Frame::parse(event.text.as_bytes()).unwrap()).filter(|frame| frame.start == "SEND");
    let heard: Vec<u8> = sends.filter_map(|frame| frame.body).flatten().collect();
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.contains(&long), "{heard}");
}

/// Whose page is not let in gets no connection, though his call is up.
#[tokio::test]
async fn a_page_from_elsewhere_is_not_let_in() {
    let stage = Stage::set(false, Some("https://chat.example.com")).await;
    stage.dials();
    let closed = stage.browser.sees("closed", |_| true).await;
    assert!(closed.starts_with("1006"), "{closed}");
    assert!(stage.browser.events().iter().all(|event| event.kind != "open"));
    let log = stage.world.mucfocus.log();
    assert!(log.contains("its origin is not in msrp.allowed_origins"), "{log}");
}

/// A tab that is closed says nothing; its user leaves the room all the same.
#[tokio::test]
async fn a_user_whose_browser_ends_leaves_the_room() {
    let stage = Stage::set(false, None).await;
    stage.connects().await;
    let Stage { world, muc, juliet, browser, romeo, answer, .. } = stage;
    drop(browser);
    juliet.sees_leave(&muc, "Romeo", SOON).await.expect("timeouts.lost_leg is 2 s here");
    romeo.resume(&answer).ended(SOON).await;
    drop(world);
}
