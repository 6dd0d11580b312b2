//! What is there for the stages of a plan.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::options::Realize;
use crate::Result;
use crate::plan::Graph;
use crate::store::{Look, Looker, cores};

/// What is there for each stage, looked at while stages that come before are decided. From then on it stays, as this process
/// says that it uses it, and it is on the disk: it can be trusted, and told of.
pub(super) struct Stock<'a> {
    options: &'a Realize<'a>,
    graph: &'a Graph,
    /// What cannot be read is nothing here: it is looked at again when its stage's turn comes, which then fails.
    looks: Arc<Looks>,
    /// The first stage that nobody looks at yet.
    next: AtomicUsize,
    is_over: AtomicBool,
    may_write: bool,
    is_settled: Mutex<bool>,
}

/// What was found for each stage of a plan that was looked at.
pub(super) type Looks = [OnceLock<Option<Look>>];

/// So many stages are looked at in one go: handing out single ones costs about as much as looking.
const PART: usize = 64;

impl<'a> Stock<'a> {
    pub(super) fn new(options: &'a Realize<'_>, graph: &'a Graph) -> Result<Self> {
        let drefs = graph.stages.iter().map(|stage| stage.dref.id());
        // Before it is looked at.
        let may_write = options.store.use_derivations(drefs)?;
        let mut looks = Vec::with_capacity(graph.stages.len());
        looks.resize_with(graph.stages.len(), OnceLock::new);
        Ok(Stock {
            options,
            graph,
            looks: looks.into(),
            next: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            may_write,
            is_settled: Mutex::new(false),
        })
    }

    /// What was found so far.
    pub(super) fn looks(&self) -> &Arc<Looks> {
        &self.looks
    }

    /// Does `work`, and looks at stages beside it, in their order.
    pub(super) fn beside<R>(&self, work: impl FnOnce() -> R) -> R {
        let parts = self.looks.len().div_ceil(PART);
        let threads = self.options.jobs.min(cores()).min(parts / 2);
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without it, whoever needs a look takes it.
                let thread = thread::Builder::new().name("look".to_owned());
                if thread.spawn_scoped(scope, || self.look_ahead()).is_err() {
                    break;
                }
            }
            let _over = Over(&self.is_over);
            work()
        })
    }

    fn look_ahead(&self) {
        let looker = self.looker();
        while !self.is_over.load(Ordering::Relaxed)
            && let Some(part) = self.next_part()
        {
            self.look_at(&looker, part);
        }
    }

    fn looker(&self) -> Looker<'_> {
        self.options.store.looker(self.looks.len())
    }

    /// Stages that nobody looks at yet.
    fn next_part(&self) -> Option<Range<usize>> {
        let from = self.next.fetch_add(PART, Ordering::Relaxed);
        let to = self.looks.len().min(from + PART);
        (from < to).then_some(from..to)
    }

    fn look_at(&self, looker: &Looker<'_>, part: Range<usize>) {
        let done = Done(&self.looks[part.clone()]);
        for (stage, look) in self.graph.stages[part].iter().zip(done.0) {
            let _ = look.set(looker.look(stage.dref.id()).ok());
        }
    }

    /// What is there for the stage at `at`; nothing if that could not be read.
    pub(super) fn look(&self, at: usize) -> Result<Option<&Look>> {
        let look = match self.looks[at].get() {
            Some(look) => look,
            None => self.wait_for(at),
        };
        if self.may_write
            && let Some(look) = look
            && self.options.store.is_to_settle(look)
        {
            self.settle()?;
        }
        Ok(look.as_ref())
    }

    /// Looks at those that come first, until the one at `at` was looked at, or somebody else is about to.
    fn wait_for(&self, at: usize) -> &Option<Look> {
        let mut looker = None;
        while self.looks[at].get().is_none() {
            match self.next_part() {
                Some(part) => self.look_at(looker.get_or_insert_with(|| self.looker()), part),
                None => {
                    // Whoever is about to goes through a part in order: waiting for each of it would wake this thread as
                    // often.
                    let part_ends = (at / PART + 1) * PART;
                    self.looks[part_ends.min(self.looks.len()) - 1].wait();
                }
            }
        }
        self.looks[at].wait()
    }

    /// Sees that all that is there is on the disk: at once, as one call for the whole file system costs less than one for
    /// each.
    fn settle(&self) -> Result<()> {
        let mut is_settled = self
            .is_settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *is_settled {
            return Ok(());
        }
        let stages = self.graph.stages.iter().enumerate();
        let found: Vec<_> = stages
            .filter_map(|(at, stage)| Some((stage.dref.id(), self.wait_for(at).as_ref()?)))
            .collect();
        self.options.store.settle(&found)?;
        *is_settled = true;
        Ok(())
    }
}

/// Says at its end, whatever ends it, that nobody needs looks any more.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sees at its end, whatever ends it, that nobody waits for any of these.
struct Done<'a>(&'a [OnceLock<Option<Look>>]);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        for look in self.0 {
            let _ = look.set(None);
        }
    }
}
