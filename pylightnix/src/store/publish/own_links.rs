//! Rewriting an output's absolute links into its own folder.
//!
//! Many programs create absolute links to their newest file. The temporary folder of a build disappears, and its path differs
//! in each build, so these links are made relative before publication.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::store::object::scan::{Scanned, ScannedKind};
use crate::{Error, Result};

/// Makes every absolute link in `out` that points into `out` relative.
pub(in crate::store) fn make_relative<F>(out: &Path, found: &mut [Scanned<F>]) -> Result<()> {
    // The program may have resolved the path of the store.
    let mut real = None;
    for (number, entry) in found.iter_mut().enumerate() {
        let ScannedKind::Link { target } = &mut entry.kind else {
            continue;
        };
        if !target.starts_with('/') {
            continue;
        }
        let real: &PathBuf =
            real.get_or_insert_with(|| fs::canonicalize(out).unwrap_or_else(|_| out.to_owned()));
        let below = (Path::new(&*target).strip_prefix(out))
            .or_else(|_| Path::new(&*target).strip_prefix(real));
        let Some(below) = below.ok().and_then(Path::to_str) else {
            continue;
        };
        let mut relative = "../".repeat(entry.path.matches('/').count());
        relative.push_str(if below.is_empty() { "." } else { below });
        let path = out.join(&entry.path);
        let beside = out.with_file_name(format!("link-{number}"));
        symlink(&relative, &beside)
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|error| Error::io("replace the link", &path, error))?;
        *target = relative;
    }
    Ok(())
}
