//! `[sip]`, `[sip.auth]`: who is believed, and who logs in.

use mucfocus_rig::certificate::Certificate;

use super::*;

#[test]
fn whom_to_believe_is_written_as_address_or_network() {
    let peers = |text: &str| changed(r#"["127.0.0.1"]"#, text);
    one(&peers("[]"), &["6:17 Warning: no peer is trusted"]);
    one(&peers(r#"["udp:0.0.0.0/0"]"#), &["Warning: everybody is trusted"]);
    one(&peers(r#"["10.0.0.5/24"]"#), &["Error", "write 10.0.0.0/24 for the network, or 10.0.0.5 for the one address"]);
    one(&peers(r#"["10.0.0.5:5060"]"#), &["Error", "write the address alone: 10.0.0.5"]);
    one(&peers(r#"["tcp:10.0.0.5"]"#), &["Error", r#"write "10.0.0.5""#]);
    one(&peers(r#"["proxy.example.com"]"#), &["Error", "is not an address or network"]);
    one(&peers("[\"127.0.0.1\"]\nidentity = []"), &["Error", "nobody can call"]);
    one(&peers("[\"127.0.0.1\"]\nidentity = [\"form\"]"), &["Error", r#"did you mean "from"?"#]);
    assert_eq!(peers("[\"127.0.0.1\"]\nuntrusted = \"challenge\""), [""; 0]);
    one(&peers("[]\nuntrusted = \"refuse\""), &["6:17 Warning: no peer is trusted, so nobody can call"]);
}

#[test]
fn a_peer_is_named_where_somebody_vouches_for_names() {
    // SIP-15
    let names = |name: &str| changed(r#"["127.0.0.1"]"#, &format!("[\"127.0.0.1\", \"tls:{name}\"]"));
    one(&names("proxy.example.com"), &["6:17 Error: nobody vouches that a peer is \"tls:proxy.", "client_ca_file"]);
    one(&names("*.example.com"), &["6:31 Error: \"*.example.com\" is not the name of one host"]);
    one(&names("10.0.0.10"), &["6:31 Error: an address alone is believed over TLS"]);

    let folder = Folder::new("names");
    let certificate = Certificate::for_host("focus1.example.com");
    certificate.copy_to(&folder.0);
    fs::set_permissions(folder.0.join("leaf.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let at = folder.0.display();
    let section = format!(
        "[tls]\ncertificate_file = \"{at}/leaf.pem\"\nkey_file = \"{at}/leaf.key\"\nclient_ca_file = {:?}\n[sip]",
        certificate.authority()
    );
    let text = LEAST.replacen("[sip]", &section, 1).replace(r#"["127.0.0.1"]"#, r#"["tls:Proxy.Example.com"]"#);
    let found = findings(&text);
    assert!(found.iter().any(|f| f.contains("Error: \"tls:proxy.example.com\" cannot come")), "{found:#?}");
    let text = text.replace("udp:127.0.0.1:0", "tls:127.0.0.1:0");
    let config = parsed(&text);
    assert_eq!(config.sip.trusted_names, ["proxy.example.com"]);
    assert_eq!(config.tls.unwrap().client_ca_file, Some(certificate.authority()));
}

#[test]
fn every_transport_of_sip_is_listened_on_and_what_it_needs_is_said() {
    // SIP-15, FT-39
    let listen = |text: &str| changed(r#""udp:127.0.0.1:0""#, text);
    one(&listen(r#""tls:127.0.0.1:0""#), &["3:11 Error: tls needs a certificate", "section [tls]"]);
    one(&listen(r#""tls:127.0.0.1""#), &["3:11 Error: ", "write tls: and then 127.0.0.1:5061"]);
    one(&listen(r#""ws:127.0.0.1:0""#), &["3:11 Warning: no browser gets in by ws", "allowed_origins = "]);
    let open = listen("\"ws:10.0.0.5:8080\"]\nallowed_origins = [\"*\"] #");
    one(&open, &["3:11 Warning: what people write by ws: goes over the network in the clear"]);
    one(
        &listen("\"tcp:127.0.0.1:5060\", \"ws:127.0.0.1:5060\"]\nallowed_origins = [] #"),
        &["3:33 Error: 127.0.0.1:5060 is listened on for tcp already"],
    );
    let ports = listen(
        "\"tcp:127.0.0.1:5060\", \"ws:127.0.0.1:8080\"]\nallowed_origins = []\nadvertise = \"a.example:5060\" #",
    );
    one(&ports, &["5:13 Error: this port would be said for every transport", "write the host alone"]);
    let origins = listen("\"udp:127.0.0.1:0\"]\nallowed_origins = [\"chat.example.com\"] #");
    one(&origins, &["4:20 Error: ", "https://chat.example.com"]);
}

#[test]
fn sip_users_log_in_by_digest_with_a_password_each() {
    // SIP-14
    let users = |text: &str| {
        let mut found = changed("[msrp]", &format!("{text}\n[msrp]"));
        found.retain(|f| !f.contains("stands in the configuration"));
        found
    };
    let romeo = "[[sip.auth.users]]\nsip = \"sip:romeo@example.org\"\npassword = \"balcony\"";
    let text = LEAST.replacen("[msrp]", &format!("realm = \"verona\"\nalgorithms = [\"MD5\"]\n{romeo}\n[msrp]"), 1);
    let Untrusted::Challenge(digest) = parsed(&text).sip.untrusted else { panic!() };
    assert_eq!((digest.realm.as_str(), digest.algorithms), ("verona", vec![Algorithm::Md5]));
    let user = digest.users.first().unwrap();
    assert_eq!((user.aor.to_string().as_str(), user.password.expose_secret()), ("sip:romeo@example.org", "balcony"));

    one(&users(&format!("{romeo}\n{romeo}")), &["11:7 Error: sip:romeo@example.org stands in line 7 too"]);
    one(&users("[[sip.auth.users]]\nsip = \"sip:romeo@example.org\""), &["7:1 Error", "has no password", "romeo.pw"]);
    one(&users("[[sip.auth.users]]\npassword = \"x\""), &["7:1 Error: sip is missing in this [[sip.auth.users]]"]);
    one(&users("[[sip.auth.users]]\nsip = \"sip:example.org\"\npassword = \"x\""), &["8:7 Error", "no user part"]);
    one(&users("[[sip.auth.users]]\nsip = \"sip:*@example.org\"\npassword = \"x\""), &["8:7 Error", "his own"]);
    one(&users(&format!("untrusted = \"drop\"\n{romeo}")), &["8:1 Warning: nobody is asked for a password"]);
    one(&users("realm = \"a\\\"b\""), &["7:9 Error: this cannot be a realm"]);
    one(&users("algorithms = []"), &["7:14 Error: no algorithm is offered"]);
    one(&users("algorithms = [\"SHA-265\"]"), &["7:15 Error", "did you mean \"SHA-256\"?"]);
    one(&users("algorithms = [\"md5\", \"MD5\"]"), &["7:22 Error", "stands here twice"]);
    one(&users("untrusted = \"challange\""), &["7:13 Error", "did you mean \"challenge\"?"]);
}

#[test]
fn nobody_can_log_in_without_users_and_trusted_peers() {
    let alone = r#"trusted_peers = ["127.0.0.1"]"#;
    one(&changed(alone, ""), &["- Warning: no peer is trusted and no SIP user has a password", "[[sip.auth.users]]"]);
    let user = "[[sip.auth.users]]\nsip = \"sip:romeo@example.org\"\npassword = \"balcony\"";
    let found: Vec<_> = changed(alone, user).into_iter().filter(|f| !f.contains("the password stands")).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_key_of_nonces_is_any_octets_but_enough_of_them() {
    let folder = Folder::new("nonce");
    let load = |octets: &[u8]| {
        fs::write(folder.write("nonce.key", "", 0o600), octets).unwrap();
        let text = format!("[node]\nnonce_key_file = \"nonce.key\"\n{LEAST}");
        Config::load(&folder.write("config.toml", &text, 0o600))
    };
    assert!(load(&[0xff; 32]).is_ok());
    let Err(ConfigErrors::Wrong(found)) = load(&[0xff; 31]) else { panic!() };
    assert!(found.iter().any(|f| f.message.contains("31 octets")), "{found:?}");
}

#[test]
fn listening_to_datagrams_that_nobody_believes_is_warned_of() {
    let alone = [r#"trusted_peers = ["127.0.0.1"]"#, r#"trusted_peers = ["10.0.0.10"]"#];
    one(&changed(alone[0], alone[1]), &["6:17 Warning", "nobody who comes by datagram can call", "udp:ADDRESS"]);
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
fn the_probes_have_a_port_that_nothing_else_has() {
    let text = |http: &str, sip: &str, msrp: &str| {
        let text = LEAST.replace("udp:127.0.0.1:0", sip).replace("[\"tcp:127.0.0.1:0", &format!("[\"tcp:{msrp}"));
        let mut found = findings(&format!("{text}[http]\nlisten = \"{http}\"\n"));
        found.retain(|f| f.contains("is taken"));
        found
    };
    let of_sip = text("127.0.0.1:5060", "tcp:127.0.0.1:5060", "127.0.0.1:0");
    one(&of_sip, &["Error: 127.0.0.1:5060 is taken: 127.0.0.1:5060 is in sip.listen", "a port of its own"]);
    assert!(!of_sip[0].starts_with('-'), "it is pointed at: {of_sip:?}");
    one(&text("127.0.0.1:2855", "udp:127.0.0.1:0", "127.0.0.1:2855"), &["is in msrp.listen"]);
    one(&text("127.0.0.1:2855", "udp:127.0.0.1:0", "0.0.0.0:2855"), &["0.0.0.0:2855 is in msrp.listen"]);
    for sip in ["udp:127.0.0.1:8085", "tcp:127.0.0.2:8085"] {
        assert_eq!(text("127.0.0.1:8085", sip, "127.0.0.1:8086"), [""; 0]);
    }
    assert_eq!(text("127.0.0.1:0", "tcp:127.0.0.1:0", "127.0.0.1:0"), [""; 0]);
    let default = LEAST.replace("udp:127.0.0.1:0", "tcp:127.0.0.1:8085");
    assert!(findings(&format!("{default}[http]\n")).iter().any(|f| f.contains("127.0.0.1:8085 is taken")));
}

/// CF-06, ERR-08.
#[test]
fn whom_we_call_goes_through_one_proxy_that_we_listen_for() {
    let outbound = |text: &str| {
        let mut found = changed("[msrp]", &format!("[sip.outbound]\n{text}\n[msrp]"));
        found.retain(|f| !f.contains("stands in the configuration"));
        found
    };
    let whole = "proxy = \"sip:10.0.0.10\"\nallow = [\"sip:*@example.org\"]";
    let text = |more: &str| LEAST.replacen("[msrp]", &format!("[sip.outbound]\n{whole}\n{more}\n[msrp]"), 1);
    let read = parsed(&text("")).outbound.unwrap();
    assert_eq!(read.route.proxy, "sip:10.0.0.10;lr", "every proxy is a loose router");
    assert!(read.route.credentials.is_none() && read.allow.len() == 1);
    assert!(parsed(LEAST).outbound.is_none(), "without the table nobody is called");
    let (name, password) =
        parsed(&text("username = \"focus\"\npassword = \"x\"")).outbound.unwrap().route.credentials.unwrap();
    assert_eq!((name.as_str(), password.expose_secret()), ("focus", "x"));

    let proxy = |uri: &str| outbound(&whole.replace("sip:10.0.0.10", uri));
    one(&proxy("sip:10.0.0.10;transport=tcp"), &["Error", "over tcp, which sip.listen does not have", "add \"tcp:"]);
    one(&proxy("sip:10.0.0.10;transport=sctp"), &["Error", "cannot be made over \"sctp\""]);
    one(&proxy("sip:romeo@10.0.0.10"), &["Error", "is not the address of a proxy"]);
    one(&proxy("sips:10.0.0.10"), &["Error", "is not the address of a proxy"]);
    one(&proxy("proxy.example.org"), &["Error", "is no SIP URI"]);
    one(&outbound("allow = [\"sip:*@*\"]"), &["Error", "sip.outbound.proxy is missing"]);
    one(&outbound("proxy = \"sip:10.0.0.10\""), &["Error", "sip.outbound.allow is missing"]);
    one(&outbound("proxy = \"sip:10.0.0.10\"\nallow = []"), &["Warning", "nobody is ever called"]);
    one(&outbound("proxy = \"sip:10.0.0.10\"\nallow = [\"romeo\"]"), &["Error", "is not a pattern"]);
    one(&outbound(&format!("{whole}\nusername = \"focus\"")), &["Error", "no password for this user name"]);
    one(&outbound(&format!("{whole}\npassword = \"x\"")), &["Error", "this password is for nobody"]);
}
