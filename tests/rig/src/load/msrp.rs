//! The MSRP side of one leg: one connection on which every SEND is counted and answered.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::tally::Tally;

/// Connects to `remote`, binds the session, and answers from then on until the handle is aborted or the other side closes.
pub(super) async fn bind(own: &str, remote: &str, tally: Arc<Tally>) -> AbortHandle {
    let address: SocketAddr = remote.trim_start_matches("msrp://").split('/').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap_or_else(|e| panic!("MSRP to {remote}: {e}"));
    stream.set_nodelay(true).unwrap();
    let paths = format!("To-Path: {remote}\r\nFrom-Path: {own}\r\n");
    let first = format!("MSRP bind0001 SEND\r\n{paths}Message-ID: b1\r\n-------bind0001$\r\n");
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut session = Session { stream, paths, tally, buffer: Vec::with_capacity(8 * 1024), out: Vec::new() };
    tokio::spawn(async move { while session.turn().await {} }).abort_handle()
}

struct Session {
    stream: TcpStream,
    paths: String,
    tally: Arc<Tally>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

impl Session {
    /// One read, and one write of all answers to it; false at the end.
    async fn turn(&mut self) -> bool {
        let Ok(length @ 1..) = self.stream.read_buf(&mut self.buffer).await else { return false };
        self.out.clear();
        let mut done = 0;
        while let Some(frame) = whole(&self.buffer[done..]) {
            self.tally.scan(&frame.octets[..frame.octets.len()]);
            if frame.wants_response {
                self.out.extend(b"MSRP ");
                self.out.extend(frame.id);
                self.out.extend(b" 200 OK\r\n");
                self.out.extend(self.paths.as_bytes());
                self.out.extend(b"-------");
                self.out.extend(frame.id);
                self.out.extend(b"$\r\n");
            }
            done += frame.octets.len();
        }
        self.buffer.drain(..done);
        self.tally.moved(length, self.out.len());
        self.out.is_empty() || self.stream.write_all(&self.out).await.is_ok()
    }
}

struct Frame<'a> {
    octets: &'a [u8],
    id: &'a [u8],
    wants_response: bool,
}

/// The first frame, if it is all there.
fn whole(octets: &[u8]) -> Option<Frame<'_>> {
    let line = &octets[..memchr::memchr(b'\r', octets)?];
    let mut words = line.split(|b| *b == b' ').skip(1);
    let (id, what) = (words.next()?, words.next()?);
    let last = [b"\r\n-------", id].concat();
    let end = memchr::memmem::find(octets, &last)? + last.len() + 3;
    let octets = octets.get(..end)?;
    let is_request = what == b"SEND";
    let wants_response = is_request && memchr::memmem::find(octets, b"\r\nFailure-Report: no\r\n").is_none();
    Some(Frame { octets, id, wants_response })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_one_by_one_when_they_are_whole() {
        let send = b"MSRP a1b2 SEND\r\nTo-Path: x\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------a1b2$\r\n";
        let response = b"MSRP c3 200 OK\r\nTo-Path: x\r\n-------c3$\r\n";
        let both = [&send[..], &response[..]].concat();
        for cut in 0..send.len() {
            assert!(whole(&both[..cut]).is_none(), "{cut}");
        }
        let first = whole(&both).unwrap();
        assert_eq!((first.octets, first.id, first.wants_response), (&send[..], &b"a1b2"[..], true));
        let second = whole(&both[send.len()..]).unwrap();
        assert_eq!((second.octets, second.wants_response), (&response[..], false));
    }
}
