//! What is read as a status message is written as one that means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::is_composing::IsComposing;

fuzz_target!(|input: &[u8]| {
    let Ok(message) = IsComposing::parse(input) else { return };
    assert!(input.len() <= IsComposing::MAX_LEN);
    let written = message.render();
    let expected = IsComposing {
        refresh: message.refresh.map(|seconds| seconds.max(IsComposing::MIN_REFRESH)),
        content_type: message.content_type.clone().or_else(|| Some("text/plain".into())),
        ..message
    };
    match IsComposing::parse(written.as_bytes()) {
        Ok(read) => {
            assert_eq!(read, expected, "{written}");
            assert_eq!(read.render(), written);
        }
        // References are longer than what they stand for.
        Err(error) => assert!(written.len() > IsComposing::MAX_LEN, "{error} in {written}"),
    }
});
