//! Who answers what the operator asks: asks the rooms, reads the ladders, and hands to the process what concerns all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::protocol::{Leg, Reloaded, Reply, Request, Room, RoomLine, Status};
use crate::hub::directory::Directory;
use crate::hub::looking::LegName;
use crate::observe::ladder::Ladder;
use crate::sip::port::{Focus as _, Readiness};
use crate::xmpp::pool::Pool;

/// After the end of a call its last messages may still be on their way.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What concerns the whole process.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration again; what comes of it, or why it stays as it is.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
    /// End all legs and take no more.
    Drain,
}

/// Everything that an operator can ask of.
pub struct Desk {
    /// `node.name`.
    pub node: String,
    /// What is listened on.
    pub listening: Vec<String>,
    /// The rooms.
    pub focus: Arc<Directory>,
    /// The XMPP streams.
    pub pool: Arc<Pool>,
    /// The ladders.
    pub ladder: Ladder,
    /// When the process was ready.
    pub since: Instant,
    /// Where the process takes orders.
    pub orders: mpsc::Sender<Order>,
}

/// Where the lines of an answer go. Whether somebody still reads.
pub(super) trait Replies {
    /// One line.
    async fn reply(&mut self, reply: Reply) -> bool;
}

impl Desk {
    /// Answers a request.
    pub(super) async fn answer(&self, request: Request, out: &mut impl Replies) {
        let reply = match request {
            Request::Status => Reply::Status(self.status()),
            Request::Rooms => Reply::Rooms(self.rooms().await),
            Request::Room { name } => match self.focus.room(&name).await {
                Ok((muc, view)) => Reply::Room(Box::new(Room::new(&muc, &view))),
                Err(why) => failed(why.to_string()),
            },
            Request::Leg { id } => self.leg(&id).await.map_or_else(|why| why, |leg| Reply::Leg(Box::new(leg))),
            Request::Kick { id } => self.kick(&id).await,
            Request::Ladder { call_id, follow } => return self.ladder(&call_id, follow, out).await,
            Request::Bans => Reply::Bans(self.focus.bans().into_iter().map(Into::into).collect()),
            Request::Unban { room, user } => match self.focus.unban(&room, &user) {
                Ok(ban) => Reply::Unbanned(ban.into()),
                Err(why) => failed(why.to_string()),
            },
            Request::Reload => self.reload().await,
            Request::Drain => self.drain().await,
        };
        out.reply(reply).await;
    }

    fn status(&self) -> Status {
        let state = match self.focus.readiness() {
            Readiness::Ready => "ready",
            Readiness::Draining => "draining",
            Readiness::Overloaded => "full",
            Readiness::Busy => "overloaded",
        };
        Status {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: state.to_owned(),
            uptime_s: self.since.elapsed().as_secs(),
            memory: memory(),
            rooms: self.focus.running(),
            legs: self.focus.legs(),
            legs_limit: self.focus.legs_limit(),
            xmpp_streams: self.pool.streams_up(),
            xmpp_servers_away: self.pool.servers_away(),
            listening: self.listening.clone(),
        }
    }

    async fn rooms(&self) -> Vec<RoomLine> {
        let rooms = self.focus.rooms().await;
        rooms
            .into_iter()
            .map(|(muc, counts)| RoomLine { muc: muc.to_string(), counts: counts.map(Into::into) })
            .collect()
    }

    async fn leg(&self, id: &str) -> Result<Leg, Reply> {
        let found = self.focus.leg(&LegName::parse(id)).await;
        let none = || failed(format!("there is no leg {id}; `room NAME` lists those of a room"));
        found.map(|(muc, report)| Leg::new(&muc, &report)).ok_or_else(none)
    }

    async fn kick(&self, id: &str) -> Reply {
        let leg = match self.leg(id).await {
            Ok(leg) => leg,
            Err(why) => return why,
        };
        match self.focus.kick(mucfocus_core::leg::LegId(leg.line.id)).await {
            true => Reply::Kicked(Box::new(leg)),
            false => failed(format!("leg {id} ended by itself meanwhile")),
        }
    }

    async fn ladder(&self, name: &str, follow: bool, out: &mut impl Replies) {
        let mut call_id = name.to_owned();
        // A leg's number will do while it lives.
        if let LegName::Number(_) = LegName::parse(name)
            && let Ok(leg) = self.leg(name).await
        {
            call_id = leg.line.call_id;
        }
        let mut next = 0;
        let mut is_over = false;
        loop {
            let Some(reading) = self.ladder.read(&call_id, next) else {
                out.reply(failed(format!("nothing is known of a call {name}; `room NAME` and the log name calls")))
                    .await;
                return;
            };
            for rung in reading.rungs {
                next = rung.number.saturating_add(1);
                if !out.reply(Reply::Rung(rung)).await {
                    return;
                }
            }
            match () {
                () if !follow || is_over => return,
                () if reading.goes_on => self.ladder.grows(&call_id, next).await,
                () => {
                    is_over = true;
                    tokio::time::sleep(LAST_WORDS).await;
                }
            }
        }
    }

    async fn reload(&self) -> Reply {
        let (answer, answered) = oneshot::channel();
        let given = self.orders.send(Order::Reload(answer)).await.is_ok();
        match answered.await {
            Ok(Ok(reloaded)) => Reply::Reloaded(reloaded),
            Ok(Err(why)) => failed(why),
            Err(_) if given => failed("the process is going down".into()),
            Err(_) => failed("the process takes no orders any more: it is going down".into()),
        }
    }

    async fn drain(&self) -> Reply {
        let legs = self.focus.legs();
        match self.orders.send(Order::Drain).await {
            Ok(()) => Reply::Draining { legs },
            Err(_) => failed("the process is going down already".into()),
        }
    }
}

pub(super) const fn failed(why: String) -> Reply {
    Reply::Failed { why }
}

/// VmRSS, in octets.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
