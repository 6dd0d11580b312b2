//! Looking at the stages of a plan, in their order, on threads of its own: while the plan is still gone through, and while
//! stages that come before are decided.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};

use super::options::Realize;
use super::stock::Stock;
use crate::plan::{AnyDRef, Graph, PART};
use crate::store::{Look, Looker, cores};
use crate::{Error, Result};

/// Stages that are looked at in one go, and what was found for each. What cannot be read is nothing here: it is looked at
/// again when its stage's turn comes, which then fails.
pub(super) struct Part {
    drefs: Arc<[AnyDRef]>,
    looks: Box<[OnceLock<Option<Look>>]>,
}

/// What was found for each stage of a plan that was looked at.
pub(super) struct Looks {
    parts: Vec<Arc<Part>>,
    count: usize,
}

/// What the threads share.
pub(super) struct Ahead<'a> {
    pub(super) options: &'a Realize<'a>,
    line: Mutex<Line>,
    /// There is more to look at, or there will not be.
    more: Condvar,
}

#[derive(Default)]
struct Line {
    parts: Vec<Arc<Part>>,
    /// The first part that nobody looks at yet.
    next: usize,
    is_whole: bool,
    is_over: bool,
}

/// Gives the threads what to look at.
pub(super) struct Feed<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    ahead: &'env Ahead<'a>,
    /// How many look, this one among them.
    threads: usize,
    /// What the lease does not name yet.
    unnamed: Vec<Arc<[AnyDRef]>>,
    may_write: bool,
    /// Why naming failed: it is told when all is fed, as a plan that contradicts itself says so first.
    failed: Option<Error>,
}

/// The lease gets the names of so many parts at once: each time is a few system calls.
const NAMED_AT_ONCE: usize = 8;

impl<'a> Ahead<'a> {
    pub(super) fn new(options: &'a Realize<'a>) -> Self {
        Ahead {
            options,
            line: Mutex::default(),
            more: Condvar::new(),
        }
    }

    /// Does `work`, and looks beside it at what it feeds.
    pub(super) fn beside<'env, R>(
        &'env self,
        work: impl FnOnce(&mut Feed<'_, 'env, 'a>) -> R,
    ) -> R {
        thread::scope(|scope| {
            let _over = Over(self);
            work(&mut Feed {
                scope,
                ahead: self,
                threads: 1,
                unnamed: Vec::new(),
                may_write: true,
                failed: None,
            })
        })
    }

    fn look_ahead(&self) {
        let looker = self.options.store.looker(PART);
        while let Some(part) = self.awaited_part() {
            part.look(&looker);
        }
    }

    /// A part that nobody looks at yet, as soon as there is one.
    fn awaited_part(&self) -> Option<Arc<Part>> {
        let mut line = self.line();
        loop {
            if line.is_over {
                return None;
            }
            if let Some(part) = line.take() {
                return Some(part);
            }
            if line.is_whole {
                return None;
            }
            line = (self.more.wait(line)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A part that nobody looks at yet, if there is one.
    pub(super) fn next_part(&self) -> Option<Arc<Part>> {
        self.line().take()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing is left half-done under this lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn take(&mut self) -> Option<Arc<Part>> {
        let part = self.parts.get(self.next)?.clone();
        self.next += 1;
        Some(part)
    }
}

impl<'env, 'a> Feed<'_, 'env, 'a> {
    /// Has the stages of a part looked at.
    pub(super) fn add(&mut self, drefs: &Arc<[AnyDRef]>) {
        self.unnamed.push(drefs.clone());
        if self.unnamed.len() >= NAMED_AT_ONCE {
            self.pass_on();
        }
    }

    /// Has all stages of a plan looked at.
    pub(super) fn add_all(&mut self, graph: &Graph) {
        graph.parts().iter().for_each(|part| self.add(part));
    }

    /// Has what is left looked at. Gives what will be there of them all.
    pub(super) fn end(&mut self) -> Result<Stock<'env>> {
        self.pass_on();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut line = self.ahead.line();
        line.is_whole = true;
        let parts = line.parts.clone();
        drop(line);
        self.ahead.more.notify_all();
        let count = parts.iter().map(|part| part.drefs.len()).sum();
        let looks = Looks { parts, count };
        Ok(Stock::new(self.ahead, looks, self.may_write))
    }

    fn pass_on(&mut self) {
        let parts = std::mem::take(&mut self.unnamed);
        if self.failed.is_some() {
            return;
        }
        if self.may_write {
            let drefs = parts.iter().flat_map(|part| part.iter());
            // Before they are looked at. What a plan names that is then refused stays in use as long as this process lives.
            match (self.ahead.options.store).use_derivations(drefs.map(AnyDRef::id)) {
                Ok(may_write) => self.may_write = may_write,
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        let mut line = self.ahead.line();
        line.parts.extend(parts.into_iter().map(Part::new));
        let left = line.parts.len() - line.next;
        drop(line);
        self.ahead.more.notify_all();
        let wanted = self.ahead.options.jobs.min(cores()).min(left / 2);
        for _ in self.threads..wanted {
            let ahead = self.ahead;
            // Without it, whoever needs a look takes it.
            let thread = thread::Builder::new().name("look".to_owned());
            if thread
                .spawn_scoped(self.scope, || ahead.look_ahead())
                .is_err()
            {
                break;
            }
            self.threads += 1;
        }
    }
}

impl Part {
    fn new(drefs: Arc<[AnyDRef]>) -> Arc<Self> {
        let looks = drefs.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Part { drefs, looks })
    }

    pub(super) fn look(&self, looker: &Looker<'_>) {
        let done = Done(&self.looks);
        for (dref, look) in self.drefs.iter().zip(done.0) {
            let _ = look.set(looker.look(dref.id(), Some(dref.config_json())).ok());
        }
    }
}

impl Looks {
    /// How many stages there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What was found for the stage at this place, if it was looked at.
    pub(super) fn get(&self, at: usize) -> Option<&Option<Look>> {
        self.parts[at / PART].looks[at % PART].get()
    }

    /// The same, when it was.
    pub(super) fn wait(&self, at: usize) -> &Option<Look> {
        self.parts[at / PART].looks[at % PART].wait()
    }

    /// Waits until all of a part were looked at, of which the stage at this place is one: whoever does goes through it in
    /// order, and waiting for each would wake this thread as often.
    pub(super) fn wait_for_part(&self, at: usize) {
        if let Some(last) = self.parts[at / PART].looks.last() {
            last.wait();
        }
    }

    /// The stages.
    pub(super) fn drefs(&self) -> impl Iterator<Item = &AnyDRef> {
        self.parts.iter().flat_map(|part| part.drefs.iter())
    }
}

/// Says at its end, whatever ends it, that nobody needs looks any more.
struct Over<'e, 'a>(&'e Ahead<'a>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        self.0.line().is_over = true;
        self.0.more.notify_all();
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
