//! Whole configurations: what comes out of good ones, and what is said about bad ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::*;
use crate::sip::settings::{IdentitySource, Transport, Untrusted};
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
    assert_eq!(config.sip.untrusted, Untrusted::Refuse);
    assert_eq!((config.sip.requests_per_source, config.sip.connections_per_source), (per_second(30), Some(20)));
    assert_eq!(config.msrp.max_message_size, 65_536);
    assert_eq!(config.limits, Limits { legs: Some(5000), messages_per_user: per_second(20) });
    assert_eq!(config.xmpp.logins, per_second(20));
    let seconds = |s| Duration::from_secs(s);
    let timeouts = Timeouts { join: seconds(15), reflection: seconds(25), lost_leg: seconds(45), drain: seconds(5) };
    assert_eq!(config.timeouts, timeouts);
    assert_eq!(config.log, LogSettings { level: LogLevel::Info, format: LogFormat::Text });
    assert_eq!(config.http, None);
    assert_eq!(config.server_for("example.net"), Server { address: None, tls: Tls::Starttls, ca_file: None });
    assert!(!config.node.is_empty() && config.node == config.sip.node && config.node == config.xmpp.node);
    let rule = config.rooms.rules().first().unwrap();
    assert_eq!((rule.name.as_str(), rule.create), ("sip:{room}@rooms.example.com", false));
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
        [[rooms]]
        name = "capulet"
        sip = "sip:capulet@rooms.example.com"
        muc = "capulet@muc.example.net"
        allow = ["sip:*@verona.example"]
        create = false
        [[rooms]]
        sip = "sip:{room}@rooms.example.com"
        muc = "{room}@muc.example.net"
        [limits]
        legs = "off"
        messages_per_user = "off"
        requests_per_source = "10/min"
        connections_per_source = 7
        xmpp_logins = "off"
        [timeouts]
        join = "1s"
        reflection = "28s"
        lost_leg = "500ms"
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
    assert_eq!(config.sip.untrusted, Untrusted::Drop);
    assert_eq!(config.msrp.listen, ["127.0.0.1:2855".parse().unwrap()]);
    assert_eq!(config.msrp.advertise, Some(("focus1.example.com".to_owned(), None)));
    assert_eq!(config.msrp.max_message_size, 1 << 20);
    assert_eq!(config.limits, Limits { legs: None, messages_per_user: None });
    assert_eq!(config.sip.requests_per_source, Some(Rate { count: 10, per: Duration::from_secs(60) }));
    assert_eq!((config.sip.connections_per_source, config.xmpp.logins), (Some(7), None));
    assert_eq!(config.timeouts.lost_leg, Duration::from_millis(500));
    assert_eq!(config.log, LogSettings { level: LogLevel::Debug, format: LogFormat::Json });
    assert_eq!(config.http, Some("127.0.0.1:0".parse().unwrap()));

    let romeo = config.account_for(&uri("sip:romeo@example.org:5070;transport=tcp")).unwrap();
    assert_eq!((romeo.jid.as_str(), romeo.password.expose_secret()), ("romeo@example.net", "verona"));
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
    assert!(config.rooms.rules().get(1).unwrap().create);
}

#[test]
fn the_example_is_right_with_and_without_its_comments() {
    let only = findings(EXAMPLE);
    one(&only, &["Warning: the password stands in the configuration"]);
    let is_key = |line: &str| {
        let Some(rest) = line.strip_prefix("# ") else { return false };
        let name = rest.split(['=', ']']).next().unwrap_or_default().trim();
        rest.starts_with('[') || (rest.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let uncommented = |line: &'static str| line.strip_prefix("# ").filter(|_| is_key(line)).unwrap_or(line);
    let open: String = EXAMPLE.lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    let walked = keys::walk(toml::de::DeTable::parse(&open).unwrap().get_ref());
    assert_eq!(walked.findings, [], "{open}");
    // What the example and the files that it names still lack on this machine.
    for finding in findings(&open) {
        let expected = ["/etc/mucfocus/ca.pem", "the password is given more than once", "the password stands"];
        assert!(expected.iter().any(|e| finding.contains(e)), "{finding}");
    }
    for key in KEYS.iter().filter(|k| !matches!(k.kind, Kind::NotYet | Kind::Table | Kind::Tables | Kind::Named)) {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(open.lines().any(|l| l.trim_start().starts_with(name)), "{} is not in the example", key.path);
    }
    for key in KEYS.iter().filter(|k| k.kind == Kind::NotYet) {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let shown = open.lines().any(|l| l.starts_with(&format!("{name} ")) || l == format!("[{section}.{name}]"));
        let elsewhere = KEYS.iter().any(|k| k.kind != Kind::NotYet && k.path.ends_with(&format!(".{name}")));
        assert!(!shown || elsewhere, "{} is in the example, and not yet in this version", key.path);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "[xmmp]\nserver = 'x'\n[sip]\nlisten = [\"tls:127.0.0.1:5061\", \"udp:127.0.0.1\"]\ndomains = []\n\
                [msrp]\nlisten = [\"udp:127.0.0.1:2855\"]\n[limits]\nban_time = '1m'\n[timeouts]\nreflection = '29s'\n";
    let found = findings(text);
    let starts = |start: &str| assert!(found.iter().any(|f| f.starts_with(start)), "no {start:?} in {found:#?}");
    starts(r#"1:2 Error: unknown section "xmmp"; did you mean "xmpp"?"#);
    starts(r#"4:11 Error: "tls" is not yet in this version of mucfocus"#);
    starts(r#"4:33 Error: "127.0.0.1" lacks a port; write udp: and then 127.0.0.1:5060"#);
    starts("5:11 Error: sip.domains is empty");
    starts(r#"7:11 Error: "udp" is not one of "tcp""#);
    starts(r#"9:1 Error: "limits.ban_time" is not yet in this version"#);
    starts("11:14 Error: the sender of a message gives up after 30 s; write at most \"28s\"");
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
fn whom_to_believe_is_written_as_address_or_network() {
    let peers = |text: &str| changed(r#"["127.0.0.1"]"#, text);
    one(&peers("[]"), &["6:17 Warning: no peer is trusted"]);
    one(&peers(r#"["udp:0.0.0.0/0"]"#), &["Warning: everybody is trusted"]);
    one(&peers(r#"["tls:proxy.example.com"]"#), &["Error", "not yet"]);
    one(&peers(r#"["10.0.0.5/24"]"#), &["Error", "write 10.0.0.0/24 for the network, or 10.0.0.5 for the one address"]);
    one(&peers(r#"["10.0.0.5:5060"]"#), &["Error", "write the address alone: 10.0.0.5"]);
    one(&peers(r#"["tcp:10.0.0.5"]"#), &["Error", r#"write "10.0.0.5""#]);
    one(&peers(r#"["proxy.example.com"]"#), &["Error", "is not an address or network"]);
    one(&peers("[\"127.0.0.1\"]\nidentity = []"), &["Error", "nobody can call"]);
    one(&peers("[\"127.0.0.1\"]\nidentity = [\"form\"]"), &["Error", r#"did you mean "from"?"#]);
    one(&peers("[\"127.0.0.1\"]\nuntrusted = \"challenge\""), &["Error", "not yet"]);
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
    one(&changed("[[rooms]]\n", "[[rooms]]\nnickname = \"{nick}\"\n"), &["14:12 Error", "{display_name} and {user}"]);
    one(&changed("[[rooms]]\n", "[[rooms]]\nallow = []\n"), &["14:9 Warning: nobody is let in"]);
    one(&changed("muc = ", "# "), &["13:1 Error: muc is missing in this [[rooms]]"]);
    let shadowed =
        format!("{LEAST}[[rooms]]\nsip = \"sip:Capulet@rooms.example.com\"\nmuc = \"capulet@muc.example.net\"\n");
    let found: Vec<_> = findings(&shadowed).into_iter().filter(|f| f.contains("never match")).collect();
    one(&found, &["17:7 Warning", "that of line 13 takes all of its rooms"]);
}

#[test]
fn account_rules_keep_sip_users_apart() {
    let more = |text: &str| {
        let mut found = findings(&format!("{LEAST}[[accounts]]\npassword = \"x\"\n{text}"));
        found.retain(|f| !f.contains("the password stands in the configuration"));
        found
    };
    assert_eq!(more("sip = \"sip:tybalt@example.org\"\njid = \"tybalt@example.net\""), [""; 0]);
    one(
        &more("sip = \"sip:juliet@example.org\"\njid = \"Romeo@example.net\""),
        &["19:7 Warning: the rule of line 9 can give another SIP user the same JID"],
    );
    one(
        &more("sip = \"sip:*@example.net\"\njid = \"guest@example.net\""),
        &["Warning: SIP users whom this rule matches share"],
    );
    one(
        &more("sip = \"sip:romeo@Example.org\"\njid = \"other@example.net\""),
        &["18:7 Warning", "never match", "line 9"],
    );
    one(
        &more("sip = \"sip:{user}@example.net\"\njid = \"{user}@phones.example.net\""),
        &["17:12 Error: one password cannot serve every {user}"],
    );
    one(&more("sip = \"sip:a@example.net\"\njid = \"{user}@phones.example.net\""), &["Error: sip captures no {user}"]);
    one(&more("sip = \"sip:a@example.net\"\njid = \"not a jid@\""), &["Error", "is not a JID"]);
    one(&more("sip = \"sip:a@example.net\""), &["16:1 Error: jid is missing in this [[accounts]]"]);
}

#[test]
fn another_login_than_by_password_is_not_yet_there() {
    for login in ["hmac", "jwt", "anonymous", "component"] {
        one(&changed("password = \"verona\"", &format!("login = \"{login}\"")), &["12:9 Error", login, "not yet"]);
    }
    one(&changed("password = \"verona\"", "login = \"pasword\""), &["Error", r#"did you mean "password"?"#]);
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
    one(&xmpp("tls = \"direct\""), &["Error", "not yet"]);
    // A domain that takes "off" from [xmpp] and has a server elsewhere.
    let inherited = "server = \"127.0.0.1\"\ntls = \"off\"\n[xmpp.domains.\"a.example\"]\nserver = \"10.0.0.20\"";
    one(&xmpp(inherited), &["11:10 Error: passwords would go to 10.0.0.20 in the clear"]);
}

#[test]
fn a_password_comes_from_exactly_one_place() {
    let folder = Folder::new("password");
    folder.write("ok", "balcony\n", 0o600);
    folder.write("open", "balcony\n", 0o644);
    folder.write("group", "balcony\n", 0o640);
    folder.write("empty", "\n", 0o600);
    folder.write("long", &"x".repeat(5000), 0o600);
    let load = |keys: &str| {
        let file = folder.write("config.toml", &LEAST.replacen("password = \"verona\"", keys, 1), 0o600);
        Config::load(&file)
    };
    let (config, warnings) = load("password_file = \"ok\"").unwrap();
    assert!(warnings.is_empty(), "relative to the configuration, without the line's end, and nothing to say");
    let romeo = config.account_for(&uri("sip:romeo@example.org")).unwrap();
    assert_eq!(romeo.password.expose_secret(), "balcony");
    assert!(!format!("{config:?}").contains("balcony"), "a secret is never shown");

    let error = |keys: &str| match load(keys) {
        Err(ConfigErrors::Wrong(f)) => f.iter().map(|f| format!("{}; {}", f.message, f.help)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let path = folder.0.join("open");
    one(
        &error("password_file = \"open\""),
        &["others can read or change", "644", &format!("chmod 600 {}", path.display())],
    );
    one(&error("password_file = \"group\""), &["others can read or change", "640"]);
    one(&error("password_file = \"absent\""), &["cannot read", "No such file", "create it"]);
    one(&error("password_file = \".\""), &["cannot read"]);
    one(&error("password_file = \"empty\""), &["the password is empty"]);
    one(&error("password_file = \"long\""), &["too long"]);
    one(&error("password_file = \"ok\"\npassword = \"x\""), &["more than once"]);
    one(&error("password = \"\""), &["the password is empty"]);
    one(&error(""), &["has no password", "password_file"]);
    one(&error("password_credential = \"romeo\""), &["systemd gave no credentials", "LoadCredential=romeo:"]);
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
    one(&limit("legs = \"none\""), &["Error", "a number, or \"off\""]);
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
fn thousands_of_accounts_are_checked_in_a_moment() {
    let mut text = LEAST.to_owned();
    for n in 0..3000 {
        text +=
            &format!("[[accounts]]\nsip = \"sip:u{n}@example.org\"\njid = \"u{n}@example.net\"\npassword = \"x\"\n");
    }
    let begin = std::time::Instant::now();
    assert_eq!(parsed(&text).accounts.rules().len(), 3001);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn listening_to_datagrams_that_nobody_believes_is_warned_of() {
    let alone = [r#"trusted_peers = ["127.0.0.1"]"#, r#"trusted_peers = ["10.0.0.10"]"#];
    one(&changed(alone[0], alone[1]), &["6:17 Warning", "comes by datagram gets 403", "udp:ADDRESS"]);
    assert!(changed(alone[0], r#"trusted_peers = ["10.0.0.10", "udp:10.0.0.11"]"#).is_empty());
    let over_tcp = LEAST.replace("udp:127.0.0.1:0", "tcp:127.0.0.1:0").replace(alone[0], alone[1]);
    assert!(findings(&over_tcp).iter().all(|f| f.contains("the password stands")));
}

#[test]
fn sip_and_msrp_do_not_share_a_port() {
    let shared =
        LEAST.replace("udp:127.0.0.1:0", "tcp:127.0.0.1:5060").replace("tcp:127.0.0.1:0", "tcp:127.0.0.1:5060");
    let found = findings(&shared);
    assert!(found.iter().any(|f| f.contains("Error: 127.0.0.1:5060 is in sip.listen too")), "{found:#?}");
}

#[test]
fn a_bracket_that_is_not_closed_is_one_error() {
    let found = changed(r#"listen = ["tcp:127.0.0.1:0"]"#, r#"listen = ["tcp:127.0.0.1:0""#);
    one(&found, &["Error"]);
}
