//! Where a process leaves what the next one has to know.

use std::env;
use std::path::PathBuf;

/// The folder: systemd's `StateDirectory=`, else the user's (XDG base directories). `None` where neither is known.
pub(super) fn folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folders) = variable("STATE_DIRECTORY") {
        return env::split_paths(&folders).next();
    }
    let user = variable("XDG_STATE_HOME").map(PathBuf::from);
    let user = user.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
    user.map(|state| state.join("mucfocus"))
}
