//! From lines to a [`Head`]: what each header means, and what is wrong with one that means nothing.

use alloc::boxed::Box;
use alloc::string::String;

use super::frame::{ByteRange, FailureReport, Head, Method, Path, PathError, ReportStatus, Start, TransactionId};
use super::{Limits, PROTOCOL, has_control, is_message_id, is_text, is_token_char};

/// A message whose end can be found but whose head cannot be used. Its body is skipped unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// Identifies the transaction on this hop.
    pub transaction: TransactionId,
    /// Whether it is a request. A bad response has no answer, ever.
    pub is_request: bool,
    /// The method, when it is one.
    pub method: Option<Method>,
    /// To-Path and From-Path, when both are there and right: only then can an answer be addressed.
    pub paths: Option<(Path, Path)>,
    /// Failure-Report, as far as it was understood: `No` forbids an answer.
    pub failure_report: FailureReport,
    /// The first thing that was wrong.
    pub why: BadReason,
}

/// What is wrong with a [`BadFrame`]. The text of a header is named as RFC 4975 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReason {
    /// After the transaction identifier stands neither a method of capital letters nor a code of three digits.
    #[error("the start line has neither a method nor a status code")]
    StartLine,
    /// A status comment that is not UTF-8 text.
    #[error("the comment of the start line is not UTF-8 text")]
    Comment,
    /// A line begins with white space; MSRP has no folding.
    #[error("a header line begins with white space; MSRP has no folding")]
    Folded,
    /// A line is not `Name: value`.
    #[error("a line of the head is not of the form Name: value")]
    NotAHeader,
    /// A control character, a bare CR among them.
    #[error("a header line holds a control character")]
    ControlCharacter,
    /// A header that may come once came again.
    #[error("{0} came twice")]
    Duplicate(&'static str),
    /// The value does not fit the grammar.
    #[error("the value of {0} cannot be understood")]
    Malformed(&'static str),
    /// A path of more octets or URIs than [`Limits`] allow.
    #[error("{0} is too long")]
    PathTooLong(&'static str),
    /// A header that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Octets after the empty line, and no Content-Type.
    #[error("there is a body but no Content-Type")]
    BodyWithoutType,
    /// Content-Type, and no body, not even an empty one.
    #[error("there is a Content-Type but no body; an empty body takes an empty line and another CRLF")]
    TypeWithoutBody,
    /// More than [`super::MAX_OTHER_BODY`] octets in something that is not a SEND (RFC 4975 §7.1).
    #[error("the body of a request other than SEND is longer than 10240 octets")]
    BodyTooLong,
    /// The head breaks off: what came behind it ends the connection ([`super::decode::Violation`]).
    #[error("the head does not end")]
    CutShort,
}

/// A head in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) transaction: TransactionId,
    is_request: bool,
    start: Option<Start>,
    to_path: Option<Path>,
    from_path: Option<Path>,
    message_id: Option<String>,
    byte_range: Option<ByteRange>,
    success_report: Option<bool>,
    failure_report: Option<FailureReport>,
    status: Option<ReportStatus>,
    use_nickname: Option<String>,
    content_type: Option<String>,
    /// Whether a Content-Type came, be it a broken one.
    pub(super) is_typed: bool,
    /// Headers so far.
    pub(super) headers: usize,
    why: Option<BadReason>,
}

impl Draft {
    /// Begins with a start line, CRLF removed. `None` when it names no transaction: then nothing tells where the message ends.
    pub(super) fn begin(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(PROTOCOL.as_bytes())?;
        let space = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let (transaction, rest) = rest.split_at_checked(space)?;
        let transaction = TransactionId::from_octets(transaction)?;
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let (is_request, start) = match rest.first() {
            Some(b) if b.is_ascii_digit() => (false, response_start(rest)),
            _ => (true, request_start(rest)),
        };
        let (start, why) = match start {
            Ok(start) => (Some(start), None),
            Err(why) => (None, Some(why)),
        };
        Some(Self {
            transaction,
            is_request,
            start,
            to_path: None,
            from_path: None,
            message_id: None,
            byte_range: None,
            success_report: None,
            failure_report: None,
            status: None,
            use_nickname: None,
            content_type: None,
            is_typed: false,
            headers: 0,
            why,
        })
    }

    /// Whether the body is bounded only by what the receiver takes.
    pub(super) fn is_send(&self) -> bool {
        self.start == Some(Start::Request(Method::Send))
    }

    /// Takes one header line, CRLF removed.
    pub(super) fn header(&mut self, line: &[u8], limits: &Limits) {
        self.headers = self.headers.saturating_add(1);
        if let Err(why) = self.take_header(line, limits) {
            self.spoil(why);
        }
    }

    /// Makes it a bad frame, unless it is one already.
    pub(super) fn spoil(&mut self, why: BadReason) {
        self.why.get_or_insert(why);
    }

    fn take_header(&mut self, line: &[u8], limits: &Limits) -> Result<(), BadReason> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(BadReason::Folded);
        }
        let colon = memchr::memchr(b':', line).ok_or(BadReason::NotAHeader)?;
        let (name, value) = line.split_at_checked(colon).ok_or(BadReason::NotAHeader)?;
        let known = Known::find(name);
        if known.is_none() && !is_name(name) {
            return Err(BadReason::NotAHeader);
        }
        self.is_typed |= known == Some(Known::ContentType);
        if has_control(line) {
            // A nickname with control characters is a bad nickname, not a bad request (RFC 8266 §2.2).
            let is_nickname = known == Some(Known::UseNickname);
            return Err(if is_nickname { BadReason::Malformed("Use-Nickname") } else { BadReason::ControlCharacter });
        }
        let Some(known) = known else { return Ok(()) };
        // Of what counts as white space only SP and HTAB are left.
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        let value = core::str::from_utf8(value).map_err(|_| BadReason::Malformed(known.name()))?;
        self.take(known, value, limits)
    }

    /// Puts a value where it belongs.
    fn take(&mut self, known: Known, value: &str, limits: &Limits) -> Result<(), BadReason> {
        let name = known.name();
        let malformed = BadReason::Malformed(name);
        let path = || {
            Path::parse(value, limits).map_err(|error| match error {
                PathError::TooLong => BadReason::PathTooLong(name),
                PathError::Malformed => malformed,
            })
        };
        let is_first = match known {
            Known::ToPath => set(&mut self.to_path, path()?),
            Known::FromPath => set(&mut self.from_path, path()?),
            Known::MessageId if is_message_id(value) => set(&mut self.message_id, value.into()),
            Known::ByteRange => set(&mut self.byte_range, ByteRange::parse(value).ok_or(malformed)?),
            Known::SuccessReport => set(&mut self.success_report, success_report(value).ok_or(malformed)?),
            Known::FailureReport => set(&mut self.failure_report, failure_report(value).ok_or(malformed)?),
            Known::Status => set(&mut self.status, status(value).ok_or(malformed)?),
            Known::UseNickname if is_text(value) => set(&mut self.use_nickname, value.into()),
            Known::ContentType if !value.is_empty() && is_text(value) => set(&mut self.content_type, value.into()),
            Known::MessageId | Known::UseNickname | Known::ContentType => return Err(malformed),
        };
        if is_first { Ok(()) } else { Err(BadReason::Duplicate(name)) }
    }

    /// The head, if nothing was wrong. Leaves an empty draft.
    ///
    /// # Errors
    /// The message as far as it was understood.
    pub(super) fn finish(&mut self) -> Result<Head, Box<BadFrame>> {
        let bad = match (self.why, self.start.take(), self.to_path.take(), self.from_path.take()) {
            (None, Some(start), Some(to_path), Some(from_path)) => {
                return Ok(Head {
                    transaction: self.transaction.clone(),
                    start,
                    to_path,
                    from_path,
                    message_id: self.message_id.take(),
                    byte_range: self.byte_range,
                    success_report: self.success_report.unwrap_or(false),
                    failure_report: self.failure_report.unwrap_or_default(),
                    status: self.status.take(),
                    use_nickname: self.use_nickname.take(),
                    content_type: self.content_type.take(),
                });
            }
            (why, start, to_path, from_path) => self.bad(why, start, to_path, from_path),
        };
        Err(Box::new(bad))
    }

    fn bad(&self, why: Option<BadReason>, start: Option<Start>, to: Option<Path>, from: Option<Path>) -> BadFrame {
        let missing = || match (&start, &to) {
            // Not reached: a draft without start line is spoilt from the beginning.
            (None, _) => BadReason::StartLine,
            (_, None) => BadReason::Missing("To-Path"),
            (_, Some(_)) => BadReason::Missing("From-Path"),
        };
        let why = why.unwrap_or_else(missing);
        let method = match start {
            Some(Start::Request(method)) => Some(method),
            _ => None,
        };
        BadFrame {
            transaction: self.transaction.clone(),
            is_request: self.is_request,
            method,
            paths: to.zip(from),
            failure_report: self.failure_report.unwrap_or_default(),
            why,
        }
    }
}

fn request_start(rest: &[u8]) -> Result<Start, BadReason> {
    let method = core::str::from_utf8(rest).ok().and_then(Method::parse).ok_or(BadReason::StartLine)?;
    Ok(Start::Request(method))
}

fn response_start(rest: &[u8]) -> Result<Start, BadReason> {
    let (code, rest) = rest.split_at_checked(3).ok_or(BadReason::StartLine)?;
    let code = core::str::from_utf8(code).ok().and_then(three_digits).ok_or(BadReason::StartLine)?;
    let comment = match rest {
        [] => None,
        [b' ', comment @ ..] => Some(core::str::from_utf8(comment).map_err(|_| BadReason::Comment)?),
        _ => return Err(BadReason::StartLine),
    };
    let comment = comment.unwrap_or_default();
    if !is_text(comment) {
        return Err(BadReason::Comment);
    }
    Ok(Start::Response { code, comment: non_empty(comment) })
}

/// The headers that are understood. All others are ignored (RFC 4975 §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ToPath,
    FromPath,
    MessageId,
    ByteRange,
    SuccessReport,
    FailureReport,
    Status,
    UseNickname,
    ContentType,
}

impl Known {
    const ALL: [Self; 9] = [
        Self::ToPath,
        Self::FromPath,
        Self::MessageId,
        Self::ByteRange,
        Self::ContentType,
        Self::SuccessReport,
        Self::FailureReport,
        Self::Status,
        Self::UseNickname,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ToPath => "To-Path",
            Self::FromPath => "From-Path",
            Self::MessageId => "Message-ID",
            Self::ByteRange => "Byte-Range",
            Self::SuccessReport => "Success-Report",
            Self::FailureReport => "Failure-Report",
            Self::Status => "Status",
            Self::UseNickname => "Use-Nickname",
            Self::ContentType => "Content-Type",
        }
    }

    fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// `hname` of RFC 4975 §9.
fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().copied().all(is_token_char)
}

/// Whether there was none yet.
fn set<T>(place: &mut Option<T>, value: T) -> bool {
    if place.is_some() {
        return false;
    }
    *place = Some(value);
    true
}

fn success_report(value: &str) -> Option<bool> {
    match value {
        v if v.eq_ignore_ascii_case("yes") => Some(true),
        v if v.eq_ignore_ascii_case("no") => Some(false),
        _ => None,
    }
}

fn failure_report(value: &str) -> Option<FailureReport> {
    [FailureReport::Yes, FailureReport::Partial, FailureReport::No]
        .into_iter()
        .find(|report| report.as_str().eq_ignore_ascii_case(value))
}

fn status(value: &str) -> Option<ReportStatus> {
    let (namespace, rest) = value.split_once(' ')?;
    let (code, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    let (namespace, code) = (three_digits(namespace)?, three_digits(code)?);
    is_text(comment).then(|| ReportStatus { namespace, code, comment: non_empty(comment) })
}

fn three_digits(text: &str) -> Option<u16> {
    (text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}
