//! Files and folders of this machine.

mod copy;
mod memory;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use crate::lens::SelfRef;
use crate::plan::{DRef, instantiate};
use crate::store::Store;
use crate::{Config, Error, ErrorKind, Result, stage};
use memory::Memory;
use walk::{Source, manifest};

/// A copy of a file or a folder of this machine: what [`file`](file()) makes.
///
/// Its identity is its contents: names in it, bytes, which files may be executed, links. The path that it came from, the
/// times, and the owners do not count.
#[derive(Config)]
pub struct Imported {
    /// The file or the folder.
    #[selfref("content")]
    pub out: SelfRef,
    /// The digest of the artifacts, as the record of the realization has it.
    tree: String,
    #[config(default, unhashed)]
    source: PathBuf,
}

/// A file or a folder of this machine as a derivation, by its contents: when they change, it is another derivation.
///
/// The contents are hashed once. The store remembers each file by its path with its device, inode, size and times, in
/// nanoseconds, and does not read again what still has the same. A file that changed so lately that another change might
/// not show in its times is not remembered; [`file_anew`] reads everything again whatever is remembered. What is
/// remembered lies in the store's `cache/`, and can be deleted.
///
/// Nothing is copied before it is realized. On a file system that can share blocks between files, the copy takes no room.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Imported, file};
///
/// #[derive(Config)]
/// struct Count {
///     #[selfref("count.json")]
///     out: SelfRef<Json<usize>>,
///     #[dref]
///     text: DRef<Imported>,
/// }
///
/// #[stage]
/// fn count(b: &Build<Count>) -> Result<CountOutputs> {
///     let text = std::fs::read_to_string(b.text.out.path())?;
///     Ok(CountOutputs { out: b.out.save(&text.lines().count())? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes.txt");
/// let store = Store::open_at(folder.path().join("store"))?;
/// std::fs::write(&path, "one\ntwo\n")?;
/// let count = || instantiate(Count::new(file(&store, &path)?));
/// assert_eq!(store.realize(&count()?)?.out.load()?, 2);
///
/// std::fs::write(&path, "one\ntwo\nthree\n")?;
/// assert_eq!(store.realize(&count()?)?.out.load()?, 3);
/// # Ok(()) }
/// ```
///
/// # Errors
/// A path where nothing is; an entry that no output may hold (a socket, a device, a name that is not UTF-8), or a link in
/// a folder that leads out of it; a file that changes while it is read; a folder that the store lies in; a refusal of the
/// system.
pub fn file(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    import(store, path.as_ref(), true)
}

/// As [`file`](file()), and reads everything again, whatever is remembered. What it finds is remembered.
///
/// # Errors
/// As [`file`](file()).
pub fn file_anew(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    import(store, path.as_ref(), false)
}

fn import(store: &Store, path: &Path, remembering: bool) -> Result<DRef<Imported>> {
    let source = real(path, "import")?;
    let root = store.root();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    if root.starts_with(&source) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("cannot import {}: the store lies in it", path.display()),
        )
        .at(path)
        .help("import only the folders and files that are needed, or put the store elsewhere"));
    }
    let found = Source::walk(&source)?;
    let memory = Memory::of(store, &source);
    let digests = memory.digests(&found, remembering)?;
    let tree = manifest(&found, digests)?.digest().to_string();
    // What is not hashed is in no config, and people know it by nothing else.
    let note = shown(&source);
    let imported = instantiate(Imported {
        source,
        ..Imported::new(tree)
    })?;
    Ok(imported.noted(note))
}

/// The path from where this program runs, if it lies there.
fn shown(source: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let here = here.unwrap_or_default();
    match source.strip_prefix(&here) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        _ => source.display().to_string(),
    }
}

/// The path without links on the way, so that what is remembered is of the file itself.
fn real(path: &Path, verb: &str) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = Error::io(verb, path, error);
        if !missing {
            return error;
        }
        error.help(format!(
            "write the path from {} on, or from the root (`/`); what was imported from it before is still in the store",
            std::env::current_dir().unwrap_or_default().display()
        ))
    })
}

#[stage(name = "import-file", version = 1)]
fn import_file(b: &crate::lens::Build<Imported>) -> Result<()> {
    if b.source.as_os_str().is_empty() {
        return Err(Error::new(
            ErrorKind::Stage,
            "this process does not know where it was imported from",
        )
        .help("make it with `file` in the program that realizes it"));
    }
    let changed = |why: Option<Error>| {
        let error = Error::new(
            ErrorKind::Stage,
            format!("{} changed after it was hashed", b.source.display()),
        )
        .at(&b.source)
        .help("run again when nobody is writing to it; it is then another derivation");
        match why {
            Some(why) => error.because(why),
            None => error,
        }
    };
    let found = Source::walk(&b.source).map_err(|error| changed(Some(error)))?;
    let made = copy::copy(&found, b.out.path())?;
    if manifest(&found, made)?.digest().to_string() != b.tree {
        return Err(changed(None));
    }
    Ok(())
}
