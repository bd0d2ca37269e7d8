//! Where MSRP connections come from: accepted from clients, or made by us where we are the active side.
//!
//! A connection is served once it is what its listener is for: under TLS, or a WebSocket. Getting there is bounded in time and in
//! number, and happens in a task of its own, so that nobody waits for a client who takes his time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::leg::Target;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::connection::{Context, serve, serve_shared};
use super::dialled::{Joining, Sharing};
use super::per_source::{Allowance, PerSource};
use super::plain::Plain;
use super::settings::Kind;
use super::tls::Secure;
use super::ws;
use crate::hub::mail::{Mail, SessionMail};
use crate::observe::sparing::Sparing;
use crate::sockets;
use crate::tls::HandshakeFault;
use crate::ws::{Origins, Unfit};

/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a client may take at most from connecting to the end of the handshakes: some round trips, on a slow network. A
/// connection has no session meanwhile, so `unbound_time` bounds it too.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Connections whose handshakes go on at a time: each has some 20 KiB of our memory before it has said anything of use.
const HANDSHAKES: usize = 1024;
/// The pause after an accept that failed, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is let in, and how.
pub struct Door {
    context: Context,
    origins: Origins,
    limit: Option<usize>,
    trusted: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    per_source: Arc<PerSource>,
    handshakes: Semaphore,
}

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error("too many connections of this source")]
    TooMany,
    #[error("too many handshakes at a time")]
    TooManyHandshakes,
    #[error("the handshake took too long")]
    TooSlow,
    #[error("what came is not TLS: the client takes this port for one without")]
    NotTls,
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Unfit),
    #[error("there is no certificate")]
    NoCertificate,
}

/// Anybody can cause them, the log need not grow with it.
static REFUSALS: Sparing = Sparing::new(5);

impl Door {
    /// Of each source `limit` connections are let in; sources for which `trusted` says yes have no limit.
    #[must_use]
    pub fn new(
        context: Context,
        origins: Origins,
        limit: Option<usize>,
        trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        let trusted = Box::new(trusted);
        let handshakes = Semaphore::new(HANDSHAKES);
        Arc::new(Self { context, origins, limit, trusted, per_source: Arc::default(), handshakes })
    }

    fn allow(&self, peer: IpAddr) -> Result<Allowance, Unwelcome> {
        let limit = self.limit.filter(|_| !(self.trusted)(peer.to_canonical()));
        PerSource::allow(&self.per_source, peer, limit).ok_or(Unwelcome::TooMany)
    }

    fn refuse(&self, peer: SocketAddr, why: &Unwelcome) {
        self.context.metrics.msrp_violation(why.name());
        if let Some(kept_back) = REFUSALS.line() {
            tracing::info!(%peer, kept_back, "MSRP connection refused: {why}");
        }
    }

    /// Makes of what came in what the listener is for, and serves it. What it awaits is boxed: else each connection would take as much
    /// memory as one of the costliest kind.
    async fn welcome(&self, stream: TcpStream, kind: Kind) -> Result<(), Unwelcome> {
        let context = self.context.clone();
        match kind {
            Kind::Tcp => Box::pin(serve(Plain::new(stream, Arc::clone(&context.metrics)), context)).await,
            Kind::Tls => {
                let secure = Box::pin(self.in_time(self.secure(stream, kind))).await?;
                Box::pin(serve(secure, context)).await;
            }
            Kind::Ws => {
                let upgraded = async { Ok(ws::upgrade(stream, &self.origins, &self.context.limits).await?) };
                let upgraded = Box::pin(self.in_time(upgraded)).await?;
                Box::pin(serve(upgraded, context)).await;
            }
            Kind::Wss => {
                let upgraded = async {
                    let Secure { stream, shown } = self.secure(stream, kind).await?;
                    let upgraded = ws::upgrade(stream, &self.origins, &self.context.limits).await?;
                    Ok(upgraded.showing(shown))
                };
                let upgraded = Box::pin(self.in_time(upgraded)).await?;
                Box::pin(serve(upgraded, context)).await;
            }
        }
        Ok(())
    }

    async fn secure(&self, stream: TcpStream, kind: Kind) -> Result<Secure, Unwelcome> {
        let tls = self.context.tls.as_ref().ok_or(Unwelcome::NoCertificate)?;
        let accepted = if kind.is_web() { tls.accept_browser(stream).await } else { tls.accept(stream).await };
        let stream = accepted.map_err(|error| match HandshakeFault::of(&error) {
            HandshakeFault::Plain => Unwelcome::NotTls,
            _ => Unwelcome::Tls(error),
        })?;
        Ok(Secure::new(stream.into()))
    }

    async fn in_time<T>(&self, made: impl Future<Output = Result<T, Unwelcome>>) -> Result<T, Unwelcome> {
        let _place = self.handshakes.try_acquire().map_err(|_| Unwelcome::TooManyHandshakes)?;
        let time = HANDSHAKE_TIME.min(self.context.limits.unbound_time);
        timeout(time, made).await.map_err(|_| Unwelcome::TooSlow)?
    }
}

impl Unwelcome {
    /// For the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::TooMany => "too-many-connections",
            Self::TooManyHandshakes => "too-many-handshakes",
            Self::TooSlow => "handshake-timeout",
            Self::NotTls => "plain-text-on-tls-port",
            Self::Tls(error) => match HandshakeFault::of(error) {
                HandshakeFault::Certificate => "tls-client-certificate",
                HandshakeFault::Refused => "tls-refused",
                HandshakeFault::Plain | HandshakeFault::Broken => "tls-handshake",
            },
            Self::WebSocket(unfit) => unfit.name(),
            Self::NoCertificate => "no-certificate",
        }
    }
}

/// Accepts connections on `listener`, which is for those of this kind, for ever.
pub async fn accept(listener: TcpListener, kind: Kind, door: Arc<Door>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an MSRP connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let allowance = match door.allow(peer.ip()) {
            Ok(allowance) => allowance,
            Err(why) => {
                door.refuse(peer, &why);
                continue;
            }
        };
        let door = Arc::clone(&door);
        let _ = sockets::prepare(&stream); // without it everything works, slower
        tokio::spawn(async move {
            if let Err(why) = door.welcome(stream, kind).await {
                door.refuse(peer, &why);
            }
            drop(allowance);
        });
    }
}

/// Finds or makes the connection of a session whose active side we are (ACM-04, ACM-08). One that we have made to the same place
/// will do, if it `may_share` (MS-CONN-07).
pub async fn connect(target: Target, joining: Joining, may_share: bool, context: Context) {
    let alone = if may_share { context.sessions.dialled().join(&target, joining) } else { Some(joining) };
    if let Some(joining) = alone {
        dial(target, joining, context).await;
    }
}

/// Makes a connection, which others may share from then on.
async fn dial(target: Target, first: Joining, context: Context) {
    let reached = match timeout(CONNECT_TIME, Box::pin(reach(&target, &context))).await {
        Ok(Ok(reached)) => reached,
        Ok(Err(unreached)) => return fail(first, &context, unreached).await,
        Err(_) => return fail(first, &context, Unreached::Failed(io::Error::other("no answer"))).await,
    };
    let again = (target.clone(), context.clone());
    let otherwise = move |joining| drop(tokio::spawn(dial_again(again.0.clone(), joining, again.1.clone())));
    let more = context.sessions.dialled().made(&target);
    let sharing = Sharing { more, otherwise: Box::new(otherwise) };
    let sessions = Arc::clone(&context.sessions);
    match reached {
        // In boxes, so that a plain connection does not take the room of a secure one.
        Reached::Plain(stream) => Box::pin(serve_shared(stream, context, first, sharing)).await,
        Reached::Secure(secure) => Box::pin(serve_shared(*secure, context, first, sharing)).await,
    }
    sessions.dialled().ended(&target);
}

/// Boxed, since it leads back to itself.
fn dial_again(target: Target, joining: Joining, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(dial(target, joining, context))
}

enum Reached {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

/// Why there is no connection to a client.
#[derive(Debug, thiserror::Error)]
enum Unreached {
    #[error("its certificate is not the one {whose}: {error}")]
    Misfit { whose: &'static str, error: io::Error },
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// There is no way back from TLS to plain text (RFC 4975 §14.2).
async fn reach(target: &Target, context: &Context) -> Result<Reached, Unreached> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    let _ = sockets::prepare(&stream); // without it everything works, slower
    if !target.secure {
        return Ok(Reached::Plain(stream));
    }
    let tls = context.tls.as_ref().ok_or_else(|| io::Error::other("this node has no certificate: see [tls]"))?;
    match tls.connect(stream, &target.name, &target.fingerprints).await {
        Ok(stream) => Ok(Reached::Secure(Box::new(Secure::new(stream.into())))),
        Err(error) if HandshakeFault::of(&error) == HandshakeFault::Certificate => {
            context.metrics.msrp_violation("tls-server-certificate");
            let whose = if target.fingerprints.is_empty() { "of its name" } else { "that the offer announced" };
            Err(Unreached::Misfit { whose, error })
        }
        Err(error) => Err(io::Error::other(format!("TLS: {error}")).into()),
    }
}

/// The session goes on without a connection, until its client makes one or offers another.
async fn fail(joining: Joining, context: &Context, unreached: Unreached) {
    if matches!(unreached, Unreached::Misfit { .. }) {
        let _ = joining.source.send(Mail::Session(SessionMail::Misfit), 256).await; // a room that is gone is told nothing
    }
    let why = format!("cannot connect to the client: {unreached}");
    let told = joining.source.send(Mail::Session(SessionMail::Unreachable { why }), 256).await;
    if told.is_ok() {
        context.sessions.give_back(joining);
    }
}

/// Binds a listener and says where it listens. One of IPv6 takes IPv4 too where it is `for_both`.
///
/// # Errors
///
/// What the system says.
pub fn bind(address: SocketAddr, for_both: bool) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = sockets::listen(address, for_both)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
