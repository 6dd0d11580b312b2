//! A sequential writer of zip files. Only for entries that are too large to be held in memory it rewrites the header at the
//! end.

use crc32fast::Hasher as Crc;
use rustix::fd::OwnedFd;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::deflate::{Deflaters, SAMPLE};
use super::entry::{self, Header};
use super::frame::Method;
use super::{FILE_MODE, FOLDER_MODE, LINK_MODE};
use crate::config::Digest;
use crate::store::disk::below::{open_file, open_folder};
use crate::store::disk::durable::Durability;
use crate::store::disk::hashing_stream::{HashingStream, hash_passing};
use crate::store::disk::parallel;
use crate::store::disk::regular::open_regular;
use crate::{Error, ErrorKind, Result};

const BUFFER: usize = 256 << 10;
/// Files up to this size are packed in memory, several in parallel.
const SMALL: u64 = 1 << 20;
/// Maximum total size and number of files in one batch.
const BATCH: u64 = 8 << 20;
const BATCH_FILES: usize = 512;
/// Batches below this size are packed inline: starting threads would take longer.
const FEW_BYTES: u64 = 256 << 10;
/// Large files are deflated in parts of this size, this many in parallel.
const PART: u64 = 1 << 20;
const PARTS: usize = 8;

/// A zip file that is being written.
pub(in crate::store) struct Writer {
    file: BufWriter<File>,
    path: PathBuf,
    /// The current offset.
    at: u64,
    directory: Vec<u8>,
    entries: u64,
    deflaters: Deflaters,
    /// Whether writing the archive itself has failed.
    is_refused: bool,
}

/// A folder or a file to pack.
pub(in crate::store) struct Artifact<'a> {
    /// The name in the archive.
    pub(in crate::store) name: String,
    /// The path below `out/`.
    pub(in crate::store) path: &'a str,
    pub(in crate::store) mode: u32,
    /// The expected hash; `None` for a folder.
    pub(in crate::store) digest: Option<&'a Digest>,
    pub(in crate::store) size: u64,
}

/// The artifact folder of a realization, opened.
pub(in crate::store) struct Out {
    path: PathBuf,
    folder: OwnedFd,
}

impl Out {
    pub(in crate::store) fn open(path: PathBuf) -> Result<Self> {
        let folder = open_folder(&path)?;
        Ok(Out { path, folder })
    }
}

/// The compressed content of an entry.
struct Packed {
    method: Method,
    crc: u32,
    bytes: Vec<u8>,
}

impl Writer {
    pub(in crate::store) fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| Error::io("create", path, error))?;
        Ok(Self::of(file, path))
    }

    /// Creates a writer for an empty file; `path` identifies it in error messages.
    pub(in crate::store) fn of(file: File, path: &Path) -> Self {
        Writer {
            file: BufWriter::with_capacity(BUFFER, file),
            path: path.to_owned(),
            at: 0,
            directory: Vec::new(),
            entries: 0,
            deflaters: Deflaters::default(),
            is_refused: false,
        }
    }

    /// Writes an entry with these bytes, stored.
    pub(in crate::store) fn store(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.stored(name.to_owned(), FILE_MODE, bytes)
    }

    /// Writes an entry with the content of a file, stored.
    pub(in crate::store) fn store_file(&mut self, name: &str, path: &Path) -> Result<()> {
        let opened = open_regular(path);
        let (mut file, size) = opened.map_err(|error| Error::io("read", path, error))?;
        let mut header = self.header(name.to_owned(), FILE_MODE, size);
        self.begin(&header)?;
        let mut passing = HashingStream::unhashed(size);
        self.copy(&mut file, path, &mut header, &mut passing)?;
        self.end_again(header)
    }

    /// Writes an entry with a log, of which no record has a hash.
    pub(in crate::store) fn log(&mut self, name: &str, path: &Path) -> Result<()> {
        let unreadable = |error| Error::io("read", path, error);
        let (mut file, size) = open_regular(path).map_err(unreadable)?;
        let mut header = self.header(name.to_owned(), FILE_MODE, size);
        let mut sample = vec![0; SAMPLE.min(size as usize)];
        let read = file.read_at(&mut sample, 0).map_err(unreadable)?;
        if self.deflaters.shrink(&sample[..read]).is_none() {
            return self.store_file(name, path);
        }
        header.method = Method::Deflated;
        self.begin(&header)?;
        self.deflate(&mut file, path, &mut header)?;
        self.end_again(header)
    }

    pub(in crate::store) fn folder(&mut self, name: &str) -> Result<()> {
        self.stored(format!("{name}/"), FOLDER_MODE, &[])
    }

    pub(in crate::store) fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.stored(name.to_owned(), LINK_MODE, target.as_bytes())
    }

    /// Packs folders and files in this order, and verifies their content against the record.
    pub(in crate::store) fn artifacts(
        &mut self,
        out: &Out,
        mut all: &[Artifact<'_>],
    ) -> Result<()> {
        while let [first, rest @ ..] = all {
            if first.size > SMALL {
                self.large_artifact(out, first)?;
                all = rest;
                continue;
            }
            let mut bytes = 0;
            let batch = all.iter().take(BATCH_FILES).take_while(|artifact| {
                bytes += artifact.size;
                artifact.size <= SMALL && bytes <= BATCH
            });
            let (batch, rest) = all.split_at(batch.count());
            let threads = match bytes >= FEW_BYTES {
                true => parallel::cores(),
                false => 1,
            };
            let packed = parallel::map(batch, threads, |_, artifact| self.pack(out, artifact))?;
            for (artifact, packed) in batch.iter().zip(packed) {
                let mut header = self.header(artifact.name.clone(), artifact.mode, artifact.size);
                header.method = packed.method;
                header.crc = packed.crc;
                header.packed = packed.bytes.len() as u64;
                self.begin(&header)?;
                self.write(&packed.bytes)?;
                self.end(header);
            }
            all = rest;
        }
        Ok(())
    }

    /// Compresses a small file. Costs open, two reads and close.
    fn pack(&self, out: &Out, artifact: &Artifact<'_>) -> Result<Packed> {
        let Some(digest) = artifact.digest else {
            return Ok(Packed {
                method: Method::Stored,
                crc: 0,
                bytes: Vec::new(),
            });
        };
        let file = open(out, artifact)?;
        // One byte of room beyond the expected size detects a file that is longer.
        let most = artifact.size + 1;
        let mut bytes = Vec::with_capacity(most as usize);
        file.take(most).read_to_end(&mut bytes).map_err(|error| {
            let path = out.path.join(artifact.path);
            Error::io("read", &path, error)
        })?;
        if bytes.len() as u64 != artifact.size || Digest::of(&bytes) != *digest {
            return Err(damaged(out, artifact));
        }
        let crc = crc32fast::hash(&bytes);
        let (method, bytes) = match self.deflaters.shrink(&bytes) {
            Some(deflated) => (Method::Deflated, deflated),
            None => (Method::Stored, bytes),
        };
        Ok(Packed { method, crc, bytes })
    }

    fn large_artifact(&mut self, out: &Out, artifact: &Artifact<'_>) -> Result<()> {
        let path = out.path.join(artifact.path);
        let mut file = open(out, artifact)?;
        let mut header = self.header(artifact.name.clone(), artifact.mode, artifact.size);
        let mut sample = vec![0; SAMPLE];
        let read = file.read_at(&mut sample, 0);
        let read = read.map_err(|error| Error::io("read", &path, error))?;
        let digest = if self.deflaters.shrink(&sample[..read]).is_some() {
            header.method = Method::Deflated;
            self.begin(&header)?;
            self.deflate(&mut file, &path, &mut header)?
        } else {
            self.begin(&header)?;
            let (copied, digest) = hash_passing(artifact.size, |passing| {
                self.copy(&mut file, &path, &mut header, passing)
            });
            copied?;
            digest
        };
        if header.size != artifact.size || Some(&digest) != artifact.digest {
            return Err(damaged(out, artifact));
        }
        self.end_again(header)
    }

    /// Writes the content of a file, stored, and updates the header. Reads at most a little more than the header's size.
    fn copy(
        &mut self,
        file: &mut File,
        path: &Path,
        header: &mut Header,
        passing: &mut HashingStream,
    ) -> Result<()> {
        let mut crc = Crc::new();
        while passing.size() <= header.size {
            let read = fill(file, passing.buffer(), path)?;
            if read == 0 {
                break;
            }
            let part = &passing.buffer()[..read];
            crc.update(part);
            self.write(part)?;
            passing.pass(read);
        }
        header.crc = crc.finalize();
        header.size = passing.size();
        header.packed = passing.size();
        Ok(())
    }

    /// Writes the content of a file, deflated, and updates the header. Reads at most one byte more than the header's size.
    /// Returns the SHA-256.
    fn deflate(&mut self, file: &mut File, path: &Path, header: &mut Header) -> Result<Digest> {
        let expected = header.size;
        let begun = self.at;
        let mut crc = Crc::new();
        let hasher = Mutex::new(Sha256::new());
        let mut left = expected;
        header.size = 0;
        let mut parts = vec![vec![0; PART as usize]; PARTS];
        while left > 0 {
            let mut filled = Vec::with_capacity(PARTS);
            for part in &mut parts {
                let length = left.min(PART);
                let read = fill(file, &mut part[..length as usize], path)? as u64;
                header.size += read;
                left -= length;
                filled.push(&part[..read as usize]);
                if read < length {
                    // The file is shorter than expected, which the caller detects.
                    left = 0;
                }
                if left == 0 {
                    break;
                }
            }
            // The first job hashes all parts in order; each other job deflates one part.
            let jobs: Vec<Option<&[u8]>> = [None]
                .into_iter()
                .chain(filled.iter().copied().map(Some))
                .collect();
            let done = parallel::map(&jobs, parallel::cores(), |at, job| {
                let Some(part) = job else {
                    let mut hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
                    filled.iter().for_each(|part| hasher.update(part));
                    return Ok(None);
                };
                let is_last = left == 0 && at + 1 == jobs.len();
                let mut crc = Crc::new();
                crc.update(part);
                let deflated = self.deflaters.part(part, is_last);
                let deflated = deflated.ok_or_else(|| {
                    let why = io::Error::other("it could not be deflated");
                    Error::io("pack", path, why)
                })?;
                Ok(Some((crc, deflated)))
            })?;
            for (part, deflated) in done.into_iter().flatten() {
                crc.combine(&part);
                self.write(&deflated)?;
            }
        }
        // One byte of room beyond the expected size detects a file that is longer.
        header.size += fill(file, &mut [0], path)? as u64;
        header.crc = crc.finalize();
        header.packed = self.at - begun;
        let hasher = hasher.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Digest(hasher.finalize().into()))
    }

    /// Returns the header of the next entry, of roughly this size.
    fn header(&self, name: String, mode: u32, size: u64) -> Header {
        Header {
            name,
            mode,
            method: Method::Stored,
            crc: 0,
            packed: size,
            size,
            // Deflating may add a little.
            large: size > u64::from(u32::MAX) - (16 << 20),
            offset: self.at,
        }
    }

    fn stored(&mut self, name: String, mode: u32, bytes: &[u8]) -> Result<()> {
        let mut header = self.header(name, mode, bytes.len() as u64);
        header.crc = crc32fast::hash(bytes);
        self.begin(&header)?;
        self.write(bytes)?;
        self.end(header);
        Ok(())
    }

    fn begin(&mut self, header: &Header) -> Result<()> {
        self.write(&header.local())
    }

    fn end(&mut self, header: Header) {
        header.central(&mut self.directory);
        self.entries += 1;
    }

    /// Ends an entry, rewriting its local header with the final values.
    fn end_again(&mut self, header: Header) -> Result<()> {
        let written = self.file.flush().and_then(|()| {
            let file = self.file.get_ref();
            file.write_all_at(&header.local(), header.offset)
        });
        self.is_refused |= written.is_err();
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.end(header);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.at += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        self.is_refused |= written.is_err();
        written.map_err(|error| Error::io("write", &self.path, error))
    }

    /// Whether an error concerns the archive itself rather than a file to pack.
    pub(in crate::store) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Writes the central directory, and returns the size of the archive.
    pub(in crate::store) fn finish(mut self, durability: Durability) -> Result<u64> {
        let (start, directory) = (self.at, std::mem::take(&mut self.directory));
        self.write(&directory)?;
        self.write(&entry::end(self.entries, start, directory.len() as u64))?;
        let file = self.file.into_inner();
        let file = file.map_err(|error| Error::io("write", &self.path, error.into_error()))?;
        durability.sync(&file, &self.path)?;
        Ok(self.at)
    }
}

fn open(out: &Out, artifact: &Artifact<'_>) -> Result<File> {
    open_file(&out.folder, artifact.path)
        .map_err(|errno| Error::io("open", &out.path.join(artifact.path), errno.into()))
}

fn damaged(out: &Out, artifact: &Artifact<'_>) -> Error {
    let path = out.path.join(artifact.path);
    Error::new(
        ErrorKind::Store,
        format!("{} does not match the record", path.display()),
    )
    .at(&path)
    .with_help("it was damaged or changed: move its realization away and have it made again")
}

/// Fills the buffer, unless the file ends earlier.
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
