//! Chromium without a window, with one page that a test steers.
//!
//! The page comes from a small web server of the rig. It asks there for commands (`GET /command`, answered when there is one) and
//! says what it sees (`POST /event`). Both are a first line, which says what, and text.

use std::collections::VecDeque;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::process::{Place, Running, bound_to_us};
use crate::wait::{Picture, SOON, lock, wait_for, within};

/// How long it may take to show the page, on a machine that is busy.
const BOOT: Duration = Duration::from_secs(40);

/// Something that the page saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// In one word.
    pub kind: String,
    /// The details.
    pub text: String,
}

#[derive(Default)]
struct State {
    asked: bool,
    commands: VecDeque<String>,
    events: Vec<Event>,
}

struct Site {
    page: &'static str,
    state: Mutex<State>,
}

/// A browser that shows the page. It ends when this is dropped.
pub struct Browser {
    running: Running,
    site: Arc<Site>,
    address: SocketAddr,
    server: JoinHandle<()>,
    place: Place,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.server.abort();
        self.running.kill();
        // Its other processes end when they notice, and write until then.
        let end = Instant::now() + Duration::from_secs(2);
        while std::fs::remove_dir_all(self.place.path()).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Browser {
    /// Shows `page`, whose scripts may open TLS to a server with the key of `certificate`, a PEM file, whoever signed it.
    pub async fn open(page: &'static str, certificate: Option<&Path>) -> Self {
        let place = Place::new(None, "chromium-");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(Site { page, state: Mutex::default() });
        let server = tokio::spawn(serve(listener, site.clone()));
        let (mut command, log) = command(place.path(), &format!("http://{address}/"), certificate);
        let running = Running::start("chromium", &mut command, log.clone());
        let browser = Self { running, site, address, server, place };
        let shown = || lock(&browser.site.state).asked.then_some(());
        let picture = Picture(|| format!("the page, asking what to do\n{}", crate::process::tail(&log, 40)));
        wait_for(shown, BOOT, picture).await;
        browser
    }

    /// The origin of the page, as it stands in `Origin` (RFC 6454).
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells the page to do something.
    pub fn does(&self, what: &str, text: &str) {
        lock(&self.site.state).commands.push_back(format!("{what}\n{text}"));
    }

    /// What it saw, in order.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.site.state).events.clone()
    }

    /// Waits until it has seen something of this kind that satisfies `accept`; earlier ones count.
    #[track_caller]
    pub fn sees(&self, kind: &'static str, accept: impl Fn(&str) -> bool) -> impl Future<Output = String> {
        let look = move || {
            let event = self.events().into_iter().find(|event| event.kind == kind && accept(&event.text));
            event.map(|event| event.text)
        };
        let site = self.site.clone();
        let seen = move || format!("{kind} in the browser; it saw\n{:#?}", lock(&site.state).events);
        wait_for(look, SOON, Picture(seen))
    }
}

fn command(directory: &Path, page: &str, certificate: Option<&Path>) -> (Command, PathBuf) {
    let log = directory.join("chromium.log");
    let output = File::create(&log).unwrap();
    let mut command = bound_to_us("chromium");
    // It runs pages of ours only, so the sandbox, which needs privileges, is off. Nothing but loopback has an address.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args([
        "--disable-breakpad",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]);
    command.arg(format!("--user-data-dir={}", directory.join("profile").display()));
    command.args(certificate.map(|file| format!("--ignore-certificate-errors-spki-list={}", key_hash(file))));
    command.arg(page).env("HOME", directory);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    (command, log)
}

/// SHA-256 of the certificate's public key, in base64 (RFC 7469 §2.4).
fn key_hash(certificate: &Path) -> String {
    let pipe =
        r#"openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary"#;
    let output = Command::new("sh").args(["-c", pipe, "sh"]).arg(certificate).output().unwrap();
    assert_eq!(output.stdout.len(), 32, "{}: {}", certificate.display(), String::from_utf8_lossy(&output.stderr));
    BASE64_STANDARD.encode(output.stdout)
}

async fn serve(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, site.clone()));
    }
}

/// One request for each connection: whoever asks for a command may wait long.
async fn answer(mut stream: TcpStream, site: Arc<Site>) {
    let Some((head, body)) = request(&mut stream).await else { return };
    let (kind, content) = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/"] => ("text/html", site.page.to_owned()),
        ["GET", "/command"] => {
            lock(&site.state).asked = true;
            let next = within(|| lock(&site.state).commands.pop_front(), Duration::from_secs(600)).await;
            ("text/plain", next.unwrap_or_default())
        }
        ["POST", "/event"] => {
            let (kind, text) = body.split_once('\n').unwrap_or((&body, ""));
            lock(&site.state).events.push(Event { kind: kind.to_owned(), text: text.to_owned() });
            ("text/plain", String::new())
        }
        _ => ("text/plain", String::new()),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind};charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    let _ = stream.write_all((head + &content).as_bytes()).await;
}

/// Head and body of a request.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut octets, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        octets.extend_from_slice(&chunk[..length]);
        let Some(end) = octets.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let field = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
        let expected: usize = head.lines().find_map(field).unwrap_or(0);
        if octets.len() >= end + 4 + expected {
            return Some((head, String::from_utf8_lossy(&octets[end + 4..]).into_owned()));
        }
    }
}
