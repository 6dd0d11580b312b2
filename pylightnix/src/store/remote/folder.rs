//! Remotes in a folder, which may be on a disk that several machines share.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::Uuid;

use super::backend::{Backend, Object, ObjectReader};
use crate::store::disk::durable::Durability;
use crate::store::disk::regular::open_regular;
use crate::store::disk::system::share_blocks;
use crate::{Error, ErrorKind, Result};

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".put-";

/// A folder with the objects of a remote as files.
///
/// ```
/// use pylightnix::store::remote::{Backend, FolderBackend};
///
/// # let folder = tempfile::tempdir()?;
/// let backend = FolderBackend::new(folder.path().join("shared"))?;
/// backend.put("root/best", b"rref:..")?;
/// assert_eq!(backend.size("root/best")?, Some(7));
/// assert_eq!(backend.list("root")?.unwrap_or_default().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FolderBackend {
    root: PathBuf,
}

impl FolderBackend {
    /// Uses this folder, which is created when the first object is put there.
    ///
    /// # Errors
    /// The path cannot be made absolute.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let root = std::path::absolute(root).map_err(|error| Error::io("find", root, error))?;
        Ok(FolderBackend { root })
    }

    fn path(&self, object: &str) -> Result<PathBuf> {
        let is_name = |name: &str| !name.is_empty() && !name.starts_with('.');
        match object.split('/').all(is_name) && !object.contains('\0') {
            true => Ok(self.root.join(object)),
            false => Err(Error::new(
                ErrorKind::Remote,
                format!("{object:?} cannot be the name of an object of a remote"),
            )),
        }
    }

    /// Writes a file beside the place of the object by `write`, and renames it.
    fn put_by(&self, object: &str, write: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
        let path = self.path(object)?;
        let folder = path.parent().unwrap_or(&self.root);
        self.make(folder)?;
        let beside = folder.join(format!("{UNFINISHED}{}", Uuid::now_v7()));
        let refused = |error| Error::io("write", &path, error);
        let done = File::create_new(&beside)
            .map_err(refused)
            .and_then(|file| {
                write(&file).map_err(refused)?;
                Durability::Full.sync(&file, &path)
            })
            .and_then(|()| fs::rename(&beside, &path).map_err(refused))
            .and_then(|()| Durability::Full.sync_folder(folder));
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done
    }

    /// Creates a folder with those above it, so that their names last.
    fn make(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make(above)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("create the folder", folder, error));
                }
                _ => Durability::Full.sync_folder(above)?,
            }
        }
        Ok(())
    }
}

impl Backend for FolderBackend {
    fn url(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        let path = self.path(folder)?;
        let refused = |error| Error::io("read the folder", &path, error);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            entries => entries.map_err(refused)?,
        };
        let mut objects = Vec::new();
        for entry in entries {
            let entry = entry.map_err(refused)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            match entry.metadata() {
                Ok(found) if found.is_file() && !name.starts_with('.') => {
                    objects.push(Object::new(format!("{folder}/{name}"), found.len()));
                }
                Ok(_) => {}
                // Removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused(error)),
            }
        }
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(objects))
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let path = self.path(object)?;
        let (mut file, _) = match open_regular(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| Error::io("open", &path, error))?,
        };
        let Some(range) = range else {
            return Ok(Some(Box::new(file)));
        };
        file.seek(SeekFrom::Start(range.start))
            .map_err(|error| Error::io("read", &path, error))?;
        let length = range.end.saturating_sub(range.start);
        Ok(Some(Box::new(file.take(length))))
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        let path = self.path(object)?;
        match fs::metadata(&path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", &path, error)),
        }
    }

    fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.put_by(object, |mut file| file.write_all(bytes))
    }

    fn put_file(&self, object: &str, file: &Path) -> Result<()> {
        let (mut from, length) =
            open_regular(file).map_err(|error| Error::io("open", file, error))?;
        self.put_by(object, |mut to| {
            if length > 0 && share_blocks(to, &from) {
                return Ok(());
            }
            io::copy(&mut from, &mut to).map(drop)
        })
    }

    fn delete(&self, object: &str) -> Result<()> {
        let path = self.path(object)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// The time of a file that is made for this: of a folder on another machine, that machine's time.
    fn time(&self) -> Result<Timestamp> {
        self.make(&self.root)?;
        let path = self.root.join(format!("{UNFINISHED}{}", Uuid::now_v7()));
        let refused = |error| Error::io("create", &path, error);
        let file = File::create_new(&path).map_err(refused)?;
        let found = file.metadata().and_then(|found| found.modified());
        let _ = fs::remove_file(&path);
        let time = found.map_err(refused)?;
        Timestamp::try_from(time).map_err(|error| {
            Error::new(
                ErrorKind::Remote,
                format!("{} has no valid time", self.url()),
            )
            .because(error)
        })
    }
}
