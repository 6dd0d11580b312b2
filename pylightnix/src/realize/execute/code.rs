//! Runs the code of a stage once, on the current thread.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use jiff::Timestamp;

use super::promises;
use crate::BoxError;
use crate::lens::{BuildLog, Chosen, OwnUnits, ProgressSender, Site, StageReport, Stop};
use crate::plan::{AnyDRef, Args, Run};
use crate::realize::failure::panics::caught;
use crate::store::Draft;
use crate::thread_context;

/// The result of running a stage. The inner error is the one that the stage returned; the outer error is a panic or a broken
/// promise.
pub(in crate::realize) type Returned = Result<Result<(), BoxError>, BoxError>;

/// The input of a stage's code, beside its config.
pub(in crate::realize) struct CodeInput<'a> {
    pub(in crate::realize) chosen: &'a Chosen,
    pub(in crate::realize) cache: &'a Path,
    pub(in crate::realize) args: &'a Args,
    /// The channel for progress reports.
    pub(in crate::realize) progress: Option<Arc<SyncSender<StageReport>>>,
    pub(in crate::realize) index: usize,
    pub(in crate::realize) site: Site,
}

/// Runs the code of a stage in the folder of a draft. Catches a panic and writes it to the log.
pub(in crate::realize) fn run_code(
    dref: &AnyDRef,
    draft: &mut Draft,
    given: CodeInput<'_>,
) -> Returned {
    let node = dref.node();
    promises::make_folders(node, draft.out())?;
    let log = BuildLog::at(draft.log());
    let index = given.index;
    let run = Run {
        chosen: given.chosen,
        out: draft.out(),
        cache: given.cache,
        progress: ProgressSender::to(given.progress),
        log: log.clone(),
        index,
        site: given.site,
        args: given.args,
    };
    let returned = caught(|| thread_context::in_stage(dref.id(), index, &log, || node.run(run)));
    if log.has_series() {
        draft.has_series();
    }
    match returned {
        Ok(returned) => Ok(returned),
        Err(panic) => {
            log.write_panic(&panic);
            Err(panic.into())
        }
    }
}

/// Returns the parameters of a run of a stage.
pub(in crate::realize) fn site(
    dref: &AnyDRef,
    draft: &Draft,
    start: Timestamp,
    stop: Arc<Stop>,
    units: Option<Arc<OwnUnits>>,
) -> Site {
    Site {
        start,
        scratch: draft.scratch().to_owned(),
        threads: dref.node().limits().threads as usize,
        units,
        stop,
    }
}
