//! `[msrp]` and `[tls]`: listeners, certificates, and limits that must fit together.

use mucfocus_rig::certificate::Certificate;

use super::*;

/// What is found when `[msrp]` has these lines too.
fn msrp(lines: &str) -> Vec<String> {
    changed("[msrp]\n", &format!("[msrp]\n{lines}\n"))
}

/// What is found with this certificate and these lines of `[tls]` behind its two, in a folder where the files are.
fn tls(folder: &Folder, certificate: &Certificate, lines: &str, listen: &str) -> Vec<String> {
    certificate.copy_to(&folder.0);
    fs::set_permissions(folder.0.join("leaf.key"), fs::Permissions::from_mode(0o600)).unwrap();
    in_folder(folder, lines, listen)
}

fn in_folder(folder: &Folder, lines: &str, listen: &str) -> Vec<String> {
    let at = folder.0.display();
    let section = format!("[tls]\ncertificate_file = \"{at}/leaf.pem\"\nkey_file = \"{at}/leaf.key\"\n{lines}\n[sip]");
    let text = LEAST.replacen("[sip]", &section, 1).replacen("tcp:127.0.0.1:0", listen, 1);
    findings(&text).into_iter().filter(|f| !f.contains("the password stands")).collect()
}

#[test]
fn every_limit_of_a_session_is_a_key() {
    let lines = "max_message_size = \"32KiB\"\nmax_head_size = \"2KiB\"\nmax_path_length = 2\nunfinished_messages = 7\n\
                 unfinished_size = \"40KiB\"\nunfinished_size_total = \"1MiB\"\nchunk_time = \"10s\"\nunbound_time = \"5s\"\n\
                 idle_time = \"1h\"\nwrite_queue = \"100KiB\"\nwrite_time = \"7s\"\ncema_strict = true\nsha1_fingerprints = true\n\
                 allowed_origins = [\"https://chat.example.com\"]\n";
    let text = LEAST.replacen("[msrp]\n", &format!("[msrp]\n{lines}"), 1);
    let msrp = parsed(&text).msrp;
    let limits = msrp.limits;
    let seconds = Duration::from_secs;
    assert_eq!((limits.message, limits.wire.head, limits.wire.path), (32 << 10, 2 << 10, 2));
    assert!(limits.wire.line <= limits.wire.head, "a line is no longer than the head");
    assert_eq!((limits.unfinished, limits.unfinished_octets), (7, 40 << 10));
    assert_eq!(limits.unfinished_octets_total, 1 << 20);
    assert_eq!((limits.chunk_patience, limits.unbound_time), (seconds(10), seconds(5)));
    assert_eq!((limits.idle_time, limits.queue_patience), (Some(seconds(3600)), seconds(7)));
    assert_eq!(limits.queue_octets, 100 << 10);
    assert!(msrp.policy.cema_strict && msrp.policy.sha1_fingerprints);
    assert!(msrp.allowed_origins.allow("https://chat.example.com"));
    let off = parsed(&LEAST.replacen("[msrp]\n", "[msrp]\nidle_time = \"off\"\nunfinished_size_total = \"off\"\n", 1));
    assert_eq!((off.msrp.limits.idle_time, off.msrp.limits.unfinished_octets_total), (None, usize::MAX));
}

#[test]
fn a_limit_that_nothing_fits_is_refused_with_one_that_does() {
    one(&msrp("max_head_size = \"100B\""), &["8:17 Error: ", "write at least \"1KiB\""]);
    one(&msrp("max_head_size = \"1GiB\""), &["8:17 Error: ", "\"1MiB\" at most"]);
    one(&msrp("max_path_length = 0"), &["8:19 Error: ", "write a number from 1"]);
    one(&msrp("unfinished_messages = 0"), &["8:23 Error: ", "write at least 1"]);
    one(&msrp("write_queue = \"1KiB\""), &["8:15 Error: ", "write at least \"16KiB\""]);
    for key in ["chunk_time", "unbound_time", "idle_time", "write_time"] {
        one(&msrp(&format!("{key} = \"0s\"")), &["Error: ", "write \"1s\" at least"]);
        one(&msrp(&format!("{key} = \"25h\"")), &["Error: ", "write \"24h\" at most"]);
    }
    one(&msrp("unbound_time = \"off\""), &["8:16 Error: ", "write a number and ms, s, m or h"]);
}

#[test]
fn sizes_that_do_not_fit_together_are_said() {
    one(
        &msrp("unfinished_size = \"32KiB\""),
        &["8:19 Error: a message of max_message_size does not fit unfinished_size"],
    );
    one(
        &msrp("unfinished_size = \"2MiB\"\nunfinished_size_total = \"1MiB\""),
        &["9:25 Error: one session alone could take all"],
    );
    one(&msrp("unfinished_size_total = \"512KiB\""), &["8:25 Warning: four sessions could take all"]);
    assert_eq!(msrp("unfinished_size_total = \"off\""), [""; 0]);
}

#[test]
fn a_listener_that_needs_a_certificate_says_where_to_write_it() {
    one(&changed("tcp:127.0.0.1:0", "tls:127.0.0.1:0"), &["8:11 Error: tls needs a certificate", "section [tls]"]);
    let found = changed("[\"tcp:127.0.0.1:0\"]", "[\"tcp:127.0.0.1:0\", \"wss:127.0.0.1:0\"]\nallowed_origins = []");
    one(&found, &["8:30 Error: wss needs a certificate"]);
}

#[test]
fn a_room_for_tls_only_needs_a_listener_for_it() {
    // SW-37
    let muc = "muc = \"{room}@muc.example.net\"";
    let found = changed(muc, &format!("{muc}\ntls_only = true"));
    one(&found, &["14:7 Warning: this room is tls_only", "add a listener like \"tls:"]);
}

#[test]
fn two_kinds_do_not_share_a_port() {
    let found =
        changed("[\"tcp:127.0.0.1:0\"]", "[\"tcp:127.0.0.1:2855\", \"ws:127.0.0.1:2855\"]\nallowed_origins = []");
    one(&found, &["8:33 Error: 127.0.0.1:2855 is listened on for tcp already"]);
    let found = changed("tcp:127.0.0.1:0", "tls:127.0.0.1");
    one(&found, &["Error: \"127.0.0.1\" lacks a port; write tls: and then 127.0.0.1:2856"]);
}

#[test]
fn a_port_that_only_one_listener_has_cannot_be_said_for_all() {
    let two = "[\"tcp:127.0.0.1:0\", \"ws:127.0.0.1:0\"]\nallowed_origins = []\nadvertise = \"a.example:99\"";
    one(
        &changed("[\"tcp:127.0.0.1:0\"]", two),
        &["10:13 Error: this port would be said for every transport", "host alone"],
    );
    assert_eq!(changed("[\"tcp:127.0.0.1:0\"]", &two.replace(":99", "")), [""; 0]);
    assert_eq!(msrp("advertise = \"a.example:99\""), [""; 0]);
}

#[test]
fn browsers_are_let_in_by_name_and_not_in_the_clear() {
    // WS-01
    one(
        &changed("tcp:127.0.0.1:0", "ws:127.0.0.1:0"),
        &["8:11 Warning: no browser gets in by ws", "allowed_origins = "],
    );
    let open = changed("[\"tcp:127.0.0.1:0\"]", "[\"ws:10.0.0.5:8080\"]\nallowed_origins = [\"*\"]");
    one(&open, &["8:11 Warning: what people write by ws: goes over the network in the clear", "wss:"]);
    one(&msrp("allowed_origins = [\"chat.example.com\"]"), &["8:20 Error: ", "https://chat.example.com"]);
}

#[test]
fn a_certificate_and_its_key_are_read() {
    // MS-TLS-01
    let folder = Folder::new("tls");
    let certificate = Certificate::for_host("focus1.example.com");
    one(&tls(&folder, &certificate, "", "tls:127.0.0.1:0"), &["3:20 Warning: the certificate expires in ", "renew it"]);
    let found = tls(&folder, &certificate, "", "tcp:127.0.0.1:0");
    assert!(found.iter().any(|f| f.contains("Warning: nothing listens with this certificate")), "{found:#?}");
    let found = tls(&folder, &certificate, "", "tls:127.0.0.1:0\"]\nadvertise = \"other.example.com\" #[\"");
    assert!(found.iter().any(|f| f.contains("Warning: the certificate is not for other.example.com")), "{found:#?}");
    let found = tls(&folder, &certificate, "", "tls:127.0.0.1:0\"]\nadvertise = \"focus1.example.com\" #[\"");
    assert!(!found.iter().any(|f| f.contains("is not for")), "{found:#?}");
    let found = tls(&folder, &certificate, "client_ca_file = \"x\"", "tls:127.0.0.1:0");
    assert!(found.iter().any(|f| f.contains("Error: cannot read ") && f.contains("/x: ")), "{found:#?}");
}

#[test]
fn files_that_are_no_certificate_and_key_say_what_to_write() {
    let folder = Folder::new("tls-wrong");
    let (certificate, other) = (Certificate::for_host("a.example"), Certificate::for_host("b.example"));
    let _ = tls(&folder, &certificate, "", "tls:127.0.0.1:0");
    let found = || in_folder(&folder, "", "tls:127.0.0.1:0");
    fs::set_permissions(folder.0.join("leaf.key"), fs::Permissions::from_mode(0o640)).unwrap();
    one(&found(), &["4:12 Error: others can read or change", "chmod 600"]);
    let key = fs::read_to_string(other.files().1).unwrap();
    folder.write("leaf.key", &key, 0o600);
    one(&found(), &["4:12 Error: the key in ", " is not the one of the first certificate in ", "openssl"]);
    folder.write("leaf.key", "no key", 0o600);
    one(&found(), &["4:12 Error: ", "holds no PEM key"]);
    folder.write("leaf.pem", &key, 0o600);
    one(&found(), &["3:20 Error: ", "holds no PEM certificate"]);
    fs::remove_file(folder.0.join("leaf.pem")).unwrap();
    one(&found(), &["3:20 Error: cannot read ", "leaf.pem"]);
}
