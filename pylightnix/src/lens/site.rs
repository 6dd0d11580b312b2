//! Where and how one run of a stage goes.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::stop::Stop;

/// What a run of a stage is given beside its config and its dependencies.
#[derive(Clone)]
pub(crate) struct Site {
    /// When it began.
    pub(crate) start: Timestamp,
    /// The folder for what it needs only while it runs; not there until somebody wants it.
    pub(crate) scratch: PathBuf,
    /// How many threads it may keep busy.
    pub(crate) threads: usize,
    /// Whether it has to stop.
    pub(crate) stop: Arc<Stop>,
}
