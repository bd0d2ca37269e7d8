//! Parts that processes of their own play: the conductor writes a line, the part does what it says and answers with one line.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, ExitCode, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;

use super::floor::{Feeder, Floor};
use super::leg::Legs;
use super::raw::Raws;
use super::tally::Counts;
use crate::gauge::{memory, processor};
use crate::process::bound_to_us;

/// The first argument of a process that plays a part.
pub(super) const WORKER: &str = "worker";

/// A part, as the conductor has it. It ends when this is dropped.
pub(super) struct Worker {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// `part` and what it has to know.
    pub(super) fn start(part: &str, about: &[String]) -> Self {
        let program = std::env::current_exe().unwrap().display().to_string();
        let mut command = bound_to_us(&program);
        command.arg(WORKER).arg(part).args(about).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {part}: {e}"));
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, commands, answers }
    }

    /// Has it do something, and waits for its answer.
    pub(super) fn ask(&mut self, command: impl Display) -> Vec<f64> {
        let command = command.to_string();
        let commands = self.commands.as_mut().unwrap();
        writeln!(commands, "{command}").unwrap_or_else(|e| panic!("the part is gone before {command:?}: {e}"));
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let numbers: Vec<f64> = answer.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        assert!(answer.starts_with("ok"), "{command:?} failed: {answer:?}");
        numbers
    }

    /// The same, for commands that are answered by one number.
    pub(super) fn number(&mut self, command: impl Display) -> f64 {
        self.ask(command).first().copied().unwrap_or(f64::NAN)
    }

    /// What it has received since it was asked last.
    pub(super) fn take(&mut self) -> Counts {
        Counts::of(&self.ask("take"))
    }

    /// Its resident memory in KiB.
    pub(super) fn memory(&self) -> f64 {
        memory(self.child.id()) as f64
    }

    /// Processor time that it has used, in microseconds.
    pub(super) fn processor(&self) -> f64 {
        processor(self.child.id()).as_micros() as f64
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.commands.take());
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command as the part reads it.
pub(super) struct Command(Vec<String>);

impl Command {
    pub(super) fn name(&self) -> &str {
        &self.0[0]
    }

    pub(super) fn word(&self, at: usize) -> &str {
        &self.0[at]
    }

    pub(super) fn number(&self, at: usize) -> f64 {
        self.0[at].parse().unwrap_or_else(|_| panic!("no number at {at} of {:?}", self.0))
    }

    pub(super) fn count(&self, at: usize) -> usize {
        self.number(at) as usize
    }
}

/// Plays a part until the conductor has nothing more to say.
pub(super) async fn play(part: &[String]) -> ExitCode {
    let [part, about @ ..] = part else { return ExitCode::from(2) };
    let address = |at: usize| -> SocketAddr { about[at].parse().unwrap() };
    match part.as_str() {
        "raw" => {
            let mut raws = Raws::new(address(0), about[1].clone());
            while let Some(command) = next().await {
                answer(&raws.obey(&command).await);
            }
        }
        "legs" => {
            let mut legs = Legs::start(address(0)).await;
            while let Some(command) = next().await {
                answer(&legs.obey(&command).await);
            }
        }
        "floor" => {
            let floor = Floor::start().await;
            while let Some(command) = next().await {
                answer(&floor.obey(&command));
            }
        }
        "feeder" => {
            let mut feeder = Feeder::default();
            while let Some(command) = next().await {
                answer(&feeder.obey(&command).await);
            }
        }
        _ => return ExitCode::from(2),
    }
    // What it still holds need not end in order: the processes at the other ends do not count any more.
    std::process::exit(0)
}

fn answer(numbers: &[f64]) {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    println!("ok {}", numbers.join(" "));
}

/// The next line, read by a thread, so that all else goes on.
async fn next() -> Option<Command> {
    static LINES: tokio::sync::OnceCell<tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>> =
        tokio::sync::OnceCell::const_new();
    let lines = LINES
        .get_or_init(|| async {
            let (tx, rx) = mpsc::unbounded_channel();
            std::thread::spawn(move || {
                std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| tx.send(line))
            });
            tokio::sync::Mutex::new(rx)
        })
        .await;
    let line = lines.lock().await.recv().await?;
    Some(Command(line.split_whitespace().map(str::to_owned).collect()))
}
