//! The scheduler: assigns each stage whose dependencies are done to the next free thread. A stage that has to run waits
//! until its resources are free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::plan::PlanGraph;
use crate::realize::execute::Work;
use crate::realize::resources::needs::needs;
use crate::realize::resources::pool::{Amounts, ResourcePool};
use crate::thread_context::ThreadContext;

/// The queue shared by the threads of a run.
pub(in crate::realize) struct Scheduler<'a> {
    graph: &'a PlanGraph,
    jobs: usize,
    /// For each stage, the number of dependencies that are not done.
    pending: Vec<AtomicUsize>,
    /// The number of stages that are not done.
    left: AtomicUsize,
    /// Whether only the calling thread works: the other threads are not started before a stage takes time.
    is_alone: AtomicBool,
    stopped: AtomicBool,
    queue: Mutex<Queue<'a>>,
    wake: Condvar,
}

struct Queue<'a> {
    ready: VecDeque<Task<'a>>,
    /// Builds in progress that a thread can help with, whose resources are reserved. They take precedence over new stages.
    help: Vec<Task<'a>>,
    /// The free resources, and the tasks that wait for some.
    pool: ResourcePool<Task<'a>>,
    /// The number of idle threads.
    idle: usize,
}

/// A turn of a stage on a thread.
pub(in crate::realize) struct Turn {
    /// The index of the stage in the plan.
    pub(in crate::realize) at: usize,
    /// Whether its resources are reserved.
    pub(in crate::realize) granted: bool,
}

/// The result of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum StepOutcome {
    /// The stage is realized, or failed.
    Done,
    /// The stage waits for resources, and gets another turn when they are free.
    Waits,
    /// The stage takes time: the other threads are started, and then it gets another turn.
    Later,
}

enum Task<'a> {
    Stage(Turn),
    Help(Arc<dyn Work + 'a>),
}

impl<'a> Scheduler<'a> {
    /// Creates a scheduler for `jobs` threads. All runs together use at most `total`.
    pub(in crate::realize) fn new(graph: &'a PlanGraph, jobs: usize, total: Amounts) -> Self {
        let stages = 0..graph.len();
        let ready = (stages.clone())
            .filter(|at| graph.deps(*at).is_empty())
            .map(Task::ready);
        Scheduler {
            graph,
            jobs,
            left: AtomicUsize::new(stages.len()),
            pending: stages
                .map(|at| AtomicUsize::new(graph.deps(at).len()))
                .collect(),
            is_alone: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                ready: ready.collect(),
                help: Vec::new(),
                pool: ResourcePool::new(total),
                idle: 0,
            }),
            wake: Condvar::new(),
        }
    }

    /// Calls `step` for every stage, after its dependencies, on `jobs` threads including the calling one. The other threads
    /// are started only when a stage takes time.
    pub(in crate::realize) fn run(&self, step: impl Fn(Turn) -> StepOutcome + Sync) {
        if self.jobs > 1 && self.work_alone(&step) {
            return;
        }
        self.is_alone.store(false, Ordering::Release);
        let thread_context = ThreadContext::here();
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                // If a thread cannot be started, the others do its work.
                let builder = thread::Builder::new()
                    .name("realize".to_owned())
                    .stack_size(STACK);
                let work = || thread_context.inside(|| self.work(&step));
                if builder.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            self.work(&step);
        });
    }

    /// Begins no further stages.
    pub(in crate::realize) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Reserves the resources for one run of the stage. Returns `false` if they are not free; the stage gets another turn
    /// when they are.
    pub(in crate::realize) fn take(&self, at: usize) -> bool {
        let needs = self.needs(at);
        let mut queue = self.lock();
        if queue.pool.take(&needs) {
            return true;
        }
        let turn = Turn { at, granted: true };
        queue.pool.wait(needs, Task::Stage(turn));
        false
    }

    /// Releases the resources of a run of the stage.
    pub(in crate::realize) fn release(&self, at: usize) {
        let needs = self.needs(at);
        let mut queue = self.lock();
        queue.pool.release(&needs);
        self.dispatch(queue);
    }

    /// Lets idle threads help with the runs of a request, each when the resources for a run are free.
    pub(in crate::realize) fn share(&self, work: &Arc<dyn Work + 'a>) {
        let needs = needs(work.request().limits);
        let runs = work.request().indices.len();
        let mut queue = self.lock();
        for _ in 1..runs.min(self.jobs) {
            queue.pool.wait(needs.clone(), Task::Help(work.clone()));
        }
        self.dispatch(queue);
    }

    /// Gives the tasks whose resources are free to the threads.
    fn dispatch(&self, mut queue: MutexGuard<'_, Queue<'a>>) {
        let mut some = false;
        while let Some(task) = queue.pool.next() {
            some = true;
            match task {
                Task::Help(..) => queue.help.push(task),
                Task::Stage(_) => queue.ready.push_front(task),
            }
        }
        let wake = some && queue.idle > 0;
        drop(queue);
        if wake {
            self.wake.notify_all();
        }
    }

    fn needs(&self, at: usize) -> Amounts {
        needs(self.graph.dref(at).node().limits())
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        // A panic under this lock cannot leave the queue inconsistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a stage that takes time has to return [`StepOutcome::Later`], so that the other threads are started
    /// first.
    pub(in crate::realize) fn is_alone(&self) -> bool {
        self.is_alone.load(Ordering::Acquire)
    }

    /// Processes stages on this thread until one takes time. Returns `true` if none is left.
    fn work_alone(&self, step: &impl Fn(Turn) -> StepOutcome) -> bool {
        let mut turn = None;
        let mut now = Instant::now();
        while let Some(Turn { at, granted }) = turn.take().or_else(|| self.next_stage()) {
            match step(Turn { at, granted }) {
                StepOutcome::Done => turn = self.done(at),
                StepOutcome::Waits => {}
                StepOutcome::Later => {
                    self.lock().ready.push_front(Task::ready(at));
                    return false;
                }
            }
            let before = std::mem::replace(&mut now, Instant::now());
            if now.duration_since(before) > WORTH_A_THREAD {
                self.lock().ready.extend(turn.map(Task::Stage));
                return false;
            }
        }
        self.is_over()
    }

    /// Returns the next stage that is ready, if there is one.
    fn next_stage(&self) -> Option<Turn> {
        if self.is_over() {
            return None;
        }
        match self.lock().ready.pop_front() {
            Some(Task::Stage(turn)) => Some(turn),
            // While this thread works alone, no build is shared.
            Some(Task::Help(..)) | None => None,
        }
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Acquire) || self.left.load(Ordering::Acquire) == 0
    }

    fn work(&self, step: &impl Fn(Turn) -> StepOutcome) {
        while let Some(task) = self.next() {
            match task {
                Task::Help(work) => {
                    // Tasks that have waited longer go first, and this one goes to the end of the queue.
                    let some_left = work.make(&|| self.lock().pool.has_waiting());
                    let needs = needs(work.request().limits);
                    let mut queue = self.lock();
                    queue.pool.release(&needs);
                    if some_left {
                        queue.pool.wait(needs, Task::Help(work));
                    }
                    self.dispatch(queue);
                }
                Task::Stage(first) => {
                    // A chain of stages continues on this thread, without going through the queue.
                    let mut turn = Some(first);
                    while let Some(Turn { at, granted }) = turn {
                        turn = match step(Turn { at, granted }) {
                            StepOutcome::Done => self.done(at),
                            StepOutcome::Waits | StepOutcome::Later => None,
                        };
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Task<'a>> {
        let mut queue = self.lock();
        loop {
            if let Some(help) = queue.help.pop() {
                return Some(help);
            }
            if self.is_over() {
                return None;
            }
            if let Some(stage) = queue.ready.pop_front() {
                return Some(stage);
            }
            queue.idle += 1;
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Records that a stage is done. Returns one of the stages that are ready now, and queues the others.
    fn done(&self, at: usize) -> Option<Turn> {
        let mut mine = None;
        let mut others = Vec::new();
        for &dependent in self.graph.dependents(at) {
            if self.pending[dependent].fetch_sub(1, Ordering::AcqRel) == 1 {
                match mine {
                    None => mine = Some(Turn::first(dependent)),
                    Some(_) => others.push(dependent),
                }
            }
        }
        let last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if last || !others.is_empty() {
            let mut queue = self.lock();
            queue.ready.extend(others.into_iter().map(Task::ready));
            let idle = queue.idle > 0;
            drop(queue);
            if idle {
                self.wake.notify_all();
            }
        }
        mine.filter(|_| !self.stopped.load(Ordering::Acquire))
    }
}

impl Turn {
    /// Creates the first turn of a stage, without reserved resources.
    pub(in crate::realize) fn first(at: usize) -> Self {
        Turn { at, granted: false }
    }
}

impl Task<'_> {
    fn ready(at: usize) -> Self {
        Task::Stage(Turn::first(at))
    }
}

/// A decision that takes longer than this reads files, so other threads should decide in parallel.
const WORTH_A_THREAD: Duration = Duration::from_millis(1);

/// The usual stack size of a main thread, so that a stage which works there works on every thread.
const STACK: usize = 8 << 20;
