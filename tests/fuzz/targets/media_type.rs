//! Media types and lists of them are read back as they are written, and a list accepts what it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::media_type::{AcceptTypes, MediaType};

fuzz_target!(|input: &[u8]| {
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    let accepted = AcceptTypes::parse(text);
    assert_eq!(AcceptTypes::parse(&accepted.to_string()), accepted, "{accepted}");
    let Ok(media) = MediaType::parse(text) else { return };
    let written = media.to_string();
    assert_eq!(MediaType::parse(&written).as_ref(), Ok(&media), "{written:?}");
    assert!(media.is(&media.essence()) && media.is(&media.essence().to_ascii_uppercase()));
    let by_name = AcceptTypes::parse(&media.essence());
    assert!(by_name.accepts(&media) || media.essence().contains('*'));
    assert!(!accepted.names(&media) || accepted.accepts(&media));
});
