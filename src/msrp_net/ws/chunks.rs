//! Cuts what is written at the ends of chunks: each goes as one WebSocket message (RFC 7977 §5.1).

use bytes::{Bytes, BytesMut};

/// Between the end of a body and its transaction-id, in the end-line (RFC 4975 §7.1).
const HYPHENS: &[u8] = b"\r\n-------";
/// Of the end-line behind the transaction-id: the flag and CRLF.
const BEHIND: usize = 3;

/// What is written and not yet cut. Holds one chunk at most, and what came with its end.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    octets: BytesMut,
    /// Octets in which the end was not found.
    searched: usize,
}

impl Chunks {
    /// Takes what comes next.
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next whole chunk. What we write is whole chunks one behind the other, each with an end-line that its body has not.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let end = self.end()?;
        self.searched = 0;
        let chunk = self.octets.split_to(end).freeze();
        if self.octets.is_empty() {
            self.octets = BytesMut::new(); // one large chunk leaves nothing behind
        }
        Some(chunk)
    }

    fn end(&mut self) -> Option<usize> {
        let id = self.octets.splitn(3, |octet| *octet == b' ').nth(1)?;
        let marker = [HYPHENS, id].concat();
        let rest = self.octets.get(self.searched..)?;
        let Some(at) = rest.windows(marker.len()).position(|window| window == marker) else {
            self.searched = (self.octets.len() + 1).saturating_sub(marker.len());
            return None;
        };
        // Where the rest of the end-line is still to come, it is found again.
        self.searched += at;
        let end = self.searched + marker.len() + BEHIND;
        (end <= self.octets.len()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "MSRP a1 SEND\r\nTo-Path: x\r\n\r\n\r\n-------b2$\r\n\r\n-------a1$\r\n";
    const TWO: &str = "MSRP b2 200 OK\r\nTo-Path: x\r\n-------b2$\r\n";

    /// WS-01.
    #[test]
    fn chunks_come_out_whole_however_they_go_in() {
        let all = [ONE, TWO, ONE].concat();
        for size in 1..all.len() {
            let mut chunks = Chunks::default();
            let mut out = Vec::new();
            for piece in all.as_bytes().chunks(size) {
                chunks.put(piece);
                while let Some(chunk) = chunks.next() {
                    out.push(String::from_utf8(chunk.to_vec()).unwrap());
                }
            }
            assert_eq!(out, [ONE, TWO, ONE], "in pieces of {size}");
        }
    }
}
