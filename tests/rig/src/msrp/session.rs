//! What a session has seen on its connection, and how it answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::frame::decode;
use super::{Cpim, Frame};
use crate::capture::Line;
use crate::wait::lock;

/// One frame in either direction.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// When.
    pub at: SystemTime,
    /// Whether we sent it.
    pub sent: bool,
    /// What.
    pub frame: Frame,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) traffic: Vec<Traffic>,
    pub(super) responses: BTreeMap<String, Frame>,
    partial: BTreeMap<String, Vec<u8>>,
    pub(super) messages: Vec<Message>,
    pub(super) broken: Vec<String>,
    pub(super) closed: bool,
}

/// A message that came, put together.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its last chunk.
    pub frame: Frame,
    /// All of its body.
    pub body: Vec<u8>,
    /// The body read as CPIM, where it is that.
    pub cpim: Option<Cpim>,
}

impl Message {
    /// The text inside.
    pub fn text(&self) -> Option<String> {
        self.cpim.as_ref().map(Cpim::text_content)
    }

    /// A header of the CPIM.
    pub fn cpim_header(&self, name: &str) -> Option<&str> {
        self.cpim.as_ref()?.header(name)
    }
}

pub(super) struct Inner {
    pub(super) local: String,
    pub(super) line: Option<Line>,
    pub(super) out: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) state: Mutex<State>,
    pub(super) answers: AtomicBool,
    pub(super) reads: AtomicBool,
}

impl Inner {
    pub(super) fn put(&self, frame: Frame) {
        let _ = self.out.send(frame.bytes());
        lock(&self.state).traffic.push(Traffic { at: SystemTime::now(), sent: true, frame });
    }

    fn take(&self, frame: Frame) {
        let mut state = lock(&self.state);
        state.traffic.push(Traffic { at: SystemTime::now(), sent: false, frame: frame.clone() });
        if frame.code().is_some() {
            state.responses.insert(frame.id.clone(), frame);
            return;
        }
        if frame.start == "SEND" {
            state.message(frame.clone());
        }
        drop(state);
        if frame.start != "REPORT" && self.answers.load(Ordering::Relaxed) {
            self.answer(&frame);
        }
    }

    fn answer(&self, frame: &Frame) {
        let sends = frame.start == "SEND";
        if sends && frame.header("Failure-Report").unwrap_or("yes") != "yes" {
            return;
        }
        let to = frame.header("From-Path").unwrap_or_default();
        let to = if sends { to.split(' ').next().unwrap_or_default() } else { to };
        let headers = vec![("To-Path".to_owned(), to.to_owned()), ("From-Path".to_owned(), self.local.clone())];
        let start = if sends { "200 OK" } else { "501 Unknown method" };
        self.put(Frame { id: frame.id.clone(), start: start.into(), headers, body: None, flag: '$' });
    }
}

impl State {
    /// Puts chunks together; they come in order on one connection.
    fn message(&mut self, frame: Frame) {
        let Some(body) = &frame.body else { return };
        let id = frame.header("Message-ID").unwrap_or_default().to_owned();
        self.partial.entry(id.clone()).or_default().extend_from_slice(body);
        if frame.flag == '+' {
            return;
        }
        let body = self.partial.remove(&id).unwrap_or_default();
        if frame.flag == '$' {
            let is_cpim = frame.header("Content-Type").is_some_and(|t| t.starts_with("message/cpim"));
            let cpim = is_cpim.then(|| Cpim::parse(&body)).flatten();
            self.messages.push(Message { frame, body, cpim });
        }
    }
}

pub(super) async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut out: mpsc::UnboundedReceiver<Vec<u8>>,
    line: Option<Line>,
) {
    while let Some(bytes) = out.recv().await {
        if let Some(line) = &line {
            line.sent(&bytes);
        }
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

pub(super) async fn read_all(mut read: impl AsyncRead + Unpin, inner: Arc<Inner>) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        while !inner.reads.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match read.read(&mut chunk).await {
            Ok(length) if length > 0 => buffer.extend_from_slice(&chunk[..length]),
            _ => break,
        }
        let mut done = 0;
        while let Some((frame, length)) = decode(&buffer[done..]) {
            if let Some(line) = &inner.line {
                line.came(&buffer[done..done + length]);
            }
            done += length;
            match frame {
                Ok(frame) => inner.take(frame),
                Err(line) => lock(&inner.state).broken.push(line),
            }
        }
        buffer.drain(..done);
    }
    lock(&inner.state).closed = true;
}
