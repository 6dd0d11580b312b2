//! What is in the queue of an executor, for people who look at it or cancel some.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::batches::Comments;
use super::executor::{Executor, Sight, TaskId};
use super::order::{
    OrderedBuild, TaskOrder, cancel_builds, cancelled_builds, is_asked_to_stop, run_of,
};
use super::said::{Listener, Said};
use crate::Result;
use crate::config::DRefId;
use crate::store::Store;

/// A task of a run in the queue of an [`Executor`], whether a process waits for it or not: see [`Store::tasks`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedTask {
    /// The name that the executor gave it.
    pub id: TaskId,
    /// The run that ordered it.
    pub run: Uuid,
    /// How it stands.
    pub sight: Sight,
    /// When it began, or for a task that waits when it was ordered; `None` if the file system does not tell.
    pub since: Option<Timestamp>,
    /// What it builds, in this order. Empty if its order is not there any more: it ends by itself.
    pub builds: Vec<ListedBuild>,
    order: PathBuf,
}

/// A build of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListedBuild {
    /// The derivation.
    pub dref: DRefId,
    /// How often the stage has to run.
    pub runs: usize,
    /// How far it is.
    pub state: ListedState,
}

/// How far a build of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListedState {
    /// It has not begun.
    Waiting,
    /// It is under way.
    Running,
    /// Its results are in the store.
    Made,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Another task makes it, since this one was slow, or the run stops.
    TakenBack,
}

/// What [`cancel_tasks`](Store::cancel_tasks) did to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelledTask<'a> {
    /// The task.
    pub task: &'a ListedTask,
    /// The builds that it does not make any more.
    pub builds: Vec<&'a ListedBuild>,
    /// Whether nothing was left to do for it, so that it was ended. Otherwise it goes on with its other builds.
    pub is_whole: bool,
}

impl Store {
    /// Returns the tasks that runs on this store have in the queue of an executor, those of runs whose process is gone included. Only
    /// tasks of this user are listed.
    ///
    /// ```no_run
    /// use pylightnix::realize::Slurm;
    /// # use pylightnix::store::Store;
    /// # fn main() -> pylightnix::Result<()> {
    /// let store = Store::open_default()?;
    /// for task in store.tasks(&Slurm::new())? {
    ///     println!("{}: {:?}, {} builds", task.id, task.sight, task.builds.len());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the executor does not answer.
    pub fn tasks(&self, executor: &dyn Executor) -> Result<Vec<ListedTask>> {
        let comments = Comments::of(self);
        let found = executor.adopt(&comments.begin())?;
        let found: Vec<_> = found
            .into_iter()
            .filter_map(|task| Some((comments.order_of(&task.comment, task.index)?, task.id)))
            .collect();
        let ids: Vec<TaskId> = found.iter().map(|(_, id)| id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sights = executor.look(&ids)?;
        let tasks = found.into_iter().zip(sights);
        let tasks = tasks.filter(|(_, sight)| !matches!(sight, Sight::Gone(_)));
        Ok(tasks
            .filter_map(|((order, id), sight)| ListedTask::of(order, id, sight))
            .collect())
    }

    /// Cancels those builds of tasks for which `which` holds. A task without other builds is ended; others go on without them. A run
    /// that waits for such a build is told, and stops as after any failure.
    ///
    /// # Errors
    /// Fails if that cannot be written, or if the executor does not answer.
    pub fn cancel_tasks<'a>(
        &self,
        executor: &dyn Executor,
        tasks: &'a [ListedTask],
        which: impl Fn(&ListedTask, &ListedBuild) -> bool,
    ) -> Result<Vec<CancelledTask<'a>>> {
        let mut cancelled = Vec::new();
        for task in tasks {
            let goes = |build: &&ListedBuild| build.is_open() && which(task, build);
            let builds: Vec<_> = task.builds.iter().filter(goes).collect();
            if builds.is_empty() {
                continue;
            }
            let all = task.builds.iter().enumerate();
            let places = all.filter(|(_, build)| goes(build)).map(|(at, _)| at);
            // Before it ends, so that the run does not take it for lost.
            cancel_builds(&task.order, &places.collect::<BTreeSet<_>>())?;
            let open = task.builds.iter().filter(|build| build.is_open());
            cancelled.push(CancelledTask {
                is_whole: open.count() == builds.len(),
                task,
                builds,
            });
        }
        let whole = cancelled.iter().filter(|task| task.is_whole);
        let ids: Vec<TaskId> = whole.map(|task| task.task.id.clone()).collect();
        if !ids.is_empty() {
            executor.cancel(&ids)?;
        }
        Ok(cancelled)
    }
}

impl ListedTask {
    fn of(order: PathBuf, id: TaskId, sight: Sight) -> Option<Self> {
        let run = run_of(&order)?;
        let builds = TaskOrder::read(&order).map_or_else(|_| Vec::new(), |read| read.builds);
        let builds = listed(&order, &builds);
        let since = match sight {
            Sight::Running(_) => Listener::begun(&order),
            _ => None,
        };
        Some(ListedTask {
            since: since.or_else(|| modified(&order)),
            id,
            run,
            sight,
            builds,
            order,
        })
    }
}

impl ListedBuild {
    /// Whether it can still be cancelled.
    fn is_open(&self) -> bool {
        matches!(self.state, ListedState::Waiting | ListedState::Running)
    }
}

/// Returns the builds of an order with what the task has said of each.
fn listed(order: &Path, builds: &[OrderedBuild]) -> Vec<ListedBuild> {
    let mut listed: Vec<_> = builds
        .iter()
        .map(|build| ListedBuild {
            dref: build.terms.dref.clone(),
            runs: build.due.len(),
            state: ListedState::Waiting,
        })
        .collect();
    for line in Listener::of(order).news() {
        if let Some(build) = listed.get_mut(line.build) {
            build.state = match line.said {
                Said::Made => ListedState::Made,
                Said::Failed(_) | Said::Refused(_) => ListedState::Failed,
                _ => ListedState::Running,
            };
        }
    }
    if is_asked_to_stop(order) {
        let waiting = listed.iter_mut();
        for build in waiting.filter(|build| build.state == ListedState::Waiting) {
            build.state = ListedState::TakenBack;
        }
    }
    for build in cancelled_builds(order) {
        if let Some(build) = listed.get_mut(build)
            && build.state != ListedState::Made
        {
            build.state = ListedState::Cancelled;
        }
    }
    listed
}

fn modified(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok()
}
