//! Keys, types and the schema: what is unknown, misspelled, of another type, or described.

use super::*;

#[test]
fn the_example_is_right_with_and_without_its_comments() {
    let only = findings(EXAMPLE);
    one(&only, &["Warning: the password stands in the configuration"]);
    let is_key = |line: &str| {
        let Some(rest) = line.strip_prefix("# ") else { return false };
        let name = rest.split(['=', ']']).next().unwrap_or_default().trim();
        rest.starts_with('[')
            || (rest.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
    };
    let uncommented = |line: &'static str| line.strip_prefix("# ").filter(|_| is_key(line)).unwrap_or(line);
    let open: String = EXAMPLE.lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    let walked = super::super::keys::walk(toml::de::DeTable::parse(&open).unwrap().get_mut());
    assert_eq!(walked.findings, [], "{open}");
    // What the example and the files that it names still lack on this machine.
    for finding in findings(&open) {
        let expected = [
            "cannot read /etc/mucfocus/",
            "the password is given more than once",
            "the password stands",
            "no folder /run/mucfocus",
        ];
        assert!(expected.iter().any(|e| finding.contains(e)), "{finding}");
    }
    for key in KEYS.values().filter(|k| !matches!(k.kind, Kind::NotYet | Kind::Table | Kind::Tables | Kind::Named)) {
        let name = key.path.rsplit('.').next().unwrap();
        // Of the three ways to give a secret one is shown for each, and all for the first.
        let another_way = ["secret", "secret_credential", "nonce_key_credential", "key_credential"].contains(&name);
        let shown = another_way || open.lines().any(|l| l.trim_start().starts_with(name));
        assert!(shown, "{} is not in the example", key.path);
    }
    for key in KEYS.values().filter(|k| k.kind == Kind::NotYet) {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let shown = open.lines().any(|l| l.starts_with(&format!("{name} ")) || l == format!("[{section}.{name}]"));
        let elsewhere = KEYS.values().any(|k| k.kind != Kind::NotYet && k.path.ends_with(&format!(".{name}")));
        assert!(!shown || elsewhere, "{} is in the example, and not yet in this version", key.path);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "[xmmp]\nserver = 'x'\n[sip]\nlisten = [\"sctp:127.0.0.1:5061\", \"udp:127.0.0.1\"]\ndomains = []\n\
                [msrp]\nlisten = [\"udp:127.0.0.1:2855\"]\n[limits]\nban_time = 7\n[timeouts]\nreflection = '29s'\n";
    let found = findings(text);
    let starts = |start: &str| assert!(found.iter().any(|f| f.starts_with(start)), "no {start:?} in {found:#?}");
    starts(r#"1:2 Error: unknown section "xmmp"; did you mean "xmpp"?"#);
    starts(r#"4:11 Error: "sctp" is not one of "udp", "tcp", "tls", "ws", "wss""#);
    starts(r#"4:34 Error: "127.0.0.1" lacks a port; write udp: and then 127.0.0.1:5060"#);
    starts("5:11 Error: sip.domains is empty");
    starts(r#"7:11 Error: "udp" is not one of "tcp", "tls", "ws", "wss""#);
    starts(r#"9:12 Error: limits.ban_time must be a string; write ban_time = "10m""#);
    starts("11:14 Error: the sender of a message gives up after 30 s; write at most \"28s\"");
}

#[test]
fn a_misspelled_required_key_is_said_once_and_what_it_holds_is_looked_at() {
    one(&changed("domains =", "domain ="), &["4:1 Error: unknown key \"domain\"", "did you mean \"domains\"?"]);
    one(&changed("jid =", "jidd ="), &["11:1 Error: unknown key \"jidd\""]);
    let found = changed("listen = [\"udp:127.0.0.1:0\"]", "listne = [\"udp:127.0.0.1\"]");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("3:11 Error: \"127.0.0.1\" lacks a port")), "{found:#?}");
}

#[test]
fn several_type_errors_hide_nothing() {
    let text = LEAST
        .replace("domains = [\"rooms.example.com\"]", "domains = \"rooms.example.com\"")
        .replace("sip = \"sip:romeo@example.org\"", "sip = 7")
        .replace("{room}@muc.example.net", "muc.example.net")
        + "[timeouts]\nreflection = '29s'\n[limits]\nlegs = true\n";
    let mut found = findings(&text);
    found.retain(|f| !f.contains("stands in the configuration"));
    let starts = |start: &str| assert!(found.iter().any(|f| f.starts_with(start)), "no {start:?} in {found:#?}");
    starts("4:11 Error: sip.domains must be a list of strings");
    starts("10:7 Error: accounts.sip must be a string");
    starts("15:7 Error: \"muc.example.net\" is not the address of a MUC");
    starts("17:14 Error: the sender of a message gives up");
    starts("19:8 Error: limits.legs must be a whole number");
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn the_schema_says_what_every_key_is_and_takes_the_example() {
    let schema = schema();
    let of = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("no {path}"));
    assert_eq!(of("/properties/timeouts/properties/join/default"), "15s");
    assert_eq!(of("/properties/timeouts/properties/join/type"), "string");
    assert_eq!(of("/properties/accounts/items/properties/login/enum/1"), "hmac");
    assert_eq!(of("/properties/accounts/items/required/1"), "jid");
    assert_eq!(of("/properties/sip/additionalProperties"), false);
    assert!(of("/properties/xmpp/properties/domains/additionalProperties/properties/tls").is_object());
    let text = schema.to_string();
    assert!(!text.contains("null") && !text.contains("$ref"), "{text}");
    for key in KEYS.values().filter(|k| k.kind != Kind::NotYet && !k.path.contains('*')) {
        let mut at = &schema;
        for name in key.path.split('.') {
            at = at.get("items").unwrap_or(at).get("properties").and_then(|p| p.get(name)).unwrap();
        }
        // Of a list of sections it is the section that is described.
        let described = at.get("description").or_else(|| at.get("items")?.get("description"));
        assert!(described.is_some_and(|d| !d.as_str().unwrap().is_empty()), "{} is not described", key.path);
    }
}

#[test]
fn a_default_of_the_schema_is_the_default() {
    let with_defaults = |section: &str| {
        let path = format!("/properties/{}/properties", section.replace('.', "/properties/"));
        let keys = schema().pointer(&path).and_then(|p| p.as_object().cloned()).unwrap();
        let lines = keys.iter().filter_map(|(name, key)| Some(format!("{name} = {}\n", key.get("default")?)));
        format!("[{section}]\n{}", lines.collect::<String>())
    };
    let (plain, mut text) = (parsed(LEAST), LEAST.replacen("[msrp]\n", &with_defaults("msrp"), 1));
    for section in ["limits", "timeouts", "log", "room_defaults", "xmpp"] {
        text += &with_defaults(section);
    }
    let written = parsed(&text);
    assert_eq!((written.limits, written.timeouts, &written.log), (plain.limits, plain.timeouts, &plain.log));
    assert_eq!((written.sip.sources, written.xmpp.logins), (plain.sip.sources, plain.xmpp.logins));
    assert_eq!(written.msrp, plain.msrp);
    assert_eq!(written.rooms, plain.rooms);
    assert_eq!(written.server_for("example.net"), plain.server_for("example.net"));
}

#[test]
fn what_stands_twice_is_told_where_it_stands_first() {
    one(
        &changed("[msrp]", "[ msrp ]\n[sip]\n[msrp]"),
        &["8:2 Error: this section stands here twice", "in line 2 already"],
    );
    let twice = changed("[sip.auth]", "listen = []\n[sip.auth]");
    one(&twice, &["5:1 Error: this key stands here twice", "in line 3 already"]);
    // The other one belongs to another section.
    one(&changed("[msrp]\n", "[msrp]\nlisten = []\n"), &["9:1 Error: this key stands here twice", "in line 8 already"]);
    let domain = "[xmpp.domains.\"a.b\"]\n";
    let twice = changed("[msrp]", &format!("{domain}tls = \"starttls\"\n{domain}[msrp]"));
    one(&twice, &["9:15 Error: this section stands here twice", "in line 7 already"]);
}

#[test]
fn a_message_size_that_no_server_takes_is_a_warning() {
    let size = |text: &str| changed("[msrp]", &format!("[msrp]\nmax_message_size = \"{text}\""));
    one(&size("10MiB"), &["8:20 Warning: XMPP servers take stanzas of 256 KiB", "print prosody"]);
    assert_eq!(size("256KiB"), [""; 0]);
}
