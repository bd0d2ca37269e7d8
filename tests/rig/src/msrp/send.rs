//! SENDs to be sent, whole and in pieces.

use super::Cpim;
use crate::random;

/// A SEND to be sent; `Message-ID` is filled in.
#[derive(Debug, Clone)]
pub struct Send {
    pub(super) headers: Vec<(String, String)>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) flag: char,
    pub(super) message_id: String,
    pub(super) range: Option<String>,
}

impl Send {
    /// A message in one piece.
    pub fn cpim(cpim: &Cpim) -> Self {
        Self::of("message/cpim", cpim.bytes())
    }

    /// Any body of any type in one piece.
    pub fn of(content_type: &str, body: Vec<u8>) -> Self {
        let range = Some(format!("1-{0}/{0}", body.len()));
        let content_type = Some(content_type.to_owned());
        Self { headers: Vec::new(), content_type, body: Some(body), flag: '$', message_id: random(16), range }
    }

    /// The bodiless SEND that binds a connection to its session (RFC 4975 §5.4).
    pub fn bodiless() -> Self {
        let range = Some("1-0/0".to_owned());
        Self { headers: Vec::new(), content_type: None, body: None, flag: '$', message_id: random(16), range }
    }

    /// The same message in pieces of at most `size` octets.
    pub fn chunks(cpim: &Cpim, size: usize) -> Vec<Self> {
        let (body, message_id) = (cpim.bytes(), random(16));
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        let (last, total) = (pieces.len().saturating_sub(1), body.len());
        let piece = |(at, part): (usize, &&[u8])| {
            let start = at * size;
            let range = format!("{}-{}/{total}", start + 1, start + part.len());
            let flag = if at == last { '$' } else { '+' };
            Self::of("message/cpim", part.to_vec()).message_id(&message_id).range(&range).flag(flag)
        };
        pieces.iter().enumerate().map(piece).collect()
    }

    /// Adds a header, such as `Failure-Report`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the Message-ID; empty leaves it out.
    #[must_use]
    pub fn message_id(mut self, id: &str) -> Self {
        self.message_id = id.to_owned();
        self
    }

    /// Sets the Byte-Range; empty leaves it out.
    #[must_use]
    pub fn range(mut self, range: &str) -> Self {
        self.range = (!range.is_empty()).then(|| range.to_owned());
        self
    }

    /// Sets the flag of the end-line.
    #[must_use]
    pub fn flag(mut self, flag: char) -> Self {
        self.flag = flag;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_message_without_a_gap() {
        let cpim = Cpim::text("sip:a@b", "sip:c@d", "hello");
        let chunks = Send::chunks(&cpim, 7);
        let whole: Vec<u8> = chunks.iter().flat_map(|c| c.body.clone().unwrap()).collect();
        assert_eq!(whole, cpim.bytes());
        assert_eq!(chunks.iter().filter(|c| c.flag == '$').count(), 1);
        assert_eq!(Cpim::parse(&whole), Some(cpim));
    }
}
