//! Removing trees that were made read-only, or too deep to be removed as they are.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use uuid::Uuid;

/// Deeper folders are lifted up.
const DEEP: usize = 64;

/// Removes whatever is at `path`, links as links; nothing there is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match remove(path) {
        Ok(()) => Ok(()),
        Err(_) => {
            loosen(path)?;
            remove(path)
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let done = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match done {
        // Somebody else may be emptying the same trash.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Lets the owner remove what is in the folders below `path`, and lifts up those that lie so deep that removing them all
/// at once would take more open files than a process may have.
fn loosen(path: &Path) -> io::Result<()> {
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let below = entry.path();
            if depth < DEEP {
                folders.push((below, depth + 1));
            } else {
                // A folder can only be moved by who may write to it.
                fs::set_permissions(&below, Permissions::from_mode(0o700))?;
                let lifted = path.join(Uuid::now_v7().to_string());
                fs::rename(&below, &lifted)?;
                folders.push((lifted, 1));
            }
        }
    }
    Ok(())
}
