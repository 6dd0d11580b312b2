//! Repairing a store: what fails a check is replaced when the same bytes are elsewhere, and else put aside.
//!
//! Nothing is edited in place. A good copy is put together in a temporary folder, every byte of it hashed, and then takes
//! the place of the broken one, which goes to `quarantine/`, by renames, with everybody else out. Only modes are set where
//! they are.

mod elsewhere;
mod mend;
mod quarantine;

use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::Result;
use crate::as_text;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::check::{CheckReport, Fault, FaultKind};

/// A repair that is to be made, with its options: [`Store::repair`] begins one.
#[must_use = "nothing happens before `run`"]
pub struct Repair<'a> {
    store: &'a Store,
    peers: Vec<&'a Store>,
    only: Option<BTreeSet<RRefId>>,
}

/// What was done about some faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RepairAction {
    /// A good copy took its place.
    Replaced,
    /// It was missing, and copied from another store.
    Copied,
    /// Its modes were set.
    ModesSet,
    /// There was no good copy, and it was only put aside.
    PutAside,
}

/// Something that a repair changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repaired {
    /// The file or folder.
    pub path: PathBuf,
    /// What was done.
    pub action: RepairAction,
    /// Where the broken one is now, if it was put aside.
    pub quarantine: Option<PathBuf>,
    /// What was wrong.
    #[serde(skip)]
    pub faults: Vec<Fault>,
}

/// What a repair did.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// What the check before it found.
    #[serde(rename = "faults", serialize_with = "count_faults")]
    pub check: CheckReport,
    /// What was done about it.
    pub repaired: Vec<Repaired>,
    /// What is still wrong, or is missing now.
    pub left: Vec<Fault>,
    /// What the system refused.
    #[serde(serialize_with = "as_text::each")]
    pub refused: Vec<crate::Error>,
}

fn count_faults<S: Serializer>(check: &CheckReport, to: S) -> Result<S::Ok, S::Error> {
    check.faults.len().serialize(to)
}

impl Store {
    /// Checks everything, contents included, and repairs what it can: broken artifacts, records and configs are replaced if
    /// the same bytes are elsewhere, in this store or in [another one](Repair::with); what cannot be replaced goes to
    /// `quarantine/`, where it stays until a person removes it, and is made again when it is needed. The report says what
    /// was made from it. Broken is what was read, and differs, or is missing: what the system refused to let be read stays
    /// where it is.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// # let backup = Store::open_at(folder.path().join("backup"))?;
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
    /// Takes good copies from this store as well. It is only read.
    pub fn with(mut self, peer: &'a Store) -> Self {
        self.peers.push(peer);
        self
    }

    /// Checks and repairs only these realizations and their derivations.
    pub fn only<R: AsRef<RRefId>>(mut self, rrefs: impl IntoIterator<Item = R>) -> Self {
        self.only = Some(
            rrefs
                .into_iter()
                .map(|rref| rref.as_ref().clone())
                .collect(),
        );
        self
    }

    /// Repairs. That something could not be repaired is in the report, and no error.
    ///
    /// # Errors
    /// A store that cannot be checked, or not be written.
    pub fn run(self) -> Result<RepairReport> {
        self.mend()
    }
}

impl fmt::Display for RepairAction {
    /// As it goes on after a path.
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
    /// What was done, what is left, and a sum.
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

/// Whether a fault is one that a good copy of the whole realization mends.
fn is_in_the_realization(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Record | FaultKind::Artifact)
}
