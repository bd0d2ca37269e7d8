//! What the check of a configuration finds: where, what, and what to write instead; and how that is shown.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It works, but probably not as was meant.
    Warning,
    /// It cannot be used.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The section as it is written in brackets in the file, `sip.auth`; empty for the file as a whole.
    pub section: String,
    /// Octets of the text that are meant; `None` for the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to write or do instead. Never empty.
    pub help: String,
}

/// A place in a text, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Findings together with the text that they are about.
#[derive(Debug, Clone)]
pub struct Findings {
    file: Arc<str>,
    text: Arc<str>,
    list: Vec<Finding>,
    complete: bool,
}

/// How to draw a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// With ANSI colours.
    pub colours: bool,
    /// With box-drawing characters in place of ASCII.
    pub unicode: bool,
}

impl Findings {
    pub(super) fn new(file: &str, text: &str, mut list: Vec<Finding>, complete: bool) -> Self {
        list.sort_by_key(|f| f.span.as_ref().map_or(usize::MAX, |s| s.start));
        Self { file: file.into(), text: text.into(), list, complete }
    }

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many of this level there are.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|f| f.level == level).count()
    }

    /// Name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether everything was looked at: not so when the text is not TOML or values have the wrong type.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Where a finding is.
    #[must_use]
    pub fn place(&self, finding: &Finding) -> Option<Place> {
        place(&self.text, finding.span.as_ref()?.start)
    }

    /// A finding on one line: `FILE:LINE:COLUMN: what is wrong; what to write instead`.
    #[must_use]
    pub fn line(&self, finding: &Finding) -> String {
        let place = self.place(finding).map(|p| format!(":{}:{}", p.line, p.column)).unwrap_or_default();
        format!("{}{place}: {}; {}", self.file(), finding.message, finding.help)
    }

    /// Draws the findings of this level: each with its line, a mark below it, and what to write instead.
    #[must_use]
    pub fn render(&self, level: Level, style: Style) -> String {
        let theme = match (style.colours, style.unicode) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::ascii(),
            (false, true) => GraphicalTheme::unicode_nocolor(),
            (false, false) => GraphicalTheme::none(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false).with_context_lines(0);
        let shown = masked(&self.text);
        let mut out = String::new();
        for finding in self.list.iter().filter(|f| f.level == level) {
            if !out.is_empty() {
                out.push('\n');
            }
            let picture = Picture { finding, lines: Lines { file: &self.file, text: &shown } };
            // Drawing into a string fails only if miette cannot find the span; then at least the sentence is shown.
            if handler.render_report(&mut out, &picture).is_err() {
                let _ = writeln!(out, "{}: {}", self.file, finding.message);
            }
        }
        out
    }
}

pub(super) fn place(text: &str, offset: usize) -> Option<Place> {
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Some(Place {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    })
}

/// The text, which shows whole lines and counts columns in characters (miette's own shows what is meant alone, and
/// counts octets).
#[derive(Debug)]
struct Lines<'t> {
    file: &'t str,
    text: &'t str,
}

impl SourceCode for Lines<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let at = place(self.text, span.offset()).ok_or(MietteError::OutOfBounds)?;
        let start = self.text.get(..span.offset()).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
        let rest = self.text.get(start..).ok_or(MietteError::OutOfBounds)?;
        let line = rest.split('\n').next().unwrap_or_default();
        let shown = SourceSpan::from((start, line.len()));
        let name = self.file.to_owned();
        Ok(Box::new(MietteSpanContents::new_named(name, line.as_bytes(), shown, at.line - 1, at.column - 1, 1)))
    }
}

struct Picture<'a> {
    finding: &'a Finding,
    lines: Lines<'a>,
}

impl fmt::Debug for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(f)
    }
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.finding.span {
            Some(_) => f.write_str(&self.finding.message),
            None => write!(f, "{}: {}", self.lines.file, self.finding.message),
        }
    }
}

impl std::error::Error for Picture<'_> {}

impl Diagnostic for Picture<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(match self.finding.level {
            Level::Warning => Severity::Warning,
            Level::Error => Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.finding.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.span.as_ref().map(|_| &self.lines as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.finding.span.clone()?;
        // Of what goes over several lines the first is marked.
        let meant = self.lines.text.get(span.clone())?;
        let length = meant.find(['\r', '\n']).unwrap_or(meant.len());
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, (span.start, length)))))
    }
}

/// The text with passwords painted over, octet for octet: what is drawn ends up in logs. It may be no TOML at all, so
/// nothing is parsed: after the key and `=` it goes to the end of the string, or of the line.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        out.push('=');
        rest = after;
        if !holds_secret(before) {
            continue;
        }
        let value = after.trim_start_matches([' ', '\t']);
        out.push_str(after.strip_suffix(value).unwrap_or_default());
        let (secret, left) = value.split_at_checked(end_of_value(value)).unwrap_or((value, ""));
        out.extend(secret.bytes().map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { '*' }));
        rest = left;
    }
    out + rest
}

/// Whether the key at the end of `text` stands for a secret, or may have been meant to.
fn holds_secret(text: &str) -> bool {
    let text = text.trim_end_matches([' ', '\t', '"', '\'']);
    let key = text.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default();
    let names_a_place = key.ends_with("_file") || key.ends_with("_credential");
    let folded = key.to_lowercase();
    let speaks = ["pass", "pw", "secret", "token"].iter().any(|word| folded.contains(word));
    !names_a_place && (speaks || super::keys::nearest(key, &["password", "secret"]).is_some())
}

/// Octets of the TOML value that `text` begins with.
fn end_of_value(text: &str) -> usize {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let Some(quote) = quotes.into_iter().find(|q| text.starts_with(q)) else {
        return text.find(['\n', ',', '}']).unwrap_or(text.len());
    };
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(quote.len()) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote.starts_with('"') {
            escaped = true;
        } else if text.get(at..).is_some_and(|t| t.starts_with(quote)) {
            return at.saturating_add(quote.len());
        } else if c == '\n' && quote.len() == 1 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_painted_over_and_nothing_moves() {
        let cases = [
            ("password = \"verona\"\nx = 1", "password = ********\nx = 1"),
            ("{ password='a', jid = \"b\" }", "{ password=***, jid = \"b\" }"),
            ("password = \"a\\\"b\", c", "password = ******, c"),
            ("password = \"\"\"a\nb\"\"\"\n", "password = ****\n****\n"),
            ("\"password\" = \"ü\"", "\"password\" = ****"),
            ("password = verona\nx", "password = ******\nx"),
            ("password = \"open\nx = 1", "password = *****\nx = 1"),
            ("password_file = \"a\"", "password_file = \"a\""),
            ("# the password", "# the password"),
            ("pasword = \"verona\"", "pasword = ********"),
            ("room_secret=\"a\", nickname = \"b\"", "room_secret=***, nickname = \"b\""),
            ("sip = \"sip:a@b;lr=1\"", "sip = \"sip:a@b;lr=1\""),
            ("password =", "password ="),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn a_picture_shows_the_line_but_no_password() {
        let text = "a = 1\naccounts = [{ jidd = \"x\", password = \"verona\" }]\n";
        let finding = Finding {
            level: Level::Error,
            section: "accounts".to_owned(),
            span: Some(20..24),
            message: "unknown key".to_owned(),
            help: "did you mean \"jid\"?".to_owned(),
        };
        let drawn = Findings::new("c.toml", text, vec![finding], true).render(Level::Error, Style::default());
        assert!(drawn.contains("[c.toml:2:15]") && drawn.contains("jidd = \"x\", password = ********"), "{drawn}");
        assert!(!drawn.contains("verona"), "{drawn}");
    }

    #[test]
    fn what_is_missing_altogether_is_shown_with_the_file() {
        let finding = Finding {
            level: Level::Error,
            section: "sip".to_owned(),
            span: None,
            message: "sip.listen is missing".to_owned(),
            help: "write it".to_owned(),
        };
        let drawn = Findings::new("c.toml", "", vec![finding], true).render(Level::Error, Style::default());
        assert!(drawn.contains("c.toml: sip.listen is missing"), "{drawn}");
    }
}
