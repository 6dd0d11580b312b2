//! Who made a realization, when, with which code: one record for each build, import or acceptance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use uuid::Uuid;

use crate::config::DRefId;
use crate::store::object::choice::{RecordedChoice, understood};
use crate::store::object::commit;

/// Why a build record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BuildKind {
    /// The stage ran and made these bytes.
    Build,
    /// It came from somewhere else.
    Import,
    /// Someone said that the result stands although the code changed.
    Accept,
}

/// One build, import or acceptance of a realization: the file `build-<id>.json`.
///
/// Keys that a newer version adds are passed over when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildRecord {
    /// What it is named by; newer ones are greater.
    #[serde(skip)]
    pub id: Uuid,
    /// Why it is there.
    pub kind: BuildKind,
    /// What stands for the code that made it. Without one it is not known which code that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The values of the fields that the config leaves out while they have their defaults.
    #[serde(default)]
    pub omitted: BTreeMap<String, serde_json::Value>,
    /// How many tries it took; the times are those of the last one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// Which run of the stage it was, from 0: what [`b.index()`](crate::lens::Build::index) gave. Only a run of a stage has
    /// one. Whatever else a record tells of, and a run of before this was kept, stands for all runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// How many runs the stage had when its build had ended, those of earlier builds included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// For each direct dependency, which realizations its matcher chose, from how many. Empty for what is not a build of a
    /// run, and in records of before this was kept.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "understood"
    )]
    pub choices: BTreeMap<DRefId, RecordedChoice>,
    /// When it began.
    #[serde(with = "as_text")]
    pub start: Timestamp,
    /// When it ended, as the clock of its machine had it: see [`ended`](Self::ended).
    #[serde(with = "as_text")]
    pub stop: Timestamp,
    /// The machine's name.
    #[serde(default)]
    pub host: String,
    /// The user's name, or number if it has no name.
    #[serde(default)]
    pub user: String,
    /// The program and its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// The git commit that was checked out where the program was started, if that was in a repository. What was changed
    /// since, nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A file that belongs to a build. Logs sort first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum BuildFile {
    /// What it printed.
    Log(Uuid),
    /// Its record.
    Record(Uuid),
}

impl BuildRecord {
    /// A record that begins and ends now, of this program, machine and user, without a fingerprint.
    pub fn now(kind: BuildKind) -> Self {
        let now = Timestamp::now();
        let Process {
            host,
            user,
            command,
        } = PROCESS.get_or_init(Process::this);
        BuildRecord {
            id: Uuid::now_v7(),
            kind,
            fingerprint: None,
            omitted: BTreeMap::new(),
            attempts: 1,
            index: None,
            of: None,
            choices: BTreeMap::new(),
            start: now,
            stop: now,
            host: host.clone(),
            user: user.clone(),
            command: command.clone(),
            commit: commit::current(),
        }
    }

    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        self.stop.duration_since(self.start).as_secs_f64()
    }

    /// The name of its file.
    pub(in crate::store) fn file_name(&self) -> String {
        format!("build-{}.json", self.id)
    }

    /// The name of the file with what it printed.
    pub(crate) fn log_name(&self) -> String {
        format!("build-{}.log", self.id)
    }

    /// The identifier in the name of a build record's file, if it is one.
    pub(in crate::store) fn id_of(file_name: &[u8]) -> Option<Uuid> {
        match Self::kind_of(file_name)? {
            BuildFile::Record(id) => Some(id),
            BuildFile::Log(_) => None,
        }
    }

    /// What a file's name says that it is, if it belongs to a build.
    pub(in crate::store) fn kind_of(file_name: &[u8]) -> Option<BuildFile> {
        let name = std::str::from_utf8(file_name).ok()?;
        let (text, suffix) = name.strip_prefix("build-")?.split_once('.')?;
        let id = Uuid::try_parse(text).ok()?;
        // Other spellings of an identifier would let one record have two names.
        if id.to_string() != text {
            return None;
        }
        match suffix {
            "json" => Some(BuildFile::Record(id)),
            "log" => Some(BuildFile::Log(id)),
            _ => None,
        }
    }

    /// Its bytes.
    pub(in crate::store) fn to_bytes(&self) -> crate::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            crate::Error::new(
                crate::ErrorKind::Store,
                format!("the build record {} cannot be written as JSON", self.id),
            )
            .because(error)
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads its bytes; `None` if they are no build record.
    pub(in crate::store) fn from_bytes(id: Uuid, bytes: &[u8]) -> Option<Self> {
        let record: BuildRecord = serde_json::from_slice(bytes).ok()?;
        Some(BuildRecord { id, ..record })
    }
}

fn one() -> u32 {
    1
}

fn is_one(attempts: &u32) -> bool {
    *attempts == 1
}

/// What is the same in all records of a process.
struct Process {
    host: String,
    user: String,
    command: Vec<String>,
}

/// This one, looked at once.
static PROCESS: OnceLock<Process> = OnceLock::new();

impl Process {
    fn this() -> Self {
        Process {
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            user: user(),
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
        }
    }
}

/// The name of the user who runs this process, or its number if it has no name.
pub(in crate::store) fn user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

/// Times as RFC 3339 text: jiff's own serde support is a feature that the user's build need not have.
mod as_text {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;

    pub(in crate::store) fn serialize<S: Serializer>(
        time: &Timestamp,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Timestamp, D::Error> {
        Cow::<str>::deserialize(from)?
            .parse()
            .map_err(D::Error::custom)
    }
}
