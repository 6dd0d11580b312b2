//! Durable writes (fsync) and renames that never replace an existing file by accident.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::disk::system::{self, FileTime};
use crate::{Error, Result};

/// Whether published data is synced to disk to survive a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Every file and folder is synced before its publication is reported.
    #[default]
    Full,
    /// Nothing is synced. Faster, for scratch work; a power cut may leave corrupt realizations behind.
    None,
}

impl Durability {
    /// Syncs the open `file` at `path`.
    pub(in crate::store) fn sync(self, file: &File, path: &Path) -> Result<()> {
        match self {
            // A failed fsync may have dropped the data, so a later fsync of that file proves nothing: the caller gives up.
            Durability::Full => file
                .sync_all()
                .map_err(|error| Error::io("write to disk", path, error)),
            Durability::None => Ok(()),
        }
    }

    /// Syncs the directory entries of `folder`.
    pub(in crate::store) fn sync_folder(self, folder: &Path) -> Result<()> {
        match self {
            Durability::Full => {
                let open = File::open(folder).map_err(|error| Error::io("open", folder, error))?;
                self.sync(&open, folder)
            }
            Durability::None => Ok(()),
        }
    }

    /// Creates and syncs the file `path`. Fails if it exists.
    pub(in crate::store) fn write_new(self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.sync(&create(path, bytes)?, path)
    }

    /// Creates the file `target` atomically: writes it at `draft`, an unused path on the same file system, and renames it.
    /// Returns `false` without touching it if `target` exists already.
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
            // Best effort: the sweep of temporary files removes a leftover.
            let _ = fs::remove_file(draft);
        }
        if done.is_ok()
            && let Some(folder) = target.parent()
        {
            self.sync_folder(folder)?;
        }
        done
    }

    /// Creates or atomically replaces the file `target`: writes it at `draft`, an unused path on the same file system, and
    /// renames it. The caller syncs the parent folder.
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

/// Creates the file `path` without syncing it. Fails if it exists.
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

/// Renames without replacing. Returns `false` if `to` exists already.
///
/// Falls back to a check and a plain rename on file systems without `RENAME_NOREPLACE`. The fallback is safe here: a plain
/// rename never replaces a non-empty folder, and the files of a store are named by content hash or by a fresh UUID.
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

/// Moves `fresh` to `place` and the current content of `place` to `aside`.
pub(in crate::store) fn replace_folder(fresh: &Path, place: &Path, aside: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| {
        fs::rename(from, to)
            .map_err(|error| Error::io(&format!("rename {} to", from.display()), to, error))
    };
    if system::exchange(fresh, place).is_ok() {
        return rename(fresh, aside);
    }
    // Without `RENAME_EXCHANGE` there is a moment in which `place` is missing.
    rename(place, aside)?;
    rename(fresh, place).inspect_err(|_| {
        let _ = fs::rename(aside, place);
    })
}

/// Whether the error means that `RENAME_NOREPLACE` is unsupported: `EINVAL` from a file system without the flag, `ENOSYS` from
/// an old kernel.
fn lacks_no_replace(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Whether the error is the system's "not found".
pub(in crate::store) fn is_not_found(error: &Error) -> bool {
    kind(error) == Some(io::ErrorKind::NotFound)
}

/// Whether the error is the system's "already exists".
pub(in crate::store) fn is_there_already(error: &Error) -> bool {
    kind(error) == Some(io::ErrorKind::AlreadyExists)
}

/// Whether the error is the system's refusal to write: no permission, or a read-only file system.
pub fn is_refused_to_write(error: &Error) -> bool {
    matches!(
        kind(error),
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    )
}

/// Returns the kind of the I/O error that caused `error`, or `None` if it has no such cause.
fn kind(error: &Error) -> Option<io::ErrorKind> {
    let source = error.causes().next()?.downcast_ref::<io::Error>()?;
    Some(source.kind())
}

/// Sets the times of a derivation's folder to now, so that one `stat` tells an index that the folder changed.
pub(in crate::store) fn touch(folder: &Path) -> Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    set_times(folder, now, now).map_err(|errno| Error::io("set the times of", folder, errno.into()))
}

/// Sets the modification time of a folder of this process a second back, so that any later change of its content shows in that
/// time. Returns the time, or `None` if the file system refuses.
pub(in crate::store) fn set_back(folder: &Path) -> Option<FileTime> {
    let (seconds, nanoseconds) = now();
    // Some file systems keep no nanoseconds.
    let back = (seconds.checked_sub(1)?, nanoseconds / 1000 * 1000);
    let modified = Timespec {
        tv_sec: back.0,
        tv_nsec: back.1.cast_signed().into(),
    };
    let accessed = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    };
    set_times(folder, accessed, modified).ok()?;
    Some(back)
}

fn set_times(
    folder: &Path,
    last_access: Timespec,
    last_modification: Timespec,
) -> Result<(), Errno> {
    let times = Timestamps {
        last_access,
        last_modification,
    };
    utimensat(CWD, folder, &times, AtFlags::empty())
}

/// Returns the time of this machine's clock; the earliest of all times if that is before 1970.
pub(in crate::store) fn now() -> FileTime {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(now) => (now.as_secs().cast_signed(), now.subsec_nanos()),
        Err(_) => (i64::MIN, 0),
    }
}
