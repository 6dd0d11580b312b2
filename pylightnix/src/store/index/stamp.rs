//! What tells that a folder was changed.

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

/// The identity of a folder, and when anything in it was changed last. Nobody can set that time but to now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: u32,
    /// On most file systems it counts the folders in it.
    links: u64,
}

/// How long the clock of a file system stands still at most: ticks of the kernel's timer are 10 ms or less.
const TICK: u128 = 100_000_000;
/// The same for file systems that keep times in whole seconds, or in two of them.
const COARSE_TICK: u128 = 3_000_000_000;

impl Stamp {
    /// That of a derivation's folder now, if it is there.
    pub(super) fn of(objects: &Objects<'_>, dref: &DRefId) -> Result<Option<Self>> {
        let path = || objects.layout.derivation(dref);
        match &objects.folder {
            // Two thirds of the way need not be walked again for each of many.
            Some(folder) => {
                let name = dref.folder_name();
                Self::at(folder.as_fd(), Path::new(name.as_str()), path)
            }
            None => Self::of_folder(&path()),
        }
    }

    /// That of any folder.
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

    /// Whether a change from now on gives another stamp, however slow the clock ticks. A time in the future says that
    /// clocks differ: then nobody knows.
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

    /// Whether the folder was changed after it had the other one.
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
