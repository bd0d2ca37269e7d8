//! The framer of XMPP streams finds the same stanzas whatever the segmentation, those that an XML parser finds, and holds no
//! more than its limits allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::xmpp_stream::framing::{Event, Framed, Framer, MAX_KEPT, Violation};
use mucfocus_fuzz::Wire;
use roxmltree::Document;

/// Beyond all limits but that of a whole stanza, at which inputs would take too much time to try many.
const LIMIT: usize = 4 * MAX_KEPT;
/// Longer inputs are cut only where they say, for time.
const MAX_OCTET_BY_OCTET: usize = 4 * 1024;

fuzz_target!(|input: &[u8]| {
    let wire = Wire::read(input, LIMIT);
    let whole = frame([wire.octets.as_slice()]);
    assert_eq!(whole, frame(wire.pieces()), "cut at {:?}", wire.cuts);
    if wire.octets.len() <= MAX_OCTET_BY_OCTET {
        assert_eq!(whole, frame(wire.octets.chunks(1)), "octet by octet");
    }

    let (events, end) = whole;
    for event in &events {
        if let Event::Stanza(framed) | Event::StreamError(framed) = event {
            check_framed(framed);
            assert_eq!(frame([&framed.bytes[..]]), (vec![event.clone()], Ok(())), "a stanza alone is the same stanza");
        }
    }
    check_against_parser(&wire.octets, &events, end);
});

/// Everything in `pieces`, and how it ends.
fn frame<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), Violation>) {
    let (mut framer, mut events) = (Framer::new(), Vec::new());
    for mut piece in pieces {
        loop {
            let before = piece.len();
            match framer.push(&mut piece) {
                Ok(Some(event)) => {
                    assert!(piece.len() < before, "an event takes octets");
                    assert!(framer.held() <= MAX_KEPT, "{} octets are held between stanzas", framer.held());
                    events.push(event);
                }
                Ok(None) => break,
                Err(violation) => return (events, Err(violation)),
            }
        }
        assert!(piece.is_empty(), "what does not suffice is taken");
        // A vector grows by doubling.
        assert!(framer.held() <= 2 * LIMIT, "{} octets are held", framer.held());
    }
    (events, Ok(()))
}

fn check_framed(framed: &Framed) {
    let text = std::str::from_utf8(&framed.bytes).expect("a stanza is UTF-8");
    assert!(text.starts_with('<') && text.ends_with('>'), "nothing before or after the element");
    assert_eq!(framed.name.start, 1);
    assert!(!framed.name().is_empty());
    for value in [&framed.from, &framed.to, &framed.kind, &framed.id].into_iter().flatten() {
        let quotes = (text.as_bytes()[value.start - 1], text.as_bytes()[value.end]);
        assert!(matches!(quotes, (b'\'', b'\'') | (b'"', b'"')), "an attribute is what stands between its quotes");
    }
}

/// What an XML parser takes, the framer takes, apart from what its limits and RFC 6120 §11.1 exclude; and it cuts at the same
/// places.
fn check_against_parser(octets: &[u8], events: &[Event], end: Result<(), Violation>) {
    const OPEN: &str = "<stream:stream xmlns:stream='s' xmlns:a='a' xmlns:b='b' xmlns:ext='e'>";
    const CLOSE: &str = "</stream:stream>";
    let Ok(content) = std::str::from_utf8(octets) else { return };
    let stream = format!("{OPEN}{content}{CLOSE}");
    let Ok(document) = Document::parse(&stream) else { return };
    let children = document.root_element().children();
    let elements: Vec<_> = children.filter(roxmltree::Node::is_element).collect();
    // As they are written: a parser does not say that blanks were CDATA or character references.
    let starts = elements.iter().map(|element| element.range().start).chain([stream.len() - CLOSE.len()]);
    let ends = [OPEN.len()].into_iter().chain(elements.iter().map(|element| element.range().end));
    if ends.zip(starts).any(|(from, to)| !is_blank(&stream[from..to])) {
        assert!(end.is_err(), "text, comments and instructions stand between the stanzas of {content:?}");
        return;
    }
    assert_eq!(end, Ok(()), "{content:?} is well-formed");
    assert_eq!(events.len(), elements.len(), "{content:?}");
    for (event, element) in events.iter().zip(elements) {
        let (Event::Stanza(framed) | Event::StreamError(framed)) = event else { continue };
        assert_eq!(framed.as_str(), &stream[element.range()]);
        for (name, value) in
            [("from", framed.from()), ("to", framed.to()), ("type", framed.kind()), ("id", framed.id())]
        {
            // A parser makes spaces of tabs and line ends.
            let spaced = value.map(|value| value.replace("\r\n", " ").replace(['\t', '\n', '\r'], " "));
            let parsed = element.attributes().find(|a| a.name() == name && a.namespace().is_none());
            let parsed = parsed.map(|a| a.value().replace(['\t', '\n', '\r'], " "));
            assert_eq!(spaced, parsed, "{name} of {content:?}");
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace())
}
