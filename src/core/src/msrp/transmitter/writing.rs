//! How the octets of a batch come about.

use super::{Begun, Octets, Open, RESPONSE_TIME, Share, Transmitter};
use crate::msrp::content::UNINTERRUPTED;
use crate::msrp::post::Post;
use crate::time::Instant;
use crate::wire::msrp::encode::{END_LINE, SEND_LINE, WireFrame};
use crate::wire::msrp::frame::Continuation;

/// Octets of a batch; the piece or the short frame that goes beyond is the last.
const BATCH: usize = 16 * 1024;
/// Octets of a body that are handed out at once while nothing else waits.
const PIECE: usize = 16 * 1024;
/// The same while something does. Not below [`UNINTERRUPTED`], which no chunk but the last may be (MS-SEND-05).
const QUANTUM: usize = 4 * 1024;
/// Chunks of one message: what the identifier has room for. The last takes all the rest.
const MAX_CHUNKS: u32 = 9_999_999;

impl Transmitter {
    /// Appends what is to be written next: some 16 KiB, nothing when there is nothing. [`Transmitter::written`] has to follow
    /// before the next.
    pub fn fill(&mut self, now: Instant, out: &mut Octets) {
        let before = out.len();
        while out.len().saturating_sub(before) < BATCH || (self.whole_chunks && self.open.is_some()) {
            if let Some(open) = self.open.take() {
                self.go_on(now, open, out);
            } else if let Some((share, frame)) = self.urgent.pop_front() {
                self.put_out(share, &frame, out);
            } else if let Some(share) = self.turns.pop_front() {
                self.begin(now, share, out);
            } else {
                break;
            }
            if self.whole_chunks && self.open.is_none() && out.len() > before {
                break;
            }
        }
        if self.urgent.is_empty() && self.urgent.capacity() > 64 {
            self.urgent.shrink_to(0);
        }
        if out.len() > before {
            self.handed_out = Some(now);
        }
    }

    /// The batch is on its way: from now on its answers are due (MS-RSP-04). Whether who was told to wait by
    /// [`Transmitter::takes_requests`] may ask again.
    pub fn written(&mut self, now: Instant) -> bool {
        self.handed_out = None;
        let (due, heard) = (now + RESPONSE_TIME, self.heard);
        while let Some(share) = self.in_batch.pop() {
            let Some(queue) = self.queue(share) else { continue };
            queue.handed_over(now, due, heard);
            self.look.get_or_insert(due);
        }
        self.in_batch.shrink_to(4);
        core::mem::take(&mut self.is_awaited)
    }

    fn put_out(&mut self, share: Share, frame: &WireFrame, out: &mut Octets) {
        for part in frame.chunks() {
            out.put(part);
        }
        if let Some(queue) = self.queue(share) {
            queue.unload_short(frame.len());
        }
        self.drop_if_done(share);
    }

    /// The turn of a session: a whole short message, or the head of the next chunk of a large one.
    fn begin(&mut self, now: Instant, share: Share, out: &mut Octets) {
        let limits = self.limits;
        let Some(queue) = self.queue(share) else { return };
        queue.has_turn = false;
        let next = queue.begun.take().or_else(|| {
            let post = queue.waiting.pop_front()?;
            Some(Begun { post, at: 0, chunk: 1, is_aborted: false })
        });
        let Some(begun) = next else { return self.drop_if_done(share) };
        head(&begun, out);
        if begun.post.content.is_interruptible() {
            self.open = Some(Open { share, begun, given: 0 });
            return;
        }
        out.put(begun.post.content.body());
        end(&begun.post, 1, Continuation::Complete, out);
        if queue.wrote(begun, &limits) {
            self.look = Some(now);
        }
        self.settle(share);
    }

    /// More of the open chunk, or its end.
    fn go_on(&mut self, now: Instant, mut open: Open, out: &mut Octets) {
        let others = !self.urgent.is_empty() || !self.turns.is_empty();
        let (body, at) = (open.begun.post.content.body(), open.begun.at);
        let rest = body.len().saturating_sub(at);
        let may_stop = open.given >= UNINTERRUPTED && open.begun.chunk < MAX_CHUNKS;
        if open.begun.is_aborted {
            return self.close(now, open, Continuation::Aborted, out);
        }
        let is_relayed = open.begun.post.is_relayed;
        if may_stop && (others || self.whole_chunks || is_relayed) {
            return self.close(now, open, Continuation::More, out);
        }
        let piece = rest.min(match () {
            () if is_relayed => UNINTERRUPTED,
            () if others && !self.whole_chunks => QUANTUM,
            () => PIECE,
        });
        let end = at.saturating_add(piece);
        out.share(body.slice(at..end));
        open.begun.at = end;
        open.given = open.given.saturating_add(piece);
        if piece == rest {
            return self.close(now, open, Continuation::Complete, out);
        }
        self.open = Some(open);
    }

    fn close(&mut self, now: Instant, open: Open, flag: Continuation, out: &mut Octets) {
        let Open { share, mut begun, .. } = open;
        end(&begun.post, begun.chunk, flag, out);
        let limits = self.limits;
        if let Some(queue) = self.queue(share) {
            match flag {
                Continuation::Complete => {
                    if queue.wrote(begun, &limits) {
                        self.look = Some(now);
                    }
                }
                Continuation::Aborted => queue.unload(begun.post.content.body().len()),
                Continuation::More => {
                    begun.chunk = begun.chunk.saturating_add(1);
                    queue.begun = Some(begun);
                }
            }
        }
        self.settle(share);
    }

    /// A chunk of this session has ended: its turn comes again if it has more.
    fn settle(&mut self, share: Share) {
        let Some(queue) = self.queue(share) else { return };
        queue.shrink();
        let has_turn = queue.has_work() && !core::mem::replace(&mut queue.has_turn, true);
        if has_turn {
            self.turns.push_back(share);
        }
        if !self.in_batch.contains(&share) {
            self.in_batch.push(share);
        }
        self.drop_if_done(share);
    }
}

fn head(begun: &Begun, out: &mut Octets) {
    let (start, method) = SEND_LINE;
    out.put(start.as_bytes());
    name(&begun.post, begun.chunk, out);
    out.put(method.as_bytes());
    out.put(&begun.post.paths);
    begun.post.content.headers(begun.at, out);
}

fn end(post: &Post, chunk: u32, flag: Continuation, out: &mut Octets) {
    if !post.content.is_greeting() {
        out.put(b"\r\n");
    }
    out.put(END_LINE.as_bytes());
    name(post, chunk, out);
    out.put(&[flag.flag(), b'\r', b'\n']);
}

fn name(post: &Post, chunk: u32, out: &mut Octets) {
    out.put(post.base.as_str().as_bytes());
    if chunk > 1 {
        out.put(alloc::format!(".{chunk}").as_bytes());
    }
}
