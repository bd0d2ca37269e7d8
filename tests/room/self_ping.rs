//! A MUC that has lost an occupant and does not tell him: XM-03, FT-05.

use mucfocus_rig::{Kind, SOON, on_both_servers, until};

use crate::Stage;

/// Takes an occupant out of a room as if he had never been there, when somebody says so.
const MODULE: &str = r#"
module:hook("muc-occupant-groupchat", function (event)
    local nick = (event.stanza:get_child_text("body") or ""):match("^forget (.+)$")
    if not nick then return end
    local room = event.room
    local occupant = room:get_occupant_by_nick(room.jid .. "/" .. nick)
    for jid in occupant:each_session() do room._jid_nick[jid] = nil end
    room._occupants[occupant.nick] = nil
    return true
end)
"#;

/// XM-03: without a word from anybody he is back.
#[on_both_servers]
async fn who_was_forgotten_asks_and_is_back() {
    if Kind::current() != Kind::Prosody {
        return; // nothing makes ejabberd forget one occupant
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mod_forget.lua"), MODULE).unwrap();
    let stage = Stage::with(|s| {
        s.prosody_modules = Some(place.path().to_owned());
        s.prosody_muc = "modules_enabled = { \"forget\" }\n".into();
        s.timeouts = "self_ping = \"2s\"\n".into();
    })
    .await;
    let list = stage.romeo.watches().await;
    list.shows(&["Juliet", "Romeo"]).await;
    stage.juliet.say(&stage.muc, "forget Romeo");
    let entered = || stage.juliet.received().iter().filter(|e| is_romeo(e)).count();
    let before = entered();
    until(|| entered() > before, SOON, "Romeo enters again").await;
    stage.juliet.say(&stage.muc, "where were you?");
    stage.romeo.hears("where were you?").await;
    assert_eq!(stage.romeo.says("nowhere").await.code(), Some(200));
    assert!(!stage.romeo.call().has_ended());
    list.shows(&["Juliet", "Romeo"]).await;
}

fn is_romeo(stanza: &mucfocus_rig::xml::Element) -> bool {
    stanza.name == "presence" && stanza.attribute("from").is_some_and(|from| from.ends_with("/Romeo"))
}

/// Who is asked again and again is as he was: the room answers, and nobody hears of it.
#[on_both_servers]
async fn who_is_in_the_room_is_left_alone() {
    let stage = Stage::with(|s| s.timeouts = "self_ping = \"100ms\"\n".into()).await;
    let before = stage.juliet.received().iter().filter(|e| is_romeo(e)).count();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(stage.romeo.says("still here").await.code(), Some(200));
    assert_eq!(stage.juliet.received().iter().filter(|e| is_romeo(e)).count(), before);
}
