//! Which way somebody is logged in: with a token, with SASL2, or the classic way, and what to do when one of them does not lead
//! there. Owns what is remembered of that; the ways themselves are [`sasl2`]'s and [`authenticate`](super::authenticate)'s.
//!
//! Whatever goes wrong with the ways that are faster, the classic one is left, within the time of the same login.

use std::time::{Duration, SystemTime};

use jid::FullJid;
use tokio::time::timeout;
use tokio_xmpp::xmlstream::XmppStream;
use xmpp_parsers::stream_features::StreamFeatures;

use super::authenticate::{advice, authenticate, credentials, mechanisms};
use super::connect::{Buffered, Connector, LOGIN, failed, header, unreachable};
use super::sasl2::exchange::{Exchange, Failure};
use super::sasl2::servers::{Servers, Standing};
use super::sasl2::token::Tokens;
use super::sasl2::{self, Offer, Plan};
use super::settings::{Account, Login};
use super::wire::Wire;
use crate::hub::mail::StreamEnd;

/// How long SASL2 may take, so that there is time for the classic way.
const EXCHANGE: Duration = Duration::from_secs(5);

/// What is to be done on the way in, where the server lets it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    /// Bind a resource that begins with this.
    pub(super) bind: Option<String>,
    /// Resume a stream: [`Machine::resume`](mucfocus_core::xmpp_stream::machine::Machine::resume). Nothing is bound then unless
    /// the server has lost it.
    pub(super) resume: Option<String>,
}

/// Where a stream is logged in, and what its server offers.
pub(super) struct Connection {
    pub(super) wire: Wire,
    /// Whether the server offers to resume streams (XEP-0198 §2).
    pub(super) resumable: bool,
    pub(super) bound: Bound,
}

/// What became of a [`Wish`].
pub(super) enum Bound {
    /// Nothing: it is to be asked for on the stream.
    No,
    /// A resource is bound.
    As(FullJid),
    /// The stream goes on; the server had handled so many stanzas.
    Resumed { handled: u32 },
}

/// What is remembered from one login to the next.
pub(super) struct Ways {
    agent: String,
    tokens: Tokens,
    servers: Servers,
}

impl Ways {
    pub(super) fn new(node: &str) -> Self {
        Self { agent: sasl2::agent(node), tokens: Tokens::default(), servers: Servers::default() }
    }
}

/// Why there is another attempt.
enum Detour {
    /// With a password.
    TokenRefused,
    /// The classic way; what it says of the credentials counts.
    Classic,
}

impl Connector {
    /// Logs `account` in; `arrived` is called when the server has answered, which may be more than once.
    pub(super) async fn login(
        &self,
        account: &Account,
        wish: &Wish,
        arrived: impl Fn(),
    ) -> Result<Connection, StreamEnd> {
        in_time(self.attempt(account, wish, arrived)).await
    }

    /// The classic way, with what the server offers from then on.
    pub(super) async fn log_in_classically(
        &self,
        account: &Account,
    ) -> Result<(StreamFeatures, XmppStream<Buffered>), StreamEnd> {
        in_time(async {
            let (features, stream) = self.reach(account).await?;
            classic(features, stream, account).await
        })
        .await
    }

    async fn attempt(&self, account: &Account, wish: &Wish, arrived: impl Fn()) -> Result<Connection, StreamEnd> {
        let servers = &self.ways.servers;
        let standing = servers.of(account);
        loop {
            let (features, stream) = self.reach(account).await?;
            arrived();
            let offer = Offer::read(&features).filter(|_| standing.is_tried());
            let plan = match &offer {
                Some(offer) => self.ways.plan(offer, &features, account, wish, standing)?,
                None => None,
            };
            let Some(plan) = plan else { return on_the_stream(features, stream, account).await };
            let resumes = plan.resume.is_some();
            match self.take(plan, stream, account, standing).await? {
                Ok(connection) => return Ok(connection),
                Err(Detour::TokenRefused) => {}
                Err(Detour::Classic) => {
                    let (features, stream) = self.reach(account).await?;
                    let connection = on_the_stream(features, stream, account).await?;
                    if resumes {
                        servers.failed_to_resume(account)
                    } else {
                        servers.failed(account)
                    }
                    return Ok(connection);
                }
            }
        }
    }

    /// Follows `plan`. What cannot be mended is the outer error.
    async fn take(
        &self,
        plan: Plan<'_>,
        stream: XmppStream<Buffered>,
        account: &Account,
        standing: Standing,
    ) -> Result<Result<Connection, Detour>, StreamEnd> {
        let (tokens, key) = (&self.ways.tokens, &account.key);
        let mechanism = plan.exchange.mechanism().to_owned();
        // Nothing is lost in the buffers: after its features the server waits to be spoken to.
        let mut io = stream.into_inner();
        let silent = || Failure::Trouble("no answer within 5 s".to_owned());
        let result = timeout(EXCHANGE, sasl2::log_in(&mut io, plan)).await.unwrap_or_else(|_| Err(silent()));
        let why = match result.and_then(|logged_in| of_this_account(logged_in, account)) {
            Ok(mut logged_in) => {
                tracing::debug!(account = %key, mechanism, "logged in with SASL2");
                self.ways.servers.worked(account);
                if let Some(given) = logged_in.take_token() {
                    tokens.keep(key, given);
                }
                let bound = match (logged_in.success.resumed, logged_in.success.bound_jid()) {
                    (Some(handled), _) => Bound::Resumed { handled },
                    (None, Some(jid)) => Bound::As(jid),
                    (None, None) => Bound::No,
                };
                return Ok(Ok(Connection { wire: io.into(), resumable: logged_in.resumable, bound }));
            }
            Err(Failure::Token(why)) => {
                tracing::debug!(account = %key, reason = why, "a token is not taken any more; with the password");
                tokens.forget(key);
                return Ok(Err(Detour::TokenRefused));
            }
            Err(Failure::NotNow) => return Err(unreachable("login: the server says temporary-auth-failure")),
            Err(Failure::Credentials(why)) if standing.is_believed() => {
                return Err(StreamEnd::LoginRefused(format!("{why}{}", advice(&account.login))));
            }
            Err(Failure::Credentials(why) | Failure::Trouble(why)) => why,
        };
        tokens.forget(key);
        tracing::info!(account = %key, reason = why, "SASL2 does not let us in; the classic way");
        Ok(Err(Detour::Classic))
    }
}

impl Ways {
    /// How to log in where there is SASL2, if that is a good way.
    ///
    /// A token is shown, or asked for, where it spares a round trip: SCRAM takes two. A password that is a token already is good
    /// for a minute and shown in one; and who has no name is another one each time.
    fn plan<'a>(
        &'a self,
        offer: &Offer,
        features: &StreamFeatures,
        account: &Account,
        wish: &'a Wish,
        standing: Standing,
    ) -> Result<Option<Plan<'a>>, StreamEnd> {
        let Some(mechanism) = offer.best(mechanisms(&account.login), &features.sasl_mechanisms) else {
            return Ok(None);
        };
        let now = SystemTime::now();
        let named = account.jid.node().filter(|_| matches!(account.login, Login::Password(_) | Login::Hmac(_)));
        let spares = offer.tokens && mechanism.starts_with("SCRAM-");
        let token = named.filter(|_| spares).zip(self.tokens.of(&account.key, now));
        let shows_token = token.is_some();
        let exchange = match token {
            Some((user, token)) => Some(Exchange::with_token(user.as_str(), token)),
            None => Exchange::new(mechanism, credentials(account, now)?),
        };
        let Some(exchange) = exchange else { return Ok(None) };
        let resume = wish.resume.as_deref().filter(|_| offer.resume && standing.resumes());
        // A stream that is to be resumed on the stream needs it unbound.
        let binds = offer.bind && (wish.resume.is_none() || resume.is_some());
        let bind = wish.bind.as_deref().filter(|_| binds);
        let wants_token = named.is_some() && spares && !shows_token;
        Ok(Some(Plan { exchange, agent: &self.agent, bind, resume, wants_token }))
    }
}

/// A resource of somebody else is none of ours.
fn of_this_account(logged_in: sasl2::LoggedIn, account: &Account) -> Result<sasl2::LoggedIn, Failure> {
    let is_named = account.jid.node().is_some();
    match logged_in.success.bound_jid() {
        Some(jid) if is_named && jid.to_bare() != account.jid => {
            Err(Failure::Trouble(format!("the server calls us {jid}")))
        }
        _ => Ok(logged_in),
    }
}

async fn on_the_stream(
    features: StreamFeatures,
    stream: XmppStream<Buffered>,
    account: &Account,
) -> Result<Connection, StreamEnd> {
    let (features, stream) = classic(features, stream, account).await?;
    let resumable = features.stream_management.is_some();
    Ok(Connection { wire: stream.into_inner().into(), resumable, bound: Bound::No })
}

async fn classic(
    features: StreamFeatures,
    stream: XmppStream<Buffered>,
    account: &Account,
) -> Result<(StreamFeatures, XmppStream<Buffered>), StreamEnd> {
    let stream = authenticate(stream, features.sasl_mechanisms, account).await?;
    let header = header(account.jid.domain().as_str());
    let stream = stream.send_header(header).await.map_err(failed("the stream broke after login"))?;
    stream.recv_features().await.map_err(failed("no stream features after login"))
}

async fn in_time<T>(login: impl Future<Output = Result<T, StreamEnd>>) -> Result<T, StreamEnd> {
    timeout(LOGIN, login).await.unwrap_or_else(|_| Err(unreachable("no login within 20 s")))
}
