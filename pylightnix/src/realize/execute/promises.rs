//! The parent folders of promised artifacts.

use std::fs;
use std::path::Path;

use crate::plan::AnyNode;
use crate::{Error, Result};

/// Creates the parent folders of all promised artifacts in `out`.
pub(in crate::realize) fn make_folders(node: &dyn AnyNode, out: &Path) -> Result<()> {
    for promise in node.promises() {
        if let Some((folders, _)) = promise.path.rsplit_once('/') {
            let folders = out.join(folders);
            fs::create_dir_all(&folders).map_err(|error| Error::io("create", &folders, error))?;
        }
    }
    Ok(())
}
