//! Looking up what the store has for the stages of a plan, on threads of its own: while the plan is still gone through, and
//! while earlier stages are decided.
//!
//! The plan arrives in parts, at a [`Feed`]. Threads take one part after another and read a snapshot of each derivation's folder.
//! When the plan is whole, [`Feed::end`] gives the [`Lookups`], which the decisions ask.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};

use crate::plan::{AnyDRef, PART, PlanGraph};
use crate::store::{Snapshot, SnapshotReader, Store, cores};
use crate::{Error, Result};

/// Stages that one thread looks up in one go, and the snapshot of each. A snapshot that cannot be read is `None`: it is read
/// again when the stage is decided, which then fails.
struct Part {
    drefs: Arc<[AnyDRef]>,
    snapshots: Box<[OnceLock<Option<Snapshot>>]>,
}

/// The queue of parts, which the threads share.
pub(in crate::realize) struct Prefetch<'a> {
    store: &'a Store,
    /// The most threads that look up at once, the caller's among them.
    threads: usize,
    queue: Mutex<Queue>,
    /// Signals a new part, or the end of them.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    parts: Vec<Arc<Part>>,
    /// The first part that no thread has taken.
    next: usize,
    /// All parts of the plan are here.
    is_whole: bool,
    /// Nobody needs lookups any more.
    is_over: bool,
}

/// Takes the plan, part by part.
pub(in crate::realize) struct Feed<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    prefetch: &'env Prefetch<'a>,
    /// The threads that look up, the caller's among them.
    threads: usize,
    /// Parts whose derivations this process's lease does not name yet.
    unnamed: Vec<Arc<[AnyDRef]>>,
    may_write: bool,
    /// The error of naming them. It is returned when the plan is whole, as a plan that contradicts itself is reported first.
    failed: Option<Error>,
}

/// The number of parts whose derivations are added to the lease at once, as each time takes a few system calls.
const NAMED_AT_ONCE: usize = 8;

impl<'a> Prefetch<'a> {
    /// An empty queue, for a run of `jobs` threads.
    pub(in crate::realize) fn new(store: &'a Store, jobs: usize) -> Self {
        Prefetch {
            store,
            threads: jobs.min(cores()),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins a plan. The threads that look it up belong to `scope`, and end when the feed is dropped.
    pub(in crate::realize) fn feed<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Feed<'scope, 'env, 'a> {
        Feed {
            scope,
            prefetch: self,
            threads: 1,
            unnamed: Vec::new(),
            may_write: true,
            failed: None,
        }
    }

    fn look_up_parts(&self) {
        let reader = self.store.snapshot_reader(PART);
        while let Some(part) = self.awaited_part() {
            part.look_up(&reader);
        }
    }

    /// Waits for the next part that no thread has taken; `None` when there will be none.
    fn awaited_part(&self) -> Option<Arc<Part>> {
        let mut queue = self.queue();
        loop {
            if queue.is_over {
                return None;
            }
            if let Some(part) = queue.take() {
                return Some(part);
            }
            if queue.is_whole {
                return None;
            }
            queue = (self.changed.wait(queue)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the next part that no thread has taken, if there is one.
    fn next_part(&self) -> Option<Arc<Part>> {
        self.queue().take()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic under this lock leaves nothing half-done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Arc<Part>> {
        let part = self.parts.get(self.next)?.clone();
        self.next += 1;
        Some(part)
    }
}

impl<'env, 'a> Feed<'_, 'env, 'a> {
    /// Adds a part of the plan.
    pub(in crate::realize) fn add(&mut self, drefs: &Arc<[AnyDRef]>) {
        self.unnamed.push(drefs.clone());
        if self.unnamed.len() >= NAMED_AT_ONCE {
            self.pass_on();
        }
    }

    /// Adds a whole plan.
    pub(in crate::realize) fn add_all(&mut self, graph: &PlanGraph) {
        graph.parts().iter().for_each(|part| self.add(part));
    }

    /// Ends the plan, and returns the lookups of all its stages.
    pub(in crate::realize) fn end(&mut self) -> Result<Lookups<'env>> {
        self.pass_on();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut queue = self.prefetch.queue();
        queue.is_whole = true;
        let parts = queue.parts.clone();
        drop(queue);
        self.prefetch.changed.notify_all();
        let count = parts.iter().map(|part| part.drefs.len()).sum();
        Ok(Lookups {
            prefetch: self.prefetch,
            snapshots: Arc::new(Snapshots { parts, count }),
            may_write: self.may_write,
            is_settled: Mutex::new(false),
        })
    }

    /// Names the derivations in the lease, and hands their parts to the threads.
    fn pass_on(&mut self) {
        let parts = std::mem::take(&mut self.unnamed);
        if self.failed.is_some() {
            return;
        }
        if self.may_write {
            let drefs = parts.iter().flat_map(|part| part.iter());
            // Before the lookup, so that no collection removes what it finds. If the plan is refused later, its derivations stay in
            // use until the process ends.
            match (self.prefetch.store).use_derivations(drefs.map(AnyDRef::id)) {
                Ok(may_write) => self.may_write = may_write,
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        let mut queue = self.prefetch.queue();
        queue.parts.extend(parts.into_iter().map(Part::new));
        let left = queue.parts.len() - queue.next;
        drop(queue);
        self.prefetch.changed.notify_all();
        let wanted = self.prefetch.threads.min(left / 2);
        for _ in self.threads..wanted {
            let prefetch = self.prefetch;
            // If the system refuses a thread, the decisions look up what they need themselves.
            let thread = thread::Builder::new().name("prefetch".to_owned());
            if thread
                .spawn_scoped(self.scope, || prefetch.look_up_parts())
                .is_err()
            {
                break;
            }
            self.threads += 1;
        }
    }
}

/// What the store has for each stage of a plan.
///
/// A lookup that a decision gets can be relied on: the lease of this process names the derivation, so nothing removes its
/// realizations, and they are on the disk.
pub(in crate::realize) struct Lookups<'a> {
    prefetch: &'a Prefetch<'a>,
    snapshots: Arc<Snapshots>,
    may_write: bool,
    is_settled: Mutex<bool>,
}

impl Lookups<'_> {
    /// Whether this process may write to the store.
    pub(in crate::realize) fn may_write(&self) -> bool {
        self.may_write
    }

    /// The snapshots that were read so far.
    pub(in crate::realize) fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// The snapshot of the stage at `at`; `None` if it could not be read.
    pub(in crate::realize) fn snapshot(&self, at: usize) -> Result<Option<&Snapshot>> {
        let snapshot = match self.snapshots.get(at) {
            Some(snapshot) => snapshot,
            None => self.wait_for(at, &mut None),
        };
        if self.may_write
            && let Some(snapshot) = snapshot
            && self.prefetch.store.is_to_settle(snapshot)
        {
            self.settle()?;
        }
        Ok(snapshot.as_ref())
    }

    /// Reads parts on this thread, in order, until the one with the stage at `at` was read or another thread has taken it.
    fn wait_for<'s>(
        &'s self,
        at: usize,
        reader: &mut Option<SnapshotReader<'s>>,
    ) -> &'s Option<Snapshot> {
        while self.snapshots.get(at).is_none() {
            match self.prefetch.next_part() {
                Some(part) => {
                    let new = || self.prefetch.store.snapshot_reader(self.snapshots.len());
                    part.look_up(reader.get_or_insert_with(new));
                }
                None => self.snapshots.wait_for_part(at),
            }
        }
        self.snapshots.wait(at)
    }

    /// Makes sure that all realizations of the plan are on the disk: in one go, as one call for the whole file system costs
    /// less than one for each.
    fn settle(&self) -> Result<()> {
        let mut is_settled = self
            .is_settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *is_settled {
            return Ok(());
        }
        let mut reader = None;
        let stages = self.snapshots.drefs().enumerate();
        let found: Vec<_> = stages
            .filter_map(|(at, dref)| Some((dref.id(), self.wait_for(at, &mut reader).as_ref()?)))
            .collect();
        self.prefetch.store.settle(&found)?;
        *is_settled = true;
        Ok(())
    }
}

/// The snapshots of the stages of a plan, filled in while they are read.
pub(in crate::realize) struct Snapshots {
    parts: Vec<Arc<Part>>,
    count: usize,
}

impl Snapshots {
    /// The number of stages.
    pub(in crate::realize) fn len(&self) -> usize {
        self.count
    }

    /// The snapshot of the stage at `at`, if it was read already.
    pub(in crate::realize) fn get(&self, at: usize) -> Option<&Option<Snapshot>> {
        self.parts[at / PART].snapshots[at % PART].get()
    }

    /// Waits for the snapshot of the stage at `at`.
    fn wait(&self, at: usize) -> &Option<Snapshot> {
        self.parts[at / PART].snapshots[at % PART].wait()
    }

    /// Waits until the whole part with the stage at `at` was read. The caller goes through the part in order, and waiting for each
    /// stage would wake its thread as many times.
    fn wait_for_part(&self, at: usize) {
        if let Some(last) = self.parts[at / PART].snapshots.last() {
            last.wait();
        }
    }

    fn drefs(&self) -> impl Iterator<Item = &AnyDRef> {
        self.parts.iter().flat_map(|part| part.drefs.iter())
    }
}

impl Part {
    fn new(drefs: Arc<[AnyDRef]>) -> Arc<Self> {
        let snapshots = drefs.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Part { drefs, snapshots })
    }

    fn look_up(&self, reader: &SnapshotReader<'_>) {
        let filled = Filled(&self.snapshots);
        for (dref, snapshot) in self.drefs.iter().zip(filled.0) {
            let _ = snapshot.set(reader.read(dref.id(), Some(dref.config_json())).ok());
        }
    }
}

/// Also when the work beside it panics: the threads would wait for ever.
impl Drop for Feed<'_, '_, '_> {
    fn drop(&mut self) {
        self.prefetch.queue().is_over = true;
        self.prefetch.changed.notify_all();
    }
}

/// A guard that fills in the snapshots that are still empty, also after a panic: other threads may wait for them.
struct Filled<'a>(&'a [OnceLock<Option<Snapshot>>]);

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        for snapshot in self.0 {
            let _ = snapshot.set(None);
        }
    }
}
