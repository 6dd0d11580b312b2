//! The files of batches, in the folder of the run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dispatch::RunInput;
use super::executor::{Batch, Needs};
use super::order::{ANSWERS, OrderedBuild, TaskOrder};
use crate::config::Digest;
use crate::realize::processes::process::this_program;
use crate::store::{RUN_ORDERS, RUN_PROGRAM, RunJournal, RunRecord, Store};
use crate::{Error, Result};

/// Begins the comment of each batch.
const COMMENT: &str = "pylightnix";

/// What the comments of batches name: the store, the run and the batch.
pub(in crate::realize) struct Comments {
    /// The folder of all runs.
    runs: PathBuf,
    /// The beginning of the digest of the store's path.
    store: String,
}

impl Comments {
    pub(in crate::realize) fn of(store: &Store) -> Self {
        // The same for each path that leads to it.
        let root = store.root().canonicalize();
        let root = root.unwrap_or_else(|_| store.root().to_owned());
        let digest = Digest::of(root.as_os_str().as_encoded_bytes()).to_string();
        Comments {
            runs: store.runs_dir(),
            store: digest[..12].to_owned(),
        }
    }

    /// Returns the beginning of the comments of all runs of the store.
    pub(in crate::realize) fn begin(&self) -> String {
        format!("{COMMENT}:{}:", self.store)
    }

    /// Returns the order of a task, by the comment of its batch and its index there.
    pub(in crate::realize) fn order_of(&self, comment: &str, index: usize) -> Option<PathBuf> {
        let rest = comment.strip_prefix(&self.begin())?;
        let (run, batch) = rest.split_once(':')?;
        let is_name = |name: &str| {
            name.bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        };
        (is_name(run) && is_name(batch)).then(|| {
            let batch = self.runs.join(run).join(RUN_ORDERS).join(batch);
            TaskOrder::path(&batch, index)
        })
    }
}

/// Writes batches.
pub(in crate::realize) struct Batches {
    comments: Comments,
    run: Option<RunPlace>,
}

/// Where this run writes.
struct RunPlace {
    folder: PathBuf,
    /// The program that tasks run.
    program: PathBuf,
    /// Kept for a run that has no journal of its own.
    journal: Option<RunJournal>,
    /// The number of batches so far.
    count: usize,
}

impl Batches {
    pub(in crate::realize) fn new(input: &RunInput) -> Self {
        Batches {
            comments: Comments::of(&input.store),
            run: None,
        }
    }

    /// Returns the beginning of the comments of all runs of this store.
    pub(in crate::realize) fn comment_of_store(&self) -> String {
        self.comments.begin()
    }

    /// Returns the order of a task, by the comment of its batch and its index there.
    pub(in crate::realize) fn order_of(&self, comment: &str, index: usize) -> Option<PathBuf> {
        self.comments.order_of(comment, index)
    }

    /// Writes the orders of a batch.
    pub(in crate::realize) fn write(
        &mut self,
        input: &RunInput,
        needs: &Needs,
        answers: &str,
        orders: &[TaskOrder],
    ) -> Result<Batch> {
        let comment = self.comment_of_store();
        let run = match &mut self.run {
            Some(run) => run,
            none => none.insert(RunPlace::new(input)?),
        };
        let number = run.count;
        run.count += 1;
        let place = run.folder.join(RUN_ORDERS).join(number.to_string());
        fs::create_dir_all(&place).map_err(|error| Error::io("create", &place, error))?;
        let path = place.join(ANSWERS);
        fs::write(&path, answers).map_err(|error| Error::io("write", &path, error))?;
        let mut paths = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            let path = TaskOrder::path(&place, index);
            order.write(&path)?;
            paths.push(path);
        }
        let mut command = vec![run.program.clone().into_os_string()];
        command.extend(env::args_os().skip(1));
        let id = run.folder.file_name().unwrap_or_default();
        let name = run.program.file_name().unwrap_or_default();
        Ok(Batch {
            place,
            command,
            folder: env::current_dir().map_err(|error| Error::io("find", Path::new("."), error))?,
            orders: paths,
            needs: needs.clone(),
            time: orders.iter().map(time_limit).max().flatten(),
            expected: None,
            name: name.to_string_lossy().into_owned(),
            comment: format!("{comment}{}:{number}", id.to_string_lossy()),
        })
    }

    /// Notes that the run is over.
    pub(in crate::realize) fn end(&mut self) {
        if let Some(journal) = self.run.as_mut().and_then(|run| run.journal.take()) {
            let _ = journal.event(r#"{"event": "ended"}"#);
        }
    }
}

/// Returns how long a task may take at most; `None` if a stage of it has no time limit.
fn time_limit(order: &TaskOrder) -> Option<Duration> {
    let of_build = |build: &OrderedBuild| {
        let runs = u32::try_from(build.due.len()).unwrap_or(u32::MAX);
        let tries = build.retries.saturating_add(1).saturating_mul(runs);
        Some(build.timeout?.saturating_mul(tries))
    };
    let times: Option<Vec<_>> = order.builds.iter().map(of_build).collect();
    let sum = times?.into_iter();
    Some(sum.fold(Duration::ZERO, Duration::saturating_add))
}

impl RunPlace {
    fn new(input: &RunInput) -> Result<Self> {
        let given = input.folder.as_ref().and_then(|folder| folder());
        let (folder, journal) = match given {
            Some(folder) => (folder, None),
            None => {
                let journal = input.store.begin_run(&RunRecord::now(&name(), []), "{}")?;
                (journal.folder().to_owned(), Some(journal))
            }
        };
        let program = copy_program(&folder)?;
        // A run that goes on after its process died has batches already.
        let orders = fs::read_dir(folder.join(RUN_ORDERS)).into_iter().flatten();
        let numbers = orders.flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.parse::<usize>().ok()
        });
        let count = numbers.max().map_or(0, |last| last + 1);
        Ok(RunPlace {
            folder,
            program,
            journal,
            count,
        })
    }
}

/// Copies this program to the folder of the run, since another one may be built in its place while tasks run. A process that goes on
/// with the run of another one may be that copy.
fn copy_program(folder: &Path) -> Result<PathBuf> {
    let here = this_program().canonicalize().unwrap_or_default();
    if here.parent().and_then(Path::parent) == folder.canonicalize().ok().as_deref() {
        return Ok(here);
    }
    let mut bin = folder.join(RUN_PROGRAM);
    let mut number = 2;
    while bin.exists() {
        // Tasks may run what is there.
        bin = folder.join(format!("{RUN_PROGRAM}-{number}"));
        number += 1;
    }
    fs::create_dir_all(&bin).map_err(|error| Error::io("create", &bin, error))?;
    let copy = bin.join(name());
    fs::copy(this_program(), &copy)
        .map_err(|error| Error::io("copy this program to", &copy, error))?;
    Ok(copy)
}

/// Returns the name of this program.
fn name() -> String {
    let path = PathBuf::from(env::args_os().next().unwrap_or_default());
    let name = path.file_name().unwrap_or("experiment".as_ref());
    name.to_string_lossy().into_owned()
}
