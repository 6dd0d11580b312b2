//! Prefetching: background threads read the snapshots of a plan's derivations while the plan is still being listed, and
//! while earlier stages are decided.
//!
//! The plan arrives in parts, through a [`PrefetchInput`]. The threads take one part after another and read a snapshot of each
//! derivation's folder. When the plan is complete, [`PrefetchInput::end`] returns the [`Lookups`], from which the decisions take the
//! snapshots.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};

use crate::plan::{AnyDRef, PART, PlanGraph};
use crate::store::{Snapshot, SnapshotReader, Store, cores};
use crate::{Error, Result};

/// A part of a plan, which one thread reads at a time, with the snapshot of each stage. An unreadable snapshot is `None`: it
/// is read again when the stage is decided, and then reported.
struct PlanPart {
    drefs: Arc<[AnyDRef]>,
    snapshots: Box<[OnceLock<Option<Snapshot>>]>,
}

/// The queue of parts, shared by the threads.
pub(in crate::realize) struct Prefetch<'a> {
    store: &'a Store,
    /// The maximum number of threads that read, including the caller's.
    threads: usize,
    queue: Mutex<Queue>,
    /// Notified when a part is added, and when no more parts follow.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    parts: Vec<Arc<PlanPart>>,
    /// The index of the first part that no thread has taken.
    next: usize,
    /// Whether all parts of the plan were added.
    is_whole: bool,
    /// Whether no more snapshots are needed.
    is_over: bool,
}

/// Accepts the plan, part by part.
pub(in crate::realize) struct PrefetchInput<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    prefetch: &'env Prefetch<'a>,
    /// The number of threads that read, including the caller's.
    threads: usize,
    /// Parts whose derivations the lease of this process does not name yet.
    unnamed: Vec<Arc<[AnyDRef]>>,
    may_write: bool,
    /// The error of writing to the lease. Returned when the plan is complete, because a contradiction in the plan is
    /// reported first.
    failed: Option<Error>,
}

/// The number of parts whose derivations are added to the lease together, because each write takes a few system calls.
const NAMED_AT_ONCE: usize = 8;

impl<'a> Prefetch<'a> {
    /// Creates an empty queue, for a run with `jobs` threads.
    pub(in crate::realize) fn new(store: &'a Store, jobs: usize) -> Self {
        Prefetch {
            store,
            threads: jobs.min(cores()),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins a plan. The prefetch threads belong to `scope`, and end when the feed is dropped.
    pub(in crate::realize) fn feed<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
    ) -> PrefetchInput<'scope, 'env, 'a> {
        PrefetchInput {
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

    /// Waits for the next part that no thread has taken; returns `None` if no more parts follow.
    fn awaited_part(&self) -> Option<Arc<PlanPart>> {
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
    fn next_part(&self) -> Option<Arc<PlanPart>> {
        self.queue().take()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic under this lock cannot leave the queue inconsistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Arc<PlanPart>> {
        let part = self.parts.get(self.next)?.clone();
        self.next += 1;
        Some(part)
    }
}

impl<'env, 'a> PrefetchInput<'_, 'env, 'a> {
    /// Adds a part of the plan.
    pub(in crate::realize) fn add(&mut self, drefs: &Arc<[AnyDRef]>) {
        self.unnamed.push(drefs.clone());
        if self.unnamed.len() >= NAMED_AT_ONCE {
            self.enqueue();
        }
    }

    /// Adds a complete plan.
    pub(in crate::realize) fn add_all(&mut self, graph: &PlanGraph) {
        graph.parts().iter().for_each(|part| self.add(part));
    }

    /// Ends the plan, and returns the lookups of all its stages.
    pub(in crate::realize) fn end(&mut self) -> Result<Lookups<'env>> {
        self.enqueue();
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

    /// Adds the derivations to the lease, and then the parts to the queue.
    fn enqueue(&mut self) {
        let parts = std::mem::take(&mut self.unnamed);
        if self.failed.is_some() {
            return;
        }
        if self.may_write {
            let drefs = parts.iter().flat_map(|part| part.iter());
            // The lease comes before the lookup, so that no garbage collection removes what the lookup finds. If the plan is
            // refused later, its derivations stay in use until the process exits.
            match (self.prefetch.store).use_derivations(drefs.map(AnyDRef::id)) {
                Ok(may_write) => self.may_write = may_write,
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        let mut queue = self.prefetch.queue();
        queue.parts.extend(parts.into_iter().map(PlanPart::new));
        let left = queue.parts.len() - queue.next;
        drop(queue);
        self.prefetch.changed.notify_all();
        let wanted = self.prefetch.threads.min(left / 2);
        for _ in self.threads..wanted {
            let prefetch = self.prefetch;
            // If a thread cannot be started, the decisions read the snapshots themselves.
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

/// The snapshots of all stages of a plan.
///
/// A decision can rely on a snapshot: the lease of this process names the derivation, so its realizations are protected from
/// garbage collection, and they are durable.
pub(in crate::realize) struct Lookups<'a> {
    prefetch: &'a Prefetch<'a>,
    snapshots: Arc<Snapshots>,
    may_write: bool,
    is_settled: Mutex<bool>,
}

impl Lookups<'_> {
    /// Returns whether this process has write permission to the store.
    pub(in crate::realize) fn may_write(&self) -> bool {
        self.may_write
    }

    /// Returns the snapshots that were read so far.
    pub(in crate::realize) fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// Returns the snapshot of the stage with index `at`; `None` if it could not be read.
    pub(in crate::realize) fn snapshot(&self, at: usize) -> Result<Option<&Snapshot>> {
        let snapshot = match self.snapshots.get(at) {
            Some(snapshot) => snapshot,
            None => self.wait_for(at, &mut None),
        };
        if self.may_write
            && let Some(snapshot) = snapshot
            && self.prefetch.store.is_to_settle(snapshot)
        {
            self.ensure_durable()?;
        }
        Ok(snapshot.as_ref())
    }

    /// Reads parts on this thread, in order, until the part with the stage `at` is read or taken by another thread.
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

    /// Ensures that all realizations of the plan are durable. Syncs the whole file system, which costs less than an fsync
    /// for each realization.
    fn ensure_durable(&self) -> Result<()> {
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
        self.prefetch.store.ensure_durable(&found)?;
        *is_settled = true;
        Ok(())
    }
}

/// The snapshots of the stages of a plan, filled in while they are read.
pub(in crate::realize) struct Snapshots {
    parts: Vec<Arc<PlanPart>>,
    count: usize,
}

impl Snapshots {
    /// Returns the number of stages.
    pub(in crate::realize) fn len(&self) -> usize {
        self.count
    }

    /// Returns the snapshot of the stage with index `at`, if it was read already.
    pub(in crate::realize) fn get(&self, at: usize) -> Option<&Option<Snapshot>> {
        self.parts[at / PART].snapshots[at % PART].get()
    }

    /// Waits for the snapshot of the stage with index `at`.
    fn wait(&self, at: usize) -> &Option<Snapshot> {
        self.parts[at / PART].snapshots[at % PART].wait()
    }

    /// Waits until the whole part with the stage `at` is read. The caller goes through the part in order, and waiting for
    /// each stage would wake its thread each time.
    fn wait_for_part(&self, at: usize) {
        if let Some(last) = self.parts[at / PART].snapshots.last() {
            last.wait();
        }
    }

    fn drefs(&self) -> impl Iterator<Item = &AnyDRef> {
        self.parts.iter().flat_map(|part| part.drefs.iter())
    }
}

impl PlanPart {
    fn new(drefs: Arc<[AnyDRef]>) -> Arc<Self> {
        let snapshots = drefs.iter().map(|_| OnceLock::new()).collect();
        Arc::new(PlanPart { drefs, snapshots })
    }

    fn look_up(&self, reader: &SnapshotReader<'_>) {
        let guard = FillGuard(&self.snapshots);
        for (dref, snapshot) in self.drefs.iter().zip(guard.0) {
            let _ = snapshot.set(reader.read(dref.id(), Some(dref.config_json())).ok());
        }
    }
}

/// Also runs if the work panics: otherwise the threads would wait forever.
impl Drop for PrefetchInput<'_, '_, '_> {
    fn drop(&mut self) {
        self.prefetch.queue().is_over = true;
        self.prefetch.changed.notify_all();
    }
}

/// A guard that fills in the remaining snapshots with `None`, also after a panic, because other threads may wait for them.
struct FillGuard<'a>(&'a [OnceLock<Option<Snapshot>>]);

impl Drop for FillGuard<'_> {
    fn drop(&mut self) {
        for snapshot in self.0 {
            let _ = snapshot.set(None);
        }
    }
}
