//! One Prosody and one mucfocus that know each other, and the people of Verona.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::member::{Joining, Member};
use crate::mucfocus::write_private;
use crate::prosody::{self, Prosody};
use crate::sip::{Transport, Ua, Who};
use crate::{Mucfocus, xmpp};

/// The password of everybody, on either side.
pub const PASSWORD: &str = "verona";

/// The host of the rooms' SIP URIs.
pub const ROOMS: &str = "rooms.test";

/// The host of the users' SIP URIs.
pub const SIP: &str = "sip.test";

const PEOPLE: [&str; 8] = ["romeo", "juliet", "tybalt", "mercutio", "benvolio", "paris", "nurse", "rosaline"];

/// How many users are called u0, u1, …
pub const CROWD: usize = 12;

/// What a test wants different.
#[derive(Clone)]
pub struct Settings {
    /// Whether 127.0.0.1 is believed when it says who is calling.
    pub trusted: bool,
    /// Whether a SIP user may bring a room into being.
    pub create: bool,
    /// Whether XMPP goes over STARTTLS with a certificate of our own authority.
    pub tls: bool,
    /// More lines of `[sip.auth]`.
    pub auth: String,
    /// More lines of `[msrp]`.
    pub msrp: String,
    /// More lines of `[room_defaults]`.
    pub room_defaults: String,
    /// Whole `[[rooms]]` tables before the one that maps every room.
    pub rooms: String,
    /// Whole `[[accounts]]` tables before those of the people.
    pub accounts: String,
    /// Lines of `[limits]`; without any, all limits on rates are lifted.
    pub limits: String,
    /// Lines of `[timeouts]`.
    pub timeouts: String,
    /// `log.level`.
    pub log: String,
    /// Lines for Prosody's room service.
    pub muc: String,
    /// Whether Prosody can resume streams.
    pub smacks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted: true,
            create: true,
            tls: false,
            auth: String::new(),
            msrp: String::new(),
            room_defaults: String::new(),
            rooms: String::new(),
            accounts: String::new(),
            limits: "messages_per_user = \"off\"\nrequests_per_source = \"off\"\nconnections_per_source = \"off\"\n\
                     xmpp_logins = \"off\"\n"
                .into(),
            timeouts: "lost_leg = \"2s\"\nreflection = \"3s\"\ndrain = \"1s\"\n".into(),
            log: "debug".into(),
            muc: String::new(),
            smacks: true,
        }
    }
}

/// Everything that a test needs, ended when it is dropped.
pub struct World {
    /// The program under test. Dropped first: it says goodbye to Prosody.
    pub mucfocus: Mucfocus,
    /// The XMPP server.
    pub prosody: Prosody,
    _secrets: TempDir,
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
        let certificate = settings.tls.then(|| Certificate::for_host("xmpp.test"));
        let prosody = Prosody::start(prosody::Options {
            accounts: people().map(|user| (user, PASSWORD.to_owned())).collect(),
            smacks: settings.smacks,
            muc_lines: settings.muc.clone(),
            certificate: certificate.clone(),
            ..prosody::Options::default()
        })
        .await;
        let secrets = TempDir::with_prefix("secrets-").unwrap();
        let password = secrets.path().join("password");
        write_private(&password, PASSWORD);
        let configuration = configuration(&settings, &prosody, certificate.as_ref(), &password);
        let mucfocus = Mucfocus::start(binary, &configuration).await;
        Self { mucfocus, prosody, _secrets: secrets }
    }

    /// The SIP URI of a room.
    pub fn sip(&self, room: &str) -> String {
        format!("sip:{room}@{ROOMS}")
    }

    /// The JID of a room.
    pub fn muc(&self, room: &str) -> String {
        self.prosody.room(room)
    }

    /// An XMPP user who is logged in.
    pub async fn xmpp(&self, user: &str) -> xmpp::Client {
        let account = format!("{user}@{}", self.prosody.host());
        xmpp::Client::login(self.prosody.address(), &account, PASSWORD).await
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

    /// The same, joining in another way.
    pub async fn member_with(&self, room: &str, user: &str, joining: Joining) -> Member {
        Member::join(self.who(user, joining.transport), &self.sip(room), joining).await
    }
}

fn people() -> impl Iterator<Item = String> {
    PEOPLE.into_iter().map(str::to_owned).chain((0..CROWD).map(|n| format!("u{n}")))
}

fn configuration(settings: &Settings, prosody: &Prosody, certificate: Option<&Certificate>, password: &Path) -> String {
    let mut text = String::new();
    let mut add = |part: String| text.write_str(&part).unwrap();
    add("[node]\nname = \"rig\"\n".into());
    add(format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\ndomains = [\"{ROOMS}\"]\n\
         [sip.auth]\ntrusted_peers = [{}]\nidentity = [\"p-asserted-identity\", \"from\"]\n{}\n",
        if settings.trusted { "\"127.0.0.1\"" } else { "" },
        settings.auth
    ));
    add(format!("[msrp]\nlisten = [\"tcp:127.0.0.1:0\"]\n{}\n", settings.msrp));
    add(format!("[xmpp]\nserver = \"{}\"\n", prosody.address()));
    add(match certificate {
        Some(certificate) => format!("tls = \"starttls\"\nca_file = {:?}\n", certificate.authority()),
        None => "tls = \"off\"\n".into(),
    });
    add(settings.accounts.clone());
    for user in people() {
        let jid = format!("{user}@{}", prosody.host());
        add(format!("[[accounts]]\nsip = \"sip:{user}@{SIP}\"\njid = \"{jid}\"\npassword_file = {password:?}\n"));
    }
    add(format!("[room_defaults]\ncreate = {}\n{}\n", settings.create, settings.room_defaults));
    add(settings.rooms.clone());
    add(format!("[[rooms]]\nsip = \"sip:{{room}}@{ROOMS}\"\nmuc = \"{}\"\n", prosody.room("{room}")));
    add(format!("[limits]\n{}\n[timeouts]\n{}\n", settings.limits, settings.timeouts));
    add(format!("[log]\nlevel = \"{}\"\n", settings.log));
    text
}
