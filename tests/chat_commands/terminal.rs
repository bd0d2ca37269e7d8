//! `mucfocus chat` as somebody at a terminal has it.

use std::io::Write as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use mucfocus_rig::{SOON, until, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// `mucfocus chat`, running, with all that it has printed so far.
pub(crate) struct Chat {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chat {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("chat").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (gather(child.stdout.take().unwrap()), gather(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    pub(crate) fn types(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.err.lock().unwrap().clone()).unwrap()
    }

    pub(crate) async fn shows(&self, line: &str) {
        let is_there = || self.out().lines().any(|l| l == line);
        until(is_there, SOON, Lazy(|| format!("{line:?} in\n{}\n{}", self.out(), self.err()))).await;
    }

    pub(crate) async fn tells(&self, what: &str) {
        let is_there = || self.err().contains(what);
        until(is_there, SOON, Lazy(|| format!("{what:?} in\n{}", self.err()))).await;
    }

    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let err = self.err.clone();
        let picture = Lazy(move || String::from_utf8_lossy(&err.lock().unwrap()).into_owned());
        wait_for(|| self.child.try_wait().unwrap(), SOON, picture).await
    }
}

struct Lazy<F: Fn() -> String>(F);

impl<F: Fn() -> String> std::fmt::Display for Lazy<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.0)())
    }
}

fn gather(mut from: impl std::io::Read + std::marker::Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&gathered);
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            into.lock().unwrap().extend_from_slice(&piece[..length]);
        }
    });
    gathered
}
