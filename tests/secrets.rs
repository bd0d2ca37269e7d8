//! What must stay with us is in nothing that the program says: SEC-09.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mucfocus_rig::{World, on_both_servers};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// Every kind of secret, in the file and beside it; all contain this word.
const SECRET: &str = "wherefore-art-thou";

const CONFIGURATION: &str = r#"[sip]
listen = ["udp:127.0.0.1:0"]
domains = ["rooms.example.com"]
[sip.auth]
realm = "rooms.example.com"
trusted_peers = ["127.0.0.1"]
[[sip.auth.users]]
sip = "sip:romeo@example.org"
password = "wherefore-art-thou-1"
[msrp]
listen = ["tcp:127.0.0.1:0"]
[xmpp]
server = "127.0.0.1:1"
tls = "off"
[[accounts]]
sip = "sip:romeo@example.org"
jid = "romeo@example.net"
password = "wherefore-art-thou-2"
[[accounts]]
sip = "sip:juliet@example.org"
jid = "juliet@example.net"
password_file = "juliet.xmpp"
[[accounts]]
sip = "sip:{user}@phones.example.org"
jid = "{user}@phones.example.net"
login = "hmac"
secret_file = "mint.key"
[[rooms]]
sip = "sip:{room}@rooms.example.com"
muc = "{room}@muc.example.net"
password = "wherefore-art-thou-3"
"#;

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Both outputs of a run in `folder`.
fn says(folder: &Path, arguments: &[&str]) -> String {
    let mut program = Command::new(BINARY);
    let output = program.args(arguments).current_dir(folder).stdin(Stdio::null()).env("RUST_LOG", "trace");
    let output = output.output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
}

#[test]
fn no_command_shows_a_secret_of_its_configuration() {
    let folder = TempDir::with_prefix("mucfocus-secrets-").unwrap();
    let folder = folder.path();
    write(folder, "juliet.xmpp", "wherefore-art-thou-4\n");
    write(folder, "mint.key", "wherefore-art-thou-5-and-more-octets-of-it\n");
    write(folder, "config.toml", CONFIGURATION);
    let (romeo, room) = ("sip:romeo@example.org", "sip:capulet@rooms.example.com");
    let commands: &[&[&str]] = &[
        &["check", "--config", "config.toml"],
        &["check", "--config", "config.toml", "--json"],
        &["check", "--config", "config.toml", "--online"],
        &["route", "--config", "config.toml", "--from", romeo, room],
        &["route", "--config", "config.toml", "--from", romeo, room, "--json"],
        &["print", "prosody", "--config", "config.toml"],
        &["print", "ejabberd", "--config", "config.toml"],
    ];
    for command in commands {
        let said = says(folder, command);
        assert!(!said.is_empty() && !said.contains(SECRET), "{command:?}:\n{said}");
    }
}

/// The line that is wrong is shown, and what stands in it may be what nobody should see.
#[test]
fn what_is_wrong_with_a_secret_is_shown_without_it() {
    let folder = TempDir::with_prefix("mucfocus-secrets-").unwrap();
    let folder = folder.path();
    write(folder, "juliet.xmpp", "wherefore-art-thou-4\n");
    write(folder, "mint.key", "wherefore-art-thou-5-and-more-octets-of-it\n");
    for (right, wrong) in [
        ("password = \"wherefore-art-thou-2\"", "password = [\"wherefore-art-thou-2\"]"),
        ("password = \"wherefore-art-thou-2\"", "passwrod = \"wherefore-art-thou-2\""),
        ("password = \"wherefore-art-thou-2\"", "password = \"wherefore-art-thou-2"),
        ("password = \"wherefore-art-thou-2\"", "password = \"wherefore-art-thou-2\"\npassword_file = \"juliet.xmpp\""),
        (
            "password = \"wherefore-art-thou-3\"",
            "password = \"wherefore-art-thou-3\"\npassword = \"wherefore-art-thou-6\"",
        ),
    ] {
        let text = CONFIGURATION.replace(right, wrong);
        assert_ne!(text, CONFIGURATION);
        write(folder, "config.toml", &text);
        for command in [&["check", "--config", "config.toml"][..], &["serve", "--config", "config.toml"]] {
            let said = says(folder, command);
            assert!(said.contains("config.toml") && !said.contains(SECRET), "{command:?} of {wrong}:\n{said}");
        }
    }
}

/// The most that can be logged, of ours and of what we stand on.
#[on_both_servers]
async fn the_fullest_log_names_no_password() {
    let world = World::with(BINARY, |s| s.log = "trace".into()).await;
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let romeo = world.member("capulet", "romeo").await;
    assert_eq!(romeo.says("what is in a name").await.code(), Some(200));
    juliet.hears(&world.muc("capulet"), "what is in a name").await;
    let log = world.mucfocus.log();
    // As it is, and as SASL PLAIN has it: the first octets of it depend on the name before them.
    for password in ["verona", "dmVyb25h", "Zlcm9uY"] {
        assert!(!log.contains(password), "{password} is in the log");
    }
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not the fullest:\n{log}");
}
