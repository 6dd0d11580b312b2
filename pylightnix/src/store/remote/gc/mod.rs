//! Collecting the garbage of a remote, in two phases: what will be deleted is named, and after a while deleted. See `gone` for how that goes
//! together with pushes.

mod finish;
mod lines;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::backend::Object;
use super::content::{RemoteRoot, root_name};
use super::gone::{self, GoneNote, NoteState};
use super::index::RemoteIndex;
use super::objects::Remote;
use super::push::USUAL_GRACE;
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::using::roots::check_characters;
use crate::{Error, ErrorKind, Result};

/// How long what no root keeps is kept, unless it is said otherwise.
const USUAL_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a note stays when all of it is done: pushes that began before see it.
const REMEMBERED: Duration = USUAL_GRACE;
/// The number of times that a root is read that is not whole.
const TRIES: usize = 5;
/// The shortest grace.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// Collecting the garbage of a remote, with options.
///
/// A realization is garbage if no root keeps it, and if it was pushed a while ago. A collection first deletes what an earlier one named, if the
/// grace is over, and names then what the next one will delete. Pushes may go on beside it.
///
/// ```
/// # use pylightnix::config::ConfigJson;
/// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
/// use pylightnix::store::remote::{Push, Remote, RemoteGc};
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("mine"))?;
/// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
/// # let build = BuildRecord::now(BuildKind::Build);
/// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
/// let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
/// Push::new(&store, &remote).run([&rref])?;
/// let collected = RemoteGc::new(&remote).newer_than(Duration::ZERO).run()?;
/// assert_eq!(collected.rrefs, [rref]); // will be deleted tomorrow, as no root keeps it
/// assert_eq!(collected.deleted.objects, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `run` is called"]
pub struct RemoteGc<'a> {
    remote: &'a Remote,
    store: Option<&'a Store>,
    older_than: Option<Duration>,
    keep: Vec<String>,
    newer_than: Duration,
    grace: Duration,
    dry: bool,
}

/// Some objects of a remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectCount {
    /// Their number.
    pub objects: u64,
    /// Their bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
}

/// What a collection at a remote did, or would do.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct RemoteCollected {
    /// What was deleted, as an earlier collection had named it.
    pub deleted: ObjectCount,
    /// What an earlier collection had named, and is needed again.
    pub spared: ObjectCount,
    /// What is named now, to be deleted by the next collection after the grace.
    pub named: ObjectCount,
    /// What was put anew in place of a part of that: packs of which little was needed, and the segment that many segments became.
    pub moved: ObjectCount,
    /// The realizations that will be gone.
    pub rrefs: Vec<RRefId>,
    /// The roots that will be gone, as they are too old.
    pub roots: Vec<String>,
    /// From when on a collection deletes what is named, by the clock of the remote; `None` if nothing is.
    #[serde(serialize_with = "crate::as_text::known_time")]
    pub due: Option<Timestamp>,
    /// The number of requests.
    pub requests: u64,
    /// Whether nothing was changed, as this was a dry run.
    pub dry: bool,
    /// What could not be moved, and stays as it is.
    #[serde(skip)]
    pub told: Vec<Error>,
}

impl ObjectCount {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

impl<'a> RemoteGc<'a> {
    /// Prepares to collect the garbage of a remote. Keeps all roots, and what was pushed in the last 30 days; deletes after 24 hours.
    pub fn new(remote: &'a Remote) -> Self {
        RemoteGc {
            remote,
            store: None,
            older_than: None,
            keep: Vec::new(),
            newer_than: USUAL_AGE,
            grace: USUAL_GRACE,
            dry: false,
        }
    }

    /// Takes segments that were read before from the cache of a store.
    pub fn cached(mut self, store: &'a Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Gives up roots that were put longer ago than this.
    pub fn roots_older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Keeps the root of this name, however old it is.
    pub fn keep(mut self, root: impl Into<String>) -> Self {
        self.keep.push(root.into());
        self
    }

    /// Keeps what was pushed within this time, whether or not a root keeps it.
    pub fn newer_than(mut self, age: Duration) -> Self {
        self.newer_than = age;
        self
    }

    /// Deletes what this collection names only after this time, by the clock of the remote.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes nothing, and says what would be deleted, and named.
    pub fn dry_run(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Deletes what an earlier collection named if its grace is over, and names what is to be deleted next.
    ///
    /// A collection that is stopped leaves everything that counts in place, and the next one goes on.
    ///
    /// # Errors
    /// Fails if the grace is shorter than 2 seconds; if there is no remote, if it cannot be reached or listed, or if a segment or a root of it
    /// cannot be read, as what it needs is not known then.
    pub fn run(self) -> Result<RemoteCollected> {
        let before = self.remote.requests();
        if self.grace < LEAST_GRACE {
            return Err(Error::new(
                ErrorKind::Remote,
                "a grace of less than 2 seconds cannot protect a push",
            )
            .with_help("the usual grace is 24 hours"));
        }
        if !self.remote.is_made()? {
            // Its error is the one of all other questions.
            RemoteIndex::read_made(self.remote, None)?;
        }
        let mut collected = RemoteCollected {
            dry: self.dry,
            ..RemoteCollected::default()
        };
        let now = self.remote.time()?;
        let mut is_waiting = false;
        for (id, state) in self.notes()? {
            if !state.is_there || state.is_done {
                self.forget(&id, &state, now)?;
                continue;
            }
            let Some(note) = gone::read(self.remote, &id)? else {
                continue;
            };
            let due = after(note.at, note.grace);
            if now < due {
                is_waiting = true;
                collected.due = Some(collected.due.map_or(due, |other| other.max(due)));
                continue;
            }
            self.finish(&id, &note, &mut collected)?;
        }
        // One at a time: what is named already is not named again.
        if !is_waiting {
            self.plan(now, &mut collected)?;
        }
        collected.requests = self.remote.requests() - before;
        Ok(collected)
    }

    fn notes(&self) -> Result<BTreeMap<Uuid, NoteState>> {
        gone::notes(self.remote)?.ok_or_else(|| self.unlisted())
    }

    fn unlisted(&self) -> Error {
        let text = format!("the remote {} cannot be listed", self.remote.url());
        Error::new(ErrorKind::Remote, text)
            .with_help("collect its garbage where it can be written, as in its folder")
    }

    /// Lists the objects in a folder with their sizes.
    fn sizes(&self, folder: &str) -> Result<BTreeMap<String, u64>> {
        let objects = self.remote.list(folder)?.ok_or_else(|| self.unlisted())?;
        let sized = |object: Object| (object.name, object.size);
        Ok(objects.into_iter().map(sized).collect())
    }

    /// Removes a note with all that belongs to it, if it was done a while ago.
    fn forget(&self, id: &Uuid, state: &NoteState, now: Timestamp) -> Result<()> {
        if state.is_there {
            let time = self.remote.read(&gone::done_name(id), 64)?;
            let time = time.and_then(|time| String::from_utf8(time).ok());
            let time: Option<Timestamp> = time.and_then(|time| time.trim().parse().ok());
            if time.is_some_and(|time| now < after(time, REMEMBERED)) {
                return Ok(());
            }
        }
        if self.dry {
            return Ok(());
        }
        // The note first: without what says that it is done, it would count again.
        let (last, first): (Vec<&String>, Vec<&String>) =
            (state.objects.iter()).partition(|name| **name != gone::note_name(id));
        let mut all = first.into_iter().chain(last);
        all.try_for_each(|name| self.remote.delete(name))
    }

    /// Reads all roots, each with the digest of its content.
    fn roots(&self) -> Result<Vec<(RemoteRoot, Digest)>> {
        let mut roots = Vec::new();
        for object in self.sizes("root")?.keys() {
            let name = object.strip_prefix("root/").unwrap_or_default();
            if check_characters(name).is_ok() {
                roots.extend(self.whole_root(name)?);
            }
        }
        Ok(roots)
    }

    /// Reads a root, again if it was cut short: what is not read is not kept.
    fn whole_root(&self, name: &str) -> Result<Option<(RemoteRoot, Digest)>> {
        let object = root_name(name);
        let mut failed = None;
        for _ in 0..TRIES {
            let size = self.remote.size(&object)?;
            match self.remote.read_root(name) {
                Ok(Some((root, digest, length))) if size == Some(length) => {
                    return Ok(Some((root, digest)));
                }
                Ok(None) => return Ok(None),
                Ok(Some(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| {
            self.remote
                .refused(&object, "is never as long as it is said to be")
        }))
    }
}

/// Returns the time that is `duration` after another.
fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns a note that names these objects.
fn note(at: Timestamp, grace: Duration, objects: BTreeMap<String, Option<Digest>>) -> GoneNote {
    // In whole seconds, and not shorter than it was asked for.
    let grace = Duration::from_secs(grace.as_secs() + u64::from(grace.subsec_nanos() > 0));
    GoneNote { at, grace, objects }
}

/// The names of objects.
type Names = BTreeSet<String>;
