//! Where MSRP connections come from: accepted from clients, or made by us where we are the active side.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mucfocus_core::wire::msrp::frame::Path;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::connection::{Context, serve};
use crate::hub::mail::{Mail, SessionMail};
use crate::hub::mailbox::Source;
use crate::sockets::source_of;

/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The pause after an accept that failed, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections per source address (an address, or a /64).
#[derive(Default)]
struct PerSource {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's share of its source's allowance.
struct Allowance {
    of: Arc<PerSource>,
    source: IpAddr,
}

/// Accepts connections on `listener` for ever. `limit` is the most of one source; sources for which `trusted` says yes have
/// none.
pub async fn accept(
    listener: TcpListener,
    context: Context,
    limit: Option<usize>,
    trusted: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
) {
    let per_source = Arc::new(PerSource::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an MSRP connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let limit = limit.filter(|_| !trusted(peer.ip().to_canonical()));
        let Some(allowance) = PerSource::allow(&per_source, peer.ip(), limit) else {
            context.metrics.msrp_violation("too-many-connections");
            tracing::debug!(%peer, "MSRP connection refused: too many from this source");
            continue;
        };
        let context = context.clone();
        tokio::spawn(async move {
            serve(stream, context, None).await;
            drop(allowance);
        });
    }
}

/// Makes the connection of a session whose active side we are (ACM-04): to the first URI of the peer's path.
pub async fn connect(path: Path, session: String, source: Source, context: Context) {
    let hop = path.next_hop();
    let host = hop.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = hop.port().unwrap_or(DEFAULT_PORT);
    match timeout(CONNECT_TIME, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => serve(stream, context, Some((session, source))).await,
        Ok(Err(error)) => fail(source, format!("cannot connect to the client: {error}")),
        Err(_) => fail(source, "cannot connect to the client: no answer".to_owned()),
    }
}

/// RFC 4975 §15.4.
const DEFAULT_PORT: u16 = 2855;

fn fail(source: Source, why: String) {
    source.finish(Mail::Session(SessionMail::Lost { why, ago: Duration::ZERO }));
}

/// Binds a listener and says where it listens.
///
/// # Errors
///
/// What the system says.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

impl PerSource {
    fn allow(this: &Arc<Self>, address: IpAddr, limit: Option<usize>) -> Option<Allowance> {
        let source = source_of(address);
        let mut open = this.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(source).or_default();
        if limit.is_some_and(|limit| *count >= limit) {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Allowance { of: Arc::clone(this), source })
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}
