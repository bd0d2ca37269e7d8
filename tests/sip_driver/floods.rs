//! More than anybody means: floods of INVITEs from a peer that is trusted, and who suffers from them. The stack has no bound of
//! its own (P24).

use std::time::Duration;

use mucfocus::sip::Timers;
use mucfocus::sip::port::{CallCommand, Refusal};
use mucfocus::sip::settings::Transport;

use crate::harness::{House, Peer, Request, call_up};

const ROOM: &str = "sip:capulet@rooms.example.com";
/// INVITEs that may wait for their final response: of all callers, and of one.
const PENDING: usize = 512;
const PENDING_OF_ONE: usize = 32;
/// With this T1 nothing is repeated and nothing times out while a test runs.
const NEVER: Duration = Duration::from_secs(600);

fn of_user(peer: &Peer, number: usize) -> Request {
    peer.invite(ROOM).from(&format!("<sip:u{number}@example.org>;tag=r1"))
}

#[tokio::test]
async fn only_so_many_calls_are_set_up_at_a_time_and_the_next_gets_503() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let mut ringing = Vec::new();
    let refused = loop {
        peer.send(&of_user(&peer, ringing.len() / PENDING_OF_ONE).text()).await;
        let answer = peer.hear().await;
        if answer.code() != 100 {
            break answer;
        }
        ringing.push(house.ringing().await);
        assert!(ringing.len() <= PENDING);
    };
    assert_eq!((refused.code(), ringing.len()), (503, PENDING));
    assert!(refused.get("Retry-After").parse::<u32>().is_ok());
}

#[tokio::test]
async fn one_caller_rings_so_many_times_at_a_time_and_leaves_the_other_places_to_others() {
    let mut house = House::open_at(NEVER, |_| {}).await;
    let mut peer = house.udp().await;
    let mut ringing = Vec::new();
    for _ in 0..PENDING_OF_ONE {
        peer.send(&of_user(&peer, 1).text()).await;
        assert_eq!(peer.hear().await.code(), 100);
        ringing.push(house.ringing().await);
    }
    let refused = peer.ask(&of_user(&peer, 1)).await;
    assert_eq!(refused.code(), 486, "{}", refused.0);
    assert!(refused.get("Warning").contains("of this caller"), "{}", refused.0);
    assert!(refused.get("Retry-After").parse::<u32>().is_ok());
    peer.send(&of_user(&peer, 2).text()).await;
    assert_eq!(peer.hear().await.code(), 100);
    let _other = house.ringing().await;
    // A call that is answered, either way, makes place for the next.
    ringing[0].accept("answer").await;
    assert_eq!(peer.hear().await.code(), 200);
    ringing[1].say(CallCommand::Reject(Refusal::new(480, "not now"))).await;
    assert_eq!(peer.hear().await.code(), 480);
    for _ in 0..2 {
        peer.send(&of_user(&peer, 1).text()).await;
        assert_eq!(peer.hear().await.code(), 100);
        ringing.push(house.ringing().await);
    }
    assert_eq!(peer.ask(&of_user(&peer, 1)).await.code(), 486);
}

/// More than the stack may have transactions: were each refusal to wait for its ACK, the last would get 503.
#[tokio::test]
async fn refusals_that_nobody_acknowledges_take_no_place_from_those_who_call() {
    let mut house = House::open_at(NEVER, |_| {}).await;
    let mut peer = house.udp().await;
    let nobody = |peer: &Peer| peer.invite("sip:nobody@rooms.example.com");
    for number in 0..5000 {
        assert_eq!(peer.ask(&nobody(&peer)).await.code(), 404, "number {number}");
    }
    // Who is refused without a transaction of his own hears the same once more when he asks once more, until he has heard.
    let last = nobody(&peer);
    let refused = peer.ask(&last).await;
    assert_eq!(peer.ask(&last).await.0, refused.0);
    peer.send(&last.ack(&refused)).await;
    call_up(&mut house, Transport::Udp, "").await;
}

#[tokio::test]
async fn a_room_that_refuses_call_after_call_stays_open_for_the_next() {
    let mut house = House::open_at(NEVER, |_| {}).await;
    let mut peer = house.udp().await;
    *house.stage.refuse_with.lock().unwrap() = Some(Refusal::new(403, "not you"));
    for number in 0..PENDING + 10 {
        assert_eq!(peer.ask(&peer.invite(ROOM)).await.code(), 403, "number {number}");
    }
    *house.stage.refuse_with.lock().unwrap() = None;
    // The same when it takes its time to refuse. Three thousand are more than may wait for their ACK.
    for number in 0..3000 {
        peer.send(&peer.invite(ROOM).text()).await;
        house.ringing().await.say(CallCommand::Reject(Refusal::new(403, "not you"))).await;
        assert_eq!(peer.hear_final().await.code(), 403, "number {number}");
    }
    call_up(&mut house, Transport::Udp, "").await;
    let last = peer.invite(ROOM);
    peer.send(&last.text()).await;
    house.ringing().await.say(CallCommand::Reject(Refusal::new(403, "not you"))).await;
    let refused = peer.hear_final().await;
    assert_eq!(peer.ask(&last).await.0, refused.0);
}

/// What no call has waited for may not fill the memory of the stack either.
#[tokio::test]
async fn a_flood_of_byes_to_no_dialog_ends_with_503_and_a_call_can_still_end() {
    let mut house = House::open_timed(Timers { t1: NEVER, remembered: 4_000 }, |_| {}).await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let mut peer = house.udp().await;
    let mut refused = 0;
    for _ in 0..40 {
        // Many at a time, for one at a time would take long.
        for _ in 0..100 {
            peer.send(&peer.request("BYE", ROOM).with("X: y\r\n").text()).await;
        }
        for _ in 0..100 {
            refused += usize::from(peer.hear().await.code() == 503);
        }
    }
    assert!((1_000..1_100).contains(&refused), "the last quarter is for other peers: {refused}");
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 2, &up.ok)).await.code(), 200);
    up.room.hear_end().await;
}
