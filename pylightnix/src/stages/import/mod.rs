//! Local files and folders as derivations.

mod copy;
mod digest_cache;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use crate::lens::SelfRef;
use crate::plan::{DRef, instantiate};
use crate::store::Store;
use crate::{Config, Error, ErrorKind, Result, stage};
use digest_cache::DigestCache;
use walk::{Source, manifest};

/// The config of a copy of a local file or folder, made by [`file`](file()).
///
/// Its identity is its contents: names, bytes, links, and which files are executable. The source path, times and owners are
/// not part of it.
#[derive(Config, Debug)]
pub struct Imported {
    /// The file or the folder.
    #[selfref("content")]
    pub out: SelfRef,
    /// The tree digest of the artifacts.
    tree: String,
    #[config(default, unhashed)]
    source: PathBuf,
}

/// Makes a derivation from the contents of a local file or folder. If the contents change, it is another derivation.
///
/// The contents are hashed once. The store caches the digest of each file with its path, device, inode, size and times, and
/// reads the file again only if one of them changes. Digests of files that changed very recently are not cached, because
/// another change might not show in their times. [`file_anew`] ignores the cache. The cache is in the store's `cache/`, and
/// can be deleted.
///
/// The files are copied when the derivation is realized. On a file system with reflinks the copy takes no space.
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
/// let store = Store::open(folder.path().join("store"))?;
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
/// The path does not exist or cannot be read, the folder contains the store, an entry is not allowed in an output (a socket,
/// a device, a name that is not UTF-8), a link leads out of the folder, or a file changes while it is read.
pub fn file(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    import(store, path.as_ref(), true)
}

/// Makes a derivation like [`file`](file()), but reads all files again and updates the cache.
///
/// # Errors
/// The same as those of [`file`](file()).
pub fn file_anew(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    import(store, path.as_ref(), false)
}

fn import(store: &Store, path: &Path, use_cache: bool) -> Result<DRef<Imported>> {
    let source = canonical(path, "import")?;
    let root = store.root();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    if root.starts_with(&source) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("cannot import {}: the store lies in it", path.display()),
        )
        .at(path)
        .with_help(
            "import only the folders and files that are needed, or put the store elsewhere",
        ));
    }
    let found = Source::walk(&source)?;
    let cache = DigestCache::of(store, &source);
    let digests = cache.digests(&found, use_cache)?;
    let tree = manifest(&found, digests)?.digest().to_string();
    imported(source, tree)
}

/// Returns the canonical path that an imported file or folder comes from, and the tree digest of its contents.
pub(crate) fn imported_from(dref: &DRef<Imported>) -> (&Path, &str) {
    (&dref.source, &dref.tree)
}

/// Makes the derivation of a file or folder from its tree digest, without reading it. `source` is canonical.
pub(crate) fn imported(source: PathBuf, tree: String) -> Result<DRef<Imported>> {
    // The path is not in the config, but it is the only thing by which people recognize the derivation.
    let note = display_path(&source);
    let imported = instantiate(Imported {
        source,
        ..Imported::new(tree)
    })?;
    Ok(imported.with_note(note))
}

/// Returns the path relative to the current folder, if it is inside.
fn display_path(source: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let here = here.unwrap_or_default();
    match source.strip_prefix(&here) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        _ => source.display().to_string(),
    }
}

/// Resolves symbolic links, so that the cache is keyed by the file itself.
fn canonical(path: &Path, verb: &str) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = Error::io(verb, path, error);
        if !missing {
            return error;
        }
        error.with_help(format!(
            "give an absolute path or one relative to {}; earlier imports from this path are still in the store",
            std::env::current_dir().unwrap_or_default().display()
        ))
    })
}

#[stage(name = "import-file", version = 1)]
fn import_file(b: &crate::lens::Build<Imported>) -> Result<()> {
    if b.source.as_os_str().is_empty() {
        return Err(Error::new(
            ErrorKind::Stage,
            "this process does not know the source path of the import",
        )
        .with_help("make the derivation with `file` in the program that realizes it"));
    }
    let changed = |cause: Option<Error>| {
        let error = Error::new(
            ErrorKind::Stage,
            format!("{} changed after it was hashed", b.source.display()),
        )
        .at(&b.source)
        .with_help("run again when no program writes to it; it is then another derivation");
        match cause {
            Some(cause) => error.because(cause),
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
