//! The remotes of a run: what their indexes say, and how often they failed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::Code;
use crate::realize::report::event::Event;
use crate::store::Store;
use crate::store::remote::{Listed, ListedBuild, Remote, RemoteView};
use crate::{Error, ErrorKind, Result};

/// How long a remote may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of failures after which a remote is not asked again.
const FAILURES: usize = 3;
/// How long an index counts as that of now. What others push meanwhile is seen by the stages after that.
const FRESH: Duration = Duration::from_secs(30);

/// Tells observers.
pub(in crate::realize) type Notify<'a> = &'a dyn Fn(&Event<'_>);

/// The remotes of a run.
#[derive(Default)]
pub(in crate::realize) struct Remotes {
    all: Vec<RunRemote>,
    /// Whether they are asked also for stages with results in the store.
    pub(in crate::realize) always: bool,
    /// The stage functions whose results by other code were told.
    told: Mutex<HashSet<String>>,
}

/// A remote of a run.
pub(in crate::realize) struct RunRemote {
    pub(in crate::realize) name: String,
    remote: Remote,
    failures: AtomicUsize,
    view: Mutex<Option<(Instant, Arc<RemoteView>)>>,
}

impl Remotes {
    /// Adds a remote, and returns it as runs ask it.
    pub(in crate::realize) fn add(&mut self, remote: &Remote) -> Remote {
        let of_run = remote.of_run(PATIENCE);
        self.all.push(RunRemote {
            name: remote.name(),
            remote: of_run.clone(),
            failures: AtomicUsize::new(0),
            view: Mutex::default(),
        });
        of_run
    }

    pub(in crate::realize) fn are_some(&self) -> bool {
        !self.all.is_empty()
    }

    /// Iterates over those that are still asked.
    pub(in crate::realize) fn in_use(&self) -> impl Iterator<Item = &RunRemote> {
        self.all.iter().filter(|remote| remote.is_in_use())
    }

    pub(in crate::realize) fn named(&self, name: &str) -> Option<&RunRemote> {
        self.all.iter().find(|remote| remote.name == name)
    }

    /// Returns whether this is said the first time.
    pub(in crate::realize) fn is_new(&self, said: String) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(said)
    }
}

impl RunRemote {
    /// Returns the remote as runs ask it.
    pub(in crate::realize) fn handle(&self) -> &Remote {
        &self.remote
    }

    fn is_in_use(&self) -> bool {
        self.failures.load(Relaxed) < FAILURES
    }

    /// Returns what the remote has by its index. `None` if it cannot be read, which is told.
    pub(in crate::realize) fn view(
        &self,
        notify: Notify<'_>,
        store: &Store,
    ) -> Result<Option<Arc<RemoteView>>> {
        let read = {
            // One thread reads it for all.
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((read, known)) = &*view
                && read.elapsed() < FRESH
            {
                return Ok(Some(known.clone()));
            }
            if !self.is_in_use() {
                return Ok(None);
            }
            let read = RemoteView::read(&self.remote, store).map(Arc::new);
            *view = read.as_ref().ok().map(|new| (Instant::now(), new.clone()));
            read
        };
        let Some(view) = self.told(notify, read)? else {
            return Ok(None);
        };
        for error in view.told() {
            self.failed(notify, error);
        }
        Ok(Some(view))
    }

    /// Tells a failure of the remote, which counts as having nothing; any other error is one of this machine.
    pub(in crate::realize) fn told<R>(
        &self,
        notify: Notify<'_>,
        done: Result<R>,
    ) -> Result<Option<R>> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::Remote => {
                self.failed(notify, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Counts and tells each of these failures.
    pub(in crate::realize) fn failed_each(&self, notify: Notify<'_>, errors: &[Error]) {
        for error in errors {
            self.failed(notify, error);
        }
    }

    /// Counts and tells a failure.
    pub(in crate::realize) fn failed(&self, notify: Notify<'_>, error: &Error) {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        // Several threads may have asked at once.
        if failures <= FAILURES {
            notify(&Event::RemoteFailed {
                remote: &self.name,
                error,
                is_out: failures == FAILURES,
            });
        }
    }
}

/// Returns when the newest build of a listed result began that is by `code`, or was accepted for it; `None` if there is none.
pub(in crate::realize) fn newest_by<'v>(listed: &Listed<'v>, code: &Code) -> Option<&'v str> {
    let known = [Some(code.fingerprint()), code.before()];
    let builds = listed.builds();
    let builds = builds.filter(|build| {
        known
            .iter()
            .flatten()
            .any(|known| is_by(build, Some(known)))
    });
    builds.map(|build| build.start).max()
}

/// Whether a build is by the code with this fingerprint; by code that is not known, without one.
pub(in crate::realize) fn is_by(build: &ListedBuild<'_>, fingerprint: Option<&str>) -> bool {
    build.fingerprint == fingerprint
}
