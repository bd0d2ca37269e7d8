//! Connections that break anywhere: XM-02.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

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

    /// Wherever connections break, each message of either side arrives once and in order, and everything is off our hands.
    #[test]
    fn wherever_connections_break_everything_arrives_once_and_in_order(acts in prop::collection::vec(act(), 1..120)) {
        let mut pair = Pair::new();
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
        if !pair.connected {
            pair.reconnects();
        }
        pair.settles();
        pair.passes(Duration::from_secs(2));
        pair.settles();
        prop_assert_eq!(pair.ended(), None);
        prop_assert_eq!(&pair.heard, &names("j", theirs));
        // Those that were late when the stream was resumed are left out; the others are there, once, in order.
        let mut all = names("r", ours).into_iter();
        for said in &pair.said {
            prop_assert!(all.any(|line| line == *said), "{} twice or out of order", said);
        }
        if pair.now < Instant::ZERO + REFLECTION {
            prop_assert_eq!(pair.said.len(), ours);
        }
        prop_assert_eq!(pair.held, 0);
    }
}
