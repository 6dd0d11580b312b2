//! Reads the last line of a growing log.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::clean::visible;
use pylightnix::internal::open_regular;

/// How many bytes at the end of a log are read.
const END: u64 = 2 << 10;

/// The tail of a log.
pub(super) struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The length of the log at the last read.
    seen: u64,
    line: String,
}

impl Tail {
    pub(super) fn of(path: &Path) -> Self {
        Tail {
            path: path.to_owned(),
            file: None,
            seen: 0,
            line: String::new(),
        }
    }

    /// Returns whether it reads this log.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Returns the last line of the log that is not empty; an empty text if it cannot be read.
    pub(super) fn line(&mut self) -> &str {
        if self.file.is_none() {
            self.file = open_regular(&self.path).ok().map(|(file, _)| file);
        }
        if let Some(file) = &self.file
            && let Ok(data) = file.metadata()
            && data.len() != self.seen
        {
            self.seen = data.len();
            let from = self.seen.saturating_sub(END);
            let mut bytes = vec![0; (self.seen - from) as usize];
            if file.read_exact_at(&mut bytes, from).is_ok() {
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().rev().map(|line| visible(line, false));
                self.line = lines
                    .map(|line| line.trim().to_owned())
                    .find(|line| !line.is_empty())
                    .unwrap_or_default();
            }
        }
        &self.line
    }
}
