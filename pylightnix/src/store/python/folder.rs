//! Writing into the folder of a Python store.
//!
//! Everything is put together below the store's `tmp`, and renamed when it is whole, dependencies first.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::exportable::{Exportable, WriteTo, refused};
use super::names::{CONFIG, CONTEXT, FAILURE, STATUS, TMP};
use super::tree::PythonTree;
use crate::config::DRefId;
use crate::store::Store;
use crate::store::disk::durable::{Durability, rename_new};
use crate::store::disk::layout::{FORMAT, OUT};
use crate::store::disk::python::PYTHON_OBJECTS;
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::disk::there::is_there;
use crate::store::object::record::Outcome;
use crate::store::publish::staging::stage_from;
use crate::{Error, ErrorKind, Result};

/// A Python store that an export writes to.
pub(super) struct FolderTo {
    objects: PathBuf,
    tmp: PathBuf,
    durability: Durability,
    writes: bool,
    /// The derivations that are known to be there.
    there: HashSet<DRefId>,
}

impl FolderTo {
    /// Opens the Python store at `root`, and makes one of an empty folder or of none.
    pub(super) fn open(store: &Store, root: &Path, writes: bool) -> Result<Self> {
        let to = FolderTo {
            objects: root.join(PYTHON_OBJECTS),
            tmp: root.join(TMP),
            durability: store.durability(),
            writes,
            there: HashSet::new(),
        };
        if let Some(entry) = foreign_entry(root)? {
            let message = format!(
                "{} is not a store of the Python package: it holds {entry:?}",
                root.display()
            );
            return Err(Error::new(ErrorKind::Store, message)
                .at(root)
                .with_help("give such a store, or a folder that is empty or does not exist yet; a name that ends in `.zip` is that of an archive"));
        }
        if writes {
            for folder in [&to.tmp, &to.objects] {
                fs::create_dir_all(folder)
                    .map_err(|error| Error::io("create the folder", folder, error))?;
            }
            to.durability.sync_folder(root)?;
        }
        Ok(to)
    }

    /// Puts the config of a derivation into the store, unless it is there.
    fn derivation(&mut self, exportable: &Exportable<'_>) -> Result<PathBuf> {
        let dref = exportable.config.id();
        let place = self.objects.join(dref.folder());
        let text = exportable.config.text().as_bytes();
        if self.there.contains(dref) {
            return Ok(place);
        }
        if is_there(&place)? {
            let path = place.join(CONFIG);
            let found = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
            if found != text {
                let why = format!("{} is another config there", path.display());
                return Err(refused(exportable.rref, &why));
            }
        } else if self.writes {
            let made = self.tmp.join(Uuid::now_v7().to_string());
            fs::create_dir(&made).map_err(|error| Error::io("create the folder", &made, error))?;
            let path = made.join(CONFIG);
            self.durability.write_new(&path, text)?;
            set_mode(&path, 0o444)?;
            self.durability.sync_folder(&made)?;
            // One that another process has put there meanwhile stays.
            if !rename_new(&made, &place)? {
                // Best effort: it is in a temporary folder.
                let _ = remove_tree(&made);
            }
            self.durability.sync_folder(&self.objects)?;
        }
        self.there.insert(dref.clone());
        Ok(place)
    }

    /// Puts the files of a realization together in a folder below `tmp`, and returns it.
    fn stage(&self, exportable: &Exportable<'_>, made: &Path) -> Result<PathBuf> {
        let out = exportable.store.out_dir(exportable.rref);
        let record = &exportable.record;
        let lacking = stage_from(record, made, self.durability, &|entry, _| {
            vec![out.join(&entry.path)]
        })?;
        let faults = lacking.into_values().flat_map(|file| file.faults);
        if let Some(why) = faults.min() {
            return Err(refused(exportable.rref, &why).with_help("`repair` the store"));
        }
        let folder = made.join(OUT);
        set_mode(&folder, 0o755)?;
        if record.head().outcome == Outcome::Failed && is_there(&folder.join(FAILURE))? {
            let (from, to) = (folder.join(FAILURE), folder.join(STATUS));
            fs::rename(&from, &to).map_err(|error| Error::io("rename", &from, error))?;
        }
        for (name, text) in &exportable.notes {
            let path = folder.join(name);
            self.durability.write_new(&path, text.as_bytes())?;
            set_mode(&path, 0o444)?;
        }
        self.durability.sync_folder(&folder)?;
        Ok(folder)
    }

    /// Moves a folder to its place, by the step in between that the package takes, too: a folder whose name ends in `.tmp` is
    /// passed over by it.
    fn publish(&self, folder: &Path, place: &Path) -> Result<bool> {
        let mut between = place.as_os_str().to_owned();
        between.push(".tmp");
        let between = PathBuf::from(between);
        if !rename_new(folder, &between)? {
            // Of an export or a build that was killed here.
            remove_tree(&between).map_err(|error| Error::io("remove", &between, error))?;
            rename_new(folder, &between)?;
        }
        set_mode(&between, 0o555)?;
        let is_new = rename_new(&between, place)?;
        if !is_new {
            // Best effort: the package passes over it.
            let _ = remove_tree(&between);
        }
        if let Some(parent) = place.parent() {
            self.durability.sync_folder(parent)?;
        }
        Ok(is_new)
    }

    /// Fails if the realization that is at `place` is another one.
    fn expect_same(&self, exportable: &Exportable<'_>, place: &Path) -> Result<()> {
        let tree = PythonTree::read(place)?;
        let context = place.join(CONTEXT);
        let context =
            regular::read(&context).map_err(|error| Error::io("read", &context, error))?;
        let is_same = context == exportable.context.text().as_bytes()
            && tree.outcome() == exportable.record.head().outcome
            && tree.manifest()? == *exportable.record.manifest();
        match is_same {
            true => Ok(()),
            false => {
                let why = format!(
                    "another result has its name there already, which has the same bytes for the hash: {}",
                    place.display()
                );
                Err(refused(exportable.rref, &why))
            }
        }
    }
}

impl WriteTo for FolderTo {
    fn realization(&mut self, exportable: &Exportable<'_>) -> Result<bool> {
        let derivation = self.derivation(exportable)?;
        let place = derivation.join(exportable.python.folder());
        if is_there(&place)? {
            self.expect_same(exportable, &place)?;
            return Ok(false);
        }
        if !self.writes {
            return Ok(true);
        }
        let made = self.tmp.join(Uuid::now_v7().to_string());
        let published = self
            .stage(exportable, &made)
            .and_then(|folder| self.publish(&folder, &place));
        // Best effort: it is in a temporary folder.
        let _ = remove_tree(&made);
        published
    }

    fn is_broken_by(&self, error: &Error) -> bool {
        // A disk that is full, or a folder that cannot be written, breaks all that follows.
        error.kind() == ErrorKind::Io
            && error
                .path()
                .is_some_and(|path| path.starts_with(&self.tmp) || path.starts_with(&self.objects))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Returns the name of an entry of `root` that no Python store has; `None` if it is one, or may become one.
fn foreign_entry(root: &Path) -> Result<Option<String>> {
    if is_there(&root.join(FORMAT))? {
        return Ok(Some(FORMAT.to_owned()));
    }
    if root.join(PYTHON_OBJECTS).is_dir() {
        return Ok(None);
    }
    let folder = match fs::read_dir(root) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the folder", root, error)),
    };
    for entry in folder {
        let entry = entry.map_err(|error| Error::io("read the folder", root, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The package makes this one first.
        if name != TMP {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| Error::io("change the mode of", path, error))
}
