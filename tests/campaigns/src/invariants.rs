//! The invariants of a store, whichever process died at whichever point, and whichever system call failed.

use pylightnix::config::RRefId;
use pylightnix::store::{Fault, Store};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::actor;

/// The expected content of a store.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Realizations that were acknowledged and not removed.
    pub there: BTreeSet<RRefId>,
    /// Realizations that roots or living processes protect: they survive a collection.
    pub kept: BTreeSet<RRefId>,
}

/// The result of a check: `Err` describes the violation.
pub type Violated = Result<(), String>;

/// Checks that every visible realization verifies, that contexts are closed, that runs are read, and that the expected
/// realizations exist.
///
/// # Errors
/// Fails with the violation.
pub fn holds(root: &Path, expected: &Expected) -> Violated {
    let faults = faults(root)?;
    if let Some(fault) = faults.first() {
        return Err(format!("{} faults, the first: {fault}", faults.len()));
    }
    runs_are_read(root)?;
    has_all(root, expected.there.union(&expected.kept))
}

/// Checks that whatever a run left can be read.
fn runs_are_read(root: &Path) -> Violated {
    let read = || {
        for run in Store::open(root)?.runs()? {
            run.record()?;
            run.events()?;
            run.answers()?;
            run.standing()?;
        }
        Ok(())
    };
    read().map_err(|error: pylightnix::Error| format!("a run: {error:?}"))
}

/// Returns the faults that a check with contents reports.
///
/// # Errors
/// Fails if the check cannot be run.
pub fn faults(root: &Path) -> Result<Vec<Fault>, String> {
    let checked = Store::open(root).and_then(|store| store.check().contents().run());
    Ok(checked.map_err(|error| format!("check: {error:?}"))?.faults)
}

/// Checks that all of these exist.
///
/// # Errors
/// Fails with the missing realization.
pub fn has_all<'a>(root: &Path, rrefs: impl IntoIterator<Item = &'a RRefId>) -> Violated {
    let store = Store::open(root).map_err(|error| format!("open: {error:?}"))?;
    for rref in rrefs {
        if !store.has(rref).map_err(|error| format!("{error:?}"))? {
            return Err(format!("{rref} was acknowledged or kept, and is gone"));
        }
    }
    Ok(())
}

/// Runs a normal run and a collection, and checks all of the above, that protected realizations survive, and that nothing of
/// dead processes is left. `living` is the number of processes that still use the store.
///
/// # Errors
/// Fails with the violation.
pub fn holds_after(program: &Path, root: &Path, expected: &Expected, living: usize) -> Violated {
    let text = root.to_string_lossy();
    for arguments in [["normal", &*text], ["gc", &*text]] {
        let ended = actor::run(program, &arguments).map_err(|error| format!("{error:?}"))?;
        if !ended.is_good() {
            return Err(format!("a normal {}: {ended:?}", arguments[0]));
        }
    }
    let kept = Expected {
        there: BTreeSet::new(),
        kept: expected.kept.clone(),
    };
    holds(root, &kept)?;
    nothing_left(root, living)
}

/// Checks that no temporary folder, lease or trash of a dead process is left.
///
/// # Errors
/// Fails with what is left.
pub fn nothing_left(root: &Path, living: usize) -> Violated {
    for (folder, most) in [
        ("tmp", living),
        ("leases", living),
        ("trash", 0),
        ("locks/b", living),
    ] {
        let entries =
            fs::read_dir(root.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        if names.len() > most {
            return Err(format!("after a gc there is in {folder}/: {names:?}"));
        }
    }
    Ok(())
}
