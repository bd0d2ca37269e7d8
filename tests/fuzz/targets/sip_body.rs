//! What is found in the body of a SIP message stands in it, unless it was encoded for transfer, and a body of SDP alone is that.
//!
//! An input is the Content-Type, the Content-Disposition and, behind line ends, the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::sip_body::{Description, session_description};

fuzz_target!(|input: &[u8]| {
    let mut pieces = input.splitn(3, |octet| *octet == b'\n');
    let (Some(kind), Some(disposition), Some(body)) = (pieces.next(), pieces.next(), pieces.next()) else { return };
    let (Some(kind), Some(disposition)) = (mucfocus_fuzz::text(kind), mucfocus_fuzz::text(disposition)) else { return };
    let disposition = Some(disposition).filter(|disposition| !disposition.is_empty());
    let body = Bytes::copy_from_slice(body);
    let described =
        |content_type| Description { content_type, content_disposition: disposition, content_encoding: None };
    if let Ok(Some(found)) = session_description(described(Some(kind)), &body) {
        let is_within = body.as_ptr_range().contains(&found.as_ptr()) || found.is_empty();
        assert!(is_within || holds(&body, b"content-transfer-encoding"), "{found:?}");
        assert!(found.len() <= body.len());
    }
    let alone = Description { content_type: Some("application/sdp"), ..Description::default() };
    assert_eq!(session_description(alone, &body), Ok(Some(body.clone()).filter(|body| !body.is_empty())));
});

fn holds(body: &[u8], words: &[u8]) -> bool {
    body.to_ascii_lowercase().windows(words.len()).any(|window| window == words)
}
