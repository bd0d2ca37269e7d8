//! Looks whether the files of the certificate have changed, and says when it is time that they do. Who renews them writes two files, or one in pieces: they are read
//! when they have been quiet for a round.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::identity::{Identity, InForce, is_kept_secret};
use super::{Settings, Tls, inspect};

/// How often they are looked at: two calls of the system.
const ROUND: Duration = Duration::from_secs(2);

/// How often it is said that a certificate ends.
const REMINDER: Duration = Duration::from_secs(86_400);

/// What changes when a file does, or another takes its place: its number, length and time in nanoseconds.
type Stamp = [Option<(u64, u64, i64, i64)>; 3];

pub(super) async fn follow(tls: &Arc<Tls>) {
    let Tls { settings, identity, provider, .. } = &**tls;
    let authorities = settings.client_ca_file.as_ref().unwrap_or(&settings.certificate_file);
    let files = [&settings.certificate_file, &settings.key_file, authorities].map(Clone::clone);
    let mut used = stamp(files.clone()).await;
    let mut before = used;
    // At the start the check of the configuration has said it.
    let mut reminder = Instant::now() + REMINDER;
    loop {
        sleep(ROUND).await;
        if Instant::now() >= reminder {
            reminder += REMINDER;
            remind(identity);
        }
        let now = stamp(files.clone()).await;
        if now != used && now == before {
            used = now;
            read_again(settings, identity, provider).await;
            read_authorities_again(tls).await;
        }
        before = now;
    }
}

fn remind(identity: &InForce) {
    let valid = identity.now().chain().first().map_or(Ok(()), |leaf| inspect::is_valid(leaf, UnixTime::now()));
    if let Err(invalid) = valid {
        tracing::warn!("{invalid}; {}", invalid.help());
    }
}

async fn read_again(settings: &Settings, identity: &Arc<InForce>, provider: &Arc<CryptoProvider>) {
    let (files, provider) = (settings.clone(), Arc::clone(provider));
    let load = move || {
        is_kept_secret(&files.key_file)?;
        Identity::load(&files.certificate_file, &files.key_file, &provider)
    };
    let read = spawn_blocking(load).await;
    match read {
        Ok(Ok(new)) => {
            identity.replace(new);
            let file = settings.certificate_file.display();
            tracing::info!(%file, "the certificate was read again; new connections see it, others go on");
            remind(identity);
        }
        Ok(Err(error)) => {
            let cure = error.help();
            tracing::error!("the new certificate cannot be used, the old one stays: {error}; {cure}");
        }
        Err(error) => tracing::error!("the certificate was not read again: {error}"),
    }
}

async fn read_authorities_again(tls: &Arc<Tls>) {
    if tls.settings.client_ca_file.is_none() {
        return;
    }
    let of = Arc::clone(tls);
    match spawn_blocking(move || of.read_peers_again()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("the new client_ca_file cannot be used, the old one stays: {error}"),
        Err(error) => tracing::error!("client_ca_file was not read again: {error}"),
    }
}

async fn stamp(files: [PathBuf; 3]) -> Stamp {
    let of = |file: PathBuf| {
        let meta = std::fs::metadata(file).ok()?;
        Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    };
    // A file that cannot be looked at is another one when it can.
    spawn_blocking(move || files.map(of)).await.unwrap_or_default()
}
