//! What a run would do for each stage, as data: see [`Realize::plan`](crate::realize::Realize::plan).

use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::lens::AnyRRef;
use crate::realize::report::at_remote::AtRemote;
use crate::realize::report::carried::CarriedWhy;
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::Taken;
use crate::realize::report::titles::Titles;

/// The result of a dry run: a step for each stage, dependencies first. Displays as one line for each stage that is not
/// simply reused, and a summary.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DryPlan {
    /// The steps, one for each stage.
    pub steps: Vec<Step>,
    /// The number of stages without an explanation, because only a limited number is explained: see [`Step::why`].
    pub untold: usize,
    pub(in crate::realize) titles: Titles,
}

/// What a run would do for one stage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The derivation.
    pub dref: DRefId,
    /// What the run would do.
    pub action: Action,
    /// A summary of what changed: `config changed: rate 0.1 -> 0.2`. Only
    /// [`Realize::explain`](crate::realize::Realize::explain) computes it, for the first 300 stages that would run.
    pub why: Option<String>,
    /// Whether the stage is sealed if it runs, or whether the results that are reused were made sealed. `None` if the run has no sealed
    /// stages and was not asked ([`Realize::sealed`](crate::realize::Realize::sealed)), and if it is not known yet.
    pub sealed: Option<bool>,
    /// What the remotes have of the stage, if it is to be done. Only
    /// [`Realize::explain_remote`](crate::realize::Realize::explain_remote) asks them.
    pub at_remotes: Vec<AtRemote>,
}

/// What a run would do for a stage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// The matcher chooses these realizations from the store.
    Reuse(Vec<RRefId>),
    /// The stage failed before, and this recorded failure is its result. Nothing runs.
    Failed(RRefId),
    /// The results of another context count in the new one, as all that the stage read is the same. Nothing runs.
    Carry {
        /// The realizations of the other context.
        from: Vec<RRefId>,
        /// What differs between the contexts.
        why: CarriedWhy,
    },
    /// The stage runs.
    Build {
        /// The number of runs.
        runs: usize,
        /// The reason.
        reason: Reason,
    },
    /// The decision depends on the results of dependencies that have to be built first: rebuilding may give equal results
    /// again.
    Undecided {
        /// The direct dependencies whose results are not known yet.
        waits_for: Vec<DRefId>,
        /// Whether, and why, earlier results will count if those dependencies come out as before.
        carried: Option<CarriedWhy>,
    },
    /// The stage cannot be realized, for this reason.
    Fails(String),
}

impl DryPlan {
    /// Returns the titles of the stages, which distinguish stages of the same name.
    pub fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Returns whether a run would build nothing.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.action.is_there())
    }

    /// Returns the step of a derivation.
    pub fn step(&self, dref: impl AsRef<DRefId>) -> Option<&Step> {
        self.steps.iter().find(|step| step.dref == *dref.as_ref())
    }
}

impl Action {
    /// Returns whether nothing has to run.
    pub(in crate::realize) fn is_there(&self) -> bool {
        matches!(self, Action::Reuse(_) | Action::Failed(_))
    }

    /// Returns whether the stage runs, or may have to.
    pub(in crate::realize) fn may_run(&self) -> bool {
        !self.is_there() && !matches!(self, Action::Carry { .. })
    }
}

impl Action {
    /// Returns the name of the action in data for programs: `reuse`, `failed`, `carry`, `build`, `later` or `fails`.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Reuse(_) => "reuse",
            Action::Failed(_) => "failed",
            Action::Carry { .. } => "carry",
            Action::Build { .. } => "build",
            Action::Undecided { .. } => "later",
            Action::Fails(_) => "fails",
        }
    }

    /// Returns the number of runs, if the stage certainly runs.
    pub fn runs(&self) -> Option<usize> {
        match self {
            Action::Build { runs, .. } => Some(*runs),
            _ => None,
        }
    }

    /// Returns the existing realizations that are chosen.
    pub fn rrefs(&self) -> &[RRefId] {
        match self {
            Action::Reuse(rrefs) => rrefs,
            Action::Failed(rref) => std::slice::from_ref(rref),
            _ => &[],
        }
    }
}

impl DryPlan {
    /// Returns the reason for the action on a stage of this plan; `None` if the stage is reused.
    pub fn reason(&self, step: &Step) -> Option<String> {
        match &step.action {
            Action::Reuse(_) => None,
            Action::Failed(_) => Some("its failure is its result".to_owned()),
            Action::Build { reason, .. } => Some(reason.to_string()),
            Action::Carry { why, .. } => Some(why.reason()),
            Action::Undecided { waits_for, carried } => {
                let until = self.titles.until(waits_for, "");
                let carried = carried.iter().map(|why| format!("; {why}"));
                Some(format!(
                    "decided when {until}{}",
                    carried.collect::<String>()
                ))
            }
            Action::Fails(why) => Some(why.clone()),
        }
    }
}

/// The serialized form of a step.
#[derive(Serialize)]
struct SerializedStep<'a> {
    dref: &'a DRefId,
    name: &'a str,
    /// The label that distinguishes the stage from others of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rrefs: &'a [RRefId],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    at_remotes: &'a [AtRemote],
}

impl Serialize for DryPlan {
    /// Serializes a list of the stages, each an object with `dref`, `name` and `action` ([`Action::word`]), and with
    /// `label`, `runs`, `reason`, `why`, `sealed`, `rrefs` and `at_remotes` if they have values.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.steps.iter().map(|step| SerializedStep {
            dref: &step.dref,
            name: step.dref.name().as_str(),
            label: self.titles.label(&step.dref),
            action: step.action.word(),
            runs: step.action.runs(),
            reason: self.reason(step),
            why: step.why.as_deref(),
            sealed: step.sealed,
            rrefs: step.action.rrefs(),
            at_remotes: &step.at_remotes,
        }))
    }
}

impl fmt::Display for DryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reused = self
            .steps
            .iter()
            .filter(|step| step.action.is_there())
            .count();
        let is_carried = |step: &&Step| matches!(step.action, Action::Carry { .. });
        let carried = self.steps.iter().filter(is_carried).count();
        for step in &self.steps {
            if !matches!(step.action, Action::Reuse(_)) {
                let remotes = step.remotes_text().map(|text| format!("; {text}"));
                let remotes = remotes.unwrap_or_default();
                writeln!(f, "{}{remotes}", step.text(Some(&self.titles)))?;
            }
        }
        if self.untold > 0 {
            writeln!(f, "{} more stages are not explained", self.untold)?;
        }
        match (self.steps.len(), self.steps.len() - reused) {
            (all, 0) => write!(f, "nothing to build: {all} stages reused"),
            (all, left) if left == carried => {
                write!(
                    f,
                    "nothing to build: {carried} of {all} stages to carry, {reused} reused"
                )
            }
            (all, left) if carried > 0 => write!(
                f,
                "{} of {all} stages to do, {carried} to carry, {reused} reused",
                left - carried
            ),
            (all, left) => write!(f, "{left} of {all} stages to do, {reused} reused"),
        }?;
        let has_some = |step: &&Step| step.at_remotes.iter().any(|there| there.results > 0);
        match self.steps.iter().filter(has_some).count() {
            0 => Ok(()),
            there => write!(f, ", {there} with results at remotes"),
        }
    }
}

impl Step {
    /// Returns what to say of [`sealed`](Self::sealed), if anything.
    pub fn sealed_text(&self) -> Option<&'static str> {
        match (self.sealed?, self.action.is_there()) {
            (true, true) => Some("made sealed"),
            (false, true) => Some("not made sealed"),
            (true, false) => Some("sealed"),
            (false, false) => None,
        }
    }

    /// Returns what to say of [`at_remotes`](Self::at_remotes), if any were asked.
    pub fn remotes_text(&self) -> Option<String> {
        let told: Vec<_> = self.at_remotes.iter().map(AtRemote::to_string).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(None))
    }
}

impl Step {
    /// Formats the step as a line. With `titles`, the stage has its label.
    fn text(&self, titles: Option<&Titles>) -> String {
        let Step {
            dref, action, why, ..
        } = self;
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
            Action::Carry { why, .. } => format!("carry   {dref}: {}", why.reason()),
            Action::Build { runs: 1, reason } => {
                format!("build   {dref}: {}", reason_or_why(reason))
            }
            Action::Build { runs, reason } => {
                format!("build   {dref}, {runs} runs: {}", reason_or_why(reason))
            }
            Action::Undecided { waits_for, carried } => {
                let until = match titles {
                    Some(titles) => titles.until(waits_for, "`"),
                    None => "what it depends on is known".to_owned(),
                };
                let carried = carried.iter().map(CarriedWhy::to_string);
                let why = carried.chain(why.clone()).map(|why| format!("; {why}"));
                let why: String = why.collect();
                format!("later   {dref}: will be decided when {until}{why}")
            }
            Action::Fails(why) => format!("fails   {dref}: {why}"),
        }
    }
}

/// What a run would do for one stage, and the choice, if it is known.
pub(in crate::realize) struct Foreseen {
    pub(in crate::realize) action: Action,
    pub(in crate::realize) taken: Option<Taken>,
}

impl Foreseen {
    /// Returns the chosen realizations, if they are known.
    pub(in crate::realize) fn rrefs(&self) -> Option<Arc<[AnyRRef]>> {
        Some(self.taken.as_ref()?.rrefs.clone())
    }
}
