//! The certificate of the node: what is said of it, and how it is replaced while connections go on.

use std::os::unix::fs::PermissionsExt as _;

use mucfocus_rig::msrp::Send;
use mucfocus_rig::openssl::{self, client};

use super::*;

/// MS-TLS-02.
#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_the_old_ones_go_on() {
    let node = Node::start().await;
    let mut session = node.session(Expectation { secure: true, fingerprints: Vec::new() });
    let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), None, &[]), CLIENT, &session.path());
    peer.send(Send::bodiless());
    session.is_bound().await;
    let _ = session.hears().await;

    let new = Certificate::for_host("focus.test");
    let expected = fingerprint(&new, "sha256", Hash::Sha256);
    assert_ne!(node.tls.fingerprint(), expected);
    new.copy_to(node.folder.path());
    wait_for(|| (node.tls.fingerprint() == expected).then_some(()), SOON, "the new fingerprint in answers").await;
    let shown = openssl::shown_by(node.at(Kind::Tls)).await;
    assert_eq!(shown.trim(), std::fs::read_to_string(new.files().0).unwrap().trim());

    peer.send(Send::bodiless());
    assert!(matches!(session.hears().await, SessionMail::Frame { .. }), "the connection goes on");
}

/// MS-TLS-02.
#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_certificate_in_force() {
    let node = Node::start().await;
    let before = node.tls.fingerprint();
    let old = openssl::shown_by(node.at(Kind::Tls)).await;
    let other = Certificate::for_host("other.test");
    std::fs::copy(other.files().1, node.folder.path().join("leaf.key")).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await; // two rounds of looking, and nothing to wait for
    assert_eq!(node.tls.fingerprint(), before);
    assert_eq!(openssl::shown_by(node.at(Kind::Tls)).await, old);
    // What is put right afterwards is taken, but not while others can read the key.
    let new = Certificate::for_host("focus.test");
    new.copy_to(node.folder.path());
    let key = node.folder.path().join("leaf.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(node.tls.fingerprint(), before);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, std::fs::read(&key).unwrap()).unwrap();
    let expected = fingerprint(&new, "sha256", Hash::Sha256);
    wait_for(|| (node.tls.fingerprint() == expected).then_some(()), SOON, "the new fingerprint").await;
}
