//! What a running mucfocus costs and counts, seen from outside: processor time, and the numbers of `/metrics`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Mucfocus;

/// Ticks of `/proc/PID/stat` in a second: fixed for all of Linux' user space.
const TICKS: u64 = 100;

/// Every series of `/metrics` by its name and labels, as they are written there.
#[derive(Debug, Clone, Default)]
pub struct Numbers(BTreeMap<String, f64>);

impl Numbers {
    /// Asks for them.
    pub async fn of(mucfocus: &Mucfocus) -> Self {
        let mut stream = TcpStream::connect(http(mucfocus)).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let series = text.lines().filter(|l| l.starts_with("mucfocus_")).filter_map(|l| l.rsplit_once(' '));
        Self(series.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// The value of a series; 0 where there is none.
    pub fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// How often MSRP peers did this against the protocol.
    pub fn violations(&self, name: &str) -> f64 {
        self.get(&format!("mucfocus_msrp_violations_total{{violation=\"{name}\"}}"))
    }

    /// What has changed since, without what stayed as it was.
    pub fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        let changes = self.0.iter().map(|(name, value)| (name.clone(), value - before.get(name)));
        changes.filter(|(_, change)| *change != 0.0).collect()
    }
}

fn http(mucfocus: &Mucfocus) -> SocketAddr {
    let address = mucfocus.ready_line().split(' ').find_map(|word| word.strip_prefix("http:"));
    address.and_then(|a| a.parse().ok()).expect("`[http] listen` in the configuration of the test")
}

/// Lets this process, and those that it starts from now on, open so many files, or as many as the system allows; returns how many
/// they are.
pub fn allow_files(count: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let current = Some(count.min(limit.maximum.unwrap_or(count)).max(limit.current.unwrap_or(count)));
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(count)
}

/// Processor time that a process has used.
pub fn processor(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may hold anything: state is the first field, utime and stime the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Resident memory of a process in KiB.
pub fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
