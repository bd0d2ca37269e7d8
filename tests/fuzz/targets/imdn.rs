//! What is read as a notification is written as one that means the same, and so is what is asked about a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::imdn::{Asks, Imdn};

fuzz_target!(|input: &[u8]| {
    if let Some(text) = mucfocus_fuzz::text(input) {
        let asks = Asks::parse(text);
        assert_eq!(Asks::parse(&asks.render()), asks);
        assert_eq!(asks.anything(), !asks.render().is_empty());
    }
    let Ok(notification) = Imdn::parse(input) else { return };
    assert!(input.len() <= Imdn::MAX_LEN);
    let written = notification.render();
    match Imdn::parse(written.as_bytes()) {
        Ok(read) => {
            assert_eq!(read, notification, "{written}");
            assert_eq!(read.render(), written);
        }
        // References are longer than what they stand for, and the recipient is written twice.
        Err(error) => assert!(written.len() > Imdn::MAX_LEN, "{error} in {written}"),
    }
});
