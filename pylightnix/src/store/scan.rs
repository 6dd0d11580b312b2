//! Walking an output that a stage has written, and refusing what no tree may hold.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::tree::{check_path, check_target};
use crate::{Error, ErrorKind, Result};

/// An entry of an output, before it is hashed.
pub(super) struct Found {
    /// Where it is, from the output's root.
    pub(super) path: String,
    pub(super) kind: FoundKind,
}

pub(super) enum FoundKind {
    Dir,
    File {
        size: u64,
        executable: bool,
        /// Whether it has other names, through which it could still be changed.
        shared: bool,
    },
    Link {
        target: String,
    },
}

/// Every entry below `out`, folders before what they hold. Folders that could not be read are made readable.
pub(super) fn scan(out: &Path) -> Result<Vec<Found>> {
    let root = fs::symlink_metadata(out).map_err(|error| Error::io("look at", out, error))?;
    if !root.is_dir() {
        return Err(Error::new(
            ErrorKind::Stage,
            format!("the output {} is not a folder any more", out.display()),
        )
        .at(out)
        .help("write into the folder that is given, and do not replace it"));
    }
    open_up(out, &root)?;
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let place = out.join(&folder);
        let unreadable = |error| Error::io("read the folder", &place, error);
        for entry in fs::read_dir(&place).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(refused(&entry.path(), "has a name that is not UTF-8"));
            };
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            check_path(&path).map_err(|why| refused(&entry.path(), &why))?;
            let kind = kind(&entry.path())?;
            if matches!(kind, FoundKind::Dir) {
                folders.push(path.clone());
            }
            found.push(Found { path, kind });
        }
    }
    Ok(found)
}

fn kind(path: &Path) -> Result<FoundKind> {
    let look = |error| Error::io("look at", path, error);
    let entry = fs::symlink_metadata(path).map_err(look)?;
    let sort = entry.file_type();
    if sort.is_dir() {
        open_up(path, &entry)?;
        return Ok(FoundKind::Dir);
    }
    if sort.is_file() {
        return Ok(FoundKind::File {
            size: entry.len(),
            executable: entry.mode() & 0o100 != 0,
            shared: entry.nlink() > 1,
        });
    }
    if sort.is_symlink() {
        let target =
            fs::read_link(path).map_err(|error| Error::io("read the link", path, error))?;
        let Some(target) = target.to_str() else {
            return Err(refused(path, "is a link whose target is not UTF-8"));
        };
        check_target(target).map_err(|why| refused(path, &why))?;
        return Ok(FoundKind::Link {
            target: target.to_owned(),
        });
    }
    Err(refused(
        path,
        if sort.is_socket() {
            "is a socket"
        } else if sort.is_fifo() {
            "is a named pipe"
        } else {
            "is a device"
        },
    ))
}

/// Gives the owner every right on a folder, to read it and to put copies of shared files into it.
fn open_up(path: &Path, folder: &Metadata) -> Result<()> {
    if folder.mode() & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(|error| Error::io("change the mode of", path, error))
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Stage,
        format!("cannot publish {}: it {why}", path.display()),
    )
    .at(path)
    .help(
        "an output holds files, folders and links with UTF-8 names: \
         have the stage remove this entry, or write it elsewhere",
    )
}
