//! Stamps, which detect changes of a folder.

use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::path::{Path, PathBuf};

use super::Objects;
use crate::config::DRefId;
use crate::store::disk::bytes::{Reader, put_i64, put_u64};
use crate::store::disk::durable::now;
use crate::store::disk::system::{FileTime, change_of};
use crate::{Error, Result};

/// The identity and the times of a folder. The change time cannot be forged: system calls can only set it to now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    changed: Nanoseconds,
    /// The modification time, which every change of a derivation's content sets to now as well. Programs can set it to any
    /// time; see [`is_unchanged_since`](Self::is_unchanged_since).
    modified: Nanoseconds,
    /// The link count, which on most file systems includes the number of subfolders.
    links: u64,
}

/// A time as nanoseconds since 1970, for as long as these fit, until the year 2262.
type Nanoseconds = i64;

const SECOND: Nanoseconds = 1_000_000_000;

/// Maximum clock tick of a file system with sub-second times: kernel timer ticks are 10 ms or less.
const TICK: Nanoseconds = SECOND / 10;
/// Maximum clock tick of a file system with times in units of one or two seconds.
const COARSE_TICK: Nanoseconds = 3 * SECOND;

impl Stamp {
    /// Returns the stamp of a derivation's folder, or `None` if it does not exist.
    pub(super) fn of(objects: &Objects<'_>, dref: &DRefId) -> Result<Option<Self>> {
        let path = || objects.layout.derivation(dref);
        match &objects.folder {
            // A lookup relative to the open folder is shorter.
            Some(folder) => {
                let name = dref.folder_name();
                Self::at(folder.as_fd(), Path::new(name.as_str()), path)
            }
            None => Self::of_folder(&path()),
        }
    }

    /// Returns the stamp of any folder, or `None` if it does not exist.
    pub(super) fn of_folder(folder: &Path) -> Result<Option<Self>> {
        Self::at(CWD, folder, || folder.to_owned())
    }

    fn at(at: BorrowedFd<'_>, name: &Path, path: impl Fn() -> PathBuf) -> Result<Option<Self>> {
        match change_of(at, name) {
            Ok(found) => Ok(Some(Stamp {
                inode: found.inode,
                changed: nanoseconds(found.changed),
                modified: nanoseconds(found.modified),
                links: found.links,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("look at", &path(), errno.into())),
        }
    }

    /// Whether any change from now on results in another stamp, whatever the clock's resolution. Returns `false` for a time in
    /// the future, as clocks differ then.
    pub(super) fn has_passed(&self) -> bool {
        is_ticks_before(self.changed, nanoseconds(now()))
    }

    /// Whether nothing changed in the folder since a process set its modification time back to `set_back` and renamed it to its
    /// place. A change, even within the tick of that rename, sets the modification time to now, and the rename has shown that
    /// by the clock of the file system `set_back` is ticks before now. So any later change results in another stamp, too.
    pub(super) fn is_unchanged_since(&self, set_back: FileTime) -> bool {
        self.modified == nanoseconds(set_back) && is_ticks_before(self.modified, self.changed)
    }

    /// Whether this stamp is later than the other one.
    pub(super) fn is_newer(&self, other: &Stamp) -> bool {
        self.changed > other.changed
    }

    pub(super) fn put(&self, to: &mut Vec<u8>) {
        put_u64(to, self.inode);
        put_i64(to, self.changed);
        put_i64(to, self.modified);
        put_u64(to, self.links);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Stamp {
            inode: from.u64()?,
            changed: from.i64()?,
            modified: from.i64()?,
            links: from.u64()?,
        })
    }
}

fn nanoseconds((seconds, nanoseconds): FileTime) -> Nanoseconds {
    (seconds.saturating_mul(SECOND)).saturating_add(nanoseconds.into())
}

/// Whether more time than a tick of the file system's clock passed between two times.
fn is_ticks_before(earlier: Nanoseconds, later: Nanoseconds) -> bool {
    let tick = match [earlier, later].iter().any(|time| time % SECOND == 0) {
        true => COARSE_TICK,
        false => TICK,
    };
    later.saturating_sub(earlier) > tick
}
