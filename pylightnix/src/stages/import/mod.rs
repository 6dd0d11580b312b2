//! Local files and folders as derivations.

mod copy;
mod digest_cache;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Digest;
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
    /// Whether the artifact is a folder with the file under its name.
    #[config(default, unhashed)]
    named: bool,
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
    import(store, path.as_ref(), &How::default())
}

/// Makes a derivation like [`file`](file()), but reads all files again and updates the cache.
///
/// # Errors
/// The same as those of [`file`](file()).
pub fn file_anew(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    let how = How {
        anew: true,
        ..How::default()
    };
    import(store, path.as_ref(), &how)
}

/// Makes a derivation like [`file`](file()), from a single file that keeps its name: the artifact `out` is a folder with this file in it, for
/// programs that go by names. It is the derivation of a folder with nothing but this file. If `path` is a symbolic link, the file has the name of the
/// link.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::stages::file_named;
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes.txt");
/// let store = Store::open(folder.path().join("store"))?;
/// std::fs::write(&path, "one\ntwo\n")?;
/// let notes = file_named(&store, &path)?;
/// assert!(store.realize(&notes)?.out.path().join("notes.txt").is_file());
///
/// let notes: RefPath<Text> = notes.out.join("notes.txt")?; // for the config of another stage
/// # assert_eq!(notes.path(), "content/notes.txt");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The same as those of [`file`](file()), and the path is that of a folder.
pub fn file_named(store: &Store, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
    let how = How {
        named: true,
        ..How::default()
    };
    import(store, path.as_ref(), &how)
}

/// Makes a derivation like [`file`](file()), if the file has the SHA-256 digest `sha256`: 64 hex digits, as `sha256sum` prints them. It is
/// the derivation that `file` makes.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{file, file_expecting};
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("greeting.txt");
/// let store = Store::open(folder.path().join("store"))?;
/// std::fs::write(&path, "hello")?;
/// let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
/// assert_eq!(file_expecting(&store, &path, sha256)?, file(&store, &path)?);
///
/// std::fs::write(&path, "hallo")?;
/// assert!(file_expecting(&store, &path, sha256).is_err());
/// # Ok(()) }
/// ```
///
/// # Errors
/// The same as those of [`file`](file()); the file has another digest; `sha256` is not a valid digest; or the path is that of a folder.
pub fn file_expecting(
    store: &Store,
    path: impl AsRef<Path>,
    sha256: &str,
) -> Result<DRef<Imported>> {
    let how = How {
        expected: Some(sha256.parse()?),
        ..How::default()
    };
    import(store, path.as_ref(), &how)
}

/// How a file or a folder is imported.
#[derive(Default)]
struct How {
    /// Whether all files are read again.
    anew: bool,
    /// Whether the file keeps its name.
    named: bool,
    /// The digest that the file has to have.
    expected: Option<Digest>,
}

fn import(store: &Store, path: &Path, how: &How) -> Result<DRef<Imported>> {
    let source = match how.named {
        true => canonical_but_name(path, "import")?,
        false => canonical(path, "import")?,
    };
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
    if (how.named || how.expected.is_some()) && source.is_dir() {
        let message = format!("cannot import {} as a file: it is a folder", path.display());
        return Err(Error::new(ErrorKind::Config, message)
            .at(path)
            .with_help("import it with `file`, which takes folders under their contents"));
    }
    let found = scan(&source, how.named)?;
    let cache = DigestCache::of(store, &source);
    let digests = cache.digests(&found, !how.anew)?;
    if let (Some(expected), [found]) = (&how.expected, &*digests)
        && expected != found
    {
        let message = format!(
            "{} has the SHA-256 digest {found}, but expected is {expected}",
            path.display()
        );
        return Err(Error::new(ErrorKind::Config, message).at(path).with_help(
            "if the file was changed on purpose, put its new digest into the plan; otherwise do not trust the file",
        ));
    }
    let tree = manifest(&found, digests)?.digest().to_string();
    imported(source, tree, how.named)
}

/// Scans what is to be imported, as it will lie in the artifact.
fn scan(source: &Path, named: bool) -> Result<Source> {
    match named {
        true => Source::named(source),
        false => Source::walk(source),
    }
}

/// Returns the path that an imported file or folder comes from, canonical but for the name of a file that keeps it, the tree digest of its contents, and whether it is a file that
/// keeps its name.
pub(crate) fn imported_from(dref: &DRef<Imported>) -> (&Path, &str, bool) {
    (&dref.source, &dref.tree, dref.named)
}

/// Makes the derivation of a file or folder from its tree digest, without reading it. `source` is as [`imported_from`] has it.
pub(crate) fn imported(source: PathBuf, tree: String, named: bool) -> Result<DRef<Imported>> {
    // The path is not in the config, but it is the only thing by which people recognize the derivation.
    let note = display_path(&source);
    let imported = instantiate(Imported {
        source,
        named,
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

/// Resolves symbolic links up to the last name, which is what a file is called by, also if it is that of a link.
fn canonical_but_name(path: &Path, verb: &str) -> Result<PathBuf> {
    let whole = canonical(path, verb)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(whole);
    };
    let here = folder.as_os_str().is_empty();
    let folder = if here { Path::new(".") } else { folder };
    Ok(canonical(folder, verb)?.join(name))
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
    let found = scan(&b.source, b.named).map_err(|error| changed(Some(error)))?;
    let made = copy::copy(&found, b.out.path())?;
    if manifest(&found, made)?.digest().to_string() != b.tree {
        return Err(changed(None));
    }
    Ok(())
}
