//! TLS as the `openssl` program speaks it: another implementation than the one under test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::certificate::Certificate;
use crate::msrp::Peer;
use crate::wait::{Picture, SOON, wait_for};

/// A connection under TLS, of which this is the plain side. Ends when it is dropped.
pub struct Secure {
    /// What comes.
    pub read: ChildStdout,
    /// What goes.
    pub write: ChildStdin,
    /// The process, and what it says about the handshake.
    pub told: Told,
}

/// What openssl said.
pub struct Told {
    _process: Child,
    directory: TempDir,
}

impl Told {
    /// Everything so far: the version, the certificate that the other side showed, alerts.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

/// Connects; `certificate` is shown if the server asks. `options` are those of `openssl s_client`.
pub fn client(to: SocketAddr, certificate: Option<&Certificate>, options: &[&str]) -> Secure {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &to.to_string()]).args(options);
    show(&mut command, certificate);
    spawn(command)
}

/// Waits for one connection on a free port and shows `certificate`. `options` are those of `openssl s_server`.
pub async fn server(certificate: &Certificate, options: &[&str]) -> (SocketAddr, Secure) {
    // The program cannot say which port the system chose.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-naccept", "1", "-accept", &free.to_string()]).args(options);
    show(&mut command, Some(certificate));
    let secure = spawn(command);
    let listens = || {
        std::fs::read_to_string("/proc/net/tcp")
            .ok()?
            .contains(&format!(":{:04X} 00000000:0000 0A", free.port()))
            .then_some(())
    };
    wait_for(listens, SOON, Picture(|| format!("openssl on {free}: {}", secure.told.text()))).await;
    (free, secure)
}

/// An MSRP session under TLS. The log of the handshake goes with it.
pub fn peer(secure: Secure, local: &str, remote: &str) -> (Peer, Told) {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (Peer::over(secure.read, secure.write, nowhere, local, remote), secure.told)
}

/// The certificate that a server shows, in PEM.
pub async fn shown_by(server: SocketAddr) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let text = String::from_utf8(command.kill_on_drop(true).output().await.unwrap().stdout).unwrap();
    let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("no certificate in {text}"));
    let end = "-----END CERTIFICATE-----";
    let at = text[begin..].find(end).expect("the end of a certificate") + end.len();
    text[begin..begin + at].to_owned()
}

/// Reads until the other side closes, or for as long as a test waits.
pub async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.expect("the connection stays open");
    all
}

fn show(command: &mut Command, certificate: Option<&Certificate>) {
    if let Some((certificate, key)) = certificate.map(Certificate::files) {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
}

fn spawn(mut command: Command) -> Secure {
    let directory = TempDir::with_prefix("openssl-").unwrap();
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    let mut process = command.spawn().expect("the program openssl (apt-get install openssl)");
    let (read, write) = (process.stdout.take().unwrap(), process.stdin.take().unwrap());
    Secure { read, write, told: Told { _process: process, directory } }
}
