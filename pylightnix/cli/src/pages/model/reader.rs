//! What all pages are read from.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::runs::{RunFollower, RunRow, locked};
use super::tables::{Progress, Tables};
use crate::depends::Depends;
use crate::exit::{CommandError, CommandResult};
use pylightnix::config::RRefId;
use pylightnix::internal::open_regular;
use pylightnix::store::{RunFolder, Store};
use pylightnix::{Error, ErrorKind};

/// In a store with more realizations, what needs all of them is looked for only on demand.
const MANY: usize = 2000;

/// The most runs whose events are kept: those that a store keeps, and some under way.
const RUNS: usize = 64;

/// Makes the plan of the program as of now, on the thread that has it.
pub(crate) type PlanOf = Box<dyn Fn() -> Option<Result<Depends, String>> + Send + Sync>;

/// The store, and what is kept in memory of it.
pub(crate) struct Reader {
    pub(in crate::pages) store: Store,
    pub(super) tables: Arc<Tables>,
    /// Runs whose events were read, by their identifiers.
    runs: Mutex<HashMap<String, Arc<Mutex<RunFollower>>>>,
    /// The plan, in a user's program.
    plan: Option<PlanOf>,
    /// The realizations that are shown; all without.
    only: Option<BTreeSet<RRefId>>,
}

impl Reader {
    /// Creates a reader that keeps at most this many bytes in memory.
    pub(crate) fn new(store: Store, memory: u64, plan: Option<PlanOf>) -> Self {
        Reader {
            store,
            tables: Arc::new(Tables::new(memory)),
            runs: Mutex::default(),
            plan,
            only: None,
        }
    }

    /// Shows these realizations alone.
    pub(crate) fn only(mut self, only: BTreeSet<RRefId>) -> Self {
        self.only = Some(only);
        self
    }

    /// Returns the realizations that are shown, unless all are.
    pub(in crate::pages) fn chosen(&self) -> Option<&BTreeSet<RRefId>> {
        self.only.as_ref()
    }

    /// Returns whether a realization is shown.
    pub(in crate::pages) fn shows(&self, rref: &RRefId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(rref))
    }

    /// Returns a run with all of its events so far. Only those are read that are new.
    pub(in crate::pages) fn follower(
        &self,
        run: &RunFolder,
    ) -> CommandResult<Arc<Mutex<RunFollower>>> {
        let id = run.id().to_string();
        let follower = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if runs.len() >= RUNS && !runs.contains_key(&id) {
                runs.clear();
            }
            let new = || Arc::new(Mutex::new(RunFollower::of(run.clone())));
            runs.entry(id).or_insert_with(new).clone()
        };
        locked(&follower).advance()?;
        Ok(follower)
    }

    pub(super) fn row_of(&self, run: &RunFolder) -> CommandResult<RunRow> {
        let follower = self.follower(run)?;
        locked(&follower).row(self)
    }

    /// Returns how far the numbers of a stage are read, while they are being read.
    pub(in crate::pages) fn progress(&self, stage: &str) -> Option<Progress> {
        self.tables.progress(stage)
    }

    /// Returns the path of an artifact's file, and opens it. A link on the disk in the place of a file or of one of its folders, which no
    /// store of ours has, is an error: it may lead to any file of this machine.
    pub(in crate::pages) fn open(
        &self,
        rref: &RRefId,
        path: &str,
    ) -> CommandResult<(PathBuf, File, u64)> {
        let out = self.store.out_dir(rref);
        let file = out.join(path);
        let there = |path: &PathBuf| {
            path.canonicalize()
                .map_err(|error| Error::io("read", path, error))
        };
        if there(&file)? != there(&out)?.join(path) {
            let text = "it is a link, or behind one, where a file should be";
            return Err(Error::new(ErrorKind::Store, text).at(&file).into());
        }
        let (opened, size) =
            open_regular(&file).map_err(|error| Error::io("read", &file, error))?;
        Ok((file, opened, size))
    }

    /// Returns the graph of the plan, with what a run would do; `None` in a program without one.
    pub(crate) fn plan(&self) -> CommandResult<Option<Depends>> {
        match self.plan.as_ref().and_then(|plan| plan()) {
            Some(plan) => plan.map(Some).map_err(CommandError::Usage),
            None => Ok(None),
        }
    }

    /// Returns whether there is a plan.
    pub(crate) fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// Returns whether the store has very many derivations or realizations. On file systems that do not count subfolders, such as btrfs,
    /// only derivations count.
    pub(crate) fn is_large(&self) -> CommandResult<bool> {
        let drefs = self.store.drefs_named("*")?;
        let mut left = MANY as u64;
        for dref in drefs.iter().take(MANY) {
            // The link count of a folder is the number of its subfolders plus two.
            let links =
                fs::metadata(self.store.derivation_dir(dref)).map_or(0, |found| found.nlink());
            match left.checked_sub(links.saturating_sub(2)) {
                Some(rest) => left = rest,
                None => return Ok(true),
            }
        }
        Ok(drefs.len() > MANY)
    }

    /// Returns the name of the store: the path of its folder.
    pub(crate) fn name(&self) -> String {
        let root = self.store.root();
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        root.display().to_string()
    }
}
