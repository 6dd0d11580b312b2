//! Writing what a run does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::RunFolder;
use crate::store::Store;
use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{RUN, RUN_ANSWERS, RUN_CANCEL, RUN_EVENTS};
use crate::store::disk::remove::remove_tree;
use crate::store::object::build_record::{BuildKind, BuildRecord, as_text};
use crate::store::using::flock::{TryLock, attempt};
use crate::{Error, ErrorKind, Result};

/// How long a process waits for the one that drove its run before.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was run: the content of `run.json`. Unknown keys, which newer versions may add, are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// The name of the program.
    pub program: String,
    /// The command line: the program and its arguments.
    pub command: Vec<String>,
    /// The working directory.
    pub folder: PathBuf,
    /// The targets.
    pub targets: Vec<String>,
    /// When it began.
    #[serde(with = "as_text")]
    pub begun: Timestamp,
    /// The host name of the machine.
    pub host: String,
    /// The user name, or the numeric user ID if the user has no name.
    pub user: String,
    /// The number of the process.
    pub process: u32,
    /// The git commit that was checked out in the working directory, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl RunRecord {
    /// Describes a run by this process that begins now.
    pub fn now(program: &str, targets: impl IntoIterator<Item = String>) -> Self {
        let BuildRecord {
            start,
            host,
            user,
            command,
            commit,
            ..
        } = BuildRecord::now(BuildKind::Build);
        RunRecord {
            program: program.to_owned(),
            command,
            folder: std::env::current_dir().unwrap_or_default(),
            targets: targets.into_iter().collect(),
            begun: start,
            host,
            user,
            process: std::process::id(),
            commit,
        }
    }
}

/// The folder of a run in progress. While it lives, others see that the run goes on.
#[derive(Debug)]
pub struct RunJournal {
    id: Uuid,
    folder: PathBuf,
    events: File,
}

impl Store {
    /// Makes the folder of a run that begins. It is complete when others see it.
    ///
    /// ```
    /// # use pylightnix::store::{RunRecord, RunStanding, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let journal = store.begin_run(&RunRecord::now("experiment", ["model".to_owned()]), "{}")?;
    /// journal.event(r#"{"event": "begun"}"#)?;
    /// let runs = store.runs()?;
    /// assert_eq!(runs[0].record()?.targets, ["model"]);
    /// assert_eq!(runs[0].standing()?, RunStanding::Running);
    /// drop(journal); // the process ended without an event that says so
    /// assert_eq!(store.runs()?[0].standing()?, RunStanding::Killed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn begin_run(&self, record: &RunRecord, answers: &str) -> Result<RunJournal> {
        let id = Uuid::now_v7();
        let draft = self.manager().temporary()?;
        let runs = self.layout().runs();
        let folder = runs.join(id.to_string());
        let made = begin(&draft, record, answers).and_then(|events| {
            make_folder(&runs)?;
            fs::rename(&draft, &folder).map_err(|error| Error::io("create", &folder, error))?;
            Ok(events)
        });
        if made.is_err() {
            // Garbage collection removes what stays.
            let _ = remove_tree(&draft);
        }
        Ok(RunJournal {
            id,
            folder,
            events: made?,
        })
    }
}

impl Store {
    /// Goes on with a run whose process is gone, as this process. Waits a moment for one that is about to end.
    ///
    /// ```
    /// # use pylightnix::store::{RunRecord, RunStanding, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// drop(store.begin_run(&RunRecord::now("experiment", []), "{}")?); // its process was killed
    /// let run = store.run_named("-1")?;
    /// let journal = store.resume_run(&run)?;
    /// assert_eq!(run.standing()?, RunStanding::Running);
    /// # drop(journal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if a process drives the run, if it has ended, or if a system call fails.
    pub fn resume_run(&self, run: &RunFolder) -> Result<RunJournal> {
        let folder = run.path().to_owned();
        let path = folder.join(RUN_EVENTS);
        let opened = OpenOptions::new().read(true).append(true).open(&path);
        let events = opened.map_err(|error| Error::io("open", &path, error))?;
        let begun = Instant::now();
        while attempt(&events, &path)? == TryLock::Held {
            if begun.elapsed() > PATIENCE {
                let message = format!("run {} goes on already", run.id());
                return Err(Error::new(ErrorKind::Store, message).at(&folder));
            }
            sleep(Duration::from_millis(50));
        }
        if run.has_ended()? {
            let message = format!("run {} has ended", run.id());
            return Err(Error::new(ErrorKind::Store, message).at(&folder));
        }
        let here = RunRecord::now("", []);
        let record = RunRecord {
            host: here.host,
            user: here.user,
            process: here.process,
            ..run.record()?
        };
        let draft = folder.join(format!("{RUN}.new"));
        Durability::None.replace_file(&draft, &folder.join(RUN), &as_json(&record)?)?;
        let journal = RunJournal {
            id: run.id(),
            folder,
            events,
        };
        // A process that was killed may have left a line without an end.
        if run.ends_within_a_line()? {
            journal.append(b"\n")?;
        }
        Ok(journal)
    }
}

fn as_json(record: &RunRecord) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(record).map_err(|error| {
        let message = "what is run cannot be written as JSON";
        Error::new(ErrorKind::Store, message).because(error)
    })
}

/// Makes the folder of a run, and returns the file of its events, locked.
fn begin(folder: &Path, record: &RunRecord, answers: &str) -> Result<File> {
    make_folder(folder)?;
    Durability::None.write_new(&folder.join(RUN), &as_json(record)?)?;
    Durability::None.write_new(&folder.join(RUN_ANSWERS), answers.as_bytes())?;
    let path = folder.join(RUN_EVENTS);
    let opened = OpenOptions::new().append(true).create_new(true).open(&path);
    let events = opened.map_err(|error| Error::io("create", &path, error))?;
    attempt(&events, &path)?;
    Ok(events)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create the folder", path, error))
}

impl RunJournal {
    /// Returns the identifier of the run.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether somebody asked to cancel the run.
    pub fn is_asked_to_cancel(&self) -> bool {
        self.folder.join(RUN_CANCEL).exists()
    }

    /// Appends an event: JSON in one line, without a newline, in a single write.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn event(&self, line: &str) -> Result<()> {
        self.append(format!("{line}\n").as_bytes())
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        (&self.events)
            .write_all(bytes)
            .map_err(|error| Error::io("write", &self.folder.join(RUN_EVENTS), error))
    }

    /// Replaces the answers, as JSON.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn answers(&self, json: &str) -> Result<()> {
        let place = self.folder.join(RUN_ANSWERS);
        let draft = self.folder.join(format!("{RUN_ANSWERS}.new"));
        Durability::None.replace_file(&draft, &place, json.as_bytes())
    }
}
