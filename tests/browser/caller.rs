//! A page that calls a room with nothing but WebSockets: SIP (RFC 7118) and MSRP (RFC 7977), both under TLS. FT-39.

use mucfocus_rig::browser::Browser;
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::msrp::{Cpim, Frame};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{SOON, World, until};

use crate::BINARY;

const PAGE: &str = include_str!("caller.html");
const ROMEO: &str = "sip:romeo@sip.test";

struct Stage {
    world: World,
    browser: Browser,
    juliet: Client,
}

impl Stage {
    /// Juliet in the room, and a page that may connect unless `origin` is let in in its place.
    async fn set(origin: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = Certificate::for_host("rooms.test").copy_to(directory.path());
        let browser = Browser::open(PAGE, Some(&chain)).await;
        let own = browser.origin();
        let origins = format!("allowed_origins = [{:?}]\n", origin.unwrap_or(&own));
        let world = World::with(BINARY, |settings| {
            settings.sip =
                format!("listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\n{origins}");
            settings.auth = format!("[[sip.auth.users]]\nsip = \"{ROMEO}\"\npassword_file = \"$SECRETS/password\"\n");
            settings.msrp = format!(
                "listen = [\"tcp:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\nallowed_origins = [{own:?}]\n\
                 [tls]\ncertificate_file = \"$SECRETS/chain\"\nkey_file = \"$SECRETS/key\"\n"
            );
            for (name, file) in [("chain", chain), ("key", key)] {
                settings.secrets.push((name.to_owned(), std::fs::read_to_string(file).unwrap()));
            }
        })
        .await;
        let juliet = world.xmpp_in("capulet", "juliet").await;
        Self { world, browser, juliet }
    }

    fn calls(&self, password: &str) {
        let (at, room) = (self.world.mucfocus.sip_over("wss"), self.world.sip("capulet"));
        self.browser.does("call", &format!("wss://{at}/ {room} {ROMEO} {password}"));
    }
}

/// FT-39: no registration, no plug-in, no gateway.
#[tokio::test]
async fn a_page_calls_a_room_and_talks() {
    let stage = Stage::set(None).await;
    let Stage { world, browser, juliet } = &stage;
    let (muc, room) = (world.muc("capulet"), world.sip("capulet"));
    stage.calls("verona");
    assert_eq!(browser.sees("sip open", |_| true).await, "sip", "the sub-protocol");
    browser.sees("sip", |message| message.starts_with("SIP/2.0 401 ")).await;
    let answer = browser.sees("sip", |message| message.starts_with("SIP/2.0 200 ")).await;
    assert!(answer.contains(";transport=ws>;isfocus"), "{answer}");
    juliet.sees(&muc, "Romeo").await;
    browser.sees("msrp open", |_| true).await;

    let said = String::from_utf8(Cpim::text(ROMEO, &room, "But soft, what light \u{2600}").bytes()).unwrap();
    browser.does("say", &said);
    juliet.hears(&muc, "But soft, what light \u{2600}").await;
    juliet.say(&muc, "Ay me!");
    let heard = browser.sees("frame", |frame| frame.contains("Ay me!")).await;
    assert!(Frame::parse(heard.as_bytes()).is_some(), "not one chunk:\n{heard}");

    browser.does("hang up", "");
    assert!(juliet.sees_leave(&muc, "Romeo", SOON).await.is_some());
    let ok = |message: &str| message.starts_with("SIP/2.0 200 ") && message.contains("BYE\r\n");
    browser.sees("sip", ok).await;
    assert!(browser.events().iter().all(|event| event.kind != "error"), "{:#?}", browser.events());
}

/// Who does not know the password is asked once more, and another page does not even get that far.
#[tokio::test]
async fn a_page_without_the_password_does_not_get_in() {
    let stage = Stage::set(None).await;
    stage.calls("mantua");
    let refusals = || {
        let events = stage.browser.events();
        events.into_iter().filter(|event| event.kind == "sip" && event.text.starts_with("SIP/2.0 401 ")).count()
    };
    until(|| refusals() == 2, SOON, "refused twice").await;
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_connect() {
    let stage = Stage::set(Some("https://chat.example")).await;
    stage.calls("verona");
    assert_eq!(stage.browser.sees("sip closed", |_| true).await, "1006");
}
