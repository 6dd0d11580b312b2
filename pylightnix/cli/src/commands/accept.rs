//! `accept`: lets stale results stand.

use serde::Serialize;
use std::io::Write;

use super::gc::Answer;
use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, experiment_of, looking};
use crate::table::{Cell, Column, Table, cut};
use crate::text::{count, short_rref};
use pylightnix::config::RRefId;
use pylightnix::realize::{Acceptance, NotAccepted, Realize, Waiting};

/// The width of a fingerprint that is shown.
const DIGITS: usize = 9;

/// The maximum number of waiting stages that are named.
const MOST_WAITING: usize = 10;

/// Let stale results stand although their code changed
///
/// Use it when an edit does not change what comes out: a clearer name, a faster loop. The results are then reused as if the
/// current code had made them. `--check` first makes one result of each stage again and compares the bytes; what
/// differs is not accepted, and the exit code is 1.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: accept what an edit of `normalise` made stale, where the bytes are still the same\n  \
    ./experiment accept --changed normalise --check"
)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["stages", "all", "unknown", "changed"])))]
pub(crate) struct Accept {
    /// Accept all stale results of these stages: names or references
    #[arg(value_name = "STAGE", add = complete::stages())]
    stages: Vec<String>,
    /// Accept the results that were made before the code that a stage calls counted
    #[arg(long)]
    all: bool,
    /// Accept the results of which it is not known which code made them, such as imported ones
    #[arg(long)]
    unknown: bool,
    /// Accept the results whose code differs from the current code in this item alone, by the name that `plan` and `why` print;
    /// may be repeated, for an edit of several items
    #[arg(long, value_name = "ITEM")]
    changed: Vec<String>,
    /// First make one result of each stage again, and accept none of a stage whose bytes differ
    #[arg(long)]
    check: bool,
    /// Show what would be accepted, and accept nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Look only at the plan of this target; may be repeated [default: all targets]
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
}

impl Accept {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let experiment = experiment_of(session)?;
        let store = session.store()?;
        let targets = match self.targets.is_empty() {
            true => experiment.names().map(str::to_owned).collect(),
            false => self.targets.clone(),
        };
        let plan = Stages::of(experiment, &looking(experiment, store, false), &targets)?;
        let mut accept = experiment.configured(Realize::new(store)).accept();
        let named = plan.named(&self.stages)?;
        for dref in &named {
            accept = accept.stage(dref);
        }
        let target = match named.is_empty() {
            true => &plan.whole,
            false => &named,
        };
        if self.all {
            accept = accept.earlier();
        }
        if self.unknown {
            accept = accept.unknown();
        }
        for item in &self.changed {
            accept = accept.changed(item);
        }
        if self.check {
            accept = accept.check();
        }
        let done = match self.dry_run {
            true => accept.plan(target)?,
            false => accept.run(target)?,
        };
        let answer = Answer {
            dry_run: self.dry_run,
            report: Report::of(&done, &plan),
        };
        session.print(&answer, |answer, out| {
            self.write(session, &answer.report, &plan, out)
        })?;
        let has_nothing = !self.changed.is_empty() && done.accepted.is_empty();
        let has_to_wait = !self.stages.is_empty() && !done.waiting.is_empty();
        Ok(
            match done.refused.is_empty() && !has_nothing && !has_to_wait {
                true => Exit::Done,
                false => Exit::Failed,
            },
        )
    }

    fn write(
        &self,
        session: &Session,
        report: &Report<'_>,
        plan: &Stages,
        out: &mut impl Write,
    ) -> CommandResult<()> {
        let columns = [
            Column::left("REFERENCE"),
            Column::left("STAGE").shrinks(),
            Column::left("CODE").optional(),
        ];
        let short = |code: &str| cut(code, DIGITS);
        let mut table = Table::new(session, columns);
        for row in &report.accepted {
            let was = row.from.map_or("unknown code".into(), short);
            table.row([
                Cell::styled(short_rref(row.rref), style::REFERENCE),
                row.stage.as_str().into(),
                format!("{} counts as {was}", short(row.to)).into(),
            ]);
        }
        table.write(out)?;
        for refused in report.refused {
            let stage = refused.rrefs.first().map(|rref| plan.title(rref.dref()));
            let stage = session.paint(style::BAD, stage.unwrap_or_default());
            writeln!(out, "{stage}: {refused}")?;
        }
        for waiting in report.waiting.iter().take(MOST_WAITING) {
            writeln!(
                out,
                "{} waits: `{}`, which it depends on, has to be accepted or built first",
                session.paint(style::BAD, plan.title(&waiting.dref)),
                plan.title(&waiting.dep)
            )?;
        }
        if let Some(more) = report.waiting.len().checked_sub(MOST_WAITING)
            && more > 0
        {
            writeln!(
                out,
                "{}",
                count(more, "more stage waits", "more stages wait")
            )?;
        }
        for what in report.other_changes {
            writeln!(out, "left as it is, because of another change: {what}")?;
        }
        let said = if self.dry_run {
            "would accept"
        } else {
            "accepted"
        };
        match report.accepted.len() {
            0 => writeln!(out, "nothing to accept")?,
            accepted => writeln!(out, "{said} {}", count(accepted, "result", "results"))?,
        }
        Ok(())
    }
}

/// The JSON answer.
#[derive(Serialize)]
struct Report<'a> {
    accepted: Vec<Row<'a>>,
    refused: &'a [NotAccepted],
    waiting: &'a [Waiting],
    other_changes: &'a [String],
}

#[derive(Serialize)]
struct Row<'a> {
    rref: &'a RRefId,
    /// The title of the stage.
    stage: String,
    from: Option<&'a str>,
    to: &'a str,
}

impl<'a> Report<'a> {
    fn of(done: &'a Acceptance, plan: &Stages) -> Self {
        let accepted = done.accepted.iter().map(|one| Row {
            rref: &one.rref,
            stage: plan.title(one.rref.dref()),
            from: one.from.as_deref(),
            to: &one.to,
        });
        Report {
            accepted: accepted.collect(),
            refused: &done.refused,
            waiting: &done.waiting,
            other_changes: &done.other_changes,
        }
    }
}
