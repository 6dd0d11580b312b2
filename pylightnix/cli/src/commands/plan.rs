//! `plan`: what a run would do, and why.

use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::exit::{Done, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, experiment_of};
use crate::table::{Cell, Column, Table};
use crate::text::short_dref;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::realize::{Action, DryPlan, Realize, Step};

/// Say what a run would do, and why; do nothing
///
/// When you want to know before a long run which stages it would build, and what changed. Those that are simply there are
/// counted; `--all` lists them too. `why` tells all about one of them.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what would run for `train` after that change?\n  ./experiment plan train"
)]
pub(crate) struct Plan {
    /// Targets of this program, or stages of its plan [default: the first target]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// List what is reused, too
    #[arg(long, short)]
    all: bool,
    /// As if this stage were forced; may be repeated
    #[arg(long, short, value_name = "STAGE", add = complete::stages())]
    force: Vec<String>,
    /// Count results of which nothing says which code made them
    #[arg(long)]
    trust_unknown: bool,
}

/// A stage, for programs.
#[derive(Serialize)]
struct Row<'a> {
    dref: &'a DRefId,
    name: &'a str,
    /// What tells it from other stages of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// `reuse`, `build`, `later`, `failed` or `fails`.
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What changed, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rrefs: &'a [RRefId],
}

impl Plan {
    pub(crate) fn run(self, session: &Session) -> Done {
        let experiment = experiment_of(session)?;
        let stages = Stages::of(experiment, &self.targets)?;
        let mut run = experiment.configured(Realize::new(session.store_or_new()?));
        if self.trust_unknown {
            run = run.trust_unknown();
        }
        for dref in stages.named(&self.force)? {
            run = run.force(dref.id());
        }
        let plan = run.explain(&stages.wanted)?;
        let rows: Vec<Row<'_>> = plan.steps.iter().map(|step| row(&plan, step)).collect();
        session.print(&rows, |rows, out| {
            let columns = [
                Column::left("DO"),
                Column::left("REFERENCE"),
                Column::left("STAGE"),
                Column::left("WHY").shrinks(),
            ];
            let mut table = Table::new(session, columns);
            for row in rows.iter().filter(|row| self.all || row.action != "reuse") {
                let runs = row
                    .runs
                    .filter(|runs| *runs > 1)
                    .map(|runs| format!("{runs} runs: "));
                let why = runs.unwrap_or_default() + &words(row);
                let color = match row.action {
                    "reuse" => style::GOOD,
                    "build" => style::REFERENCE,
                    "later" => style::FAINT,
                    _ => style::BAD,
                };
                table.row([
                    Cell::styled(row.action, color),
                    short_dref(row.dref).into(),
                    row.title().into(),
                    why.into(),
                ]);
            }
            table.write(out)?;
            if plan.untold > 0 {
                let untold = plan.untold;
                writeln!(
                    out,
                    "of {untold} more it is not told what changed: `why STAGE` tells it of any"
                )?;
            }
            writeln!(out, "{}", sum(&plan))?;
            Ok(())
        })?;
        Ok(
            match plan
                .steps
                .iter()
                .any(|step| matches!(step.action, Action::Fails(_)))
            {
                true => Exit::Failed,
                false => Exit::Done,
            },
        )
    }
}

impl Row<'_> {
    fn title(&self) -> String {
        match &self.label {
            Some(label) => format!("{} {label}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// The last line of the plan's text.
fn sum(plan: &DryPlan) -> String {
    let text = plan.to_string();
    text.lines().last().unwrap_or_default().to_owned()
}

/// Why something is to do.
fn words(row: &Row<'_>) -> String {
    let reason = row.reason.as_deref().unwrap_or_default();
    match (row.action, row.why) {
        ("later", Some(why)) => format!("{reason}; {why}"),
        (_, why) => why.unwrap_or(reason).to_owned(),
    }
}

fn row<'a>(plan: &DryPlan, step: &'a Step) -> Row<'a> {
    let (action, runs, reason, rrefs): (_, _, _, &[RRefId]) = match &step.action {
        Action::Reuse(rrefs) => ("reuse", None, None, rrefs),
        Action::Failed(rref) => {
            let why = "its failure is its result; `--retry-failed` tries it again";
            (
                "failed",
                None,
                Some(why.to_owned()),
                std::slice::from_ref(rref),
            )
        }
        Action::Build { runs, reason } => ("build", Some(*runs), Some(reason.to_string()), &[]),
        Action::Undecided { waits_for } => {
            let until = plan.titles().until(waits_for, "");
            ("later", None, Some(format!("decided when {until}")), &[])
        }
        Action::Fails(why) => ("fails", None, Some(why.clone()), &[]),
        _ => ("later", None, None, &[]),
    };
    Row {
        dref: &step.dref,
        name: step.dref.name().as_str(),
        label: plan.titles().label(&step.dref),
        action,
        runs,
        reason,
        why: step.why.as_deref(),
        rrefs,
    }
}
