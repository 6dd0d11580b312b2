//! Whether a lock on a file system excludes everybody who uses it.
//!
//! On a network file system locks may stay on the machine that took them, by the way in which it is mounted
//! (nfs(5): `nolock`, `local_lock`; mount.lustre(8): `flock`, `localflock`). Then a process on another machine looks dead.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whether locks below `root` can be trusted, by the table of mounts. Where there is no such table, they are.
pub(super) fn locks_are_trusted(root: &Path) -> bool {
    let (Ok(root), Ok(table)) = (
        fs::metadata(root),
        fs::read_to_string("/proc/self/mountinfo"),
    ) else {
        return true;
    };
    let device = root.dev();
    let device = format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    table.lines().all(|line| trusted(line, &device))
}

/// Whether a line of the table is about another device, or about one whose locks hold everywhere (proc_pid_mountinfo(5)).
fn trusted(line: &str, device: &str) -> bool {
    let Some((mount, system)) = line.split_once(" - ") else {
        return true;
    };
    if mount.split(' ').nth(2) != Some(device) {
        return true;
    }
    let mut system = system.split(' ');
    let kind = system.next().unwrap_or_default();
    let options: Vec<&str> = system.nth(1).unwrap_or_default().split(',').collect();
    let has = |option| options.contains(&option);
    match kind {
        "nfs" | "nfs4" => !has("nolock") && !has("local_lock=all") && !has("local_lock=flock"),
        "lustre" => has("flock"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::trusted;

    #[test]
    fn mounts_whose_locks_stay_on_one_machine() {
        let line = |kind: &str, options: &str| {
            format!("36 35 0:52 / /data rw,noatime shared:1 - {kind} server:/x {options}")
        };
        for (kind, options, trust) in [
            ("ext4", "rw", true),
            ("nfs4", "rw,vers=4.2,local_lock=none", true),
            ("nfs", "rw,vers=3,nolock,local_lock=all", false),
            ("nfs", "rw,vers=3,local_lock=flock", false),
            ("nfs", "rw,vers=3,local_lock=posix", true),
            ("lustre", "rw,flock,lazystatfs", true),
            ("lustre", "rw,localflock", false),
            ("lustre", "rw,lazystatfs", false),
        ] {
            assert_eq!(
                trusted(&line(kind, options), "0:52"),
                trust,
                "{kind} {options}"
            );
            assert!(trusted(&line(kind, options), "0:5"));
        }
    }
}
