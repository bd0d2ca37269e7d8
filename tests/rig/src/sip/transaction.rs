//! A request on its way (RFC 3261 §17).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Call, Message, Request, T1, T2, Transport, Ua};
use crate::wait::{SOON, lock, within};

/// A request on its way.
pub struct Transaction<'a> {
    pub(super) ua: &'a Ua,
    pub(super) message: Message,
    pub(super) branch: String,
}

impl<'a> Transaction<'a> {
    /// The request as it was sent.
    pub fn request(&self) -> &Message {
        &self.message
    }

    /// Waits for any response, provisional ones included.
    #[track_caller]
    pub fn any_response(&self, timeout: Duration) -> impl Future<Output = Message> {
        self.ua.expect("any response", timeout, move |m| self.is_mine(m))
    }

    /// Waits for the final response and acknowledges a refusal. Over UDP the request is sent again as RFC 3261 §17.1
    /// says.
    pub async fn response(&self, timeout: Duration) -> Message {
        let (end, mut wait) = (Instant::now() + timeout, T1);
        let method = self.message.method().unwrap_or_default();
        let last = loop {
            let left = end.saturating_duration_since(Instant::now());
            let quiet = self.ua.inner.transport == Transport::Tcp
                || (method == "INVITE" && self.ua.find(|m| self.is_mine(m)).is_some());
            let look = || self.ua.find(|m| self.is_mine(m) && m.code() >= Some(200));
            if let Some(found) = within(look, if quiet { left } else { wait.min(left) }).await {
                break found;
            }
            if left.is_zero() {
                panic!("{}", self.ua.picture(&format!("no final response to {method} within {timeout:?}")));
            }
            if !quiet {
                self.ua.put(self.message.clone());
                wait = if method == "INVITE" { wait * 2 } else { (wait * 2).min(T2) };
            }
        };
        if method == "INVITE" && last.code() >= Some(300) && self.ua.inner.acknowledges.load(Ordering::Relaxed) {
            self.acknowledge_refusal(&last);
        }
        last
    }

    /// Cancels the request and waits for the answer to the CANCEL (RFC 3261 §9.1).
    pub async fn cancel(&self) -> Message {
        let transaction = self.ua.begin(self.hop_by_hop("CANCEL", self.message.header("To").unwrap_or_default()));
        transaction.response(SOON).await
    }

    /// The dialog that `response` confirms; its ACK is sent.
    pub fn call(self, response: Message) -> Call<'a> {
        let call = self.ua.resume(&response);
        lock(&self.ua.inner.state).dialogs.insert(call.call_id.clone());
        call.acknowledge(&self.branch, call.answer.cseq().0);
        call
    }

    fn is_mine(&self, message: &Message) -> bool {
        let method = self.message.method();
        message.code().is_some() && message.branch() == Some(&self.branch) && Some(message.cseq().1) == method
    }

    fn acknowledge_refusal(&self, response: &Message) {
        let ack = self.hop_by_hop("ACK", response.header("To").unwrap_or_default());
        let (message, _) = self.ua.complete(ack);
        lock(&self.ua.inner.state).acks.insert(self.branch.clone(), message.bytes());
        self.ua.put(message);
    }

    fn hop_by_hop(&self, method: &str, to: &str) -> Request {
        let uri = self.message.start.split(' ').nth(1).unwrap_or_default();
        let mut request = Request::new(method, uri);
        for name in ["Via", "From", "Call-ID", "Route"] {
            for value in self.message.all(name) {
                request = request.header(name, value);
            }
        }
        request.header("To", to).header("CSeq", &format!("{} {method}", self.message.cseq().0))
    }
}
