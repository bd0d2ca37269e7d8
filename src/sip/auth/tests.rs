//! SIP-14, away from sockets.

use secrecy::SecretString;

use super::hash::{Input, expected};
use super::*;
use crate::sip::settings::{DigestUser, Listen, MIN_SESSION, SourceLimits, Transport, Untrusted};

const ROOM: &str = "sip:capulet@rooms.example.com";

fn authenticator(key: &[u8]) -> Authenticator {
    let settings = Settings {
        node: "n".into(),
        listen: ["192.0.2.1:5060", "[2001:db8::1]:5060"]
            .map(|address| Listen { transport: Transport::Udp, address: address.parse().unwrap() })
            .to_vec(),
        domains: vec!["rooms.example.com".into()],
        advertise: Some(("Focus1.example.com".into(), None)),
        trusted_peers: Vec::new(),
        identity: Vec::new(),
        untrusted: Untrusted::Refuse,
        sources: SourceLimits::NONE,
        min_session: MIN_SESSION,
        trusted_names: Vec::new(),
        tls: None,
        allowed_origins: Default::default(),
        dns: Default::default(),
    };
    let digest = Digest {
        realm: "rooms.example.com".into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        users: vec![DigestUser {
            aor: SipUri::parse("sip:romeo@example.org").unwrap(),
            password: SecretString::from("verona".to_owned()),
        }],
        nonce_key: NonceKey::new(key),
    };
    Authenticator::new(&digest, &settings)
}

/// A client that answers challenges.
struct Client {
    nonce: String,
    count: u32,
    uri: String,
    username: String,
    password: String,
    algorithm: Algorithm,
}

impl Client {
    fn of(challenge: &str) -> Self {
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        Self {
            nonce: nonce.into(),
            count: 1,
            uri: ROOM.into(),
            username: "romeo".into(),
            password: "verona".into(),
            algorithm: if challenge.contains("SHA-256") { Algorithm::Sha256 } else { Algorithm::Md5 },
        }
    }

    fn field(&self) -> String {
        let nc = format!("{:08x}", self.count);
        let (username, uri, nonce) = (&self.username, &self.uri, &self.nonce);
        let realm = "rooms.example.com";
        let input = Input { username, realm, method: "INVITE", uri, nonce, nc: &nc, cnonce: "c" };
        let response = expected(self.algorithm, &input, &self.password);
        let algorithm = credentials::name_of(self.algorithm);
        format!(
            r#"Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", algorithm={algorithm}, cnonce="c", qop=auth, nc={nc}"#
        )
    }
}

fn verify(by: &Authenticator, fields: &[&str], branch: &str, holder: Holder) -> Result<String, Denied> {
    let presented = Presented {
        method: "INVITE",
        request_uri: ROOM,
        authorization: fields,
        identifying: [Some(branch), Some("c"), Some("1 INVITE")],
    };
    by.verify(&presented, holder).map(|user| user.to_string())
}

fn client(by: &Authenticator) -> Client {
    Client::of(&by.challenges(Holder::Peer, Denied::Absent)[0])
}

fn once(by: &Authenticator, client: &Client) -> Result<String, Denied> {
    verify(by, &[&client.field()], "b", Holder::Peer)
}

const ROMEO: Result<&str, Denied> = Ok("sip:romeo@example.org");

/// RFC 8760 §2.4.
#[test]
fn each_algorithm_has_a_challenge_in_the_order_of_preference_and_either_is_answered() {
    let by = authenticator(b"k");
    let challenges = by.challenges(Holder::Peer, Denied::Absent);
    let names: Vec<_> = challenges.iter().map(|c| c.contains("algorithm=SHA-256,")).collect();
    assert_eq!(names, [true, false]);
    assert!(challenges[1].contains("algorithm=MD5, ") && !challenges[1].contains("stale"), "{}", challenges[1]);
    for (index, challenge) in challenges.iter().enumerate() {
        assert!(
            challenge.starts_with("Digest realm=\"rooms.example.com\", nonce=\"") && challenge.contains("qop=\"auth\"")
        );
        let another = &by.challenges(Holder::Peer, Denied::Absent)[index];
        assert_eq!(once(&by, &Client::of(another)), ROMEO.map(str::to_owned), "{another}");
        assert_ne!(another, challenge);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_the_same() {
    let by = authenticator(b"k");
    let wrong = Client { password: "mantua".into(), ..client(&by) };
    let unknown = Client { username: "tybalt".into(), ..client(&by) };
    assert_eq!((once(&by, &wrong), once(&by, &unknown)), (Err(Denied::Wrong), Err(Denied::Wrong)));
    assert!(Denied::Wrong.is_failed_login());
}

#[test]
fn the_uri_is_that_of_the_request_or_names_its_host() {
    let by = authenticator(b"k");
    for (uri, is_good) in [
        (ROOM, true),
        ("sip:rooms.example.com", true),
        ("sip:ROOMS.example.com:5060", true),
        ("rooms.example.com:5060", true),
        ("sip:focus1.example.com", true),
        // SIPp knows only where it sends.
        ("sip:192.0.2.1:5060", true),
        ("sip:[2001:DB8::1]:5060", true),
        ("sip:192.0.2.2:5060", false),
        ("sip:capulet@rooms.example.com;transport=tcp", true),
        ("sip:montague@rooms.example.com", false),
        ("sip:other.example.com", false),
        ("other.example.com", false),
        ("sip:capulet@focus1.example.com", false),
        ("*", false),
    ] {
        let result = once(&by, &Client { uri: uri.into(), ..client(&by) });
        assert_eq!(result, if is_good { ROMEO.map(str::to_owned) } else { Err(Denied::Uri) }, "{uri}");
    }
}

#[test]
fn credentials_are_good_once_and_their_request_may_be_repeated() {
    let by = authenticator(b"k");
    let mut client = client(&by);
    let field = client.field();
    for _ in 0..2 {
        assert_eq!(verify(&by, &[&field], "b1", Holder::Peer), ROMEO.map(str::to_owned));
    }
    assert_eq!(verify(&by, &[&field], "b2", Holder::Peer), Err(Denied::Replayed));
    client.count = 2;
    assert_eq!(verify(&by, &[&client.field()], "b2", Holder::Peer), ROMEO.map(str::to_owned));
    assert!(by.challenges(Holder::Peer, Denied::Replayed)[0].ends_with(", stale=true"));
}

#[test]
fn a_nonce_of_another_node_is_good_where_the_key_is_the_same_and_stale_where_it_is_not() {
    let (one, other, stranger) = (authenticator(b"k"), authenticator(b"k"), authenticator(b"another"));
    let client = client(&one);
    assert_eq!(once(&other, &client), ROMEO.map(str::to_owned));
    // Stale, whatever the password is: nobody finds out here.
    assert_eq!(once(&stranger, &client), Err(Denied::Stale));
    assert_eq!(once(&stranger, &Client { password: "x".into(), ..client }), Err(Denied::Stale));
}

#[test]
fn other_realms_and_schemes_are_not_ours_and_an_algorithm_has_to_be_offered() {
    let mut by = authenticator(b"k");
    let client = client(&by);
    let field = client.field();
    let foreign = field.replace("rooms.example.com\", nonce", "elsewhere\", nonce");
    assert_eq!(verify(&by, &[&foreign, "Basic cm9tZW8="], "b", Holder::Peer), Err(Denied::Absent));
    assert_eq!(verify(&by, &[], "b", Holder::Peer), Err(Denied::Absent));
    assert_eq!(verify(&by, &["Digest ="], "b", Holder::Peer), Err(Denied::Malformed));
    assert_eq!(verify(&by, &[&foreign, &field], "b", Holder::Peer), ROMEO.map(str::to_owned));
    by.algorithms = vec![Algorithm::Md5];
    assert_eq!(once(&by, &client), Err(Denied::Algorithm));
}

#[test]
fn a_user_name_in_the_log_is_short_and_of_one_line() {
    let by = authenticator(b"k");
    let long = format!("ro\tmeo{}", "x".repeat(1000));
    let field = Client { username: long, ..client(&by) }.field();
    let claimed = by.claimed(&["Basic cm9tZW8=", &field]).unwrap();
    assert!(claimed.starts_with("ro\u{fffd}meoxx") && claimed.chars().count() == 64, "{claimed}");
    let foreign = field.replace("realm=\"rooms.example.com\"", "realm=\"elsewhere\"");
    assert_eq!(by.claimed(&[&foreign, "Digest ="]), None);
}
