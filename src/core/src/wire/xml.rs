//! The little XML that is read and written by hand, since quick-xml needs std: escaping, and a walk over one element that was
//! framed before.

use alloc::borrow::Cow;
use alloc::string::String;

/// Whether XML 1.0 can carry `c` at all (XML 1.0 §2.2, `Char`).
#[must_use]
pub const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Appends `text` escaped as the content of an element. A carriage return is written as a reference, since a parser would
/// make a line feed of it (XML 1.0 §2.11). Characters that XML cannot carry are left out: whoever minds them looks with
/// [`is_xml_char`] before.
pub fn text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c if is_xml_char(c) => out.push(c),
            _ => {}
        }
    }
}

/// Appends ` name='value'` with the value escaped; tabs and line ends as references, since a parser would make spaces of them
/// (XML 1.0 §3.3.3). `name` is written as it is. Characters that XML cannot carry are left out.
pub fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if is_xml_char(c) => out.push(c),
            _ => {}
        }
    }
    out.push('\'');
}

/// Resolves the references of a raw attribute value or text. One that XML does not know stays as it is; the framer has
/// refused those before.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('&') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, reference)) = rest.split_once('&') {
        out.push_str(before);
        let resolved = reference.split_once(';').and_then(|(name, after)| Some((resolve(name)?, after)));
        match resolved {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = reference;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that the reference `&name;` stands for, if XML knows it (XML 1.0 §4.1, §4.6).
#[must_use]
pub fn resolve(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => name.strip_prefix('#')?,
    };
    let (digits, radix) = code.strip_prefix('x').map_or((code, 10), |hex| (hex, 16));
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None; // from_str_radix would take a sign
    }
    let c = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    is_xml_char(c).then_some(c)
}

/// One step of a walk over an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// A start tag; an empty-element tag yields a start and an end.
    Start(Tag<'a>),
    /// Raw text between two tags, not empty.
    Text(Cow<'a, str>),
    /// The end of the element that was opened last.
    End,
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The name with its prefix.
    pub name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The value of an attribute, unescaped.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.attributes;
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next()?;
            let (value, after) = after.strip_prefix(quote)?.split_once(quote)?;
            if key.trim() == name {
                return Some(unescape(value));
            }
            rest = after;
        }
    }
}

/// Walks over one element that the framer has let through, so well-formedness is not looked at again: a walk over anything
/// else yields nonsense, or ends early, and does no harm.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    rest: &'a str,
    end_follows: bool,
}

impl<'a> Walk<'a> {
    /// A walk over `element`.
    #[must_use]
    pub const fn new(element: &'a str) -> Self {
        Self { rest: element, end_follows: false }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if core::mem::take(&mut self.end_follows) {
            return Some(Node::End);
        }
        let Some(markup) = self.rest.strip_prefix('<') else {
            let end = self.rest.find('<')?;
            let (text, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            return Some(Node::Text(unescape(text)));
        };
        if let Some(data) = markup.strip_prefix("![CDATA[") {
            let (text, rest) = data.split_once("]]>")?;
            self.rest = rest;
            return Some(Node::Text(Cow::Borrowed(text)));
        }
        let end = tag_end(markup)?;
        let (tag, rest) = markup.split_at_checked(end)?;
        self.rest = rest.strip_prefix('>')?;
        if tag.starts_with('/') {
            return Some(Node::End);
        }
        let tag = tag.strip_suffix('/').inspect(|_| self.end_follows = true).unwrap_or(tag);
        let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
        Some(Node::Start(Tag { name, attributes }))
    }
}

/// Where the `>` of a tag is, knowing quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.bytes().position(|b| {
        match (quote, b) {
            (None, b'>') => return true,
            (None, b'\'' | b'"') => quote = Some(b),
            (Some(open), b) if open == b => quote = None,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn what_is_escaped_means_the_same_again() {
        const NASTY: &str = "a<b>&'\"\t\r\n]]>€\u{1F600}";
        let mut out = String::new();
        text(&mut out, NASTY);
        assert_eq!(out, "a&lt;b&gt;&amp;'\"\t&#13;\n]]&gt;€\u{1F600}");
        assert_eq!(unescape(&out), NASTY);
        out.clear();
        attribute(&mut out, "n", NASTY);
        assert_eq!(out, " n='a&lt;b&gt;&amp;&apos;\"&#9;&#13;&#10;]]&gt;€\u{1F600}'");
        assert_eq!(Tag { name: "x", attributes: &out }.attribute("n").as_deref(), Some(NASTY));
    }

    #[test]
    fn what_xml_cannot_carry_is_left_out() {
        let mut out = String::new();
        text(&mut out, "a\0b\u{1B}c\u{FFFE}d");
        attribute(&mut out, "n", "\0\u{1F}");
        assert_eq!(out, "abcd n=''");
    }

    #[test]
    fn only_references_to_legal_characters_resolve() {
        assert_eq!(resolve("#x1F600"), Some('\u{1F600}'));
        assert_eq!(resolve("#65"), Some('A'));
        for bad in ["#0", "#x1B", "#xD800", "#x110000", "#+65", "#x+41", "#", "#x", "nbsp", "", "AMP"] {
            assert_eq!(resolve(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_walk_knows_quotes_and_cdata() {
        let nodes: Vec<_> = Walk::new("<a x='1>2' y = \"it's\"><![CDATA[<b>]]>t&amp;u<c/></a>").collect();
        let [Node::Start(a), Node::Text(cdata), Node::Text(text), Node::Start(c), Node::End, Node::End] =
            nodes.as_slice()
        else {
            panic!("{nodes:?}")
        };
        assert_eq!((a.name, c.name), ("a", "c"));
        assert_eq!(a.attribute("x").as_deref(), Some("1>2"));
        assert_eq!(a.attribute("y").as_deref(), Some("it's"));
        assert_eq!(a.attribute("z"), None);
        assert_eq!((cdata.as_ref(), text.as_ref()), ("<b>", "t&u"));
    }

    proptest! {
        #[test]
        fn a_walk_over_anything_ends(text in ".{0,200}") {
            let _ = Walk::new(&text).map(|n| if let Node::Start(t) = n { t.attribute("x").is_some() } else { false }).count();
        }
    }
}
