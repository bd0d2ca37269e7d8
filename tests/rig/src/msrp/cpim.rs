//! What stands inside of a message (RFC 3862).

use super::frame::cut;

/// A CPIM message (RFC 3862): its own headers, the type of what it wraps, and that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpim {
    /// `From`, `To`, `DateTime`, … in order.
    pub headers: Vec<(String, String)>,
    /// The content's type.
    pub content_type: String,
    /// The content.
    pub content: Vec<u8>,
}

impl Cpim {
    /// A plain text message.
    pub fn text(from: &str, to: &str, text: &str) -> Self {
        let header = |name: &str, value: String| (name.to_owned(), value);
        Self {
            headers: vec![header("From", format!("<{from}>")), header("To", format!("<{to}>"))],
            content_type: "text/plain;charset=utf-8".into(),
            content: text.as_bytes().to_vec(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes every header of that name away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// Changes the type of the content.
    #[must_use]
    pub fn of_type(mut self, content_type: &str) -> Self {
        self.content_type = content_type.to_owned();
        self
    }

    /// Strict reading: header block, blank line, MIME headers, blank line, content; CRLF everywhere.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = cut(bytes, b"\r\n\r\n")?;
        let (mime, content) = cut(rest, b"\r\n\r\n")?;
        let fields = |block: &[u8]| -> Option<Vec<(String, String)>> {
            let text = std::str::from_utf8(block).ok()?;
            text.split("\r\n").map(|l| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()))).collect()
        };
        let mime = fields(mime)?;
        let (_, content_type) = mime.into_iter().find(|(n, _)| n == "Content-Type")?;
        Some(Self { headers: fields(head)?, content_type, content: content.to_vec() })
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("\r\nContent-Type: {}\r\n\r\n", self.content_type));
        [text.as_bytes(), &self.content].concat()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Formal name and URI of From, read as RFC 3862 §4.1 has it: `[Formal-name] <URI>` and nothing after it.
    pub fn sender(&self) -> Option<(String, String)> {
        let (name, uri) = self.header("From")?.strip_suffix('>')?.rsplit_once('<')?;
        let name = name.trim_end();
        let quoted = name.strip_prefix('"').and_then(|n| n.strip_suffix('"'));
        Some((quoted.map_or_else(|| Some(name.to_owned()), unescape)?, uri.to_owned()))
    }

    /// The content as text.
    pub fn text_content(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// What stands between the quotes (RFC 3862 §3.6); `None` for an escape or a bare quote that may not be there.
fn unescape(quoted: &str) -> Option<String> {
    let (mut out, mut letters) = (String::new(), quoted.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return None,
            '\\' => match letters.next()? {
                c @ ('\\' | '"' | '\'') => out.push(c),
                't' => out.push('\t'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}
