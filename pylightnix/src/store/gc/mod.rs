//! Garbage collection, and removing by hand.
//!
//! Nothing that somebody may still want goes: kept is what roots and living processes reach. What goes is found without
//! locks. Then, with everybody else out, what is new in roots and leases is read and the dead are renamed into the trash, one
//! rename each, those before that were made from others: wherever this stops, all that is still visible is whole. That is
//! done in batches, so that nobody waits for long. They are deleted when the others are in again.

mod bin;
mod choose;
mod collect;
mod downloads;
mod known_roots;
mod removal;
pub(crate) mod report;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use crate::store::Store;
use crate::store::disk::reserve::{release, reserve};
use crate::store::disk::system::untrusted_system;
use crate::{Error, ErrorKind, Result};

pub(in crate::store) use bin::Bin;
pub(in crate::store) use choose::Kept;
pub(in crate::store) use known_roots::KnownRoots;
pub use removal::Removal;
pub(crate) use report::bytes;
pub use report::{Collected, GcEvent, GcReport};

/// A garbage collection that is to be made, with its options: [`Store::gc`] begins one.
#[must_use = "nothing happens before `run` or `plan`"]
pub struct Gc<'a> {
    store: &'a Store,
    newer_than: Option<Duration>,
    newest: usize,
    free_at_most: u64,
    trust_locks: bool,
    /// The names of roots that are let go.
    let_go: HashSet<String>,
    observer: Box<dyn FnMut(&GcEvent) + Send + 'a>,
}

impl Store {
    /// Removes what nobody keeps. Kept is what roots ([`add_root`](Self::add_root), [`link`](Self::link)) and living
    /// processes reach ([`use_derivations`](Self::use_derivations), which realizing calls), this process included. With
    /// it go derivations without realizations, texts of code that no build record names, the folders of failed builds,
    /// parts of files from servers to which nothing was added for a day, and what dead processes left.
    ///
    /// Where there are no roots, all goes that no living process uses. [`realize`](Self::realize) makes none: what shall
    /// stay gets one by hand. Programs with the command line of `pylightnix-cli` keep what their targets are, and their `gc`
    /// refuses where nothing is kept; this one does what it is told.
    ///
    /// It may run at any time: other processes wait for it only while it renames what goes.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open_at(folder.path().join("store"))?;
    /// const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// // What would go?
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
            observer: Box::new(|_| ()),
        }
    }
}

impl<'a> Gc<'a> {
    /// Keeps realizations whose newest build, import or acceptance ended less than `age` ago, with all that they were made
    /// from, the folders of builds that failed since, and parts of files from servers to which something was added since.
    pub fn keep_newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(age);
        self
    }

    /// Keeps the newest `count` realizations of each derivation, successes before failures, with all that they were made
    /// from.
    pub fn keep_newest(mut self, count: usize) -> Self {
        self.newest = count;
        self
    }

    /// Removes realizations and failed builds, the oldest first, only as long as their sizes sum up to no more than this.
    pub fn free_at_most(mut self, bytes: u64) -> Self {
        self.free_at_most = bytes;
        self
    }

    /// Says that no other process uses the store now. Needed where it lies on a file system that is not known to be local,
    /// or whose locks one machine does not share with the others, so that a lock does not tell whether its process lives.
    pub fn nobody_else_uses_it(mut self) -> Self {
        self.trust_locks = true;
        self
    }

    /// Lets these roots go first, by their names, unless what they keep is in use.
    pub fn letting_go<S: Into<String>>(mut self, roots: impl IntoIterator<Item = S>) -> Self {
        self.let_go = roots.into_iter().map(Into::into).collect();
        self
    }

    /// Tells `observer` how far it is.
    pub fn observer(mut self, observer: impl FnMut(&GcEvent) + Send + 'a) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Says what would go, and does nothing. It takes no locks, and writes nothing.
    ///
    /// # Errors
    /// A root or a lease that cannot be read, a realization to be kept whose record is broken, a refusal of the system.
    pub fn plan(mut self) -> Result<GcReport> {
        self.look()
    }

    /// Collects.
    ///
    /// # Errors
    /// As [`plan`](Self::plan): nothing is removed then. Also where locks cannot be trusted. What single things could not
    /// be removed is in the report.
    pub fn run(mut self) -> Result<GcReport> {
        if !self.trust_locks
            && let Some(system) = untrusted_system(self.store.root())
        {
            return Err(untrusted(self.store, &system));
        }
        self.store.expect_writable()?;
        // Before anything is written: what is freed here is for the collection itself.
        release(self.store.layout());
        let report = self.collect();
        reserve(self.store.layout());
        report
    }
}

/// Where locks do not exclude other machines' processes.
pub(in crate::store) fn untrusted(store: &Store, system: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "nothing is removed from {}: locks on its file system ({system}) may not hold for every process that uses it",
            store.root().display()
        ),
    )
    .at(store.root())
    .help("if no other process on any machine uses this store, say so: `nobody_else_uses_it()`")
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
