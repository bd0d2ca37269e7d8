//! Logging in, binding and resuming in one exchange: XEP-0388 with Bind 2 (XEP-0386), FAST (XEP-0484) and XEP-0198 §9 inline. Owns
//! how the elements are written and read; what is in the SASL messages, and what to do about a refusal, is the driver's.

use alloc::borrow::ToOwned;
use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jid::{FullJid, Jid};

use super::framing::Framed;
use super::management::Nonza;
use super::xml::{self, Node, Tag, Walk};
use alloc::vec::Vec;

const NS: &str = "urn:xmpp:sasl:2";
const BIND: &str = "urn:xmpp:bind:0";
const FAST: &str = "urn:xmpp:fast:0";
const STREAM_MANAGEMENT: &str = "urn:xmpp:sm:3";

/// The longest token that is kept, in octets; those of Prosody have some 40.
pub const MAX_TOKEN: usize = 1024;

/// The first word (XEP-0388 §2.3).
#[derive(Debug, Clone, Copy)]
pub struct Authenticate<'a> {
    /// The mechanism, as the server writes it.
    pub mechanism: &'a str,
    /// Its first message, raw.
    pub initial: &'a [u8],
    /// Names this installation: a UUID.
    pub agent: &'a str,
    /// What the resource begins with (XEP-0386 §4.1); without one none is bound.
    pub bind: Option<&'a str>,
    /// What is to be resumed, from [`Machine::resume`](super::machine::Machine::resume).
    pub resume: Option<&'a str>,
    /// What there is to say of tokens.
    pub token: Token<'a>,
}

/// Tokens in [`Authenticate`] (XEP-0484).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Nothing.
    Unmentioned,
    /// One for this mechanism is asked for (§3.2).
    Wanted(&'a str),
    /// The first message was made with one (§3.4).
    Shown,
}

impl Authenticate<'_> {
    /// The element.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<authenticate");
        xml::attribute(&mut out, "xmlns", NS);
        xml::attribute(&mut out, "mechanism", self.mechanism);
        out.push_str("><initial-response>");
        out.push_str(&BASE64.encode(self.initial));
        out.push_str("</initial-response><user-agent");
        xml::attribute(&mut out, "id", self.agent);
        out.push_str("><software>mucfocus</software></user-agent>");
        if let Some(resume) = self.resume {
            out.push_str(resume);
        }
        if let Some(tag) = self.bind {
            out.push_str("<bind");
            xml::attribute(&mut out, "xmlns", BIND);
            out.push_str("><tag>");
            xml::text(&mut out, tag);
            out.push_str("</tag></bind>");
        }
        match self.token {
            Token::Unmentioned => {}
            Token::Wanted(mechanism) => {
                out.push_str("<request-token");
                xml::attribute(&mut out, "xmlns", FAST);
                xml::attribute(&mut out, "mechanism", mechanism);
                out.push_str("/>");
            }
            Token::Shown => {
                out.push_str("<fast");
                xml::attribute(&mut out, "xmlns", FAST);
                out.push_str("/>");
            }
        }
        out.push_str("</authenticate>");
        out
    }
}

/// The answer to [`Reply::Challenge`] (XEP-0388 §2.5).
#[must_use]
pub fn response(data: &[u8]) -> String {
    let mut out = String::from("<response");
    xml::attribute(&mut out, "xmlns", NS);
    out.push('>');
    out.push_str(&BASE64.encode(data));
    out.push_str("</response>");
    out
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A message of the mechanism, raw.
    Challenge(Vec<u8>),
    /// We are in.
    Success(Success),
    /// We are not, for this reason (RFC 6120 §6.5), as it stands there; empty if there is none.
    Failure(String),
    /// What the stream can do from now on (§2.6.1).
    Features {
        /// Whether streams can be resumed (XEP-0198 §2).
        resumable: bool,
    },
    /// More is asked than we know to give, or something that nobody understands: the name of the element.
    Other(String),
}

/// What came with being let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Success {
    /// The last message of the mechanism, raw.
    pub data: Option<Vec<u8>>,
    /// Who we are, if that can be read.
    pub identity: Option<Jid>,
    /// Whether a resource was bound.
    pub bound: bool,
    /// The stream goes on; the server had handled so many stanzas, modulo 2³².
    pub resumed: Option<u32>,
    /// A token for the next time.
    pub token: Option<Given>,
}

impl Success {
    /// Who we are, with the resource that was bound.
    #[must_use]
    pub fn bound_jid(&self) -> Option<FullJid> {
        self.identity.clone().filter(|_| self.bound).and_then(|jid| jid.try_into_full().ok())
    }
}

/// A token as the server gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// The token: a secret.
    pub token: String,
    /// When it expires, as XEP-0082 writes it; nobody has looked.
    pub expiry: String,
}

impl core::fmt::Debug for Given {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Given").field("expiry", &self.expiry).finish_non_exhaustive()
    }
}

impl Reply {
    /// Reads an element that came while we log in.
    #[must_use]
    pub fn read(element: &Framed) -> Self {
        let name = || Self::Other(element.name().to_owned());
        let Some(Node::Start(root)) = Walk::new(element.as_str()).next() else { return name() };
        if root.name.rsplit(':').next() == Some("features") {
            let resumable = children(element).any(|(tag, _)| is(&tag, "sm", STREAM_MANAGEMENT));
            return Self::Features { resumable };
        }
        if root.attribute("xmlns").as_deref() != Some(NS) {
            return name();
        }
        match root.name {
            "challenge" => text_of(element).and_then(|text| decode(&text)).map_or_else(name, Self::Challenge),
            "success" => Self::Success(success(element)),
            "failure" => {
                let condition = children(element).map(|(tag, _)| tag.name).find(|name| *name != "text");
                Self::Failure(condition.unwrap_or_default().to_owned())
            }
            _ => name(),
        }
    }
}

fn success(element: &Framed) -> Success {
    let mut success = Success::default();
    for (tag, text) in children(element) {
        match tag.name {
            "additional-data" => success.data = decode(&text),
            "authorization-identifier" => success.identity = Jid::new(text.trim()).ok(),
            "bound" if is(&tag, "bound", BIND) => success.bound = true,
            "resumed" => {
                if let Some(Nonza::Resumed { handled }) = Nonza::of(&tag) {
                    success.resumed = Some(handled);
                }
            }
            "token" if is(&tag, "token", FAST) => success.token = given(&tag),
            _ => {}
        }
    }
    success
}

fn given(tag: &Tag<'_>) -> Option<Given> {
    let token = tag.attribute("token").filter(|token| (1..=MAX_TOKEN).contains(&token.len()))?;
    Some(Given { token: token.into_owned(), expiry: tag.attribute("expiry").unwrap_or_default().into_owned() })
}

fn is(tag: &Tag<'_>, name: &str, namespace: &str) -> bool {
    tag.name == name && tag.attribute("xmlns").as_deref() == Some(namespace)
}

/// The children of `element`, each with the text that is directly in it.
fn children(element: &Framed) -> impl Iterator<Item = (Tag<'_>, String)> {
    let mut walk = Walk::new(element.as_str());
    walk.next();
    core::iter::from_fn(move || {
        let tag = walk.find_map(|node| if let Node::Start(tag) = node { Some(tag) } else { None })?;
        let (mut text, mut depth) = (String::new(), 0_usize);
        for node in walk.by_ref() {
            match node {
                Node::Start(_) => depth += 1,
                Node::Text(piece) if depth == 0 => text.push_str(&piece),
                Node::Text(_) => {}
                Node::End if depth == 0 => break,
                Node::End => depth -= 1,
            }
        }
        Some((tag, text))
    })
}

fn text_of(element: &Framed) -> Option<String> {
    let mut walk = Walk::new(element.as_str());
    walk.next()?;
    Some(walk.map_while(|node| if let Node::Text(text) = node { Some(text) } else { None }).collect())
}

/// Servers wrap and indent it, whatever §2.2 says.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests;
