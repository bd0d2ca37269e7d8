//! A client that answers a digest challenge, with hashes of the system's own tools so that ours are not their own proof.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::{Message, Request};

/// How a challenge is answered.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub username: &'a str,
    pub password: &'a str,
    pub algorithm: &'a str,
    pub count: u32,
    pub uri: &'a str,
}

/// The request with credentials, as a new transaction.
pub fn answered(request: &Request, challenge: &Message, with: &Answer<'_>) -> Request {
    let challenges = challenge.all("WWW-Authenticate");
    let offer = challenges.iter().find(|c| c.contains(&format!("algorithm={}", with.algorithm))).unwrap();
    let value = |name: &str| offer.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let (realm, nonce) = (value("realm"), value("nonce"));
    let Answer { username, password, algorithm, count, uri } = with;
    let ha1 = hash(algorithm, &format!("{username}:{realm}:{password}"));
    let ha2 = hash(algorithm, &format!("{}:{uri}", request.method));
    let nc = format!("{count:08x}");
    let response = hash(algorithm, &format!("{ha1}:{nonce}:{nc}:cnonce:auth:{ha2}"));
    let field = format!(
        "Authorization: Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm={algorithm}, cnonce=\"cnonce\", qop=auth, nc={nc}\r\n"
    );
    let mut again = request.clone().with(&field);
    again.branch = format!("z9hG4bK{}", crate::harness::fresh());
    again
}

fn hash(algorithm: &str, text: &str) -> String {
    let program = if algorithm == "MD5" { "md5sum" } else { "sha256sum" };
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    out.split(' ').next().unwrap().to_owned()
}
