//! Stamps, which detect changes of a folder.

use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Objects;
use crate::config::DRefId;
use crate::store::disk::bytes::{Reader, put_i64, put_u32, put_u64};
use crate::store::disk::system::change_of;
use crate::{Error, Result};

/// The identity and change time of a folder. The change time cannot be forged: system calls can only set it to now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: u32,
    /// The link count, which on most file systems includes the number of subfolders.
    links: u64,
}

/// Maximum clock tick of a file system with sub-second times: kernel timer ticks are 10 ms or less.
const TICK: u128 = 100_000_000;
/// Maximum clock tick of a file system with times in units of one or two seconds.
const COARSE_TICK: u128 = 3_000_000_000;

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
                seconds: found.changed.0,
                nanoseconds: found.changed.1,
                links: found.links,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("look at", &path(), errno.into())),
        }
    }

    /// Whether any change from now on results in another stamp, whatever the clock's resolution. Returns `false` for a time in
    /// the future, as clocks differ then.
    pub(super) fn has_passed(&self) -> bool {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else {
            return false;
        };
        let Ok(seconds) = u64::try_from(self.seconds) else {
            return false;
        };
        let changed = u128::from(seconds) * 1_000_000_000 + u128::from(self.nanoseconds);
        let tick = match self.nanoseconds {
            0 => COARSE_TICK,
            _ => TICK,
        };
        now.as_nanos()
            .checked_sub(changed)
            .is_some_and(|age| age > tick)
    }

    /// Whether this stamp is later than the other one.
    pub(super) fn is_newer(&self, other: &Stamp) -> bool {
        (self.seconds, self.nanoseconds) > (other.seconds, other.nanoseconds)
    }

    pub(super) fn put(&self, to: &mut Vec<u8>) {
        put_u64(to, self.inode);
        put_i64(to, self.seconds);
        put_u32(to, self.nanoseconds);
        put_u64(to, self.links);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Stamp {
            inode: from.u64()?,
            seconds: from.i64()?,
            nanoseconds: from.u32()?,
            links: from.u64()?,
        })
    }
}
