//! The text of an HTML message (GC-MSG-07), for those who get text only.
//!
//! What a browser does to broken markup is thousands of lines and needs std; nobody's safety depends on it here, since what
//! comes out is plain text. One pass over the input, without going back, so that hostile markup costs what other text costs.

mod references;

use alloc::string::String;

use self::references::reference;
use crate::wire::xml::is_xml_char;

/// Elements whose content is not markup, and nothing to read.
const DROPPED: [&str; 6] = ["script", "style", "title", "iframe", "noembed", "noframes"];

/// What may stand in `head` (HTML §4.2). Any other element ends a head that was not closed.
const OF_HEAD: [&str; 8] = ["title", "meta", "link", "base", "style", "script", "noscript", "template"];

/// Elements that stand on lines of their own.
const BLOCKS: &str = "p div li tr h1 h2 h3 h4 h5 h6 ul ol dl dt dd table thead tbody tfoot caption blockquote pre hr section \
                      article header footer main nav aside address body";

/// What a person would read in `html`: no tags, one line per block, spaces as a browser shows them. Characters that XML cannot
/// carry are left out.
#[must_use]
pub fn html_to_text(html: &str) -> String {
    let mut page = Page { text: String::with_capacity(html.len().min(64 * 1024)), ..Page::default() };
    let mut rest = html;
    while !rest.is_empty() {
        let (text, markup) = split_at(rest, rest.find('<').unwrap_or(rest.len()));
        page.write(text);
        rest = match Markup::read(markup) {
            Some((markup, after)) => page.obey(markup, after),
            // A `<` that begins nothing stands for itself.
            None => markup.strip_prefix('<').inspect(|_| page.write("<")).unwrap_or_default(),
        };
    }
    page.finish()
}

/// What has been read so far.
#[derive(Default)]
struct Page {
    text: String,
    /// White space came, and is worth one space if something follows on this line.
    space: bool,
    /// How many line ends are due before the next character.
    line_ends: usize,
    in_head: bool,
    /// How many `pre` are open.
    pre: usize,
}

impl Page {
    /// Takes note of a tag, and says where to read on.
    fn obey<'a>(&mut self, markup: Markup<'a>, after: &'a str) -> &'a str {
        let Markup::Tag { name, closes } = markup else { return after };
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if is(&"head") {
            self.in_head = !closes;
        } else if self.in_head && !closes && !OF_HEAD.iter().any(is) {
            self.in_head = false;
        }
        if is(&"br") {
            self.line_ends = self.line_ends.saturating_add(1);
        } else if BLOCKS.split(' ').any(|block| is(&block)) {
            self.line_ends = self.line_ends.max(1);
        } else if is(&"td") || is(&"th") {
            self.space = true;
        }
        if is(&"pre") {
            self.pre = if closes { self.pre.saturating_sub(1) } else { self.pre.saturating_add(1) };
        }
        match DROPPED.iter().find(|other| is(other)) {
            Some(dropped) if !closes => skip_to_end_of(dropped, after),
            _ => after,
        }
    }

    /// Writes text between two tags.
    fn write(&mut self, text: &str) {
        if self.in_head {
            return;
        }
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = rest.strip_prefix(c).unwrap_or_default();
            let (c, after) = match c {
                '&' => reference(after).unwrap_or((c, after)),
                _ if c.is_ascii_whitespace() => {
                    self.white_space(c);
                    rest = after;
                    continue;
                }
                _ => (c, after),
            };
            self.put(c);
            rest = after;
        }
    }

    fn white_space(&mut self, c: char) {
        match c {
            '\n' if self.pre > 0 => self.line_ends = self.line_ends.saturating_add(1),
            ' ' | '\t' if self.pre > 0 => self.put(c),
            _ => self.space = true,
        }
    }

    fn put(&mut self, c: char) {
        if !is_xml_char(c) {
            return;
        }
        if self.text.is_empty() {
            // Nothing is left at the edges.
        } else if self.line_ends > 0 {
            self.text.extend(core::iter::repeat_n('\n', self.line_ends));
        } else if self.space {
            self.text.push(' ');
        }
        (self.line_ends, self.space) = (0, false);
        self.text.push(if c == '\r' { '\n' } else { c });
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

/// Something between `<` and `>`.
enum Markup<'a> {
    /// A start or end tag.
    Tag { name: &'a str, closes: bool },
    /// A comment, a declaration or an instruction.
    Other,
}

impl<'a> Markup<'a> {
    /// Reads what stands at the start of `text`, and says what comes after it. What does not end, ends with the text.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let inside = text.strip_prefix('<')?;
        if let Some(comment) = inside.strip_prefix("!--") {
            return Some((Self::Other, comment.split_once("-->").map_or("", |(_, after)| after)));
        }
        if inside.starts_with(['!', '?']) {
            return Some((Self::Other, inside.split_once('>').map_or("", |(_, after)| after)));
        }
        let (inside, closes) = inside.strip_prefix('/').map_or((inside, false), |inside| (inside, true));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let (name, attributes) = split_at(
            inside,
            inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inside.len()),
        );
        Some((Self::Tag { name, closes }, after_attributes(attributes)))
    }
}

/// What follows the `>` of a tag. One within quotes does not count, and quotes count only around a value.
fn after_attributes(text: &str) -> &str {
    let (mut quote, mut value_follows) = (None, false);
    for (at, b) in text.bytes().enumerate() {
        match (quote, b) {
            (Some(open), b) if open == b => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return split_at(text, at.saturating_add(1)).1,
            (None, b'"' | b'\'') if value_follows => quote = Some(b),
            (None, b) if b.is_ascii_whitespace() => continue,
            (None, _) => {}
        }
        value_follows = b == b'=';
    }
    ""
}

/// What follows the end tag of `name`, whose content is no markup.
fn skip_to_end_of<'a>(name: &str, text: &'a str) -> &'a str {
    let mut rest = text;
    while let Some((_, tag)) = rest.split_once("</") {
        let (found, after) = split_at(tag, name.len());
        if found.eq_ignore_ascii_case(name) && !after.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return after_attributes(after);
        }
        rest = tag;
    }
    ""
}

/// `text` cut in two at `at`, or before nothing where that is no place to cut.
fn split_at(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests;
