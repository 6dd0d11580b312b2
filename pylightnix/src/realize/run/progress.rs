//! The thread that tells observers how far stages are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, Scope};

use crate::lens::ProgressReport;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;

/// The number of messages that may wait for an observer.
const WAITING: usize = 64;

/// Starts the thread that tells observers how far stages are, and returns where the stages send it; `None` without observers, or
/// if the system refuses the thread. The thread ends when all senders are dropped.
///
/// It has a channel in between because a build cannot hold observers, which live only as long as the run.
pub(in crate::realize) fn progress_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    options: &'scope Realize<'_>,
) -> Option<SyncSender<ProgressReport>> {
    if options.observers.is_empty() {
        return None;
    }
    let (to, from) = sync_channel::<ProgressReport>(WAITING);
    let tell = move || {
        for step in from {
            let event = Event::Progress {
                dref: &step.dref,
                index: step.index,
                done: step.done,
                total: step.total,
            };
            // An observer that panics fails the run by the next event that the run itself tells.
            let _ = catch_unwind(AssertUnwindSafe(|| options.tell(&event)));
        }
    };
    let thread = thread::Builder::new().name("progress".to_owned());
    thread.spawn_scoped(scope, tell).is_ok().then_some(to)
}
