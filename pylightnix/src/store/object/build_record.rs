//! Build records: who made a realization, when and with which code. Each build, import and acceptance adds one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

use crate::config::DRefId;
use crate::keys::KeyId;
use crate::store::object::attached::{self, Attached};
use crate::store::object::carried::{self, Carried};
use crate::store::object::choice::{RecordedChoice, understood};
use crate::store::object::commit;
use crate::store::object::environment::{self, Environment, EnvironmentChange};
use crate::store::object::given_params::{self, GivenParams, ParamChange};
use crate::store::object::python_origin::{self, PythonOrigin};
use crate::store::object::reads::{self, Reads};
use crate::store::object::signature::SignatureFile;
use crate::store::object::uncommitted::Uncommitted;

/// What a build record records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BuildKind {
    /// A run of the stage made the realization.
    Build,
    /// The realization was imported from elsewhere.
    Import,
    /// A user accepted the realization although the code changed.
    Accept,
}

/// The record of a build, import or acceptance of a realization, stored as `build-<id>.json`.
///
/// Unknown keys, which newer versions may add, are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildRecord {
    /// The identifier, which names the file. It is a UUIDv7, so newer records have greater ones.
    #[serde(skip)]
    pub id: Uuid,
    /// Whether this records a build, an import or an acceptance.
    pub kind: BuildKind,
    /// The fingerprint of the code that made the realization, or `None` if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// In an acceptance, the fingerprint of the code that had made the realization: `fingerprint` counts as this code for
    /// the stage. `None` in any other record, in records of earlier versions, and if that code is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The values of the fields that the config omits because they have their defaults.
    #[serde(default)]
    pub omitted: BTreeMap<String, serde_json::Value>,
    /// The number of attempts; the times are those of the last one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// The index of the stage's run, from 0, as [`b.index()`](crate::lens::Build::index) returns it. `None` for anything but a
    /// run, and in records of earlier versions; such a record stands for all runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The total number of runs of the stage when the build ended, those of earlier builds included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// The choice of the matcher for each direct dependency. Empty unless this records a run, and in records of earlier
    /// versions.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "understood"
    )]
    pub choices: BTreeMap<DRefId, RecordedChoice>,
    /// When the build began.
    #[serde(with = "as_text")]
    pub start: Timestamp,
    /// When the build ended, by the clock of its machine; see [`ended`](Self::ended).
    #[serde(with = "as_text")]
    pub stop: Timestamp,
    /// The host name of the machine.
    #[serde(default)]
    pub host: String,
    /// The user name, or the numeric user ID if the user has no name.
    #[serde(default)]
    pub user: String,
    /// The command line: the program and its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// The git commit that was checked out in the program's working directory, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether a file under git differed from the commit when the program built its first stage, or accepted its first result.
    /// `None` if it is not known, and for anything but a run or an acceptance. Files that git does not track do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The SHA-256 digest of what `git diff HEAD` printed, if that was at most 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// With what it was made; `None` for anything but a run, and in records of earlier versions.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "environment::write",
        deserialize_with = "environment::read"
    )]
    pub environment: Option<Arc<Environment>>,
    /// What the run looked at in the realizations of its dependencies; `None` for anything but a run, for a stage that says
    /// that it reads everything, and in records of earlier versions.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reads::understood"
    )]
    pub reads: Option<Reads>,
    /// Whether the run was sealed: it could read nothing but its context, and what its stage declares. Never of an import or an
    /// acceptance, and not in records of earlier versions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sealed: bool,
    /// The most bytes of memory that the process of the run, or one that it started, held at once, with the program and its plan. `None` if
    /// it is not known, as of runs on threads, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The build whose work this is, if the realization was carried here from another context. Times, machine and user are
    /// those of that build.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "carried::understood"
    )]
    pub carried: Option<Carried>,
    /// The values of the parameters that the experiment was given, by their keys; of a stage that targets with other parameters share,
    /// those that are alike for all of them. A value that is longer than 4096 bytes as JSON is an object with its `sha256` and `size_bytes`
    /// in place of the value. Empty for anything but a run, and in records of earlier versions.
    #[serde(
        default,
        skip_serializing_if = "given_params::is_empty",
        serialize_with = "given_params::write",
        deserialize_with = "given_params::understood"
    )]
    pub params: Arc<BTreeMap<String, serde_json::Value>>,
    /// Which realization of the Python package it was, if it was imported from there. The times of a build are those of Python, and its
    /// machine and user are not known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "python_origin::understood"
    )]
    pub python: Option<PythonOrigin>,
    /// What this record attaches to the realization, if it is none of a build, import or acceptance. Such a record is in no list of
    /// builds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "attached::understood"
    )]
    pub(in crate::store) attached: Option<Attached>,
}

/// The number of hex digits of a commit that people see.
const SHORT: usize = 12;

/// A file of a build. The order puts logs and signatures before records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum BuildFile {
    /// The log: what the build printed.
    Log(Uuid),
    /// A signature by the key with this identifier.
    Signature(Uuid, KeyId),
    /// The build record.
    Record(Uuid),
}

impl BuildRecord {
    /// Creates a record that begins and ends now, with this program, machine and user, and without a fingerprint.
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
            accepted: None,
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
            dirty: None,
            difference: None,
            environment: None,
            reads: None,
            sealed: false,
            peak_memory: None,
            carried: None,
            params: GivenParams::default(),
            python: None,
            attached: None,
        }
    }

    /// Returns the duration of the build in seconds.
    pub fn seconds(&self) -> f64 {
        self.stop.duration_since(self.start).as_secs_f64()
    }

    /// Records with what a build was made, and what git knows of the working directory.
    pub(crate) fn made_with(&mut self, environment: Arc<Environment>) {
        self.environment = Some(environment);
        self.note_uncommitted();
    }

    /// Records what git knows of the working directory, if it was asked.
    pub(crate) fn note_uncommitted(&mut self) {
        if let Some(Uncommitted { dirty, difference }) = Uncommitted::known() {
            self.dirty = Some(dirty);
            self.difference = difference.map(|digest| digest.to_string());
        }
    }

    /// Returns how the environment of a later build differs from that of this one, as far as both are known: with what they
    /// were made, and from which commit with which changes.
    ///
    /// ```
    /// use pylightnix::store::{BuildKind, BuildRecord};
    ///
    /// let (mut old, mut new) = (BuildRecord::now(BuildKind::Build), BuildRecord::now(BuildKind::Build));
    /// assert!(old.environment_changes(&new).is_empty());
    /// (old.commit, new.commit) = (Some("a".repeat(40)), Some("b".repeat(40)));
    /// assert_eq!(old.environment_changes(&new)[0].to_string(), "commit aaaaaaaaaaaa -> bbbbbbbbbbbb");
    /// ```
    pub fn environment_changes(&self, new: &BuildRecord) -> Vec<EnvironmentChange> {
        environment::changes(&self.environment_values(), &new.environment_values())
    }

    /// Returns how the parameters of a later build differ from those of this one.
    ///
    /// ```
    /// use pylightnix::store::{BuildKind, BuildRecord};
    /// use std::collections::BTreeMap;
    ///
    /// let (mut old, mut new) = (BuildRecord::now(BuildKind::Build), BuildRecord::now(BuildKind::Build));
    /// old.params = BTreeMap::from([("rate".to_owned(), 0.1.into())]).into();
    /// new.params = BTreeMap::from([("rate".to_owned(), 0.5.into())]).into();
    /// assert_eq!(old.param_changes(&new)[0].to_string(), "rate 0.1 -> 0.5");
    /// ```
    pub fn param_changes(&self, new: &BuildRecord) -> Vec<ParamChange> {
        given_params::changes(&self.params, &new.params)
    }

    /// Returns what is known of the environment, by name.
    pub(crate) fn environment_values(&self) -> BTreeMap<String, String> {
        let environment = self.environment.as_deref();
        let mut values = environment.map(Environment::values).unwrap_or_default();
        let short = |hash: &String| hash.get(..SHORT).unwrap_or(hash).to_owned();
        if let Some(commit) = &self.commit {
            values.insert("commit".to_owned(), short(commit));
        }
        if let Some(dirty) = self.dirty {
            let changes = match &self.difference {
                Some(difference) => short(difference),
                None if dirty => "long".to_owned(),
                None => "none".to_owned(),
            };
            values.insert("uncommitted".to_owned(), changes);
        }
        values
    }

    /// Returns the file name of the record.
    pub(in crate::store) fn file_name(&self) -> String {
        BuildRecord::name_of(self.id)
    }

    /// Returns the file name of the record with this identifier.
    pub(in crate::store) fn name_of(id: Uuid) -> String {
        format!("build-{id}.json")
    }

    /// Returns the file name of the build's log.
    pub(crate) fn log_name(&self) -> String {
        BuildRecord::log_name_of(self.id)
    }

    /// Returns the file name of the log of the build with this identifier.
    pub(in crate::store) fn log_name_of(id: Uuid) -> String {
        format!("build-{id}.log")
    }

    /// Returns the identifier from a file name, or `None` if it is not that of a build record.
    pub(in crate::store) fn id_of(file_name: &[u8]) -> Option<Uuid> {
        match Self::kind_of(file_name)? {
            BuildFile::Record(id) => Some(id),
            BuildFile::Log(_) | BuildFile::Signature(..) => None,
        }
    }

    /// Parses a file name; returns `None` if the file does not belong to a build.
    pub(in crate::store) fn kind_of(file_name: &[u8]) -> Option<BuildFile> {
        let name = std::str::from_utf8(file_name).ok()?;
        let (text, suffix) = name.strip_prefix("build-")?.split_once('.')?;
        let id = Uuid::try_parse(text).ok()?;
        // Only the canonical spelling is accepted; otherwise one record could have two names.
        if id.to_string() != text {
            return None;
        }
        match suffix {
            "json" => Some(BuildFile::Record(id)),
            "log" => Some(BuildFile::Log(id)),
            suffix => Some(BuildFile::Signature(id, SignatureFile::key_in(suffix)?)),
        }
    }

    /// Serializes the record as JSON.
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

    /// Parses a record; returns `None` if `bytes` are not a valid one.
    pub(in crate::store) fn from_bytes(id: Uuid, bytes: &[u8]) -> Option<Self> {
        let record: BuildRecord = serde_json::from_slice(bytes).ok()?;
        Some(BuildRecord { id, ..record })
    }
}

fn one() -> u32 {
    1
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_one(attempts: &u32) -> bool {
    *attempts == 1
}

/// The fields that are equal in all records of a process.
struct Process {
    host: String,
    user: String,
    command: Vec<String>,
}

/// Computed once per process.
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

/// Returns the name of the current user, or the numeric user ID if the user has no name.
pub(in crate::store) fn user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

/// Serializes times as RFC 3339 text. Not by jiff's serde support, which is a feature that the user's build may lack.
pub(in crate::store) mod as_text {
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
