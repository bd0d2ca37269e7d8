//! A confirmed dialog (RFC 3261 §12).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Message, Request, TIMER_B, Ua};
use crate::wait::lock;

/// A confirmed dialog.
pub struct Call<'a> {
    pub(super) ua: &'a Ua,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) call_id: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: AtomicU32,
    /// The 2xx that confirmed it.
    pub answer: Message,
}

impl Call<'_> {
    /// The Call-ID.
    pub fn id(&self) -> &str {
        &self.call_id
    }

    /// A request inside the dialog, with the next CSeq.
    pub fn request(&self, method: &str) -> Request {
        let next = self.cseq.fetch_add(1, Ordering::Relaxed) + 1;
        self.request_with(method, next)
    }

    /// A request inside the dialog with a CSeq of one's own.
    pub fn request_with(&self, method: &str, cseq: u32) -> Request {
        let mut request = Request::new(method, &self.target)
            .header("From", &self.local)
            .header("To", &self.remote)
            .header("Call-ID", &self.call_id)
            .header("CSeq", &format!("{cseq} {method}"));
        for route in &self.routes {
            request = request.header("Route", route);
        }
        request
    }

    /// Ends the call; the answer to the BYE.
    pub async fn bye(&self) -> Message {
        self.ua.request(self.request("BYE")).await
    }

    /// Offers again inside the dialog; a 2xx is acknowledged.
    pub async fn reinvite(&self, sdp: &str) -> Message {
        let request = self.request("INVITE").body("application/sdp", sdp);
        let transaction = self.ua.begin(request);
        let response = transaction.response(TIMER_B).await;
        if response.code() < Some(300) {
            self.acknowledge(&transaction.branch, response.cseq().0);
        }
        response
    }

    /// Sends the ACK (RFC 3261 §13.2.2.4) with a number of one's own.
    pub fn ack(&self, cseq: u32) {
        let (message, _) = self.ua.complete(self.request_with("ACK", cseq));
        self.ua.put(message);
    }

    pub(super) fn acknowledge(&self, branch: &str, cseq: u32) {
        if self.ua.inner.acknowledges.load(Ordering::Relaxed) {
            let (message, _) = self.ua.complete(self.request_with("ACK", cseq));
            lock(&self.ua.inner.state).acks.insert(branch.to_owned(), message.bytes());
            self.ua.put(message);
        }
    }

    /// Waits for the BYE of the other side.
    #[track_caller]
    pub fn ended(&self, timeout: Duration) -> impl Future<Output = Message> {
        let id = self.call_id.clone();
        self.ua.expect("a BYE", timeout, move |m| m.method() == Some("BYE") && m.header("Call-ID") == Some(&id))
    }

    /// Whether the other side has ended it.
    pub fn has_ended(&self) -> bool {
        self.ua.find(|m| m.method() == Some("BYE") && m.header("Call-ID") == Some(&self.call_id)).is_some()
    }
}
