//! The context of a thread that starts a run, passed on to the threads of the run: which build locks it holds, and with the
//! feature `tracing` its subscriber and span.

use crate::config::DRefId;
use crate::lens::BuildLog;
use crate::store::Waiters;

/// The context of a thread, to be entered on other threads.
#[derive(Clone)]
pub(crate) struct ThreadContext {
    waiters: Waiters,
    #[cfg(feature = "tracing")]
    dispatch: tracing::Dispatch,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl ThreadContext {
    /// Captures the context of this thread.
    pub(crate) fn here() -> Self {
        ThreadContext {
            waiters: Waiters::with_this_thread(),
            #[cfg(feature = "tracing")]
            dispatch: tracing::dispatcher::get_default(Clone::clone),
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// Calls `work` on this thread in the captured context.
    pub(crate) fn inside<R>(&self, work: impl FnOnce() -> R) -> R {
        self.waiters.run(|| self.traced(work))
    }

    #[cfg(feature = "tracing")]
    fn traced<R>(&self, work: impl FnOnce() -> R) -> R {
        tracing::dispatcher::with_default(&self.dispatch, || self.span.in_scope(work))
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "there is no span")]
    fn traced<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

/// Runs the code of a stage in a span of its own, whose events go to `log`.
#[cfg_attr(
    not(feature = "tracing"),
    expect(unused_variables, reason = "there is no span")
)]
pub(crate) fn in_stage<R>(
    dref: &DRefId,
    index: usize,
    log: &BuildLog,
    work: impl FnOnce() -> R,
) -> R {
    #[cfg(feature = "tracing")]
    return crate::trace::stage_span(dref, index, log).in_scope(work);
    #[cfg(not(feature = "tracing"))]
    work()
}
