//! What a run would do for each stage, as data: see [`Realize::plan`](crate::realize::Realize::plan).

use std::fmt;
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::lens::AnyRRef;
use crate::realize::reason::Reason;
use crate::realize::taken::Taken;
use crate::realize::titles::Titles;

/// What a run would do: its stages, dependencies first. As text: a line for each that is not simply there, and a sum.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DryPlan {
    /// The stages.
    pub steps: Vec<Step>,
    /// Of how many stages it is not told what changed, because they are too many: see [`Step::why`].
    pub untold: usize,
    pub(super) titles: Titles,
}

/// What a run would do for one stage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The derivation.
    pub dref: DRefId,
    /// What would be done.
    pub action: Action,
    /// What changed, in a few words: `config changed: rate 0.1 -> 0.2`. Only [`Realize::explain`](crate::realize::Realize::explain) looks for it, for the first
    /// 300 stages with something to do.
    pub why: Option<String>,
}

/// What would be done for a stage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Its matcher chooses these, which are there.
    Reuse(Vec<RRefId>),
    /// It failed, and this failure, which is there, is its result: nothing runs.
    Failed(RRefId),
    /// It runs.
    Build {
        /// How many times.
        runs: usize,
        /// Why.
        reason: Reason,
    },
    /// It will be decided when its dependencies are known: rebuilt, they may give what they gave before.
    Undecided {
        /// The direct dependencies that are not known yet.
        waits_for: Vec<DRefId>,
    },
    /// It cannot be realized, and why.
    Fails(String),
}

impl DryPlan {
    /// What the stages of the plan are called, so that those of one name can be told apart.
    pub fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Whether a run would build nothing.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.action.is_there())
    }

    /// The step of a derivation.
    pub fn step(&self, dref: impl AsRef<DRefId>) -> Option<&Step> {
        self.steps.iter().find(|step| step.dref == *dref.as_ref())
    }
}

impl Action {
    /// Whether nothing has to run.
    pub(super) fn is_there(&self) -> bool {
        matches!(self, Action::Reuse(_) | Action::Failed(_))
    }
}

impl fmt::Display for DryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reused = self
            .steps
            .iter()
            .filter(|step| step.action.is_there())
            .count();
        for step in &self.steps {
            if !matches!(step.action, Action::Reuse(_)) {
                writeln!(f, "{}", step.text(Some(&self.titles)))?;
            }
        }
        if self.untold > 0 {
            writeln!(f, "of {} more it is not told what changed", self.untold)?;
        }
        match (self.steps.len(), self.steps.len() - reused) {
            (all, 0) => write!(f, "nothing to build: {all} stages reused"),
            (all, left) => write!(f, "{left} of {all} stages to do, {reused} reused"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(None))
    }
}

impl Step {
    /// A line, with what tells the stages from others of their names.
    fn text(&self, titles: Option<&Titles>) -> String {
        let Step { dref, action, why } = self;
        let label = titles.and_then(|titles| titles.label(dref));
        let dref = match label {
            Some(label) => format!("{dref} ({label})"),
            None => dref.to_string(),
        };
        let reason_or_why = |reason: &Reason| why.clone().unwrap_or_else(|| reason.to_string());
        match action {
            Action::Reuse(_) => format!("reuse   {dref}"),
            Action::Failed(_) => {
                format!(
                    "failed  {dref}: its failure is its result; `retry_failed()` tries it again"
                )
            }
            Action::Build { runs: 1, reason } => {
                format!("build   {dref}: {}", reason_or_why(reason))
            }
            Action::Build { runs, reason } => {
                format!("build   {dref}, {runs} runs: {}", reason_or_why(reason))
            }
            Action::Undecided { waits_for } => {
                let until = match titles {
                    Some(titles) => titles.until(waits_for, "`"),
                    None => "what it depends on is known".to_owned(),
                };
                let why = why.iter().map(|why| format!("; {why}"));
                let why: String = why.collect();
                format!("later   {dref}: will be decided when {until}{why}")
            }
            Action::Fails(why) => format!("fails   {dref}: {why}"),
        }
    }
}

/// What a run would do for one stage, and what is chosen for it if that is there.
pub(super) struct Foreseen {
    pub(super) action: Action,
    pub(super) taken: Option<Taken>,
}

impl Foreseen {
    /// What is chosen, if it is there.
    pub(super) fn rrefs(&self) -> Option<Arc<[AnyRRef]>> {
        Some(self.taken.as_ref()?.rrefs.clone())
    }
}
