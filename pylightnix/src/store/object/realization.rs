//! Finding and reading realizations in the store.

use jiff::Timestamp;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::disk::layout::{OUT, RECORD, STUBS};
use crate::store::disk::regular;
use crate::store::disk::system::Entries;
use crate::store::disk::there::is_there;
use crate::store::object::attached::{Remark, tags};
use crate::store::object::build_record::{BuildKind, BuildRecord};
use crate::store::object::builds::{BuildHead, Builds};
use crate::store::object::clock::{Clock, newest_first};
use crate::store::object::context::Context;
use crate::store::object::promised::Promised;
use crate::store::object::record::{Outcome, RecordHead, reference};
use crate::store::object::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

/// A realization in a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Realization {
    /// The reference.
    pub id: RRefId,
    /// The realizations of the dependencies that it was made from.
    pub context: Context,
    /// Whether the build succeeded.
    pub outcome: Outcome,
    /// The tree digest of the artifacts.
    pub tree: TreeDigest,
    pub(crate) builds: Builds,
    /// The file names of corrupt build records, which are otherwise ignored.
    pub unreadable: Vec<String>,
    /// The objects folder of the store.
    pub(in crate::store) objects: Arc<Path>,
    /// Whether its files are not in the store.
    pub(in crate::store) is_stub: bool,
}

impl Realization {
    /// Returns the folder of the realization's records. Beside them are its artifacts, unless it was found as a stub.
    pub fn folder(&self) -> PathBuf {
        match self.is_stub {
            true => self.path_in(&self.objects.with_file_name(STUBS), ""),
            false => self.path_to(""),
        }
    }

    /// Whether it was found as a stub: its records are in the store, and its artifacts are not. [`Store::fetch`] brings them from a
    /// remote.
    ///
    /// [`Store::fetch`]: crate::store::Store::fetch
    pub fn is_stub(&self) -> bool {
        self.is_stub
    }

    /// Returns the builds, imports and acceptances, oldest first, as they were when the realization was found. Loads the
    /// complete records on first use; records removed since then are left out.
    pub fn builds(&self) -> &[BuildRecord] {
        self.builds.records(|| {
            // A stub may have been filled since.
            let places = [Some(self.folder()), self.is_stub.then(|| self.path_to(""))];
            for at in places.into_iter().flatten() {
                if let Ok(Some(folder)) = open_folder(&CWD, at.as_path(), &at) {
                    return read_builds(folder, &at).unwrap_or_default().builds;
                }
            }
            Vec::new()
        })
    }

    /// Iterates over the builds, imports and acceptances, newest first. Those whose time is ahead of this machine's clock come
    /// last; see [`BuildRecord::ended`].
    pub fn builds_newest_first(&self) -> impl Iterator<Item = &BuildRecord> {
        newest_first(self.builds())
    }

    /// Returns the number of builds, imports and acceptances, without reading them.
    pub fn build_count(&self) -> usize {
        self.builds.heads().count()
    }

    /// Returns the end of the newest build, or of the newest import or acceptance if there is no build. Ignores times ahead of
    /// this machine's clock. Needs no I/O.
    pub fn last_built(&self) -> Option<Timestamp> {
        let clock = Clock::now();
        let ended = |build: BuildHead<'_>| build.ended(clock);
        let built = self.builds.heads();
        let built = built.filter(|build| build.kind == BuildKind::Build);
        let all = || self.builds.heads().filter_map(ended).max();
        built.filter_map(ended).max().or_else(all)
    }

    /// Returns the duration of the newest build in seconds, or `None` if there is no build. Needs no I/O.
    pub fn build_seconds(&self) -> Option<f64> {
        let clock = Clock::now();
        let builds = self.builds.heads();
        let newest = builds
            .filter(|build| build.kind == BuildKind::Build)
            .max_by_key(|build| (build.ended(clock), build.stop));
        newest.map(|build| build.seconds)
    }

    /// Returns the notes and tags, oldest first, without those that were retracted. Needs no I/O.
    pub fn remarks(&self) -> Vec<Remark> {
        self.builds.remarks()
    }

    /// Returns the names of its tags, sorted. Needs no I/O.
    pub fn tags(&self) -> Vec<String> {
        tags(&self.remarks())
    }

    /// Returns the folder of the artifacts, which does not exist while it is a stub.
    pub fn out(&self) -> PathBuf {
        self.path_to(OUT)
    }

    /// Returns the folder of its records and artifacts, which does not exist while it is a stub.
    pub(in crate::store) fn whole_folder(&self) -> PathBuf {
        self.path_to("")
    }

    fn path_to(&self, below: &str) -> PathBuf {
        self.path_in(&self.objects, below)
    }

    /// Allocates once: a matcher may ask for thousands of paths.
    fn path_in(&self, all: &Path, below: &str) -> PathBuf {
        let parts = [&*self.id.dref().folder(), &*self.id.folder(), below];
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>();
        let mut path = PathBuf::with_capacity(all.as_os_str().len() + length);
        path.push(all);
        path.extend(parts.iter().filter(|part| !part.is_empty()));
        path
    }
}

/// A realization with its builds, as read from its folder.
pub(in crate::store) struct LoadedRealization {
    pub(in crate::store) id: RRefId,
    pub(in crate::store) head: RecordHead,
    /// Whether a promised artifact is missing.
    pub(in crate::store) lacks_a_promise: bool,
    /// Whether its files are not in the store.
    pub(in crate::store) is_stub: bool,
    /// The builds, oldest first.
    pub(in crate::store) builds: Vec<BuildRecord>,
    /// The records of what is attached.
    pub(in crate::store) attached: Vec<BuildRecord>,
    pub(in crate::store) unreadable: Vec<String>,
}

/// The records beside the artifacts of a realization, oldest first.
#[derive(Default)]
pub(in crate::store) struct ReadBuilds {
    /// The builds, imports and acceptances.
    pub(in crate::store) builds: Vec<BuildRecord>,
    /// The records of what is attached to the realization.
    pub(in crate::store) attached: Vec<BuildRecord>,
    /// The names of corrupt ones.
    pub(in crate::store) unreadable: Vec<String>,
}

impl LoadedRealization {
    /// Reads a realization from its open folder, whose path is `at`, and checks it against `promised`. Returns `None` if it was
    /// deleted in the meantime.
    pub(in crate::store) fn read(
        id: RRefId,
        folder: OwnedFd,
        at: &Path,
        promised: &Promised<'_>,
    ) -> Result<Option<Self>> {
        match read_record(&folder, at)? {
            Some(text) => Self::with_record(id, &text, folder, at, Some(promised)).map(Some),
            None => Ok(None),
        }
    }

    pub(in crate::store) fn with_record(
        id: RRefId,
        text: &str,
        folder: OwnedFd,
        at: &Path,
        promised: Option<&Promised<'_>>,
    ) -> Result<Self> {
        let head = verified_head(&id, text, at)?;
        let lacks_a_promise = promised.is_some_and(|promised| promised.is_lacking(&head, text));
        let read = read_builds(folder, at)?;
        Ok(LoadedRealization {
            id,
            head,
            lacks_a_promise,
            is_stub: false,
            builds: read.builds,
            attached: read.attached,
            unreadable: read.unreadable,
        })
    }
}

/// Calls `visit` for each realization in the folder `at` of `dref`, in no particular order, with its reference, its open folder
/// and that folder's path.
pub(in crate::store) fn each_realization(
    dref: &DRefId,
    at: &Path,
    mut visit: impl FnMut(RRefId, OwnedFd, &Path) -> Result<()>,
) -> Result<()> {
    let Some(folder) = open_folder(&CWD, at, at)? else {
        return Ok(());
    };
    let refused = |errno: Errno| Error::io("read the folder", at, errno.into());
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = Entries::new(&folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(refused)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let Some(id) = RRefId::from_folder(dref, name) else {
            continue;
        };
        let below = at.join(name);
        if let Some(folder) = open_folder(&folder, entry.file_name(), &below)? {
            visit(id, folder, &below)?;
        }
    }
    Ok(())
}

/// Reads the build records in a realization's folder.
pub(in crate::store) fn read_builds(folder: OwnedFd, at: &Path) -> Result<ReadBuilds> {
    let mut read = ReadBuilds::default();
    let refused = |errno: Errno| Error::io("read the folder", at, errno.into());
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = Entries::new(&folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(refused)?;
        let Some(build) = BuildRecord::id_of(entry.file_name().to_bytes()) else {
            continue;
        };
        let name = entry.file_name().to_string_lossy();
        let Some(raw) = read_at(&folder, &name, at)? else {
            continue;
        };
        match BuildRecord::from_bytes(build, &raw) {
            Some(record) if record.attached.is_some() => read.attached.push(record),
            Some(record) => read.builds.push(record),
            None => read.unreadable.push(name.into_owned()),
        }
    }
    read.builds.sort_unstable_by_key(|build| build.id);
    read.attached.sort_unstable_by_key(|record| record.id);
    read.unreadable.sort_unstable();
    Ok(read)
}

/// Parses the head of a record after checking the whole text against the reference.
pub(in crate::store) fn verified_head(id: &RRefId, text: &str, at: &Path) -> Result<RecordHead> {
    if reference(id.dref(), text) != *id {
        return Err(broken(id, at));
    }
    let (head, _) = RecordHead::parse(text).map_err(|error| broken(id, at).because(error))?;
    if head.derivation.half() != *id.dref().hash() {
        return Err(broken(id, at));
    }
    Ok(head)
}

/// Opens a folder; returns `None` if it does not exist.
pub(in crate::store) fn open_folder<P: rustix::path::Arg>(
    parent: &impl AsFd,
    name: P,
    at: &Path,
) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::io("read the folder", at, errno.into())),
    }
}

/// Reads the text of the record in a realization's folder. Returns `None` if the folder was deleted in the meantime.
pub(in crate::store) fn read_record(folder: impl AsFd, at: &Path) -> Result<Option<String>> {
    let broken = || {
        Error::new(
            ErrorKind::Store,
            format!("{} holds no record of a realization", at.display()),
        )
        .at(at)
        .with_help("move that folder away; what it held is made again when it is needed")
    };
    match read_at(folder, RECORD, at)? {
        Some(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| broken()),
        None if is_there(at)? => Err(broken()),
        None => Ok(None),
    }
}

/// A file that yields this many bytes is checked to be a regular file.
const CHECK_TYPE_FROM: usize = 1 << 20;

fn is_file(file: &OwnedFd) -> bool {
    fstat(file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
}

/// Reads a file in an open folder; returns `None` if it does not exist.
fn read_at(folder: impl AsFd, name: &str, at: &Path) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let refused = |errno: Errno| Error::io("read", &at.join(name), errno.into());
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(errno)),
    };
    // No `fstat` for the size: most files fit, and then take two reads.
    let mut bytes = Vec::with_capacity(2048);
    loop {
        match rustix::io::read(&file, spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(_) if bytes.len() == bytes.capacity() => {
                // A device may be endless.
                if bytes.len() >= CHECK_TYPE_FROM && !is_file(&file) {
                    return Err(Error::io("read", &at.join(name), regular::not_a_file()));
                }
                bytes.reserve(bytes.len());
            }
            Ok(_) | Err(Errno::INTR) => {}
            // A named pipe with a writer.
            Err(Errno::AGAIN) => {
                return Err(Error::io("read", &at.join(name), regular::not_a_file()));
            }
            Err(errno) => return Err(refused(errno)),
        }
    }
}

pub(in crate::store) fn missing(rref: &RRefId, folder: &Path) -> Error {
    Error::new(ErrorKind::Missing, format!("{rref} is not in the store"))
        .at(folder)
        .with_help("realize it, or unpack an archive that holds it")
}

pub(in crate::store) fn broken(rref: &RRefId, folder: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "the record of {rref} is broken: `sha256sum record` should begin with the reference's hash"
        ),
    )
    .at(folder)
    .with_help(format!(
        "move {} away; what it held is made again when it is needed",
        folder.display()
    ))
}

impl Serialize for Realization {
    /// An object with `rref`, `dref`, `name`, `outcome`, `time` (when it was [last built](Self::last_built)), `build_seconds`,
    /// `builds`, their count, and `tags`. A stub has `stub`: `true`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut row = to.serialize_struct("Realization", 8 + usize::from(self.is_stub))?;
        row.serialize_field("rref", &self.id)?;
        row.serialize_field("dref", self.id.dref())?;
        row.serialize_field("name", self.id.name().as_str())?;
        row.serialize_field("outcome", &self.outcome)?;
        row.serialize_field("time", &self.last_built().map(|time| time.to_string()))?;
        row.serialize_field("build_seconds", &self.build_seconds())?;
        row.serialize_field("builds", &self.build_count())?;
        row.serialize_field("tags", &self.tags())?;
        match self.is_stub {
            true => row.serialize_field("stub", &true)?,
            false => row.skip_field("stub")?,
        }
        row.end()
    }
}
