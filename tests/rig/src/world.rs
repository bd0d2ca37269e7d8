//! One XMPP server and one mucfocus that know each other, and the people of Verona.

use std::fmt::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::member::{Joining, Member};
use crate::mucfocus::write_private;
use crate::proxy::Proxy;
use crate::server::{Kind, Options, Server};
use crate::sip::{Transport, Ua, Who};
use crate::{Mucfocus, ejabberd, xmpp};

/// The password of everybody, on either side.
pub const PASSWORD: &str = "verona";

/// The host of the rooms' SIP URIs.
pub const ROOMS: &str = "rooms.test";

/// The host of the users' SIP URIs.
pub const SIP: &str = "sip.test";

const PEOPLE: [&str; 8] = ["romeo", "juliet", "tybalt", "mercutio", "benvolio", "paris", "nurse", "rosaline"];

/// How many users are called u0, u1, …, where a test wants no more.
pub const CROWD: usize = 12;

/// What a test wants different.
#[derive(Clone)]
pub struct Settings {
    /// Which XMPP server; default: the one that the test is for, elsewhere Prosody.
    pub server: Kind,
    /// How many users are called u0, u1, …
    pub crowd: usize,
    /// Whether 127.0.0.1 is believed when it says who is calling.
    pub trusted: bool,
    /// Who else is believed when he says who is calling, as `trusted_peers` has it.
    pub trusted_also: Vec<String>,
    /// Whether a SIP user may bring a room into being.
    pub create: bool,
    /// Whether XMPP goes over STARTTLS with a certificate of our own authority.
    pub tls: bool,
    /// The same, with TLS from the first octet on.
    pub direct_tls: bool,
    /// More lines of `[sip]`. Without `listen` among them, it listens for UDP and TCP.
    pub sip: String,
    /// More lines of `[sip.auth]`.
    pub auth: String,
    /// More lines of `[msrp]`, and tables after it. Without `listen` among them, it listens for TCP.
    pub msrp: String,
    /// With a certificate for MSRP it is listened for under TLS, and by WebSocket under TLS and without.
    pub msrp_certificate: Option<Certificate>,
    /// More lines of `[room_defaults]`.
    pub room_defaults: String,
    /// Whole `[[rooms]]` tables before the one that maps every room.
    pub rooms: String,
    /// Whole `[[accounts]]` tables before those of the people. `anon.xmpp.test` needs no account, `jwt.xmpp.test` (ejabberd)
    /// takes tokens of the secret in `$SECRETS/jwt`.
    pub accounts: String,
    /// Name and content of more files that only we can read. Everywhere in these settings, `$SECRETS/NAME` is such a file;
    /// `password` and `jwt` are always there.
    pub secrets: Vec<(String, String)>,
    /// Lines of `[limits]`; without any, all limits on rates are lifted.
    pub limits: String,
    /// Lines of `[timeouts]`.
    pub timeouts: String,
    /// `log.level`.
    pub log: String,
    /// Whether the XMPP server can resume streams.
    pub smacks: bool,
    /// Whether the XMPP server's rooms have an archive, and no history.
    pub archive: bool,
    /// Whether mucfocus reaches the XMPP server through a relay, [`World::link`], that a test may break.
    pub linked: bool,
    /// Whether the XMPP server has the limits that Debian's configuration comes with.
    pub stock_limits: bool,
    /// Lines for Prosody's room service.
    pub prosody_muc: String,
    /// Whole sections for Prosody, such as a `VirtualHost` of their own.
    pub prosody_hosts: String,
    /// A directory of Prosody modules; its files are copied.
    pub prosody_modules: Option<PathBuf>,
    /// Lines for ejabberd's `default_room_options`, without indentation.
    pub ejabberd_rooms: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Kind::current(),
            crowd: CROWD,
            trusted: true,
            trusted_also: Vec::new(),
            create: true,
            tls: false,
            direct_tls: false,
            sip: String::new(),
            auth: String::new(),
            msrp: String::new(),
            msrp_certificate: None,
            room_defaults: String::new(),
            rooms: String::new(),
            accounts: String::new(),
            secrets: Vec::new(),
            limits: "messages_per_user = \"off\"\nrequests_per_source = \"off\"\nconnections_per_source = \"off\"\n\
                     joins_per_user = \"off\"\ninvitations_per_user = \"off\"\n\
                     xmpp_logins = \"off\"\n"
                .into(),
            timeouts: "lost_leg = \"2s\"\nreflection = \"3s\"\ndrain = \"1s\"\n".into(),
            log: "debug".into(),
            smacks: true,
            archive: false,
            linked: false,
            stock_limits: false,
            prosody_muc: String::new(),
            prosody_hosts: String::new(),
            prosody_modules: None,
            ejabberd_rooms: String::new(),
        }
    }
}

/// Everything that a test needs, ended when it is dropped.
pub struct World {
    /// The program under test. Dropped first: it says goodbye to the other.
    pub mucfocus: Mucfocus,
    /// The XMPP server.
    pub server: Server,
    /// What is between them, where that was asked for.
    pub link: Option<Proxy>,
    _secrets: TempDir,
    _certificate: Option<Certificate>,
}

impl World {
    /// Starts both as most tests want them; `binary` is `env!("CARGO_BIN_EXE_mucfocus")`.
    pub async fn start(binary: &str) -> Self {
        Self::with(binary, |_| {}).await
    }

    /// Starts both with changed settings.
    pub async fn with(binary: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let certificate = (settings.tls || settings.direct_tls).then(|| Certificate::for_host("xmpp.test"));
        let options = Options {
            accounts: people(settings.crowd).map(|user| (user, PASSWORD.to_owned())).collect(),
            smacks: settings.smacks,
            archive: settings.archive,
            certificate: certificate.clone(),
            stock_limits: settings.stock_limits,
            prosody_muc: settings.prosody_muc.clone(),
            prosody_hosts: settings.prosody_hosts.clone(),
            prosody_modules: settings.prosody_modules.clone(),
            ejabberd_rooms: settings.ejabberd_rooms.clone(),
            ..Options::default()
        };
        let server = Server::start(settings.server, options).await;
        let link = if settings.linked { Some(Proxy::start(server.address()).await) } else { None };
        let secrets = TempDir::with_prefix("secrets-").unwrap();
        write_private(&secrets.path().join("password"), PASSWORD);
        write_private(&secrets.path().join("jwt"), ejabberd::JWT_SECRET);
        for (name, content) in &settings.secrets {
            write_private(&secrets.path().join(name), content);
        }
        let configuration = configuration(&settings, &server, link.as_ref(), certificate.as_ref());
        let configuration = configuration.replace("$SECRETS", &secrets.path().display().to_string());
        let mucfocus = Mucfocus::start(binary, &configuration).await;
        Self { mucfocus, server, link, _secrets: secrets, _certificate: settings.msrp_certificate }
    }

    /// The SIP URI of a room.
    pub fn sip(&self, room: &str) -> String {
        format!("sip:{room}@{ROOMS}")
    }

    /// The JID of a room.
    pub fn muc(&self, room: &str) -> String {
        self.server.room(room)
    }

    /// An XMPP user who is logged in.
    pub async fn xmpp(&self, user: &str) -> xmpp::Client {
        let account = format!("{user}@{}", self.server.host());
        xmpp::Client::login(self.server.address(), &account, PASSWORD).await
    }

    /// An XMPP user who is in a room under the nickname that his name gives: `Juliet`.
    pub async fn xmpp_in(&self, room: &str, user: &str) -> xmpp::Client {
        let client = self.xmpp(user).await;
        client.join(&self.muc(room), &crate::sip::capital(user)).await;
        client
    }

    /// A SIP user agent that has not called anybody.
    pub async fn ua(&self, user: &str, transport: Transport) -> Ua {
        Ua::start(self.who(user, transport)).await
    }

    /// Who a SIP user is and where he finds us.
    pub fn who(&self, user: &str, transport: Transport) -> Who {
        let peer = match transport {
            Transport::Udp => self.mucfocus.udp(),
            Transport::Tcp => self.mucfocus.tcp(),
        };
        Who::new(user, SIP, transport, peer)
    }

    /// A SIP user who is in a room, over UDP, with his MSRP connection up.
    pub async fn member(&self, room: &str, user: &str) -> Member {
        self.member_with(room, user, Joining::default()).await
    }

    /// The same with a client that knows nicknames and private messages.
    pub async fn chatter(&self, room: &str, user: &str) -> Member {
        self.member_with(room, user, Joining::able()).await
    }

    /// The same, joining in another way.
    pub async fn member_with(&self, room: &str, user: &str, joining: Joining) -> Member {
        Member::join(self.who(user, joining.transport), &self.sip(room), joining).await
    }
}

fn people(crowd: usize) -> impl Iterator<Item = String> {
    PEOPLE.into_iter().map(str::to_owned).chain((0..crowd).map(|n| format!("u{n}")))
}

fn configuration(
    settings: &Settings,
    server: &Server,
    link: Option<&Proxy>,
    certificate: Option<&Certificate>,
) -> String {
    let mut text = String::new();
    let mut add = |part: String| text.write_str(&part).unwrap();
    add("[node]\nname = \"rig\"\n".into());
    let listen = match settings.sip.contains("listen = ") {
        true => "",
        false => "listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n",
    };
    let names = settings.trusted_also.iter().map(|peer| format!("\"{peer}\""));
    let trusted: Vec<_> = settings.trusted.then(|| "\"127.0.0.1\"".to_owned()).into_iter().chain(names).collect();
    add(format!(
        "[sip]\n{listen}domains = [\"{ROOMS}\"]\n{}\
         [sip.auth]\ntrusted_peers = [{}]\nidentity = [\"p-asserted-identity\", \"from\"]\n{}\n",
        settings.sip,
        trusted.join(", "),
        settings.auth
    ));
    let listen = match &settings.msrp_certificate {
        _ if settings.msrp.contains("listen = ") => "",
        None => "listen = [\"tcp:127.0.0.1:0\"]\n",
        Some(_) => "listen = [\"tcp:127.0.0.1:0\", \"tls:127.0.0.1:0\", \"ws:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\n",
    };
    add(format!("[msrp]\n{listen}{}\n", settings.msrp));
    if let Some((certificate, key)) = settings.msrp_certificate.as_ref().map(Certificate::files) {
        add(format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n"));
    }
    let plain = link.map_or_else(|| server.address(), Proxy::address);
    let (address, tls) = match certificate {
        Some(_) if settings.direct_tls => (server.direct_tls(), "direct"),
        Some(_) => (plain, "starttls"),
        None => (plain, "off"),
    };
    add(format!("[xmpp]\nserver = \"{address}\"\ntls = \"{tls}\"\n"));
    add(certificate.map_or_else(String::new, |c| format!("ca_file = {:?}\n", c.authority())));
    add(settings.accounts.clone());
    for user in people(settings.crowd) {
        let jid = format!("{user}@{}", server.host());
        add(format!(
            "[[accounts]]\nsip = \"sip:{user}@{SIP}\"\njid = \"{jid}\"\npassword_file = \"$SECRETS/password\"\n"
        ));
    }
    add(format!("[room_defaults]\ncreate = {}\n{}\n", settings.create, settings.room_defaults));
    add(settings.rooms.clone());
    add(format!("[[rooms]]\nsip = \"sip:{{room}}@{ROOMS}\"\nmuc = \"{}\"\n", server.room("{room}")));
    add(format!("[limits]\n{}\n[timeouts]\n{}\n", settings.limits, settings.timeouts));
    add(format!("[log]\nlevel = \"{}\"\n", settings.log));
    text
}
