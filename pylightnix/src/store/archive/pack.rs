//! Writing archives.

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use uuid::Uuid;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::links::leading_out;
use super::{EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE};
use crate::config::{DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::durable::Durability;
use crate::store::layout::{CONFIG, OUT, RECORD};
use crate::store::tree::{Entry, EntryKind};
use crate::{Error, ErrorKind, Result};

/// By how much of a file's beginning it is judged whether deflating helps.
const SAMPLE: usize = 64 << 10;
const BUFFER: usize = 128 << 10;

/// How realizations are packed into an archive.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `write` is called"]
pub struct Pack<'a> {
    store: &'a Store,
    builds: bool,
}

impl<'a> Pack<'a> {
    /// Packs realizations of `store`, with their build records.
    pub fn new(store: &'a Store) -> Self {
        Pack {
            store,
            builds: true,
        }
    }

    /// Leaves out the build records and logs, which tell hosts, users and commands. Whoever unpacks the archive has to
    /// accept the results first, as nothing says by which code they were made.
    pub fn without_builds(mut self) -> Self {
        self.builds = false;
        self
    }

    /// Writes these realizations and all that they were made from.
    ///
    /// # Errors
    /// See [`Store::pack`].
    pub fn write<R: AsRef<RRefId>>(
        self,
        roots: impl IntoIterator<Item = R>,
        archive: impl AsRef<Path>,
    ) -> Result<()> {
        let roots = roots
            .into_iter()
            .map(|root| root.as_ref().clone())
            .collect();
        let all = closure(self.store, roots)?;
        let archive = archive.as_ref();
        let Some(name) = archive.file_name() else {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("{} cannot be the name of an archive", archive.display()),
            ));
        };
        let beside = format!(".{}.{}", name.display(), Uuid::now_v7());
        let beside = archive.with_file_name(beside);
        let done = Writer::create(&beside)
            .and_then(|writer| self.fill(writer, &all))
            .and_then(|()| {
                fs::rename(&beside, archive).map_err(|error| Error::io("create", archive, error))
            });
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done?;
        let folder = match archive.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Durability::Full.sync_folder(folder)
    }

    fn fill(&self, mut writer: Writer, all: &BTreeMap<DRefId, BTreeSet<RRefId>>) -> Result<()> {
        for (dref, rrefs) in all {
            let folder = dref.folder();
            let config = self.store.config(dref)?;
            writer.store(&format!("{folder}/{CONFIG}"), config.text().as_bytes())?;
            for rref in rrefs {
                self.fill_realization(&mut writer, rref)?;
            }
        }
        writer.finish()
    }

    fn fill_realization(&self, writer: &mut Writer, rref: &RRefId) -> Result<()> {
        let prefix = format!("{}/{}", rref.dref().folder(), rref.folder());
        let record = self.store.record(rref)?;
        let place = self.store.realization_dir(rref);
        if let Some(link) = leading_out(record.manifest()) {
            let link = place.join(OUT).join(link);
            return Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "cannot pack {rref}: the link {} leads out of its artifacts",
                    link.display()
                ),
            )
            .at(&link)
            .help("have the stage write a copy, or a relative link to another of its artifacts"));
        }
        writer.store(&format!("{prefix}/{RECORD}"), record.to_text().as_bytes())?;
        if self.builds {
            for build in self.store.realization(rref)?.builds {
                let name = build.file_name();
                writer.store_file(&format!("{prefix}/{name}"), &place.join(&name))?;
                let name = build.log_name();
                if place.join(&name).exists() {
                    writer.store_file(&format!("{prefix}/{name}"), &place.join(&name))?;
                }
            }
        }
        writer.folder(&format!("{prefix}/{OUT}"))?;
        let entries = record.manifest().entries();
        let is_link = |entry: &&Entry| matches!(entry.kind, EntryKind::Link { .. });
        let others = entries.iter().filter(|entry| !is_link(entry));
        for entry in others.chain(entries.iter().filter(is_link)) {
            let name = format!("{prefix}/{OUT}/{}", entry.path);
            match &entry.kind {
                EntryKind::Dir => writer.folder(&name)?,
                EntryKind::Link { target } => writer.link(&name, target)?,
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => {
                    let path = place.join(OUT).join(&entry.path);
                    writer.artifact(&name, &path, digest, *size, *executable)?;
                }
            }
        }
        Ok(())
    }
}

/// These realizations and all that they were made from, by derivation.
fn closure(store: &Store, roots: Vec<RRefId>) -> Result<BTreeMap<DRefId, BTreeSet<RRefId>>> {
    let mut all: BTreeMap<DRefId, BTreeSet<RRefId>> = BTreeMap::new();
    let mut next = roots;
    while let Some(rref) = next.pop() {
        if all
            .entry(rref.dref().clone())
            .or_default()
            .insert(rref.clone())
        {
            next.extend(store.realization(&rref)?.context.realizations().cloned());
        }
    }
    Ok(all)
}

/// A zip file being written.
struct Writer {
    zip: ZipWriter<BufWriter<File>>,
    path: PathBuf,
}

impl Writer {
    fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| Error::io("create", path, error))?;
        Ok(Writer {
            zip: ZipWriter::new(BufWriter::with_capacity(BUFFER, file)),
            path: path.to_owned(),
        })
    }

    fn refused(&self, error: impl Into<ZipError>) -> Error {
        match error.into() {
            ZipError::Io(error) => Error::io("write", &self.path, error),
            other => Error::new(
                ErrorKind::Archive,
                format!("cannot write {}", self.path.display()),
            )
            .at(&self.path)
            .because(other),
        }
    }

    fn start(&mut self, name: &str, mode: u32, size: u64, method: CompressionMethod) -> Result<()> {
        let options = options(mode)
            .compression_method(method)
            // Deflating may make it a little longer.
            .large_file(size > u64::from(u32::MAX) - (16 << 20));
        self.zip
            .start_file(name, options)
            .map_err(|error| self.refused(error))
    }

    /// Stores a file of these bytes.
    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.start(
            name,
            FILE_MODE,
            bytes.len() as u64,
            CompressionMethod::Stored,
        )?;
        self.zip
            .write_all(bytes)
            .map_err(|error| self.refused(error))
    }

    /// Stores the file at `path`.
    fn store_file(&mut self, name: &str, path: &Path) -> Result<()> {
        let bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
        self.store(name, &bytes)
    }

    fn folder(&mut self, name: &str) -> Result<()> {
        self.zip
            .add_directory(name, options(FOLDER_MODE))
            .map_err(|error| self.refused(error))
    }

    fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.zip
            .add_symlink(name, target, options(0o777))
            .map_err(|error| self.refused(error))
    }

    /// Packs an artifact, whose bytes must be what the record says.
    fn artifact(
        &mut self,
        name: &str,
        path: &Path,
        digest: &Digest,
        size: u64,
        executable: bool,
    ) -> Result<()> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        let mut buffer = vec![0; BUFFER];
        let mut read = fill(&mut file, &mut buffer, path)?;
        let method = if shrinks(&buffer[..read.min(SAMPLE)]) {
            CompressionMethod::Deflated
        } else {
            CompressionMethod::Stored
        };
        let mode = if executable {
            EXECUTABLE_MODE
        } else {
            FILE_MODE
        };
        self.start(name, mode, size, method)?;
        let mut hasher = Sha256::new();
        let mut length = 0;
        while read > 0 && length <= size {
            hasher.update(&buffer[..read]);
            length += read as u64;
            self.zip
                .write_all(&buffer[..read])
                .map_err(|error| self.refused(error))?;
            read = fill(&mut file, &mut buffer, path)?;
        }
        if length != size || Digest(hasher.finalize().into()) != *digest {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{} is not what the record says", path.display()),
            )
            .at(path)
            .help("it was damaged or changed: move its realization away and have it made again"));
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let path = self.path;
        let file = self
            .zip
            .finish()
            .map_err(io::Error::from)
            .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .map_err(|error| Error::io("write", &path, error))?;
        Durability::Full.sync(&file, &path)
    }
}

/// Fills the buffer, unless the file ends before.
fn fill(file: &mut File, buffer: &mut [u8], path: &Path) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path, error)),
        }
    }
    Ok(filled)
}

/// Whether deflating takes away a twentieth or more.
fn shrinks(sample: &[u8]) -> bool {
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflated
        .write_all(sample)
        .and_then(|()| deflated.finish())
        .is_ok_and(|deflated| deflated.len() + sample.len() / 20 < sample.len())
}

/// Nothing that differs from one time to the next, or from one machine to another.
fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(mode & 0o777)
}
