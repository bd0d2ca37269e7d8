//! Status messages of people who write (RFC 3994): bytes to a value and back.

use alloc::string::{String, ToString};

use roxmltree::{Document, Node, ParsingOptions};

use super::xml;

/// The media type of these documents.
pub const MEDIA_TYPE: &str = "application/im-iscomposing+xml";

const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";

/// A status message (RFC 3994 §3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsComposing {
    /// What its author is doing.
    pub state: State,
    /// How many seconds this holds at most without another message.
    pub refresh: Option<u32>,
    /// What he writes, as a media type; text when nothing is said.
    pub content_type: Option<String>,
}

/// What an author is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// He writes.
    Active,
    /// He does not. So are states read that nobody here knows (§3.5).
    Idle,
}

/// Why something is not a status message: MSRP 400 (ISC-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IsComposingError {
    /// More than [`IsComposing::MAX_LEN`] octets.
    #[error("the status message is longer than {} octets", IsComposing::MAX_LEN)]
    TooLong,
    /// Not UTF-8.
    #[error("the status message is not UTF-8")]
    NotUtf8,
    /// Not well-formed, with a DTD, or with more nodes than such a message has.
    #[error("the status message is not well-formed XML, or has a DTD")]
    NotXml,
    /// The root is something else.
    #[error("the root is not isComposing of {NAMESPACE}")]
    NotIsComposing,
    /// There is no state.
    #[error("the status message has no state")]
    NoState,
}

impl IsComposing {
    /// The longest message that is read, in octets: ten times what one needs.
    pub const MAX_LEN: usize = 4096;

    /// The shortest refresh interval that is written, in seconds (§3.2, ISC-02).
    pub const MIN_REFRESH: u32 = 60;

    /// More nodes than a message with all elements and some extensions has. The parser does not recurse, so this and the
    /// length are all the bounds it needs.
    const MAX_NODES: u32 = 256;

    /// Reads a status message. Elements that nobody here knows are ignored, and so is a refresh interval that is no number.
    ///
    /// # Errors
    ///
    /// [`IsComposingError`].
    pub fn parse(body: &[u8]) -> Result<Self, IsComposingError> {
        if body.len() > Self::MAX_LEN {
            return Err(IsComposingError::TooLong);
        }
        let text = core::str::from_utf8(body).map_err(|_| IsComposingError::NotUtf8)?;
        // A DTD is refused by default too; it is said because it matters.
        let options = ParsingOptions { allow_dtd: false, nodes_limit: Self::MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|_| IsComposingError::NotXml)?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "isComposing")) {
            return Err(IsComposingError::NotIsComposing);
        }
        let state = match child(root, "state").ok_or(IsComposingError::NoState)? {
            "active" => State::Active,
            _ => State::Idle,
        };
        let refresh = child(root, "refresh").and_then(|seconds| seconds.parse().ok());
        let content_type = child(root, "contenttype").filter(|text| !text.is_empty()).map(ToString::to_string);
        Ok(Self { state, refresh, content_type })
    }

    /// The message as it is sent. A refresh interval below [`IsComposing::MIN_REFRESH`] is raised to it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::from("<?xml version='1.0' encoding='UTF-8'?><isComposing");
        xml::attribute(&mut out, "xmlns", NAMESPACE);
        out.push_str("><state>");
        out.push_str(match self.state {
            State::Active => "active",
            State::Idle => "idle",
        });
        out.push_str("</state><contenttype>");
        xml::text(&mut out, self.content_type.as_deref().unwrap_or("text/plain"));
        out.push_str("</contenttype>");
        if let Some(refresh) = self.refresh {
            out.push_str("<refresh>");
            out.push_str(&refresh.max(Self::MIN_REFRESH).to_string());
            out.push_str("</refresh>");
        }
        out.push_str("</isComposing>");
        out
    }
}

/// The text of a child element, without the space around it.
fn child<'a>(root: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = root.children().find(|node| node.has_tag_name((NAMESPACE, name)))?;
    Some(child.text().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn parse(inside: &str) -> Result<IsComposing, IsComposingError> {
        IsComposing::parse(format!("<isComposing xmlns='{NAMESPACE}'>{inside}</isComposing>").as_bytes())
    }

    #[test]
    fn the_message_of_rfc_3994_is_read() {
        // §4.1
        let message = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing \
            xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n  xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
            <state>active</state>\n<contenttype>text/plain</contenttype>\n<refresh>90</refresh>\n</isComposing>";
        let expected = IsComposing { state: State::Active, refresh: Some(90), content_type: Some("text/plain".into()) };
        assert_eq!(IsComposing::parse(message.as_bytes()), Ok(expected));
    }

    #[test]
    fn an_unknown_state_is_idle_and_unknown_elements_are_ignored() {
        // ISC-01
        let message = parse("<x xmlns='urn:x'><state>active</state></x><state>thinking</state><mood>?</mood>").unwrap();
        assert_eq!(message, IsComposing { state: State::Idle, refresh: None, content_type: None });
        assert_eq!(parse("<state> active </state><refresh>soon</refresh>").unwrap().refresh, None);
        assert_eq!(parse("<state/>").unwrap().state, State::Idle);
    }

    #[test]
    fn what_is_no_status_message_is_refused_by_name() {
        // ISC-01
        use IsComposingError as E;
        for (body, error) in [
            ("<isComposing><state>active</state></isComposing>", E::NotIsComposing),
            ("<a/>", E::NotIsComposing),
            ("<isComposing>", E::NotXml),
            ("", E::NotXml),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><isComposing/>", E::NotXml),
        ] {
            assert_eq!(IsComposing::parse(body.as_bytes()), Err(error), "{body}");
        }
        assert_eq!(parse("<refresh>60</refresh>"), Err(E::NoState));
        assert_eq!(parse(&"<a/>".repeat(300)), Err(E::NotXml));
        assert_eq!(parse(&" ".repeat(4096)), Err(E::TooLong));
        assert_eq!(IsComposing::parse(b"<\xff/>"), Err(E::NotUtf8));
        let deep = format!("<state>{}{}</state>", "<a>".repeat(500), "</a>".repeat(500));
        assert_eq!(parse(&deep), Err(E::NotXml));
    }

    #[test]
    fn a_refresh_interval_is_never_written_shorter_than_a_minute() {
        // ISC-02
        let message = IsComposing { state: State::Active, refresh: Some(5), content_type: None };
        assert_eq!(
            message.render(),
            "<?xml version='1.0' encoding='UTF-8'?><isComposing \
             xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state><contenttype>text/plain</contenttype>\
             <refresh>60</refresh></isComposing>"
        );
        let idle = IsComposing { state: State::Idle, refresh: None, content_type: Some("a<b&\0".into()) };
        let read = IsComposing::parse(idle.render().as_bytes()).unwrap();
        assert_eq!(read, IsComposing { content_type: Some("a<b&".into()), ..idle });
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_stumble(body: Vec<u8>, text in "[<>/a-c='!\\[\\]& ]{0,80}") {
            let _ = IsComposing::parse(&body);
            let _ = parse(&text);
        }
    }
}
