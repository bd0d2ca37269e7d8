//! What happened when, for whoever looks for the cause of a fault.

use std::time::{Duration, SystemTime};

/// Lines, with the time as logs have it.
#[derive(Debug, Default)]
pub struct Diary(String);

impl Diary {
    /// Now.
    pub fn notes(&mut self, what: &str) {
        let since: Duration = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        self.0 += &format!("{hours:02}:{minutes:02}:{:02}.{millis:03} {what}\n", seconds % 60);
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }
}
