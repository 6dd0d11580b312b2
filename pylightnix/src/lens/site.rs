//! The parameters of one run of a stage.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::own_units::OwnUnits;
use super::stop::Stop;

/// The parameters of one run of a stage, beside its config and its dependencies.
#[derive(Clone)]
pub(crate) struct Site {
    /// The time when the run began.
    pub(crate) start: Timestamp,
    /// The folder for temporary files, created on first use.
    pub(crate) scratch: PathBuf,
    /// The number of threads that the run may use.
    pub(crate) threads: usize,
    /// The units of resources that the run has; `None` if it needs no resources.
    pub(crate) units: Option<Arc<OwnUnits>>,
    /// The stop signal of the run.
    pub(crate) stop: Arc<Stop>,
}
