//! Telling the observers of a run how far its stages are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::event::Event;
use super::options::Realize;
use crate::lens::Step;

/// How many messages may wait for an observer.
const WAITING: usize = 64;

/// Does `work`, which tells the observers what it sends. They are told on a thread of its own, because a build cannot hold
/// observers that live only as long as the run.
pub(super) fn telling<R>(
    options: &Realize<'_>,
    work: impl FnOnce(Option<SyncSender<Step>>) -> R,
) -> R {
    if options.observers.is_empty() {
        return work(None);
    }
    let (to, from) = sync_channel::<Step>(WAITING);
    thread::scope(|scope| {
        let tell = || {
            // It ends when all senders are gone, which is when the work is done.
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
        match thread.spawn_scoped(scope, tell) {
            Ok(_) => work(Some(to)),
            Err(_) => work(None),
        }
    })
}
