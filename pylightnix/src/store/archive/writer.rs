//! The zip file of an archive, as it is written.

use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::target::Target;
use super::{EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE};
use crate::config::Digest;
use crate::store::durable::Durability;
use crate::{Error, ErrorKind, Result};

/// By how much of a file's beginning it is judged whether deflating helps.
const SAMPLE: usize = 64 << 10;
const BUFFER: usize = 128 << 10;

/// A zip file being written.
pub(super) struct Writer {
    zip: ZipWriter<Target>,
    path: PathBuf,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| Error::io("create", path, error))?;
        Ok(Writer {
            zip: ZipWriter::new(Target::new(file)),
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
    pub(super) fn store(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
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
    pub(super) fn store_file(&mut self, name: &str, path: &Path) -> Result<()> {
        let refused = |error| Error::io("read", path, error);
        let mut file = File::open(path).map_err(refused)?;
        let size = file.metadata().map_err(refused)?.len();
        self.start(name, FILE_MODE, size, CompressionMethod::Stored)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match fill(&mut file, &mut buffer, path)? {
                0 => return Ok(()),
                read => self
                    .zip
                    .write_all(&buffer[..read])
                    .map_err(|error| self.refused(error))?,
            }
        }
    }

    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.zip
            .add_directory(name, options(FOLDER_MODE))
            .map_err(|error| self.refused(error))
    }

    pub(super) fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.zip
            .add_symlink(name, target, options(0o777))
            .map_err(|error| self.refused(error))
    }

    /// Packs an artifact, whose bytes must be what the record says.
    pub(super) fn artifact(
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

    pub(super) fn finish(self) -> Result<()> {
        let path = self.path;
        let file = self
            .zip
            .finish()
            .map_err(io::Error::from)
            .and_then(Target::into_file)
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
