//! Reports and progress events of a collection.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::store::known::survey::Survey;
use crate::store::using::roots::Root;
use crate::units::text;
use crate::{as_text, visible};

/// The progress of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GcEvent {
    /// Another process is removing objects from this store; this one waits for it.
    Waiting,
    /// The objects to remove are chosen. They stay if a process begins to use them before they are moved.
    #[non_exhaustive]
    Chosen {
        /// The number of realizations to keep.
        kept: usize,
        /// The number of realizations to remove.
        removed: usize,
        /// How many bytes removing the realizations frees.
        bytes: u64,
    },
    /// An object was deleted from disk.
    #[non_exhaustive]
    Deleted {
        /// The number of bytes deleted so far.
        bytes: u64,
        /// The total number of bytes to delete.
        of: u64,
    },
}

/// A realization that a collection removed, or would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Collected {
    /// The reference.
    pub rref: RRefId,
    /// The total size of the artifacts and the record, in bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// How many bytes its removal frees: those of `bytes` that no file needs which other realizations share and which stays, or
    /// goes after this one.
    #[serde(rename = "freed_bytes")]
    pub freed: u64,
    /// The end of the newest build, import or acceptance, or when it was carried into its context; `None` if it is unknown or
    /// ahead of this machine's clock.
    #[serde(rename = "time", serialize_with = "as_text::known_time")]
    pub newest: Option<Timestamp>,
}

/// The result, or the expected result, of a collection or a removal.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct GcReport {
    /// The realizations in removal order, dependents before dependencies.
    pub realizations: Vec<Collected>,
    /// The realizations that are stubs now, as a remote has their files.
    pub stubs: Vec<Collected>,
    /// The derivations without remaining realizations.
    pub derivations: Vec<DRefId>,
    /// The folders of failed builds.
    #[serde(rename = "failed_builds")]
    pub failed: Vec<PathBuf>,
    /// Partial downloads.
    #[serde(rename = "partial_downloads")]
    pub downloads: Vec<PathBuf>,
    /// The folders of older runs.
    pub runs: Vec<PathBuf>,
    /// The folders of runs that were given up: their process is gone, and nothing was heard of their tasks for 14 days. They keep
    /// nothing any more.
    #[serde(rename = "abandoned_runs")]
    pub abandoned: Vec<PathBuf>,
    /// Roots whose links are missing or point elsewhere.
    #[serde(serialize_with = "names")]
    pub ended_roots: Vec<Root>,
    /// The fingerprints of code texts that no build record names.
    #[serde(rename = "code_texts", serialize_with = "as_text::count")]
    pub code: Vec<String>,
    /// The bytes that removing the realizations, failed builds and partial downloads frees, except those that could not be
    /// deleted and remain in the trash.
    #[serde(rename = "freed_bytes")]
    pub bytes: u64,
    /// The number of realizations that were kept.
    pub kept: usize,
    /// The number of processes on other machines that may be alive, because their locks are not visible here. Objects that they
    /// use were kept.
    pub elsewhere: usize,
    /// The errors for objects that could not be removed.
    #[serde(serialize_with = "as_text::each")]
    pub refused: Vec<Error>,
    /// The longest time for which other processes were locked out without interruption.
    #[serde(skip)]
    pub alone: Duration,
}

fn names<S: Serializer>(roots: &[Root], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(roots.iter().map(|root| &root.name))
}

impl GcReport {
    /// Accounts for objects that are in the trash but could not be deleted, and so free no space.
    pub(super) fn not_deleted(&mut self, left: Vec<(Error, u64)>) {
        for (error, bytes) in left {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.refused.push(error);
        }
    }

    /// Adds a realization, whose removal frees this many bytes.
    pub(super) fn add_realization(&mut self, survey: &Survey, at: usize, freed: u64) {
        self.bytes += freed;
        self.realizations.push(collected(survey, at, freed));
    }

    /// Adds a realization whose files went, which frees this many bytes.
    pub(super) fn add_stub(&mut self, survey: &Survey, at: usize, freed: u64) {
        self.bytes += freed;
        self.stubs.push(collected(survey, at, freed));
    }
}

fn collected(survey: &Survey, at: usize, freed: u64) -> Collected {
    let gone = &survey.found[at];
    Collected {
        rref: gone.id.clone(),
        bytes: gone.bytes,
        freed,
        newest: gone.newest,
    }
}

impl fmt::Display for GcReport {
    /// Lists each object on a line, and ends with a summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            for gone in &self.realizations {
                let newest = gone
                    .newest
                    .map(|time| format!(" {time}"))
                    .unwrap_or_default();
                writeln!(f, "{} {}{newest}", gone.rref, text::size(gone.freed))?;
            }
            for stub in &self.stubs {
                writeln!(f, "stub {} {}", stub.rref, text::size(stub.freed))?;
            }
            for dref in &self.derivations {
                writeln!(f, "{dref}")?;
            }
            for folder in &self.failed {
                writeln!(f, "{}", folder.display())?;
            }
            for part in &self.downloads {
                writeln!(f, "{}", part.display())?;
            }
            for run in &self.abandoned {
                writeln!(f, "abandoned run {}", run.display())?;
            }
            for root in &self.ended_roots {
                if let Some(link) = &root.link {
                    writeln!(f, "root {} by the link {}", root.name, link.display())?;
                }
            }
            for error in &self.refused {
                writeln!(f, "not removed: {error}")?;
            }
            if self.elsewhere > 0 {
                writeln!(
                    f,
                    "kept what {} processes on other file systems may use",
                    self.elsewhere
                )?;
            }
            write!(
                f,
                "{} of {} realizations, {} derivations, {} failed builds, {} texts of code: {}",
                self.realizations.len(),
                self.realizations.len() + self.kept,
                self.derivations.len(),
                self.failed.len(),
                self.code.len(),
                text::size(self.bytes),
            )
        })
    }
}
