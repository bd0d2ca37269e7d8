//! What an occupant may do changes, and he is told: FT-09.

use mucfocus_rig::on_both_servers;

use crate::Stage;

/// FT-09: by the room that he watches and in words, and nobody is told anything when he comes in.
#[on_both_servers]
async fn who_loses_his_voice_or_gets_it_back_is_told() {
    let stage = Stage::set().await;
    stage.juliet.configure(&stage.muc, &[("moderatedroom", "1")]).await;
    stage.juliet.role(&stage.muc, "Romeo", "visitor").await;
    stage.romeo.hears("You may only listen now.").await;
    assert_eq!(stage.romeo.says("Shall I speak at this?").await.code(), Some(403));
    stage.juliet.role(&stage.muc, "Romeo", "participant").await;
    stage.romeo.hears("You may speak now.").await;
    stage.juliet.affiliate(&stage.muc, "romeo@xmpp.test", "member").await;
    stage.romeo.hears("You are a member of this room now.").await;
    let told: Vec<_> = stage.romeo.msrp.texts().into_iter().filter(|text| text.starts_with("You ")).collect();
    assert_eq!(told, ["You may only listen now.", "You may speak now.", "You are a member of this room now."]);
}
