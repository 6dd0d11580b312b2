//! Archives and compressed files of other programs.

mod compressed;
mod tar;
mod tree;
mod zip;
mod zstd;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek as _};

use crate::lens::{Build, SelfRef};
use crate::plan::{DRef, RefPath, instantiate};
use crate::{Config, Error, Result, stage};
use compressed::Compression;
use tree::Tree;

#[cfg(feature = "fetch")]
use super::Fetched;
use super::{Given, Imported};

/// What is in an archive, or in a compressed file: what [`unpack`] makes.
///
/// Its identity is the archive, by the derivation that makes it, and `strip`.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Unpacked, node};
///
/// # fn plan(archive: RefPath<Bytes>) -> Result<DRef<Unpacked>> {
/// // Without the folder `hello-1.0` in which all is.
/// let tree = instantiate(Unpacked {
///     strip: 1,
///     ..Unpacked::new(archive.opaque())
/// })?;
/// # Ok(tree) }
/// # plan(node::<Bytes>("archive", b"")?.out.clone())?;
/// # Ok::<(), pylightnix::BoxError>(())
/// ```
#[derive(Config)]
pub struct Unpacked {
    /// A folder with what is in the archive. The file, if it is only compressed.
    #[selfref("content")]
    pub out: SelfRef,
    /// The archive: a file.
    #[dref]
    pub archive: RefPath,
    /// How many names are taken from the front of each path; what has only so many has to be a folder, and is left out.
    #[config(default, omit_default)]
    pub strip: u32,
    /// The most bytes that all files together may have.
    #[config(default = 64 << 30, unhashed)]
    pub limit: u64,
    /// The most files, folders and links that there may be.
    #[config(default = 10_000_000, unhashed)]
    pub entries: u64,
}

/// What is in an archive, as a derivation.
///
/// The archive is what another derivation makes: `unpack(fetch_url(..)?)`, `unpack(file(..)?)`, or a [`RefPath`] to the
/// artifact of any stage. It is a zip file or a tar archive; gz, xz and zst files are decompressed, and if what is in there
/// is a tar archive, that is unpacked. The type is told by the bytes, whatever the name.
///
/// Nothing in an archive is trusted: each entry is written below a fresh folder, and none is there through which it could be
/// written elsewhere. Times, owners and all modes are left out, but whether a file may be executed. Files of tar archives
/// with holes (`--sparse`), encrypted zip files and multi-volume archives are not known here.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Unpacked, node, unpack};
///
/// #[derive(Config)]
/// struct Lines {
///     #[selfref("lines.json")]
///     out: SelfRef<Json<usize>>,
///     #[dref]
///     sources: DRef<Unpacked>,
/// }
///
/// #[stage]
/// fn lines(b: &Build<Lines>) -> Result<LinesOutputs> {
///     let text = std::fs::read_to_string(b.sources.out.path())?;
///     Ok(LinesOutputs { out: b.out.save(&text.lines().count())? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open_at(folder.path().join("store"))?;
/// # let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
/// # std::io::Write::write_all(&mut gz, b"one\ntwo\n")?;
/// # let gz = gz.finish()?;
/// let archive = node::<Bytes>("archive", &gz)?; // more often a `fetch_url`, or a `file`
/// let lines = store.realize(&instantiate(Lines::new(unpack(archive)?))?)?;
/// assert_eq!(lines.out.load()?, 2);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Two stages of one name in this program. When it is realized: a file of another type, or one that is damaged; a path that
/// is absolute or has `..`, that comes twice, or that this file system cannot tell from another's; a link that leads out of
/// the folder; a device, a pipe; more than `limit` or `entries` allow. The error names the entry.
pub fn unpack(archive: impl Into<RefPath>) -> Result<DRef<Unpacked>> {
    instantiate(Unpacked::new(archive.into()))
}

#[cfg(feature = "fetch")]
impl From<DRef<Fetched>> for RefPath {
    fn from(dref: DRef<Fetched>) -> Self {
        dref.out.clone()
    }
}

impl From<DRef<Imported>> for RefPath {
    fn from(dref: DRef<Imported>) -> Self {
        dref.out.clone()
    }
}

impl<F: 'static> From<DRef<Given<F>>> for RefPath {
    fn from(dref: DRef<Given<F>>) -> Self {
        dref.out.opaque()
    }
}

#[stage(name = "unpack-archive", version = 1)]
fn unpack_archive(b: &Build<Unpacked>) -> Result<()> {
    let path = b.archive.path();
    let unreadable = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let data = file.metadata().map_err(unreadable)?;
    let tree = Tree::new(path, b.out.path(), b.strip, b.limit, b.entries);
    if !data.is_file() {
        return Err(tree.refused("it is a folder, and no archive"));
    }
    let mut file = BufReader::with_capacity(128 << 10, file);
    let start = start_of(&mut file).map_err(unreadable)?;
    if zip::is_one(&start) {
        return zip::unpack(file, tree);
    }
    if tar::is_one(&start) {
        let whole = Cursor::new(start).chain(file);
        return tar::unpack(whole, tree);
    }
    let Some(compression) = Compression::of(&start) else {
        return Err(tree.refused(&unknown(&start)).help(
            "zip, tar, gz, xz and zst are known here; a page of HTML is often a server's way to say that the file is elsewhere",
        ));
    };
    file.rewind().map_err(unreadable)?;
    let mut inside = compression.read(file);
    let start = start_of(&mut inside).map_err(|error| tree.unreadable(&error))?;
    let is_tar = tar::is_one(&start);
    let whole = Cursor::new(start).chain(inside);
    if is_tar {
        tar::unpack(whole, tree)
    } else {
        tree.single(whole)
    }
}

/// The first bytes, as many as a tar archive has to have, if there are so many.
fn start_of(from: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.take(tar::BLOCK as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What is said of a file of no known type.
fn unknown(start: &[u8]) -> String {
    let known: [(&[u8], &str); 6] = [
        (b"BZh", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"LZIP", "lzip"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"!<arch>\n", "ar"),
    ];
    if start.is_empty() {
        return "it is empty, and no archive".to_owned();
    }
    match known.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => format!("it is of the type {name}, which is not known here"),
        None => format!(
            "it is of no type known here: it begins with \"{}\"",
            start[..start.len().min(16)].escape_ascii()
        ),
    }
}
