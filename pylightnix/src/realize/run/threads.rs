//! The executor of this process: makes runs on the thread that decided to build, with the help of idle threads of the
//! scheduler.

use std::sync::Arc;

use super::scheduler::Scheduler;
use crate::realize::execute::{BuildRequest, Executor, Task, TaskState, Work};

impl<'a> Executor<'a> for Scheduler<'a> {
    fn reserve(&self, at: usize) -> bool {
        self.take(at)
    }

    fn submit(&self, work: Arc<dyn Work + 'a>) -> Task<'a> {
        if work.request().indices.len() > 1 {
            self.share(&work);
        }
        Task(work)
    }

    fn state(&self, task: &Task<'a>) -> TaskState {
        match task.0.is_over() {
            true => TaskState::Over,
            false => TaskState::Running,
        }
    }

    fn cancel(&self) {
        self.stop();
    }

    /// Returns `None`: threads end with their process, so no earlier process has left a task behind.
    fn adopt(&self, _: &BuildRequest<'_>) -> Option<Task<'a>> {
        None
    }
}
