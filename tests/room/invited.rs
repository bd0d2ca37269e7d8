//! XMPP users invite SIP users, whose phones ring: XM-12, XM-13, ERR-04 to -07.

use mucfocus_rig::sip::Message;
use mucfocus_rig::world::Settings;
use mucfocus_rig::xml::Element;
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{Phone, on_both_servers};

use crate::Stage;

/// Romeo is in one room, Juliet also in another, and Romeo's phone can be called.
struct Invited {
    stage: Stage,
    phone: Phone,
    /// The other room.
    garden: String,
    /// Where Romeo's account is reached.
    romeo: String,
}

impl Invited {
    async fn set() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let phone = Phone::plugged_in().await;
        let prepare = |settings: &mut Settings| {
            settings.auth += &phone.outbound();
            change(settings);
        };
        let stage = Stage::with(prepare).await;
        let garden = stage.world.muc("garden");
        stage.juliet.join(&garden, "Juliet").await;
        let romeo = stage.juliet.sees(&stage.muc, "Romeo").await.jid.expect("Romeo's JID");
        Self { stage, phone, garden, romeo }
    }

    fn juliet(&self) -> &Client {
        &self.stage.juliet
    }

    /// Through the room (XEP-0045 §7.8.2).
    fn by_room(&self, reason: &str) {
        let invite = format!("<invite to='{}'><reason>{reason}</reason></invite>", self.romeo);
        self.juliet().send(format!("<message to='{}'><x xmlns='{MUC_USER}'>{invite}</x></message>", self.garden));
    }

    /// By herself (XEP-0249).
    fn directly(&self, room: &str, more: &str) {
        let x = format!("<x xmlns='jabber:x:conference' jid='{room}'{more}/>");
        self.juliet().send(format!("<message id='invite-1' to='{}'>{x}</message>", self.romeo));
    }

    /// What she is told, when it is an error.
    async fn error(&self) -> Element {
        self.juliet().expect("an error", |e| e.attribute("id") == Some("invite-1") && e.kind() == "error").await
    }
}

/// XM-12, CF-06: he is in one room and comes into another, under the account that he has.
#[on_both_servers]
async fn who_is_invited_by_a_room_is_called_and_enters_when_he_answers() {
    let set = Invited::set().await;
    set.by_room("By the wall");
    let call = set.phone.hears("INVITE").await;
    assert!(call.request.header("To").unwrap().contains("sip:romeo@sip.test"), "{}", call.request);
    assert!(call.request.header("Contact").unwrap().contains(";isfocus"), "{}", call.request);
    assert!(call.request.header("From").unwrap().contains(&set.stage.world.sip("garden")), "{}", call.request);
    assert_eq!(call.request.header("Subject"), Some("By the wall"));
    let by_place = format!("<{};gr=Juliet>", set.stage.world.sip("garden"));
    let by = call.request.header("Referred-By").unwrap();
    assert!(by == "<xmpp:juliet@xmpp.test>" || by == by_place, "as the server names her: {by}");
    call.answers("180 Ringing", "", "").await;
    assert_eq!(set.juliet().nicks(&set.garden), ["Juliet"], "not before he answers");
    let romeo = call.picks_up().await;
    set.juliet().sees(&set.garden, "romeo").await;
    set.juliet().say(&set.garden, "How camest thou hither?");
    romeo.hears("How camest thou hither?").await;
    assert_eq!(set.juliet().nicks(&set.stage.muc), ["Juliet", "Romeo"], "and is where he was");
}

/// XM-12, ERR-06: the inviter reads what the phone says, and nobody has entered.
#[on_both_servers]
async fn who_refuses_declines() {
    let set = Invited::set().await;
    set.by_room("By the wall");
    set.phone.hears("INVITE").await.refuses("603 The orchard walls are high").await;
    let is_decline = |e: &Element| e.from() == set.garden && e.find("decline").is_some();
    let decline = set.juliet().expect("a decline", is_decline).await;
    let reason = decline.find("reason").map(|reason| reason.text.clone());
    assert_eq!(reason.as_deref(), Some("The orchard walls are high"), "{decline}");
    assert_eq!(set.juliet().nicks(&set.garden), ["Juliet"]);
}

/// XM-12, XM-13: with the password that the invitation brings.
#[on_both_servers]
async fn a_direct_invitation_opens_a_room_with_a_password() {
    let set = Invited::set().await;
    set.juliet().configure(&set.garden, &[("passwordprotectedroom", "1"), ("roomsecret", "rosemary")]).await;
    set.directly(&set.garden, " password='rosemary'");
    let _romeo = set.phone.hears("INVITE").await.picks_up().await;
    set.juliet().sees(&set.garden, "romeo").await;
}

/// ERR-04, ERR-05, ERR-06, ERR-07: a direct invitation comes back as the error that the table has for the answer of the phone.
#[on_both_servers]
async fn a_direct_invitation_that_is_refused_comes_back_as_an_error() {
    let set = Invited::set().await;
    set.directly(&set.garden, "");
    let call = set.phone.hears("INVITE").await;
    call.answers("301 Gone to Mantua", "Contact: <sip:romeo@mantua.test>\r\n", "").await;
    let error = set.error().await;
    let gone = error.find("gone").unwrap_or_else(|| panic!("no gone in {error}"));
    assert_eq!(gone.text, "sip:romeo@mantua.test");
    assert_eq!(error.find("text").map(|text| text.text.clone()).as_deref(), Some("Gone to Mantua"), "{error}");
}

/// ERR-07: a status that nobody listed.
#[on_both_servers]
async fn a_status_that_nobody_listed_goes_by_its_class() {
    let set = Invited::set().await;
    set.directly(&set.garden, "");
    set.phone.hears("INVITE").await.refuses("699 Never").await;
    let error = set.error().await;
    assert!(error.find("recipient-unavailable").is_some(), "{error}");
}

/// XM-12: a room that no rule maps is none of ours, and who is not allowed is not called.
#[on_both_servers]
async fn a_room_elsewhere_is_declined_and_no_phone_rings() {
    let set = Invited::set().await;
    set.directly("cell@friar.test", "");
    let error = set.error().await;
    assert!(error.find("item-not-found").is_some(), "{error}");
    // In the room that he is in already nothing comes of it.
    set.directly(&set.stage.muc, "");
    set.by_room("Now");
    let call = set.phone.hears("INVITE").await;
    assert!(call.request.header("From").unwrap().contains(&set.stage.world.sip("garden")), "{}", call.request);
}

/// XM-12: an invitation costs a call, so that they are counted.
#[on_both_servers]
async fn who_invites_too_often_is_told_to_wait() {
    let set = Invited::with(|settings| settings.limits = "invitations_per_user = \"1/min\"\n".into()).await;
    set.by_room("By the wall");
    let call = set.phone.hears("INVITE").await;
    set.directly(&set.stage.world.muc("orchard"), "");
    let error = set.error().await;
    assert!(error.find("text").is_some_and(|text| text.text.contains("slow down")), "{error}");
    call.refuses("486 Busy Here").await;
    let invites = set.phone.received().iter().filter(|message| message.method() == Some("INVITE")).count();
    assert_eq!(invites, 1);
}

/// XM-12: without a limit there is none, however many come at once, and each of them is answered.
#[on_both_servers]
async fn without_a_limit_his_phone_rings_for_each() {
    const MANY: usize = 12;
    let limits = "invitations_per_user = \"off\"\nlegs_per_user = 100\n";
    let set = Invited::with(|settings| settings.limits = limits.into()).await;
    for n in 0..MANY {
        let x = format!("<x xmlns='jabber:x:conference' jid='{}'/>", set.stage.world.muc(&format!("garden{n}")));
        set.juliet().send(format!("<message id='many-{n}' to='{}'>{x}</message>", set.romeo));
    }
    for n in 0..MANY {
        let room = set.stage.world.sip(&format!("garden{n}"));
        let is_it = |m: &Message| m.method() == Some("INVITE") && m.header("From").is_some_and(|f| f.contains(&room));
        set.phone.expect("an INVITE", is_it).await.refuses("486 Busy Here").await;
    }
    for n in 0..MANY {
        let id = format!("many-{n}");
        let is_error = |e: &Element| e.attribute("id") == Some(&id) && e.kind() == "error";
        let error = set.juliet().expect("an error", is_error).await;
        assert!(error.find("recipient-unavailable").is_some(), "{error}");
    }
}

/// XM-12: without `[sip.outbound]` nobody is called, and the inviter need not wait.
#[on_both_servers]
async fn where_nobody_is_called_invitations_are_declined() {
    let stage = Stage::set().await;
    let romeo = stage.juliet.sees(&stage.muc, "Romeo").await.jid.expect("Romeo's JID");
    let x = format!("<x xmlns='jabber:x:conference' jid='{}'/>", stage.world.muc("garden"));
    stage.juliet.send(format!("<message id='invite-1' to='{romeo}'>{x}</message>"));
    let is_error = |e: &Element| e.attribute("id") == Some("invite-1") && e.kind() == "error";
    let error = stage.juliet.expect("an error", is_error).await;
    assert!(error.find("recipient-unavailable").is_some(), "{error}");
}
