//! Who does what when: stages whose dependencies are done go to the next free thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::plan::GraphStage;

/// What the threads of a run share.
pub(super) struct Scheduler<'a> {
    stages: &'a [GraphStage],
    /// How many dependencies of each stage are still to come.
    pending: Vec<AtomicUsize>,
    /// How many stages are still to come.
    left: AtomicUsize,
    stopped: AtomicBool,
    queue: Mutex<Queue<'a>>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue<'a> {
    ready: VecDeque<usize>,
    /// Runs of stages that are being built: they go before other stages.
    help: Vec<Arc<dyn Shared + 'a>>,
    /// How many threads wait.
    idle: usize,
}

/// Work that several threads can share.
pub(super) trait Shared: Send + Sync {
    /// Does pieces of it until none is left to begin.
    fn work(&self);
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(stages: &'a [GraphStage]) -> Self {
        let ready = (0..stages.len())
            .filter(|at| stages[*at].deps.is_empty())
            .collect();
        Scheduler {
            stages,
            pending: stages
                .iter()
                .map(|stage| AtomicUsize::new(stage.deps.len()))
                .collect(),
            left: AtomicUsize::new(stages.len()),
            stopped: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                ready,
                ..Queue::default()
            }),
            wake: Condvar::new(),
        }
    }

    /// Does `step` for every stage, each after its dependencies, on `jobs` threads, of which this is one.
    pub(super) fn run(&self, jobs: usize, step: impl Fn(usize) + Sync) {
        let extra = if self.stages.is_empty() { 0 } else { jobs - 1 };
        thread::scope(|scope| {
            for _ in 0..extra {
                // A thread that cannot be had is one job less: this one does all that is left.
                let builder = thread::Builder::new()
                    .name("realize".to_owned())
                    .stack_size(STACK);
                if builder.spawn_scoped(scope, || self.work(&step)).is_err() {
                    break;
                }
            }
            self.work(&step);
        });
    }

    /// Begins no further stage.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Lets idle threads share work that this one is about to do: so many at most, this one included.
    pub(super) fn share(&self, work: Arc<dyn Shared + 'a>, threads: usize) {
        let mut queue = self.lock();
        for _ in 1..threads {
            queue.help.push(work.clone());
        }
        drop(queue);
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        // Nothing is left half-done under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, step: &impl Fn(usize)) {
        while let Some(task) = self.next() {
            match task {
                Task::Help(work) => work.work(),
                Task::Stage(first) => {
                    // A chain goes on here, without another look at the queue.
                    let mut at = Some(first);
                    while let Some(stage) = at {
                        step(stage);
                        at = self.done(stage);
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Task<'a>> {
        let mut queue = self.lock();
        loop {
            if let Some(work) = queue.help.pop() {
                return Some(Task::Help(work));
            }
            if self.stopped.load(Ordering::Acquire) || self.left.load(Ordering::Acquire) == 0 {
                return None;
            }
            if let Some(at) = queue.ready.pop_front() {
                return Some(Task::Stage(at));
            }
            queue.idle += 1;
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// A stage is done: gives one of the stages that became ready, and leaves the others to the queue.
    fn done(&self, at: usize) -> Option<usize> {
        let mut mine = None;
        let mut others = Vec::new();
        for &dependent in &self.stages[at].dependents {
            if self.pending[dependent].fetch_sub(1, Ordering::AcqRel) == 1 {
                match mine {
                    None => mine = Some(dependent),
                    Some(_) => others.push(dependent),
                }
            }
        }
        let last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if last || !others.is_empty() {
            let mut queue = self.lock();
            queue.ready.extend(others);
            let idle = queue.idle > 0;
            drop(queue);
            if idle {
                self.wake.notify_all();
            }
        }
        mine.filter(|_| !self.stopped.load(Ordering::Acquire))
    }
}

enum Task<'a> {
    Stage(usize),
    Help(Arc<dyn Shared + 'a>),
}

/// As much stack as a main thread usually has: a stage should not fail for the thread that it is on.
const STACK: usize = 8 << 20;
