//! Whole configurations: what comes out of good ones, and what is said about bad ones.

mod accounts;
mod changes;
mod factories;
mod keys;
mod msrp;
mod sip;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::*;
use crate::sip::settings::{Algorithm, IdentitySource, SourceLimits, Transport, Untrusted};
use crate::xmpp::settings::Tls;

/// The least that is right.
const LEAST: &str = r#"
[sip]
listen = ["udp:127.0.0.1:0"]
domains = ["rooms.example.com"]
[sip.auth]
trusted_peers = ["127.0.0.1"]
[msrp]
listen = ["tcp:127.0.0.1:0"]
[[accounts]]
sip = "sip:romeo@example.org"
jid = "romeo@example.net"
password = "verona"
[[rooms]]
sip = "sip:{room}@rooms.example.com"
muc = "{room}@muc.example.net"
"#;

/// `line:column level: message; help` of each finding.
fn findings(text: &str) -> Vec<String> {
    let found = match Config::parse(text, "config.toml") {
        Ok((_, findings)) | Err(ConfigErrors::Wrong(findings)) => findings,
        Err(other) => panic!("{other}"),
    };
    let mut shown = Vec::new();
    for finding in found.iter() {
        assert!(!finding.help.is_empty(), "{finding:?} says nothing to do");
        let place = found.place(finding).map_or("-".to_owned(), |p| format!("{}:{}", p.line, p.column));
        shown.push(format!("{place} {:?}: {}; {}", finding.level, finding.message, finding.help));
    }
    shown
}

/// What is found in [`LEAST`] after `from` was replaced by `to`, besides the warning of its inline password.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(LEAST.contains(from), "{from}");
    let mut found = findings(&LEAST.replacen(from, to, 1));
    found.retain(|f| !f.contains("the password stands in the configuration"));
    found
}

#[track_caller]
fn one(found: &[String], parts: &[&str]) {
    let [only] = found else { panic!("not one finding: {found:#?}") };
    for part in parts {
        assert!(only.contains(part), "no {part:?} in {only:?}");
    }
}

fn parsed(text: &str) -> Config {
    match Config::parse(text, "config.toml") {
        Ok((config, _)) => config,
        Err(ConfigErrors::Wrong(findings)) => panic!("{}", findings.render(Level::Error, Style::default())),
        Err(other) => panic!("{other}"),
    }
}

fn uri(text: &str) -> SipUri {
    SipUri::parse(text).unwrap()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mucfocus-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_least_configuration_has_the_defaults_of_the_documentation() {
    let config = parsed(LEAST);
    let per_second = |count| Some(Rate { count, per: Duration::from_secs(1) });
    assert_eq!(config.sip.listen.first().unwrap().transport, Transport::Udp);
    assert_eq!(config.sip.identity, [IdentitySource::PAssertedIdentity]);
    let rate = |count, secs| Some(Rate { count, per: Duration::from_secs(secs) });
    let Untrusted::Challenge(digest) = &config.sip.untrusted else { panic!("{:?}", config.sip.untrusted) };
    assert_eq!((digest.realm.as_str(), digest.users.len()), ("rooms.example.com", 0));
    assert_eq!(digest.algorithms, [Algorithm::Sha256, Algorithm::Md5]);
    let sources = SourceLimits {
        requests: per_second(30),
        connections: Some(20),
        failed_logins: rate(10, 60),
        ban_time: Duration::from_secs(600),
    };
    assert_eq!(config.sip.sources, sources);
    assert_eq!(config.msrp.limits.message, 65_536);
    let limits = Limits {
        legs: Some(5000),
        legs_per_user: Some(10),
        joins_per_user: rate(30, 60),
        messages_per_user: per_second(20),
        subscriptions_per_user: Some(20),
        invitations_per_user: rate(10, 3600),
        xmpp_presences: per_second(40_000),
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.xmpp.logins, per_second(20));
    let seconds = |s| Duration::from_secs(s);
    let timeouts = Timeouts {
        join: seconds(15),
        reflection: seconds(25),
        lost_leg: seconds(45),
        muc_outage: seconds(120),
        self_ping: seconds(900),
        drain: seconds(5),
    };
    assert_eq!(config.timeouts, timeouts);
    assert_eq!(config.log, LogSettings { level: LogLevel::Info, format: LogFormat::Text });
    assert_eq!(config.http, None);
    assert_eq!(config.server_for("example.net"), Server { address: None, tls: Tls::Starttls, ca_file: None });
    assert!(!config.node.is_empty() && config.node == config.sip.node && config.node == config.xmpp.node);
    let rule = config.rooms.rules().first().unwrap();
    assert_eq!((rule.name.as_str(), rule.create), ("sip:{room}@rooms.example.com", false));
    assert_eq!((rule.history, rule.private_messages, rule.password.is_none()), (20, true, true));
    assert!(rule.receipts);
    assert!(config.rooms.allows(0, &uri("sip:anybody@anywhere.example")));
}

#[test]
fn every_key_does_what_it_says() {
    let text = r#"
        node = { name = "focus1" }
        http.listen = "127.0.0.1:0"
        [sip]
        listen = ["udp:127.0.0.1:5060", "tcp:[::1]:5060"]
        domains = ["Rooms.Example.com", "alias.example.com"]
        advertise = "focus1.example.com:5080"
        [sip.auth]
        trusted_peers = ["10.0.0.10", "udp:10.1.0.0/16", "2001:db8::/32"]
        identity = ["p-asserted-identity", "from"]
        untrusted = "drop"
        [msrp]
        listen = ["tcp:127.0.0.1:2855"]
        advertise = "focus1.example.com"
        max_message_size = "1MiB"
        [xmpp]
        server = "127.0.0.1:15222"
        tls = "off"
        [xmpp.domains."Phones.example.net"]
        server = "xmpp.example.net"
        tls = "starttls"
        [[accounts]]
        sip = "sip:romeo@example.org"
        jid = "romeo@example.net"
        password = "verona"
        [[accounts]]
        sip = "sip:juliet@example.org"
        jid = "juliet@phones.example.net"
        password = "balcony"
        login = "password"
        [room_defaults]
        allow = ["sip:*@example.org"]
        create = true
        nickname = "{user}"
        history = 50
        private_messages = false
        tls_only = true
        receipts = false
        roster = "full"
        [[rooms]]
        name = "capulet"
        sip = "sip:capulet@rooms.example.com"
        muc = "capulet@muc.example.net"
        allow = ["sip:*@verona.example"]
        create = false
        history = 0
        password = "sesame"
        private_messages = true
        tls_only = false
        roster = "partial"
        receipts = true
        [[rooms]]
        sip = "sip:{room}@rooms.example.com"
        muc = "{room}@muc.example.net"
        [limits]
        legs = "off"
        legs_per_user = 2
        joins_per_user = "3/min"
        messages_per_user = "off"
        subscriptions_per_user = "off"
        invitations_per_user = "4/h"
        requests_per_source = "10/min"
        connections_per_source = 7
        failed_logins_per_source = "off"
        ban_time = "off"
        xmpp_logins = "off"
        xmpp_presences = "500/s"
        [timeouts]
        join = "1s"
        reflection = "28s"
        lost_leg = "500ms"
        muc_outage = "3s"
        self_ping = "1m"
        drain = "1m"
        [log]
        level = "debug"
        format = "json"
    "#;
    let config = parsed(text);
    assert_eq!(config.node, "focus1");
    assert_eq!(config.sip.listen.get(1).unwrap().address, "[::1]:5060".parse().unwrap());
    assert_eq!(config.sip.domains, ["rooms.example.com", "alias.example.com"]);
    assert_eq!(config.sip.advertise, Some(("focus1.example.com".to_owned(), Some(5080))));
    let believed: Vec<_> = config.sip.trusted_peers.iter().map(|p| (p.network.to_string(), p.over_udp)).collect();
    let expected = [("10.0.0.10/32", false), ("10.1.0.0/16", true), ("2001:db8::/32", false)];
    assert_eq!(believed, expected.map(|(n, u)| (n.to_owned(), u)));
    assert_eq!(config.sip.identity, [IdentitySource::PAssertedIdentity, IdentitySource::From]);
    assert!(matches!(config.sip.untrusted, Untrusted::Drop));
    assert_eq!(config.msrp.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp:127.0.0.1:2855"]);
    assert_eq!(config.msrp.advertise, Some(("focus1.example.com".to_owned(), None)));
    assert_eq!(config.msrp.limits.message, 1 << 20);
    let rate = |count, secs| Some(Rate { count, per: Duration::from_secs(secs) });
    let limits = Limits {
        legs: None,
        legs_per_user: Some(2),
        joins_per_user: rate(3, 60),
        messages_per_user: None,
        subscriptions_per_user: None,
        invitations_per_user: rate(4, 3600),
        xmpp_presences: rate(500, 1),
    };
    assert_eq!(config.limits, limits);
    let sources =
        SourceLimits { requests: rate(10, 60), connections: Some(7), failed_logins: None, ban_time: Duration::ZERO };
    assert_eq!((config.sip.sources, config.xmpp.logins), (sources, None));
    assert_eq!(config.timeouts.muc_outage, Duration::from_secs(3));
    assert_eq!(config.timeouts.self_ping, Duration::from_secs(60));
    assert_eq!(config.timeouts.lost_leg, Duration::from_millis(500));
    assert_eq!(config.log, LogSettings { level: LogLevel::Debug, format: LogFormat::Json });
    assert_eq!(config.http, Some("127.0.0.1:0".parse().unwrap()));

    let romeo = config.account_for(&uri("sip:romeo@example.org:5070;transport=tcp")).unwrap();
    assert_eq!((romeo.jid.as_str(), password_of(&romeo)), ("romeo@example.net", "verona"));
    assert_eq!((romeo.server.tls, romeo.server.address), (Tls::Off, Some(("127.0.0.1".to_owned(), 15222))));
    let juliet = config.account_for(&uri("sip:juliet@example.org")).unwrap();
    assert_eq!(
        (juliet.server.tls, juliet.server.address),
        (Tls::Starttls, Some(("xmpp.example.net".to_owned(), 5222)))
    );
    assert!(config.account_for(&uri("sip:tybalt@example.org")).is_err());

    let capulet = config.rooms.find(&uri("sip:Capulet@alias.example.com")).map(|m| m.name);
    assert_eq!(capulet, None, "an alias domain is not that of the rule");
    let capulet = config.rooms.find(&uri("sip:Capulet@rooms.example.com")).unwrap();
    assert_eq!((capulet.name.as_str(), capulet.create), ("capulet", false));
    assert!(!config.rooms.allows(0, &uri("sip:romeo@example.org")), "what the room says goes before the default");
    assert!(config.rooms.allows(1, &uri("sip:romeo@example.org")));
    assert_eq!((capulet.history, capulet.private_messages), (0, true));
    assert!(capulet.receipts && !capulet.tls_only && !capulet.whole_roster);
    assert_eq!(capulet.password.as_ref().map(|p| p.expose()), Some("sesame"));
    let other = config.rooms.rules().get(1).unwrap();
    assert_eq!((other.create, other.history), (true, 50));
    assert!(!other.private_messages && !other.receipts && other.tls_only && other.whole_roster);
    assert!(other.password.is_none());
    assert!(!format!("{config:?}").contains("sesame"), "a secret is never shown");
}

#[test]
fn what_is_not_toml_is_shown_where_it_breaks_off() {
    let found = findings("[sip]\nlisten = [\"udp:127.0.0.1:5060\"\n");
    assert!(found.iter().any(|f| f.contains("this is not TOML")), "{found:?}");
    let found = findings("[sip]\ndomains = [\"a\"]\ndomains = [\"b\"]\n");
    assert!(found.iter().any(|f| f.starts_with("3:1 ")), "{found:?}");
    for text in
        ["\0", "=", "[", "[[rooms", "a = \"", "\u{feff}", "rooms = 1", "rooms = [1]", "xmpp.domains = 3", "[[sip]]"]
    {
        let _ = findings(text);
    }
}

#[test]
fn a_column_counts_characters() {
    let found = changed("[\"udp:127.0.0.1:0\"]", "[\"ü\", \"udp:127.0.0.1\"]");
    assert!(found.iter().any(|f| f.starts_with("3:16 ")), "{found:?}");
}

#[test]
fn an_empty_file_says_what_it_needs() {
    let found = findings("");
    for part in ["sip.listen is missing", "sip.domains is missing", "msrp.listen is missing"] {
        assert!(found.iter().any(|f| f.contains("Error") && f.contains(part)), "{found:#?}");
    }
    for part in ["no peer is trusted", "no SIP user has an account", "no address is a room"] {
        assert!(found.iter().any(|f| f.contains("Warning") && f.contains(part)), "{found:#?}");
    }
}

#[test]
fn a_room_rule_that_cannot_work_is_an_error_and_one_that_cannot_match_a_warning() {
    let sip = |text: &str| changed("sip:{room}@rooms.example.com", text);
    one(&sip("sip:*@rooms.example.com"), &["14:7 Error: * in the user part of a room", "write a capture"]);
    one(&sip("sip:{x}@rooms.example.com"), &["15:7 Error: sip captures no {room}; what sip captures: {x}"]);
    one(&sip("sip:lobby@rooms.example.com"), &["Error: sip captures no {room}"]);
    one(&sip("rooms.example.com"), &["14:7 Error", "is not a pattern"]);
    one(
        &sip("sip:{room}@rooms.example.org"),
        &["14:7 Warning", "its host is none of sip.domains", "rooms.example.com"],
    );
    one(&changed("{room}@muc.example.net", "muc.example.net"), &["Error", "write room@service"]);
    one(
        &changed("[[rooms]]\n", "[[rooms]]\nnickname = \"{nick}\"\n"),
        &["14:12 Error", "{display_name} and {user}, of the caller"],
    );
    let negative = changed("[[rooms]]\n", "[[rooms]]\nhistory = -1\n");
    one(&negative, &["14:11 Error: rooms.history must be a whole number, 0 or more; write history = 20"]);
    one(&changed("[[rooms]]\n", "[[rooms]]\nallow = []\n"), &["14:9 Warning: nobody is let in"]);
    one(&changed("muc = ", "# "), &["13:1 Error: muc is missing in this [[rooms]]"]);
    let shadowed =
        format!("{LEAST}[[rooms]]\nsip = \"sip:Capulet@rooms.example.com\"\nmuc = \"capulet@muc.example.net\"\n");
    let found: Vec<_> = findings(&shadowed).into_iter().filter(|f| f.contains("never match")).collect();
    one(&found, &["17:7 Warning", "that of line 13 takes all of its rooms"]);
}

#[test]
fn plaintext_towards_another_machine_is_an_error() {
    let xmpp = |text: &str| changed("[msrp]", &format!("[xmpp]\n{text}\n[msrp]"));
    assert_eq!(xmpp("server = \"127.0.0.1:5222\"\ntls = \"off\""), [""; 0]);
    assert_eq!(xmpp("server = \"[::1]:5222\"\ntls = \"off\""), [""; 0]);
    assert_eq!(xmpp("server = \"localhost\"\ntls = \"off\""), [""; 0]);
    one(
        &xmpp("server = \"10.0.0.20:5222\"\ntls = \"off\""),
        &["9:7 Error: passwords would go to 10.0.0.20 in the clear"],
    );
    one(&xmpp("server = \"127.0.0.1.example.com\"\ntls = \"off\""), &["Error: passwords would go to"]);
    one(&xmpp("tls = \"off\""), &["8:7 Error: passwords would go in the clear to wherever DNS leads"]);
    assert_eq!(xmpp("tls = \"direct\""), [""; 0]);
    // A domain that takes "off" from [xmpp] and has a server elsewhere.
    let inherited = "server = \"127.0.0.1\"\ntls = \"off\"\n[xmpp.domains.\"a.example\"]\nserver = \"10.0.0.20\"";
    one(&xmpp(inherited), &["11:10 Error: passwords would go to 10.0.0.20 in the clear"]);
}

#[test]
fn a_certificate_file_must_be_there_and_hold_one() {
    let folder = Folder::new("ca");
    folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\n", 0o644);
    folder.write("key.pem", "-----BEGIN PRIVATE KEY-----\n", 0o644);
    let load = |ca: &str| {
        let text = LEAST.replacen("[msrp]", &format!("[xmpp]\nca_file = \"{ca}\"\n[msrp]"), 1);
        Config::load(&folder.write("config.toml", &text, 0o600))
    };
    let (config, _) = load("ca.pem").unwrap();
    assert_eq!(config.server_for("example.net").ca_file, Some(folder.0.join("ca.pem")));
    for bad in ["key.pem", "absent.pem"] {
        assert!(matches!(load(bad), Err(ConfigErrors::Wrong(f)) if f.count(Level::Error) == 1), "{bad}");
    }
}

#[test]
fn probes_are_answered_once_their_section_is_there() {
    assert_eq!(parsed(&format!("{LEAST}[http]\n")).http, Some("127.0.0.1:8085".parse().unwrap()));
    let http = |text: &str| changed("[[accounts]]", &format!("[http]\n{text}\n[[accounts]]"));
    one(&http("listen = \"0.0.0.0:8085\""), &["10:10 Warning: who can reach this address can read the metrics"]);
    one(&http("listen = \"8085\""), &["10:10 Error", "like 127.0.0.1:8085"]);
}

#[test]
fn a_limit_of_nothing_is_an_error() {
    let limit = |text: &str| changed("[[accounts]]", &format!("[limits]\n{text}\n[[accounts]]"));
    one(&limit("legs = 0"), &["10:8 Error: a limit of 0 lets nothing in"]);
    one(&limit("messages_per_user = \"0/s\""), &["Error: a rate of 0 lets nothing through"]);
    one(&limit("connections_per_source = -1"), &["Error", "write connections_per_source = 20"]);
    one(&limit("legs = \"none\""), &["Error", "a whole number, 0 or more, or \"off\""]);
}

/// Every octet may be wrong: characters of a good file are dropped, doubled and replaced, a few at a time.

#[test]
fn no_text_makes_the_check_panic() {
    let odd = ['\u{0}', '"', '\'', '[', ']', '{', '}', '=', '\n', '.', '#', '*', '@', ':', 'ü', '\u{1f600}', '9', ','];
    let mut state: u64 = 3;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..1500 {
        let mut text: Vec<char> = LEAST.chars().collect();
        for _ in 0..=draw(4) {
            let at = draw(text.len());
            match draw(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, odd[draw(odd.len())]),
                _ => text[at] = odd[draw(odd.len())],
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(ConfigErrors::Wrong(findings)) = Config::parse(&text, "c.toml") {
            assert!(
                findings.count(Level::Error) > 0 && !findings.render(Level::Error, Style::default()).is_empty(),
                "{text}"
            );
        }
    }
}

#[test]
fn a_bracket_that_is_not_closed_is_one_error() {
    let found = changed(r#"listen = ["tcp:127.0.0.1:0"]"#, r#"listen = ["tcp:127.0.0.1:0""#);
    one(&found, &["Error"]);
}

fn password_of(account: &crate::xmpp::settings::Account) -> &str {
    match &account.login {
        crate::xmpp::settings::Login::Password(password) => password.expose_secret(),
        other => panic!("{other:?}"),
    }
}
