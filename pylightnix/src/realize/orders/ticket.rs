//! A build that a thread of the run waits for while it is made elsewhere.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::counts::TaskCounts;
use super::executor::Needs;
use super::order::OrderedBuild;
use super::said::Said;
use crate::Error;

/// What the thread is told.
pub(in crate::realize) enum News {
    /// The task says this of the build.
    Said(Said),
    /// The tasks of the run changed: one thread tells it for all.
    Tasks(TaskCounts),
    /// No further report of the build comes.
    Ended(TicketEnd),
}

/// Why no further report of a build comes.
pub(in crate::realize) enum TicketEnd {
    /// The task is over, and left neither results nor an error, as far as it is known.
    Lost(String),
    /// The run cannot go on.
    Refused(Error),
    /// The run stops, and the build was not begun.
    Withdrawn,
    /// Somebody cancelled the build.
    Cancelled,
}

/// A build, with what its thread is to be told.
pub(in crate::realize) struct Ticket {
    pub(in crate::realize) build: OrderedBuild,
    pub(in crate::realize) needs: Needs,
    /// The index of the stage in the plan: builds begin in the order of the plan.
    pub(in crate::realize) place: usize,
    /// Whether it has a task of its own: one that it shared before vanished while it was being made.
    pub(in crate::realize) is_alone: bool,
    /// Whether a task that should make it was lost before.
    pub(in crate::realize) was_lost: bool,
    /// How long one run of the derivation usually takes, if it was built before.
    pub(in crate::realize) usual: Option<Duration>,
    news: Mutex<VecDeque<News>>,
    ring: Condvar,
    begun: AtomicBool,
}

impl Ticket {
    pub(in crate::realize) fn new(
        build: OrderedBuild,
        needs: Needs,
        place: usize,
        usual: Option<Duration>,
    ) -> Self {
        Ticket {
            build,
            needs,
            place,
            is_alone: false,
            was_lost: false,
            usual,
            news: Mutex::default(),
            ring: Condvar::new(),
            begun: AtomicBool::new(false),
        }
    }

    /// Tells the thread.
    pub(in crate::realize) fn tell(&self, news: News) {
        if matches!(news, News::Said(_)) {
            self.begun.store(true, Ordering::Release);
        }
        let mut all = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(news);
        drop(all);
        self.ring.notify_one();
    }

    /// Whether a task has begun the build.
    pub(in crate::realize) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits for news, at most this long.
    pub(in crate::realize) fn next(&self, within: Duration) -> Option<News> {
        let all = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .ring
            .wait_timeout_while(all, within, |all| all.is_empty());
        let (mut all, _) = waited.unwrap_or_else(PoisonError::into_inner);
        all.pop_front()
    }
}
