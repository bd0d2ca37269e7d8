//! Whatever a client sends as text or as HTML, what crosses is text that XML can carry, in a bounded size.
//!
//! An input is a media type and, behind a line end, the content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::translate::html::html_to_text;
use mucfocus_core::translate::text::{charset_to_utf8, one_line, xml_clean};
use mucfocus_core::wire::media_type::MediaType;
use mucfocus_core::wire::xml::is_xml_char;

fuzz_target!(|input: &[u8]| {
    let Some(at) = input.iter().position(|b| *b == b'\n') else { return };
    let (kind, content) = (mucfocus_fuzz::text(&input[..at]).unwrap_or_default(), &input[at + 1..]);
    let kind = MediaType::parse(kind).unwrap_or_else(|_| MediaType::text_plain());
    let Ok(text) = charset_to_utf8(&kind, content) else { return };
    // The most that a charset can make of an octet.
    assert!(text.len() <= 3 * content.len(), "{} octets became {}", content.len(), text.len());
    let plain = html_to_text(&text);
    for text in [&*text, &plain] {
        let clean = xml_clean(text);
        assert_eq!(xml_clean(&clean), clean);
        let line_ends = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(clean, line_ends.chars().filter(|c| is_xml_char(*c)).collect::<String>());
        let line = one_line(text);
        assert!(!line.contains(['\r', '\n']), "{line:?}");
        assert_eq!(one_line(&line), line);
    }
    assert!(plain.len() <= 4 * text.len(), "{} octets became {}: {plain:?}", text.len(), plain.len());
});
