//! The parts of a multipart are what stands between its boundaries, a part is never longer than it was, and parts that hold no
//! boundary are read as they were put together.
//!
//! An input is the boundary and, behind a line end, the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::media_type::MediaType;
use mucfocus_core::wire::mime::Entity;
use mucfocus_core::wire::multipart::{MultipartError, parts};

const AT_MOST: usize = 8;

fuzz_target!(|input: &[u8]| {
    let Some(at) = input.iter().position(|b| *b == b'\n') else { return };
    let Some(boundary) = mucfocus_fuzz::text(&input[..at]) else { return };
    let body = Bytes::copy_from_slice(&input[at + 1..]);
    let quoted = boundary.replace('\\', "\\\\").replace('"', "\\\"");
    let Ok(kind) = MediaType::parse(&format!("multipart/mixed;boundary=\"{quoted}\"")) else { return };
    assert_eq!(kind.param("boundary"), Some(boundary));
    let found = parts(&kind, &body, AT_MOST);
    if let Ok(found) = &found {
        assert!((1..=AT_MOST).contains(&found.len()));
        let mut end = body.as_ptr() as usize;
        for part in found {
            let start = part.as_ptr() as usize;
            assert!(part.is_empty() || start >= end, "parts are in order and apart");
            end = end.max(start + part.len());
            assert!(!holds_delimiter(part, boundary), "{part:?}");
            if let Ok(entity) = Entity::parse(part) {
                assert!(entity.content.len() < part.len());
                let written =
                    [b"Content-Type: ", entity.content_type.to_string().as_bytes(), b"\r\n\r\n", &entity.content]
                        .concat();
                // A tab or a character beyond ASCII in a parameter is nothing that we write.
                if entity.content_type.to_string().bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                    assert_eq!(Entity::parse(&written.into()), Ok(entity));
                }
            }
        }
    }
    check_built(&kind, boundary, &body, found);
});

/// The octets between blank lines, put together as a multipart.
fn check_built(kind: &MediaType, boundary: &str, body: &Bytes, found: Result<Vec<Bytes>, MultipartError>) {
    let pieces: Vec<&[u8]> = body.split(|b| *b == 0).take(AT_MOST).collect();
    if found == Err(MultipartError::BadBoundary) || pieces.iter().any(|piece| holds_delimiter(piece, boundary)) {
        return;
    }
    let mut built = Vec::new();
    for piece in &pieces {
        built.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        built.extend_from_slice(piece);
        built.extend_from_slice(b"\r\n");
    }
    built.extend_from_slice(format!("--{boundary}--").as_bytes());
    let read = parts(kind, &built.into(), AT_MOST).expect("a multipart");
    assert_eq!(read, pieces);
}

fn holds_delimiter(part: &[u8], boundary: &str) -> bool {
    let is_delimiter = |line: &[u8]| {
        let line = line.trim_ascii_end();
        line == format!("--{boundary}").as_bytes() || line == format!("--{boundary}--").as_bytes()
    };
    part.split(|b| *b == b'\n').any(is_delimiter)
}
