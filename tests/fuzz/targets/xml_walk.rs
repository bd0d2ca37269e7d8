//! What is written as text or as an attribute is read as the same by a parser of XML; and a walk over a framed element sees what
//! such a parser sees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::xml::{self, Node, Walk, is_xml_char};
use mucfocus_core::xmpp_stream::framing::{Event, Framer};
use roxmltree::{Document, NodeType};

fuzz_target!(|input: &[u8]| {
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    check_written(text);
    // Over anything it ends and does no harm.
    let _ = Walk::new(text)
        .map(|node| if let Node::Start(tag) = node { tag.attribute("x").is_some() } else { false })
        .count();
    if let Ok(Some(Event::Stanza(framed))) = Framer::new().push(&mut text.as_bytes()) {
        check_walk(framed.as_str());
    }
});

fn check_written(text: &str) {
    let mut element = String::from("<e");
    xml::attribute(&mut element, "a", text);
    element.push('>');
    xml::text(&mut element, text);
    element.push_str("</e>");
    let document = Document::parse(&element).expect("what is escaped is well-formed");
    let carried: String = text.chars().filter(|c| is_xml_char(*c)).collect();
    let root = document.root_element();
    assert_eq!(root.attribute("a"), Some(carried.as_str()));
    assert_eq!(root.text().unwrap_or_default(), carried);
    assert!(
        !root.has_children() || root.first_child().is_some_and(|only| only.is_text() && only.next_sibling().is_none())
    );

    let Ok(Some(Event::Stanza(framed))) = Framer::new().push(&mut element.as_bytes()) else {
        // The only limit that this element can exceed.
        assert!(element.len() > 4096, "the framer takes what we write");
        return;
    };
    assert_eq!(framed.as_str(), element);
    let walked: Vec<_> = Walk::new(&element).collect();
    let Some(Node::Start(tag)) = walked.first() else { panic!("no start in {walked:?}") };
    assert_eq!(tag.attribute("a").as_deref(), Some(carried.as_str()));
    assert_eq!(walked.len(), if carried.is_empty() { 2 } else { 3 });
}

/// What a reader is told, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen(Vec<Step>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The name without its prefix, and the attributes that have none.
    Start(String, Vec<(String, String)>),
    Text(String),
    End,
}

impl Seen {
    /// Text comes in pieces that mean nothing.
    fn text(&mut self, more: &str) {
        match self.0.last_mut() {
            _ if more.is_empty() => {}
            Some(Step::Text(text)) => text.push_str(more),
            _ => self.0.push(Step::Text(more.into())),
        }
    }
}

fn check_walk(stanza: &str) {
    // Line ends are another matter: a parser turns them into others, and stanzas come with references in their place.
    if stanza.contains('\r') {
        return;
    }
    let wrapped = format!("<w xmlns:stream='s' xmlns:a='a' xmlns:b='b' xmlns:ext='e'>{stanza}</w>");
    let Ok(document) = Document::parse(&wrapped) else { return };
    let mut parsed = Seen::default();
    let Some(root) = document.root_element().first_child() else { panic!("a stanza is an element") };
    see_parsed(root, &mut parsed);

    let mut walked = Seen::default();
    let mut names = root.descendants().filter(roxmltree::Node::is_element);
    for node in Walk::new(stanza) {
        match node {
            Node::Text(text) => walked.text(&text),
            Node::End => walked.0.push(Step::End),
            Node::Start(tag) => {
                let Some(element) = names.next() else { panic!("more starts than elements in {stanza:?}") };
                let local = tag.name.rsplit(':').next().unwrap_or_default();
                let attributes = element.attributes().filter(|a| a.namespace().is_none()).map(|a| {
                    // The parser takes an empty prefix for none.
                    let value = tag.attribute(a.name()).or_else(|| tag.attribute(&format!(":{}", a.name())));
                    let value = value.unwrap_or_else(|| panic!("no {} in {stanza:?}", a.name()));
                    (a.name().to_owned(), spaced(&value))
                });
                walked.0.push(Step::Start(local.into(), attributes.collect()));
            }
        }
    }
    assert_eq!(walked, parsed, "{stanza:?}");
}

fn see_parsed(node: roxmltree::Node<'_, '_>, seen: &mut Seen) {
    match node.node_type() {
        NodeType::Element => {
            let attributes = node.attributes().filter(|a| a.namespace().is_none());
            let attributes = attributes.map(|a| (a.name().to_owned(), spaced(a.value())));
            seen.0.push(Step::Start(node.tag_name().name().into(), attributes.collect()));
            node.children().for_each(|child| see_parsed(child, seen));
            seen.0.push(Step::End);
        }
        _ => seen.text(node.text().unwrap_or_default()),
    }
}

/// As a parser normalises attribute values.
fn spaced(value: &str) -> String {
    value.replace(['\t', '\n', '\r'], " ")
}
