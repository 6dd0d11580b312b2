//! Who does what when: stages whose dependencies are done go to the next free thread, those that run once what they need is
//! free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::around::Around;
use crate::plan::PlanGraph;
use crate::realize::execute::Work;
use crate::realize::resources::needs::needs;
use crate::realize::resources::pool::{Amounts, Ledger};

/// What the threads of a run share.
pub(in crate::realize) struct Scheduler<'a> {
    graph: &'a PlanGraph,
    jobs: usize,
    /// How many dependencies of each stage are still to come.
    pending: Vec<AtomicUsize>,
    /// How many stages are still to come.
    left: AtomicUsize,
    /// Whether one thread does it all, as long as there is nothing that takes time.
    is_alone: AtomicBool,
    stopped: AtomicBool,
    queue: Mutex<Queue<'a>>,
    wake: Condvar,
}

struct Queue<'a> {
    ready: VecDeque<Task<'a>>,
    /// Runs of stages that are being built, with what each needs: they go before other stages.
    help: Vec<Task<'a>>,
    /// What there is for runs, and those that wait for it.
    ledger: Ledger<Task<'a>>,
    /// How many threads wait.
    idle: usize,
}

/// A stage in the hands of a thread.
pub(in crate::realize) struct Turn {
    /// Which one.
    pub(in crate::realize) at: usize,
    /// Whether what it needs is taken.
    pub(in crate::realize) granted: bool,
}

/// What became of a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum Progress {
    /// It is realized, or it failed.
    Done,
    /// It waits for what it needs, and gets another turn with it.
    Waits,
    /// It takes time, and other threads should be there before it begins; it gets another turn then.
    Later,
}

enum Task<'a> {
    Stage(Turn),
    Help(Arc<dyn Work + 'a>),
}

impl<'a> Scheduler<'a> {
    /// For `jobs` threads, and runs that use no more than `total` at once.
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
                ledger: Ledger::new(total),
                idle: 0,
            }),
            wake: Condvar::new(),
        }
    }

    /// Does `step` for every stage, each after its dependencies, on `jobs` threads, of which this is one. The others are
    /// only started when there is something that takes time.
    pub(in crate::realize) fn run(&self, step: impl Fn(Turn) -> Progress + Sync) {
        if self.jobs > 1 && self.work_alone(&step) {
            return;
        }
        self.is_alone.store(false, Ordering::Release);
        let around = Around::here();
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                // A thread that cannot be had is one job less: this one does all that is left.
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
        if queue.ledger.take(&needs) {
            return true;
        }
        let turn = Turn { at, granted: true };
        queue.ledger.wait(needs, Task::Stage(turn));
        false
    }

    /// Gives back what a run of the stage needed.
    pub(in crate::realize) fn release(&self, at: usize) {
        let needs = self.needs(at);
        let mut queue = self.lock();
        queue.ledger.release(&needs);
        self.let_in(queue);
    }

    /// Lets idle threads help with the runs of an order, each when what a run needs is free.
    pub(in crate::realize) fn share(&self, work: &Arc<dyn Work + 'a>) {
        let needs = needs(work.order().limits);
        let runs = work.order().indices.len();
        let mut queue = self.lock();
        for _ in 1..runs.min(self.jobs) {
            queue.ledger.wait(needs.clone(), Task::Help(work.clone()));
        }
        self.let_in(queue);
    }

    /// Passes those who can have what they need on to the threads.
    fn let_in(&self, mut queue: MutexGuard<'_, Queue<'a>>) {
        let mut some = false;
        while let Some(task) = queue.ledger.next() {
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
        // Nothing is left half-done under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stage that takes time should wait for the other threads, by [`Progress::Later`].
    pub(in crate::realize) fn is_alone(&self) -> bool {
        self.is_alone.load(Ordering::Acquire)
    }

    /// Does stages on this thread until none is left, which it says, or one takes time.
    fn work_alone(&self, step: &impl Fn(Turn) -> Progress) -> bool {
        let mut turn = None;
        let mut now = Instant::now();
        while let Some(Turn { at, granted }) = turn.take().or_else(|| self.next_stage()) {
            match step(Turn { at, granted }) {
                Progress::Done => turn = self.done(at),
                Progress::Waits => {}
                Progress::Later => {
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

    /// The next stage that is ready, if one is.
    fn next_stage(&self) -> Option<Turn> {
        if self.is_over() {
            return None;
        }
        match self.lock().ready.pop_front() {
            Some(Task::Stage(turn)) => Some(turn),
            // Nobody shares work with a thread that is alone.
            Some(Task::Help(..)) | None => None,
        }
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Acquire) || self.left.load(Ordering::Acquire) == 0
    }

    fn work(&self, step: &impl Fn(Turn) -> Progress) {
        while let Some(task) = self.next() {
            match task {
                Task::Help(work) => {
                    // Whoever waits longer goes first, and this goes to the end of the line.
                    let some_left = work.make(&|| self.lock().ledger.has_waiting());
                    let needs = needs(work.order().limits);
                    let mut queue = self.lock();
                    queue.ledger.release(&needs);
                    if some_left {
                        queue.ledger.wait(needs, Task::Help(work));
                    }
                    self.let_in(queue);
                }
                Task::Stage(first) => {
                    // A chain goes on here, without another look at the queue.
                    let mut turn = Some(first);
                    while let Some(Turn { at, granted }) = turn {
                        turn = match step(Turn { at, granted }) {
                            Progress::Done => self.done(at),
                            Progress::Waits | Progress::Later => None,
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

    /// A stage is done: gives one of the stages that became ready, and leaves the others to the queue.
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
    /// Its first, with nothing taken.
    pub(in crate::realize) fn first(at: usize) -> Self {
        Turn { at, granted: false }
    }
}

impl Task<'_> {
    fn ready(at: usize) -> Self {
        Task::Stage(Turn::first(at))
    }
}

/// A choice that takes longer than this reads files; others like it should be made beside it.
const WORTH_A_THREAD: Duration = Duration::from_millis(1);

/// As much stack as a main thread usually has: a stage should not fail for the thread that it is on.
const STACK: usize = 8 << 20;
