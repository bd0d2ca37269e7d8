//! A private message has no reflection. What tells its sender that the room has passed it on is the answer to a ping of the
//! room right behind it, which a refusal by the room has to precede. This holds real rooms to that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mucfocus_rig::server::{Kind, Options, Server};
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{on_both_servers, random};

/// How many times in a row: an order by chance would show.
const ROUNDS: usize = 100;

async fn two_in_a_room() -> (Server, String, Client, Client) {
    let accounts = ["romeo", "juliet"].map(|u| (u.to_owned(), "verona".to_owned())).to_vec();
    let server = Server::start(Kind::current(), Options { accounts, smacks: true, ..Options::default() }).await;
    let room = server.room("capulet");
    let juliet = Client::login(server.address(), "juliet@xmpp.test", "verona").await;
    juliet.join(&room, "Juliet").await;
    let romeo = Client::login(server.address(), "romeo@xmpp.test", "verona").await;
    romeo.join(&room, "Romeo").await;
    (server, room, juliet, romeo)
}

/// Sends private messages to `nick`, each with a ping behind it, all at once, with traffic of the room in between; returns
/// the conditions of the refusals. Each must have come before the answer to its ping, which is `service-unavailable` in the
/// rooms of both servers, occupant or not: an error, and as good an answer as any.
async fn refusals(room: &str, juliet: &Client, romeo: &Client, nick: &str) -> Vec<Option<String>> {
    let mut rounds = Vec::new();
    for n in 0..ROUNDS {
        let (message, ping) = (random(12), random(12));
        juliet.say(room, &format!("meanwhile {n}"));
        romeo.send(format!(
            "<message type='chat' id='{message}' to='{room}/{nick}'><body>{n}</body>\
             <x xmlns='http://jabber.org/protocol/muc#user'/></message>\
             <iq type='get' id='{ping}' to='{room}'><ping xmlns='urn:xmpp:ping'/></iq>"
        ));
        rounds.push((message, ping));
    }
    let mut conditions = Vec::new();
    for (message, ping) in rounds {
        let answer =
            romeo.expect("an answer to the ping", |e| e.name == "iq" && e.attribute("id") == Some(&ping)).await;
        assert!(matches!(answer.kind(), "result" | "error"), "{answer}");
        let received = romeo.received();
        let at = |name: &str, id: &str| received.iter().position(|e| e.name == name && e.attribute("id") == Some(id));
        let refused = at("message", &message);
        assert!(refused < at("iq", &ping), "the answer to the ping came before the refusal");
        conditions.push(refused.and_then(|at| received[at].condition().map(str::to_owned)));
    }
    conditions
}

#[on_both_servers]
async fn the_refusal_of_an_unknown_nickname_comes_before_the_answer_to_a_ping_behind_it() {
    let (_server, room, juliet, romeo) = two_in_a_room().await;
    assert_eq!(refusals(&room, &juliet, &romeo, "Nobody").await, vec![Some("item-not-found".to_owned()); ROUNDS]);
}

/// Prosody 0.12 has no setting that forbids private messages.
#[tokio::test]
async fn on_ejabberd_the_refusal_where_they_are_forbidden_comes_before_the_answer_to_a_ping_behind_it() {
    let (_server, room, juliet, romeo) = Kind::Ejabberd.run(two_in_a_room()).await;
    juliet.configure(&room, &[("/allow_private_messages", "0")]).await;
    assert_eq!(refusals(&room, &juliet, &romeo, "Juliet").await, vec![Some("forbidden".to_owned()); ROUNDS]);
}

/// Who is not in the room (any more) is refused, and told so in the same order.
#[on_both_servers]
async fn the_refusal_of_who_is_not_there_comes_before_the_answer_to_a_ping_behind_it() {
    let (_server, room, juliet, romeo) = two_in_a_room().await;
    romeo.leave(&room, "Romeo");
    juliet.sees_leave(&room, "Romeo", mucfocus_rig::SOON).await;
    assert_eq!(refusals(&room, &juliet, &romeo, "Juliet").await, vec![Some("not-acceptable".to_owned()); ROUNDS]);
}

/// A message that is passed on is there by the time that the ping is answered, or there is an error: it reaches Juliet.
#[on_both_servers]
async fn what_is_not_refused_before_the_answer_to_the_ping_arrives() {
    let (_server, room, juliet, romeo) = two_in_a_room().await;
    assert_eq!(refusals(&room, &juliet, &romeo, "Juliet").await, vec![None; ROUNDS]);
    for n in 0..ROUNDS {
        juliet.expect(format!("message {n}"), |e| e.kind() == "chat" && e.body() == Some(&n.to_string())).await;
    }
}
