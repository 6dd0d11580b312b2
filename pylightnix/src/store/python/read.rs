//! Reading a Python store.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::contexts::PythonContext;
use super::names::{CONFIG, CONTEXT, START, STOP};
use super::report::LeftOut;
use super::times;
use crate::config::{ConfigJson, DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::disk::python::{PYTHON_OBJECTS, is_python_archive};
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::publish::staging::Staging;
use crate::{Error, ErrorKind, Result};

/// A store of the Python package, or an archive of it, opened for reading. Nothing in it is changed.
///
/// ```no_run
/// use pylightnix::store::python::PythonStore;
///
/// let python = PythonStore::open("/home/you/_pylightnix")?;
/// for realization in python.check(false)?.realizations {
///     println!("{} would be {}", realization.python, realization.rref);
/// }
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Debug)]
pub struct PythonStore {
    /// Where it is, for people.
    place: PathBuf,
    /// The folder of the derivations.
    pub(super) objects: PathBuf,
    /// The folder with the content of an archive.
    _unpacked: Option<Unpacked>,
}

/// A folder that is removed on drop.
struct Unpacked(Place);

enum Place {
    InStore(Staging),
    Alone(PathBuf),
}

/// A derivation of a Python store.
pub(super) struct PythonDerivation {
    pub(super) config: ConfigJson,
    pub(super) realizations: Vec<PythonRealization>,
}

/// A realization of a Python store, without its artifacts.
pub(super) struct PythonRealization {
    pub(super) rref: RRefId,
    pub(super) context: PythonContext,
    pub(super) folder: PathBuf,
    /// When its build began, and when it ended.
    pub(super) times: Option<Times>,
    /// Its place among those that began at the same time, if there are others.
    pub(super) place: Option<u16>,
}

/// The times of a build by Python.
pub(super) struct Times {
    pub(super) start: Time,
    pub(super) stop: Option<Time>,
}

/// A time, and how it is written there.
pub(super) struct Time {
    pub(super) time: Timestamp,
    pub(super) text: String,
}

impl PythonStore {
    /// Opens the store in the folder `path`, or the archive `path` as `spack` writes it, a zip file or a tar archive. An
    /// archive is unpacked into a temporary folder, which is removed when this is dropped.
    ///
    /// # Errors
    /// There is no store of the Python package at `path`, or no such archive, or the system refuses. For an archive the feature
    /// `unpack` is needed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(path.as_ref(), None)
    }

    /// Opens a store or an archive as [`open`](Self::open) does, and unpacks an archive into a temporary folder of `store`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_for(path: impl AsRef<Path>, store: &Store) -> Result<Self> {
        Self::open_in(path.as_ref(), Some(store))
    }

    fn open_in(path: &Path, store: Option<&Store>) -> Result<Self> {
        let found = fs::metadata(path).map_err(|error| Error::io("open", path, error))?;
        let place = fs::canonicalize(path).map_err(|error| Error::io("open", path, error))?;
        if found.is_dir() {
            let within = place.join(PYTHON_OBJECTS);
            // Also the folder itself may be named.
            let is_within = place.file_name().is_some_and(|name| name == PYTHON_OBJECTS);
            let objects = match is_within && !within.exists() {
                true => place.clone(),
                false => within,
            };
            if !objects.is_dir() {
                let why = format!("it holds no folder `{PYTHON_OBJECTS}`");
                return Err(no_store(path, &why));
            }
            return Ok(PythonStore {
                place,
                objects,
                _unpacked: None,
            });
        }
        let opened = regular::open_regular(path);
        let (file, _) = opened.map_err(|error| Error::io("open", path, error))?;
        let is_packed_by_us = || crate::store::archive::is_archive_file(&file);
        if !is_python_archive(&file) && is_packed_by_us() {
            return Err(no_store(path, "it is an archive of this library")
                .with_help("`pylightnix unpack` reads it"));
        }
        let unpacked = Unpacked::new(store)?;
        let content = unpacked.folder().join("content");
        unpack(path, &content)?;
        let objects = content.join(PYTHON_OBJECTS);
        if !objects.is_dir() {
            let why = format!("it is an archive without the folder `{PYTHON_OBJECTS}` at its top");
            return Err(no_store(path, &why));
        }
        Ok(PythonStore {
            place,
            objects,
            _unpacked: Some(unpacked),
        })
    }

    /// Returns the path of the store or of the archive.
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Reads all derivations, with their realizations. Adds what cannot be read to `left_out`. Passes over what the package
    /// passes over, or would stumble over: files, and folders with other names.
    pub(super) fn derivations(&self, left_out: &mut Vec<LeftOut>) -> Result<Vec<PythonDerivation>> {
        let mut all = Vec::new();
        for folder in folders(&self.objects)? {
            let Some(dref) = DRefId::from_folder(&folder) else {
                continue;
            };
            let at = self.objects.join(&folder);
            let config = match config(&dref, &at) {
                Ok(config) => config,
                Err(error) => {
                    left_out.push(LeftOut {
                        name: dref.to_string(),
                        error,
                    });
                    continue;
                }
            };
            let mut realizations = Vec::new();
            for folder in folders(&at)? {
                let Some(rref) = RRefId::from_folder(&dref, &folder) else {
                    continue;
                };
                match realization(rref.clone(), at.join(&folder)) {
                    Ok(realization) => realizations.push(realization),
                    Err(error) => left_out.push(LeftOut {
                        name: rref.to_string(),
                        error,
                    }),
                }
            }
            find_places(&mut realizations);
            all.push(PythonDerivation {
                config,
                realizations,
            });
        }
        Ok(all)
    }
}

/// Returns the names of the folders in a folder, in the order in which the file system lists them, as Python does.
fn folders(at: &Path) -> Result<Vec<String>> {
    let unreadable = |error| Error::io("read the folder", at, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(at).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn config(dref: &DRefId, folder: &Path) -> Result<ConfigJson> {
    let path = folder.join(CONFIG);
    let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
    if Digest::of(&bytes).half() != *dref.hash() {
        return Err(refused(
            dref,
            "its config.json does not have the hash in its name",
        ));
    }
    let config = ConfigJson::from_canonical(&bytes)
        .map_err(|error| refused(dref, "its config has no form here").because(error))?;
    match config.id() == dref {
        true => Ok(config),
        false => Err(refused(dref, "its config has another name")),
    }
}

fn realization(rref: RRefId, folder: PathBuf) -> Result<PythonRealization> {
    let path = folder.join(CONTEXT);
    let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
    let context =
        PythonContext::parse(&bytes).map_err(|why| refused(&rref, &format!("it {why}")))?;
    let times = time(&folder.join(START)).map(|start| Times {
        start,
        stop: time(&folder.join(STOP)),
    });
    Ok(PythonRealization {
        rref,
        context,
        folder,
        times,
        place: None,
    })
}

/// Reads a time. One that cannot be read counts as none, as in Python.
fn time(path: &Path) -> Option<Time> {
    let text = regular::read_to_string(path).ok()?;
    let time = times::parse(&text)?;
    Some(Time { time, text })
}

/// Finds out which realizations of a derivation began at the same time. `match_latest` then prefers those that are listed first.
fn find_places(realizations: &mut [PythonRealization]) {
    let start = |one: &PythonRealization| one.times.as_ref().map(|times| times.start.time);
    let mut places = vec![None; realizations.len()];
    for (at, one) in realizations.iter().enumerate() {
        let alike = |other: &PythonRealization| {
            start(one).is_some() && start(other) == start(one) && other.context == one.context
        };
        let before = realizations[..at].iter().filter(|other| alike(other));
        let before = before.count();
        if before > 0 || realizations[at + 1..].iter().any(alike) {
            places[at] = Some(u16::try_from(before).unwrap_or(u16::MAX));
        }
    }
    for (realization, place) in realizations.iter_mut().zip(places) {
        realization.place = place;
    }
}

/// Makes the error for something that cannot be imported.
pub(super) fn refused(what: impl std::fmt::Display, why: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{what} cannot be imported: {why}"),
    )
}

fn no_store(path: &Path, why: &str) -> Error {
    let message = format!(
        "{} is not a store of the Python package pylightnix: {why}",
        path.display()
    );
    Error::new(ErrorKind::Store, message)
        .at(path)
        .with_help("give the folder that the package calls the root of its storage, or an archive by its `spack`")
}

#[cfg(feature = "unpack")]
fn unpack(archive: &Path, to: &Path) -> Result<()> {
    crate::store::foreign::unpack(archive, to, &crate::store::foreign::Limits::default())
}

#[cfg(not(feature = "unpack"))]
fn unpack(archive: &Path, _: &Path) -> Result<()> {
    let message = format!("{} cannot be read: it is a file", archive.display());
    Err(Error::new(ErrorKind::Archive, message)
        .at(archive)
        .with_help(
            "archives are read with the feature `unpack`; or unpack it, and give the folder",
        ))
}

impl Unpacked {
    fn new(store: Option<&Store>) -> Result<Self> {
        if let Some(store) = store {
            return Ok(Unpacked(Place::InStore(Staging::new(store)?)));
        }
        let path = std::env::temp_dir().join(format!("pylightnix-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).map_err(|error| Error::io("create the folder", &path, error))?;
        Ok(Unpacked(Place::Alone(path)))
    }

    fn folder(&self) -> &Path {
        match &self.0 {
            Place::InStore(staging) => staging.folder(),
            Place::Alone(path) => path,
        }
    }
}

impl std::fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unpacked").field(&self.folder()).finish()
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        if let Place::Alone(path) = &self.0 {
            // Best effort: it is in the system's temporary folder.
            let _ = remove_tree(path);
        }
    }
}
