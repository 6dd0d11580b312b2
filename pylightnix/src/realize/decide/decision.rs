//! The decision on a stage whose dependencies are chosen: take existing results, build new ones, or fail.

use std::sync::Arc;

use crate::Result;
use crate::config::RRefId;
use crate::lens::Chosen;
use crate::plan::matcher::ReadArtifacts;
use crate::plan::{AnyDRef, Code, PlanGraph, Selection, Titled};
use crate::realize::decide::clock_watch::ClockWatch;
use crate::realize::decide::runs::{CurrentCode, DueRuns, EndedRuns, RunHistory};
use crate::realize::decide::staleness::staleness_of;
use crate::realize::decide::trusted::{Trusting, waits};
use crate::realize::failure::errors::matcher_failed;
use crate::realize::failure::panics::caught;
use crate::realize::failure::recorded::{newest, text_of};
use crate::realize::lookup::prefetch::Lookups;
use crate::realize::options::{Realize, ReusePolicy};
use crate::realize::report::reason::{Reason, Stale};
use crate::realize::report::taken::Taken;
use crate::store::{BuildMark, Context, Outcome, Realization, Snapshot, Store};

/// The maximum number of runs in one build. A matcher that asks for more has a bug, for example a negative count.
const MOST: usize = 1_000_000;

/// The decision on a stage.
pub(in crate::realize) enum Decision {
    /// The matcher takes realizations from the store.
    Take {
        taken: Taken,
        /// The marks of completed builds whose process died before it removed them.
        over: Vec<String>,
    },
    /// These runs have to be made.
    Build { due: DueRuns, reason: Reason },
    /// The stage cannot be realized, for this reason.
    Never(String),
}

/// The input of the decision on a stage.
#[derive(Clone, Copy)]
pub(in crate::realize) struct DecisionInput<'a> {
    pub(in crate::realize) store: &'a Store,
    /// The plan that the stage belongs to.
    pub(in crate::realize) graph: &'a PlanGraph,
    pub(in crate::realize) dref: &'a AnyDRef,
    pub(in crate::realize) chosen: &'a Chosen,
    pub(in crate::realize) context: &'a Context,
    pub(in crate::realize) trust_unknown: bool,
    /// Whether only what was made sealed counts.
    pub(in crate::realize) only_sealed: bool,
    /// Which signatures results need, if any.
    pub(in crate::realize) trusting: Option<&'a Trusting>,
    /// Realizations made by hand, which count as current in this run.
    pub(in crate::realize) by_hand: &'a [RRefId],
    /// Where the candidates are read.
    pub(in crate::realize) source: CandidateSource<'a>,
    /// Detects build records ahead of the clock, if the run reports them.
    pub(in crate::realize) clock_watch: Option<&'a ClockWatch>,
}

/// The source of the candidates of a decision.
#[derive(Clone, Copy)]
pub(in crate::realize) enum CandidateSource<'a> {
    /// A snapshot that was taken after the lease of this process named the derivation.
    Snapshot(&'a Snapshot),
    /// A snapshot, and the realizations published since, or offered by remotes.
    SnapshotAndNew(&'a Snapshot, &'a [Realization]),
    /// The index, which reads the folder if it changed.
    Index,
    /// The folder, bypassing the index.
    Disk,
}

impl<'a> CandidateSource<'a> {
    /// Returns the snapshot from the lookups of a plan, or the index if that snapshot could not be read.
    pub(in crate::realize) fn of(lookups: &'a Lookups<'_>, at: usize) -> Result<Self> {
        Ok(match lookups.snapshot(at)? {
            Some(snapshot) => CandidateSource::Snapshot(snapshot),
            None => CandidateSource::Index,
        })
    }
}

impl<'a> DecisionInput<'a> {
    /// Returns the input of the decision on a stage of a run with these options.
    pub(in crate::realize) fn of(
        options: &'a Realize<'_>,
        graph: &'a PlanGraph,
        dref: &'a AnyDRef,
        chosen: &'a Chosen,
        context: &'a Context,
        source: CandidateSource<'a>,
    ) -> Self {
        DecisionInput {
            store: &options.store,
            graph,
            dref,
            chosen,
            context,
            trust_unknown: options.trust_unknown,
            only_sealed: options.only_sealed,
            trusting: options.trusting(),
            by_hand: &options.by_hand,
            source,
            clock_watch: None,
        }
    }

    /// Returns the title of the stage.
    pub(in crate::realize) fn titled(&self) -> Titled<'a> {
        self.graph.titled(self.dref.id())
    }
}

impl DecisionInput<'_> {
    /// Reads the candidates and asks the matcher.
    pub(in crate::realize) fn decide(&self, policy: ReusePolicy) -> Result<Decision> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            let why = "it was read from a store, without its stage: instantiate its config";
            return Ok(Decision::Never(why.to_owned()));
        };
        let mut stale = None;
        let mut failed_before = false;
        // A result that waits for signatures of others.
        let mut waiting = None;
        let (mut current, begun) = self.candidates()?;
        current.retain(|realization| {
            if let Some(clock_watch) = self.clock_watch {
                clock_watch.check(&realization.id, realization.builds.heads());
            }
            let counts = realization.outcome == Outcome::Ok || node.takes().failures();
            failed_before |= !counts;
            match self.staleness(realization, code).filter(|_| counts) {
                None => counts,
                Some(why) => {
                    if let Stale::Untrusted {
                        is_signed_here: true,
                        missing,
                    } = &why
                    {
                        waiting = Some(waits(&realization.id, missing));
                    }
                    stale = Some(why);
                    false
                }
            }
        });
        let omitted = node.omitted();
        let current_code = CurrentCode { code, omitted };
        let runs = RunHistory::new(
            EndedRuns::of(&current, self.by_hand, current_code),
            begun,
            current_code,
        );
        let failed = |realization: &mut Realization| realization.outcome != Outcome::Ok;
        let failures: Vec<_> = current.extract_if(.., failed).collect();
        let there = current.len();
        let tries = there + failures.len();
        let nouts = node.nouts();
        let due = match policy {
            ReusePolicy::Usual | ReusePolicy::Retry if tries > 0 || runs.any_begun() => {
                runs.due(nouts)
            }
            _ => runs.none_due(),
        };
        let more = match self.select(current)? {
            Selection::Never(why) => return Ok(Decision::Never(why)),
            Selection::Build(0) => {
                let why = "its matcher asked for 0 more realizations";
                return Ok(Decision::Never(why.to_owned()));
            }
            Selection::Build(more) if more > MOST => {
                return Ok(Decision::Never(format!(
                    "its matcher asked for {more} more realizations, and one build makes at most {MOST}: ask for fewer, \
                     or build them in several runs"
                )));
            }
            // The matcher of a forced stage is asked too: it may want more realizations than one build makes, or refuse.
            Selection::Take(_) if policy == ReusePolicy::Forced => nouts,
            Selection::Take(rrefs) if due.is_empty() => {
                let taken = Taken { rrefs, from: tries };
                let over = runs.ended_marks();
                return Ok(Decision::Take { taken, over });
            }
            Selection::Take(_) => 0,
            Selection::Build(more) => more,
        };
        // Due runs come first: a failure is the result only if no run remains that may succeed.
        let has_failed = !failures.is_empty();
        if due.is_empty()
            && matches!(policy, ReusePolicy::Usual | ReusePolicy::Made)
            && let Some(failure) = newest(failures)
        {
            let text = text_of(&failure)?;
            let rrefs = [self.dref.realization(failure, self.chosen, text)].into();
            let taken = Taken { rrefs, from: tries };
            let over = runs.ended_marks();
            return Ok(Decision::Take { taken, over });
        }
        if let Some(trusting) = self.trusting {
            if let Some(why) = trusting.refusal() {
                return Ok(Decision::Never(why));
            }
            // Building it again would give it no signature that it does not have.
            if let Some(why) = waiting.filter(|_| there == 0 && policy != ReusePolicy::Forced) {
                return Ok(Decision::Never(why));
            }
        }
        let of = due.of;
        let reason = match stale {
            _ if policy == ReusePolicy::Forced => Reason::Forced,
            _ if !due.is_empty() && due.len() < of => Reason::RunsMissing {
                there: of - due.len(),
                of,
            },
            _ if has_failed => Reason::Failed,
            _ if there > 0 => Reason::MoreWanted { there },
            Some(why) => Reason::Stale(why),
            None if failed_before => Reason::Failed,
            None if self.is_missing()? => Reason::Missing,
            None if self.is_lacking()? => Reason::Lacking,
            None => Reason::ContextChanged,
        };
        // Build in multiples of `nouts` runs.
        let more = more.saturating_sub(due.len());
        let due = due.and(more.next_multiple_of(nouts.max(1)), tries);
        Ok(Decision::Build { due, reason })
    }

    /// Returns those of these runs that no build record of today's code names.
    pub(in crate::realize) fn missing_of(&self, due: &DueRuns) -> Result<Vec<usize>> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            return Ok(due.indices().collect());
        };
        let takes_failures = node.takes().failures();
        let (mut current, _) = self.candidates()?;
        current.retain(|realization| {
            (realization.outcome == Outcome::Ok || takes_failures)
                && self.staleness(realization, code).is_none()
        });
        let omitted = node.omitted();
        let ended = EndedRuns::of(&current, self.by_hand, CurrentCode { code, omitted });
        Ok(due.indices().filter(|index| !ended.has(*index)).collect())
    }

    /// Returns the stale realizations with this context, each with the reason.
    pub(in crate::realize) fn stale(&self) -> Result<Vec<(Realization, Stale)>> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            return Ok(Vec::new());
        };
        let mut stale = Vec::new();
        for realization in self.candidates()?.0 {
            if let Some(why) = self.staleness(&realization, code)
                && realization.outcome == Outcome::Ok
            {
                stale.push((realization, why));
            }
        }
        Ok(stale)
    }

    /// Whether a realization is one of those that the matcher chooses among.
    pub(in crate::realize) fn counts(&self, realization: &Realization) -> bool {
        let node = self.dref.node();
        let is_current = |code: &Arc<Code>| self.staleness(realization, code).is_none();
        realization.outcome == Outcome::Ok && node.code().is_some_and(is_current)
    }

    fn staleness(&self, realization: &Realization, code: &Code) -> Option<Stale> {
        if self.by_hand.contains(&realization.id) {
            return None;
        }
        let (trust_unknown, only_sealed) = (self.trust_unknown, self.only_sealed);
        staleness_of(
            realization,
            self.dref.node(),
            code,
            trust_unknown,
            only_sealed,
            self.trusting,
        )
    }

    /// Reads the realizations from this context, and the marks of incomplete multi-run builds.
    fn candidates(&self) -> Result<(Vec<Realization>, Vec<BuildMark>)> {
        let (dref, context) = (self.dref.id(), self.context);
        let now;
        let (snapshot, new) = match self.source {
            CandidateSource::Snapshot(snapshot) => (snapshot, None),
            CandidateSource::SnapshotAndNew(snapshot, new) => (snapshot, Some(new)),
            CandidateSource::Index => {
                now = self.store.snapshot(self.dref.config_json())?;
                (&now, None)
            }
            CandidateSource::Disk => {
                now = self.store.fresh_snapshot(self.dref.config_json())?;
                (&now, None)
            }
        };
        let mut all = self.store.candidates_in(snapshot, dref, context);
        if let Some(new) = new {
            all.extend_from_slice(new);
            // Of those that another process published meanwhile, the one that is here counts.
            all.sort_by(|a, b| a.id.cmp(&b.id));
            all.dedup_by(|a, b| a.id == b.id);
        }
        let begun = match snapshot.is_marked() {
            true => snapshot.begun(context),
            false => Vec::new(),
        };
        Ok((all, begun))
    }

    /// Returns whether the store has no realization of the derivation from any context.
    fn is_missing(&self) -> Result<bool> {
        match self.source {
            CandidateSource::Snapshot(snapshot) => Ok(snapshot.is_empty()),
            _ => Ok(self.store.rrefs_of(self.dref.id())?.is_empty()),
        }
    }

    /// Returns whether a realization from this context lacks a promised artifact.
    fn is_lacking(&self) -> Result<bool> {
        let config = self.dref.config_json();
        self.store.has_lacking(config, self.context)
    }

    fn select(&self, current: Vec<Realization>) -> Result<Selection> {
        if current.iter().any(Realization::is_stub)
            && self.dref.node().read_artifacts() != ReadArtifacts::Nothing
        {
            // All in one, as the matcher would fetch them one by one.
            let stubs = current.iter().filter(|known| known.is_stub());
            self.store.fetch(stubs.map(|known| &known.id))?;
        }
        match caught(|| self.dref.select(current, self.chosen)) {
            Ok(answer) => answer.map_err(|cause| matcher_failed(self.titled(), cause)),
            Err(panic) => Err(matcher_failed(self.titled(), panic.into())),
        }
    }
}
