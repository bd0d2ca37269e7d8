//! A child process that never outlives its owner, and its log.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::wait_for;

/// How long a process may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(8);

/// `program`, to be killed by the system when the thread that starts it is gone, however it went; in a process group of its
/// own, so that Ctrl-C at the terminal reaches us first.
pub fn bound_to_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]).process_group(0);
    command
}

/// A running child. It is ended when this is dropped: SIGTERM, then SIGKILL, by its id.
pub struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
    frozen: bool,
    goodbye: bool,
}

impl Running {
    /// Starts `command`; `log` is where it writes what a failed test shows.
    pub fn start(name: &'static str, command: &mut Command, log: PathBuf) -> Self {
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        Self { name, child, log, frozen: false, goodbye: true }
    }

    /// The same, but it is killed at once when it is dropped.
    #[must_use]
    pub fn without_goodbye(mut self) -> Self {
        self.goodbye = false;
        self
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("cannot wait for {}: {e}", self.name))
    }

    /// Waits for its end.
    pub async fn end(&mut self, timeout: Duration) -> ExitStatus {
        let (name, log) = (self.name, self.log.clone());
        wait_for(|| self.ended(), timeout, crate::wait::Picture(|| format!("the end of {name}\n{}", tail(&log, 40))))
            .await
    }

    /// Sends a signal; nothing happens when it has ended already.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open and nothing answers.
    pub fn freeze(&mut self) {
        self.frozen = true;
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&mut self) {
        self.frozen = false;
        self.signal(Signal::CONT);
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// The whole log.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- {} said last ({})\n{}", self.name, self.log.display(), self.log_tail(60));
        }
        if !self.goodbye {
            return self.kill();
        }
        if self.frozen {
            self.thaw();
        }
        self.signal(Signal::TERM);
        let end = Instant::now() + GRACE;
        while self.ended().is_none() {
            if Instant::now() > end {
                self.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Where something lives: a temporary directory disappears with it.
pub(crate) enum Place {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Place {
    /// The directory given, which is made where it is missing, or a temporary one whose name starts with `prefix`.
    pub(crate) fn new(given: Option<&Path>, prefix: &str) -> Self {
        match given {
            Some(path) => {
                std::fs::create_dir_all(path).unwrap();
                Self::Given(path.to_owned())
            }
            None => Self::Temporary(TempDir::with_prefix(prefix).unwrap()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Given(path) => path,
        }
    }
}

/// The last `lines` lines of a file.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
