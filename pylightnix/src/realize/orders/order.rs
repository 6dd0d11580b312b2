//! Orders: the files that say what a task has to build. They are written before the task is submitted, and never change.
//!
//! `.runs/<run>/orders/<batch>/<index>.json` is the order of a task, and `answers.json` beside it are the answers that its plan is made
//! from. What the task says is in `<index>.said`, a file `<index>.stop` asks it to begin no further build, and `<index>.cancel` has the
//! places of builds that it is not to make.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::DRefId;
use crate::keys::Trust;
use crate::realize::decide::runs::DueRuns;
use crate::realize::processes::terms::StageTerms;
use crate::store::regular;
use crate::store::{
    BuildKind, BuildRecord, Durability, FailedOrder, GivenParams, RecordedChoice, Store,
};
use crate::{Error, ErrorKind, Result};

/// The name of the file with the answers, in the folder of a batch.
pub(in crate::realize) const ANSWERS: &str = "answers.json";

/// Ends the name of the file with the builds of an order that were cancelled.
const CANCEL: &str = "cancel";

/// What a task has to build.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::realize) struct TaskOrder {
    pub(in crate::realize) common: OrderedBy,
    pub(in crate::realize) builds: Vec<OrderedBuild>,
}

/// What all orders of a run share.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::realize) struct OrderedBy {
    /// The root of the store.
    pub(in crate::realize) store: PathBuf,
    /// Whether publishing waits for the disk.
    pub(in crate::realize) synced: bool,
    /// What the build records tell of the program that gave the order.
    pub(in crate::realize) origin: Origin,
    pub(in crate::realize) retry_wait: Duration,
    pub(in crate::realize) grace: Duration,
    /// Whether all stages are sealed, whatever they say.
    pub(in crate::realize) all_sealed: bool,
    /// Whether only what was made sealed counts.
    #[serde(default)]
    pub(in crate::realize) only_sealed: bool,
    /// Which signatures results need, if any.
    #[serde(default)]
    pub(in crate::realize) trust: Option<Trust>,
}

/// What build records tell of the program of a run.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::realize) struct Origin {
    command: Vec<String>,
    commit: Option<String>,
    dirty: Option<bool>,
    difference: Option<String>,
}

/// The runs of a stage that have to be made from what was chosen for its dependencies.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::realize) struct OrderedBuild {
    pub(in crate::realize) terms: StageTerms,
    pub(in crate::realize) due: DueRuns,
    /// What build records tell of the choices for the dependencies.
    pub(in crate::realize) choices: BTreeMap<DRefId, RecordedChoice>,
    /// The number of retries of a run that fails.
    pub(in crate::realize) retries: u32,
    /// The time limit of each attempt.
    pub(in crate::realize) timeout: Option<Duration>,
    /// The parameters that build records tell.
    pub(in crate::realize) params: GivenParams,
}

/// The order that this process carries out.
pub(in crate::realize) struct OrderHere {
    /// The run that gave it, with the path of the order in the folder of the run.
    place: Option<(Uuid, PathBuf)>,
    /// The place of the current build in the order.
    pub(in crate::realize) build: Arc<AtomicUsize>,
}

impl OrderHere {
    /// Describes the order at this path, `<run>/orders/<batch>/<index>.json`.
    pub(in crate::realize) fn new(path: &Path) -> Self {
        let run = path.ancestors().nth(3);
        let place =
            run.and_then(|run| Some((run_of(path)?, path.strip_prefix(run).ok()?.to_owned())));
        let build = Arc::default();
        OrderHere { place, build }
    }

    /// Returns what the record of a failure tells of the order.
    pub(in crate::realize) fn told(&self) -> Option<FailedOrder> {
        let (run, path) = self.place.clone()?;
        let build = self.build.load(Ordering::Relaxed);
        Some(FailedOrder::new(run, path, build))
    }
}

impl OrderedBy {
    /// Describes the orders of this program.
    pub(in crate::realize) fn this(
        store: &Store,
        retry_wait: Duration,
        grace: Duration,
        all_sealed: bool,
    ) -> Self {
        let mut record = BuildRecord::now(BuildKind::Build);
        record.note_uncommitted();
        OrderedBy {
            store: store.root().to_owned(),
            synced: store.durability() == Durability::Full,
            origin: Origin {
                command: record.command,
                commit: record.commit,
                dirty: record.dirty,
                difference: record.difference,
            },
            retry_wait,
            grace,
            all_sealed,
            only_sealed: false,
            trust: None,
        }
    }
}

impl Origin {
    /// Has a record tell of the program that gave the order.
    pub(in crate::realize) fn told_by(&self, record: &mut BuildRecord) {
        record.command.clone_from(&self.command);
        record.commit.clone_from(&self.commit);
        record.dirty = self.dirty;
        record.difference.clone_from(&self.difference);
    }
}

impl OrderedBuild {
    /// Whether a run with this index of what was ordered is one of those that `due` asks for.
    pub(in crate::realize) fn has_run_of(&self, due: &OrderedBuild, index: usize) -> bool {
        self.terms == due.terms
            && self.due.of == due.due.of
            && due.due.indices().any(|wanted| wanted == index)
    }

    /// Whether two orders ask for the same runs of the same stage.
    pub(in crate::realize) fn is_like(&self, other: &OrderedBuild) -> bool {
        self.terms == other.terms && self.due.of == other.due.of && {
            let (one, other) = (self.due.indices(), other.due.indices());
            one.eq(other)
        }
    }
}

impl TaskOrder {
    /// Returns the path of the order with this index in the folder of a batch.
    pub(in crate::realize) fn path(batch: &Path, index: usize) -> PathBuf {
        batch.join(format!("{index}.json"))
    }

    /// Writes the order.
    pub(in crate::realize) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Store, "an order cannot be written as JSON").because(error)
        })?;
        fs::write(path, text).map_err(|error| Error::io("write", path, error))
    }

    /// Reads an order.
    pub(in crate::realize) fn read(path: &Path) -> Result<Self> {
        read_json(path)
    }
}

/// Returns the run that gave the order at this path.
pub(in crate::realize) fn run_of(order: &Path) -> Option<Uuid> {
    let run = order.ancestors().nth(3)?.file_name()?.to_str()?;
    Uuid::try_parse(run).ok()
}

/// Reads a JSON file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = regular::read(path).map_err(|error| Error::io("read", path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(
            ErrorKind::Store,
            format!("{} is no order of this version", path.display()),
        )
        .because(error)
        .at(path)
    })
}

/// Asks a task to begin no further build.
pub(in crate::realize) fn ask_to_stop(order: &Path) -> io::Result<()> {
    fs::write(order.with_extension("stop"), b"")
}

/// Cancels builds of an order, by their places in it.
pub(in crate::realize) fn cancel_builds(order: &Path, builds: &BTreeSet<usize>) -> Result<()> {
    let mut all = cancelled_builds(order);
    all.extend(builds);
    let path = order.with_extension(CANCEL);
    let written = || {
        let draft = order.with_extension(format!("{CANCEL}-{}", std::process::id()));
        fs::write(&draft, serde_json::to_vec(&all)?)?;
        fs::rename(&draft, &path)
    };
    written().map_err(|error| Error::io("write", &path, error))
}

/// Returns the places of the builds of an order that were cancelled.
pub(in crate::realize) fn cancelled_builds(order: &Path) -> BTreeSet<usize> {
    let text = regular::read(&order.with_extension(CANCEL)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Whether a task was asked to begin no further build.
pub(in crate::realize) fn is_asked_to_stop(order: &Path) -> bool {
    order.with_extension("stop").exists()
}
