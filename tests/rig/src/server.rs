//! A real XMPP server of one's own: free loopback ports, accounts and rooms that go away with it.
//!
//! What differs between Prosody and ejabberd is in the modules of these names; here is what is the same: where the server
//! lives, its ports, and its life and death.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::certificate::Certificate;
use crate::process::{Place, Running};
use crate::wait::within;
use crate::{ejabberd, prosody};

/// How long a server may take to listen, on a machine that is busy.
const BOOT: Duration = Duration::from_secs(40);

tokio::task_local! {
    static CURRENT: Kind;
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Prosody.
    Prosody,
    /// ejabberd.
    Ejabberd,
}

impl Kind {
    /// The server that the test at hand is for, see [`on_both_servers`](crate::on_both_servers); elsewhere Prosody.
    pub fn current() -> Self {
        CURRENT.try_with(|kind| *kind).unwrap_or(Self::Prosody)
    }

    /// Runs a test for this server.
    pub async fn run<T>(self, test: impl Future<Output = T>) -> T {
        CURRENT.scope(self, test).await
    }

    /// Program, process and Debian package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prosody => "prosody",
            Self::Ejabberd => "ejabberd",
        }
    }
}

/// What a server is to be like.
#[derive(Clone)]
pub struct Options {
    /// The host that holds the accounts. `anon.HOST` lets everybody in (SASL ANONYMOUS); on ejabberd `jwt.HOST` takes
    /// tokens signed with [`JWT_SECRET`](ejabberd::JWT_SECRET) as passwords.
    pub host: String,
    /// The host that holds the rooms.
    pub muc: String,
    /// User part and password of each account.
    pub accounts: Vec<(String, String)>,
    /// The port for clients; default: a free one.
    pub port: Option<u16>,
    /// Whether streams can be resumed (XEP-0198).
    pub smacks: bool,
    /// Whether STARTTLS is offered, and required, with this certificate; there is a port for direct TLS then, too.
    pub certificate: Option<Certificate>,
    /// Whether rooms have an archive (XEP-0313); they tell no history then, so that nothing comes but of it.
    pub archive: bool,
    /// Whether the limits that Debian's configuration comes with are in force. Without: none.
    pub stock_limits: bool,
    /// Lines for Prosody's section of the rooms, such as `muc_room_default_members_only = true`.
    pub prosody_muc: String,
    /// Whole sections for Prosody, such as a `VirtualHost` of their own.
    pub prosody_hosts: String,
    /// Modules that Prosody has enabled on every host, such as those of the package prosody-modules.
    pub prosody_enabled: Vec<String>,
    /// A directory of Prosody modules; its files are copied.
    pub prosody_modules: Option<PathBuf>,
    /// Lines for ejabberd's `default_room_options`, such as `members_only: true`, without indentation.
    pub ejabberd_rooms: String,
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
            archive: false,
            certificate: None,
            stock_limits: false,
            prosody_muc: String::new(),
            prosody_hosts: String::new(),
            prosody_enabled: Vec::new(),
            prosody_modules: None,
            ejabberd_rooms: String::new(),
            directory: None,
        }
    }
}

/// Where a server listens, always on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) plain: u16,
    /// Only where there is a certificate.
    pub(crate) direct_tls: u16,
}

/// A running server.
pub struct Server {
    kind: Kind,
    running: Running,
    ports: Ports,
    options: Options,
    place: Place,
}

impl Server {
    /// Starts one and waits until it listens.
    pub async fn start(kind: Kind, options: Options) -> Self {
        let place = Place::new(options.directory.as_deref(), &format!("{}-", kind.name()));
        // Somebody else may take a free port before the server does; it would then run on without listening.
        for _ in 0..5 {
            let ports = Ports { plain: options.port.unwrap_or_else(free_port), direct_tls: free_port() };
            let mut running = spawn(kind, place.path(), &options, ports);
            if listens(kind, &mut running, ports, &options).await {
                return Self { kind, running, ports, options, place };
            }
            if options.port.is_some() {
                panic!("{} does not listen on port {}\n{}", kind.name(), ports.plain, running.log_tail(40));
            }
        }
        panic!("{} found no port to listen on in {}", kind.name(), place.path().display());
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        address(self.ports.plain)
    }

    /// Where clients connect that begin with TLS. Nobody listens there without a certificate.
    pub fn direct_tls(&self) -> SocketAddr {
        address(self.ports.direct_tls)
    }

    /// The host that holds the accounts.
    pub fn host(&self) -> &str {
        &self.options.host
    }

    /// The host where nobody needs an account.
    pub fn anonymous_host(&self) -> String {
        anonymous(&self.options)
    }

    /// The host where tokens are passwords, see [`ejabberd::token`]; Prosody has none.
    pub fn jwt_host(&self) -> String {
        ejabberd::jwt_host(&self.options)
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

    /// Starts it again on the same ports, with no memory of rooms.
    pub async fn restart(&mut self) {
        self.running.kill();
        self.running = spawn(self.kind, self.place.path(), &self.options, self.ports);
        let again = listens(self.kind, &mut self.running, self.ports, &self.options).await;
        assert!(again, "{} does not listen again\n{}", self.kind.name(), self.running.log_tail(40));
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.running.log_tail(lines)
    }
}

/// A UDP socket at any port of `ip`, and that port by TCP, on which nobody listens as long as it is kept: what is too large for a
/// datagram is first tried over TCP, and whoever listened there would take it.
pub fn datagrams_only(ip: IpAddr) -> (tokio::net::UdpSocket, Socket) {
    loop {
        let datagrams = std::net::UdpSocket::bind((ip, 0)).unwrap();
        let address = datagrams.local_addr().unwrap();
        let streams = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        if streams.bind(&address.into()).is_ok() {
            datagrams.set_nonblocking(true).unwrap();
            return (tokio::net::UdpSocket::from_std(datagrams).unwrap(), streams);
        }
    }
}

/// A TCP port of 127.0.0.1 that nobody listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).unwrap().port()
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(crate) fn anonymous(options: &Options) -> String {
    format!("anon.{}", options.host)
}

fn spawn(kind: Kind, directory: &Path, options: &Options, ports: Ports) -> Running {
    let (mut command, log) = match kind {
        Kind::Prosody => prosody::prepare(directory, options, ports),
        Kind::Ejabberd => ejabberd::prepare(directory, options, ports),
    };
    hand_over(kind.name(), directory, &mut command);
    let running = Running::start(kind.name(), &mut command, log);
    // Nothing that it could save at its end is ever read again, and it takes a second to find that out.
    if kind == Kind::Ejabberd { running.without_goodbye() } else { running }
}

/// A server says in its log whether it got the port; a connection alone could be to somebody else.
async fn listens(kind: Kind, running: &mut Running, ports: Ports, options: &Options) -> bool {
    let expected = if options.certificate.is_some() { vec![ports.plain, ports.direct_tls] } else { vec![ports.plain] };
    let ready = || {
        let log = running.log();
        let up = match kind {
            Kind::Prosody => prosody::listens(&log, ports, options.certificate.is_some()),
            Kind::Ejabberd => ejabberd::listens(&log, &expected),
        };
        if running.ended().is_some() {
            return Some(false);
        }
        let answers = || expected.iter().all(|port| TcpStream::connect(address(*port)).is_ok());
        up.filter(|up| !up || answers())
    };
    within(ready, BOOT).await.unwrap_or(false)
}

/// A server ought not to run as root, and does not where its own user can reach the directory; to anybody else it does
/// not matter.
pub(crate) fn hand_over(name: &str, directory: &Path, command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let open = |path: &Path| path.metadata().is_ok_and(|m| m.permissions().mode() & 0o001 != 0);
    if rustix::process::geteuid().is_root() && directory.ancestors().skip(1).all(open) {
        let (user, group) = owner(name);
        give(directory, user, group);
        command.uid(user).gid(group);
    }
}

fn owner(name: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|l| l.split(':').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no user called {name} (apt-get install {name})"));
    let mut fields = line.split(':').skip(2).map(|n| n.parse().unwrap());
    fields.next().zip(fields.next()).unwrap()
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

/// Lines, each behind the same indentation.
pub(crate) fn indented(lines: &str, indentation: &str) -> String {
    lines.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{indentation}{line}");
        text
    })
}
