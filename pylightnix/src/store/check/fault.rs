//! What is wrong in a store, and what to do about it.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

use crate::config::{DRefId, RRefId};
use crate::visible;

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// A derivation's `config.json` is missing or is not what the folder's name says.
    Config,
    /// A realization's `record` is missing or is not what the folder's name says.
    Record,
    /// A realization was made from one that is not in the store, or of which its config knows nothing.
    Context,
    /// An artifact is missing, is not what the record says, or is there and not in the record.
    Artifact,
    /// An artifact has other permissions than artifacts have.
    Mode,
    /// A build record cannot be understood.
    BuildRecord,
    /// A file in `roots/` that is no root, or a root of something that is not in the store.
    Root,
    /// Something that no store has.
    Unexpected,
    /// The system refused to let it be read.
    Unreadable,
}

/// Something that is wrong in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What sort of thing it is.
    pub kind: FaultKind,
    /// The file or folder.
    pub path: PathBuf,
    /// The derivation that it is about, if it is about one.
    pub dref: Option<DRefId>,
    /// The realization that it is about, if it is about one.
    pub rref: Option<RRefId>,
    /// What is wrong, in one line that goes on after the path.
    pub message: String,
    /// All realizations that were made from what it is about, directly or not.
    pub dependents: Vec<RRefId>,
}

impl Fault {
    /// What a person can do about it.
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
            FaultKind::Mode => "`repair` sets it right",
            FaultKind::BuildRecord => {
                "`repair` moves it away; a newer pylightnix may have written it, and can read it"
            }
            FaultKind::Root => "remove that root, or bring back what it keeps",
            FaultKind::Unexpected => "it does no harm; move it away if it is not yours",
            FaultKind::Unreadable => {
                "it is not known to be broken, so `repair` leaves it: check who owns it, how many files this process may open \
                 (`ulimit -n`), and whether the disk has errors (`dmesg`); if it stays so, remove it and bring it from \
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
    /// What is wrong, what depends on it, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            /// More are a number.
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

/// Something that is sound and worth a word: it was published by older rules, and would be refused today; or a build record that
/// lies ahead of this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The artifact, or the build record.
    pub path: PathBuf,
    /// The realization that it belongs to.
    pub rref: RRefId,
    /// What it is, in one line that goes on after the path.
    pub message: String,
    /// Whether its config promises it. Then the realization is no candidate, and its stage runs again when it is needed.
    pub is_promised: bool,
    /// Whether it is a build record that lies ahead of this machine's clock.
    pub is_ahead: bool,
}

impl Note {
    /// What follows from it.
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

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many realizations were checked.
    pub realizations: usize,
    /// How many files were read to the end, and how many bytes they had.
    pub files: u64,
    /// See [`files`](Self::files).
    pub bytes: u64,
    /// What is wrong, sorted by path.
    pub faults: Vec<Fault>,
    /// What is sound, and was published by older rules or lies ahead of this machine's clock, sorted by path.
    pub notes: Vec<Note>,
}

impl CheckReport {
    /// Whether nothing is wrong. Things that no store has do no harm.
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
    /// Every fault with what to do, and a sum.
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
            crate::store::gc::bytes(self.bytes)
        )
    }
}
