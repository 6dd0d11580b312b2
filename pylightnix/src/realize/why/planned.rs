//! Explains why a stage of a plan would run, and lists what its matcher chooses from.

use serde::Serialize;

use super::CodeChanges;
use super::stage_version::{Source, made_by};
use super::{StageChoice, Why};
use crate::config::{DRefId, RRefId};
use crate::plan::{AnyDRef, PlanGraph, Target};
use crate::realize::decide::context::{chosen_for, context_of};
use crate::realize::decide::staleness::staleness_of;
use crate::realize::foresee::foresee;
use crate::realize::options::Realize;
use crate::realize::report::action::{Foreseen, Step};
use crate::store::{Clock, Outcome, Realization};
use crate::{Error, ErrorKind, Result};

/// The maximum number of listed candidates.
const MOST: usize = 1000;

/// A realization of the explained derivation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The reference.
    pub rref: RRefId,
    /// Its role in the matcher's choice.
    pub standing: Standing,
    /// Why it is stale, or that its time does not count because it is ahead of the clock.
    pub why: Option<String>,
}

/// The role of a realization in the choice of its stage's matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// The matcher takes it.
    Taken,
    /// It is a candidate, and the matcher does not take it.
    Seen,
    /// It is not a candidate because it is stale.
    Stale,
    /// It is not a candidate because it was made from other realizations of the dependencies.
    OtherContext,
    /// It is not a candidate because it is a failure.
    Failed,
    /// It is unknown whether it is a candidate, because a dependency has to be built first.
    Undecided,
}

impl Realize<'_> {
    /// Explains why a stage of the plan of `target` would run, or, if its result exists, why that was built: the differences
    /// from the nearest earlier version, and the realizations that its matcher chooses from.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Load { #[selfref("w")] out: SelfRef<Text>, path: String }
    /// # #[stage] fn load(b: &Build<Load>) -> Result<LoadOutputs> { Ok(LoadOutputs { out: b.out.save(&b.path)? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// store.realize(&instantiate(Load::new("a.csv".to_owned()))?)?;
    /// let plan = instantiate(Load::new("b.csv".to_owned()))?;
    /// let why = Realize::new(&store).why(&plan, &plan)?;
    /// assert_eq!(why.in_short(), "`path` changed");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the stage is not in the plan, if the plan contradicts itself, or if the store cannot be read.
    pub fn why<T: Target + ?Sized>(&self, target: &T, stage: impl AsRef<DRefId>) -> Result<Why> {
        let dref = stage.as_ref();
        let graph = self.graph_of(target)?;
        let Some(at) = graph.place(dref) else {
            let message = format!("{dref} is not in the plan");
            return Err(Error::new(ErrorKind::Plan, message).with_help(
                "ask about a stage that the target depends on, with the config that it has there",
            ));
        };
        let foreseen = foresee(self, &graph, None)?;
        let source = Source {
            store: &self.store,
            plan: Some((&graph, &foreseen)),
            code_changes: CodeChanges::default(),
        };
        let first = |taken: &Foreseen| Some(taken.taken.as_ref()?.rrefs.first()?.id().clone());
        let mut why = match (first(&foreseen[at]), source.planned(dref)) {
            (None, Some(new)) => Why::of(&source, new)?,
            (Some(rref), _) => self.store.why(&rref)?,
            (None, None) => unreachable!("it is in the plan"),
        };
        let node = graph.dref(at);
        let step = Step {
            sealed: None,
            at_remotes: Vec::new(),
            dref: dref.clone(),
            action: foreseen[at].action.clone(),
            why: None,
        };
        // Omit the name of the stage, which the reader knows.
        let text = step.to_string();
        let (word, rest) = text.split_once(&dref.to_string()).unwrap_or((&text, ""));
        why.action = Some(format!("{}{rest}", word.trim_end()));
        why.choice = Some(StageChoice {
            matcher: node.node().matcher(),
            candidates: self.candidates(&graph, &foreseen, at)?,
        });
        Ok(why)
    }

    fn candidates(
        &self,
        graph: &PlanGraph,
        foreseen: &[Foreseen],
        at: usize,
    ) -> Result<Vec<Candidate>> {
        let stage = graph.dref(at);
        let chosen = chosen_for(graph, at, |at| foreseen[at].rrefs());
        let context = context_of(&chosen);
        let is_known = graph
            .deps(at)
            .iter()
            .all(|at| foreseen[*at].taken.is_some());
        let taken = foreseen[at].rrefs().unwrap_or_default();
        let mut found = Vec::new();
        let clock = Clock::now();
        let rrefs = self.store.rrefs_of(stage.id())?;
        for rref in rrefs.iter().take(MOST) {
            let realization = match self.store.realization(rref) {
                Ok(realization) => realization,
                // Another process removed it in the meantime.
                Err(error) if error.kind() == ErrorKind::Missing => continue,
                Err(error) => return Err(error),
            };
            let made = made_by(&realization, None).map(|build| clock.order(build.id));
            let ended = realization.builds.heads().map(|build| build.stop).max();
            let ahead = ended.filter(|ended| clock.known(*ended).is_none());
            let mut why = ahead.map(|ended| format!("a build record of it ends at {ended}, ahead of this machine's clock, and counts as one without a time"));
            let standing = if taken.iter().any(|taken| taken.id() == rref) {
                Standing::Taken
            } else if !is_known {
                Standing::Undecided
            } else if realization.context != context {
                Standing::OtherContext
            } else if let Some(stale) = self.stale(stage, &realization) {
                why = Some(stale);
                Standing::Stale
            } else if realization.outcome == Outcome::Ok {
                Standing::Seen
            } else {
                Standing::Failed
            };
            let rref = rref.clone();
            found.push((
                made,
                Candidate {
                    rref,
                    standing,
                    why,
                },
            ));
        }
        found.sort_by(|one, other| (other.0, &one.1.rref).cmp(&(one.0, &other.1.rref)));
        Ok(found.into_iter().map(|(_, candidate)| candidate).collect())
    }

    fn stale(&self, dref: &AnyDRef, realization: &Realization) -> Option<String> {
        let node = dref.node();
        if self.by_hand.contains(&realization.id) {
            return None;
        }
        let stale = staleness_of(
            realization,
            node,
            node.code()?,
            self.trust_unknown,
            self.only_sealed,
            self.trusting(),
        );
        stale.map(|why| why.to_string())
    }
}
