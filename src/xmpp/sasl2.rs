//! Logging in with SASL2 (XEP-0388), which spares the round trips of a new stream and of binding (XEP-0386), and with a token
//! (XEP-0484) one more: what a server offers, what of it is taken, and the exchange over a connection. Whom to log in, and what to
//! do when that fails, is [`login`](super::login)'s.
//!
//! Channel binding is not claimed, as on the classic way, and nothing goes in clear text but to loopback. Where a server offers
//! only weaker mechanisms here than there, the classic way is taken.

pub(super) mod exchange;
pub(super) mod servers;
pub(super) mod token;

use std::collections::BTreeSet;

use mucfocus_core::xmpp_stream::framing::{Event, Framed, Framer};
use mucfocus_core::xmpp_stream::sasl2::{Authenticate, Given, Reply, Success, Token};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};
use xmpp_parsers::stream_features::StreamFeatures;

use self::exchange::{Exchange, Failure, Step};

/// Characters of a stream error that are worth a line in the log.
const LONGEST_REASON: usize = 200;

/// What a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) mechanisms: BTreeSet<String>,
    /// Whether it binds a resource on the way.
    pub(super) bind: bool,
    /// Whether it resumes a stream on the way.
    pub(super) resume: bool,
    /// Whether it gives and takes tokens of [`token::MECHANISM`].
    pub(super) tokens: bool,
}

impl Offer {
    pub(super) fn read(features: &StreamFeatures) -> Option<Self> {
        let offer = features.sasl2.as_ref()?;
        let inline = offer.inline.as_ref();
        let tokens = inline.into_iter().flat_map(|inline| &inline.payloads).any(|payload| {
            payload.is("fast", "urn:xmpp:fast:0") && payload.children().any(|child| child.text() == token::MECHANISM)
        });
        Some(Self {
            mechanisms: offer.mechanisms.iter().cloned().collect(),
            bind: inline.is_some_and(|inline| inline.bind2.is_some()),
            resume: inline.is_some_and(|inline| inline.sm.is_some()),
            tokens,
        })
    }

    /// The best of `ours`, the best first, unless `classic` offers a better one.
    pub(super) fn best(&self, ours: &[&'static str], classic: &BTreeSet<String>) -> Option<&'static str> {
        let best = ours.iter().find(|name| self.mechanisms.contains(**name) || classic.contains(**name))?;
        self.mechanisms.contains(*best).then_some(*best)
    }
}

/// One way in.
pub(super) struct Plan<'a> {
    pub(super) exchange: Exchange,
    /// This installation.
    pub(super) agent: &'a str,
    /// What the resource begins with, if one is to be bound.
    pub(super) bind: Option<&'a str>,
    /// What is to be resumed.
    pub(super) resume: Option<&'a str>,
    /// Whether a token is asked for.
    pub(super) wants_token: bool,
}

/// Who we are then.
pub(super) struct LoggedIn {
    pub(super) success: Success,
    /// Whether the server lets streams be resumed from now on.
    pub(super) resumable: bool,
}

impl LoggedIn {
    pub(super) fn take_token(&mut self) -> Option<Given> {
        self.success.token.take()
    }
}

/// Logs in on a stream whose features were read. What comes after the login stays in `io`.
pub(super) async fn log_in<Io>(io: &mut Io, mut plan: Plan<'_>) -> Result<LoggedIn, Failure>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    let initial = plan.exchange.initial();
    let token = match (plan.exchange.shows_token(), plan.wants_token) {
        (true, _) => Token::Shown,
        (false, true) => Token::Wanted(token::MECHANISM),
        (false, false) => Token::Unmentioned,
    };
    let mechanism = plan.exchange.mechanism();
    let Plan { agent, bind, resume, .. } = plan;
    say(io, &Authenticate { mechanism, initial: &initial, agent, bind, resume, token }.to_xml()).await?;
    let mut framer = Framer::new();
    let success = loop {
        match plan.exchange.take(Reply::read(&hear(io, &mut framer).await?))? {
            Step::Say(response) => say(io, &response).await?,
            Step::In(success) => break success,
        }
    };
    // A stream that goes on may do so before there are features; it knows what it needs.
    let resumable = success.resumed.is_some()
        || match Reply::read(&hear(io, &mut framer).await?) {
            Reply::Features { resumable } => resumable,
            _ => return Err(Failure::Trouble("no stream features after login".to_owned())),
        };
    Ok(LoggedIn { success, resumable })
}

async fn say<Io: AsyncWrite + Unpin>(io: &mut Io, xml: &str) -> Result<(), Failure> {
    io.write_all(xml.as_bytes()).await.map_err(broken)?;
    io.flush().await.map_err(broken)
}

/// The next element.
async fn hear<Io: AsyncBufRead + Unpin>(io: &mut Io, framer: &mut Framer) -> Result<Framed, Failure> {
    loop {
        let mut unread = io.fill_buf().await.map_err(broken)?;
        let came = unread.len();
        if came == 0 {
            return Err(Failure::Trouble("the server closed the connection".to_owned()));
        }
        let event = framer.push(&mut unread);
        let taken = came - unread.len();
        io.consume(taken);
        let what = match event {
            Ok(None) => continue,
            Ok(Some(Event::Stanza(element))) => return Ok(element),
            Ok(Some(Event::StreamError(error))) => {
                let error: String = error.as_str().chars().take(LONGEST_REASON).collect();
                format!("the server ended the stream: {error}")
            }
            Ok(Some(Event::StreamEnd)) => "the server ended the stream".to_owned(),
            Ok(Some(Event::Skipped(skipped))) => skipped.why.to_string(),
            Err(violation) => violation.to_string(),
        };
        return Err(Failure::Trouble(what));
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err passes it")]
fn broken(error: std::io::Error) -> Failure {
    Failure::Trouble(error.to_string())
}

/// What this node calls itself towards servers, always the same: a UUID (XEP-0388 §2.3), which says nothing to anybody else.
pub(super) fn agent(node: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("mucfocus-agent\0{node}")).into();
    let digits = u128::from_be_bytes(std::array::from_fn(|i| digest.get(i).copied().unwrap_or_default()));
    // Version 4 and the variant of RFC 9562 §5.4, which is what servers look for.
    let digits = digits & !(0xf << 76) | (4 << 76);
    let hex = format!("{:032x}", digits & !(3 << 62) | (2 << 62));
    let parts: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|part| hex.get(part)).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests;
