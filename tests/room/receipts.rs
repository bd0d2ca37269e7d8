//! What became of private messages, in both directions: IMDN-01 to -03.

use std::time::Duration;

use mucfocus_rig::member::Joining;
use mucfocus_rig::msrp::{Cpim, Message};
use mucfocus_rig::{Member, SOON, on_both_servers, wait_for};

use crate::Stage;

const RECEIPTS: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";

/// Somebody whose client can tell what became of a message.
async fn telling(stage: &Stage, user: &str) -> Member {
    let mut joining = Joining::able();
    joining.offers_instead.push(("types:text/plain", "types:text/plain message/imdn+xml".to_owned()));
    stage.world.member_with("capulet", user, joining).await
}

fn asking(member: &Member, to: &str, id: &str, text: &str) -> Cpim {
    Cpim::text(member.aor(), to, text)
        .with("NS", "imdn <urn:ietf:params:imdn>")
        .with("imdn.Message-ID", id)
        .with("imdn.Disposition-Notification", "positive-delivery, negative-delivery, display")
}

/// What he is told of his messages: who tells, and the document.
fn told(member: &Member) -> Vec<(String, String)> {
    let is_told = |message: &Message| {
        let cpim = message.cpim.as_ref().filter(|cpim| cpim.content_type == "message/imdn+xml")?;
        assert_eq!(cpim.header("imdn.Disposition-Notification"), None, "IMDN-03");
        Some((cpim.header("From")?.to_owned(), cpim.text_content()))
    };
    member.msrp.messages().iter().filter_map(is_told).collect()
}

async fn is_told(member: &Member, count: usize) -> Vec<(String, String)> {
    wait_for(|| Some(told(member)).filter(|told| told.len() >= count), SOON, format!("{count} notifications")).await
}

/// IMDN-02: positive-delivery is `<request/>`, display is `<markable/>`.
#[on_both_servers]
async fn an_xmpp_user_tells_what_became_of_a_private_message() {
    let stage = Stage::set().await;
    let tybalt = telling(&stage, "tybalt").await;
    stage.juliet.sees(&stage.muc, "Tybalt").await;
    let cpim = asking(&tybalt, "sip:capulet@rooms.test;gr=Juliet", "m-1", "psst");
    assert_eq!(tybalt.sends(&cpim).await, 200);
    let heard = stage.juliet.expect("psst", |e| e.body() == Some("psst")).await;
    assert!(heard.child("request", RECEIPTS).is_some() && heard.child("markable", MARKERS).is_some(), "{heard}");
    let id = heard.attribute("id").unwrap();
    let from = heard.from().to_owned();
    for payload in
        [format!("<received xmlns='{RECEIPTS}' id='{id}'/>"), format!("<displayed xmlns='{MARKERS}' id='{id}'/>")]
    {
        stage.juliet.send(format!("<message type='chat' to='{from}'>{payload}</message>"));
    }
    let told = is_told(&tybalt, 2).await;
    for ((from, document), what) in told.iter().zip(["<delivered/>", "<displayed/>"]) {
        assert_eq!(from, "Juliet <sip:capulet@rooms.test;gr=Juliet>");
        assert!(document.contains("<message-id>m-1</message-id>") && document.contains(what), "{document}");
    }
    assert!(stage.romeo.msrp.messages().is_empty(), "it is between the two of them");
}

/// IMDN-01, IMDN-02: the other way round.
#[on_both_servers]
async fn a_sip_user_tells_what_became_of_a_private_message() {
    let stage = Stage::set().await;
    let tybalt = telling(&stage, "tybalt").await;
    stage.juliet.sees(&stage.muc, "Tybalt").await;
    for to in ["Tybalt", "Romeo"] {
        let asks = format!("<request xmlns='{RECEIPTS}'/><markable xmlns='{MARKERS}'/>");
        let muc = "<x xmlns='http://jabber.org/protocol/muc#user'/>";
        let to = format!("{}/{to}", stage.muc);
        stage.juliet.send(format!("<message type='chat' id='x-1' to='{to}'><body>psst</body>{asks}{muc}</message>"));
    }
    let heard = tybalt.hears("psst").await;
    assert_eq!(heard.cpim_header("imdn.Message-ID"), Some("x-1"));
    assert_eq!(heard.cpim_header("imdn.Disposition-Notification"), Some("positive-delivery, display"));
    let silent = stage.romeo.hears("psst").await;
    assert_eq!(silent.cpim_header("imdn.Disposition-Notification"), None, "his client cannot tell");
    for (kind, what) in [("delivery", "delivered"), ("display", "displayed")] {
        let document = format!(
            "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>x-1</message-id><datetime>2026-11-21T09:30:00Z</datetime>\
             <{kind}-notification><status><{what}/></status></{kind}-notification></imdn>"
        );
        let cpim = Cpim::text(tybalt.aor(), "sip:capulet@rooms.test;gr=Juliet", &document).of_type("message/imdn+xml");
        assert_eq!(tybalt.sends(&cpim).await, 200);
    }
    let from = format!("{}/Tybalt", stage.muc);
    for (name, ns) in [("received", RECEIPTS), ("displayed", MARKERS)] {
        let is_it =
            |e: &mucfocus_rig::xml::Element| e.child(name, ns).is_some_and(|r| r.attribute("id") == Some("x-1"));
        let receipt = stage.juliet.expect(name, |e| e.from() == from && is_it(e)).await;
        assert_eq!((receipt.kind(), receipt.body()), ("chat", None));
    }
}

/// IMDN-02: the room answers for itself, once, and what XMPP users mark there is shown to nobody.
#[on_both_servers]
async fn the_room_alone_tells_that_it_has_a_public_message() {
    let stage = Stage::set().await;
    let (tybalt, paris) = (telling(&stage, "tybalt").await, telling(&stage, "paris").await);
    stage.juliet.sees(&stage.muc, "Paris").await;
    assert_eq!(tybalt.sends(&asking(&tybalt, "sip:capulet@rooms.test", "m-1", "hear all")).await, 200);
    let told = is_told(&tybalt, 1).await;
    assert_eq!(told[0].0, "<sip:capulet@rooms.test>");
    assert!(told[0].1.contains("<message-id>m-1</message-id>") && told[0].1.contains("<delivered/>"), "{told:?}");
    let heard = stage.juliet.hears(&stage.muc, "hear all").await;
    assert!(heard.child("request", RECEIPTS).is_none() && heard.child("markable", MARKERS).is_none(), "{heard}");
    let named = heard.child("stanza-id", "urn:xmpp:sid:0").and_then(|id| id.attribute("id"));
    let shown = paris.hears("hear all").await;
    let name = shown.cpim_header("imdn.Message-ID").map(str::to_owned);
    assert!(
        name.is_some() && (name.as_deref() == named || name.as_deref() == heard.attribute("id")),
        "IMDN-01: {name:?}"
    );
    let marker = format!("<displayed xmlns='{MARKERS}' id='{}'/>", named.unwrap_or("x"));
    stage.juliet.send(format!("<message type='groupchat' to='{}'>{marker}</message>", stage.muc));
    stage.juliet.say(&stage.muc, "that was all");
    paris.hears("that was all").await;
    assert_eq!(paris.msrp.texts(), ["hear all", "that was all"]);
    tybalt.hears("that was all").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(self::told(&tybalt).len(), 1, "one answer for all");
}

/// IMDN-02: where the configuration says so, private messages cross and what became of them does not.
#[on_both_servers]
async fn a_room_can_keep_receipts_back() {
    let stage = Stage::with(|s| s.room_defaults = "receipts = false\n".into()).await;
    let tybalt = telling(&stage, "tybalt").await;
    stage.juliet.sees(&stage.muc, "Tybalt").await;
    assert_eq!(tybalt.sends(&asking(&tybalt, "sip:capulet@rooms.test;gr=Juliet", "m-1", "psst")).await, 200);
    let heard = stage.juliet.expect("psst", |e| e.body() == Some("psst")).await;
    assert!(heard.child("request", RECEIPTS).is_none() && heard.child("markable", MARKERS).is_none(), "{heard}");
}
