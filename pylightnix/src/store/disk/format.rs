//! Recognizing and creating stores.

use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{FOLDERS, FORMAT, Layout, OBJECTS};
use crate::store::disk::python::{is_python_store, made_by_python};
use crate::store::disk::regular;
use crate::store::disk::reserve::reserve;
use crate::store::using::flock::make_locks;
use crate::{Error, ErrorKind, Result};

/// The layout version that this library reads and writes.
const VERSION: u64 = 1;
/// The complete content of `format.json` at that version.
const FORMAT_TEXT: &str = "{\"format\": \"pylightnix-store\", \"version\": 1}\n";
/// Prefix of the temporary name under which `format.json` is written; a UUID follows.
const DRAFT: &str = ".format.json-";

/// Checks that `root` is a store of this version. Creates a store in a missing or empty folder and completes one whose creation
/// was interrupted. Returns `true` if it created folders and synced their names; writes nothing to a complete store.
pub(in crate::store) fn open(root: &Path) -> Result<bool> {
    while !is_store(root)? {
        begin(root)?;
    }
    match fs::metadata(root.join(OBJECTS)) {
        Ok(found) if found.is_dir() => Ok(false),
        Ok(_) => Err(Error::new(
            ErrorKind::Store,
            format!(
                "{} is broken: its `{OBJECTS}` is a file, not a folder",
                root.display()
            ),
        )
        .at(root)
        .with_help("move that file away; an empty folder is then created")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => complete(root),
        Err(error) => Err(Error::io("look at", &root.join(OBJECTS), error)),
    }
}

/// Creates and syncs missing folders; returns `true` if there were any.
pub(in crate::store) fn complete(root: &Path) -> Result<bool> {
    let mut made = false;
    for folder in FOLDERS {
        made |= make_folder(&root.join(folder))?;
    }
    if made {
        let layout = Layout::new(root.to_owned());
        // Created in advance, so that garbage collection needs no new files on a full disk.
        make_locks(&layout)?;
        reserve(&layout);
        Durability::Full.sync_folder(&root.join("locks"))?;
        Durability::Full.sync_folder(root)?;
    }
    Ok(made)
}

/// Creates a folder; returns `false` if it exists.
pub(in crate::store) fn make_folder(path: &Path) -> Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::io("create the folder", path, error)),
    }
}

/// Fails with [`ErrorKind::Missing`] unless `root` is a store.
pub(in crate::store) fn expect_store(root: &Path) -> Result<()> {
    if is_store(root)? {
        return Ok(());
    }
    if is_python_store(root) {
        return Err(made_by_python(root, "a store", ErrorKind::Store));
    }
    let message = format!("there is no store at {}", root.display());
    Err(Error::new(ErrorKind::Missing, message)
        .at(root)
        .with_help("`Store::open` makes one"))
}

/// Whether `format.json` exists; fails if this library cannot read that store.
fn is_store(root: &Path) -> Result<bool> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
        version: u64,
    }

    let path = root.join(FORMAT);
    let bytes = match regular::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_a_store(root, "it is a file, not a folder"));
        }
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    let format: Format = serde_json::from_slice(&bytes).map_err(|error| {
        not_a_store(root, "its `format.json` does not say `pylightnix-store`").because(error)
    })?;
    if format.format != "pylightnix-store" {
        return Err(not_a_store(
            root,
            &format!("its `format.json` says {:?}", format.format),
        ));
    }
    if format.version != VERSION {
        return Err(Error::new(
            ErrorKind::Store,
            format!(
                "the store {} has version {}, and this library reads version {VERSION}",
                root.display(),
                format.version
            ),
        )
        .at(root)
        .with_help(if format.version > VERSION {
            "a newer pylightnix made it: use that one, or another folder"
        } else {
            "an older pylightnix made it: use that one to pack what you need, and unpack it into a store of this version"
        }));
    }
    Ok(true)
}

/// Writes `format.json` into a missing or empty folder, without the store's folders.
fn begin(root: &Path) -> Result<()> {
    if let Some(entry) = foreign_entry(root)? {
        // Another process may have created the store since the first check.
        if is_store(root)? {
            return Ok(());
        }
        if is_python_store(root) {
            return Err(made_by_python(root, "a store", ErrorKind::Store));
        }
        return Err(not_a_store(
            root,
            &format!("it holds {entry:?} and no `{FORMAT}`"),
        ));
    }
    if !root.is_dir() {
        let missing: Vec<&Path> = root.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(root).map_err(|error| Error::io("create the store", root, error))?;
        for parent in missing.into_iter().filter_map(Path::parent) {
            // A parent may be unreadable for this process; the sync of the root is the one that counts.
            let _ = Durability::Full.sync_folder(parent);
        }
    }
    let draft = root.join(format!("{DRAFT}{}", Uuid::now_v7()));
    Durability::Full
        .publish_file(&draft, &root.join(FORMAT), FORMAT_TEXT.as_bytes())
        .map(drop)
}

/// Returns the name of an entry of `root` that an interrupted creation cannot have left.
fn foreign_entry(root: &Path) -> Result<Option<String>> {
    let folder = match fs::read_dir(root) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the folder", root, error)),
    };
    let mut entries = Vec::new();
    for entry in folder {
        let entry = entry.map_err(|error| Error::io("read the folder", root, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(DRAFT) {
            entries.push(name);
        }
    }
    entries.sort();
    Ok(entries.into_iter().next())
}

fn not_a_store(root: &Path, fault: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} is not a pylightnix store: {fault}", root.display()),
    )
    .at(root)
    .with_help("give a folder that is empty or does not exist yet, and it becomes one")
}

/// Returns `$PYLIGHTNIX_ROOT`, or `~/_pylightnix` if that is unset.
pub(in crate::store) fn default_root() -> Result<PathBuf> {
    if let Some(root) = std::env::var_os("PYLIGHTNIX_ROOT").filter(|root| !root.is_empty()) {
        return Ok(root.into());
    }
    match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
        Some(home) => Ok(home.join("_pylightnix")),
        None => Err(Error::new(
            ErrorKind::Store,
            "no store was named, and there is no home folder",
        )
        .with_help("set PYLIGHTNIX_ROOT to the folder that the store should have")),
    }
}
