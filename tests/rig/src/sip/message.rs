//! Requests and responses: values to octets and back.

use std::fmt;

/// A SIP message as it was on the wire, its header fields apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request-Line or Status-Line.
    pub start: String,
    /// Names as they were written, and values without blanks around them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    pub(crate) fn parse(head: &[u8], body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let split = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        Self { start, headers: lines.filter_map(split).collect(), body: body.to_vec() }
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.code().is_some() { None } else { self.start.split(' ').next() }
    }

    /// The first value of a header, however its name is cased.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| same_header(n, name)).map(|(_, v)| v.as_str())
    }

    /// Every value of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| same_header(n, name)).map(|(_, v)| v.as_str())
    }

    /// The tag of From or To.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let parameters = self.header(name)?.rsplit('>').next()?;
        parameters.split(';').find_map(|p| p.trim().strip_prefix("tag="))
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("CSeq").and_then(|v| v.split_once(' ')).unwrap_or(("0", ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<&str> {
        self.header("Via")?.split(';').find_map(|p| p.trim().strip_prefix("branch="))
    }

    /// The URI in Contact.
    pub fn contact(&self) -> Option<String> {
        uri_of(self.header("Contact")?)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of the first SDP line `a=name:value` of the body.
    pub fn sdp(&self, name: &str) -> Option<String> {
        let start = format!("a={name}:");
        self.text().lines().find_map(|l| l.strip_prefix(&start).map(|v| v.trim().to_owned()))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        // What came has its own.
        if self.header("Content-Length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()).replace("\r\n", "\n"))
    }
}

pub(super) fn same_header(a: &str, b: &str) -> bool {
    let long = |n: &str| match n.to_ascii_lowercase().as_str() {
        "v" => "via".to_owned(),
        "f" => "from".to_owned(),
        "t" => "to".to_owned(),
        "i" => "call-id".to_owned(),
        "m" => "contact".to_owned(),
        "l" => "content-length".to_owned(),
        "c" => "content-type".to_owned(),
        other => other.to_owned(),
    };
    long(a) == long(b)
}

fn uri_of(value: &str) -> Option<String> {
    let inside = value.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    Some(inside.map_or(value.split(';').next()?, |(uri, _)| uri).trim().to_owned())
}

pub(super) fn respond(request: &Message, status: &str) -> Message {
    let mut headers = Vec::new();
    for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
        for value in request.all(name) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Message { start: format!("SIP/2.0 {status}"), headers, body: Vec::new() }
}

pub(super) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|w| w == pattern)
}
