//! Archives and compressed files as derivations.

use crate::lens::{Build, SelfRef};
use crate::plan::{DRef, RefPath, instantiate};
use crate::store::foreign;
use crate::{Config, Result, stage};

#[cfg(feature = "fetch")]
use super::Fetched;
use super::{Given, Imported};

/// The config of an unpacked archive or compressed file, made by [`unpack`].
///
/// Its identity is the derivation of the archive, and `strip`.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Unpacked, node};
///
/// # fn plan(archive: RefPath<Bytes>) -> Result<DRef<Unpacked>> {
/// // Without the top folder `hello-1.0`.
/// let tree = instantiate(Unpacked {
///     strip: 1,
///     ..Unpacked::new(archive.opaque())
/// })?;
/// # Ok(tree) }
/// # plan(node::<Bytes>("archive", b"")?.out.clone())?;
/// # Ok::<(), pylightnix::BoxError>(())
/// ```
#[derive(Config, Debug)]
pub struct Unpacked {
    /// A folder with the content of the archive, or the decompressed file.
    #[selfref("content")]
    pub out: SelfRef,
    /// The archive, a file.
    #[dref]
    pub archive: RefPath,
    /// The number of leading names to remove from each path. Folders with no more names are skipped; other such entries are
    /// an error.
    #[config(default, omit_default)]
    pub strip: u32,
    /// The maximal total size of all files, in bytes.
    #[config(default = 64 << 30, unhashed)]
    pub limit: u64,
    /// The maximal number of files, folders and links.
    #[config(default = 10_000_000, unhashed)]
    pub entries: u64,
}

/// Makes a derivation that unpacks an archive.
///
/// The archive is an artifact of another derivation: `unpack(fetch_url(..)?)`, `unpack(file(..)?)`, or a [`RefPath`] to the
/// artifact of any stage. It is a zip file or a tar archive; gz, xz and zst files are decompressed, and unpacked if they
/// contain a tar archive. The type is detected by the content, not by the name.
///
/// Archives are not trusted: entries are written only inside a new folder, and links are made last, so that no entry can be
/// written elsewhere. Times, owners and modes are ignored, except the executable bit. Sparse files in tar archives
/// (`--sparse`), encrypted zip files and multi-volume archives are not supported.
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
/// let store = Store::open(folder.path().join("store"))?;
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
/// Two stages of this program have the same name. When it is realized: the file has another type or is damaged; a path is
/// absolute, contains `..`, occurs twice, or equals another one on this file system; a link leads out of the folder; an
/// entry is a device or a pipe; or `limit` or `entries` is exceeded. The error names the entry.
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

#[stage(name = "unpack-archive", version = 1, reads = artifacts)]
fn unpack_archive(b: &Build<Unpacked>) -> Result<()> {
    let limits = foreign::Limits {
        strip: b.strip,
        bytes: b.limit,
        entries: b.entries,
    };
    foreign::unpack(b.archive.path(), b.out.path(), &limits)
}
