//! The program under test with a configuration of its own, on ports that the system chose.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Place, Running};
use crate::wait::{Picture, wait_for};

/// A running `mucfocus serve`.
pub struct Mucfocus {
    running: Running,
    binary: PathBuf,
    directory: Place,
    ready: Ready,
}

/// What it said when it was ready.
#[derive(Debug, Clone)]
struct Ready {
    line: String,
    udp: SocketAddr,
    tcp: SocketAddr,
    msrp: SocketAddr,
}

impl Mucfocus {
    /// Writes the configuration, starts the program and waits for its `ready` line.
    pub async fn start(binary: &str, configuration: &str) -> Self {
        Self::start_in(binary, configuration, None).await
    }

    /// The same with its files in a directory that stays.
    pub async fn start_in(binary: &str, configuration: &str, directory: Option<&Path>) -> Self {
        let directory = Place::new(directory, "mucfocus-");
        let binary = PathBuf::from(binary);
        write_private(&directory.path().join("config.toml"), configuration);
        let (running, ready) = serve(&binary, directory.path()).await;
        Self { running, binary, directory, ready }
    }

    /// Starts it again with the same configuration after it has ended.
    pub async fn restart(&mut self) {
        let (running, ready) = serve(&self.binary, self.directory.path()).await;
        (self.running, self.ready) = (running, ready);
    }

    /// Where it takes SIP over UDP.
    pub fn udp(&self) -> SocketAddr {
        self.ready.udp
    }

    /// Where it takes SIP over TCP.
    pub fn tcp(&self) -> SocketAddr {
        self.ready.tcp
    }

    /// Where it takes SIP over this transport: `tls`, `ws` or `wss`.
    pub fn sip_over(&self, transport: &str) -> SocketAddr {
        let scheme = format!("{transport}:");
        let address = self.ready.line.split(' ').find_map(|word| word.strip_prefix(scheme.as_str()));
        address.and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("no {scheme} in {:?}", self.ready.line))
    }

    /// Where it takes MSRP.
    pub fn msrp(&self) -> SocketAddr {
        self.ready.msrp
    }

    /// Where it takes MSRP of this kind: `tls`, `ws` or `wss`.
    pub fn msrp_over(&self, kind: &str) -> SocketAddr {
        let scheme = format!("msrp:{kind}:");
        let address = self.ready.line.split(' ').find_map(|word| word.strip_prefix(scheme.as_str()));
        address.and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("no {scheme} in {:?}", self.ready.line))
    }

    /// The line that it printed when it was ready.
    pub fn ready_line(&self) -> &str {
        &self.ready.line
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// The configuration that it was started with.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("config.toml")
    }

    /// Everything on standard output.
    pub fn output(&self) -> String {
        read(&self.directory.path().join("stdout"))
    }

    /// Everything on standard error: the log.
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.running.signal(Signal::TERM);
    }

    /// Stops it in its tracks: connections stay open and nothing answers.
    pub fn freeze(&mut self) {
        self.running.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.running.thaw();
    }

    /// Kills it (SIGKILL); nobody gets a goodbye.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Waits for its end.
    pub async fn end(&mut self, timeout: Duration) -> ExitStatus {
        self.running.end(timeout).await
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.running.ended().is_none()
    }

    /// Octets of memory that it holds (VmRSS).
    pub fn memory(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.id())));
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS in /proc");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

async fn serve(binary: &Path, directory: &Path) -> (Running, Ready) {
    let (log, out) = (directory.join("stderr"), directory.join("stdout"));
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(directory.join("config.toml"));
    command.env("STATE_DIRECTORY", directory.join("state"));
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(append(&log));
    let mut running = Running::start("mucfocus", &mut command, log.clone());
    let look = || {
        if let Some(status) = running.ended() {
            return Some(Err(status));
        }
        read(&out).lines().find(|l| l.starts_with("ready ")).map(|l| Ok(l.to_owned()))
    };
    let picture = Picture(|| format!("`ready` on standard output; the log says\n{}", read(&log)));
    match wait_for(look, Duration::from_secs(20), picture).await {
        Ok(line) => (running, parse(line)),
        Err(status) => panic!("mucfocus ended with {status} in place of serving:\n{}", read(&log)),
    }
}

fn parse(line: String) -> Ready {
    let address = |scheme: &str| {
        let listener = line.split(' ').find_map(|word| word.strip_prefix(scheme));
        listener.and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("no {scheme}HOST:PORT in {line:?}"))
    };
    let (udp, tcp, msrp) = (address("udp:"), address("tcp:"), address("msrp:tcp:"));
    Ready { udp, tcp, msrp, line }
}

fn append(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

/// The configuration holds passwords: a file that others can read would be refused.
pub fn write_private(path: &Path, text: &str) {
    let _ = std::fs::remove_file(path);
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}
