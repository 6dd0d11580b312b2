//! Checking realizations that already exist when they are published or copied again.

use std::collections::{HashMap, HashSet};

use crate::config::RRefId;
use crate::store::Store;
use crate::store::check::{Fault, FaultKind};
use crate::store::disk::there::is_there;
use crate::{Error, ErrorKind, Result};

/// The existing ones among realizations that are to be published.
pub(in crate::store) struct ExistingRealizations {
    /// Realizations that exist and are intact.
    pub(in crate::store) whole: HashSet<RRefId>,
    /// Realizations that exist and are damaged or unreadable, with the error to report.
    pub(in crate::store) damaged: HashMap<RRefId, Error>,
}

/// Looks up which realizations exist, and verifies all of their bytes, so that a damaged result is never reported as published.
pub(in crate::store) fn present<'r>(
    store: &Store,
    rrefs: impl IntoIterator<Item = &'r RRefId>,
) -> Result<ExistingRealizations> {
    let mut whole = HashSet::new();
    for rref in rrefs {
        if is_there(&store.realization_dir(rref))? {
            whole.insert(rref.clone());
        }
    }
    let mut damaged = HashMap::new();
    if !whole.is_empty() {
        for fault in store.check().contents().only(&whole).run()?.faults {
            if let Some(rref) = &fault.rref
                && let Some(what) = damage_of(fault.kind)
                && whole.remove(rref)
            {
                damaged.insert(rref.clone(), refused(store, rref, what, &fault));
            }
        }
    }
    Ok(ExistingRealizations { whole, damaged })
}

/// Fails if a realization is damaged so that it shows without reading its artifacts.
pub(in crate::store) fn expect_whole_at_a_glance(store: &Store, rref: &RRefId) -> Result<()> {
    let faults = store.check().only([rref]).run()?.faults;
    let found = faults
        .iter()
        .find_map(|fault| Some((damage_of(fault.kind)?, fault)));
    found.map_or(Ok(()), |(what, fault)| {
        Err(refused(store, rref, what, fault))
    })
}

impl ExistingRealizations {
    /// Returns the intact realizations, or an error if one is damaged.
    pub(in crate::store) fn all_intact(self) -> Result<HashSet<RRefId>> {
        let first = self
            .damaged
            .into_iter()
            .min_by(|one, other| one.0.cmp(&other.0));
        first.map_or(Ok(self.whole), |(_, error)| Err(error))
    }
}

/// Returns what a fault means for the content of a realization; `None` if nothing.
fn damage_of(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Record | FaultKind::Artifact => Some("is damaged"),
        FaultKind::Unreadable => Some("cannot be read"),
        _ => None,
    }
}

fn refused(store: &Store, rref: &RRefId, what: &str, fault: &Fault) -> Error {
    let message = format!(
        "{rref} is in {} already, and {what}: {} {}",
        store.root().display(),
        fault.path.display(),
        fault.message
    );
    let help = match fault.kind {
        FaultKind::Unreadable => fault.help(),
        _ => {
            "`repair` that store, which mends it from another store (`--from`) or puts it aside, and run this again"
        }
    };
    Error::new(ErrorKind::Store, message)
        .at(&fault.path)
        .with_help(help)
}
