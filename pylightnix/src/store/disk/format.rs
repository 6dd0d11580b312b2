//! Knowing a store from any other folder, and making one.

use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{FOLDERS, FORMAT, Layout, OBJECTS};
use crate::store::disk::regular;
use crate::store::disk::reserve::reserve;
use crate::store::using::flock::make_locks;
use crate::{Error, ErrorKind, Result};

/// The version of the layout that this library reads and writes.
const VERSION: u64 = 1;
/// The whole `format.json` of that version.
const FORMAT_TEXT: &str = "{\"format\": \"pylightnix-store\", \"version\": 1}\n";
/// How a `format.json` is called while it is written, followed by something unique.
const DRAFT: &str = ".format.json-";

/// Checks that `root` is a store of this version. A missing or an empty folder becomes one, and one whose making was cut
/// short is completed; then its names are on the disk, and this is `true`. Nothing is written to a whole one.
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
        .help("move that file away; the folder is then made anew, empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => complete(root),
        Err(error) => Err(Error::io("look at", &root.join(OBJECTS), error)),
    }
}

/// Makes the folders that are missing, and sees that they are on the disk; `true` if there were any.
pub(in crate::store) fn complete(root: &Path) -> Result<bool> {
    let mut made = false;
    for folder in FOLDERS {
        made |= make_folder(&root.join(folder))?;
    }
    if made {
        let layout = Layout::new(root.to_owned());
        // So that removing needs no new files, of which a full disk has none.
        make_locks(&layout)?;
        reserve(&layout);
        Durability::Full.sync_folder(&root.join("locks"))?;
        Durability::Full.sync_folder(root)?;
    }
    Ok(made)
}

/// Whether it was missing.
pub(in crate::store) fn make_folder(path: &Path) -> Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::io("create the folder", path, error)),
    }
}

/// That there is a store.
pub(in crate::store) fn expect_store(root: &Path) -> Result<()> {
    if is_store(root)? {
        return Ok(());
    }
    let message = format!("there is no store at {}", root.display());
    Err(Error::new(ErrorKind::Missing, message)
        .at(root)
        .help("`Store::open_at` makes one"))
}

/// Whether there is a `format.json`, and that it is one that this library can work with.
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
        .help(if format.version > VERSION {
            "a newer pylightnix made it: use that one, or another folder"
        } else {
            "an older pylightnix made it: use that one to pack what you need, and unpack it into a store of this version"
        }));
    }
    Ok(true)
}

/// Makes a missing or empty folder a store without its folders yet.
fn begin(root: &Path) -> Result<()> {
    if let Some(entry) = foreign_entry(root)? {
        // Another process may have made the store between our two looks.
        if is_store(root)? {
            return Ok(());
        }
        let fault = if entry == "store-v0" {
            "it holds a store of Pylightnix for Python".to_owned()
        } else {
            format!("it holds {entry:?} and no `{FORMAT}`")
        };
        return Err(not_a_store(root, &fault));
    }
    if !root.is_dir() {
        let missing: Vec<&Path> = root.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(root).map_err(|error| Error::io("create the store", root, error))?;
        for parent in missing.into_iter().filter_map(Path::parent) {
            // A parent may be one that we cannot open, only pass through: the root's own sync is what counts.
            let _ = Durability::Full.sync_folder(parent);
        }
    }
    let draft = root.join(format!("{DRAFT}{}", Uuid::now_v7()));
    Durability::Full
        .publish_file(&draft, &root.join(FORMAT), FORMAT_TEXT.as_bytes())
        .map(drop)
}

/// Something in `root` that was not left by a making that was cut short. What names the folder best comes first.
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
    entries.sort_by_key(|name| (name != "store-v0", name.clone()));
    Ok(entries.into_iter().next())
}

fn not_a_store(root: &Path, fault: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} is not a pylightnix store: {fault}", root.display()),
    )
    .at(root)
    .help("give a folder that is empty or does not exist yet, and it becomes one")
}

/// `$PYLIGHTNIX_ROOT`, else `~/_pylightnix`.
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
        .help("set PYLIGHTNIX_ROOT to the folder that the store should have")),
    }
}
