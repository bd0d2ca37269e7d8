//! What the log says of those who are refused or ended.

use std::io::Write;
use std::sync::{Arc, Mutex};

use mucfocus::hub::mail::{Outcome, SubscriptionMail};
use mucfocus::sip::settings::Transport;
use tracing::subscriber::DefaultGuard;

use crate::harness::{House, call_up};
use crate::subscriptions::subscribed;

/// What is logged on this thread, which is the driver's too.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn begin() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let sink = lines.clone();
        let logger = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || sink.clone())
            .finish();
        (lines, tracing::subscriber::set_default(logger))
    }

    /// The one line with these words.
    fn line(&self, words: &str) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let found: Vec<_> = text.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(found.len(), 1, "{text}");
        found[0].to_owned()
    }
}

#[tokio::test]
async fn a_subscription_that_ends_for_its_size_says_whose_it_was_and_how_large() {
    let (lines, _guard) = Lines::begin();
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    up.room.show(3600, &"x".repeat(2000)).await;
    let notify = up.peer.hear().await;
    up.peer.answer(&notify, "200 OK").await;
    up.room.hear().await;
    let line = lines.line("goes by datagram");
    assert!(line.contains("DEBUG") && line.contains("user=sip:romeo@example.org"), "{line}");
    up.room.show(3600, &"x".repeat(70_000)).await;
    assert!(matches!(up.room.hear().await, SubscriptionMail::Notified(Outcome::TooLarge)));
    let line = lines.line("fits no datagram");
    let said = ["INFO", "user=sip:romeo@example.org", "room=sip:capulet@rooms.example.com", "octets=70000"];
    assert!(said.iter().all(|said| line.contains(said)), "{line}");
}

#[tokio::test]
async fn who_sends_in_anothers_dialog_is_named_beside_its_owner() {
    let (lines, _guard) = Lines::begin();
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let bye = up.invite.next("BYE", 2, &up.ok).with("P-Asserted-Identity: <sip:tybalt@example.org>\r\n");
    assert_eq!(up.peer.ask(&bye).await.code(), 403);
    let line = lines.line("in a dialog of another");
    assert!(line.contains("user=sip:tybalt@example.org owner=sip:romeo@example.org"), "{line}");
}
