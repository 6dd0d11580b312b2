//! Logs of stages and runs through the crate [`tracing`].
//!
//! It needs the feature `tracing`. Each run of a stage is in a span called `stage`, with the fields `name`, `dref` and
//! `index` and the target `pylightnix::stage`. A run emits events with the target `pylightnix::run`: builds with their
//! reasons and published results (`INFO`), retries, overdue stages and cancellation (`WARN`), failures (`ERROR`), handles
//! that were looked at after their stage had ended (`ERROR`), and details (`DEBUG`). The current span and the subscriber of the thread that calls
//! [`Realize::run`](crate::realize::Realize::run) are used on all threads of the run.
//!
//! [`BuildLogs`] is the layer that writes the events of a stage to the log of its build, together with the output of `b.log()`
//! and of child processes:
//!
//! ```standalone_crate
//! # use pylightnix::prelude::*;
//! use pylightnix::trace::BuildLogs;
//! use tracing_subscriber::layer::SubscriberExt as _;
//! use tracing_subscriber::util::SubscriberInitExt as _;
//!
//! #[derive(Config)]
//! pub struct Train { pub epochs: u32 }
//!
//! #[stage]
//! fn train(b: &Build<Train>) -> Result<()> {
//!     for epoch in 0..b.epochs {
//!         tracing::info!(epoch, "an epoch is done");
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let store = Store::open(folder.path().join("store"))?;
//! // Once per program, possibly with other layers such as `tracing_subscriber::fmt::layer()`.
//! tracing_subscriber::registry().with(BuildLogs::new()).init();
//!
//! let trained = store.realize(&instantiate(Train::new(3))?)?;
//! # let folder = trained.path().parent().unwrap();
//! # let mut entries = std::fs::read_dir(folder)?.map(|entry| entry.unwrap().path());
//! # let log = entries.find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
//! # assert_eq!(std::fs::read_to_string(log)?.lines().count(), 3);
//! # Ok(()) }
//! ```
//!
//! Threads that a stage starts have to enter its span:
//!
//! ```
//! # use std::thread;
//! let span = tracing::Span::current();
//! thread::spawn(move || span.in_scope(|| tracing::info!("this is in the log too")));
//! ```

mod layer;
mod line;
mod panics;

use std::cell::RefCell;

use crate::config::DRefId;
use crate::lens::BuildLog;

pub use layer::BuildLogs;
pub use panics::log_panics;

/// The target of the spans of stages.
const STAGE: &str = "pylightnix::stage";

thread_local! {
    /// The log for the span that is being created. It is passed to the layer here, because fields of a span are plain
    /// values.
    static LOG: RefCell<Option<BuildLog>> = const { RefCell::new(None) };
}

/// Creates the span of a run of a stage.
pub(crate) fn stage_span(dref: &DRefId, index: usize, log: &BuildLog) -> tracing::Span {
    LOG.set(Some(log.clone()));
    // Use the highest level, so that filters keep the span; without it the layer finds no log.
    let span = tracing::error_span!(
        target: STAGE,
        "stage",
        name = %dref.name(),
        dref = %dref,
        index,
    );
    LOG.set(None);
    span
}

/// Returns the log for the span that is being created.
fn log_of_new_span() -> Option<BuildLog> {
    LOG.with_borrow(Clone::clone)
}
