//! `[[accounts]]`: logins, secrets, and who would share a JID.

use super::*;

/// One more than the least octets.
const SECRET: &str = "0123456789abcdef0123456789abcdef0";

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
fn a_minting_login_needs_a_secret_that_cannot_be_guessed_and_a_user() {
    let account = |text: &str| {
        let mut found = changed("jid = \"romeo@example.net\"\npassword = \"verona\"", text);
        found.retain(|f| !f.contains("the secret stands in the configuration"));
        found
    };
    for login in ["hmac", "jwt"] {
        let with = |more: &str| account(&format!("jid = \"romeo@example.net\"\nlogin = \"{login}\"\n{more}"));
        assert_eq!(with(&format!("secret = \"{SECRET}\"")), [""; 0]);
        one(&with(""), &["9:1 Error: this login has no secret", "secret_file = "]);
        one(&with("secret = \"0123456789abcdef0123456789abcde\""), &["13:10 Error", login, "31 octets", "openssl"]);
        one(&with(&format!("secret = \"{SECRET}\"\npassword = \"x\"")), &["14:12 Error", "does not use this"]);
        let nobody = format!("jid = \"example.net\"\nlogin = \"{login}\"\nsecret = \"{SECRET}\"");
        one(&account(&nobody), &["11:7 Error", "needs a user part", "write user@example.net"]);
    }
    one(&changed("password = \"verona\"", "login = \"component\""), &["12:9 Error", "component", "not yet"]);
    one(&changed("password = \"verona\"", "login = \"pasword\""), &["Error", r#"did you mean "password"?"#]);
    one(
        &changed("password = \"verona\"", &format!("secret = \"{SECRET}\"\npassword = \"x\"")),
        &["12:10 Error", "does not use this"],
    );
}

#[test]
fn a_rule_with_captures_gives_each_caller_a_login_of_his_own() {
    let captures = format!(
        "[[accounts]]\nsip = \"sip:{{user}}@example.com\"\njid = \"{{user}}@phones.example.net\"\nlogin = \"hmac\"\n\
         secret = \"{SECRET}\"\n[[accounts]]\nsip = \"sip:*@*\"\njid = \"anon.example.net\"\nlogin = \"anonymous\"\n"
    );
    let config = parsed(&format!("{LEAST}{captures}"));
    let account = |who: &str| config.account_for(&uri(who)).unwrap();
    let juliet = account("sip:juliet@example.com");
    assert_eq!(juliet.jid.as_str(), "juliet@phones.example.net");
    assert!(matches!(&juliet.login, crate::xmpp::settings::Login::Hmac(secret) if secret.expose_secret() == SECRET));
    let (a, b) = (account("sip:a@anywhere.example"), account("sip:b@anywhere.example"));
    assert_eq!((a.jid.as_str(), b.jid.as_str()), ("anon.example.net", "anon.example.net"));
    assert!(a.key != b.key && a.key == account("sip:a@anywhere.example;transport=tcp").key);
    assert!(matches!(a.login, crate::xmpp::settings::Login::Anonymous));
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn strangers_share_a_domain_and_that_is_not_warned_of() {
    let anonymous = |jid: &str, more: &str| {
        let text = format!("{LEAST}[[accounts]]\nsip = \"sip:*@*\"\njid = \"{jid}\"\nlogin = \"anonymous\"\n{more}");
        let mut found = findings(&text);
        found.retain(|f| !f.contains("stands in the configuration"));
        found
    };
    assert_eq!(anonymous("anon.example.net", ""), [""; 0]);
    one(&anonymous("x@anon.example.net", ""), &["18:7 Error", "makes up the user", "jid = \"anon.example.net\""]);
    one(&anonymous("anon.example.net", "password = \"x\""), &["20:12 Error", "does not use this"]);
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
    assert_eq!(password_of(&romeo), "balcony");
    assert!(!format!("{config:?}").contains("balcony"), "a secret is never shown");

    let error = |keys: &str| match load(keys) {
        Err(ConfigErrors::Wrong(f)) => f.iter().map(|f| format!("{}; {}", f.message, f.help)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let path = folder.0.join("open");
    one(
        &error("password_file = \"./open\""),
        &["others can read or change", "644", &format!("run: chmod 600 {}", path.canonicalize().unwrap().display())],
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

/// ADDR-07: whatever letters a domain is written in, it is one domain, in ASCII for SIP and as people read it for XMPP.
#[test]
fn a_domain_in_other_letters_is_one_domain() {
    for (sip, xmpp) in
        [("b\u{fc}cher.example", "b\u{fc}cher.example"), ("xn--bcher-kva.example", "xn--bcher-kva.example")]
    {
        let text = LEAST
            .replace("rooms.example.com", &format!("rooms.{sip}"))
            .replace("romeo@example.org", &format!("romeo@{sip}"))
            .replace("example.net", xmpp)
            + &format!("[xmpp.domains.\"{xmpp}\"]\nserver = \"192.0.2.7\"\n");
        let (config, _) = Config::parse(&text, "config.toml").unwrap();
        assert_eq!(config.sip.domains, ["rooms.xn--bcher-kva.example"]);
        let room = config.rooms.find(&SipUri::parse("sip:a@rooms.xn--bcher-kva.example").unwrap()).unwrap();
        assert_eq!(room.muc.to_string(), "a@muc.b\u{fc}cher.example");
        let account = config.account_for(&SipUri::parse("sip:romeo@xn--bcher-kva.example").unwrap()).unwrap();
        assert_eq!(account.jid.to_string(), "romeo@b\u{fc}cher.example");
        assert_eq!(account.server.address, Some(("192.0.2.7".into(), 5222)));
    }
}
