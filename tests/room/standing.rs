//! What an occupant may do changes, and he is told: FT-09.

use mucfocus_rig::on_both_servers;

use crate::Stage;

const LISTEN: &str = "You may only listen now. Write /voice to ask to speak.";
const FORM: &str = "jabber:x:data";

/// FT-09: by the room that he watches and in words, and nobody is told anything when he comes in.
#[on_both_servers]
async fn who_loses_his_voice_or_gets_it_back_is_told() {
    let stage = Stage::set().await;
    stage.juliet.configure(&stage.muc, &[("moderatedroom", "1")]).await;
    stage.juliet.role(&stage.muc, "Romeo", "visitor").await;
    stage.romeo.hears(LISTEN).await;
    assert_eq!(stage.romeo.says("Shall I speak at this?").await.code(), Some(403));
    stage.juliet.role(&stage.muc, "Romeo", "participant").await;
    stage.romeo.hears("You may speak now.").await;
    stage.juliet.affiliate(&stage.muc, "romeo@xmpp.test", "member").await;
    stage.romeo.hears("You are a member of this room now.").await;
    let told: Vec<_> = stage.romeo.msrp.texts().into_iter().filter(|text| text.starts_with("You ")).collect();
    assert_eq!(told, [LISTEN, "You may speak now.", "You are a member of this room now."]);
}

/// FT-09: who moderates gets the form of XEP-0045 §7.13, and answers it as his client does.
#[on_both_servers]
async fn who_may_only_listen_asks_to_speak_and_is_let() {
    let stage = Stage::set().await;
    stage.juliet.configure(&stage.muc, &[("moderatedroom", "1")]).await;
    stage.juliet.role(&stage.muc, "Romeo", "visitor").await;
    stage.romeo.hears(LISTEN).await;
    assert_eq!(stage.romeo.says("/voice").await.code(), Some(200));
    stage.romeo.hears("The moderators have been asked to let you speak.").await;

    let form = stage.juliet.expect("a request to speak", |stanza| stanza.child("x", FORM).is_some()).await;
    let form = form.child("x", FORM).unwrap().clone();
    let value = |name: &str| {
        let field = form.children.iter().find(|field| field.attribute("var") == Some(name)).unwrap();
        field.own("value").or_else(|| field.find("value")).unwrap().text.clone()
    };
    assert_eq!(value("muc#role"), "participant");
    assert_eq!(value("muc#roomnick"), "Romeo");
    let fields = [("FORM_TYPE", &*value("FORM_TYPE")), ("muc#role", "participant"), ("muc#request_allow", "1")];
    let (jid, fields) = (value("muc#jid"), fields.map(|(name, value)| (name, value.to_owned())));
    let fields = fields.into_iter().chain([("muc#jid", jid), ("muc#roomnick", "Romeo".to_owned())]);
    let fields: String =
        fields.map(|(name, value)| format!("<field var='{name}'><value>{value}</value></field>")).collect();
    stage.juliet.send(format!("<message to='{}'><x xmlns='{FORM}' type='submit'>{fields}</x></message>", stage.muc));
    stage.romeo.hears("You may speak now.").await;
    assert_eq!(stage.romeo.says("Shall I speak at this?").await.code(), Some(200));
    let heard = stage.juliet.heard(&stage.muc);
    assert!(heard.iter().all(|(_, text)| text != "/voice"), "{heard:?}");
}
