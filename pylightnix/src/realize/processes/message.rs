//! What a run and its workers say to each other, as JSON in one line each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sandbox::Sandbox;
use super::terms::StageTerms;
use super::wire_error::WireError;
use crate::config::DRefId;
use crate::lens::{Chosen, OwnUnits, Site, StageReport, StopReason};
use crate::plan::AnyDRef;
use crate::realize::execute::code::Returned;
use crate::store::Reads;

/// What a run says to a worker.
#[derive(Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Comes first: where the store is, the answers to make the plan from, as JSON, and what a sealed stage may reach.
    Plan {
        store: PathBuf,
        answers: String,
        sandbox: Option<Sandbox>,
    },
    Build(Box<BuildOrder>),
    /// Tells the stage that runs to stop.
    Stop(StopReason),
}

/// What a worker says to its run.
#[derive(Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The process is in its sandbox. The listener that tells what it opens comes along, if there is one.
    Sealed,
    /// The plan is made.
    Ready,
    /// The worker cannot do what it is asked for, and ends.
    Refused(WireError),
    Report(WireReport),
    Ended(Box<BuildEnd>),
}

/// A run of a stage.
#[derive(Serialize, Deserialize)]
pub(in crate::realize) struct BuildOrder {
    pub(super) terms: StageTerms,
    pub(super) index: usize,
    /// When the run began.
    pub(super) start: String,
    pub(super) out: PathBuf,
    pub(super) log: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) units: Option<Arc<OwnUnits>>,
}

/// Where a run of a stage writes.
pub(in crate::realize) struct BuildPlace<'a> {
    pub(in crate::realize) out: &'a Path,
    pub(in crate::realize) log: &'a Path,
    pub(in crate::realize) scratch: &'a Path,
}

impl BuildOrder {
    /// Makes the order for a run of a stage with what was chosen for its dependencies.
    pub(in crate::realize) fn new(
        stage: &AnyDRef,
        chosen: &Chosen,
        index: usize,
        site: &Site,
        place: BuildPlace<'_>,
    ) -> Self {
        BuildOrder {
            terms: StageTerms::new(stage, chosen),
            index,
            start: site.start.to_string(),
            out: place.out.to_owned(),
            log: place.log.to_owned(),
            scratch: place.scratch.to_owned(),
            units: site.units.clone(),
        }
    }
}

/// How a run of a stage ended.
#[derive(Serialize, Deserialize)]
pub(super) struct BuildEnd {
    pub(super) returned: WireReturned,
    pub(super) reads: Option<Reads>,
    pub(super) has_series: bool,
    /// The most bytes of memory that one of its processes held, if it is known.
    pub(super) peak_memory: Option<u64>,
    /// Whether it left processes running, so that no other stage may run in this one.
    pub(super) left_behind: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) enum WireReturned {
    Ok,
    /// The stage returned this error.
    Returned(WireError),
    /// It panicked.
    Failed(WireError),
}

impl WireReturned {
    pub(super) fn new(returned: Returned) -> Self {
        match returned {
            Ok(Ok(())) => WireReturned::Ok,
            Ok(Err(error)) => WireReturned::Returned(WireError::new(&*error)),
            Err(error) => WireReturned::Failed(WireError::new(&*error)),
        }
    }

    pub(super) fn into_returned(self) -> Returned {
        match self {
            WireReturned::Ok => Ok(Ok(())),
            WireReturned::Returned(error) => Ok(Err(error.into_error())),
            WireReturned::Failed(error) => Err(error.into_error()),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum WireReport {
    Progress {
        done: u64,
        total: Option<u64>,
    },
    Recorded {
        name: String,
        step: u64,
        /// JSON has no number for what is not finite.
        bits: u64,
    },
    LookedLate {
        dref: DRefId,
        index: usize,
        of: DRefId,
    },
}

impl WireReport {
    pub(super) fn new(report: StageReport) -> Self {
        match report {
            StageReport::Progress { done, total, .. } => WireReport::Progress { done, total },
            StageReport::Recorded {
                name, step, value, ..
            } => WireReport::Recorded {
                name,
                step,
                bits: value.to_bits(),
            },
            StageReport::LookedLate { dref, index, of } => {
                WireReport::LookedLate { dref, index, of }
            }
        }
    }

    /// Returns the report of this run of a stage.
    pub(super) fn of(self, dref: &DRefId, index: usize) -> StageReport {
        let dref = dref.clone();
        match self {
            WireReport::Progress { done, total } => StageReport::Progress {
                dref,
                index,
                done,
                total,
            },
            WireReport::Recorded { name, step, bits } => StageReport::Recorded {
                dref,
                index,
                name,
                step,
                value: f64::from_bits(bits),
            },
            WireReport::LookedLate { dref, index, of } => {
                StageReport::LookedLate { dref, index, of }
            }
        }
    }
}
