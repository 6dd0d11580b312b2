//! What a stage function gets: its config's fields while it runs.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::log::BuildLog;
use super::{Chosen, Config, Dependency, Output, Phase, Promise};
use crate::config::{DRefId, Name};
use crate::plan::{Args, RunArg, TakesArg};

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
    index: usize,
    log: BuildLog,
    args: Args,
    lens: C::Lens<Building>,
}

impl<C: Config> Build<C> {
    pub(crate) fn new(
        dref: &DRefId,
        config: &C,
        chosen: Chosen,
        out: &Path,
        log: BuildLog,
        index: usize,
        args: Args,
    ) -> Self {
        let source = BuildingSource {
            stage: dref.name().clone(),
            out: out.into(),
            chosen,
        };
        let lens = config.lens::<Building>(&source);
        Build {
            dref: dref.clone(),
            source,
            index,
            log,
            args,
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

    /// Which of the runs of this derivation it is, from 0: `nouts` runs and those that a matcher asks for are counted
    /// on from the realizations that are there.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The log of this build, a [`std::io::Write`]: it is kept beside the result, and with a failed build.
    pub fn log(&self) -> &BuildLog {
        &self.log
    }

    /// The run-time argument of type `T`, which the stage declares, `#[stage(args(T))]`, and the run gives; see
    /// [`Realize::arg`](crate::realize::Realize::arg).
    pub fn arg<T: RunArg>(&self) -> &T
    where
        C: TakesArg<T>,
    {
        match self.args.get() {
            Some(arg) => arg,
            None => {
                unreachable!("the run was not begun without the arguments that its stages declare")
            }
        }
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
