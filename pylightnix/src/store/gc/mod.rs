//! Garbage collection, and manual removal.
//!
//! Collection keeps everything that is reachable from roots and living processes. The first phase finds unreachable objects
//! without the exclusive lock. The second phase, under the exclusive lock, reads new roots and leases, and moves the
//! unreachable objects to the trash by one rename each, dependents before dependencies, so that the store stays consistent
//! wherever it is interrupted. It works in batches, so that other processes wait only briefly. The third phase deletes the
//! trash without the lock.

mod choose;
mod code_items;
mod collect;
mod downloads;
mod freed;
mod known_roots;
mod loose_stubs;
mod pushed;
mod removal;
pub(crate) mod report;
mod trash;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use crate::store::Store;
use crate::store::disk::reserve::{release, reserve};
use crate::store::disk::system::untrusted_system;
use crate::store::remote::Remote;
use crate::{Error, ErrorKind, Result};

pub(in crate::store) use choose::KeptRealizations;
pub(in crate::store) use freed::Freed;
pub(in crate::store) use known_roots::KnownRoots;
use pushed::PushedTo;
pub use removal::Removal;
pub use report::{Collected, GcEvent, GcReport};
pub(in crate::store) use trash::Trash;

/// A garbage collection with its options, created by [`Store::gc`].
#[must_use = "nothing happens before `run` or `plan`"]
pub struct Gc<'a> {
    store: &'a Store,
    newer_than: Option<Duration>,
    newest: usize,
    free_at_most: u64,
    trust_locks: bool,
    /// The names of roots to remove first.
    let_go: HashSet<String>,
    /// The remote whose results need not be here whole.
    pushed: Option<PushedTo<'a>>,
    observer: Box<dyn FnMut(&GcEvent) + Send + 'a>,
}

impl Store {
    /// Removes everything that is not reachable from roots ([`add_root`](Self::add_root), [`link`](Self::link)) or from what
    /// living processes use, including this process: what they realized, looked at, or named by
    /// [`Plumbing::use_derivations`](crate::store::Plumbing::use_derivations). What the orders of a run name whose stages are tasks of an
    /// executor is kept until the run has ended, or was abandoned: if its process is gone and nothing was heard of its tasks for 14
    /// days. Also removes derivations without realizations, code
    /// texts that no build record names, the folders of failed builds, partial downloads that were not written to for a day, and
    /// the temporary files of dead processes.
    ///
    /// Without roots, everything that no living process uses is removed. [`realize`](Self::realize) creates no roots; create
    /// them for the results to keep. Programs with the command line of `pylightnix-cli` keep the latest results of their
    /// targets, and their `gc` refuses to run if there are no roots; this function does not.
    ///
    /// Safe to run at any time: other processes wait only while objects are renamed to the trash.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("store"))?;
    /// const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// // What would be removed?
    /// println!("{}", store.gc().keep_newer_than(WEEK).plan()?);
    /// let report = store.gc().keep_newer_than(WEEK).keep_newest(3).run()?;
    /// assert_eq!(report.bytes, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gc(&self) -> Gc<'_> {
        Gc {
            store: self,
            newer_than: None,
            newest: 0,
            free_at_most: u64::MAX,
            trust_locks: false,
            let_go: HashSet::new(),
            pushed: None,
            observer: Box::new(|_| ()),
        }
    }
}

impl<'a> Gc<'a> {
    /// Keeps realizations whose newest build, import or acceptance ended less than `age` ago, or that were carried into their
    /// context since, with their dependencies. Also
    /// keeps the folders of builds that failed and partial downloads that were written to within that time.
    pub fn keep_newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(age);
        self
    }

    /// Keeps the newest `count` realizations of each derivation, successes before failures, with their dependencies.
    pub fn keep_newest(mut self, count: usize) -> Self {
        self.newest = count;
        self
    }

    /// Removes realizations and failed builds, oldest first, as long as that frees at most this many bytes. A file that
    /// realizations share is freed with the last of them.
    pub fn free_at_most(mut self, bytes: u64) -> Self {
        self.free_at_most = bytes;
        self
    }

    /// Also turns results into [stubs](crate::store::Realization::is_stub) that stay, and whose files `remote` has: it is asked, and all but
    /// the large files, of which it is asked the sizes, is read there and verified. Leaves what is in use, what has a link, and what came
    /// here less than `age` ago, by a build or from a remote. The files of a stub are fetched again before a stage or a program reads them, and a matcher that reads
    /// artifacts needs them in each run. A collection at the remote keeps what its roots keep: give what is to stay there a root.
    pub fn pushed(mut self, remote: &'a Remote, age: Duration) -> Self {
        self.pushed = Some(PushedTo { remote, age });
        self
    }

    /// Declares that no other process uses the store now. Needed on file systems that are not known to be local, or whose locks
    /// are not shared between machines, so that a lock does not prove whether its process lives.
    pub fn nobody_else_uses_it(mut self) -> Self {
        self.trust_locks = true;
        self
    }

    /// Removes these roots first, unless their realizations are in use.
    pub fn remove_roots<S: Into<String>>(mut self, roots: impl IntoIterator<Item = S>) -> Self {
        self.let_go = roots.into_iter().map(Into::into).collect();
        self
    }

    /// Reports progress to `observer`.
    pub fn observer(mut self, observer: impl FnMut(&GcEvent) + Send + 'a) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Returns what would be removed, without removing it. Takes no locks and writes nothing.
    ///
    /// # Errors
    /// Fails if a root or a lease is unreadable, if the record of a realization to keep is corrupt, or if a system call fails.
    pub fn plan(mut self) -> Result<GcReport> {
        self.preview()
    }

    /// Runs the collection.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), without removing anything. Also fails if locks on the file system are unreliable. Errors about
    /// single objects are part of the report.
    pub fn run(mut self) -> Result<GcReport> {
        if !self.trust_locks
            && let Some(system) = untrusted_system(self.store.root())
        {
            return Err(untrusted(self.store, &system));
        }
        self.store.expect_writable()?;
        // Comes first, as the freed space is for the collection itself.
        release(self.store.layout());
        let report = self.collect();
        reserve(self.store.layout());
        report
    }
}

/// Returns the error for a file system on which locks may not exclude processes on other machines.
pub(in crate::store) fn untrusted(store: &Store, system: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "nothing is removed from {}: locks on its file system ({system}) may not hold for every process that uses it",
            store.root().display()
        ),
    )
    .at(store.root())
    .with_help("if no other process on any machine uses this store, say so: `nobody_else_uses_it()`")
}

impl fmt::Debug for Gc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gc")
            .field("store", self.store)
            .field("newer_than", &self.newer_than)
            .field("newest", &self.newest)
            .field("free_at_most", &self.free_at_most)
            .finish_non_exhaustive()
    }
}
