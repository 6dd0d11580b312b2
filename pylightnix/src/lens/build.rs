//! What a stage function gets: its config's fields while it runs.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::BuildLog;
use super::{Chosen, Config, Dependency, Output, Phase, Progress, Promise, Step};
use crate::config::{DRefId, Name};
use crate::plan::Run;

/// The phase of fields reached from a [`Build`].
#[derive(Clone, Copy, Debug)]
pub enum Building {}

/// Where the fields of a running stage come from.
#[doc(hidden)]
pub struct BuildingSource {
    stage: Name,
    out: Arc<Path>,
    chosen: Chosen,
}

impl Phase for Building {
    type Dep<D: Dependency> = D::Realized;
    type Artifact<F: 'static, Tag: 'static> = Output<F, Tag>;
    type Source = BuildingSource;

    fn dep<D: Dependency>(from: &BuildingSource, dep: &D) -> D::Realized {
        dep.resolve(&from.chosen)
    }

    fn artifact<F: 'static, Tag: 'static>(
        from: &BuildingSource,
        promise: &'static Promise,
    ) -> Output<F, Tag> {
        Output::new(&from.stage, &from.out, promise)
    }
}

/// One run of a stage: what its function is given.
///
/// It dereferences to the config's fields: dependencies are realized (`b.ref_params.out.load()`), promises can be
/// written (`b.out.save(&value)`), anything else is as it was given (`b.maxiter`).
pub struct Build<C: Config> {
    dref: DRefId,
    source: BuildingSource,
    cache: PathBuf,
    progress: Progress,
    index: usize,
    log: BuildLog,
    lens: C::Lens<Building>,
}

impl<C: Config> Build<C> {
    pub(crate) fn new(dref: &DRefId, config: &C, run: Run<'_>) -> Self {
        let source = BuildingSource {
            stage: dref.name().clone(),
            out: run.out.into(),
            chosen: run.chosen.clone(),
        };
        let lens = config.lens::<Building>(&source);
        Build {
            dref: dref.clone(),
            source,
            cache: run.cache.to_owned(),
            progress: run.progress,
            index: run.index,
            log: run.log,
            lens,
        }
    }

    /// The derivation that is being realized.
    pub fn dref(&self) -> &DRefId {
        &self.dref
    }

    /// The folder whose whole content is published when the stage succeeds, artifacts beyond the promises included.
    pub fn path(&self) -> &Path {
        &self.source.out
    }

    /// The store's folder for what can be made again: whatever is in there may go at any time.
    #[cfg_attr(
        not(feature = "fetch"),
        expect(dead_code, reason = "only downloads are kept")
    )]
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Tells the observers of the run how far this is: so much is `done`, of a `total` if that is known, in any unit. Say
    /// it as often as you like: it is passed on ten times in a second at most, and costs nothing when nobody observes.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let step = || Step {
            dref: self.dref.clone(),
            index: self.index,
            done,
            total,
        };
        self.progress.say(step, total == Some(done));
    }

    /// Which of the runs of this derivation it is, from 0: `nouts` runs and those that a matcher asks for are counted
    /// on from the realizations that are there.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The log of this build, a [`std::io::Write`]: it is kept beside the result, and with a failed build.
    pub fn log(&self) -> &BuildLog {
        &self.log
    }
}

impl<C: Config> Deref for Build<C> {
    type Target = C::Lens<Building>;

    fn deref(&self) -> &Self::Target {
        &self.lens
    }
}

impl<C: Config> fmt::Debug for Build<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Build({}, run {})", self.dref, self.index)
    }
}
