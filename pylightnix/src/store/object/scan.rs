//! Walking a folder that becomes artifacts, and rejecting entries that a tree cannot contain.

use std::fs::{self, DirEntry, FileType, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::store::disk::there::is_absence;
use crate::store::object::tree::{check_path, check_target};
use crate::{Error, ErrorKind, Result};

/// An entry found by a walk, not hashed yet.
#[derive(Debug)]
pub(crate) struct Scanned<F> {
    /// The path relative to the root of the walk.
    pub(crate) path: String,
    pub(crate) kind: ScannedKind<F>,
}

#[derive(Debug)]
pub(crate) enum ScannedKind<F> {
    Dir,
    /// A file and the information that the walk collected about it.
    File(F),
    Link {
        target: String,
    },
}

/// The policy of a walk over a folder.
pub(crate) trait Walk {
    /// The information collected about a file during the walk.
    type File;

    fn file(&self, entry: &DirEntry) -> Result<Self::File>;

    /// Prepares a folder for reading.
    fn folder(&self, path: &Path) -> Result<()>;

    /// Checks whether a tree may contain an entry with this path, relative to the root of the walk.
    fn check(&self, path: &str) -> Result<(), String>;

    /// Returns the error for an entry that no tree can contain; `why` is a predicate.
    fn refused(&self, path: &Path, why: &str) -> Error;

    /// Returns all entries below `root`, each folder before its content. Makes no system call per file of its own.
    fn walk(&self, root: &Path) -> Result<Vec<Scanned<Self::File>>> {
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let place = match folder.as_str() {
                "" => root.to_owned(),
                below => root.join(below),
            };
            self.folder(&place)?;
            let unreadable = |error| Error::io("read the folder", &place, error);
            for entry in fs::read_dir(&place).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let refused = |why: &str| self.refused(&entry.path(), why);
                let Ok(mut path) = entry.file_name().into_string() else {
                    return Err(refused("has a name that is not UTF-8"));
                };
                if !folder.is_empty() {
                    path = format!("{folder}/{path}");
                }
                self.check(&path).map_err(|why| refused(&why))?;
                let sort = entry.file_type();
                let sort = sort.map_err(|error| Error::io("look at", &entry.path(), error))?;
                let kind = if sort.is_file() {
                    ScannedKind::File(self.file(&entry)?)
                } else if sort.is_dir() {
                    folders.push(path.clone());
                    ScannedKind::Dir
                } else if sort.is_symlink() {
                    let target = fs::read_link(entry.path())
                        .map_err(|error| Error::io("read the link", &entry.path(), error))?;
                    let Some(target) = target.to_str() else {
                        return Err(refused("is a link whose target is not UTF-8"));
                    };
                    check_target(target).map_err(|why| refused(&why))?;
                    ScannedKind::Link {
                        target: target.to_owned(),
                    }
                } else {
                    return Err(refused(special(sort)));
                };
                found.push(Scanned { path, kind });
            }
        }
        Ok(found)
    }
}

/// Describes a file type other than file, folder or link.
pub(crate) fn special(sort: FileType) -> &'static str {
    if sort.is_socket() {
        "is a socket"
    } else if sort.is_fifo() {
        "is a named pipe"
    } else {
        "is a device"
    }
}

/// The policy for the output of a stage.
struct Output;

/// Returns all entries below `out`, each folder before its content. Makes unreadable folders readable.
pub(in crate::store) fn scan(out: &Path) -> Result<Vec<Scanned<()>>> {
    let root = match fs::symlink_metadata(out) {
        Err(error) if !is_absence(&error) => return Err(Error::io("look at", out, error)),
        root => root,
    };
    if !root.is_ok_and(|root| root.is_dir()) {
        return Err(Error::new(
            ErrorKind::Stage,
            format!("the output {} is not a folder any more", out.display()),
        )
        .at(out)
        .with_help("write into the given folder; do not replace it"));
    }
    Output.walk(out)
}

impl Walk for Output {
    type File = ();

    /// Nothing: sealing inspects files after opening them.
    fn file(&self, _: &DirEntry) -> Result<()> {
        Ok(())
    }

    /// Grants the owner all permissions, to read the folder and to replace hard-linked files in it by copies.
    fn folder(&self, path: &Path) -> Result<()> {
        let folder = fs::symlink_metadata(path);
        let folder = folder.map_err(|error| Error::io("look at", path, error))?;
        if folder.mode() & 0o700 == 0o700 {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| Error::io("change the mode of", path, error))
    }

    fn check(&self, path: &str) -> Result<(), String> {
        check_path(path)
    }

    fn refused(&self, path: &Path, why: &str) -> Error {
        Error::new(
            ErrorKind::Stage,
            format!("cannot publish {}: it {why}", path.display()),
        )
        .at(path)
        .with_help(
            "an output holds files, folders and links with UTF-8 names: \
             have the stage remove this entry, or write it elsewhere",
        )
    }
}
