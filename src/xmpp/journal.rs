//! The streams that a server keeps alive for a while should this process die (XEP-0198 §5), on disk, so that the next process can
//! end them at once. Owns the file; what is done about an entry is up to [`leftovers`](super::leftovers).
//!
//! One line for each stream that may be kept from now on, and one when it is over. There is no secret in it, and it is not synced:
//! a process can be killed at any moment, and when the machine dies the network is gone long enough for the server to notice.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jid::FullJid;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// Octets after which the file is written anew with what still counts.
const COMPACT: u64 = 1024 * 1024;
/// A longer file is not read to its end: it is none of ours.
const MAX_READ: u64 = 64 * 1024 * 1024;

/// A stream that the server keeps alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The SIP user whose it was, as an URI.
    pub user: String,
    /// What the server calls it.
    pub jid: FullJid,
}

/// The file.
#[derive(Debug)]
pub struct Journal {
    state: Mutex<State>,
    /// Locked for as long as this process lives.
    _lock: File,
}

#[derive(Debug)]
struct State {
    path: PathBuf,
    file: File,
    written: u64,
    kept: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Kept { jid: String, user: String },
    Over { jid: String },
}

impl Journal {
    /// Opens the journal of this node in `folder`, which is made if it is not there, and returns with it what an earlier process
    /// has left.
    ///
    /// # Errors
    ///
    /// It cannot be read or written, or another process has it.
    pub fn open(folder: &Path, node: &str) -> io::Result<(Self, Vec<Kept>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name: String = node.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let lock = private(&folder.join(format!("streams-{name}.lock")), true)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "another process has it"))?;
        let path = folder.join(format!("streams-{name}.jsonl"));
        let kept = read(&path)?;
        let (file, written) = write_anew(&path, &kept)?;
        let leftovers = kept.iter().filter_map(|(jid, user)| {
            Some(Kept { user: user.clone(), jid: FullJid::new(jid).ok()? }) // one that is none is not ours
        });
        let leftovers = leftovers.collect();
        Ok((Self { state: Mutex::new(State { path, file, written, kept }), _lock: lock }, leftovers))
    }

    /// From now on the server may keep this stream.
    ///
    /// # Errors
    ///
    /// That could not be written down: it must not be made to.
    pub(super) fn note(&self, user: &str, jid: &FullJid) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept.insert(jid.to_string(), user.to_owned());
        state.append(&Line::Kept { jid: jid.to_string(), user: user.to_owned() })
    }

    /// It does not any more.
    pub(super) fn strike(&self, jid: &FullJid) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.kept.remove(jid.as_str()).is_some()
            && let Err(error) = state.append(&Line::Over { jid: jid.to_string() })
        {
            // The next process ends a stream that is over: nobody notices.
            tracing::debug!(%error, "the journal of streams could not be written");
        }
    }
}

impl State {
    fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.written > COMPACT {
            (self.file, self.written) = write_anew(&self.path, &self.kept)?;
        }
        let line = text(line)?;
        self.written += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.file.write_all(line.as_bytes())
    }
}

fn text(line: &Line) -> io::Result<String> {
    Ok(serde_json::to_string(line)? + "\n")
}

fn private(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(append).write(true).truncate(!append).mode(0o600).open(path)
}

/// What still counts. A line that cannot be read was being written when the process died: its stream had not begun.
fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_READ).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let mut kept = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Kept { jid, user }) => drop(kept.insert(jid, user)),
            Ok(Line::Over { jid }) => drop(kept.remove(&jid)),
            Err(_) => {}
        }
    }
    Ok(kept)
}

/// Beside the old one first, so that there is a whole file at every moment.
fn write_anew(path: &Path, kept: &BTreeMap<String, String>) -> io::Result<(File, u64)> {
    let beside = path.with_extension("new");
    let mut content = String::new();
    for (jid, user) in kept {
        content += &text(&Line::Kept { jid: jid.clone(), user: user.clone() })?;
    }
    let mut file = private(&beside, false)?;
    file.write_all(content.as_bytes())?;
    std::fs::rename(&beside, path)?;
    Ok((file, u64::try_from(content.len()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(resource: &str) -> FullJid {
        FullJid::new(&format!("romeo@xmpp.test/{resource}")).expect("a JID")
    }

    fn left(folder: &Path) -> Vec<String> {
        let (_, left) = Journal::open(folder, "focus1").expect("opens");
        left.into_iter().map(|kept| format!("{} of {}", kept.jid, kept.user)).collect()
    }

    #[test]
    fn what_was_not_over_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, left_before) = Journal::open(folder.path(), "focus1").expect("opens");
        assert_eq!(left_before, []);
        for resource in ["one", "two \"quoted\" \\ \u{e9}", "three"] {
            journal.note("sip:romeo@sip.test", &jid(resource)).expect("writes");
        }
        journal.strike(&jid("one"));
        journal.strike(&jid("unknown"));
        drop(journal);
        let expected = [
            "romeo@xmpp.test/three of sip:romeo@sip.test",
            "romeo@xmpp.test/two \"quoted\" \\ \u{e9} of sip:romeo@sip.test",
        ];
        assert_eq!(left(folder.path()), expected);
        assert_eq!(left(folder.path()), expected, "until somebody strikes it");
    }

    #[test]
    fn a_line_that_was_cut_off_costs_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = Journal::open(folder.path(), "focus1").expect("opens");
        journal.note("sip:romeo@sip.test", &jid("one")).expect("writes");
        drop(journal);
        let path = folder.path().join("streams-focus1.jsonl");
        let mut content = std::fs::read(&path).expect("reads");
        content.extend_from_slice(b"\xff\xfe\n{\"kept\":{\"jid\":\"romeo@xmpp.te");
        std::fs::write(&path, content).expect("writes");
        assert_eq!(left(folder.path()), ["romeo@xmpp.test/one of sip:romeo@sip.test"]);
    }

    #[test]
    fn two_processes_do_not_share_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, _) = Journal::open(folder.path(), "focus1").expect("opens");
        assert!(Journal::open(folder.path(), "focus1").is_err());
        Journal::open(folder.path(), "focus2").expect("another node has its own");
        drop(first);
        Journal::open(folder.path(), "focus1").expect("it is free again");
    }

    #[test]
    fn it_does_not_grow_for_ever_and_nobody_else_reads_it() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = Journal::open(&folder.path().join("new"), "../focus/1").expect("opens");
        journal.note("sip:juliet@sip.test", &jid("stays")).expect("writes");
        for round in 0..20_000 {
            let jid = jid(&format!("round-{round}"));
            journal.note("sip:romeo@sip.test", &jid).expect("writes");
            journal.strike(&jid);
        }
        let path = folder.path().join("new/streams-___focus_1.jsonl");
        let meta = path.metadata().expect("the file");
        assert!(meta.len() < COMPACT + 1024, "{}", meta.len());
        assert_eq!(
            (meta.mode() & 0o777, path.parent().and_then(|p| p.metadata().ok()).map(|m| m.mode() & 0o777)),
            (0o600, Some(0o700))
        );
        drop(journal);
        let (_, left) = Journal::open(&folder.path().join("new"), "../focus/1").expect("opens");
        assert_eq!(left, [Kept { user: "sip:juliet@sip.test".into(), jid: jid("stays") }]);
    }
}
