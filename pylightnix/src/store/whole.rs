//! What is in a store already when it is brought there once more.

use std::collections::HashSet;

use super::Store;
use super::check::FaultKind;
use super::there::is_there;
use crate::config::RRefId;
use crate::{Error, ErrorKind, Result};

/// Those of these realizations that are in the store. All of their bytes are read: nobody is told that a result is there
/// which is damaged.
pub(super) fn present<'r>(
    store: &Store,
    rrefs: impl IntoIterator<Item = &'r RRefId>,
) -> Result<HashSet<RRefId>> {
    let mut present = HashSet::new();
    for rref in rrefs {
        if is_there(&store.realization_dir(rref))? {
            present.insert(rref.clone());
        }
    }
    if present.is_empty() {
        return Ok(present);
    }
    let report = store.check().contents().only(&present).run()?;
    let mut faults = report.faults.iter();
    let fault = faults.find_map(|fault| match (fault.kind, &fault.rref) {
        (FaultKind::Record | FaultKind::Artifact, Some(rref)) => Some((rref, fault, "is damaged")),
        (FaultKind::Unreadable, Some(rref)) => Some((rref, fault, "cannot be read")),
        _ => None,
    });
    let Some((rref, fault, what)) = fault else {
        return Ok(present);
    };
    let message = format!(
        "{rref} is in {} already, and {what}: {} {}",
        store.root().display(),
        fault.path.display(),
        fault.message
    );
    let help = match fault.kind {
        FaultKind::Unreadable => fault.help(),
        _ => {
            "nothing was published: `repair` that store, which mends it from another store (`--from`) or puts it aside, and run \
             this again"
        }
    };
    Err(Error::new(ErrorKind::Store, message)
        .at(&fault.path)
        .help(help))
}
