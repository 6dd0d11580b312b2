//! A backend that does not wait: for runs, which can do without it.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::backend::{Backend, Object, ObjectReader};
use crate::{Error, ErrorKind, Result};

/// The bytes that are passed on at once.
const PART: usize = 256 << 10;
/// The number of parts that wait to be read.
const PARTS: usize = 4;

/// A backend whose requests are made on threads of their own, which are left alone when nothing comes for too long.
pub(super) struct Impatient {
    backend: Arc<dyn Backend>,
    patience: Duration,
    /// Whether it was too slow once.
    is_given_up: Arc<AtomicBool>,
}

/// The cause of an error for a remote that was too slow.
#[derive(Debug)]
struct GivenUp(Duration);

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        write!(f, "nothing came for {seconds} seconds")
    }
}

impl std::error::Error for GivenUp {}

/// Whether a request failed so because the remote is too slow.
pub(super) fn is_given_up(error: &Error) -> bool {
    let is_given_up = |error: &io::Error| {
        let inner = error.get_ref();
        inner.is_some_and(|inner| inner.is::<GivenUp>())
    };
    error.causes().any(|cause| {
        cause.is::<GivenUp>() || cause.downcast_ref::<io::Error>().is_some_and(is_given_up)
    })
}

impl Impatient {
    pub(super) fn new(backend: Arc<dyn Backend>, patience: Duration) -> Self {
        Impatient {
            backend,
            patience,
            is_given_up: Arc::default(),
        }
    }

    fn given_up(&self) -> Error {
        self.is_given_up.store(true, Ordering::Relaxed);
        let text = format!("the remote {} is too slow", self.backend.url());
        Error::new(ErrorKind::Io, text).because(GivenUp(self.patience))
    }

    /// Makes a request on another thread, and waits for its answer.
    fn ask<R: Send + 'static>(
        &self,
        request: impl FnOnce(&dyn Backend) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(self.given_up());
        }
        let (send, answer) = channel();
        let backend = self.backend.clone();
        in_background(move || {
            let _ = send.send(request(&*backend));
        })?;
        match answer.recv_timeout(self.patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(self.given_up()),
            Err(RecvTimeoutError::Disconnected) => Err(Error::new(
                ErrorKind::Remote,
                format!("the backend of the remote {} panicked", self.backend.url()),
            )),
        }
    }
}

fn in_background(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = thread::Builder::new().name("remote".to_owned());
    match builder.spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = "cannot start a thread for a request to a remote";
            Err(Error::new(ErrorKind::Io, text).because(error))
        }
    }
}

impl fmt::Debug for Impatient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

impl Backend for Impatient {
    fn url(&self) -> String {
        self.backend.url()
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        let folder = folder.to_owned();
        self.ask(move |backend| backend.list(&folder))
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let object = object.to_owned();
        let Some(reader) = self.ask(move |backend| backend.get(&object, range))? else {
            return Ok(None);
        };
        let (send, parts) = sync_channel(PARTS);
        in_background(move || pass(reader, |part| send.send(part).is_ok()))?;
        Ok(Some(Box::new(Parts {
            parts,
            patience: self.patience,
            is_given_up: self.is_given_up.clone(),
            part: Vec::new(),
            read: 0,
        })))
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        let object = object.to_owned();
        self.ask(move |backend| backend.size(&object))
    }

    fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.backend.put(object, bytes)
    }

    fn put_file(&self, object: &str, file: &Path) -> Result<()> {
        self.backend.put_file(object, file)
    }

    fn delete(&self, object: &str) -> Result<()> {
        self.backend.delete(object)
    }

    fn time(&self) -> Result<Timestamp> {
        self.ask(|backend| backend.time())
    }
}

/// Passes what is read on, in parts; the last one is empty, or an error.
fn pass(mut reader: ObjectReader, to: impl Fn(io::Result<Vec<u8>>) -> bool) {
    loop {
        let mut part = vec![0; PART];
        let read = reader.read(&mut part).map(|read| {
            part.truncate(read);
            part
        });
        let is_last = match &read {
            Ok(part) => part.is_empty(),
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        let is_wanted = match read {
            Err(_) if !is_last => true,
            read => to(read),
        };
        if is_last || !is_wanted {
            return;
        }
    }
}

/// Bytes that another thread reads.
struct Parts {
    parts: Receiver<io::Result<Vec<u8>>>,
    patience: Duration,
    is_given_up: Arc<AtomicBool>,
    part: Vec<u8>,
    read: usize,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.part.len() {
            self.read = 0;
            self.part = match self.parts.recv_timeout(self.patience) {
                Ok(part) => part?,
                // It was over before.
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
                Err(RecvTimeoutError::Timeout) => {
                    self.is_given_up.store(true, Ordering::Relaxed);
                    return Err(io::Error::other(GivenUp(self.patience)));
                }
            };
        }
        let left = &self.part[self.read..];
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.read += length;
        Ok(length)
    }
}
