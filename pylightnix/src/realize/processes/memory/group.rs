//! Control groups of workers.
//!
//! A group lies beside that of this process (version 2, where a group with processes has no groups with limits below it) or below it
//! (version 1), if this user may make one there. Its name has the number of this process and when it started, so that a later run
//! knows which ones a killed run left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::process_table::ProcessRow;
use crate::realize::report::memory_guard::MemoryGuard;

/// What the names of groups begin with.
const NAME: &str = "pylightnix-";

/// How often it is tried to remove a group whose processes are being killed.
const TRIES: u32 = 100;

/// The control group of a worker, which goes with all that is in it when this is dropped.
pub(super) struct Group {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A folder in which groups are made.
#[derive(Clone)]
struct Place {
    folder: PathBuf,
    version: Version,
}

/// Where groups can be made, once that is known.
static PLACE: Mutex<Option<Option<Place>>> = Mutex::new(None);

impl Group {
    /// Puts a process into a group of its own with this limit; `None` if no group can be made here.
    pub(super) fn with(process: Pid, bytes: u64) -> Option<Self> {
        let mut known = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*known {
            let place = place.clone()?;
            drop(known);
            return place.make(process, bytes).ok();
        }
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for place in places(&groups, &mounts) {
            if let Ok(group) = place.make(process, bytes) {
                remove_abandoned(&place.folder);
                *known = Some(Some(place));
                return Some(group);
            }
        }
        *known = Some(None);
        None
    }

    pub(super) fn guard(&self) -> MemoryGuard {
        match self.version {
            Version::One => MemoryGuard::CgroupV1,
            Version::Two => MemoryGuard::CgroupV2,
        }
    }

    /// Returns whether the kernel has killed a process in it for its memory.
    pub(super) fn has_killed(&self) -> bool {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let killed = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }

    fn kill_all(&self) {
        if fs::write(self.folder.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let processes = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        let processes = processes.lines().filter_map(|line| line.parse().ok());
        for process in processes.filter_map(Pid::from_raw) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            self.kill_all();
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(2));
                }
                // If it cannot be removed, a later run tries again.
                _ => return,
            }
        }
    }
}

impl Place {
    fn make(&self, process: Pid, bytes: u64) -> io::Result<Group> {
        let group = Group {
            folder: self.folder.join(new_name()?),
            version: self.version,
        };
        fs::create_dir(&group.folder)?;
        let set = |file: &str, value: &str| fs::write(group.folder.join(file), value);
        let bytes = bytes.to_string();
        match self.version {
            Version::One => {
                set("memory.limit_in_bytes", &bytes)?;
                // Where there is swap, and it is counted.
                let _ = set("memory.memsw.limit_in_bytes", &bytes);
            }
            Version::Two => {
                set("memory.max", &bytes)?;
                let _ = set("memory.swap.max", "0");
                let _ = set("memory.oom.group", "1");
            }
        }
        set("cgroup.procs", &process.as_raw_pid().to_string())?;
        Ok(group)
    }
}

/// Returns a name that tells this process from all others.
fn new_name() -> io::Result<String> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let this = process::id();
    let started = started(this).ok_or(io::ErrorKind::NotFound)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(format!("{NAME}{this}-{started}-{number}"))
}

fn started(process: u32) -> Option<u64> {
    ProcessRow::read(Pid::from_raw(process.cast_signed())?).map(|row| row.started)
}

/// Removes the groups of runs that were killed. One in which something still runs cannot be removed.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let of_run = name.to_str().and_then(|name| name.strip_prefix(NAME));
        let mut numbers = of_run.into_iter().flat_map(|rest| rest.split('-'));
        let (Some(process), Some(start)) = (numbers.next(), numbers.next()) else {
            continue;
        };
        let (Ok(process), Ok(start)) = (process.parse(), start.parse::<u64>()) else {
            continue;
        };
        if started(process) != Some(start) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Returns the folders in which groups with a limit of memory may be made, the best first: from the groups of this process, and from
/// where they are mounted.
fn places(groups: &str, mounts: &str) -> Vec<Place> {
    let own = |controller: &str, version| {
        let of_controller = |line: &str| -> Option<PathBuf> {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_it = controllers.split(',').any(|one| one == controller);
            is_it.then(|| PathBuf::from(path))
        };
        let group = groups.lines().find_map(of_controller)?;
        let mount = mounts.lines().find_map(|line| Mount::of(line, version))?;
        let below = group.strip_prefix(&mount.root).ok()?.to_owned();
        Some((mount.at, below))
    };
    let mut places = Vec::new();
    if let Some((at, below)) = own("", Version::Two) {
        // Only in the very first group may there be both processes and groups with limits.
        let folders = [Some(below.as_path()), below.parent()];
        places.extend(folders.into_iter().flatten().map(|below| Place {
            folder: at.join(below),
            version: Version::Two,
        }));
    }
    if let Some((at, below)) = own("memory", Version::One) {
        places.push(Place {
            folder: at.join(below),
            version: Version::One,
        });
    }
    places
}

/// Where a file system of control groups is mounted.
struct Mount {
    /// The group whose folder is seen there.
    root: PathBuf,
    at: PathBuf,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo`: one of version 2, or of version 1 with the limits of memory.
    fn of(line: &str, version: Version) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let kind = after.next()?;
        let is_it = match version {
            Version::Two => kind == "cgroup2",
            Version::One => {
                let mut options = after.nth(1)?.split(',');
                kind == "cgroup" && options.any(|option| option == "memory")
            }
        };
        let mut before = before.split(' ').skip(3);
        let (root, at) = (before.next()?, before.next()?);
        is_it.then(|| Mount {
            root: root.into(),
            at: at.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_where_limits_can_be() {
        let session = "0::/user.slice/user@7.service/app.slice/terminal.scope\n";
        let mount = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let folders = |groups: &str, mounts: &str| -> Vec<_> {
            let places = places(groups, mounts).into_iter();
            places.map(|place| place.folder).collect()
        };
        let slice = Path::new("/sys/fs/cgroup/user.slice/user@7.service/app.slice");
        assert_eq!(
            folders(session, mount),
            [slice.join("terminal.scope"), slice.to_owned()]
        );
        // In a container that sees its own group of version 1, beside one of version 2 that it does not see.
        let container = "5:cpu,cpuacct:/box\n4:memory:/box/run\n0::/box\n";
        let mounts = "35 31 0:32 /box /memory rw - cgroup cgroup rw,memory\n32 31 0:29 / /cpu rw - cgroup cgroup rw,cpu\n";
        assert_eq!(folders(container, mounts), [Path::new("/memory/run")]);
        assert!(folders(container, "").is_empty());
    }

    #[test]
    fn a_group_of_version_two_ends_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place {
            folder: folder.path().to_owned(),
            version: Version::Two,
        };
        let this = rustix::process::getpid();
        let group = place.make(this, 4096).expect("files are written");
        let read = |file: &str| fs::read_to_string(group.folder.join(file)).expect("a file");
        assert_eq!(read("memory.max"), "4096");
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("memory.swap.max"), "0");
        assert_eq!(read("cgroup.procs"), this.as_raw_pid().to_string());
        let events = |count| fs::write(group.folder.join("memory.events"), count).expect("a file");
        events("oom 1\noom_kill 0\n");
        assert!(!group.has_killed());
        events("oom 1\noom_kill 1\n");
        assert!(group.has_killed());
    }
}
