//! The messages of RFC 4475 and RFC 5118 at the door: what passes, and what each of the others gets (SIP-01, SIP-02, SIP-19).
//! What becomes of those that pass is for `tests/torture.rs`.

use std::net::SocketAddr;
use std::path::Path;

use super::door::understood;
use super::gate::{Framing, Verdict, Violation, judge};
use super::rewrite::with_stand_ins;
use super::settings::Transport;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Gets(u16),
    Dropped,
}

fn fate(octets: &[u8]) -> (Fate, Option<Violation>) {
    let source: SocketAddr = "192.0.2.250:5060".parse().unwrap();
    match judge(octets, Framing::Datagram) {
        Verdict::Pass { message, head } => match understood(&message, &head, source, Transport::Udp)
            .or_else(|| understood(&with_stand_ins(&message, &head), &head, source, Transport::Udp))
        {
            Some(_) => (Fate::Passes, None),
            None if head.is_response() => (Fate::Dropped, None),
            None => (Fate::Gets(400), Some(Violation::NotUnderstood)),
        },
        Verdict::Refuse { violation, .. } => (Fate::Gets(violation.status().0), Some(violation)),
        Verdict::Drop(violation) => (Fate::Dropped, Some(violation)),
    }
}

fn check(folder: &str, expected: &[(&str, Fate)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let octets = std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        // RFC 5118 prints its messages with bare line feeds and without the empty lines at their end.
        let is_printed = !octets.contains(&b'\r');
        let octets = match String::from_utf8(octets) {
            Ok(text) if is_printed => (text.replace('\n', "\r\n") + "\r\n\r\n").into_bytes(),
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        let (got, why) = fate(&octets);
        if got != *expected {
            wrong.push(format!("{name}: expected {expected:?}, got {got:?} {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    let unlisted: Vec<_> = files
        .filter(|f| f.file_type().is_ok_and(|t| t.is_file()))
        .filter_map(|f| f.file_name().into_string().ok())
        .filter(|f| !f.ends_with(".md") && !f.starts_with('.') && !expected.iter().any(|(name, _)| name == f))
        .collect();
    assert!(unlisted.is_empty(), "no expectation for {unlisted:?}");
}

#[test]
fn rfc_4475_messages_get_what_they_deserve() {
    use Fate::{Dropped, Gets, Passes};
    check(
        "tests/fixtures/torture",
        &[
            // §3.1.1 valid messages
            ("wsinv.dat", Passes),
            ("intmeth.dat", Gets(501)),
            ("esc01.dat", Passes),
            ("escnull.dat", Passes),
            ("esc02.dat", Gets(501)),
            ("lwsdisp.dat", Passes),
            ("longreq.dat", Passes),
            ("dblreq.dat", Passes),
            ("semiuri.dat", Passes),
            ("transports.dat", Passes),
            ("mpart01.dat", Passes),
            ("unreason.dat", Passes),
            ("noreason.dat", Passes),
            // §3.1.2 invalid messages
            ("badinv01.dat", Gets(400)),
            ("clerr.dat", Gets(400)),
            ("ncl.dat", Gets(400)),
            ("scalar02.dat", Gets(400)),
            ("scalarlg.dat", Dropped),
            ("quotbal.dat", Gets(400)),
            ("ltgtruri.dat", Gets(400)),
            ("lwsruri.dat", Gets(400)),
            ("lwsstart.dat", Gets(400)),
            ("trws.dat", Gets(400)),
            ("escruri.dat", Passes),
            // an unknown time zone in Date harms nobody here
            ("baddate.dat", Passes),
            ("regbadct.dat", Gets(400)),
            ("badaspec.dat", Gets(400)),
            ("baddn.dat", Gets(400)),
            ("badvers.dat", Gets(505)),
            ("mismatch01.dat", Gets(400)),
            ("mismatch02.dat", Gets(501)),
            ("bigcode.dat", Dropped),
            // §3.2 to §3.4: what the transaction layer and the dispatcher see
            ("badbranch.dat", Passes),
            ("insuf.dat", Gets(400)),
            ("unkscm.dat", Passes),
            ("novelsc.dat", Passes),
            ("unksm2.dat", Passes),
            ("bext01.dat", Passes),
            ("invut.dat", Passes),
            ("regaut01.dat", Passes),
            ("multi01.dat", Gets(400)),
            ("mcl01.dat", Gets(400)),
            ("bcast.dat", Passes),
            ("zeromf.dat", Passes),
            ("cparam01.dat", Passes),
            ("cparam02.dat", Passes),
            ("regescrt.dat", Passes),
            ("sdp01.dat", Passes),
            // §4: a From without a tag is of RFC 2543, which is not spoken here
            ("inv2543.dat", Gets(400)),
            // in the archive, not in the text: a request line without a version, a stray space before a colon
            ("test.dat", Gets(400)),
        ],
    );
}

#[test]
fn rfc_5118_messages_get_what_they_deserve() {
    use Fate::{Gets, Passes};
    check(
        "tests/fixtures/torture/ipv6",
        &[
            ("ipv4-mapped-ipv6", Passes),
            // its Request-URI is read, and refused, by the dispatcher
            ("ipv6-bad", Passes),
            // three colons in a To, by a mistake in an old grammar
            ("ipv6-bug-abnf-3-colons", Passes),
            ("ipv6-correct-abnf-2-colons", Passes),
            ("ipv6-good", Passes),
            // as printed its Content-Length is 17 too high
            ("ipv6-in-sdp", Gets(400)),
            ("mult-ip-in-header", Passes),
            ("mult-ip-in-sdp", Passes),
            ("port-ambiguous", Passes),
            ("port-unambiguous", Passes),
            ("via-received-param-no-delim", Passes),
            ("via-received-param-with-delim", Passes),
        ],
    );
}

/// SEC-10: no message, however cut or changed, makes the gate or the stack's parser panic, and nothing passes whose body
/// differs from what the gate saw.
#[test]
fn cut_and_changed_messages_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torture");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for file in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let Ok(octets) = std::fs::read(file.path()) else { continue };
        for _ in 0..200 {
            let mut mutant = octets.clone();
            for _ in 0..=random(4) {
                let at = random(mutant.len());
                match random(3) {
                    0 => mutant.truncate(at.max(1)),
                    1 => mutant[at] = b"\r\n\0<>\"\\;,:% \xff/9"[random(15)],
                    _ => {
                        let piece = mutant[at..(at + random(40)).min(mutant.len())].to_vec();
                        mutant.splice(at..at, piece);
                    }
                }
            }
            let _ = fate(&mutant);
        }
    }
}
