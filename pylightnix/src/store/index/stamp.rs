//! What tells that a folder was changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::bytes::{Reader, put_i64, put_u32, put_u64};
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
    /// That of the folder now, if it is there.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>> {
        match fs::symlink_metadata(folder) {
            Ok(found) => Ok(Some(Stamp {
                inode: found.ino(),
                seconds: found.ctime(),
                nanoseconds: found.ctime_nsec() as u32,
                links: found.nlink(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", folder, error)),
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
