//! The thread that passes reports of running stages to observers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, Scope};

use crate::lens::StageReport;
use crate::plan::PlanGraph;
use crate::realize::failure::errors::looked_late;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;

/// The capacity of the channel.
const WAITING: usize = 64;

/// Starts the thread that passes reports of stages to observers, and returns the sender for the stages. Returns `None` if
/// there are no observers or the thread cannot be started. The thread ends when all senders are dropped.
///
/// The channel is needed because a build cannot hold references to observers, which live only as long as the run.
pub(in crate::realize) fn progress_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    options: &'scope Realize<'_>,
    graph: &Arc<PlanGraph>,
) -> Option<Arc<SyncSender<StageReport>>> {
    if options.observers.is_empty() {
        return None;
    }
    let (to, from) = sync_channel::<StageReport>(WAITING);
    let graph = graph.clone();
    let tell = move || {
        for report in from {
            let error;
            let event = match &report {
                StageReport::Progress {
                    dref,
                    index,
                    done,
                    total,
                } => Event::Progress {
                    dref,
                    index: *index,
                    done: *done,
                    total: *total,
                },
                StageReport::Recorded {
                    dref,
                    index,
                    name,
                    step,
                    value,
                } => Event::Recorded {
                    dref,
                    index: *index,
                    name,
                    step: *step,
                    value: *value,
                },
                StageReport::LookedLate { dref, index, of } => {
                    error = looked_late(graph.titled(dref), *index, of);
                    Event::LookedLate {
                        dref,
                        index: *index,
                        of,
                        error: &error,
                    }
                }
            };
            // If an observer panics here, the panic is ignored; the next event from the run itself makes the run fail.
            let _ = catch_unwind(AssertUnwindSafe(|| options.notify(&event)));
        }
    };
    let thread = thread::Builder::new().name("progress".to_owned());
    thread
        .spawn_scoped(scope, tell)
        .is_ok()
        .then(|| Arc::new(to))
}
