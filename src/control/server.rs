//! The socket itself: who gets in, how much he may say, and how long he is waited for.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::desk::{Desk, Replies, failed};
use super::protocol::{LONGEST_REQUEST, Reply, Request};

/// Clients that may be asking at a time; others wait to be accepted. Many more than are answered at a time, so that who connects and
/// says nothing is in nobody's way.
const ASKING: usize = 64;
/// Answers at a time; other requests wait.
const ANSWERS: usize = 8;
/// Ladders that are followed at a time. They have places of their own: each lasts as long as its call.
const FOLLOWERS: usize = 16;
/// How long a whole request may take to arrive: who connects has it ready.
const REQUEST: Duration = Duration::from_secs(2);
/// How long a line of the answer may take to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// For its owner and its group.
const MODE: u32 = 0o660;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A process answers there.
    #[error("another process listens on the control socket {}; give this one a path of its own", .0.display())]
    InUse(PathBuf),
    /// It is a file.
    #[error("{} is there and is no socket; give control.socket another path, or remove it", .0.display())]
    NoSocket(PathBuf),
    /// The system says no.
    #[error("cannot listen on the control socket {}: {error}; its folder must be there and be ours", path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// The socket. It goes with this.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    _file: SocketFile,
}

/// The name of the socket in the file system, until it is dropped, or until it is somebody else's.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Control {
    /// Binds `path`. What a process that is gone has left there is replaced.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        let system = |error| BindError::System { path: path.to_owned(), error };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(BindError::NoSocket(path.to_owned())),
            Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(BindError::InUse(path.to_owned())),
            Ok(_) => std::fs::remove_file(path).map_err(system)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(system(error)),
        }
        let listener = UnixListener::bind(path).map_err(system)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE)).map_err(system)?;
        let inode = std::fs::symlink_metadata(path).map_err(system)?.ino();
        Ok(Self { listener, _file: SocketFile { path: path.to_owned(), inode } })
    }

    /// Serves until the process ends.
    pub async fn serve(self, desk: Arc<Desk>) {
        let places = Arc::new(Places::default());
        while let Ok(place) = Arc::clone(&places.asking).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (desk, places) = (Arc::clone(&desk), Arc::clone(&places));
                    tokio::spawn(async move { client(stream, &desk, &places, place).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket takes nobody in for a moment");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// How many clients there may be, by what they do.
struct Places {
    asking: Arc<Semaphore>,
    answers: Semaphore,
    followers: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            asking: Arc::new(Semaphore::new(ASKING)),
            answers: Semaphore::new(ANSWERS),
            followers: Semaphore::new(FOLLOWERS),
        }
    }
}

/// Serves one client, who has a place among those who ask until it is his turn.
async fn client(stream: UnixStream, desk: &Desk, places: &Places, asking: OwnedSemaphorePermit) {
    let who = stream.peer_cred().map(|who| (who.uid(), who.pid())).ok();
    let (uid, pid) = (who.map(|(uid, _)| uid), who.and_then(|(_, pid)| pid));
    let (read, write) = stream.into_split();
    let mut lines = Lines(write);
    let (request, mut read) = match timeout(REQUEST, request(read)).await {
        Ok(Ok(request)) => request,
        Ok(Err(why)) => {
            tracing::debug!(?uid, ?pid, %why, "a request on the control socket was not understood");
            lines.reply(failed(why)).await;
            return;
        }
        Err(_) => return,
    };
    match &request {
        Request::Kick { id } => tracing::info!(?uid, ?pid, leg = id, "the operator ends a leg"),
        Request::Unban { room, user } => tracing::info!(?uid, ?pid, room, user, "the operator lifts a ban"),
        Request::Reload => tracing::info!(?uid, ?pid, "the operator has the configuration read again"),
        Request::Drain => tracing::info!(?uid, ?pid, "the operator drains this node"),
        other => tracing::debug!(?uid, ?pid, request = ?other, "the operator looks"),
    }
    if !matches!(request, Request::Ladder { follow: true, .. }) {
        let Ok(_turn) = places.answers.acquire().await else { return };
        drop(asking);
        return desk.answer(request, &mut lines).await;
    }
    let Ok(_turn) = places.followers.try_acquire() else {
        lines
            .reply(failed(format!("{FOLLOWERS} ladders are followed already; end one, or ask without --follow")))
            .await;
        return;
    };
    drop(asking);
    // Who hangs up follows no ladder any more, though it may be long before there is a line that cannot be written.
    let hung_up = async { while matches!(read.read(&mut [0; 64]).await, Ok(octets) if octets > 0) {} };
    tokio::select! {
        () = desk.answer(request, &mut lines) => {}
        () = hung_up => {}
    }
}

async fn request(read: OwnedReadHalf) -> Result<(Request, OwnedReadHalf), String> {
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX);
    let mut reader = BufReader::new(read.take(limit));
    reader.read_until(b'\n', &mut line).await.map_err(|error| error.to_string())?;
    if line.last() != Some(&b'\n') {
        return Err(format!("a request is one line of at most {LONGEST_REQUEST} octets"));
    }
    let request = serde_json::from_slice(&line);
    let request = request.map_err(|error| format!("this version does not know the request: {error}"))?;
    Ok((request, reader.into_inner().into_inner()))
}

/// One reply a line.
struct Lines(OwnedWriteHalf);

impl Replies for Lines {
    async fn reply(&mut self, reply: Reply) -> bool {
        let Ok(mut line) = serde_json::to_vec(&reply) else { return false };
        line.push(b'\n');
        matches!(timeout(PATIENCE, self.0.write_all(&line)).await, Ok(Ok(())))
    }
}
