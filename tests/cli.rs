//! The program as an operator runs it: what it prints where, and with which status it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    let sections = "node sip sip.auth msrp xmpp accounts room_defaults rooms limits timeouts log http";
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
    let file = folder.config(&(text + "[timeouts]\nmuc_outage = \"2m\"\n"));
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
    assert!(
        lax.stdout.contains("5:17: no peer is trusted, so nobody can call; write trusted_peers = "),
        "{}",
        lax.stdout
    );
    assert_eq!(check(&file, &["--strict"]).status, 1);
}

#[test]
fn json_holds_each_finding_with_its_place() {
    let folder = Folder::new("json");
    let file = folder.config(&LEAST.replace("domains", "domain"));
    let ran = check(&file, &["--json"]);
    assert_eq!(ran.status, 2);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"], json["file"].as_str()), (&2.into(), &0.into(), file.to_str()));
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
    assert_eq!(check(&folder.0.join("config.toml"), &[]).status, 2);
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
        &["serve", "--log-format", "x"],
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

#[test]
fn what_was_promised_for_later_says_not_yet() {
    let later: [&[&str]; 7] = [
        &["route", "sip:capulet@rooms.example.com", "--json"],
        &["schema"],
        &["ctl", "ladder", "call-id", "--follow"],
        &["print", "prosody"],
        &["print", "ejabberd"],
        &["check", "--online"],
        &["route", "--help"],
    ];
    for arguments in later {
        let ran = run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains("not yet in this version"), "{arguments:?}: {}", ran.stderr);
    }
}
