//! What stages and this library log through [`tracing`].
//!
//! It is there with the feature `tracing`. Each run of a stage is in a span called `stage`, with the fields `name`, `dref`
//! and `index`; its target is `pylightnix::stage`. What a run does is said by events with the target `pylightnix::run`: which
//! stage is built and why (`INFO`), what is published (`INFO`), what is tried again, does not stop or is cancelled (`WARN`),
//! what fails (`ERROR`), and details (`DEBUG`). The span of the thread that calls [`Realize::run`](crate::realize::Realize::run)
//! is around all of it, and its subscriber is told, whichever threads the stages run on.
//!
//! [`BuildLogs`] is the layer that puts what a stage logs into the log of its build, beside what it writes to `b.log()` and
//! what its child processes print:
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
//! # let store = Store::open_at(folder.path().join("store"))?;
//! // Once in a program; other layers beside it, `tracing_subscriber::fmt::layer()` for one.
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
//! Threads that a stage starts are in its span when they enter it:
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
    /// The log of the span that is being made: a layer finds it here, as a field of a span can only be a plain value.
    static LOG: RefCell<Option<BuildLog>> = const { RefCell::new(None) };
}

/// A span for a run of a stage.
pub(crate) fn stage_span(dref: &DRefId, index: usize, log: &BuildLog) -> tracing::Span {
    LOG.set(Some(log.clone()));
    // At the highest level, so that a filter that lets anything pass lets the span pass, without which no log is found.
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

/// The log of the span that is being made.
fn log_of_new_span() -> Option<BuildLog> {
    LOG.with_borrow(Clone::clone)
}
