//! The scheduler: a stage whose dependencies are done goes to the next free thread. One that has to run waits until the resources
//! that it needs are free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::around::Around;
use crate::plan::PlanGraph;
use crate::realize::execute::Work;
use crate::realize::resources::needs::needs;
use crate::realize::resources::pool::{Amounts, ResourcePool};

/// The queue that the threads of a run share.
pub(in crate::realize) struct Scheduler<'a> {
    graph: &'a PlanGraph,
    jobs: usize,
    /// For each stage, the number of dependencies that are not done.
    pending: Vec<AtomicUsize>,
    /// The number of stages that are not done.
    left: AtomicUsize,
    /// Whether the calling thread works alone: as long as no stage takes time, other threads are not started.
    is_alone: AtomicBool,
    stopped: AtomicBool,
    queue: Mutex<Queue<'a>>,
    wake: Condvar,
}

struct Queue<'a> {
    ready: VecDeque<Task<'a>>,
    /// Shared runs of builds under way, whose resources are taken: they go before other stages.
    help: Vec<Task<'a>>,
    /// The free resources, and the tasks that wait for some.
    pool: ResourcePool<Task<'a>>,
    /// The number of threads that wait for a task.
    idle: usize,
}

/// The turn of a stage on a thread.
pub(in crate::realize) struct Turn {
    /// The place of the stage in the plan.
    pub(in crate::realize) at: usize,
    /// Whether the resources that it needs are taken.
    pub(in crate::realize) granted: bool,
}

/// What became of a stage on its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum StepOutcome {
    /// It is realized, or it failed.
    Done,
    /// It waits for resources, and gets another turn when it has them.
    Waits,
    /// It takes time: the other threads are started, and then it gets another turn.
    Later,
}

enum Task<'a> {
    Stage(Turn),
    Help(Arc<dyn Work + 'a>),
}

impl<'a> Scheduler<'a> {
    /// A scheduler for `jobs` threads. All runs together use no more than `total` at once.
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

    /// Calls `step` for every stage, each after its dependencies, on `jobs` threads, the calling one among them. The others are
    /// started only when a stage takes time.
    pub(in crate::realize) fn run(&self, step: impl Fn(Turn) -> StepOutcome + Sync) {
        if self.jobs > 1 && self.work_alone(&step) {
            return;
        }
        self.is_alone.store(false, Ordering::Release);
        let around = Around::here();
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                // If the system refuses a thread, the others do its work.
                let builder = thread::Builder::new()
                    .name("realize".to_owned())
                    .stack_size(STACK);
                let work = || around.inside(|| self.work(&step));
                if builder.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            self.work(&step);
        });
    }

    /// Begins no further stage.
    pub(in crate::realize) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Takes what a run of the stage needs. Returns false if that is not free: the stage gets another turn when it is.
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

    /// Gives back the resources of a run of the stage.
    pub(in crate::realize) fn release(&self, at: usize) {
        let needs = self.needs(at);
        let mut queue = self.lock();
        queue.pool.release(&needs);
        self.let_in(queue);
    }

    /// Lets idle threads help with the runs of an order, each when the resources of a run are free.
    pub(in crate::realize) fn share(&self, work: &Arc<dyn Work + 'a>) {
        let needs = needs(work.order().limits);
        let runs = work.order().indices.len();
        let mut queue = self.lock();
        for _ in 1..runs.min(self.jobs) {
            queue.pool.wait(needs.clone(), Task::Help(work.clone()));
        }
        self.let_in(queue);
    }

    /// Hands the tasks whose resources are free to the threads.
    fn let_in(&self, mut queue: MutexGuard<'_, Queue<'a>>) {
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
        // A panic under this lock leaves nothing half-done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stage that takes time has to wait for the other threads to start, by [`StepOutcome::Later`].
    pub(in crate::realize) fn is_alone(&self) -> bool {
        self.is_alone.load(Ordering::Acquire)
    }

    /// Takes stages on this thread until one takes time. Returns true if none is left.
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
            // While this thread is alone, no work is shared.
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
                    // Tasks that have waited longer go first, and this one goes to the end of the line.
                    let some_left = work.make(&|| self.lock().pool.has_waiting());
                    let needs = needs(work.order().limits);
                    let mut queue = self.lock();
                    queue.pool.release(&needs);
                    if some_left {
                        queue.pool.wait(needs, Task::Help(work));
                    }
                    self.let_in(queue);
                }
                Task::Stage(first) => {
                    // A chain goes on here, without another look at the queue.
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

    /// Notes that a stage is done. Returns one of the stages that became ready by that, and queues the others.
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
    /// The first turn of a stage, with no resources taken.
    pub(in crate::realize) fn first(at: usize) -> Self {
        Turn { at, granted: false }
    }
}

impl Task<'_> {
    fn ready(at: usize) -> Self {
        Task::Stage(Turn::first(at))
    }
}

/// A decision that takes longer than this reads files, so other threads should decide beside it.
const WORTH_A_THREAD: Duration = Duration::from_millis(1);

/// The usual stack of a main thread: a stage that works there works on every thread.
const STACK: usize = 8 << 20;
