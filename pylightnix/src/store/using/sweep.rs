//! Sweeping: removing the temporary files of dead processes.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use uuid::Uuid;

use crate::Error;
use crate::store::disk::layout::Layout;
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::using::flock::{TryLock, attempt, is_at};
use crate::store::using::lease::{ELSEWHERE, is_of_another_machine};

/// Removes the temporary folders and leases of dead processes, and empties the trash. `own` is the name of this process's
/// lease. The caller holds the sweep lock.
///
/// If locks do not `hold` on this file system, dead processes cannot be detected, and only the trash is emptied. A process
/// whose lock may be invisible here counts as dead only if the caller is `alone` in using the store. Files that cannot be
/// removed, for example those of another user, are skipped: a sweep never fails a build. Returns the errors for what is left in
/// the trash.
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
    // List folders before probing leases: a live process creates its lease before its folder.
    for name in names(&layout.tmp()) {
        if own != Some(&name) {
            sweep_one(layout, &name, alone);
        }
    }
    for name in names(&layout.leases()) {
        if own != Some(&name) && !layout.tmp().join(&name).exists() {
            let path = layout.leases().join(&name);
            if let LeaseState::Dead(held) = probe_for_removal(&path, alone) {
                let _ = fs::remove_file(&path);
                drop(held);
            }
        }
    }
}

/// Removes the files of build locks that are not held. A process that takes a lock checks that its file still exists.
pub(in crate::store) fn sweep_build_locks(layout: &Layout) {
    let folder = layout.locks().join("b");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let LeaseState::Dead(held) = probe(&path) {
            let _ = fs::remove_file(&path);
            drop(held);
        }
    }
}

fn sweep_one(layout: &Layout, name: &str, alone: bool) {
    let lease = layout.leases().join(name);
    let found = probe_for_removal(&lease, alone);
    if matches!(found, LeaseState::Alive | LeaseState::Elsewhere) {
        return;
    }
    let (tmp, trash) = (layout.tmp().join(name), layout.trash());
    let moved = match fs::rename(&tmp, trash.join(Uuid::now_v7().to_string())) {
        // The folder is in a lower layer of an overlay file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => remove_tree(&tmp),
        moved => moved,
    };
    if moved.is_ok() && matches!(found, LeaseState::Dead(_)) {
        let _ = fs::remove_file(&lease);
    }
}

/// Returns the UUID names in a folder of leases or temporary folders, as far as it is readable.
pub(in crate::store) fn names(folder: &Path) -> Vec<String> {
    all_names(folder).unwrap_or_default()
}

/// Returns the UUID names in a folder, or an error. Other names do not belong to this library.
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

pub(in crate::store) enum LeaseState {
    /// The lease is locked, or its state is unknown.
    Alive,
    /// The lease is not locked, but its process may live on another machine.
    Elsewhere,
    /// The lease was not locked, so its process is dead; this value holds the lock.
    Dead(File),
    /// The lease does not exist.
    Missing,
}

/// Probes a lease like [`probe`], before removing what its process left or used. A process whose lock may be invisible here
/// counts as alive, unless the caller is `alone` in using the store.
pub(in crate::store) fn probe_for_removal(lease: &Path, alone: bool) -> LeaseState {
    match probe(lease) {
        LeaseState::Dead(file) if !alone && is_elsewhere(&file) => LeaseState::Elsewhere,
        found => found,
    }
}

/// Whether the process of a lease lives, as far as it is known: good enough for lists that people look at. A process of another machine
/// whose lock may be invisible here counts as alive.
pub(in crate::store) fn seems_alive(lease: &Path) -> bool {
    match probe(lease) {
        LeaseState::Alive | LeaseState::Elsewhere => true,
        LeaseState::Dead(_held) => {
            let text = regular::read_to_string(lease).unwrap_or_default();
            is_of_another_machine(&text)
        }
        LeaseState::Missing => false,
    }
}

/// Whether the lock of a lease may be invisible here. Assumed for an unreadable lease.
fn is_elsewhere(mut lease: &File) -> bool {
    let mut start = [0; ELSEWHERE.len()];
    match lease.read_exact(&mut start) {
        Ok(()) => start == ELSEWHERE.as_bytes(),
        Err(error) => error.kind() != io::ErrorKind::UnexpectedEof,
    }
}

pub(in crate::store) fn probe(lease: &Path) -> LeaseState {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(lease);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return LeaseState::Missing,
        Err(_) => return LeaseState::Alive,
    };
    match attempt(&file, lease) {
        Ok(TryLock::Taken) if is_at(&file, lease) => LeaseState::Dead(file),
        // Another sweep removed the lease while it was opened.
        Ok(TryLock::Taken) => LeaseState::Missing,
        _ => LeaseState::Alive,
    }
}
