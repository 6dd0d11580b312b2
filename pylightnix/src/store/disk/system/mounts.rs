//! Whether file locks are reliable on a file system.
//!
//! Depending on the mount options, locks on a network file system may be local to one machine (nfs(5): `nolock`, `local_lock`;
//! mount.lustre(8): `flock`, `localflock`). A live process on another machine then looks dead, and so does one that accesses
//! the files below a FUSE file system. When in doubt, nothing is removed.

use rustix::fs::{AtFlags, CWD, StatFs, StatxFlags, fstatfs, statfs, statx};
use std::fs::{self, File};
use std::path::Path;

/// Local file systems, on which a lock excludes every other process. Others (FUSE, 9p, virtiofs, cifs) may be reachable through
/// a second mount that does not see the lock.
const LOCAL: [&str; 17] = [
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "f2fs",
    "bcachefs",
    "jfs",
    "nilfs2",
    "reiserfs",
    "tmpfs",
    "ramfs",
    "rootfs",
    "overlay",
    "overlayfs",
    "ubifs",
];

/// Returns the type of the file system of `root` if its locks are unreliable, and `None` if they are reliable.
pub(in crate::store) fn untrusted_system(root: &Path) -> Option<String> {
    by_table(root).unwrap_or_else(|| by_number(root))
}

/// Looks up the file system in the mount table; returns `None` if the table is unreadable or has no matching line.
fn by_table(root: &Path) -> Option<Option<String>> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let found = statx(CWD, root, AtFlags::empty(), flags).ok()?;
    let has_mount = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    let mount = found.stx_mnt_id.to_string();
    let device = format!("{}:{}", found.stx_dev_major, found.stx_dev_minor);
    let is_it = |mount_line: &str| {
        let mut words = mount_line.split(' ');
        match has_mount {
            true => words.next() == Some(&mount),
            // Linux before 5.8 has no mount ID; compare the device number.
            false => words.nth(2) == Some(&device),
        }
    };
    let mut lines = table.lines().filter_map(|line| line.split_once(" - "));
    let (_, system) = lines.find(|(mount, _)| is_it(mount))?;
    Some(untrusted(system))
}

// File system magic numbers (statfs(2), `linux/magic.h`).
const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

/// Magic numbers of local file systems: ext2 to ext4, xfs, btrfs, f2fs, bcachefs, tmpfs, ramfs, overlay.
const LOCAL_NUMBERS: [u32; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0xca45_1a4e,
    TMPFS,
    RAMFS,
    0x794c_7630,
];

/// Looks up the file system by its magic number, where the mount table is unreadable; an unlisted number is not trusted.
fn by_number(root: &Path) -> Option<String> {
    let is_local = statfs(root).is_ok_and(|found| is_one_of(&LOCAL_NUMBERS, &found));
    (!is_local).then(|| "unknown".to_owned())
}

/// Whether a file is on an in-memory file system, where writes through a mapping do not update its times.
pub(crate) fn is_in_memory(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| is_one_of(&[TMPFS, RAMFS], &found))
}

fn is_one_of(numbers: &[u32], found: &StatFs) -> bool {
    // The width and the sign of `f_type` depend on the platform.
    let kind = i128::from(found.f_type);
    numbers.iter().any(|number| i128::from(*number) == kind)
}

/// Returns the file system type if its locks are unreliable. `system` is the part of a mount table line after ` - `
/// (proc_pid_mountinfo(5)).
fn untrusted(system: &str) -> Option<String> {
    let mut system = system.split(' ');
    let kind = system.next().unwrap_or_default();
    let options: Vec<&str> = system.nth(1).unwrap_or_default().split(',').collect();
    let has = |option| options.contains(&option);
    let trusted = match kind {
        "nfs" | "nfs4" => !has("nolock") && !has("local_lock=all") && !has("local_lock=flock"),
        "lustre" => has("flock"),
        kind => LOCAL.contains(&kind),
    };
    (!trusted).then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{by_number, untrusted};
    use std::path::Path;

    #[test]
    fn numbers_tell_where_the_table_does_not() {
        assert_eq!(by_number(Path::new("/dev/shm")), None);
        assert_eq!(by_number(Path::new("/proc")).as_deref(), Some("unknown"));
    }

    #[test]
    fn systems_whose_locks_hold() {
        for (kind, options, trust) in [
            ("ext4", "rw", true),
            ("overlay", "rw,lowerdir=/a", true),
            ("tmpfs", "rw", true),
            ("nfs4", "rw,vers=4.2,local_lock=none", true),
            ("nfs", "rw,vers=3,nolock,local_lock=all", false),
            ("nfs", "rw,vers=3,local_lock=flock", false),
            ("nfs", "rw,vers=3,local_lock=posix", true),
            ("lustre", "rw,flock,lazystatfs", true),
            ("lustre", "rw,localflock", false),
            ("lustre", "rw,lazystatfs", false),
            ("fuse", "rw", false),
            ("fuse.sshfs", "rw", false),
            ("virtiofs", "rw", false),
            ("9p", "rw,trans=virtio", false),
            ("vboxsf", "rw", false),
            ("cifs", "rw", false),
            ("a-new-one", "rw", false),
        ] {
            let found = untrusted(&format!("{kind} server:/x {options}"));
            assert_eq!(found, (!trust).then(|| kind.to_owned()), "{options}");
        }
    }
}
