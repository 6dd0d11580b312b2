//! What stages promise to make.

use std::fs;
use std::io;
use std::path::Path;

use crate::lens::Promise;
use crate::plan::AnyNode;
use crate::{Error, Result};

/// Makes the folders around all promises in `out`, so that a stage can write them.
pub(super) fn make_folders(node: &dyn AnyNode, out: &Path) -> Result<()> {
    for promise in node.promises() {
        if let Some((folders, _)) = promise.path.rsplit_once('/') {
            let folders = out.join(folders);
            fs::create_dir_all(&folders).map_err(|error| Error::io("create", &folders, error))?;
        }
    }
    Ok(())
}

/// Those of which there is nothing in `out`.
pub(super) fn broken(node: &dyn AnyNode, out: &Path) -> Result<Vec<Promise>> {
    let mut broken = Vec::new();
    for promise in node.promises() {
        let path = out.join(promise.path);
        match fs::symlink_metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => broken.push(*promise),
            Err(error) => return Err(Error::io("look at", &path, error)),
        }
    }
    Ok(broken)
}
