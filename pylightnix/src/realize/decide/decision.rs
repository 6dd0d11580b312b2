//! What is to be done for one stage whose dependencies are chosen.

use crate::Result;
use crate::config::RRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::{AnyDRef, Code, PlanGraph, Selection, Titled};
use crate::realize::decide::current::staleness;
use crate::realize::decide::lookout::Lookout;
use crate::realize::decide::runs::{Due, Ended, Runs, Today};
use crate::realize::failed::{newest, text_of};
use crate::realize::failure::matcher_failed;
use crate::realize::lookup::prefetch::Lookups;
use crate::realize::options::{Mode, Realize};
use crate::realize::panics::caught;
use crate::realize::reason::{Reason, Stale};
use crate::realize::taken::Taken;
use crate::store::{Begun, Context, Outcome, Realization, Snapshot, Store};

/// More runs than this in one build are taken for a mistake: a count that went below zero, say.
const MOST: usize = 1_000_000;

/// What is to be done.
pub(in crate::realize) enum Decision {
    Take {
        taken: Taken,
        /// Marks of builds that have ended: who left them died before it removed them.
        over: Vec<String>,
    },
    /// These runs are to be made.
    Build {
        due: Due,
        reason: Reason,
    },
    Never(String),
}

/// What a decision depends on beside the stage itself.
#[derive(Clone, Copy)]
pub(in crate::realize) struct Scene<'a> {
    pub(in crate::realize) store: &'a Store,
    /// The plan that has it.
    pub(in crate::realize) graph: &'a PlanGraph,
    pub(in crate::realize) dref: &'a AnyDRef,
    pub(in crate::realize) chosen: &'a Chosen,
    pub(in crate::realize) context: &'a Context,
    pub(in crate::realize) trust_unknown: bool,
    /// What counts as made by the stage, whoever made it.
    pub(in crate::realize) by_hand: &'a [RRefId],
    /// Where what is there is known from.
    pub(in crate::realize) found: Found<'a>,
    /// Who wants to know of clocks that were wrong.
    pub(in crate::realize) lookout: Option<&'a Lookout>,
}

/// Where it is known from what is there.
#[derive(Clone, Copy)]
pub(in crate::realize) enum Found<'a> {
    /// A look that was taken since the process says that it uses the derivation.
    Before(&'a Snapshot),
    /// A look, and what was published since.
    After(&'a Snapshot, &'a [Realization]),
    /// The store knows.
    Known,
    /// It is read now, whatever is known.
    Now,
}

impl<'a> Found<'a> {
    /// From what was found for the stages of a plan.
    pub(in crate::realize) fn of(lookups: &'a Lookups<'_>, at: usize) -> Result<Self> {
        Ok(match lookups.snapshot(at)? {
            Some(look) => Found::Before(look),
            None => Found::Known,
        })
    }
}

impl<'a> Scene<'a> {
    /// The input of the decision on a stage of a run with these options.
    pub(in crate::realize) fn of(
        options: &'a Realize<'_>,
        graph: &'a PlanGraph,
        dref: &'a AnyDRef,
        chosen: &'a Chosen,
        context: &'a Context,
        found: Found<'a>,
    ) -> Self {
        Scene {
            store: &options.store,
            graph,
            dref,
            chosen,
            context,
            trust_unknown: options.trust_unknown,
            by_hand: &options.by_hand,
            found,
            lookout: None,
        }
    }

    /// What the stage is called.
    pub(in crate::realize) fn titled(&self) -> Titled<'a> {
        self.graph.titled(self.dref.id())
    }
}

impl Scene<'_> {
    /// Looks at what is there and asks the matcher.
    pub(in crate::realize) fn decide(&self, mode: Mode) -> Result<Decision> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            let why = "it was read from a store, without its stage: instantiate its config";
            return Ok(Decision::Never(why.to_owned()));
        };
        let mut stale = None;
        let mut failed_before = false;
        let (mut current, begun) = self.found()?;
        current.retain(|realization| {
            if let Some(lookout) = self.lookout {
                lookout.look(&realization.id, realization.builds.heads());
            }
            let counts = realization.outcome == Outcome::Ok || node.takes().failures();
            failed_before |= !counts;
            match self.staleness(realization, code).filter(|_| counts) {
                None => counts,
                Some(why) => {
                    stale = Some(why);
                    false
                }
            }
        });
        let omitted = node.omitted();
        let today = Today { code, omitted };
        let runs = Runs::new(Ended::of(&current, self.by_hand, today), begun, today);
        let failed = |realization: &mut Realization| realization.outcome != Outcome::Ok;
        let failures: Vec<_> = current.extract_if(.., failed).collect();
        let there = current.len();
        let tries = there + failures.len();
        let nouts = node.nouts();
        let due = match mode {
            Mode::Usual | Mode::Retry if tries > 0 || runs.any_begun() => runs.due(nouts),
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
            // The matcher is asked all the same: it may want more than one build, or none to be made at all.
            Selection::Take(_) if mode == Mode::Forced => nouts,
            Selection::Take(rrefs) if due.is_empty() => {
                let taken = Taken { rrefs, from: tries };
                let over = runs.over();
                return Ok(Decision::Take { taken, over });
            }
            Selection::Take(_) => 0,
            Selection::Build(more) => more,
        };
        // What is due comes first: a failure is the result only when no run is left that may succeed.
        let has_failed = !failures.is_empty();
        if due.is_empty()
            && matches!(mode, Mode::Usual | Mode::Made)
            && let Some(failure) = newest(failures)
        {
            let text = text_of(&failure)?;
            let rrefs = [self.dref.realization(failure, self.chosen, text)].into();
            let taken = Taken { rrefs, from: tries };
            let over = runs.over();
            return Ok(Decision::Take { taken, over });
        }
        let of = due.of;
        let reason = match stale {
            _ if mode == Mode::Forced => Reason::Forced,
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
        // Whole builds: each gives `nouts`.
        let more = more.saturating_sub(due.len());
        let due = due.and(more.next_multiple_of(nouts.max(1)), tries);
        Ok(Decision::Build { due, reason })
    }

    /// The realizations with this context that are stale, with the reason.
    pub(in crate::realize) fn stale(&self) -> Result<Vec<(AnyRRef, Stale)>> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            return Ok(Vec::new());
        };
        let mut stale = Vec::new();
        for realization in self.found()?.0 {
            if let Some(why) = self.staleness(&realization, code)
                && realization.outcome == Outcome::Ok
            {
                stale.push((self.dref.realization(realization, self.chosen, None), why));
            }
        }
        Ok(stale)
    }

    fn staleness(&self, realization: &Realization, code: &Code) -> Option<Stale> {
        if self.by_hand.contains(&realization.id) {
            return None;
        }
        let omitted = self.dref.node().omitted();
        staleness(
            realization.builds.heads(),
            code,
            omitted,
            self.trust_unknown,
        )
    }

    /// What was made from these, and its builds that have begun and not ended.
    fn found(&self) -> Result<(Vec<Realization>, Vec<Begun>)> {
        let (dref, context) = (self.dref.id(), self.context);
        let now;
        let (look, new) = match self.found {
            Found::Before(look) => (look, None),
            Found::After(look, new) => (look, Some(new)),
            Found::Known => {
                now = self.store.snapshot(self.dref.config_json())?;
                (&now, None)
            }
            Found::Now => {
                now = self.store.fresh_snapshot(self.dref.config_json())?;
                (&now, None)
            }
        };
        let mut all = self.store.candidates_in(look, dref, context);
        if let Some(new) = new {
            all.extend_from_slice(new);
            all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        }
        let begun = match look.is_marked() {
            true => look.begun(context),
            false => Vec::new(),
        };
        Ok((all, begun))
    }

    /// Whether nothing was ever made of it, from whatever context.
    fn is_missing(&self) -> Result<bool> {
        match self.found {
            Found::Before(look) => Ok(look.is_empty()),
            _ => Ok(self.store.rrefs_of(self.dref.id())?.is_empty()),
        }
    }

    /// Whether something was made from the context, and lacks what it promises.
    fn is_lacking(&self) -> Result<bool> {
        let config = self.dref.config_json();
        self.store.has_lacking(config, self.context)
    }

    fn select(&self, current: Vec<Realization>) -> Result<Selection> {
        match caught(|| self.dref.select(current, self.chosen)) {
            Ok(answer) => answer.map_err(|cause| matcher_failed(self.titled(), cause)),
            Err(panic) => Err(matcher_failed(self.titled(), panic.into())),
        }
    }
}
