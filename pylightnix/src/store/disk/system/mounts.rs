//! Whether a lock on a file system excludes everybody who uses it.
//!
//! On a network file system locks may stay on the machine that took them, by the way in which it is mounted
//! (nfs(5): `nolock`, `local_lock`; mount.lustre(8): `flock`, `localflock`). Then a process on another machine looks dead.
//! So does one that reaches the files past a file system in user space. In doubt nothing is removed.

use rustix::fs::{AtFlags, CWD, StatFs, StatxFlags, fstatfs, statfs, statx};
use std::fs::{self, File};
use std::path::Path;

/// Local file systems: a lock on one of them excludes every other process. On a file system that is not named here (FUSE, 9p,
/// virtiofs, cifs) a process that opens the same files through another mount may not see the lock.
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

/// The file system that `root` is on, if locks on it cannot be trusted.
pub(in crate::store) fn untrusted_system(root: &Path) -> Option<String> {
    by_table(root).unwrap_or_else(|| by_number(root))
}

/// The same by the table of mounts; nothing if that does not tell.
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
            // Linux before 5.8.
            false => words.nth(2) == Some(&device),
        }
    };
    let mut lines = table.lines().filter_map(|line| line.split_once(" - "));
    let (_, system) = lines.find(|(mount, _)| is_it(mount))?;
    Some(untrusted(system))
}

// The numbers of file systems (statfs(2), `linux/magic.h`).
const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

/// Local ones: ext2 to ext4, xfs, btrfs, f2fs, bcachefs, tmpfs, ramfs, overlay.
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

/// The same by the number of the file system, where the table cannot be read: in doubt it is not trusted.
fn by_number(root: &Path) -> Option<String> {
    let is_local = statfs(root).is_ok_and(|found| is_one_of(&LOCAL_NUMBERS, &found));
    (!is_local).then(|| "unknown".to_owned())
}

/// Whether a file is on a file system in memory, where writing to a mapping does not change a file's times.
pub(crate) fn is_in_memory(file: &File) -> bool {
    fstatfs(file).is_ok_and(|found| is_one_of(&[TMPFS, RAMFS], &found))
}

fn is_one_of(numbers: &[u32], found: &StatFs) -> bool {
    // The width and the sign of the field are the machine's.
    let kind = i128::from(found.f_type);
    numbers.iter().any(|number| i128::from(*number) == kind)
}

/// The kind of a file system, if its locks do not hold everywhere, by the end of its line in the table
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
