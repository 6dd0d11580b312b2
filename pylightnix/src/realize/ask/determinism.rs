//! Tests whether a stage is deterministic.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::thread;

use crate::config::{DRefId, RRefId};
use crate::lens::AnyRRef;
use crate::plan::{PlanGraph, Target};
use crate::realize::decide::decision::{Decision, DecisionInput};
use crate::realize::decide::pinned::refused;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::lookup::prefetch::Prefetch;
use crate::realize::options::{Realize, ReusePolicy};
use crate::realize::run::rehearsal::rehearsed;
use crate::realize::walk::walk;
use crate::store::{FileChange, TreeDigest};
use crate::{Error, ErrorKind, Result, as_text};

impl Realize<'_> {
    /// Tests whether a stage is deterministic: rebuilds a realized stage `times` times, at least once and one after the
    /// other, and compares each output file by file with the store. Publishes nothing. The dependencies are the realizations
    /// that are chosen for it.
    ///
    /// Each rebuild is run 0 (`b.index()`), in a folder of its own. So a stage that derives its seed from the index should
    /// give equal outputs, and a stage that derives it from the time should not. An output is compared with all realizations
    /// that were made from the same context; the first output that equals none of them is kept with the failed builds for
    /// inspection.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let sum = instantiate(Sum::new())?;
    /// store.realize(&sum)?;
    /// let found = Realize::new(&store).check_determinism(&sum, 3)?;
    /// assert!(found.is_deterministic(), "{found}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the stage or one of its dependencies is not realized by today's code, or if a system call fails. A rebuild
    /// that fails or panics is not an error, but part of the result.
    pub fn check_determinism<T>(&self, target: &T, times: usize) -> Result<Determinism>
    where
        T: Target + AsRef<DRefId>,
    {
        let graph = self.graph_of(target)?;
        self.determinism_in(&graph, target.as_ref(), times)
    }

    fn determinism_in(
        &self,
        graph: &PlanGraph,
        target: &DRefId,
        times: usize,
    ) -> Result<Determinism> {
        let prefetch = Prefetch::new(&self.store, self.jobs);
        thread::scope(|scope| {
            let mut feed = prefetch.feed(scope);
            feed.add_all(graph);
            let lookups = feed.end()?;
            let refused = refused(self, graph)?;
            let mut determinism = None;
            walk(self, graph, Some(&lookups), |visit| {
                let dref = visit.stage.id();
                if let Some(why) = refused.get(&visit.at) {
                    return Err(not_realized(dref, why));
                }
                visit.with_input(|input| {
                    let taken = match input.decide(ReusePolicy::Usual)? {
                        Decision::Take { taken, .. } => taken,
                        Decision::Build { reason, .. } => {
                            return Err(not_realized(dref, &reason.to_string()));
                        }
                        Decision::Never(why) => return Err(not_realized(dref, &why)),
                    };
                    if dref == target {
                        ConfigChecks::default().check(graph, visit.at)?;
                        determinism = Some(self.rebuild(visit.at, input, &taken.rrefs, times)?);
                    }
                    Ok(Some(taken))
                })
            })?;
            // The target is the last stage of its own plan.
            determinism.ok_or_else(|| not_realized(target, "it is not in its own plan"))
        })
    }

    fn rebuild(
        &self,
        at: usize,
        input: &DecisionInput<'_>,
        taken: &[AnyRRef],
        times: usize,
    ) -> Result<Determinism> {
        let dref = input.dref.id();
        let candidates = input.store.candidates(dref, input.context)?;
        let Some(stored) = taken.first() else {
            return Err(not_realized(dref, "its matcher took nothing"));
        };
        let mut found = Determinism {
            dref: dref.clone(),
            stored: stored.id().clone(),
            rebuilds: Vec::with_capacity(times),
            kept: None,
        };
        for _ in 0..times.max(1) {
            let rebuild = match rehearsed(self, at, input, 0)? {
                Err(error) => Rebuild::Failed(error),
                Ok(made) => {
                    let tree = made.tree();
                    match candidates.iter().find(|candidate| candidate.tree == tree) {
                        Some(same) => Rebuild::Same(same.id.clone()),
                        None => {
                            let files = made.differences(input.store, stored.id())?;
                            if found.kept.is_none() {
                                found.kept = Some(made.keep(stored.id())?);
                            }
                            Rebuild::Differs { tree, files }
                        }
                    }
                }
            };
            found.rebuilds.push(rebuild);
        }
        Ok(found)
    }
}

/// The result of [`Realize::check_determinism`]. Displays as a summary, followed by the differences file by file.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Determinism {
    /// The derivation.
    pub dref: DRefId,
    /// The realization that the matcher chooses. Outputs that are not in the store are compared with it.
    pub stored: RRefId,
    /// The result of each rebuild.
    pub rebuilds: Vec<Rebuild>,
    /// The folder of the first output that is not in the store, with its files in `out/`. Garbage collection removes it.
    pub kept: Option<PathBuf>,
}

/// The result of one rebuild.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rebuild {
    /// The output equals this realization.
    Same(RRefId),
    /// The output is not in the store.
    #[non_exhaustive]
    Differs {
        /// The tree digest of the output.
        #[serde(serialize_with = "as_text::one")]
        tree: TreeDigest,
        /// The differences from [`Determinism::stored`].
        files: Vec<FileChange>,
    },
    /// The rebuild failed.
    #[serde(serialize_with = "as_text::one")]
    Failed(Error),
}

impl Determinism {
    /// Returns whether all rebuilds gave the same realization, which is in the store.
    pub fn is_deterministic(&self) -> bool {
        let same = |rebuild: &Rebuild| match rebuild {
            Rebuild::Same(rref) => Some(rref.clone()),
            _ => None,
        };
        let first = self.rebuilds.first().and_then(same);
        first.is_some() && self.rebuilds.iter().all(|rebuild| same(rebuild) == first)
    }

    /// Returns whether all rebuilds gave equal outputs, even if these are not in the store: then another machine, or an
    /// input that is not tracked, made the difference.
    pub fn agrees(&self) -> bool {
        let mut all = self.rebuilds.windows(2);
        all.all(|pair| match (&pair[0], &pair[1]) {
            (Rebuild::Same(one), Rebuild::Same(other)) => one == other,
            (Rebuild::Differs { tree: one, .. }, Rebuild::Differs { tree: other, .. }) => {
                one == other
            }
            _ => false,
        })
    }
}

impl fmt::Display for Determinism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Determinism {
            dref,
            stored,
            rebuilds,
            kept,
        } = self;
        let times = match rebuilds.len() {
            1 => "rebuilt once".to_owned(),
            more => format!("rebuilt {more} times"),
        };
        if self.is_deterministic() {
            return write!(f, "{dref} is deterministic: {times} with equal results");
        }
        let failed = |rebuild: &Rebuild| matches!(rebuild, Rebuild::Failed(_));
        if rebuilds.iter().all(failed) {
            write!(f, "{dref} fails: {times}")?;
        } else if self.agrees() {
            write!(
                f,
                "{dref} differs from the store: {times} with equal results, other than {stored}"
            )?;
        } else {
            write!(
                f,
                "{dref} is not deterministic: {times}, compared with {stored}"
            )?;
        }
        for (at, rebuild) in rebuilds.iter().enumerate() {
            match rebuild {
                Rebuild::Same(rref) if rref == stored => write!(f, "\n{at}: the same")?,
                Rebuild::Same(rref) => write!(f, "\n{at}: the same as {rref}")?,
                Rebuild::Failed(error) => {
                    write!(f, "\n{at}: {}", format!("{error:?}").replace('\n', "\n   "))?
                }
                Rebuild::Differs { files, .. } => {
                    write!(f, "\n{at}: differs")?;
                    for file in files {
                        write!(f, "\n   {file}")?;
                    }
                }
            }
        }
        match kept {
            Some(folder) => write!(
                f,
                "\nthe first that differs is kept in {}",
                folder.display()
            ),
            None => Ok(()),
        }
    }
}

fn not_realized(dref: &DRefId, why: &str) -> Error {
    let name = dref.name();
    let message = format!("stage `{name}` cannot be compared, as it is not realized: {why}");
    Error::new(ErrorKind::Plan, message)
        .with_help(format!("realize it first\nthe derivation is {dref}"))
}
