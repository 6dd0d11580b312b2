//! Runs the code of a stage once, on the current thread.

use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Weak};

use jiff::Timestamp;

use super::promises;
use crate::BoxError;
use crate::lens::{
    BuildLog, Chosen, NotedPlace, NotedRun, OwnUnits, ProgressSender, Site, StageReport, Stop,
};
use crate::plan::{AnyDRef, Args, Reading, Run};
use crate::realize::failure::panics::caught;
use crate::store::Reads;
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

/// How the code of a stage ended.
pub(in crate::realize) struct CodeEnd {
    pub(in crate::realize) returned: Returned,
    /// Whether it recorded a series of numbers.
    pub(in crate::realize) has_series: bool,
    /// The most bytes of memory that one of its processes held, if it had some of its own.
    pub(in crate::realize) peak_memory: Option<u64>,
}

/// Runs the code of a stage, with this folder for the output and this file for the log. Catches a panic and writes it to the log.
pub(in crate::realize) fn run_code(
    dref: &AnyDRef,
    out: &Path,
    log: &Path,
    given: CodeInput<'_>,
) -> CodeEnd {
    let node = dref.node();
    if let Err(error) = promises::make_folders(node, out) {
        return CodeEnd {
            returned: Err(error.into()),
            has_series: false,
            peak_memory: None,
        };
    }
    let log = BuildLog::at(log);
    let index = given.index;
    let run = Run {
        chosen: given.chosen,
        out,
        cache: given.cache,
        progress: ProgressSender::to(given.progress),
        log: log.clone(),
        index,
        site: given.site,
        args: given.args,
    };
    let returned = caught(|| thread_context::in_stage(dref.id(), index, &log, || node.run(run)));
    let returned = returned.map_err(|panic| {
        log.write_panic(&panic);
        panic.into()
    });
    CodeEnd {
        returned,
        has_series: log.has_series(),
        peak_memory: None,
    }
}

/// Returns the parameters of a run of a stage.
pub(in crate::realize) fn site(
    dref: &AnyDRef,
    scratch: &Path,
    start: Timestamp,
    stop: Arc<Stop>,
    units: Option<Arc<OwnUnits>>,
) -> Site {
    Site {
        start,
        scratch: scratch.to_owned(),
        threads: dref.node().limits().threads as usize,
        units,
        stop,
    }
}

/// Begins to note what a run of a stage looks at; `None` if that is everything by its own words, or there is nothing to look at.
pub(in crate::realize) fn begin_notes(
    dref: &AnyDRef,
    index: usize,
    has_context: bool,
    progress: Option<&Arc<SyncSender<StageReport>>>,
) -> Option<NotedPlace> {
    let reads = dref.node().reads();
    if reads == Reading::All || !has_context {
        return None;
    }
    Some(NotedPlace::of_stage(NotedRun {
        dref: dref.id().clone(),
        index,
        paths_are_artifacts: reads == Reading::Artifacts,
        reports: progress.map_or_else(Weak::new, Arc::downgrade),
    }))
}

/// Ends the notes of a run, and returns what its build record says about what it looked at.
pub(in crate::realize) fn end_notes(dref: &AnyDRef, notes: Option<NotedPlace>) -> Option<Reads> {
    match notes {
        Some(notes) => notes.end_run(),
        None => (dref.node().reads() != Reading::All).then(Reads::default),
    }
}
