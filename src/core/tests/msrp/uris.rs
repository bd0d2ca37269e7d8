//! MSRP URIs.

use mucfocus_core::wire::msrp::uri::{MsrpUri, UriError};

fn uri(text: &str) -> MsrpUri {
    MsrpUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_of_a_uri_are_told_apart() {
    let full = uri("MSRPS://mont%61gue:x;y@Chat.Example.org:2855/s.111/+=~_-;TCP;a=b;c");
    assert!(full.secure());
    assert_eq!((full.host(), full.port()), ("Chat.Example.org", Some(2855)));
    assert_eq!((full.session_id(), full.transport()), (Some("s.111/+=~_-"), "TCP"));
    let relay = uri("msrp://relay.example.com;tcp");
    assert_eq!((relay.host(), relay.port(), relay.session_id()), ("relay.example.com", None, None));
    assert!(!relay.secure());
}

/// E-07: what was negotiated is echoed as it was.
#[test]
fn a_uri_is_printed_as_it_was_written() {
    for text in [
        "msrp://montague@chat.example.org:12763/kjhd37s2s20w2a;tcp",
        "mSrP://user;x=1@[2001:DB8:0::1]:02855/A;TcP;x;y=z",
        "msrps://relay.example.com;tcp",
        "msrp://h%6Fst:1/a;ws",
    ] {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(text).as_str(), text);
    }
}

/// MS-CONN-05.
#[test]
fn uris_of_one_session_are_the_same() {
    for (one, other) in [
        ("msrp://host:2855/AbC;tcp", "MSRP://HOST:2855/AbC;TCP"),
        ("msrp://x@host:2855/AbC;tcp", "msrp://host:2855/AbC;tcp"),
        ("msrp://x@host:2855/AbC;tcp", "msrp://y@host:2855/AbC;tcp;p=1;q"),
        ("msrp://[2001:db8::1]:1/a;tcp", "msrp://[2001:DB8:0:0::0001]:1/a;tcp"),
        ("msrp://192.0.2.1:1/a;tcp", "msrp://192.0.2.%31:01/a;tcp"),
        ("msrp://h%6fst:1/a;tcp", "msrp://HOST:1/a;tcp"),
    ] {
        assert!(uri(one).is_same_session(&uri(other)), "{one} and {other}");
        assert!(uri(other).is_same_session(&uri(one)), "{other} and {one}");
    }
}

/// MS-CONN-05.
#[test]
fn uris_of_different_sessions_differ() {
    let own = "msrp://host:2855/AbC;tcp";
    for other in [
        "msrps://host:2855/AbC;tcp",
        "msrp://other:2855/AbC;tcp",
        "msrp://host:2856/AbC;tcp",
        "msrp://host/AbC;tcp",
        "msrp://host:2855/Abc;tcp",
        "msrp://host:2855;tcp",
        "msrp://host:2855/AbC;ws",
        "msrp://host:2855/AbC/;tcp",
    ] {
        assert!(!uri(own).is_same_session(&uri(other)), "{other}");
    }
    assert!(!uri("msrp://192.0.2.1:1/a;tcp").is_same_session(&uri("msrp://192.0.2.2:1/a;tcp")));
}

/// MS-SDP-03.
#[test]
fn our_own_uris_have_port_and_transport() {
    let own = MsrpUri::new(false, "focus1.example.com", 2855, "k7x2a4q5w3e6r7t2").unwrap();
    assert_eq!(own.as_str(), "msrp://focus1.example.com:2855/k7x2a4q5w3e6r7t2;tcp");
    let own = MsrpUri::new(true, "192.0.2.1", 2855, "a").unwrap();
    assert_eq!(own.as_str(), "msrps://192.0.2.1:2855/a;tcp");
    for v6 in ["2001:db8::1", "[2001:db8::1]"] {
        let own = MsrpUri::new(false, v6, 1, "a").unwrap();
        assert_eq!(own.as_str(), "msrp://[2001:db8::1]:1/a;tcp");
        assert_eq!(own.host(), "[2001:db8::1]");
        assert_eq!(own.address(), Some("2001:db8::1".parse().unwrap()));
    }
}

#[test]
fn our_own_uris_cannot_smuggle_parts() {
    assert_eq!(MsrpUri::new(false, "x@host", 1, "a"), Err(UriError::Host));
    assert_eq!(MsrpUri::new(false, "host:7", 1, "a"), Err(UriError::Host));
    assert_eq!(MsrpUri::new(false, "", 1, "a"), Err(UriError::Host));
    assert_eq!(MsrpUri::new(false, "host", 1, "a;ws"), Err(UriError::SessionId));
    assert_eq!(MsrpUri::new(false, "host", 1, ""), Err(UriError::SessionId));
}

#[test]
fn what_is_not_a_uri_is_refused_by_name() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("sip:host", UriError::Scheme),
        ("msrpx://host:1/a;tcp", UriError::Scheme),
        ("path:msrp://host:1/a;tcp", UriError::Scheme),
        ("msrp:host:1/a;tcp", UriError::Scheme),
        ("msrp://a/b@host:1/a;tcp", UriError::UserInfo),
        ("msrp://%4@host:1/a;tcp", UriError::UserInfo),
        ("msrp://a b@host:1/a;tcp", UriError::UserInfo),
        ("msrp://a@b@host:1/a;tcp", UriError::Host),
        ("msrp://:1/a;tcp", UriError::Host),
        ("msrp:///a;tcp", UriError::Host),
        ("msrp://ho st:1/a;tcp", UriError::Host),
        ("msrp://h%zzst:1/a;tcp", UriError::Host),
        ("msrp://2001:db8::1:1/a;tcp", UriError::Host),
        ("msrp://[2001:db8::1:1/a;tcp", UriError::Host),
        ("msrp://[::g]:1/a;tcp", UriError::Host),
        ("msrp://h\u{e4}st:1/a;tcp", UriError::Host),
        ("msrp://host:/a;tcp", UriError::Port),
        ("msrp://host:65536/a;tcp", UriError::Port),
        ("msrp://host:+1/a;tcp", UriError::Port),
        ("msrp://[::1]x:1/a;tcp", UriError::Host),
        ("msrp://host:1/;tcp", UriError::SessionId),
        ("msrp://host:1/a%41;tcp", UriError::SessionId),
        ("msrp://host:1/a", UriError::Transport),
        ("msrp://host:1/a;", UriError::Transport),
        ("msrp://host:1/a;t-p", UriError::Transport),
        ("msrp://host:1/a;tcp;", UriError::Parameter),
        ("msrp://host:1/a;tcp;=b", UriError::Parameter),
        ("msrp://host:1/a;tcp;a=", UriError::Parameter),
        ("msrp://host:1/a;tcp;a=b=c", UriError::Parameter),
        ("msrp://host:1/a;tcp;a b", UriError::Parameter),
    ] {
        assert_eq!(MsrpUri::parse(text), Err(error), "{text}");
    }
    let long = format!("msrp://host:1/{};tcp", "a".repeat(MsrpUri::MAX_LEN));
    assert_eq!(MsrpUri::parse(&long), Err(UriError::TooLong));
}
