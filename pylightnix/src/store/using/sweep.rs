//! Clearing away what processes that died had under way.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use uuid::Uuid;

use crate::Error;
use crate::store::disk::layout::Layout;
use crate::store::disk::remove::remove_tree;
use crate::store::using::flock::{Attempt, attempt, is_at};
use crate::store::using::lease::ELSEWHERE;

/// Removes the temporary folders and leases of dead processes, and what lies in the trash. `own` is this process's lease.
/// The caller has the right to sweep.
///
/// Unless locks `hold` on this file system nobody can tell who is dead, and only the trash is emptied. A process elsewhere, on
/// a file system whose locks do not hold here, counts as dead only for who is `alone` in using the store.
/// What cannot be removed (another user's, say) is left for who can: a sweep never fails a build. Gives what is left in the
/// trash.
pub(in crate::store) fn sweep(
    layout: &Layout,
    own: Option<&str>,
    hold: bool,
    alone: bool,
) -> Vec<Error> {
    if hold {
        sweep_dead(layout, own, alone);
    }
    let trash = layout.trash();
    let mut left = Vec::new();
    match fs::read_dir(&trash) {
        Ok(entries) => {
            for entry in entries.flatten() {
                let path = entry.path();
                if let Err(error) = remove_tree(&path) {
                    left.push(Error::io("delete", &path, error));
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => left.push(Error::io("read the folder", &trash, error)),
    }
    left
}

fn sweep_dead(layout: &Layout, own: Option<&str>, alone: bool) {
    // The temporary folders are listed before the leases are looked at: a live process made its lease before its folder.
    for name in names(&layout.tmp()) {
        if own != Some(&name) {
            sweep_one(layout, &name, alone);
        }
    }
    for name in names(&layout.leases()) {
        if own != Some(&name) && !layout.tmp().join(&name).exists() {
            let path = layout.leases().join(&name);
            if let Found::Dead(held) = look_to_remove(&path, alone) {
                let _ = fs::remove_file(&path);
                drop(held);
            }
        }
    }
}

/// Removes the files of build locks that nobody holds. Who takes one looks whether it is still there.
pub(in crate::store) fn sweep_build_locks(layout: &Layout) {
    let folder = layout.locks().join("b");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Found::Dead(held) = look_at(&path) {
            let _ = fs::remove_file(&path);
            drop(held);
        }
    }
}

fn sweep_one(layout: &Layout, name: &str, alone: bool) {
    let lease = layout.leases().join(name);
    let found = look_to_remove(&lease, alone);
    if matches!(found, Found::Alive | Found::Elsewhere) {
        return;
    }
    let (tmp, trash) = (layout.tmp().join(name), layout.trash());
    let moved = match fs::rename(&tmp, trash.join(Uuid::now_v7().to_string())) {
        // A folder of an image's layer, below an overlay file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => remove_tree(&tmp),
        moved => moved,
    };
    if moved.is_ok() && matches!(found, Found::Dead(_)) {
        let _ = fs::remove_file(&lease);
    }
}

/// Those that leases and temporary folders have, as far as they can be read.
pub(in crate::store) fn names(folder: &Path) -> Vec<String> {
    all_names(folder).unwrap_or_default()
}

/// The same, all of them or an error. Anything else in such a folder is not this library's.
pub(in crate::store) fn all_names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && Uuid::try_parse(&name).is_ok()
        {
            names.push(name);
        }
    }
    Ok(names)
}

pub(in crate::store) enum Found {
    /// Somebody holds it, or that cannot be known.
    Alive,
    /// Nobody held it, and that tells nothing: its process is elsewhere.
    Elsewhere,
    /// Nobody held it, and now we do: its process is dead.
    Dead(File),
    /// There is no such lease.
    Missing,
}

/// As [`look_at`], for who removes what dead processes left and used: a process elsewhere, whose lock need not be seen here,
/// may live, unless nobody else uses the store.
pub(in crate::store) fn look_to_remove(lease: &Path, alone: bool) -> Found {
    match look_at(lease) {
        Found::Dead(file) if !alone && is_elsewhere(&file) => Found::Elsewhere,
        found => found,
    }
}

/// Whether a lease says that its lock need not hold for everybody. What cannot be read may say so.
fn is_elsewhere(mut lease: &File) -> bool {
    let mut start = [0; ELSEWHERE.len()];
    match lease.read_exact(&mut start) {
        Ok(()) => start == ELSEWHERE.as_bytes(),
        Err(error) => error.kind() != io::ErrorKind::UnexpectedEof,
    }
}

pub(in crate::store) fn look_at(lease: &Path) -> Found {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(lease);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Missing,
        Err(_) => return Found::Alive,
    };
    match attempt(&file, lease) {
        Ok(Attempt::Taken) if is_at(&file, lease) => Found::Dead(file),
        // Another sweeper removed it while we opened it.
        Ok(Attempt::Taken) => Found::Missing,
        _ => Found::Alive,
    }
}
