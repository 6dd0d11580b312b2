//! What a task says of its builds: lines of JSON in a file beside its order, which the run reads while the task goes on.
//!
//! The run takes it as a hint: what is made, the store says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::RRefId;
use crate::realize::processes::wire_error::WireError;

/// A line of the file.
#[derive(Serialize, Deserialize)]
pub(in crate::realize) struct SaidLine {
    /// The place of the build in the order.
    pub(in crate::realize) build: usize,
    pub(in crate::realize) said: Said,
}

/// What a task says of a build.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::realize) enum Said {
    /// A run begins.
    Started { index: usize },
    /// An attempt of a run begins, with this log.
    Attempt { index: usize, log: PathBuf },
    /// An attempt failed.
    Retrying {
        index: usize,
        attempt: u32,
        left: u32,
        wait: Duration,
        error: WireError,
    },
    /// A run is published.
    Published {
        rref: RRefId,
        index: usize,
        new: bool,
        seconds: f64,
    },
    /// The failure of a run is published.
    FailureRecorded {
        rref: RRefId,
        index: usize,
        new: bool,
        seconds: f64,
        text: String,
    },
    /// A run failed after its last attempt.
    RunFailed { index: usize, error: WireError },
    /// All runs of the build are in the store.
    Made,
    /// The build failed.
    Failed(WireError),
    /// The task cannot do what the orders of this run say.
    Refused(WireError),
}

/// The place of what a task says.
fn path_of(order: &Path) -> PathBuf {
    order.with_extension("said")
}

/// The writing side.
pub(in crate::realize) struct SayTo(File);

impl SayTo {
    pub(in crate::realize) fn open(order: &Path) -> io::Result<Self> {
        let mut open = OpenOptions::new();
        Ok(SayTo(open.append(true).create(true).open(path_of(order))?))
    }

    /// Says something. What cannot be written is found in the store.
    pub(in crate::realize) fn say(&self, build: usize, said: Said) {
        if let Ok(mut line) = serde_json::to_vec(&SaidLine { build, said }) {
            line.push(b'\n');
            let _ = (&self.0).write_all(&line);
        }
    }
}

/// The reading side.
pub(in crate::realize) struct Listener {
    path: PathBuf,
    /// How much was read, in whole lines.
    read: u64,
}

impl Listener {
    /// Returns when the task began to speak, if the file system records creation times.
    pub(in crate::realize) fn begun(order: &Path) -> Option<Timestamp> {
        let said = fs::metadata(path_of(order)).ok()?;
        Timestamp::try_from(said.created().ok()?).ok()
    }

    pub(in crate::realize) fn of(order: &Path) -> Self {
        Listener {
            path: path_of(order),
            read: 0,
        }
    }

    /// Returns what was said since the last call. A file that cannot be read says nothing.
    pub(in crate::realize) fn news(&mut self) -> Vec<SaidLine> {
        self.whole_lines().unwrap_or_default()
    }

    fn whole_lines(&mut self) -> io::Result<Vec<SaidLine>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() <= self.read {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(end.map_or(0, |end| end + 1));
        self.read += bytes.len() as u64;
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}
