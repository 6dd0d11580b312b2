//! Repair: replacing what fails a check by intact copies, or moving it to the quarantine.
//!
//! Files are never edited in place. A good copy is assembled in a temporary folder, with every byte verified, and replaces the
//! damaged original by renames under the exclusive lock; the original moves to `quarantine/`. Only permissions are set in
//! place.

mod mend;
mod quarantine;
mod sources;

use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::Result;
use crate::as_text;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::check::{CheckReport, Fault, FaultKind};

/// A repair with its options, created by [`Store::repair`].
#[must_use = "nothing happens before `run`"]
pub struct Repair<'a> {
    store: &'a Store,
    peers: Vec<&'a Store>,
    only: Option<BTreeSet<RRefId>>,
}

/// What a repair did about some faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RepairAction {
    /// A good copy replaced it.
    Replaced,
    /// It was missing, and was copied from another store.
    Copied,
    /// Its permissions were set.
    ModesSet,
    /// There was no good copy, and it was moved to the quarantine.
    PutAside,
}

/// A change made by a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repaired {
    /// The file or folder.
    pub path: PathBuf,
    /// The action taken.
    pub action: RepairAction,
    /// The path in the quarantine, if it was moved there.
    pub quarantine: Option<PathBuf>,
    /// The faults that caused the action.
    #[serde(skip)]
    pub faults: Vec<Fault>,
}

/// The result of a repair.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// The result of the check before the repair.
    #[serde(rename = "faults", serialize_with = "count_faults")]
    pub check: CheckReport,
    /// The changes that were made.
    pub repaired: Vec<Repaired>,
    /// The faults that remain, including realizations that are missing now.
    pub left: Vec<Fault>,
    /// The errors of system calls.
    #[serde(serialize_with = "as_text::each")]
    pub refused: Vec<crate::Error>,
}

fn count_faults<S: Serializer>(check: &CheckReport, to: S) -> Result<S::Ok, S::Error> {
    check.faults.len().serialize(to)
}

impl Store {
    /// Checks everything, including contents, and repairs what it can. Damaged artifacts, records and configs are replaced if
    /// the same bytes exist elsewhere in this store or in [another one](Repair::with). Otherwise they move to `quarantine/`,
    /// where they stay until a user deletes them, and are built again when needed. The report lists their dependents. An object
    /// counts as damaged only if its content was read and differs, or if it is missing; unreadable objects stay where they are.
    ///
    /// A file that realizations share ([`Plumbing::carry`](crate::store::Plumbing::carry)) is damaged in all of them. Each gets a
    /// good copy of its own, which may serve to repair another one later.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let backup = Store::open(folder.path().join("backup"))?;
    /// let report = store.repair().with(&backup).run()?;
    /// println!("{report}");
    /// assert!(report.left.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repair(&self) -> Repair<'_> {
        Repair {
            store: self,
            peers: Vec::new(),
            only: None,
        }
    }
}

impl<'a> Repair<'a> {
    /// Also takes good copies from this store, which is only read.
    pub fn with(mut self, peer: &'a Store) -> Self {
        self.peers.push(peer);
        self
    }

    /// Checks and repairs only these realizations, their derivations, and the realizations that share a damaged file with them.
    pub fn only<R: AsRef<RRefId>>(mut self, rrefs: impl IntoIterator<Item = R>) -> Self {
        self.only = Some(
            rrefs
                .into_iter()
                .map(|rref| rref.as_ref().clone())
                .collect(),
        );
        self
    }

    /// Runs the repair. Faults that could not be repaired are part of the report.
    ///
    /// # Errors
    /// Fails if the store cannot be checked, or if this process has no write permission to it.
    pub fn run(self) -> Result<RepairReport> {
        self.mend()
    }
}

impl fmt::Display for RepairAction {
    /// Formats the action as a predicate that follows a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RepairAction::Replaced => "was replaced by a good copy",
            RepairAction::Copied => "was missing, and was copied",
            RepairAction::ModesSet => "had its modes restored",
            RepairAction::PutAside => "was moved to quarantine: no good copy was found",
        })
    }
}

impl fmt::Display for RepairReport {
    /// Lists the repairs and the remaining faults, and ends with a summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for repaired in &self.repaired {
            writeln!(f, "{} {}", repaired.path.display(), repaired.action)?;
            if let Some(quarantine) = &repaired.quarantine {
                writeln!(f, "  the broken one is now {}", quarantine.display())?;
            }
        }
        for fault in &self.left {
            writeln!(f, "{fault}")?;
        }
        for error in &self.refused {
            writeln!(f, "{error:?}")?;
        }
        write!(
            f,
            "{} faults in {} realizations; {} repairs, {} faults left",
            self.check.faults.len(),
            self.check.realizations,
            self.repaired.len(),
            self.left.len()
        )
    }
}

impl fmt::Debug for Repair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repair")
            .field("store", self.store)
            .field("peers", &self.peers)
            .field("only", &self.only)
            .finish()
    }
}

/// Whether replacing the realization by a good copy repairs the fault.
fn is_in_the_realization(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Record | FaultKind::Artifact)
}
