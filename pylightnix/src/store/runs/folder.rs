//! Reading what runs did.

use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::RunRecord;
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::layout::{
    RUN, RUN_ANSWERS, RUN_CANCEL, RUN_EVENTS, RUN_ORDERS, RUN_OUTPUT, RUN_PROGRAM,
};
use crate::store::disk::regular;
use crate::store::using::flock::{TryLock, attempt};
use crate::{Error, ErrorKind, Result};

/// The number of runs that garbage collection keeps.
const KEPT: usize = 50;

/// How long a run that was killed keeps what its orders name, if nothing is heard of it: its tasks may still wait in a queue.
const ABANDONED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The folder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    id: Uuid,
    path: PathBuf,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunStanding {
    /// Its process lives.
    Running,
    /// It ended, and its last event says how.
    Ended,
    /// Its process ended before the run did.
    Killed,
    /// It did not end, and the file system has no locks that would tell whether its process lives.
    Unknown,
}

impl Store {
    /// Returns the runs of programs that built something, newest first. Garbage collection keeps the newest 50, and those in
    /// progress.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn runs(&self) -> Result<Vec<RunFolder>> {
        let mut all = Vec::new();
        for entry in entries(&self.layout().runs())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(id) = name.and_then(|name| Uuid::try_parse(name).ok()) {
                all.push(RunFolder { id, path });
            }
        }
        all.sort_by_key(|run| Reverse(run.id));
        Ok(all)
    }

    /// Returns the run whose identifier begins with `text`. The newest one is `-1`, the one before it `-2`.
    ///
    /// # Errors
    /// Fails if there is none, or if there are several.
    pub fn run_named(&self, text: &str) -> Result<RunFolder> {
        let all = self.runs()?;
        if let Some(back) = text.strip_prefix('-').and_then(|back| back.parse().ok())
            && let Some(run) = usize::checked_sub(back, 1).and_then(|at| all.get(at))
        {
            return Ok(run.clone());
        }
        let mut found = all
            .iter()
            .filter(|run| run.id.to_string().starts_with(text));
        match (found.next(), found.next()) {
            (Some(run), None) => Ok(run.clone()),
            (None, _) => Err(
                Error::new(ErrorKind::Missing, format!("there is no run `{text}`")).with_help(
                    "`runs` lists those that are kept; one that built nothing leaves nothing",
                ),
            ),
            _ => Err(Error::new(
                ErrorKind::Reference,
                format!("`{text}` is the beginning of several runs"),
            )
            .with_help("give more of it")),
        }
    }

    /// Returns the runs that garbage collection may remove, oldest first.
    pub(in crate::store) fn old_runs(&self) -> Result<Vec<PathBuf>> {
        let mut old = Vec::new();
        for run in self.runs()?.into_iter().skip(KEPT) {
            let is_over = match run.standing()? {
                RunStanding::Ended => true,
                RunStanding::Killed => !run.may_have_tasks(),
                RunStanding::Running | RunStanding::Unknown => false,
            };
            if is_over {
                old.push(run.path);
            }
        }
        old.reverse();
        Ok(old)
    }
}

impl RunFolder {
    /// Returns whether tasks of the run may wait for their orders, or a process may go on with it.
    pub(in crate::store) fn may_have_tasks(&self) -> bool {
        self.has_orders()
            && self
                .last_sign()
                .is_some_and(|sign| Timestamp::now().duration_since(sign) < ABANDONED)
    }

    /// Returns whether the run has ordered builds from tasks.
    pub fn has_orders(&self) -> bool {
        self.path.join(RUN_ORDERS).exists()
    }

    /// Returns the last time when the process of the run or one of its tasks wrote something.
    fn last_sign(&self) -> Option<Timestamp> {
        let listed = |folder: PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.flatten().map(|entry| entry.path())
        };
        let files = listed(self.path.join(RUN_ORDERS)).flat_map(listed);
        let files = files.chain([self.path.join(RUN_EVENTS)]);
        let times = files.filter_map(|file| fs::symlink_metadata(file).ok()?.modified().ok());
        times.max().and_then(|time| Timestamp::try_from(time).ok())
    }

    /// Returns the path of a file of the run with what its process prints, if it has left its terminal.
    pub fn output(&self) -> PathBuf {
        self.path.join(RUN_OUTPUT)
    }

    /// Returns the copy of the program that the tasks of the run are, if there are any.
    pub fn program(&self) -> Option<PathBuf> {
        let bin = fs::read_dir(self.path.join(RUN_PROGRAM)).ok()?;
        let mut files = bin.flatten().map(|entry| entry.path());
        files.find(|path| path.is_file())
    }

    /// Asks the process of the run, on whatever machine it is, to cancel it.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn ask_to_cancel(&self) -> Result<()> {
        let path = self.path.join(RUN_CANCEL);
        fs::write(&path, b"").map_err(|error| Error::io("write", &path, error))
    }

    /// Returns whether somebody asked to cancel the run.
    pub fn is_asked_to_cancel(&self) -> bool {
        self.path.join(RUN_CANCEL).exists()
    }

    /// Returns the identifier, a UUIDv7.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what was run.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn record(&self) -> Result<RunRecord> {
        let path = self.path.join(RUN);
        let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} does not tell what was run", path.display());
            Error::new(ErrorKind::Store, message)
                .because(error)
                .at(&path)
        })
    }

    /// Returns the answers that the plan was made from, as JSON.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn answers(&self) -> Result<String> {
        let path = self.path.join(RUN_ANSWERS);
        regular::read_to_string(&path).map_err(|error| Error::io("read", &path, error))
    }

    /// Returns the events so far, each as JSON. A line that is not written to its end is left out.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn events(&self) -> Result<Vec<serde_json::Value>> {
        let bytes = self.event_bytes()?;
        Ok(whole_lines(&bytes).filter_map(event_of).collect())
    }

    /// Returns the events from this position in their file on, and the position behind them: that of the first is 0.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn events_from(&self, position: u64) -> Result<(Vec<serde_json::Value>, u64)> {
        let path = self.path.join(RUN_EVENTS);
        let read = || -> io::Result<Vec<u8>> {
            let (mut file, length) = regular::open_regular(&path)?;
            let mut bytes = Vec::new();
            if length > position {
                file.seek(SeekFrom::Start(position))?;
                file.read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        };
        let bytes = read().map_err(|error| Error::io("read", &path, error))?;
        let whole: usize = whole_lines(&bytes).map(<[u8]>::len).sum();
        let events = whole_lines(&bytes).filter_map(event_of).collect();
        Ok((events, position + whole as u64))
    }

    /// Returns whether the last event says that the run has ended.
    pub(in crate::store) fn has_ended(&self) -> Result<bool> {
        // There may be very many.
        let bytes = self.event_bytes()?;
        let last = whole_lines(&bytes).rev().find_map(event_of);
        Ok(last.is_some_and(|event| event["event"] == "ended"))
    }

    /// Returns whether the last line of the events lacks its end.
    pub(in crate::store) fn ends_within_a_line(&self) -> Result<bool> {
        let bytes = self.event_bytes()?;
        Ok(bytes.last().is_some_and(|byte| *byte != b'\n'))
    }

    /// Returns the events of one kind so far, as [`RunFolder::events`] does, without making the others.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn events_of(&self, kind: &str) -> Result<Vec<serde_json::Value>> {
        let bytes = self.event_bytes()?;
        let mark = format!("\"event\":\"{kind}\"");
        let marked = whole_lines(&bytes)
            .filter(|line| std::str::from_utf8(line).is_ok_and(|line| line.contains(&mark)));
        let events = marked.filter_map(event_of);
        Ok(events.filter(|event| event["event"] == kind).collect())
    }

    fn event_bytes(&self) -> Result<Vec<u8>> {
        let path = self.path.join(RUN_EVENTS);
        regular::read(&path).map_err(|error| Error::io("read", &path, error))
    }

    /// Returns how the run stands.
    ///
    /// # Errors
    /// Fails if its events cannot be read.
    pub fn standing(&self) -> Result<RunStanding> {
        let path = self.path.join(RUN_EVENTS);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(RunStanding::Killed);
            }
            Err(error) => return Err(Error::io("open", &path, error)),
        };
        let lock = attempt(&file, &path)?;
        if lock == TryLock::Held {
            return Ok(RunStanding::Running);
        }
        drop(file);
        Ok(match self.has_ended()? {
            true => RunStanding::Ended,
            false if lock == TryLock::Unknown => RunStanding::Unknown,
            false => RunStanding::Killed,
        })
    }
}

/// Returns the lines that are written to their ends.
fn whole_lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.ends_with(b"\n"))
}

fn event_of(line: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(line).ok()
}
