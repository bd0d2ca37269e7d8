//! What a room says through a stream and hears from it, beside joining and speaking, on real servers.

use std::time::{SystemTime, UNIX_EPOCH};

use jid::{BareJid, FullJid, Jid};
use mucfocus::xmpp::pool::Pool;
use mucfocus_core::stanza::{
    Asks, ChatState, Condition, History, IqAnswer, Message, MessageKind, OutStanza, Password, Presence, PresenceKind,
    Stanza,
};
use mucfocus_core::time::WallClock;
use mucfocus_rig::on_both_servers;
use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xml::Element;
use mucfocus_rig::xmpp::Client;

use crate::room::{PASSWORD, Room, account, settings};

const ROOM: &str = "capulet@muc.xmpp.test";

async fn start(options: Options) -> Server {
    let accounts = ["romeo", "juliet", "nurse"].map(|user| (user.to_owned(), PASSWORD.to_owned())).to_vec();
    Server::start(Kind::current(), Options { accounts, ..options }).await
}

/// Two occupants of one room.
async fn pair() -> (Server, Room, Room) {
    let server = start(Options::default()).await;
    let pool = Pool::new(settings());
    let (romeo, _) = Room::join(&pool, &account("romeo", server.address()), ROOM, "Romeo").await;
    let (juliet, _) = Room::join(&pool, &account("juliet", server.address()), ROOM, "Juliet").await;
    (server, romeo, juliet)
}

fn occupant(nick: &str) -> FullJid {
    BareJid::new(ROOM).expect("a JID").with_resource_str(nick).expect("a nickname")
}

async fn message(room: &mut Room, wanted: impl Fn(&Message) -> bool) -> Message {
    room.stanza(|stanza| match stanza {
        Stanza::Message(message) => wanted(&message).then_some(message),
        _ => None,
    })
    .await
}

async fn presence(room: &mut Room, wanted: impl Fn(&Presence) -> bool) -> Presence {
    room.stanza(|stanza| match stanza {
        Stanza::Presence(presence) => wanted(&presence).then_some(presence),
        _ => None,
    })
    .await
}

async fn answer(room: &mut Room, id: &str) -> IqAnswer {
    room.stanza(|stanza| match stanza {
        Stanza::Iq(iq) => (iq.id == id).then_some(iq.answer),
        _ => None,
    })
    .await
}

/// GC-NICK-02.
#[on_both_servers]
async fn another_nickname_is_announced_and_then_there() {
    let (_server, mut romeo, mut juliet) = pair().await;
    romeo.send(&OutStanza::Rename { occupant: romeo.occupant("Montague"), id: "n1".into() });
    for room in [&mut romeo, &mut juliet] {
        let gone = presence(room, |p| p.muc.as_ref().is_some_and(|muc| muc.has(303))).await;
        assert_eq!((gone.kind, gone.from), (PresenceKind::Unavailable, room.occupant("Romeo").into()));
        assert_eq!(gone.muc.and_then(|muc| muc.item?.nick).as_deref(), Some("Montague"));
        let there = presence(room, |p| p.from == occupant("Montague")).await;
        assert_eq!(there.kind, PresenceKind::Available);
    }
    romeo.send(&OutStanza::Rename { occupant: romeo.occupant("Juliet"), id: "n2".into() });
    let refused = presence(&mut romeo, |p| matches!(p.kind, PresenceKind::Error(_))).await;
    let PresenceKind::Error(error) = refused.kind else { panic!() };
    assert_eq!((refused.id.as_deref(), error.condition), (Some("n2"), Condition::Conflict));
}

/// GC-PM-03, GC-PM-06.
#[on_both_servers]
async fn a_private_message_reaches_one_and_is_refused_for_nobody() {
    let (_server, mut romeo, mut juliet) = pair().await;
    let private = |to: &str, id: &str| OutStanza::Private {
        to: occupant(to),
        id: id.into(),
        body: "<psst>".into(),
        asks: Asks::default(),
        is_active: false,
    };
    romeo.send(&private("Juliet", "p1"));
    let heard = message(&mut juliet, |m| m.kind == MessageKind::Chat).await;
    assert_eq!((heard.from, heard.body.as_deref()), (occupant("Romeo").into(), Some("<psst>")));
    assert_eq!((heard.id.as_deref(), heard.origin_id.as_deref()), (Some("p1"), Some("p1")));
    assert!(heard.muc.is_some());

    romeo.send(&private("Tybalt", "p2"));
    romeo.send(&OutStanza::Ping { to: BareJid::new(ROOM).expect("a JID").into(), id: "q1".into() });
    let refused = message(&mut romeo, |m| m.id.as_deref() == Some("p2")).await;
    let MessageKind::Error(error) = refused.kind else { panic!("{refused:?}") };
    assert_eq!(error.condition, Condition::ItemNotFound);
    answer(&mut romeo, "q1").await;
}

#[on_both_servers]
async fn everybody_sees_who_is_typing() {
    let (_server, romeo, mut juliet) = pair().await;
    for state in [ChatState::Composing, ChatState::Paused, ChatState::Active] {
        let room = BareJid::new(ROOM).expect("a JID");
        romeo.send(&OutStanza::ChatState { room, id: format!("{state:?}"), state });
        let seen = message(&mut juliet, |m| m.chat_state.is_some()).await;
        assert_eq!((seen.chat_state, seen.kind, seen.body), (Some(state), MessageKind::Groupchat, None));
        assert_eq!(seen.from, Jid::from(occupant("Romeo")));
    }
}

/// GC-SUBJ-01.
#[on_both_servers]
async fn a_subject_is_changed_and_removed_for_everybody() {
    let (_server, mut romeo, mut juliet) = pair().await;
    let room = BareJid::new(ROOM).expect("a JID");
    for subject in ["wherefore & why", ""] {
        romeo.send(&OutStanza::Subject { room: room.clone(), id: "s1".into(), subject: subject.into() });
        for hears in [&mut romeo, &mut juliet] {
            // Not the one that ends the join.
            let heard = message(hears, |m| m.from.resource().is_some() && m.subject.is_some()).await;
            assert_eq!((heard.subject.as_deref(), heard.body), (Some(subject), None));
        }
    }
}

/// GC-INV-08.
#[on_both_servers]
async fn an_invitation_that_is_declined_says_so_to_who_invited() {
    let (server, mut romeo, _juliet) = pair().await;
    let nurse = Client::login(server.address(), "nurse@xmpp.test", PASSWORD).await;
    nurse.send("<presence/>");
    let to = BareJid::new("nurse@xmpp.test").expect("a JID");
    let invite = OutStanza::Invite { room: romeo.jid.clone(), id: "i1".into(), to, reason: Some("come & see".into()) };
    romeo.send(&invite);
    let muc_user = "http://jabber.org/protocol/muc#user";
    let is_invited = |stanza: &Element| stanza.child("x", muc_user).and_then(|x| x.child("invite", muc_user)).cloned();
    let invited = nurse.expect("an invitation", |stanza| is_invited(stanza).is_some()).await;
    let invite = is_invited(&invited).expect("an invitation");
    assert_eq!(invite.child("reason", muc_user).map(|r| r.text.as_str()), Some("come & see"));
    let inviter = invite.attribute("from").expect("who invited").to_owned();
    nurse.send(format!(
        "<message to='{ROOM}'><x xmlns='{muc_user}'><decline to='{inviter}'><reason>too old</reason></decline></x></message>"
    ));
    let declined = message(&mut romeo, |m| m.muc.as_ref().is_some_and(|muc| muc.decline.is_some())).await;
    let decline = declined.muc.and_then(|muc| muc.decline).expect("a decline");
    assert_eq!((decline.from.to_bare().as_str(), decline.reason.as_deref()), ("nurse@xmpp.test", Some("too old")));
}

/// XM-11.
#[on_both_servers]
async fn history_comes_as_asked_for_with_the_time_when_it_was_said() {
    let (server, mut romeo, _juliet) = pair().await;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() * 1000;
    let begun = WallClock::from_unix_millis(now()); // a whole second, as Prosody's stamps are
    for n in 1..=3 {
        romeo.say(&format!("m{n}"), &format!("line {n}"));
        assert_eq!(romeo.hears().await.2, format!("line {n}"));
    }
    let pool = Pool::new(settings());
    let mut nurse = Room::attach(&pool, &account("nurse", server.address()), ROOM);
    nurse.ready().await;
    nurse.send(&OutStanza::Join {
        occupant: nurse.occupant("Nurse"),
        id: "j".into(),
        password: None,
        history: History::Last(2),
    });
    for n in 2..=3 {
        let heard = message(&mut nurse, |m| m.body.is_some()).await;
        assert_eq!((heard.body, heard.id), (Some(format!("line {n}")), Some(format!("m{n}"))));
        let stamp = heard.delay.and_then(|delay| delay.stamp).expect("a stamp");
        assert!((begun..WallClock::from_unix_millis(now() + 1000)).contains(&stamp), "{stamp:?}");
    }
    romeo.say("m4", "live");
    let live = message(&mut nurse, |m| m.body.is_some()).await;
    assert_eq!((live.body.as_deref(), live.delay), (Some("live"), None));
}

/// GC-JOIN-10.
#[on_both_servers]
async fn a_room_with_a_password_opens_to_who_knows_it() {
    let server = start(Options::default()).await;
    let owner = Client::login(server.address(), "juliet@xmpp.test", PASSWORD).await;
    owner.join(ROOM, "Juliet").await;
    let options = [("passwordprotectedroom", "1"), ("roomsecret", "sesame & <lily>")];
    owner.configure(ROOM, &options).await;

    let pool = Pool::new(settings());
    let mut romeo = Room::attach(&pool, &account("romeo", server.address()), ROOM);
    romeo.ready().await;
    let join = |id: &str, password: Option<&str>| OutStanza::Join {
        occupant: occupant("Romeo"),
        id: id.into(),
        password: password.map(|password| Password::new(password.into())),
        history: History::Last(0),
    };
    for (id, password) in [("j1", None), ("j2", Some("lily"))] {
        romeo.send(&join(id, password));
        let refused = presence(&mut romeo, |p| p.id.as_deref() == Some(id)).await;
        let PresenceKind::Error(error) = refused.kind else { panic!("{refused:?}") };
        assert_eq!(error.condition, Condition::NotAuthorized);
    }
    romeo.send(&join("j3", Some("sesame & <lily>")));
    presence(&mut romeo, |p| p.muc.as_ref().is_some_and(|muc| muc.has(110))).await;
}

/// XM-03, XM-07.
#[on_both_servers]
async fn a_room_says_what_it_is_and_whether_one_is_in() {
    let (_server, mut romeo, _juliet) = pair().await;
    romeo.send(&OutStanza::DiscoInfo { room: romeo.jid.clone(), id: "d1".into(), node: None });
    let IqAnswer::Result(info) = answer(&mut romeo, "d1").await else { panic!() };
    assert!(
        info.identities.iter().any(|i| (i.category.as_str(), i.kind.as_str()) == ("conference", "text")),
        "{info:?}"
    );
    assert!(info.features.iter().any(|feature| feature == "http://jabber.org/protocol/muc"), "{info:?}");
    let occupants = info.fields.iter().find(|(var, _)| var == "muc#roominfo_occupants");
    assert_eq!(occupants.map(|(_, value)| value.as_str()), Some("2"), "{info:?}");

    romeo.send(&OutStanza::Ping { to: occupant("Romeo").into(), id: "q1".into() });
    assert!(matches!(answer(&mut romeo, "q1").await, IqAnswer::Result(_)));
    romeo.send(&OutStanza::Leave { occupant: occupant("Romeo"), status: None });
    romeo.send(&OutStanza::Ping { to: occupant("Romeo").into(), id: "q2".into() });
    let IqAnswer::Error(error) = answer(&mut romeo, "q2").await else { panic!() };
    assert_eq!(error.condition, Condition::NotAcceptable);
}

/// GC-PRES-03: by which an observer who asks for everybody once more knows the end of the answer.
#[on_both_servers]
async fn a_join_of_who_is_inside_is_answered_with_everybody_and_ends_with_its_own_id() {
    let (_server, romeo, mut juliet) = pair().await;
    for id in ["again", "and-again"] {
        juliet.send(&OutStanza::Join {
            occupant: occupant("Juliet"),
            id: id.into(),
            password: None,
            history: History::Last(0),
        });
        let other = presence(&mut juliet, |p| p.kind == PresenceKind::Available && p.from.resource().is_some()).await;
        assert_eq!(other.from, Jid::from(occupant("Romeo")), "the others come first");
        let own = presence(&mut juliet, |p| p.muc.as_ref().is_some_and(|muc| muc.has(110))).await;
        assert_eq!((own.from, own.id.as_deref()), (Jid::from(occupant("Juliet")), Some(id)));
    }
    drop(romeo);
}
