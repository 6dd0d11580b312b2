//! Making files and names last through a power cut, and replacing nothing by accident.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::store::disk::system;
use crate::{Error, Result};

/// How hard a store works to keep what it has published through a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// What is published is on the disk: every file and folder is synced before anyone is told.
    #[default]
    Full,
    /// Nothing is synced, for scratch work: faster, and a power cut may leave broken realizations behind.
    None,
}

impl Durability {
    /// Syncs `file`, which lies at `path`.
    pub(in crate::store) fn sync(self, file: &File, path: &Path) -> Result<()> {
        match self {
            // A failed fsync may have dropped the data: the caller gives up, and nobody tries that file again.
            Durability::Full => file
                .sync_all()
                .map_err(|error| Error::io("write to disk", path, error)),
            Durability::None => Ok(()),
        }
    }

    /// Syncs the names in `folder`.
    pub(in crate::store) fn sync_folder(self, folder: &Path) -> Result<()> {
        match self {
            Durability::Full => {
                let open = File::open(folder).map_err(|error| Error::io("open", folder, error))?;
                self.sync(&open, folder)
            }
            Durability::None => Ok(()),
        }
    }

    /// Makes the file `path`, which must not be there yet.
    pub(in crate::store) fn write_new(self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.sync(&create(path, bytes)?, path)
    }

    /// Makes the file `target` by way of `draft`, a free name on the same file system, so that it is there whole or not
    /// at all. `false` says that something was at `target` already, and that it stays.
    pub(in crate::store) fn publish_file(
        self,
        draft: &Path,
        target: &Path,
        bytes: &[u8],
    ) -> Result<bool> {
        let done = self
            .write_new(draft, bytes)
            .and_then(|()| rename_new(draft, target));
        if !matches!(done, Ok(true)) {
            // Nothing refers to it; a leftover is swept with the process's other temporary files.
            let _ = fs::remove_file(draft);
        }
        if done.is_ok()
            && let Some(folder) = target.parent()
        {
            self.sync_folder(folder)?;
        }
        done
    }

    /// Makes or replaces the file `target` by way of `draft`, a free name on the same file system, so that what was there stays
    /// until all of it is there. The caller syncs the name.
    pub(in crate::store) fn replace_file(
        self,
        draft: &Path,
        target: &Path,
        bytes: &[u8],
    ) -> Result<()> {
        let done = self.write_new(draft, bytes).and_then(|()| {
            fs::rename(draft, target).map_err(|error| Error::io("write", target, error))
        });
        if done.is_err() {
            let _ = fs::remove_file(draft);
        }
        done
    }
}

/// Makes the file `path`, which must not be there yet. It is not synced.
pub(in crate::store) fn create(path: &Path, bytes: &[u8]) -> Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::io("create", path, error))?;
    file.write_all(bytes)
        .map_err(|error| Error::io("write", path, error))?;
    Ok(file)
}

/// Renames without replacing; `false` says that something was at `to` already.
///
/// Where the file system has no such rename, a plain one takes its place. For the folders of a store it refuses as well,
/// as they are never empty; its files are named by their contents or by a fresh identifier.
pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> Result<bool> {
    let refused = |error: io::Error| Error::io(&format!("rename {} to", from.display()), to, error);
    match system::rename_new(from, to).map_err(io::Error::from) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) if !lacks_no_replace(&error) => return Err(refused(error)),
        Err(_) => {}
    }
    if to.symlink_metadata().is_ok() {
        return Ok(false);
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Puts `fresh` where `place` is, and what is there at `aside`.
pub(in crate::store) fn exchange(fresh: &Path, place: &Path, aside: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| {
        fs::rename(from, to)
            .map_err(|error| Error::io(&format!("rename {} to", from.display()), to, error))
    };
    if system::exchange(fresh, place).is_ok() {
        return rename(fresh, aside);
    }
    // Where the file system cannot do it in one step, the place is empty for a moment.
    rename(place, aside)?;
    rename(fresh, place).inspect_err(|_| {
        let _ = fs::rename(aside, place);
    })
}

/// `EINVAL` is how a file system without the flag answers, `ENOSYS` how an old kernel does.
fn lacks_no_replace(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Whether the system said that something does not exist.
pub(in crate::store) fn is_not_found(error: &Error) -> bool {
    kind(error) == Some(io::ErrorKind::NotFound)
}

/// Whether the system said that something is there already.
pub(in crate::store) fn is_there_already(error: &Error) -> bool {
    kind(error) == Some(io::ErrorKind::AlreadyExists)
}

/// Whether the system said that this process may not write there.
pub fn is_refused_to_write(error: &Error) -> bool {
    matches!(
        kind(error),
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    )
}

/// What the system said.
fn kind(error: &Error) -> Option<io::ErrorKind> {
    use std::error::Error as _;
    let source = error.source()?.downcast_ref::<io::Error>()?;
    Some(source.kind())
}

/// Sets the times of a derivation's folder to now, so that an index sees with one `stat` that something changed in it.
pub(in crate::store) fn touch(folder: &Path) -> Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let now = Timestamps {
        last_access: now,
        last_modification: now,
    };
    utimensat(CWD, folder, &now, AtFlags::empty())
        .map_err(|error| Error::io("set the times of", folder, error.into()))
}
