//! The program as an operator runs it: what it prints where, and with which status it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const LEAST: &str = r#"[sip]
listen = ["udp:127.0.0.1:0"]
domains = ["rooms.example.com"]
[sip.auth]
trusted_peers = ["127.0.0.1"]
[msrp]
listen = ["tcp:127.0.0.1:0"]
[xmpp]
server = "127.0.0.1:5222"
tls = "off"
[[accounts]]
sip = "sip:romeo@example.org"
jid = "romeo@example.net"
password_file = "romeo.xmpp"
[[rooms]]
sip = "sip:{room}@rooms.example.com"
muc = "{room}@muc.example.net"
"#;

/// A folder that goes with the test, with a configuration and a password.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("mucfocus-cli-{}-{name}", std::process::id())));
        fs::create_dir_all(&folder.0).unwrap();
        folder.write("romeo.xmpp", "verona\n", 0o600);
        folder
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn config(&self, text: &str) -> PathBuf {
        self.write("config.toml", text, 0o600)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mucfocus"));
    program.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("LC_ALL").env("LC_CTYPE", "C").env("LANG", "C");
    program
}

fn ran(output: Output) -> Ran {
    Ran {
        status: output.status.code().expect("ended by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(arguments: &[&str]) -> Ran {
    ran(program().args(arguments).output().unwrap())
}

fn check(file: &Path, more: &[&str]) -> Ran {
    ran(program().args(["check", "--config"]).arg(file).args(more).output().unwrap())
}

#[test]
fn check_of_a_good_configuration_says_ok_for_each_section() {
    let folder = Folder::new("good");
    let ran = check(&folder.config(LEAST), &["--strict"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let sections = "node tls sip sip.auth msrp xmpp accounts room_defaults rooms limits timeouts log http";
    for section in sections.split(' ') {
        let is_ok = |line: &str| line.split_whitespace().eq([section, "ok"]);
        assert!(ran.stdout.lines().any(is_ok), "{section} is not ok in:\n{}", ran.stdout);
    }
}

#[test]
fn a_misspelled_section_is_shown_with_file_line_column_and_the_one_that_was_meant() {
    let folder = Folder::new("misspelled");
    let file = folder.config(&LEAST.replace("[xmpp]", "[xmmp]"));
    let ran = check(&file, &[]);
    assert_eq!(ran.status, 2);
    let expected = format!(
        "  x unknown section \"xmmp\"\n   ,-[{}:8:2]\n 8 | [xmmp]\n   :  ^^^^\n   `----\n  help: did you mean \"xmpp\"?\n",
        file.display()
    );
    assert_eq!(ran.stderr, expected);
    assert!(ran.stdout.contains("8:2: unknown section \"xmmp\"; did you mean \"xmpp\"?"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("1 error, 0 warnings\n"), "{}", ran.stdout);
}

#[test]
fn all_errors_are_shown_and_none_has_colours_off_a_terminal() {
    let folder = Folder::new("all");
    let text =
        LEAST.replace("udp:127.0.0.1:0", "tls:127.0.0.1:0").replace("[msrp]\n", "[msrp]\nmax_message_size = \"64\"\n");
    let file = folder.config(&(text + "[room_defaults]\npage_mode = true\n"));
    let ran = check(&file, &[]);
    assert_eq!(ran.status, 2);
    for place in [":2:11]", ":7:20]", ":20:1]"] {
        assert!(ran.stderr.contains(&format!("{}{place}", file.display())), "no {place} in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("not yet in this version"), "{}", ran.stderr);
    assert!(ran.stderr.contains("say of what: \"64KiB\""), "{}", ran.stderr);
    assert!(ran.stderr.is_ascii(), "{}", ran.stderr);
    let drawn = ran_with_locale(&file, "C.UTF-8");
    assert!(drawn.stderr.contains('─') && !drawn.stderr.contains('\u{1b}'), "{}", drawn.stderr);
}

fn ran_with_locale(file: &Path, locale: &str) -> Ran {
    ran(program().env("LC_ALL", locale).args(["check", "--config"]).arg(file).output().unwrap())
}

#[test]
fn what_is_not_toml_is_wrong_configuration() {
    let folder = Folder::new("toml");
    let file = folder.config("[sip]\nlisten = udp\n");
    for command in ["check", "serve"] {
        let ran = ran(program().args([command, "--config"]).arg(&file).output().unwrap());
        assert_eq!(ran.status, 2, "{command}");
        assert!(ran.stderr.contains(":2:10]"), "{command}: {}", ran.stderr);
    }
}

#[test]
fn warnings_do_not_fail_unless_strict() {
    let folder = Folder::new("warnings");
    let file = folder.config(&LEAST.replace("[\"127.0.0.1\"]", "[]"));
    let lax = check(&file, &[]);
    assert_eq!((lax.status, lax.stderr.as_str()), (0, ""));
    let expected =
        "5:17: no peer is trusted and no SIP user has a password, so nobody can call; write trusted_peers = ";
    assert!(lax.stdout.contains(expected), "{}", lax.stdout);
    assert_eq!(check(&file, &["--strict"]).status, 1);
}

#[test]
fn json_holds_each_finding_with_its_place() {
    let folder = Folder::new("json");
    let file = folder.config(&LEAST.replace("domains", "domain"));
    let ran = check(&file, &["--json"]);
    assert_eq!(ran.status, 2);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"], json["file"].as_str()), (&1.into(), &0.into(), file.to_str()));
    let found = json["findings"].as_array().unwrap().iter().find(|f| f["line"] == 3).unwrap();
    assert_eq!((&found["column"], &found["level"], &found["section"]), (&1.into(), &"error".into(), &"sip".into()));
    assert_eq!(found["help"], "did you mean \"domains\"?");
}

#[test]
fn the_printed_configuration_passes_check() {
    let printed = run(&["print", "config"]);
    assert_eq!((printed.status, printed.stderr.as_str()), (0, ""));
    let folder = Folder::new("print");
    let checked = check(&folder.config(&printed.stdout), &[]);
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""), "{}", checked.stdout);
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_configuration() {
    for command in ["check", "serve"] {
        let ran = run(&[command, "--config", "/nonexistent/config.toml"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{command}");
        assert!(ran.stderr.contains("/nonexistent/config.toml") && ran.stderr.contains("--config"), "{}", ran.stderr);
    }
    let folder = Folder::new("unreadable");
    fs::write(folder.0.join("config.toml"), b"[sip]\nname = \"\xff\"\n").unwrap();
    let latin = check(&folder.0.join("config.toml"), &[]);
    assert_eq!(latin.status, 2);
    let is_told = latin.stderr.contains("config.toml:2: this line is not UTF-8")
        && latin.stderr.contains("save the file as UTF-8");
    assert!(is_told, "{}", latin.stderr);
    assert_eq!(check(&folder.0, &[]).status, 2, "a folder");
}

#[test]
fn a_password_file_that_others_can_read_is_an_error() {
    let folder = Folder::new("mode");
    folder.write("romeo.xmpp", "verona\n", 0o604);
    let ran = check(&folder.config(LEAST), &[]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains(":14:17]") && ran.stderr.contains("chmod 600"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("verona") && !ran.stdout.contains("verona"));
}

#[test]
fn a_credential_of_systemd_is_found_by_its_name() {
    let folder = Folder::new("credential");
    folder.write("romeo", "verona", 0o440);
    let file = folder.config(&LEAST.replace("password_file = \"romeo.xmpp\"", "password_credential = \"romeo\""));
    let with = |credentials: &Path| {
        ran(program()
            .env("CREDENTIALS_DIRECTORY", credentials)
            .args(["check", "--config"])
            .arg(&file)
            .output()
            .unwrap())
    };
    assert_eq!(with(&folder.0).status, 0);
    assert_eq!(with(Path::new("/nonexistent")).status, 2);
    let outside = folder.config(&LEAST.replace("password_file = \"romeo.xmpp\"", "password_credential = \"../romeo\""));
    let ran = ran(program()
        .env("CREDENTIALS_DIRECTORY", &folder.0)
        .args(["check", "--config"])
        .arg(&outside)
        .output()
        .unwrap());
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("not the name of a credential"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for wrong in [
        &["frobnicate"][..],
        &[],
        &["check", "--frob"],
        &["print"],
        &["print", "soup"],
        &["route"],
        &["route", "not a uri"],
        &["route", "sip:capulet@rooms.example.com", "--from", "nobody"],
        &["schema", "--frob"],
        &["serve", "--log-format", "x"],
        &["ctl"],
        &["ctl", "room"],
        &["ctl", "reboot"],
    ] {
        let ran = run(wrong);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{wrong:?}");
        assert!(!ran.stderr.is_empty(), "{wrong:?}");
    }
    for right in [&["--help"][..], &["--version"], &["serve", "--help"], &["check", "--help"], &["chat", "--help"]] {
        let ran = run(right);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{right:?}");
        assert!(!ran.stdout.is_empty(), "{right:?}");
    }
}

/// Two rooms, one of them for few; a caller with a password of his own, and everybody of a domain.
const TWO_ROOMS: &str = r#"[sip]
listen = ["udp:127.0.0.1:0"]
domains = ["rooms.example.com"]
[[sip.auth.users]]
sip = "sip:romeo@example.org"
password_file = "romeo.xmpp"
[msrp]
listen = ["tcp:127.0.0.1:0"]
[[accounts]]
sip = "sip:{user}@example.org"
jid = "{user}@phones.example.net"
login = "hmac"
secret_file = "mint.key"
[[rooms]]
name = "capulet"
sip = "sip:capulet@rooms.example.com"
muc = "verona@muc.example.net"
allow = ["sip:juliet@example.org"]
[[rooms]]
sip = "sip:{room}@rooms.example.com"
muc = "{room}@muc.example.net"
"#;

fn two_rooms(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(name);
    folder.write("mint.key", "0123456789abcdef0123456789abcdef", 0o600);
    let file = folder.config(TWO_ROOMS);
    (folder, file)
}

fn route(file: &Path, more: &[&str]) -> Ran {
    ran(program().env("USER", "tybalt").args(["route", "--config"]).arg(file).args(more).output().unwrap())
}

#[test]
fn a_route_names_rule_room_account_and_nickname_with_their_lines() {
    // GC-JOIN-09, GC-JOIN-12
    let (_folder, file) = two_rooms("route");
    let ran = route(&file, &["--from", "\"Romeo M\" <sip:romeo@example.org>", "sip:Garden@rooms.example.com"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let expected = "sip:romeo@example.org calls sip:Garden@rooms.example.com
  room      sip:{room}@rooms.example.com, line 19:1
            sip:garden@rooms.example.com = garden@muc.example.net
  allowed   yes, as everybody is by default
  known by  his password, sip.auth.users line 4:1
  account   romeo@phones.example.net, login hmac, line 9:1
  nickname  Romeo M
let in
";
    assert_eq!(ran.stdout, expected);
}

#[test]
fn who_is_not_let_in_is_told_by_which_line_and_what_to_do() {
    let (_folder, file) = two_rooms("refused");
    let romeo = ["--from", "sip:romeo@example.org"];
    let ran = route(&file, &[&romeo[..], &["sip:capulet@rooms.example.com"]].concat());
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("  allowed   no, allow in line 18:9\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not let in: 403, the rule of the room does not let him in\n  help: add him"));
    let nowhere = route(&file, &[&romeo[..], &["sip:capulet@elsewhere.example"]].concat());
    assert_eq!(nowhere.status, 1);
    assert!(nowhere.stdout.contains("not let in: 404, no rule maps this URI"), "{}", nowhere.stdout);
    let secure = route(&file, &[&romeo[..], &["sips:garden@rooms.example.com;transport=tcp"]].concat());
    assert_eq!(secure.status, 1, "ADDR-08");
    let refused = "not let in: 403, sips cannot be honoured end to end\n  help: call sip:garden@rooms.example.com;";
    assert!(secure.stdout.contains(refused), "{}", secure.stdout);
    // Nobody vouches for him, and he has no password.
    let stranger = route(&file, &["--json", "sip:garden@rooms.example.com"]);
    assert_eq!(stranger.status, 1);
    let json: serde_json::Value = serde_json::from_str(&stranger.stdout).unwrap();
    assert_eq!((&json["from"], &json["refused"]["status"]), (&"sip:tybalt@localhost".into(), &401.into()));
    assert_eq!((&json["room"]["muc"], &json["room"]["line"]), (&"garden@muc.example.net".into(), &19.into()));
    assert_eq!((&json["account"], &json["identity"]["by"]), (&serde_json::Value::Null, &"nobody".into()));
}

#[test]
fn who_has_no_name_is_not_let_in_by_a_trusted_peer_either() {
    let folder = Folder::new("nameless");
    let strangers = "[[accounts]]\nsip = \"sip:*@*\"\njid = \"anon.example.net\"\nlogin = \"anonymous\"\n";
    let file = folder.config(&(LEAST.to_owned() + strangers));
    let from = |from: &str| route(&file, &["--from", from, "sip:garden@rooms.example.com"]);
    let anonymous = from("sip:anonymous@anonymous.invalid");
    assert_eq!(anonymous.status, 1, "{}", anonymous.stdout);
    assert!(
        anonymous.stdout.contains("not let in: 401, anonymous callers are not let in\n  help: "),
        "{}",
        anonymous.stdout
    );
    assert!(anonymous.stdout.contains("  known by  nothing"), "{}", anonymous.stdout);
    let host = from("sip:example.org");
    assert_eq!(host.status, 1, "{}", host.stdout);
    assert!(host.stdout.contains("the identity is not a SIP user"), "{}", host.stdout);
    assert_eq!(from("sip:juliet@example.org").status, 0);
}

#[test]
fn the_schema_in_the_repository_is_the_one_that_is_printed() {
    let printed = run(&["schema"]);
    assert_eq!((printed.status, printed.stderr.as_str()), (0, ""));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/mucfocus.schema.json");
    let kept = fs::read_to_string(file).unwrap();
    assert!(printed.stdout == kept, "run: cargo run -- schema > schemas/mucfocus.schema.json");
}

#[test]
fn configurations_of_the_readme_lack_nothing_but_their_files() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let snippets: Vec<&str> =
        readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(!snippets.is_empty());
    let folder = Folder::new("readme");
    for snippet in snippets {
        let ran = check(&folder.config(snippet), &["--json"]);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        for finding in json["findings"].as_array().unwrap() {
            assert!(finding["message"].as_str().unwrap().starts_with("cannot read /etc/mucfocus/"), "{finding}");
        }
    }
}

#[test]
fn the_servers_half_names_what_the_configuration_names() {
    let (_folder, file) = two_rooms("half");
    let file = file.to_str().unwrap();
    let prosody = run(&["print", "prosody", "--config", file]);
    assert_eq!((prosody.status, prosody.stderr.as_str()), (0, ""));
    let ejabberd = run(&["print", "ejabberd", "--config", file]);
    assert_eq!((ejabberd.status, ejabberd.stderr.as_str()), (0, ""));
    for part in
        ["VirtualHost \"phones.example.net\"", "authentication = \"mucfocus\"", "Component \"muc.example.net\" \"muc\""]
    {
        assert!(prosody.stdout.contains(part), "no {part} in:\n{}", prosody.stdout);
    }
    for part in ["- \"phones.example.net\"", "- \"muc.example.net\"", "max_user_sessions:"] {
        assert!(ejabberd.stdout.contains(part), "no {part} in:\n{}", ejabberd.stdout);
    }
    assert!(!prosody.stdout.contains("0123456789abcdef") && !ejabberd.stdout.contains("0123456789abcdef"));
    assert_eq!(run(&["print", "prosody"]).status, 0, "of the example");
    assert_eq!(run(&["print", "prosody", "--config", "/nonexistent"]).status, 2);
}

#[test]
fn the_servers_half_has_the_ports_of_the_configuration_and_the_hosts_of_its_accounts() {
    let folder = Folder::new("ports");
    let strangers = "[[accounts]]\nsip = \"sip:*@*\"\njid = \"anon.example.net\"\nlogin = \"anonymous\"\n[[rooms]]\n";
    let room = "muc = \"capulet@muc.example.net\"\npassword = \"verona\"\n";
    let text = LEAST
        .replace("[[rooms]]\n", strangers)
        .replace("{room}@rooms", "capulet@rooms")
        .replace("muc = \"{room}@muc.example.net\"\n", room);
    let printed = |what: &str, server: &str| {
        let text = text.replace("server = \"127.0.0.1:5222\"\ntls = \"off\"", server);
        let ran = run(&["print", what, "--config", folder.config(&text).to_str().unwrap()]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        ran.stdout
    };
    let prosody = printed("prosody", "server = \"127.0.0.1:31223\"\ntls = \"direct\"");
    assert!(prosody.contains("\nc2s_direct_tls_ports = { 31223 }\n") && !prosody.contains("c2s_ports"), "{prosody}");
    assert!(
        prosody.contains("\"$(cat PASSWORD_FILE)\" | prosodyctl shell") && !prosody.contains("verona"),
        "{prosody}"
    );
    assert!(prosody.contains("(or make it with any client of example.net)"), "{prosody}");
    let prosody = printed("prosody", "server = \"127.0.0.1:31222\"");
    assert!(prosody.contains("\nc2s_ports = { 5222, 31222 }\n") && !prosody.contains("direct_tls"), "{prosody}");
    let prosody = printed("prosody", "");
    assert!(!prosody.contains("c2s_ports") && !prosody.contains("direct_tls"), "{prosody}");
    let ejabberd = printed("ejabberd", "server = \"127.0.0.1:31223\"\ntls = \"direct\"");
    let listeners: Vec<&str> = ejabberd.split("  -\n    port: ").skip(1).collect();
    assert!(listeners[0].starts_with("5222\n") && listeners[0].contains("starttls_required: true"), "{ejabberd}");
    assert!(listeners[1].starts_with("31223\n") && listeners[1].contains("    tls: true\n"), "{ejabberd}");
    assert_eq!(listeners.len(), 2, "{ejabberd}");
    assert!(printed("ejabberd", "server = \"127.0.0.1:31222\"").contains("    port: 31222\n"));
    assert!(ejabberd.contains("create_room capulet muc.example.net example.net\n"), "{ejabberd}");
    // A service of no account's domain: still not the host of strangers.
    let text = text.replace("muc.example.net", "muc.example.com");
    let elsewhere = run(&["print", "ejabberd", "--config", folder.config(&text).to_str().unwrap()]);
    assert!(elsewhere.stdout.contains("create_room capulet muc.example.com example.net\n"), "{}", elsewhere.stdout);
}

/// The threads of a running program that carry its work.
fn workers(program: u32) -> usize {
    let name = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{program}/task")).unwrap();
    tasks.filter(|task| task.as_ref().is_ok_and(|task| name(task).trim() == "tokio-rt-worker")).count()
}

#[test]
fn as_many_threads_carry_the_work_as_the_environment_says() {
    let folder = Folder::new("threads");
    let file = folder.config(LEAST);
    let serve = |threads: &str| {
        let mut program = program();
        program.env("TOKIO_WORKER_THREADS", threads).args(["serve", "--config"]).arg(&file);
        program
    };
    let mut serving = serve("3").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut ready = String::new();
    std::io::BufReader::new(serving.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    // Each takes its name when it has its first turn.
    let begun = Instant::now();
    while workers(serving.id()) < 3 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let threads = workers(serving.id());
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(threads, 3, "{ready}");

    let refused = ran(serve("many").output().unwrap());
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    let said = r#"TOKIO_WORKER_THREADS in the environment is "many": it has to be a number from 1 on"#;
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
}
