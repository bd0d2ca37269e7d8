//! What can be measured, and with how much effort.

mod entering;
mod fanout;
mod joins;
mod memory;
mod notify;
mod soak;

use super::stage::Stage;
use super::table::Table;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Copies of messages: processor time and delay.
    Fanout,
    /// A whole crowd enters one room.
    Joins,
    /// One enters a room, until he sees everybody.
    Entering,
    /// Octets of NOTIFY by the size of the room.
    Notify,
    /// Memory of a crowd, and what is left of it.
    Memory,
    /// Coming and going for a long time.
    Soak,
}

impl Mode {
    pub(super) const ALL: [Self; 6] =
        [Self::Fanout, Self::Joins, Self::Entering, Self::Notify, Self::Memory, Self::Soak];

    pub(super) fn named(name: &str) -> Option<Self> {
        let names = ["fanout", "joins", "entering", "notify", "memory", "soak"];
        Self::ALL.into_iter().zip(names).find(|(_, n)| *n == name).map(|(mode, _)| mode)
    }

    pub(super) async fn measure(self, stage: &Stage, effort: &Effort, table: &mut Table) {
        match self {
            Self::Fanout => fanout::measure(stage, effort, table).await,
            Self::Joins => joins::measure(stage, effort, table),
            Self::Entering => entering::measure(stage, effort, table),
            Self::Notify => notify::measure(stage, effort, table).await,
            Self::Memory => memory::measure(stage, effort, table).await,
            Self::Soak => soak::measure(stage, effort, table).await,
        }
    }
}

/// How much of everything.
#[derive(Debug, Clone)]
pub(super) struct Effort {
    /// Sizes of rooms in which somebody speaks.
    pub(super) legs: Vec<usize>,
    /// How many enter one room at once, and whose memory is looked at.
    pub(super) crowd: usize,
    /// Seconds of one slice.
    pub(super) slice: f64,
    /// How often slices take turns.
    pub(super) rounds: usize,
    /// Copies a second, where it is not to be half of what raw clients take.
    pub(super) rate: Option<f64>,
    /// Seconds of coming and going.
    pub(super) soak: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { legs: vec![10, 50, 400], crowd: 400, slice: 4.0, rounds: 5, rate: None, soak: 60.0 }
    }
}

impl Effort {
    pub(super) fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "legs" => self.legs = value.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?,
            "crowd" => self.crowd = value.parse().ok()?,
            "slice" => self.slice = value.parse().ok()?,
            "rounds" => self.rounds = value.parse().ok()?,
            "rate" => self.rate = Some(value.parse().ok()?),
            "soak" => self.soak = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}
