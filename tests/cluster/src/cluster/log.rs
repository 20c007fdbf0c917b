//! What a server wrote into its log.

use std::{fs, path::Path};

/// The server's log as it is now; take another one later to see what was added.
pub struct Log(String);

impl Log {
    pub(crate) fn read(path: &Path) -> Log {
        Log(fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The lines that contain `needle`.
    pub fn lines_with(&self, needle: &str) -> Vec<&str> {
        self.0.lines().filter(|line| line.contains(needle)).collect()
    }

    /// The last `count` lines.
    pub fn tail(&self, count: usize) -> String {
        let lines: Vec<&str> = self.0.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}
