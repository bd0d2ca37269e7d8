//! What the start line and the headers of one MSRP message may take.

use super::frame::Path;

/// The longest line of a head by default, CRLF included, in octets. A path of four relays and a content type with parameters
/// stay below 2 KiB.
pub const MAX_LINE: usize = 4 * 1024;

/// The longest head by default, from the start line to the empty line, in octets: two paths that fill their lines, and as much
/// again.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers of one message by default. RFC 4975 and the specifications that extend it define less than twenty.
pub const MAX_HEADERS: usize = 32;

/// The most octets of one path by default, its URIs and the spaces between them: what fits into a line with the name of the
/// header.
pub const MAX_PATH: usize = MAX_LINE - 64;

/// RFC 4975 §14.5 asks for limits and names none (MS-FRAME-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets from the start line to the empty line. A peer has this much of our memory before it has said which session it wants.
    /// Beyond it the connection is closed.
    pub head: usize,
    /// Octets of one line, CRLF included. Beyond it the connection is closed.
    pub line: usize,
    /// Headers. Beyond it the connection is closed.
    pub headers: usize,
    /// URIs of one path, of which more than [`Path::MAX_LEN`] are never taken. Relays on both sides make four; each is written into
    /// everything that is sent along the path. Beyond it the message is malformed.
    pub path: usize,
    /// Octets of one path, its URIs and the spaces between them. Beyond it the message is malformed.
    pub path_octets: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self =
        Self { head: MAX_HEAD, line: MAX_LINE, headers: MAX_HEADERS, path: Path::MAX_LEN, path_octets: MAX_PATH };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
