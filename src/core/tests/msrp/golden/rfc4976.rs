//! RFC 4976: paths over relays, and AUTH, which we do not know (§4, §5.1).

use mucfocus_core::wire::msrp::frame::{Head, Method};

use super::{Golden, golden, range, request, response, send, status};

const ALICE: &str = "msrps://alice.example.org:7965/bar;tcp";
const TO_BOB: &str = "msrps://a.example.org:9000/kjfjan;tcp msrps://b.example.net:9000/aeiug;tcp \
                      msrps://bob.example.net:8145/foo;tcp";
const BOB: &str = "msrps://bob.example.net:8145/foo;tcp";
const FROM_ALICE: &str = "msrps://b.example.net:9000/aeiug;tcp msrps://a.example.org:9000/kjfjan;tcp \
                          msrps://alice.example.org:7965/bar;tcp";
const CLIENT: &str = "msrps://alice.example.com:9892/98cjs;tcp";
const RELAY: &str = "msrps://alice@intra.example.com;tcp";

pub(super) fn all() -> Vec<Golden> {
    vec![
        golden(
            "RFC 4976 §4: Message-ID after Byte-Range",
            "MSRP 6aef SEND\n\
             To-Path: msrps://a.example.org:9000/kjfjan;tcp msrps://b.example.net:9000/aeiug;tcp \
             msrps://bob.example.net:8145/foo;tcp\n\
             From-Path: msrps://alice.example.org:7965/bar;tcp\n\
             Success-Report: yes\n\
             Byte-Range: 1-*/*\n\
             Message-ID: 87652\n\
             Content-Type: text/plain\n\
             \n\
             Hi Bob, I'm about to send you file.mpeg\n\
             -------6aef$\n",
            Head {
                success_report: true,
                ..send("6aef", (TO_BOB, ALICE), "87652", range(1, None, None), "text/plain")
            },
            Some("Hi Bob, I'm about to send you file.mpeg"),
        )
        .other_spelling(),
        golden(
            "RFC 4976 §4: what the last relay sends",
            "MSRP xght6 SEND\n\
             To-Path: msrps://bob.example.net:8145/foo;tcp\n\
             From-Path: msrps://b.example.net:9000/aeiug;tcp msrps://a.example.org:9000/kjfjan;tcp \
             msrps://alice.example.org:7965/bar;tcp\n\
             Message-ID: 87652\n\
             Byte-Range: 1-*/*\n\
             Success-Report: yes\n\
             Content-Type: text/plain\n\
             \n\
             Hi Bob, I'm about to send you file.mpeg\n\
             -------xght6$\n",
            Head {
                success_report: true,
                ..send("xght6", (BOB, FROM_ALICE), "87652", range(1, None, None), "text/plain")
            },
            Some("Hi Bob, I'm about to send you file.mpeg"),
        ),
        golden(
            "RFC 4976 §4: the report goes all the way back",
            "MSRP yh67 REPORT\n\
             To-Path: msrps://b.example.net:9000/aeiug;tcp msrps://a.example.org:9000/kjfjan;tcp \
             msrps://alice.example.org:7965/bar;tcp\n\
             From-Path: msrps://bob.example.net:8145/foo;tcp\n\
             Message-ID: 87652\n\
             Byte-Range: 1-39/39\n\
             Status: 000 200 OK\n\
             -------yh67$\n",
            Head {
                message_id: Some("87652".into()),
                byte_range: Some(range(1, 39, 39)),
                status: status(200, "OK"),
                ..request(Method::Report, "yh67", FROM_ALICE, BOB)
            },
            None,
        ),
        golden(
            "RFC 4976 §5.1: AUTH, from a URI without session",
            "MSRP 49fh AUTH\n\
             To-Path: msrps://alice@intra.example.com;tcp\n\
             From-Path: msrps://alice.example.com:9892/98cjs;tcp\n\
             -------49fh$\n",
            request(Method::Other("AUTH".into()), "49fh", RELAY, CLIENT),
            None,
        ),
        golden(
            "RFC 4976 §5.1: a challenge, in a header that is not understood",
            "MSRP 49fh 401 Unauthorized\n\
             To-Path: msrps://alice.example.com:9892/98cjs;tcp\n\
             From-Path: msrps://alice@intra.example.com;tcp\n\
             WWW-Authenticate: Digest realm=\"intra.example.com\", qop=\"auth\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"\n\
             -------49fh$\n",
            response(401, "Unauthorized", "49fh", CLIENT, RELAY),
            None,
        )
        .other_spelling(),
        golden(
            "RFC 4976 §5.1: AUTH with credentials",
            "MSRP 49fi AUTH\n\
             To-Path: msrps://alice@intra.example.com;tcp\n\
             From-Path: msrps://alice.example.com:9892/98cjs;tcp\n\
             Authorization: Digest username=\"Alice\", realm=\"intra.example.com\", qop=auth, nc=00000001\n\
             -------49fi$\n",
            request(Method::Other("AUTH".into()), "49fi", RELAY, CLIENT),
            None,
        )
        .other_spelling(),
        golden(
            "RFC 4976 §5.1: Use-Path and Expires are not ours",
            "MSRP 49fi 200 OK\n\
             To-Path: msrps://alice.example.com:9892/98cjs;tcp\n\
             From-Path: msrps://alice@intra.example.com;tcp\n\
             Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp\n\
             Expires: 900\n\
             -------49fi$\n",
            response(200, "OK", "49fi", CLIENT, RELAY),
            None,
        )
        .other_spelling(),
    ]
}
