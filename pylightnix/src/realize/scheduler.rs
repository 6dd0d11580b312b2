//! Who does what when: stages whose dependencies are done go to the next free thread, those that run once what they need is
//! free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::ledger::{Amounts, Ledger};
use super::resources::needs;
use crate::around::Around;
use crate::plan::GraphStage;

/// What the threads of a run share.
pub(super) struct Scheduler<'a> {
    stages: &'a [GraphStage],
    jobs: usize,
    /// How many dependencies of each stage are still to come.
    pending: Vec<AtomicUsize>,
    /// How many stages are still to come.
    left: AtomicUsize,
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

/// Work that several threads can share.
pub(super) trait Shared: Send + Sync {
    /// Does pieces of it until none is left to begin, or until `pause` says so after one. Says whether some are left.
    fn work(&self, pause: &dyn Fn() -> bool) -> bool;
}

/// A stage in the hands of a thread.
pub(super) struct Turn {
    /// Which one.
    pub(super) at: usize,
    /// Whether what it needs is taken.
    pub(super) granted: bool,
}

/// What became of a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is realized, or it failed.
    Done,
    /// It waits for what it needs, and gets another turn with it.
    Waits,
}

enum Task<'a> {
    Stage(Turn),
    Help(usize, Arc<dyn Shared + 'a>),
}

impl<'a> Scheduler<'a> {
    /// For `jobs` threads, and runs that use no more than `total` at once.
    pub(super) fn new(stages: &'a [GraphStage], jobs: usize, total: Amounts) -> Self {
        let ready = (0..stages.len())
            .filter(|at| stages[*at].deps.is_empty())
            .map(Task::ready);
        Scheduler {
            stages,
            jobs,
            pending: stages
                .iter()
                .map(|stage| AtomicUsize::new(stage.deps.len()))
                .collect(),
            left: AtomicUsize::new(stages.len()),
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

    /// Does `step` for every stage, each after its dependencies, on `jobs` threads, of which this is one.
    pub(super) fn run(&self, step: impl Fn(Turn) -> Progress + Sync) {
        let extra = if self.stages.is_empty() {
            0
        } else {
            self.jobs - 1
        };
        let around = Around::here();
        thread::scope(|scope| {
            for _ in 0..extra {
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
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Takes what a run of the stage needs; if it cannot, the stage gets another turn when it can be had.
    pub(super) fn take(&self, turn: &mut Turn) -> Progress {
        let needs = self.needs(turn.at);
        let mut queue = self.lock();
        if queue.ledger.take(&needs) {
            turn.granted = true;
            return Progress::Done;
        }
        queue.ledger.wait(
            needs,
            Task::Stage(Turn {
                at: turn.at,
                granted: true,
            }),
        );
        Progress::Waits
    }

    /// Gives back what a run of the stage needed.
    pub(super) fn release(&self, at: usize) {
        let needs = self.needs(at);
        let mut queue = self.lock();
        queue.ledger.release(&needs);
        self.let_in(queue);
    }

    /// Lets idle threads share work on the stage that this one is about to do, each when what a run needs is free.
    pub(super) fn share(&self, at: usize, work: Arc<dyn Shared + 'a>, pieces: usize) {
        let needs = self.needs(at);
        let mut queue = self.lock();
        for _ in 1..pieces.min(self.jobs) {
            queue
                .ledger
                .wait(needs.clone(), Task::Help(at, work.clone()));
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
        needs(self.stages[at].dref.node().limits())
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        // Nothing is left half-done under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, step: &impl Fn(Turn) -> Progress) {
        while let Some(task) = self.next() {
            match task {
                Task::Help(at, work) => {
                    // Whoever waits longer goes first, and this goes to the end of the line.
                    let some_left = work.work(&|| self.lock().ledger.has_waiting());
                    let needs = self.needs(at);
                    let mut queue = self.lock();
                    queue.ledger.release(&needs);
                    if some_left {
                        queue.ledger.wait(needs, Task::Help(at, work));
                    }
                    self.let_in(queue);
                }
                Task::Stage(first) => {
                    // A chain goes on here, without another look at the queue.
                    let mut turn = Some(first);
                    while let Some(Turn { at, granted }) = turn {
                        turn = match step(Turn { at, granted }) {
                            Progress::Done => self.done(at),
                            Progress::Waits => None,
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
            if self.stopped.load(Ordering::Acquire) || self.left.load(Ordering::Acquire) == 0 {
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
        for &dependent in &self.stages[at].dependents {
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
    pub(super) fn first(at: usize) -> Self {
        Turn { at, granted: false }
    }
}

impl Task<'_> {
    fn ready(at: usize) -> Self {
        Task::Stage(Turn::first(at))
    }
}

/// As much stack as a main thread usually has: a stage should not fail for the thread that it is on.
const STACK: usize = 8 << 20;
