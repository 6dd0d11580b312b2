//! What surrounds a run: who waits for it, and with the feature `tracing` the subscriber and the span of the thread that asked
//! for it.

use crate::config::DRefId;
use crate::lens::BuildLog;
use crate::store::Waiters;

/// What is taken to the threads of a run.
#[derive(Clone)]
pub(crate) struct Around {
    waiters: Waiters,
    #[cfg(feature = "tracing")]
    dispatch: tracing::Dispatch,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Around {
    /// What surrounds this thread here.
    pub(crate) fn here() -> Self {
        Around {
            waiters: Waiters::with_this_thread(),
            #[cfg(feature = "tracing")]
            dispatch: tracing::dispatcher::get_default(Clone::clone),
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// Does `work`, on another thread, as if it were there.
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

/// Runs the code of a stage, in a span of its own whose log is this one.
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
