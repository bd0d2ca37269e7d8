//! `[control]`, and what differs between two configurations.

use super::*;
use crate::config::change::{Changes, compare, follow};

#[test]
fn the_control_socket_is_there_once_its_section_is() {
    assert_eq!(parsed(LEAST).control, None);
    assert_eq!(parsed(&format!("{LEAST}[control]\n")).control, Some("/run/mucfocus/control.sock".into()));
    let control = |path: &str| format!("{LEAST}[control]\nsocket = \"{path}\"\n");
    assert_eq!(parsed(&control("/tmp/c")).control, Some("/tmp/c".into()));
    let folder = Folder::new("control");
    let (config, _) = Config::load(&folder.write("config.toml", &control("ctl.sock"), 0o600)).unwrap();
    assert_eq!(config.control, Some(folder.0.join("ctl.sock")));
    let wrong = |path: &str| changed("[[accounts]]", &format!("[control]\nsocket = \"{path}\"\n[[accounts]]"));
    one(&wrong(""), &["10:10 Error: no path is no socket", "write socket = "]);
    one(&wrong(&"x".repeat(107)), &["10:10 Error", "too long for a socket", "at most 107"]);
}

/// Below /run it may come with the service.
#[test]
fn the_folder_of_the_control_socket_has_to_be_there() {
    let found = |path: &str| changed("[[accounts]]", &format!("[control]\nsocket = \"{path}\"\n[[accounts]]"));
    one(&found("/no/such/folder/c"), &["10:10 Error: there is no folder /no/such/folder", "mkdir /no/such/folder"]);
    one(&found("/run/no-such-service/c"), &["10:10 Warning: there is no folder", "RuntimeDirectory="]);
    assert_eq!(found("/tmp/c"), [""; 0]);
    assert_eq!(found("c"), [""; 0], "beside the file");
}

/// What is said to differ from the least configuration, after `change` to its text.
fn differing(change: impl FnOnce(&str) -> String) -> (Vec<String>, Vec<String>) {
    let Changes { live, restart, .. } = compare(&parsed(LEAST), &parsed(&change(LEAST)));
    (live, restart)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_differs_is_named_by_its_key_and_the_order_of_lines_is_nothing() {
    assert_eq!(differing(|text| format!("# a comment\n{text}")), (vec![], vec![]));
    assert_eq!(differing(|text| format!("{text}[timeouts]\ndrain = \"9s\"\n")), (names(&["timeouts.drain"]), vec![]));
    assert_eq!(differing(|text| text.replace("rooms.example.com\"]", "a.example\"]")).0, names(&["sip.domains"]));
    assert_eq!(differing(|text| text.replace("verona", "mantua")), (names(&["accounts"]), vec![]));
    assert_eq!(differing(|text| text.replace("udp:127.0.0.1:0", "udp:[::1]:0")), (vec![], names(&["sip.listen"])));
    assert_eq!(differing(|text| format!("{text}[http]\n")), (vec![], names(&["http"])));
    assert_eq!(differing(|text| format!("{text}[limits]\nlegs = 3\n")).0, names(&["limits.legs"]));
}

#[test]
fn what_counts_for_new_calls_only_is_named() {
    let new_calls = |more: &str| compare(&parsed(LEAST), &parsed(&format!("{LEAST}{more}"))).new_calls;
    assert_eq!(new_calls("[room_defaults]\nhistory = 3\n"), names(&["room_defaults.history"]));
    assert_eq!(new_calls("[limits]\nlegs = 3\nmessages_per_user = \"off\"\n"), names(&["limits.messages_per_user"]));
    assert_eq!(new_calls("[timeouts]\ndrain = \"9s\"\n"), names(&[]));
    for key in crate::config::change::TAKEN_ALONG {
        assert!(crate::config::change::LIVE.contains(&key), "{key} is not followed at all");
    }
}

/// A key of which nobody said that a running process follows it needs a restart: to say so is never wrong.
#[test]
fn every_key_that_is_followed_is_a_key() {
    for key in crate::config::change::LIVE {
        assert!(KEYS.contains_key(key), "{key} is no key");
    }
}

#[test]
fn what_needs_a_restart_is_said_again_the_next_time() {
    let (running, mut next) = (parsed(LEAST), parsed(&LEAST.replace("udp:127.0.0.1:0", "udp:[::1]:0")));
    follow(&running, &mut next);
    assert_eq!(next.sip.listen, running.sip.listen, "what runs is what was there before");
    let again = parsed(&LEAST.replace("udp:127.0.0.1:0", "udp:[::1]:0"));
    assert_eq!(compare(&next, &again).restart, names(&["sip.listen"]));
    assert_eq!(compare(&next, &running), Changes::default(), "and taken back it is no change");
}

#[test]
fn a_secret_is_compared_and_not_kept() {
    let folder = Folder::new("secrets");
    let text = LEAST.replace("password = \"verona\"", "password_file = \"pw\"");
    let load = |secret: &str| {
        folder.write("pw", secret, 0o600);
        Config::load(&folder.write("config.toml", &text, 0o600)).unwrap().0
    };
    let (one, same, other) = (load("verona"), load("verona"), load("mantua"));
    assert_eq!(compare(&one, &same), Changes::default());
    assert_eq!(compare(&one, &other).live, names(&["accounts"]));
    assert!(!format!("{one:?}").contains("verona"));
}
