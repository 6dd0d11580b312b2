//! The thread that passes progress reports of stages to observers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, Scope};

use crate::lens::ProgressReport;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;

/// The capacity of the channel.
const WAITING: usize = 64;

/// Starts the thread that passes progress reports to observers, and returns the sender for the stages. Returns `None` if
/// there are no observers or the thread cannot be started. The thread ends when all senders are dropped.
///
/// The channel is needed because a build cannot hold references to observers, which live only as long as the run.
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
            // If an observer panics here, the panic is ignored; the next event from the run itself makes the run fail.
            let _ = catch_unwind(AssertUnwindSafe(|| options.notify(&event)));
        }
    };
    let thread = thread::Builder::new().name("progress".to_owned());
    thread.spawn_scoped(scope, tell).is_ok().then_some(to)
}
