//! What lies where nothing should, and what does not lie where it should.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::examine::{about, short};
use super::{Fault, FaultKind};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::layout::{CONFIG, FOLDERS, FORMAT, RECORD, RESERVED};
use crate::{Error, Result};

/// Entries of the store's folders that no store has, and roots of nothing.
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
        FOLDERS.contains(&name) || [FORMAT, RESERVED].contains(&name) || name.starts_with('.')
    })?;
    look(&store.layout().objects(), &|name, is_folder| {
        is_folder && DRefId::from_folder(name).is_some()
    })?;
    for dref in store.drefs()? {
        let folder = store.derivation_dir(&dref);
        if folder.is_dir() {
            look(&folder, &|name, is_folder| {
                name == CONFIG || is_folder && RRefId::from_folder(&dref, name).is_some()
            })?;
        }
    }
    for name in store.root_names()? {
        let path = store.layout().roots().join(&name);
        let message = match store.read_root(name) {
            Ok(Some(root)) if root.counts && !is_there(store, &root.rref) => {
                format!("keeps {}, which is not in the store", root.rref)
            }
            Ok(_) => continue,
            Err(error) => short(&error),
        };
        faults.push(Fault {
            kind: FaultKind::Root,
            message,
            ..nothing_known(path)
        });
    }
    Ok(faults)
}

/// Those that are not in the store.
pub(super) fn missing(store: &Store, rrefs: &BTreeSet<RRefId>) -> Vec<Fault> {
    let missing = rrefs.iter().filter(|rref| !is_there(store, rref));
    let fault = |rref: &RRefId| {
        let path = store.realization_dir(rref);
        about(rref, FaultKind::Record, &path, "is missing")
    };
    missing.map(fault).collect()
}

fn is_there(store: &Store, rref: &RRefId) -> bool {
    store.realization_dir(rref).join(RECORD).exists()
}

fn nothing_known(path: PathBuf) -> Fault {
    Fault {
        kind: FaultKind::Unexpected,
        path,
        dref: None,
        rref: None,
        message: "is nothing that a store has".to_owned(),
        dependents: Vec::new(),
    }
}

/// The entries of a folder, and whether each is a folder itself. One that went meanwhile has none.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(refused)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(refused)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        found.push((entry.path(), is_folder));
    }
    Ok(found)
}
