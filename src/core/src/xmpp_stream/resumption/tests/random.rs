//! Connections that break anywhere: XM-02.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::super::super::machine::{CLOSE, Output, PATIENCE, StreamFault};
use super::PING;
use super::pair::{Pair, REFLECTION};
use crate::time::Instant;

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

#[derive(Debug, Clone)]
enum Act {
    WeSay,
    TheySay,
    TheyAsk,
    /// Somebody pings us, which we answer by ourselves.
    TheyPing,
    ServerReads(usize),
    WeRead(usize),
    Passes(u64),
    Cut(usize, usize),
    Reconnects,
    ReconnectsInOne,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::WeSay),
        8 => Just(Act::TheySay),
        3 => Just(Act::TheyAsk),
        1 => Just(Act::TheyPing),
        6 => (1_usize..400).prop_map(Act::ServerReads),
        6 => (1_usize..400).prop_map(Act::WeRead),
        3 => (1_u64..3000).prop_map(Act::Passes),
        2 => (0_usize..600, 0_usize..600).prop_map(|(one, other)| Act::Cut(one, other)),
        2 => Just(Act::Reconnects),
        2 => Just(Act::ReconnectsInOne),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Wherever connections break, each message of either side arrives once and in order, and everything is off our hands. Of a
    /// server that goes on in the midst of a stanza the stream is given up, and nothing of ours is lost by that.
    #[test]
    fn wherever_connections_break_everything_arrives_once_and_in_order(
        acts in prop::collection::vec(act(), 1..120),
        keeps_half: bool,
    ) {
        let mut pair = Pair::new();
        pair.keeps_half = keeps_half;
        let (mut ours, mut theirs) = (0, 0);
        for act in acts {
            match act {
                Act::WeSay => {
                    pair.say(&format!("r{ours}"));
                    ours += 1;
                }
                Act::TheySay => {
                    pair.room_says(&format!("j{theirs}"));
                    theirs += 1;
                }
                Act::TheyAsk => pair.server_asks(),
                Act::TheyPing => pair.comes(PING),
                Act::ServerReads(octets) => pair.server_reads(octets),
                Act::WeRead(octets) => pair.we_read(octets),
                Act::Passes(millis) => pair.passes(Duration::from_millis(millis)),
                Act::Cut(one, other) if pair.connected => pair.cut(one, other),
                Act::Reconnects if !pair.connected => pair.reconnects(),
                Act::ReconnectsInOne if !pair.connected => pair.reconnects_in_one(),
                Act::Cut(..) | Act::Reconnects | Act::ReconnectsInOne => {}
            }
            prop_assert!(pair.now < Instant::ZERO + Duration::from_secs(400));
        }
        let is_in_time = pair.now < Instant::ZERO + REFLECTION;
        // It may turn out that the server does not read on.
        for _ in 0..2 {
            if !pair.connected {
                pair.reconnects();
            }
            pair.settles();
            pair.passes(PATIENCE + CLOSE);
            pair.settles();
        }
        let was_replaced = pair.log.iter().any(|output| matches!(output, Output::Reset { .. }));
        if was_replaced && matches!(pair.ended(), Some(StreamFault::Disconnected(_))) {
            return Ok(()); // the new one was cut off before it could be resumed
        }
        prop_assert_eq!(pair.ended(), None);
        let mut all = names("j", theirs).into_iter();
        for heard in &pair.heard {
            prop_assert!(all.any(|line| line == *heard), "{} twice or out of order", heard);
        }
        // What a server had for a stream that is given up goes with it; the room has it in its archive.
        if !was_replaced {
            prop_assert_eq!(pair.heard.len(), theirs);
        }
        // Those that were late when the stream was resumed are left out; the others are there, once, in order.
        let mut all = names("r", ours).into_iter();
        for said in &pair.said {
            prop_assert!(all.any(|line| line == *said), "{} twice or out of order", said);
        }
        if is_in_time {
            prop_assert_eq!(pair.said.len(), ours);
        }
        prop_assert_eq!(pair.held, 0);
    }
}
