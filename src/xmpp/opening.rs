//! The first login of a stream: until it has begun it is given up when nobody needs it, and hurried when somebody calls.

use std::sync::Arc;

use jid::FullJid;
use mucfocus_core::xmpp_stream::machine::{Input, Machine};
use tokio::sync::watch;

use super::attachment::Shared;
use super::link::Link;
use super::login::{Bound, Wish};
use super::pool::{Phase, Pool};
use super::rate::Lane;
use super::reach::Progress;
use super::settings::{Account, Login};
use super::stream::going_down;
use super::turn::log_in;
use crate::hub::mail::StreamEnd;

/// Logs in when it is wanted and our turn. Returns the stream, and what the journal knows it as if the server may keep it.
pub(super) async fn open(
    pool: &Arc<Pool>,
    account: &Account,
    shared: &Shared,
    mut phase: watch::Receiver<Phase>,
) -> Result<(Link, Option<FullJid>), StreamEnd> {
    let resource = resource(pool);
    let wish = Wish { bind: Some(resource.clone()), resume: None };
    let progress = Progress::default();
    let connection = tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase != Phase::Open) => return Err(going_down()),
        () = deserted(shared, &progress) => return Err(StreamEnd::Lost("not needed any more".to_owned())),
        connection = async {
            pool.end_leftovers_of(&account.key).await;
            tokio::select! {
                biased;
                () = urgent(shared, &progress) => {}
                connection = log_in(pool, account, &wish, Lane::Returning, &progress) => return connection,
            }
            log_in(pool, account, &wish, Lane::New, &progress).await
        } => connection?,
    };
    let bound = match connection.bound {
        Bound::As(jid) => Some(jid),
        Bound::No | Bound::Resumed { .. } => None,
    };
    let likely = bound.clone().or_else(|| account.jid.with_resource_str(&resource).ok());
    let kept = likely.filter(|_| connection.resumable).and_then(|jid| keep(pool, account, jid));
    let mut link = Link::new(connection.wire, Machine::new(resource, pool.settings.reflection));
    let resumable = kept.is_some();
    link.handle(match bound {
        Some(jid) => Input::StartBound { jid, resumable },
        None => Input::Start { resumable },
    });
    Ok((link, kept))
}

/// What a stream is to be called: another name each time, since two that share one would throw each other out.
pub(super) fn resource(pool: &Pool) -> String {
    let token: u64 = rand::random();
    format!("{}-{token:016x}", pool.settings.node)
}

/// Makes sure that a stream which the server will keep when its connection breaks is known to a process that comes after this
/// one. Returns its JID, if it may be kept.
fn keep(pool: &Pool, account: &Account, jid: FullJid) -> Option<FullJid> {
    // A login without a name gives another account each time, and streams are resumed by their accounts alone.
    let journal = pool.journal.get().filter(|_| !matches!(account.login, Login::Anonymous))?;
    match journal.note(&account.user, &jid) {
        Ok(()) => Some(jid),
        Err(error) => {
            tracing::warn!(account = %account.key, %error, "a stream will not be resumed, since its journal cannot be written");
            None
        }
    }
}

/// Resolves when nobody waits for the stream any more and its login has not begun; it is closed then.
async fn deserted(shared: &Shared, progress: &Progress) {
    while progress.has_begun() || !shared.close_if_deserted() {
        shared.changed().await;
    }
}

/// Resolves when somebody calls, and the login has not begun.
async fn urgent(shared: &Shared, progress: &Progress) {
    shared.urgent().await;
    progress.waits().await;
}
