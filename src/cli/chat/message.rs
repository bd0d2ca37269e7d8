//! SIP messages as the terminal client reads and writes them. Owns their form, and knows no dialog.

use bytes::Bytes;

use crate::sip::gate::{skip_line_ends, split_head};
use crate::sip::head::{Head, split_outside_quotes};

/// A message that came, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Start line and fields.
    pub(super) head: Head,
    /// As long as Content-Length says.
    pub(super) body: Bytes,
}

impl Message {
    /// Reads a message; `None` when it is none, or is cut short.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let (head, body) = split_head(skip_line_ends(octets))?;
        let head = Head::parse(head);
        let length = match head.first("content-length") {
            Some(length) => length.parse().ok()?,
            None => body.len(),
        };
        let body = Bytes::copy_from_slice(body.get(..length)?);
        let message = Self { head, body };
        let is_request = message.head.start.ends_with(" SIP/2.0") && message.head.start.split(' ').count() == 3;
        (message.code().is_some() || is_request).then_some(message)
    }

    /// The status code of a response.
    pub(super) fn code(&self) -> Option<u16> {
        let code = self.head.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?;
        code.parse().ok().filter(|code| (100..700).contains(code))
    }

    /// The words that follow the status code.
    pub(super) fn phrase(&self) -> &str {
        self.head.start.splitn(3, ' ').nth(2).unwrap_or_default().trim()
    }

    /// The method of a request.
    pub(super) fn method(&self) -> Option<&str> {
        if self.head.is_response() { None } else { Some(self.head.method()) }
    }

    /// Value of the first field of that name (long, lower case).
    pub(super) fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.head.first(name)
    }

    /// Number and method of CSeq.
    pub(super) fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.field("cseq")?.split_once([' ', '\t'])?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The branch of the topmost Via.
    pub(super) fn branch(&self) -> Option<&str> {
        let top = split_outside_quotes(self.field("via")?, ',').into_iter().next()?;
        crate::sip::head::parameter(top, "branch")
    }

    /// What the sender says for people: the texts of Warning and of Reason (RFC 3261 §20.43, RFC 3326).
    pub(super) fn explanations(&self) -> Vec<String> {
        let warnings =
            self.head.all("warning").flat_map(|value| split_outside_quotes(value, ',')).filter_map(|warning| {
                let (_, text) = warning.split_once('"')?;
                text.rsplit_once('"').map(|(text, _)| unescape(text))
            });
        let reasons = self.head.all("reason").flat_map(|value| split_outside_quotes(value, ',')).filter_map(|reason| {
            let text = crate::sip::head::parameter(reason, "text")?;
            Some(unescape(text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)))
        });
        warnings.chain(reasons).filter(|text| !text.trim().is_empty()).collect()
    }
}

/// What stands in a quoted string (RFC 3261 §25.1).
fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// A message in the making. No value can end its line: control characters become spaces.
#[derive(Debug)]
pub(super) struct Draft(String);

impl Draft {
    /// Begins with a start line.
    pub(super) fn new(start: &str) -> Self {
        let mut draft = Self(String::with_capacity(1024));
        draft.line(start);
        draft
    }

    /// Adds a field.
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.line(value);
        self
    }

    /// Adds a field for each value.
    pub(super) fn fields<'a>(self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        values.into_iter().fold(self, |draft, value| draft.field(name, value))
    }

    fn line(&mut self, text: &str) {
        self.0.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.0.push_str("\r\n");
    }

    /// Without a body.
    pub(super) fn finish(self) -> Bytes {
        self.finish_with(&Bytes::new())
    }

    /// With a body, whose Content-Type has been added.
    pub(super) fn finish_with(self, body: &Bytes) -> Bytes {
        let draft = self.field("Content-Length", &body.len().to_string());
        let mut octets = draft.0.into_bytes();
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(body);
        Bytes::from(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_its_content_length_says() {
        let of = |length: usize| Message::parse(format!("SIP/2.0 200 OK\r\nl: {length}\r\n\r\nbody").as_bytes());
        assert_eq!(of(3).unwrap().body, "bod");
        assert_eq!(of(5), None);
        assert_eq!(Message::parse(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(Message::parse(b"SIP/2.0 99 Low\r\n\r\n"), None);
        assert_eq!(Message::parse(b"\r\n\r\n"), None);
    }

    #[test]
    fn warnings_and_reasons_are_read_without_their_quotes() {
        let refused = b"SIP/2.0 404 Not Found\r\nWarning: 399 focus \"no such \\\"room\\\", [x1]\", 399 b \"two\"\r\n\
            Reason: SIP;cause=200;text=\"kicked; why\"\r\n\r\n";
        let explanations = Message::parse(refused).unwrap().explanations();
        assert_eq!(explanations, ["no such \"room\", [x1]", "two", "kicked; why"]);
    }

    #[test]
    fn a_value_cannot_add_a_field() {
        let octets = Draft::new("BYE sip:a SIP/2.0").field("Subject", "x\r\nEvil: y").finish();
        assert_eq!(Message::parse(&octets).unwrap().field("evil"), None);
    }
}
