//! Unexpected files, and missing realizations.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::examine::{about, short};
use super::{Fault, FaultKind};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::{CONFIG, FOLDERS, FORMAT, REMOTES, RESERVED, STUBS};
use crate::store::disk::there::{is_absence, is_there, tells_of_damage};
use crate::{Error, Result};

/// Returns the unexpected entries in the folders of the store, and invalid roots.
pub(super) fn unexpected(store: &Store) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut look = |folder: &Path, known: &dyn Fn(&str, bool) -> bool| -> Result<()> {
        for (path, is_folder) in entries(folder)? {
            let name = path.file_name().and_then(OsStr::to_str);
            if !name.is_some_and(|name| known(name, is_folder)) {
                faults.push(nothing_known(path));
            }
        }
        Ok(())
    };
    look(store.root(), &|name, _| {
        FOLDERS.contains(&name)
            || [FORMAT, REMOTES, RESERVED, STUBS].contains(&name)
            || name.starts_with('.')
    })?;
    look(&store.layout().objects(), &|name, is_folder| {
        is_folder && DRefId::from_folder(name).is_some()
    })?;
    let stubs = store.layout().stubs();
    look(&stubs, &|name, is_folder| {
        is_folder && DRefId::from_folder(name).is_some()
    })?;
    let mut refused = Vec::new();
    for dref in store.drefs()? {
        let folder = store.derivation_dir(&dref);
        // An unreadable folder must not hide other faults.
        if let Err(error) = look(&folder, &|name, is_folder| {
            name == CONFIG || is_folder && RRefId::from_folder(&dref, name).is_some()
        }) {
            refused.push(Fault {
                kind: FaultKind::Unreadable,
                dref: Some(dref),
                message: format!("cannot be read: {error}"),
                ..nothing_known(folder)
            });
        }
    }
    for (path, _) in entries(&stubs)? {
        let name = path.file_name().and_then(OsStr::to_str);
        let Some(dref) = name.and_then(DRefId::from_folder) else {
            continue;
        };
        if is_there(&store.derivation_dir(&dref))? {
            look(&path, &|name, is_folder| {
                is_folder && RRefId::from_folder(&dref, name).is_some()
            })?;
        } else {
            refused.push(Fault {
                message: format!("has stubs of {dref}, which is not in the store"),
                ..nothing_known(path)
            });
        }
    }
    faults.extend(refused);
    for name in store.root_names()? {
        let path = store.layout().roots().join(&name);
        let (kind, message) = match keeps(store, name) {
            Ok(None) => continue,
            Ok(Some(missing)) => {
                let message = format!("keeps {missing}, which is not in the store");
                (FaultKind::Root, message)
            }
            Err(error) if tells_of_damage(&error) => (FaultKind::Root, short(&error)),
            Err(error) => (FaultKind::Unreadable, format!("cannot be read: {error}")),
        };
        faults.push(Fault {
            kind,
            message,
            ..nothing_known(path)
        });
    }
    Ok(faults)
}

/// Returns the realization of a root if it is not in the store.
fn keeps(store: &Store, root: String) -> Result<Option<RRefId>> {
    match store.read_root(root)? {
        Some(root) if root.counts && !store.is_known(&root.rref)? => Ok(Some(root.rref)),
        _ => Ok(None),
    }
}

/// Returns faults for the realizations that are not in the store.
pub(super) fn missing(store: &Store, rrefs: &BTreeSet<RRefId>) -> Vec<Fault> {
    // Errors are ignored here, as the comparison reports them.
    let missing = rrefs
        .iter()
        .filter(|rref| matches!(store.is_known(rref), Ok(false)));
    let fault = |rref: &RRefId| {
        let path = store.realization_dir(rref);
        about(rref, FaultKind::Record, &path, "is missing")
    };
    missing.map(fault).collect()
}

fn nothing_known(path: PathBuf) -> Fault {
    Fault {
        kind: FaultKind::Unexpected,
        path,
        dref: None,
        rref: None,
        message: "does not belong in a store".to_owned(),
        dependents: Vec::new(),
    }
}

/// Returns the entries of a folder, each with whether it is a folder itself. Empty if the folder was removed.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let listed = match fs::read_dir(folder) {
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        listed => listed.map_err(refused)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(refused)?;
        match entry.file_type() {
            Ok(kind) => found.push((entry.path(), kind.is_dir())),
            // Removed in the meantime.
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(found)
}
