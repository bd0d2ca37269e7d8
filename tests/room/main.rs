//! Whole rooms on real servers: what SIP users and XMPP users of one room see of each other.
//!
//! Each module is about one thing and cites its rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mucfocus_rig::world::Settings;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, World};

mod calls;
mod devices;
mod doors;
mod factory;
mod gaps;
mod invitations;
mod invited;
mod limits;
mod logins;
mod moved;
mod names;
mod nicknames;
mod outage;
mod receipts;
mod removal;
mod removing;
mod roster;
mod self_ping;
mod speech;
mod standing;
mod watching;
mod whispers;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// The SIP user's room, its MUC, and who is in it: Juliet (XMPP), who made it and moderates, and Romeo (SIP).
struct Stage {
    world: World,
    muc: String,
    juliet: Client,
    romeo: Member,
}

impl Stage {
    async fn set() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::with(BINARY, change).await;
        let muc = world.muc("capulet");
        let juliet = world.xmpp_in("capulet", "juliet").await;
        let romeo = world.chatter("capulet", "romeo").await;
        juliet.sees(&muc, "Romeo").await;
        Self { world, muc, juliet, romeo }
    }

    /// Another SIP user in the room.
    async fn joined_by(&self, user: &str) -> Member {
        self.world.chatter("capulet", user).await
    }
}
