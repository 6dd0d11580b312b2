//! Remotes whose requests a test watches, breaks and stops.

use pylightnix::jiff::Timestamp;
use pylightnix::store::remote::{Backend, FolderBackend, Object, ObjectReader};
use pylightnix::{Error, ErrorKind, Result};
use rustix::process::{Signal, getpid, kill_process};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done with a request, by its number.
type Fault = dyn Fn(usize, &str) -> Answer + Send + Sync;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It fails, and would succeed later.
    Failed,
    /// Its bytes end early.
    Cut,
    /// The process dies before it.
    Dies,
}

/// A folder that notes all requests, and breaks some.
#[derive(Clone)]
pub struct Watched {
    folder: Arc<FolderBackend>,
    asked: Arc<Mutex<Vec<String>>>,
    fault: Arc<Fault>,
    /// How many seconds its clock is ahead.
    ahead: Arc<AtomicU64>,
}

impl Watched {
    /// Watches a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Watched::with(folder, |_, _| Answer::Done)
    }

    /// Watches a folder whose requests become what `fault` says.
    #[must_use]
    pub fn with<F>(folder: &Path, fault: F) -> Self
    where
        F: Fn(usize, &str) -> Answer + Send + Sync + 'static,
    {
        Watched {
            folder: Arc::new(FolderBackend::new(folder).expect("a path")),
            asked: Arc::default(),
            fault: Arc::new(fault),
            ahead: Arc::default(),
        }
    }

    /// Sets its clock forward by some seconds.
    pub fn later(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Returns the requests since the last call: a word and the name of an object, each.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no test panicked in it"))
    }

    fn ask(&self, what: &str, object: &str) -> Result<Answer> {
        let number = {
            let mut asked = self.asked.lock().expect("no test panicked in it");
            asked.push(format!("{what} {object}"));
            asked.len() - 1
        };
        match (self.fault)(number, object) {
            Answer::Failed => Err(Error::new(ErrorKind::Io, "the test breaks this request")),
            Answer::Dies => {
                let _ = kill_process(getpid(), Signal::KILL);
                unreachable!("it is dead")
            }
            answer => Ok(answer),
        }
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.fmt(f)
    }
}

impl Backend for Watched {
    fn url(&self) -> String {
        self.folder.url()
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Object>>> {
        self.ask("list", folder)?;
        self.folder.list(folder)
    }

    fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<Option<ObjectReader>> {
        let what = if range.is_some() { "range" } else { "get" };
        let answer = self.ask(what, object)?;
        let reader = self.folder.get(object, range)?;
        Ok(match answer {
            Answer::Cut => {
                reader.map(|reader| Box::new(std::io::Read::take(reader, 10)) as ObjectReader)
            }
            _ => reader,
        })
    }

    fn size(&self, object: &str) -> Result<Option<u64>> {
        self.ask("size", object)?;
        self.folder.size(object)
    }

    fn put(&self, object: &str, bytes: &[u8]) -> Result<()> {
        self.ask("put", object)?;
        self.folder.put(object, bytes)
    }

    fn put_file(&self, object: &str, file: &Path) -> Result<()> {
        self.ask("put", object)?;
        self.folder.put_file(object, file)
    }

    fn delete(&self, object: &str) -> Result<()> {
        self.ask("delete", object)?;
        self.folder.delete(object)
    }

    fn time(&self) -> Result<Timestamp> {
        self.ask("time", "")?;
        let ahead = Duration::from_secs(self.ahead.load(Ordering::Relaxed));
        let time = self.folder.time()?.checked_add(ahead);
        Ok(time.expect("a test does not last that long"))
    }
}
