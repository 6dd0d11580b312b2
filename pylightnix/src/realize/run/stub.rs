//! A stub for building stages, for benchmarks that measure the rest of a run.

use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;

use super::counters::count;
use super::state::RunState;
use crate::lens::{BuildLog, ProgressSender, Site};
use crate::plan::Run;
use crate::realize::decide::decision::DecisionInput;
use crate::realize::options::Realize;
use crate::realize::report::taken::Taken;
use crate::{Error, ErrorKind, Result};

impl Realize<'_> {
    /// Runs stages without publishing: each result is an empty placeholder without a folder. For benchmarks that measure the
    /// rest of a run.
    #[doc(hidden)]
    pub fn without_publishing(mut self) -> Self {
        self.publishes = false;
        self
    }
}

/// Runs the stage once, in a folder that cannot be written.
pub(in crate::realize) fn run_alone(
    run: &RunState<'_>,
    at: usize,
    input: &DecisionInput<'_>,
) -> Result<Taken> {
    run.configs.check(run.graph, at)?;
    let dref = input.dref.id();
    let node = input.dref.node();
    let nowhere = Path::new("/dev/null");
    let limits = run.options.retry.timeout(input.dref);
    let handle = run.watchdog.begin(dref, 0, limits);
    let stop = handle.as_ref().map(|handle| handle.stop.clone());
    count(&run.counters.built);
    count(&run.counters.runs);
    let done = node.run(Run {
        chosen: input.chosen,
        out: nowhere,
        cache: nowhere,
        progress: ProgressSender::to(run.progress.clone()),
        log: BuildLog::at(nowhere),
        index: 0,
        site: Site {
            start: Timestamp::now(),
            scratch: nowhere.to_owned(),
            threads: node.limits().threads as usize,
            units: None,
            stop: stop.unwrap_or_default(),
        },
        args: &run.options.args,
    });
    if let Some(handle) = handle {
        run.watchdog.end(&handle);
    }
    done.map_err(|cause| Error::new(ErrorKind::Stage, "a stage failed").because(cause))?;
    let nothing = input.store.nothing_made(dref, input.context);
    let rrefs: Arc<[_]> = [input.dref.realization(nothing, input.chosen, None)].into();
    Ok(Taken { rrefs, from: 1 })
}
