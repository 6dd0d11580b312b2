//! What stages promise to make.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

/// A promise that was not kept.
pub(super) struct Broken {
    pub(super) promise: Promise,
    pub(super) how: How,
}

/// How a promise was not kept.
pub(super) enum How {
    /// There is nothing.
    Nothing,
    /// There is a link to nothing, with this target.
    ToNothing(PathBuf),
    /// There is a link to something that is not published, with this target.
    ToOutside(PathBuf),
}

/// Those that were not kept in `out`.
pub(super) fn broken(node: &dyn AnyNode, out: &Path) -> Result<Vec<Broken>> {
    let mut broken = Vec::new();
    for promise in node.promises() {
        let path = out.join(promise.path);
        let how = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => match how_of_link(&path, out)? {
                Some(how) => how,
                None => continue,
            },
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => How::Nothing,
            Err(error) => return Err(Error::io("look at", &path, error)),
        };
        let promise = *promise;
        broken.push(Broken { promise, how });
    }
    Ok(broken)
}

/// What is wrong with a link in place of an artifact, if anything is: where it leads has to be published with it.
fn how_of_link(path: &Path, out: &Path) -> Result<Option<How>> {
    let refused = |error| Error::io("look at", path, error);
    let target = fs::read_link(path).map_err(refused)?;
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) || rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) =>
        {
            return Ok(Some(How::ToNothing(target)));
        }
        Err(error) => return Err(refused(error)),
    };
    let out = fs::canonicalize(out).map_err(refused)?;
    Ok((!real.starts_with(out)).then_some(How::ToOutside(target)))
}
