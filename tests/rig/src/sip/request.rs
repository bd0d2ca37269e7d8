//! Requests to be sent.

/// A request to be sent. From, To, Call-ID, CSeq, Via, Max-Forwards and Contact are filled in where they are missing.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A request outside of any dialog.
    pub fn new(method: &str, uri: &str) -> Self {
        Self { method: method.to_owned(), uri: uri.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// An INVITE with an offer.
    pub fn invite(uri: &str, sdp: &str) -> Self {
        Self::new("INVITE", uri).body("application/sdp", sdp)
    }

    /// Adds a header; one that is given is not filled in.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(self, content_type: &str, body: &str) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.body = body.as_bytes().to_vec();
        request
    }
}
