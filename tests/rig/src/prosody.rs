//! A real Prosody of one's own: free loopback ports, accounts and rooms in memory, gone when dropped.

use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::certificate::Certificate;
use crate::process::{Place, Running};
use crate::wait::within;

/// What a Prosody is to be like.
#[derive(Clone)]
pub struct Options {
    /// The host that holds the accounts.
    pub host: String,
    /// The host that holds the rooms.
    pub muc: String,
    /// User part and password of each account.
    pub accounts: Vec<(String, String)>,
    /// The port for clients; default: a free one.
    pub port: Option<u16>,
    /// Whether streams can be resumed (XEP-0198).
    pub smacks: bool,
    /// Whether STARTTLS is offered, and required, with this certificate.
    pub certificate: Option<Certificate>,
    /// Lines for the section of the rooms, such as `muc_room_default_members_only = true`.
    pub muc_lines: String,
    /// Where state lives; default: a directory that goes away.
    pub directory: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "xmpp.test".into(),
            muc: "muc.xmpp.test".into(),
            accounts: Vec::new(),
            port: None,
            smacks: false,
            certificate: None,
            muc_lines: String::new(),
            directory: None,
        }
    }
}

/// A running Prosody.
pub struct Prosody {
    running: Running,
    address: SocketAddr,
    options: Options,
    place: Place,
}

impl Prosody {
    /// Starts one and waits until it listens.
    pub async fn start(options: Options) -> Self {
        let place = Place::new(options.directory.as_deref(), "prosody-");
        // Somebody else may take a free port before Prosody does; it would then run on without listening.
        for _ in 0..5 {
            let port = options.port.unwrap_or_else(free_port);
            prepare(place.path(), &options, port);
            let mut running = spawn(place.path());
            if listens(&mut running, port).await {
                return Self { running, address: address(port), options, place };
            }
            if options.port.is_some() {
                panic!("Prosody does not listen on port {port}\n{}", running.log_tail(40));
            }
        }
        panic!("Prosody found no port to listen on in {}", place.path().display());
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host that holds the accounts.
    pub fn host(&self) -> &str {
        &self.options.host
    }

    /// The JID of a room.
    pub fn room(&self, name: &str) -> String {
        format!("{name}@{}", self.options.muc)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Stops it in its tracks: streams stay open and nothing answers.
    pub fn freeze(&mut self) {
        self.running.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.running.thaw();
    }

    /// Kills it; streams break without a word.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts it again on the same port, with no memory of rooms.
    pub async fn restart(&mut self) {
        self.running.kill();
        self.running = spawn(self.place.path());
        let port = self.address.port();
        assert!(listens(&mut self.running, port).await, "Prosody does not listen again\n{}", self.running.log_tail(40));
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.running.log_tail(lines)
    }
}

/// A TCP port of 127.0.0.1 that nobody listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).unwrap().port()
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Prosody says in its log whether it got the port; a connection alone could be to somebody else.
async fn listens(running: &mut Running, port: u16) -> bool {
    let activated = format!("Activated service 'c2s' on [127.0.0.1]:{port}");
    let ready = || {
        if running.ended().is_some() || running.log().contains("Failed to open server port") {
            return Some(false);
        }
        (running.log().contains(&activated) && TcpStream::connect(address(port)).is_ok()).then_some(true)
    };
    within(ready, Duration::from_secs(20)).await.unwrap_or(false)
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("prosody.log")
}

fn spawn(directory: &Path) -> Running {
    let log = log_of(directory);
    let _ = std::fs::remove_file(&log);
    let output = File::create(directory.join("prosody.out")).unwrap();
    let mut command = Command::new("prosody");
    command.arg("-F").arg("--config").arg(directory.join("prosody.cfg.lua"));
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
    if let Some((user, group)) = prosody_user(directory) {
        command.uid(user).gid(group);
    }
    Running::start("prosody", &mut command, log)
}

/// Prosody ought not to run as root, and does not where its own user can reach the directory; to anybody else it does
/// not matter.
fn prosody_user(directory: &Path) -> Option<(u32, u32)> {
    let open = |path: &Path| path.metadata().is_ok_and(|m| m.permissions().mode() & 0o001 != 0);
    if !rustix::process::geteuid().is_root() || !directory.ancestors().skip(1).all(open) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line =
        users.lines().find(|l| l.starts_with("prosody:")).expect("a user called prosody (apt-get install prosody)");
    let mut fields = line.split(':').skip(2).map(|n| n.parse().unwrap());
    fields.next().zip(fields.next())
}

fn prepare(directory: &Path, options: &Options, port: u16) {
    let accounts = directory.join("data").join(encode(&options.host)).join("accounts");
    std::fs::create_dir_all(&accounts).unwrap();
    std::fs::create_dir_all(directory.join("certs")).unwrap();
    for (user, password) in &options.accounts {
        let line = format!("return {{ [\"password\"] = {password:?}; }};\n");
        std::fs::write(accounts.join(format!("{}.dat", encode(user))), line).unwrap();
    }
    std::fs::write(directory.join("prosody.cfg.lua"), configuration(directory, options, port)).unwrap();
    hand_over(directory);
}

/// Gives everything in the directory to the user that Prosody runs as.
fn hand_over(directory: &Path) {
    if let Some((user, group)) = prosody_user(directory) {
        give(directory, user, group);
    }
}

fn give(path: &Path, user: u32, group: u32) {
    chown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user, group);
        }
    }
}

/// How Prosody writes a host or user part as the name of a file.
fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02x}").unwrap(),
        }
    }
    out
}

fn configuration(directory: &Path, options: &Options, port: u16) -> String {
    let place = directory.display();
    let smacks = if options.smacks { r#", "smacks""# } else { "" };
    let tls = match &options.certificate {
        None => "modules_disabled = { \"tls\", \"s2s\", \"s2s_auth_certs\", \"http\", \"offline\" }\n\
                 c2s_require_encryption = false\n"
            .to_owned(),
        Some(certificate) => {
            let (chain, key) = certificate.copy_to(directory);
            format!(
                "modules_disabled = {{ \"s2s\", \"s2s_auth_certs\", \"http\", \"offline\" }}\n\
                 c2s_require_encryption = true\n\
                 ssl = {{ certificate = {:?}; key = {:?} }}\n",
                chain, key
            )
        }
    };
    let module_tls = if options.certificate.is_some() { r#", "tls""# } else { "" };
    format!(
        r#"daemonize = false
run_as_root = true -- where the directory can be reached by root alone
pidfile = "{place}/prosody.pid"
data_path = "{place}/data"
plugin_paths = {{}}
network_backend = "epoll"
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
limits = {{}}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "posix", "time"{smacks}{module_tls} }}
{tls}allow_unencrypted_plain_auth = true
authentication = "internal_plain"
default_storage = "memory"
storage = {{ accounts = "internal" }}
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{log}" }} }}

VirtualHost "{host}"

Component "{muc}" "muc"
  modules_disabled = {{ "muc_mam" }}
  restrict_room_creation = false
  muc_room_locking = false
  muc_room_default_public = true
  muc_room_default_history_length = 20
  {muc_lines}
"#,
        log = log_of(directory).display(),
        host = options.host,
        muc = options.muc,
        muc_lines = options.muc_lines,
    )
}
