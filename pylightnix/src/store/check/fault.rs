//! Faults in a store, and advice for each kind.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

use crate::config::{DRefId, RRefId};
use crate::visible;

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// A derivation's `config.json` is missing or does not match the folder's name.
    Config,
    /// A realization's `record` is missing or does not match the folder's name.
    Record,
    /// A dependency of a realization is missing from the store, or is not in its config.
    Context,
    /// An artifact is missing, does not match the record, or is not in the record.
    Artifact,
    /// An artifact has the wrong permissions.
    Mode,
    /// A build record is invalid.
    BuildRecord,
    /// A signature is not what its name says: not by that key, or not over these records.
    Signature,
    /// A file in `roots/` is invalid, or its realization is not in the store.
    Root,
    /// A file or folder does not belong in a store.
    Unexpected,
    /// A file or folder could not be read, so its state is unknown.
    Unreadable,
}

/// A fault in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The kind of the fault.
    pub kind: FaultKind,
    /// The file or folder.
    pub path: PathBuf,
    /// The affected derivation, if any.
    pub dref: Option<DRefId>,
    /// The affected realization, if any.
    pub rref: Option<RRefId>,
    /// The description, a predicate that follows the path.
    pub message: String,
    /// All direct and indirect dependents of the affected object.
    pub dependents: Vec<RRefId>,
}

impl Fault {
    /// Returns advice for the user.
    pub fn help(&self) -> &'static str {
        match self.kind {
            FaultKind::Config => {
                "`repair` moves it away or takes it from another store; it is written anew when its stage is realized"
            }
            FaultKind::Record | FaultKind::Artifact => {
                "`repair` replaces it if the same bytes are elsewhere; else realize its stage again, or unpack or copy it \
                 from another store"
            }
            FaultKind::Context => {
                "realize the stage of what is missing again, unpack it, or copy it from another store; \
                 or remove this with its dependents"
            }
            FaultKind::Mode => "`repair` restores it",
            FaultKind::BuildRecord => {
                "`repair` moves it away; a newer pylightnix may have written it, and can read it"
            }
            FaultKind::Signature => {
                "it counts nowhere, and no program of this kind writes such a one: `repair` moves it away; ask the owner of that \
                 key to sign again"
            }
            FaultKind::Root => "remove that root, or restore its realization",
            FaultKind::Unexpected => "it does no harm; move it away if it is not yours",
            FaultKind::Unreadable => {
                "it is not known to be broken, so `repair` leaves it: check who owns it, how many files this process may open \
                 (`ulimit -n`), and whether the disk has errors (`dmesg`); if the error persists, remove it and copy it from \
                 another store"
            }
        }
    }
}

impl Serialize for Fault {
    /// An object with `kind`, `path`, `message`, `rref`, `dependents` and [`help`](Self::help).
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fault = to.serialize_struct("Fault", 6)?;
        fault.serialize_field("kind", &self.kind)?;
        fault.serialize_field("path", &self.path)?;
        fault.serialize_field("message", &self.message)?;
        fault.serialize_field("rref", &self.rref)?;
        fault.serialize_field("dependents", &self.dependents)?;
        fault.serialize_field("help", self.help())?;
        fault.end()
    }
}

impl fmt::Display for Fault {
    /// Formats the fault with its dependents and the advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            /// Further dependents are only counted.
            const SHOWN: usize = 10;
            write!(f, "{} {}", self.path.display(), self.message)?;
            for (at, dependent) in self.dependents.iter().take(SHOWN).enumerate() {
                let comma = if at == 0 { "\n  needed by: " } else { ", " };
                write!(f, "{comma}{dependent}")?;
            }
            if self.dependents.len() > SHOWN {
                write!(f, " and {} more", self.dependents.len() - SHOWN)?;
            }
            write!(f, "\n  help: {}", self.help())
        })
    }
}

/// An observation that is not a fault: a realization that was published under older rules and would be rejected today, or a
/// build record that ends ahead of this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The artifact, or the build record.
    pub path: PathBuf,
    /// The realization that it belongs to.
    pub rref: RRefId,
    /// The description, a predicate that follows the path.
    pub message: String,
    /// Whether the path is a promised artifact. The realization is then not a candidate, and its stage runs again when needed.
    pub is_promised: bool,
    /// Whether this is a build record ahead of this machine's clock.
    pub is_ahead: bool,
}

impl Note {
    /// Returns the consequence.
    pub fn help(&self) -> &'static str {
        if self.is_ahead {
            return "it counts as one without a time, and comes last; if the clock here is right, remove that realization (`rm`) and \
                    have it built again";
        }
        match self.is_promised {
            true => {
                "it was published by older rules, and stays as it is: its stage runs again when it is needed, and it is not \
                 packed or copied"
            }
            false => {
                "it was published by older rules, and stays as it is: it counts, and is not packed or copied"
            }
        }
    }
}

impl Serialize for Note {
    /// An object with `path`, `message`, `rref` and [`help`](Self::help).
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut note = to.serialize_struct("Note", 4)?;
        note.serialize_field("path", &self.path)?;
        note.serialize_field("message", &self.message)?;
        note.serialize_field("rref", &self.rref)?;
        note.serialize_field("help", self.help())?;
        note.end()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}\n  note: {}",
            self.path.display(),
            self.message,
            self.help()
        )
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The number of realizations checked.
    pub realizations: usize,
    /// The number of files whose content was verified.
    pub files: u64,
    /// The total size of these files.
    pub bytes: u64,
    /// The faults, sorted by path.
    pub faults: Vec<Fault>,
    /// Observations that are not faults, sorted by path.
    pub notes: Vec<Note>,
}

impl CheckReport {
    /// Whether there are no faults. Unexpected files are harmless and do not count.
    pub fn is_sound(&self) -> bool {
        (self.faults.iter()).all(|fault| fault.kind == FaultKind::Unexpected)
    }
}

impl Serialize for CheckReport {
    /// An object with `sound`, `realizations`, `files_read`, `read_bytes`, `faults` and `notes`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut report = to.serialize_struct("CheckReport", 6)?;
        report.serialize_field("sound", &self.is_sound())?;
        report.serialize_field("realizations", &self.realizations)?;
        report.serialize_field("files_read", &self.files)?;
        report.serialize_field("read_bytes", &self.bytes)?;
        report.serialize_field("faults", &self.faults)?;
        report.serialize_field("notes", &self.notes)?;
        report.end()
    }
}

impl fmt::Display for CheckReport {
    /// Lists the faults with advice, and ends with a summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        write!(
            f,
            "{} faults in {} realizations; {} files read, {}",
            self.faults.len(),
            self.realizations,
            self.files,
            crate::units::text::size(self.bytes)
        )
    }
}
