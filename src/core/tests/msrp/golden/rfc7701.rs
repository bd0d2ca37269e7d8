//! RFC 7701 §9.

use mucfocus_core::wire::msrp::frame::{Head, Method};

use super::{Golden, golden, range, request, response, send};

const SWITCH: &str = "msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp";
const ALICE: &str = "msrp://client.atlanta.example.com:7654/jshA7weztas;tcp";

pub(super) fn all() -> Vec<Golden> {
    vec![
        golden(
            "RFC 7701 §9.2, F1",
            "MSRP d93kswow NICKNAME\n\
             To-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             From-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             Use-Nickname: \"Alice the great\"\n\
             -------d93kswow$\n",
            Head {
                use_nickname: Some("\"Alice the great\"".into()),
                ..request(Method::Nickname, "d93kswow", SWITCH, ALICE)
            },
            None,
        ),
        golden(
            "RFC 7701 §9.2, F2",
            "MSRP d93kswow 425 Nickname reserved or already in use\n\
             To-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             From-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             -------d93kswow$\n",
            response(425, "Nickname reserved or already in use", "d93kswow", ALICE, SWITCH),
            None,
        ),
        golden(
            "RFC 7701 §9.3, F1",
            "MSRP 3490visdm SEND\n\
             To-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             From-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             Message-ID: 99s9s2\n\
             Byte-Range: 1-*/*\n\
             Content-Type: message/cpim\n\
             \n\
             To: <sip:chatroom22@chat.example.com;transport=tcp>\n\
             From: <sip:alice@atlanta.example.com>\n\
             DateTime: 2009-03-02T15:02:31-03:00\n\
             Content-Type: text/plain\n\
             \n\
             Hello guys, how are you today?\n\
             -------3490visdm$\n",
            send("3490visdm", (SWITCH, ALICE), "99s9s2", range(1, None, None), "message/cpim"),
            Some(
                "To: <sip:chatroom22@chat.example.com;transport=tcp>\n\
                 From: <sip:alice@atlanta.example.com>\n\
                 DateTime: 2009-03-02T15:02:31-03:00\n\
                 Content-Type: text/plain\n\
                 \n\
                 Hello guys, how are you today?",
            ),
        ),
        golden(
            "RFC 7701 §9.3, F2: a response with a Message-ID",
            "MSRP 3490visdm 200 OK\n\
             To-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             From-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             Message-ID: 99s9s2\n\
             -------3490visdm$\n",
            Head { message_id: Some("99s9s2".into()), ..response(200, "OK", "3490visdm", ALICE, SWITCH) },
            None,
        ),
        golden(
            "RFC 7701 §9.5, first chunk, with the flag that it must have",
            "MSRP 7443ruls SEND\n\
             To-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             From-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             Message-ID: aft4to\n\
             Byte-Range: 1-*/174\n\
             Content-Type: message/cpim\n\
             \n\
             To: <sip:bob@example.com>\n\
             From: <sip:alice@example.com>\n\
             -------7443ruls+\n",
            send("7443ruls", (SWITCH, ALICE), "aft4to", range(1, None, 174), "message/cpim"),
            Some("To: <sip:bob@example.com>\nFrom: <sip:alice@example.com>"),
        )
        .flag(mucfocus_core::wire::msrp::frame::Continuation::More),
        golden(
            "RFC 7701 §9.5, second chunk",
            "MSRP 7443ruls SEND\n\
             To-Path: msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp\n\
             From-Path: msrp://client.atlanta.example.com:7654/jshA7weztas;tcp\n\
             Message-ID: aft4to\n\
             Byte-Range: 68-174/174\n\
             Content-Type: message/cpim\n\
             \n\
             DateTime: 2009-03-02T15:02:31-03:00\n\
             Content-Type: text/plain\n\
             \n\
             Hello Bob\n\
             -------7443ruls$\n",
            send("7443ruls", (SWITCH, ALICE), "aft4to", range(68, 174, 174), "message/cpim"),
            Some("DateTime: 2009-03-02T15:02:31-03:00\nContent-Type: text/plain\n\nHello Bob"),
        ),
    ]
}
