//! What SIP users cost beside raw XMPP clients: the load program of `make bench`.
//!
//! Everything is measured twice in one run: once with SIP legs in a room, once with as many raw XMPP clients in another room of the
//! same server, in slices that take turns, so that what else the machine does falls on both. Beside them runs a floor: a program
//! that reads and writes the same octets in as many system calls and does nothing with them. What counts is processor time of a
//! process for each copy of a message that it delivers, at a constant rate of half of what the raw clients can take; the median
//! over the slices is given with its spread, and of ratios the median of the ratios of neighbours.
//!
//! The clients are lean: they count octets and marks and parse nothing that they need not. They live in processes of their own
//! ([`worker`]), which the conductor talks to by lines, and whose processor time is nobody's but theirs. All users log in
//! anonymously, on either side, so that no hash of a password is part of any figure; nothing is encrypted.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "figures for people, small and positive"
)]

mod floor;
mod leg;
mod mode;
mod msrp;
mod raw;
mod sip;
mod stage;
mod stats;
mod table;
mod tally;
mod worker;

use std::path::Path;
use std::process::ExitCode;

use self::mode::{Effort, Mode};
use self::stage::{Limits, Stage};
use self::table::Table;
use crate::Kind;
use crate::gauge::allow_files;

const USAGE: &str =
    "usage: load MUCFOCUS [MODE]… [server=prosody|ejabberd] [limits=lifted|stock] [legs=10,50,400] [crowd=400]
            [slice=SECONDS] [rounds=N] [rate=COPIES] [soak=SECONDS]
modes: fanout joins entering notify memory soak; without any, all of them, on both servers";

/// Open files of the conductor and of each that it starts.
const FILES: u64 = 8192;

/// Runs the modes that the arguments name, and prints one table for each server; or plays one of the parts, in a process of its own.
pub async fn run(arguments: &[String]) -> ExitCode {
    allow_files(FILES);
    if let [first, part @ ..] = arguments
        && first == worker::WORKER
    {
        return worker::play(part).await;
    }
    let Some(plan) = Plan::of(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if !Path::new(&plan.binary).is_file() {
        eprintln!("{:?} is no program; `cargo build --release` makes target/release/mucfocus", plan.binary);
        return ExitCode::from(2);
    }
    let mut is_met = true;
    for server in &plan.servers {
        for limits in &plan.limits {
            is_met &= plan.measure(*server, *limits).await;
        }
    }
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is to be measured.
struct Plan {
    binary: String,
    modes: Vec<Mode>,
    servers: Vec<Kind>,
    limits: Vec<Limits>,
    effort: Effort,
}

impl Plan {
    fn of(arguments: &[String]) -> Option<Self> {
        let (binary, rest) = arguments.split_first()?;
        let mut plan = Self {
            binary: binary.clone(),
            modes: Vec::new(),
            servers: vec![Kind::Prosody, Kind::Ejabberd],
            limits: vec![Limits::Lifted],
            effort: Effort::default(),
        };
        for argument in rest {
            match argument.split_once('=') {
                None => plan.modes.push(Mode::named(argument)?),
                Some(("server", "prosody")) => plan.servers = vec![Kind::Prosody],
                Some(("server", "ejabberd")) => plan.servers = vec![Kind::Ejabberd],
                Some(("limits", "stock")) => plan.limits = vec![Limits::Stock],
                Some(("limits", "lifted")) => plan.limits = vec![Limits::Lifted],
                Some(("limits", "both")) => plan.limits = vec![Limits::Lifted, Limits::Stock],
                Some((key, value)) => plan.effort.set(key, value)?,
            }
        }
        if plan.modes.is_empty() {
            plan.modes = Mode::ALL.to_vec();
        }
        Some(plan)
    }

    /// Whether every target was met.
    async fn measure(&self, server: Kind, limits: Limits) -> bool {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split(' ').take(3).collect();
        println!("\n{}, limits {}; load of the machine at the start {}", server.name(), limits.name(), load.join(" "));
        let mut table = Table::default();
        for mode in &self.modes {
            let stage = Stage::set(&self.binary, server, limits).await;
            mode.measure(&stage, &self.effort, &mut table).await;
        }
        println!("\n{table}");
        table.is_met()
    }
}
