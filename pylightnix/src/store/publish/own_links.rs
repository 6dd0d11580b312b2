//! Links of an output by the path of the folder in which it is built.
//!
//! Many programs link to the newest of their files by its whole path. That path ends with the build, and differs from build
//! to build, so such a link is made relative before it is published.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::store::object::scan::{Scanned, ScannedKind};
use crate::{Error, Result};

/// Makes relative every link in `out` whose target is a whole path into `out`.
pub(in crate::store) fn make_relative<F>(out: &Path, found: &mut [Scanned<F>]) -> Result<()> {
    // The store may be known to the program that made a link by another path.
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
