//! What is to be done for one stage whose dependencies are chosen.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::current::{Stale, staleness};
use super::failed::{newest, text_of};
use super::failure::{matcher_failed, panic_text};
use super::stock::Stock;
use crate::Result;
use crate::config::RRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::{AnyDRef, Code, Selection};
use crate::store::{Context, Look, Outcome, Realization, Store};

/// More runs than this in one build are taken for a mistake: a count that went below zero, say.
const MOST: usize = 1_000_000;

/// Why a stage has to run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing of it is in the store.
    Missing,
    /// What is there was made from other realizations of its dependencies than those that are taken now.
    ContextChanged,
    /// What is there was made by other code.
    Stale(Stale),
    /// Its matcher wants more realizations than there are.
    MoreWanted {
        /// How many there are.
        there: usize,
    },
    /// It failed before, and the run asks for failures to be tried again, or the stage's failures are no results any more.
    Failed,
    /// The run asks for it.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing => f.write_str("missing"),
            Reason::ContextChanged => {
                f.write_str("context changed: it takes another result of a dependency")
            }
            Reason::Stale(why) => write!(f, "stale: {why}"),
            Reason::MoreWanted { there } => {
                write!(f, "its matcher wants more than are there ({there})")
            }
            Reason::Failed => f.write_str("it failed before"),
            Reason::Forced => f.write_str("forced"),
        }
    }
}

/// What a matcher took, and from how many.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) rrefs: Arc<[AnyRRef]>,
    pub(super) from: usize,
}

/// How what is there is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is there counts.
    Usual,
    /// Failures are tried again.
    Retry,
    /// All that is there is passed over.
    Forced,
}

/// What is to be done.
pub(super) enum Decision {
    Take(Taken),
    /// So many more runs; the first of them has this index.
    Build {
        more: usize,
        first: usize,
        reason: Reason,
    },
    Never(String),
}

/// What a decision depends on beside the stage itself.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) store: &'a Store,
    pub(super) dref: &'a AnyDRef,
    pub(super) chosen: &'a Chosen,
    pub(super) context: &'a Context,
    pub(super) trust_unknown: bool,
    /// What counts as made by the stage, whoever made it.
    pub(super) by_hand: &'a [RRefId],
    /// Where what is there is known from.
    pub(super) found: Found<'a>,
}

/// Where it is known from what is there.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// A look that was taken since the process says that it uses the derivation.
    Before(&'a Look),
    /// A look, and what was published since.
    After(&'a Look, &'a [Realization]),
    /// The store knows.
    Known,
    /// It is read now, whatever is known.
    Now,
}

impl<'a> Found<'a> {
    /// From what was found for the stages of a plan.
    pub(super) fn of(stock: &'a Stock<'_>, at: usize) -> Result<Self> {
        Ok(match stock.look(at)? {
            Some(look) => Found::Before(look),
            None => Found::Known,
        })
    }
}

impl Scene<'_> {
    /// Looks at what is there and asks the matcher.
    pub(super) fn decide(&self, mode: Mode) -> Result<Decision> {
        let forced = mode == Mode::Forced;
        let node = self.dref.node();
        let Some(code) = node.code() else {
            let why = "it was read from a store, without its stage: instantiate its config";
            return Ok(Decision::Never(why.to_owned()));
        };
        let mut stale = None;
        let mut failed_before = false;
        let mut current = self.candidates()?;
        current.retain(|realization| {
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
        let failed = |realization: &mut Realization| realization.outcome != Outcome::Ok;
        let failures: Vec<_> = current.extract_if(.., failed).collect();
        let there = current.len();
        let tries = there + failures.len();
        match self.select(current)? {
            // The matcher is asked all the same: it may want more than one build, or none to be made at all.
            Selection::Take(_) if forced => Ok(Decision::Build {
                more: node.nouts(),
                first: tries,
                reason: Reason::Forced,
            }),
            Selection::Take(rrefs) => Ok(Decision::Take(Taken { rrefs, from: tries })),
            Selection::Never(why) => Ok(Decision::Never(why)),
            Selection::Build(0) => Ok(Decision::Never(
                "its matcher asked for 0 more realizations".to_owned(),
            )),
            Selection::Build(more) if more > MOST => Ok(Decision::Never(format!(
                "its matcher asked for {more} more realizations, and one build makes at most {MOST}: ask for fewer, or \
                 build them in several runs"
            ))),
            Selection::Build(more) => {
                let failed = !failures.is_empty();
                if mode == Mode::Usual
                    && let Some(failure) = newest(failures)
                {
                    let text = text_of(&failure)?;
                    let rrefs = [self.dref.realization(failure, self.chosen, text)].into();
                    return Ok(Decision::Take(Taken { rrefs, from: tries }));
                }
                let reason = match stale {
                    _ if forced => Reason::Forced,
                    _ if failed => Reason::Failed,
                    _ if there > 0 => Reason::MoreWanted { there },
                    Some(why) => Reason::Stale(why),
                    None if failed_before => Reason::Failed,
                    None if self.is_missing()? => Reason::Missing,
                    None => Reason::ContextChanged,
                };
                // Whole builds: each gives `nouts`.
                let more = more.next_multiple_of(node.nouts().max(1));
                Ok(Decision::Build {
                    more,
                    first: tries,
                    reason,
                })
            }
        }
    }

    /// The realizations with this context that are stale, with the reason.
    pub(super) fn stale(&self) -> Result<Vec<(AnyRRef, Stale)>> {
        let node = self.dref.node();
        let Some(code) = node.code() else {
            return Ok(Vec::new());
        };
        let mut stale = Vec::new();
        for realization in self.candidates()? {
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

    fn candidates(&self) -> Result<Vec<Realization>> {
        let (dref, context) = (self.dref.id(), self.context);
        match self.found {
            Found::Before(look) => Ok(self.store.looked_at(look, dref, context)),
            Found::After(look, new) => {
                let mut all = self.store.looked_at(look, dref, context);
                all.extend_from_slice(new);
                all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
                Ok(all)
            }
            Found::Known => self.store.candidates(dref, context),
            Found::Now => {
                let look = self.store.look_now(dref)?;
                Ok(self.store.looked_at(&look, dref, context))
            }
        }
    }

    /// Whether nothing was ever made of it, from whatever context.
    fn is_missing(&self) -> Result<bool> {
        match self.found {
            Found::Before(look) => Ok(look.is_empty()),
            _ => Ok(self.store.rrefs_of(self.dref.id())?.is_empty()),
        }
    }

    fn select(&self, current: Vec<Realization>) -> Result<Selection> {
        let ask = AssertUnwindSafe(|| self.dref.select(current, self.chosen));
        match catch_unwind(ask) {
            Ok(answer) => answer.map_err(|cause| matcher_failed(self.dref.id(), cause)),
            Err(panic) => Err(matcher_failed(self.dref.id(), panic_text(&*panic).into())),
        }
    }
}
