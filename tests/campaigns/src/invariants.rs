//! What holds of a store, whatever process died in it, whenever, and whatever the system refused.

use pylightnix::config::RRefId;
use pylightnix::store::{Fault, Store};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::actor;

/// What a store must hold.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// What somebody was told is published, and nobody removed.
    pub there: BTreeSet<RRefId>,
    /// What roots or living processes keep: there even after a collection.
    pub kept: BTreeSet<RRefId>,
}

/// Why something does not hold.
pub type Violated = Result<(), String>;

/// Every realization that can be seen verifies, contexts are closed, and what is expected is there.
///
/// # Errors
/// What does not hold.
pub fn holds(root: &Path, expected: &Expected) -> Violated {
    let faults = faults(root)?;
    if let Some(fault) = faults.first() {
        return Err(format!("{} faults, the first: {fault}", faults.len()));
    }
    has_all(root, expected.there.union(&expected.kept))
}

/// What a check with contents says is wrong.
///
/// # Errors
/// That it cannot be run.
pub fn faults(root: &Path) -> Result<Vec<Fault>, String> {
    let checked = Store::open(root).and_then(|store| store.check().contents().run());
    Ok(checked.map_err(|error| format!("check: {error:?}"))?.faults)
}

/// All of these are there.
///
/// # Errors
/// Which one is not.
pub fn has_all<'a>(root: &Path, rrefs: impl IntoIterator<Item = &'a RRefId>) -> Violated {
    let store = Store::open(root).map_err(|error| format!("open: {error:?}"))?;
    for rref in rrefs {
        if !store.has(rref).map_err(|error| format!("{error:?}"))? {
            return Err(format!("{rref} was acknowledged or kept, and is gone"));
        }
    }
    Ok(())
}

/// After a normal run and a collection: all of the above, what is kept is still there, and nothing of dead processes is
/// left. `living` is how many processes still use the store.
///
/// # Errors
/// What does not hold.
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

/// No temporary folder, lease or trash of a dead process is left.
///
/// # Errors
/// What is.
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
