//! Nicknames that do no good: each is shown as it is, spoken to by the address that the list has for it, and harms nobody.
//! ADDR-02, ADDR-03, ADDR-05, ADDR-11, GC-PRES-05, GC-PM-02, NICK-12.

use mucfocus_rig::roster::NEWS;
use mucfocus_rig::xml::Element;
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{SOON, on_both_servers, until};

use crate::Stage;

/// Younger than Unicode 3.2, which XMPP servers go by (RFC 6122 appendix B).
const TOO_NEW: [&str; 2] = ["\u{1f339} Rose", "\u{1f469}\u{1f3fd}\u{200d}\u{1f680}"];

/// Right to left, look-alikes of Juliet and Romeo, what addresses and headers are made of, what is longest.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "\u{5d9}\u{5d5}\u{5dc}\u{5d9}\u{5d4}",
        "\u{627}\u{644}\u{639}\u{631}\u{628}\u{64a}\u{629}",
        "Juli\u{435}t",
        "R\u{43e}meo",
        "juliet",
        "Juliet;gr=Romeo",
        "Juliet>;gr=Romeo",
        "%4auliet",
        "#%[\\]^`{|}",
        "sip:capulet@rooms.test",
        "\\20 \\40 \\5c",
        "a  b",
        "o'malley & \"son\"",
        "From: <sip:romeo@sip.test>",
        "-------tid$",
        "b\u{fc}cher/\u{4e2d}\u{6587}",
    ]
    .map(Into::into)
    .into();
    names.push("x".repeat(1023));
    names.push("\u{fc}".repeat(511));
    names.extend(TOO_NEW.map(Into::into));
    names
}

#[on_both_servers]
async fn whoever_has_an_odd_name_is_shown_heard_and_spoken_to() {
    let stage = Stage::set().await;
    let list = stage.romeo.watches().await;
    let (mut refused, mut natives) = (Vec::new(), Vec::new());
    for (number, name) in names().into_iter().enumerate() {
        let native = stage.world.xmpp(&format!("u{}", number % mucfocus_rig::world::CROWD)).await;
        match joins(&native, &stage.muc, &name).await {
            Some(taken) => natives.push((native, taken)),
            None => refused.push(name),
        }
    }
    let roster = list.until("everybody", |r| natives.iter().all(|(_, nick)| r.users.contains_key(nick))).await;
    for (number, (native, taken)) in natives.iter().enumerate() {
        let shown = &roster.users[taken];
        assert_eq!(shown.display, *taken);
        assert!(shown.entity.is_ascii() && shown.entity.starts_with("sip:capulet@rooms.test;gr="), "{}", shown.entity);
        let words = format!("I am number {number}");
        native.say(&stage.muc, &words);
        let heard = stage.romeo.hears(&words).await;
        assert_eq!(heard.cpim.unwrap().sender(), Some((taken.clone(), shown.entity.clone())));
        let words = format!("psst, number {number}");
        let cpim = stage.romeo.to_room(&words).without("To").with("To", &format!("<{}>", shown.entity));
        assert_eq!(stage.romeo.sends(&cpim).await, 200, "{taken:?}");
        native.expect(words.clone(), |e| e.kind() == "chat" && e.body() == Some(&words)).await;
        native.leave(&stage.muc, taken);
    }
    let all_left = || list.roster().is_some_and(|r| natives.iter().all(|(_, nick)| !r.users.contains_key(nick)));
    until(all_left, NEWS, "that everybody is gone").await;
    assert_eq!(stage.juliet.received().iter().filter(|e| e.body().is_some_and(|b| b.starts_with("psst"))).count(), 0);
    list.is_valid();
    assert_eq!(refused, TOO_NEW);
    // NICK-12: of three doubles, or of those that came before too many had.
    let warnings = stage.romeo.msrp.texts().iter().filter(|text| text.contains("though the names look alike")).count();
    assert!((1..=4).contains(&warnings), "{warnings}");
}

/// Enters as `name`; as what, in the end. `None`: the server has no such name.
async fn joins(native: &Client, muc: &str, name: &str) -> Option<String> {
    let x = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
    let to = format!("{muc}/{name}").replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
    native.send(format!("<presence to='{to}'>{x}</presence>"));
    let answer = native
        .expect(format!("an answer to {name:?}"), |e| e.name == "presence" && (e.kind() == "error" || is_own(e)))
        .await;
    let from = answer.from().split_once('/').map(|(_, nick)| nick.to_owned());
    from.filter(|_| answer.kind() != "error")
}

fn is_own(presence: &Element) -> bool {
    let x = presence.child("x", MUC_USER);
    x.is_some_and(|x| x.children.iter().any(|c| c.name == "status" && c.attribute("code") == Some("110")))
}

/// NICK-01, NICK-06, NICK-07, NICK-12: what a SIP user may not be called.
#[on_both_servers]
async fn a_name_that_would_deceive_or_break_is_refused_to_a_sip_user() {
    let stage = Stage::set().await;
    for (name, code) in [
        ("Rom\u{202e}oe", 424),
        ("Jul\u{200b}iet", 424),
        ("\u{feff}Juliet", 424),
        ("Rome\u{0}o", 424),
        ("JULIET", 425),
        ("\u{ff2a}uliet", 425),
        ("Juli\u{435}t", 425),
        ("Ju1iet", 425),
        ("Juliet \u{2163}", 200),
        ("Romeo \u{5d0}", 424),
    ] {
        let answer = stage.romeo.wants_to_be(name).await;
        assert_eq!(answer, code, "{name:?}");
    }
    assert_eq!(stage.romeo.wants_to_be(&"x".repeat(1024)).await, 424);
    assert_eq!(stage.romeo.wants_to_be(&"x".repeat(1023)).await, 200);
    let long = "x".repeat(1023);
    until(|| stage.juliet.nicks(&stage.muc) == ["Juliet".to_owned(), long.clone()], SOON, "the long one").await;
    assert_eq!(stage.romeo.says("still here").await.code(), Some(200));
}
