//! What a collection says of itself.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::store::known::survey::Survey;
use crate::store::using::roots::Root;
use crate::{as_text, visible};

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GcEvent {
    /// Another process removes something from this store; this one waits for it.
    Waiting,
    /// It is known what goes, unless somebody comes to use it before it is moved.
    Chosen {
        /// How many realizations stay.
        kept: usize,
        /// How many go.
        removed: usize,
        /// The sum of their sizes.
        bytes: u64,
    },
    /// Something that went was deleted from the disk.
    Deleted {
        /// How many bytes were by now.
        bytes: u64,
        /// How many bytes will be.
        of: u64,
    },
}

/// A realization that a collection removed, or would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Collected {
    /// Its reference.
    pub rref: RRefId,
    /// The size of its artifacts and its record, in bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// When its newest build, import or acceptance ended; nothing if that is not known, or lies ahead of this machine's clock.
    #[serde(rename = "time", serialize_with = "as_text::known_time")]
    pub newest: Option<Timestamp>,
}

/// What a collection or a removal removed, or would remove.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct GcReport {
    /// Realizations, in the order in which they went: none before all that was made from it.
    pub realizations: Vec<Collected>,
    /// Derivations that have no realizations (any more).
    pub derivations: Vec<DRefId>,
    /// The folders of failed builds.
    #[serde(rename = "failed_builds")]
    pub failed: Vec<PathBuf>,
    /// Parts of files from servers.
    #[serde(rename = "partial_downloads")]
    pub downloads: Vec<PathBuf>,
    /// Roots by links that are gone or point elsewhere.
    #[serde(serialize_with = "names")]
    pub ended_roots: Vec<Root>,
    /// The fingerprints of texts of code that no build record names.
    #[serde(rename = "code_texts", serialize_with = "as_text::count")]
    pub code: Vec<String>,
    /// The sizes of the realizations, of the failed builds and of the parts of files, in bytes, without those of what could not
    /// be deleted and lies in the trash now.
    #[serde(rename = "freed_bytes")]
    pub bytes: u64,
    /// How many realizations stayed.
    pub kept: usize,
    /// How many processes may live whose locks are not seen here, as they use the store through another file system. What
    /// they use stayed.
    pub elsewhere: usize,
    /// What could not be removed, each with its reason.
    #[serde(serialize_with = "as_text::each")]
    pub refused: Vec<Error>,
    /// The longest time at a stretch for which other processes were kept out.
    #[serde(skip)]
    pub alone: Duration,
}

fn names<S: Serializer>(roots: &[Root], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(roots.iter().map(|root| &root.name))
}

impl GcReport {
    /// Adds what was moved to the trash and could not be deleted: it frees nothing.
    pub(super) fn not_deleted(&mut self, left: Vec<(Error, u64)>) {
        for (error, bytes) in left {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.refused.push(error);
        }
    }

    /// Adds a realization.
    pub(super) fn gone(&mut self, survey: &Survey, at: usize) {
        let gone = &survey.found[at];
        self.bytes += gone.bytes;
        self.realizations.push(Collected {
            rref: gone.id.clone(),
            bytes: gone.bytes,
            newest: gone.newest,
        });
    }
}

impl fmt::Display for GcReport {
    /// A line for each thing, and a sum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            for gone in &self.realizations {
                let newest = gone
                    .newest
                    .map(|time| format!(" {time}"))
                    .unwrap_or_default();
                writeln!(f, "{} {}{newest}", gone.rref, bytes(gone.bytes))?;
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
                bytes(self.bytes),
            )
        })
    }
}

/// A size as people read it.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut rest = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if rest < 1024.0 {
            break;
        }
        rest /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{rest:.1} {unit}"),
    }
}
