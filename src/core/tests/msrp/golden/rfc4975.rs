//! RFC 4975 §11. The lengths are those of the print, also where they are wrong.

use mucfocus_core::wire::msrp::frame::{Continuation, FailureReport, Head, Method};

use super::{Golden, golden, range, request, response, send, status};

const ALICE: &str = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp";
const BOB: &str = "msrp://bob.example.com:8888/9di4eae923wzd;tcp";
const BOB_PC: &str = "msrp://bobpc.example.com:8888/9di4eae923wzd;tcp";
const ALICE_PC: &str = "msrp://alicepc.example.com:7654/iau39soe2843z;tcp";

pub(super) fn all() -> Vec<Golden> {
    vec![
        golden(
            "RFC 4975 §11.1, step 6",
            "MSRP dkei38sd SEND\n\
             To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\n\
             From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\n\
             Message-ID: 456s9wlk3\n\
             Byte-Range: 1-21/21\n\
             Content-Type: text/plain\n\
             \n\
             Hi, Alice!  I'm Bob!\n\
             -------dkei38sd$\n",
            send("dkei38sd", (ALICE, BOB), "456s9wlk3", range(1, 21, 21), "text/plain"),
            Some("Hi, Alice!  I'm Bob!"),
        ),
        golden(
            "RFC 4975 §11.1, step 7",
            "MSRP dkei38sd 200 OK\n\
             To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\n\
             From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\n\
             -------dkei38sd$\n",
            response(200, "OK", "dkei38sd", BOB, ALICE),
            None,
        ),
        golden(
            "RFC 4975 §11.2, shortened",
            "MSRP dsdfoe38sd SEND\n\
             To-Path: msrp://alice.example.com:7777/iau39soe2843z;tcp\n\
             From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\n\
             Message-ID: 456so39s\n\
             Byte-Range: 1-374/374\n\
             Content-Type: application/xhtml+xml\n\
             \n\
             <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n\
             <head><title>FY2005 Results</title></head>\n\
             </html>\n\
             -------dsdfoe38sd$\n",
            send(
                "dsdfoe38sd",
                ("msrp://alice.example.com:7777/iau39soe2843z;tcp", BOB),
                "456so39s",
                range(1, 374, 374),
                "application/xhtml+xml",
            ),
            Some(
                "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n\
                 <head><title>FY2005 Results</title></head>\n\
                 </html>",
            ),
        ),
        golden(
            "RFC 4975 §11.4, first chunk",
            "MSRP d93kswow SEND\n\
             To-Path: msrp://bobpc.example.com:8888/9di4eae923wzd;tcp\n\
             From-Path: msrp://alicepc.example.com:7654/iau39soe2843z;tcp\n\
             Message-ID: 12339sdqwer\n\
             Byte-Range: 1-137/148\n\
             Content-Type: message/cpim\n\
             \n\
             To: Bob <sip:bob@example.com>\n\
             From: Alice <sip:alice@example.com>\n\
             DateTime: 2006-05-15T15:02:31-03:00\n\
             Content-Type: text/plain\n\
             \n\
             ABCD\n\
             -------d93kswow+\n",
            send("d93kswow", (BOB_PC, ALICE_PC), "12339sdqwer", range(1, 137, 148), "message/cpim"),
            Some(
                "To: Bob <sip:bob@example.com>\n\
                 From: Alice <sip:alice@example.com>\n\
                 DateTime: 2006-05-15T15:02:31-03:00\n\
                 Content-Type: text/plain\n\
                 \n\
                 ABCD",
            ),
        )
        .flag(Continuation::More),
        golden(
            "RFC 4975 §11.4, second chunk",
            "MSRP op2nc9a SEND\n\
             To-Path: msrp://bobpc.example.com:8888/9di4eae923wzd;tcp\n\
             From-Path: msrp://alicepc.example.com:7654/iau39soe2843z;tcp\n\
             Message-ID: 12339sdqwer\n\
             Byte-Range: 138-148/148\n\
             Content-Type: message/cpim\n\
             \n\
             1234567890\n\
             -------op2nc9a$\n",
            send("op2nc9a", (BOB_PC, ALICE_PC), "12339sdqwer", range(138, 148, 148), "message/cpim"),
            Some("1234567890"),
        ),
        golden(
            "RFC 4975 §11.5",
            "MSRP d93kswow SEND\n\
             To-Path: msrp://alicepc.example.com:8888/9di4eae923wzd;tcp\n\
             From-Path: msrp://example.com:7777/iau39soe2843z;tcp\n\
             Message-ID: 12339sdqwer\n\
             Byte-Range: 1-38/38\n\
             Failure-Report: no\n\
             Success-Report: no\n\
             Content-Type: text/plain\n\
             \n\
             This conference will end in 5 minutes\n\
             -------d93kswow$\n",
            Head {
                failure_report: FailureReport::No,
                ..send(
                    "d93kswow",
                    ("msrp://alicepc.example.com:8888/9di4eae923wzd;tcp", "msrp://example.com:7777/iau39soe2843z;tcp"),
                    "12339sdqwer",
                    range(1, 38, 38),
                    "text/plain",
                )
            },
            Some("This conference will end in 5 minutes"),
        )
        .other_spelling(),
        golden(
            "RFC 4975 §11.6, SEND",
            "MSRP d93kswow SEND\n\
             To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\n\
             From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\n\
             Message-ID: 12339sdqwer\n\
             Byte-Range: 1-106/106\n\
             Success-Report: yes\n\
             Failure-Report: no\n\
             Content-Type: text/html\n\
             \n\
             <html><body>\n\
             <p>Here is that important link...\n\
             </body></html>\n\
             -------d93kswow$\n",
            Head {
                success_report: true,
                failure_report: FailureReport::No,
                ..send("d93kswow", (BOB, ALICE), "12339sdqwer", range(1, 106, 106), "text/html")
            },
            Some("<html><body>\n<p>Here is that important link...\n</body></html>"),
        ),
        golden(
            "RFC 4975 §11.6, REPORT",
            "MSRP dkei38sd REPORT\n\
             To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\n\
             From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\n\
             Message-ID: 12339sdqwer\n\
             Byte-Range: 1-106/106\n\
             Status: 000 200 OK\n\
             -------dkei38sd$\n",
            Head {
                message_id: Some("12339sdqwer".into()),
                byte_range: Some(range(1, 106, 106)),
                status: status(200, "OK"),
                ..request(Method::Report, "dkei38sd", ALICE, BOB)
            },
            None,
        ),
    ]
}
