//! XML elements as small trees: as much of XML as a client of a MUC needs.

use std::fmt;

use quick_xml::XmlVersion;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};

/// An element with its namespace resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Local name.
    pub name: String,
    /// Namespace; empty when there is none.
    pub ns: String,
    /// Attributes, without namespace declarations.
    pub attributes: Vec<(String, String)>,
    /// Child elements in order.
    pub children: Vec<Element>,
    /// All text directly in this element.
    pub text: String,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first child of that name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name && c.ns == ns)
    }

    /// The first child of that name in this element's own namespace: `body`, `subject`, `error`, …
    pub fn own(&self, name: &str) -> Option<&Element> {
        self.child(name, &self.ns)
    }

    /// This element or the first one below it, in document order, of that name.
    pub fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name { Some(self) } else { self.children.iter().find_map(|c| c.find(name)) }
    }

    /// `from` of a stanza, or nothing.
    pub fn from(&self) -> &str {
        self.attribute("from").unwrap_or_default()
    }

    /// `type` of a stanza, or nothing.
    pub fn kind(&self) -> &str {
        self.attribute("type").unwrap_or_default()
    }

    /// The text of `<body/>`.
    pub fn body(&self) -> Option<&str> {
        self.own("body").map(|b| b.text.as_str())
    }

    /// Name of the stanza error's condition: `conflict`, `forbidden`, …
    pub fn condition(&self) -> Option<&str> {
        let conditions = |c: &&Element| c.ns == "urn:ietf:params:xml:ns:xmpp-stanzas" && c.name != "text";
        self.own("error")?.children.iter().find(conditions).map(|c| c.name.as_str())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        if !self.ns.is_empty() && self.ns != "jabber:client" {
            write!(f, " xmlns='{}'", self.ns)?;
        }
        for (name, value) in &self.attributes {
            write!(f, " {name}='{}'", escape(value.as_str()))?;
        }
        if self.text.is_empty() && self.children.is_empty() {
            return f.write_str("/>");
        }
        write!(f, ">{}", escape(self.text.as_str()))?;
        for child in &self.children {
            write!(f, "{child}")?;
        }
        write!(f, "</{}>", self.name)
    }
}

/// Puts events together to elements, one for each child of the stream's root.
#[derive(Default)]
pub struct Builder {
    /// The open elements, each with the prefixes in force inside it.
    open: Vec<(Element, Vec<(String, String)>)>,
}

impl Builder {
    /// Takes one event of a stream; yields an element when one directly below the root has ended. Panics on XML that
    /// no server may send.
    pub fn event(&mut self, event: &Event<'_>) -> Option<Element> {
        match event {
            Event::Start(start) => self.start(start),
            Event::Empty(start) => {
                self.start(start);
                return self.end();
            }
            Event::End(_) => return self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => {
                        let name = reference.xml10_content();
                        quick_xml::escape::resolve_predefined_entity(&name).expect("a predefined entity").to_owned()
                    }
                };
                self.text(&text);
            }
            _ => {}
        }
        None
    }

    fn start(&mut self, start: &BytesStart<'_>) {
        let mut prefixes = self.open.last().map(|(_, p)| p.clone()).unwrap_or_default();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.unwrap();
            let key: &str = attribute.key.into_inner();
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned();
            if key == "xmlns" {
                prefixes.push((String::new(), value));
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                prefixes.push((prefix.to_owned(), value));
            } else {
                attributes.push((key.to_owned(), value));
            }
        }
        let whole = start.name();
        let whole: &str = whole.into_inner();
        let (prefix, name) = whole.split_once(':').unwrap_or(("", whole));
        let ns = prefixes.iter().rev().find(|(p, _)| p == prefix).map(|(_, ns)| ns.clone()).unwrap_or_default();
        let element = Element { name: name.to_owned(), ns, attributes, ..Element::default() };
        self.open.push((element, prefixes));
    }

    fn text(&mut self, text: &str) {
        // Blanks between stanzas keep the connection alive and mean nothing.
        if self.open.len() > 1
            && let Some((element, _)) = self.open.last_mut()
        {
            element.text.push_str(text);
        }
    }

    fn end(&mut self) -> Option<Element> {
        let (element, _) = self.open.pop()?;
        match self.open.len() {
            0 => None,
            1 => Some(element),
            _ => {
                self.open.last_mut()?.0.children.push(element);
                None
            }
        }
    }
}
