//! The handle of a remote, and what is asked of its objects.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::backend::{Backend, Object, ObjectReader};
use super::folder::FolderBackend;
use super::impatient::{Impatient, is_given_up};
use super::index::CACHE;
use crate::config::Digest;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// The object that says what the others are.
const FORMAT: &str = "pylightnix.json";
/// The content of that object.
const FORMAT_TEXT: &str = "{\"format\":\"pylightnix-remote\",\"version\":1}\n";
/// The number of objects that a list has in one request.
const PAGE: u64 = 1000;
/// The number of times that a request is made before its failure counts.
const TRIES: u32 = 4;
/// How long to wait before the first repetition; each further wait is four times as long.
const WAIT: Duration = Duration::from_millis(50);

/// A place where realizations are kept for others, such as a folder on a shared disk.
///
/// Clones share the count of requests.
///
/// ```
/// use pylightnix::store::remote::Remote;
///
/// # let folder = tempfile::tempdir()?;
/// let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
/// assert_eq!(remote.requests(), 0); // nothing was asked yet
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    backend: Arc<dyn Backend>,
    requests: Arc<AtomicU64>,
    /// The name by which a store knows it.
    name: Option<Arc<str>>,
    /// Whether it is asked by a run, to which any failure of the remote is one of the kind [`ErrorKind::Remote`].
    is_of_run: bool,
}

impl Remote {
    /// Opens the remote at an address: a folder; with the feature `fetch` an `http://` or `https://` URL, which is for reading alone;
    /// or with the feature `remote` an object store as `CloudBackend` knows them. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not understood, or needs a feature that this program lacks.
    pub fn open(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Remote::over(FolderBackend::new(url)?));
        };
        match scheme {
            "file" if rest.starts_with('/') => Ok(Remote::over(FolderBackend::new(rest)?)),
            "http" | "https" => of_web(url),
            "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" => of_cloud(url),
            _ => Err(Error::new(
                ErrorKind::Remote,
                format!("`{scheme}://` is no address of a remote"),
            )
            .with_help("give a folder, or a URL that begins with `https://`, `http://`, `s3://`, `gs://` or `az://`")),
        }
    }

    /// Uses a backend of one's own.
    pub fn over(backend: impl Backend + 'static) -> Self {
        Remote {
            backend: Arc::new(backend),
            requests: Arc::default(),
            name: None,
            is_of_run: false,
        }
    }

    /// Returns the same remote with the name by which a store knows it.
    pub(super) fn named(self, name: &str) -> Self {
        let name = Some(name.into());
        Remote { name, ..self }
    }

    /// Returns the same remote for a run: a request that takes longer than `patience` without a sign of life fails, as do all later ones.
    pub(crate) fn of_run(&self, patience: Duration) -> Self {
        Remote {
            backend: Arc::new(Impatient::new(self.backend.clone(), patience)),
            is_of_run: true,
            ..self.clone()
        }
    }

    /// Returns the name by which the store knows it that opened it, else the address.
    pub fn name(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => self.url(),
        }
    }

    /// Returns the address, without secrets.
    pub fn url(&self) -> String {
        self.backend.url()
    }

    /// Returns the number of requests that were made by this handle and its clones.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn count(&self, requests: u64) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
    }

    /// Makes a request, again if it fails.
    fn repeated<R>(&self, mut request: impl FnMut() -> Result<R>) -> Result<R> {
        let (mut wait, mut tries) = (WAIT, 1);
        loop {
            match request() {
                Err(error) if tries < TRIES && may_pass(&error) => {
                    thread::sleep(wait);
                    wait *= 4;
                    tries += 1;
                }
                Err(error) if self.is_of_run && error.kind() == ErrorKind::Io => {
                    let text = format!("the remote {} cannot be read", self.url());
                    return Err(Error::new(ErrorKind::Remote, text).because(error));
                }
                done => return done,
            }
        }
    }

    /// Lists the objects in a folder; `None` if the remote cannot be listed.
    pub(super) fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        self.repeated(|| {
            let listed = self.backend.list(folder);
            // One that cannot be listed is not asked.
            if !matches!(listed, Ok(None)) {
                let found = listed.as_ref().ok().and_then(Option::as_ref);
                let length = found.map_or(0, Vec::len) as u64;
                self.count(length.div_ceil(PAGE).max(1));
            }
            listed
        })
    }

    /// Reads an object of at most `most` bytes; `None` if there is no such object.
    pub(super) fn read(&self, object: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let read = self.repeated(|| {
            let Some(reader) = self.open_object(object, None)? else {
                return Ok(None);
            };
            // One byte more tells an object that is too long.
            self.drain(object, reader, most.saturating_add(1)).map(Some)
        })?;
        match read {
            Some(bytes) if bytes.len() as u64 > most => Err(self.refused(
                object,
                &format!("is longer than the {most} bytes that it may have"),
            )),
            read => Ok(read),
        }
    }

    /// Reads a range of an object; `None` if there is no such object. What is returned may be shorter than the range, if the object is.
    pub(super) fn read_range(&self, object: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let length = range.end.saturating_sub(range.start);
        self.repeated(|| match self.open_object(object, Some(range.clone()))? {
            Some(reader) => self.drain(object, reader, length).map(Some),
            None => Ok(None),
        })
    }

    /// Opens an object for reading; `None` if there is no such object.
    pub(super) fn open_object(
        &self,
        object: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<ObjectReader>> {
        self.count(1);
        self.backend.get(object, range)
    }

    fn drain(&self, object: &str, reader: ObjectReader, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match reader.take(most).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.unread(object, error)),
        }
    }

    /// Returns the error for an object whose bytes stopped coming.
    pub(super) fn unread(&self, object: &str, error: io::Error) -> Error {
        let text = format!("{object} of {} cannot be read", self.url());
        Error::new(ErrorKind::Io, text).because(error)
    }

    pub(super) fn size(&self, object: &str) -> Result<Option<u64>> {
        self.repeated(|| {
            self.count(1);
            self.backend.size(object)
        })
    }

    pub(super) fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.repeated(|| {
            self.count(1);
            self.backend.put(object, bytes)
        })
    }

    /// Puts a file, and goes on with what the notes of `store` say of an earlier attempt.
    pub(super) fn put_file(&self, object: &str, file: &Path, store: &Store) -> Result<()> {
        let name = Digest::of(format!("{}\n{object}", self.url()).as_bytes());
        let folder = store.cache_dir().join(CACHE);
        // Without the folder there are no notes.
        let _ = fs::create_dir_all(&folder);
        let notes = folder.join(format!("upload-{name}"));
        self.repeated(|| {
            let put = self.backend.resume_file(object, file, &notes);
            self.count(*put.as_ref().unwrap_or(&1));
            put.map(|_| ())
        })
    }

    /// Deletes an object, which need not exist.
    pub(super) fn delete(&self, object: &str) -> Result<()> {
        self.repeated(|| {
            self.count(1);
            self.backend.delete(object)
        })
    }

    /// Returns the time by the clock of the remote.
    ///
    /// # Errors
    /// The remote cannot be reached, or does not tell the time.
    pub fn time(&self) -> Result<Timestamp> {
        self.repeated(|| {
            self.count(1);
            self.backend.time()
        })
    }

    /// Whether there is a remote of this version at the address; an error if there is one of another version, or something else.
    pub(super) fn is_made(&self) -> Result<bool> {
        for _ in 0..TRIES {
            match self.read(FORMAT, 4096)? {
                None => return Ok(false),
                Some(text) if text == FORMAT_TEXT.as_bytes() => return Ok(true),
                // Cut short on its way, maybe.
                Some(_) => {}
            }
        }
        Err(self
            .refused(FORMAT, "says that this is no remote of version 1")
            .with_help("a later version of pylightnix may have made it; push to another address"))
    }

    /// Says what the objects are.
    pub(super) fn make(&self) -> Result<()> {
        self.put(FORMAT, FORMAT_TEXT.as_bytes())
    }

    /// Returns the error for an object that is not what it has to be; `why` is a predicate.
    pub(super) fn refused(&self, object: &str, why: &str) -> Error {
        Error::new(
            ErrorKind::Remote,
            format!("{object} of the remote {} {why}", self.url()),
        )
    }
}

/// Whether a request that failed so may succeed when it is made again.
fn may_pass(error: &Error) -> bool {
    let mut causes = error.causes().filter_map(|cause| cause.downcast_ref());
    let fixed = causes.any(|error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
        )
    });
    error.kind() == ErrorKind::Io && !fixed && !is_given_up(error)
}

#[cfg(feature = "fetch")]
fn of_web(url: &str) -> Result<Remote> {
    Ok(Remote::over(super::http::HttpBackend::new(url)?))
}

#[cfg(not(feature = "fetch"))]
fn of_web(url: &str) -> Result<Remote> {
    let text = format!(
        "the remote {url} cannot be read: this program was built without the feature `fetch`"
    );
    Err(Error::new(ErrorKind::Remote, text).with_help("build it with `--features fetch`"))
}

#[cfg(feature = "remote")]
fn of_cloud(url: &str) -> Result<Remote> {
    Ok(Remote::over(super::cloud::CloudBackend::new(url)?))
}

#[cfg(not(feature = "remote"))]
fn of_cloud(url: &str) -> Result<Remote> {
    let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    let shown = shown.split('?').next().unwrap_or_default();
    let text = format!(
        "the remote {shown} cannot be used: this program was built without the feature `remote`"
    );
    Err(Error::new(ErrorKind::Remote, text).with_help("build it with `--features remote`"))
}
