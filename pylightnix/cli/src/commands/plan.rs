//! `plan`: shows what a run would do, and why.

use std::io::Write as _;

use crate::complete;
use crate::effects::{Effects, effects};
use crate::exit::{CommandResult, Exit};
use crate::forced::Forced;
use crate::params::ShownParam;
use crate::session::{Session, style};
use crate::stages::{Stages, experiment_of, looking_with};
use crate::table::{Cell, Column, Table};
use crate::text::short_dref;
use crate::trust::{TrustArgs, trusting};
use pylightnix::keys::Trust;
use pylightnix::realize::{Action, CodeNotes, DryPlan, Realize, Step};

/// The number of stages of which a note on their code is told.
const MOST_NOTES: usize = 10;

/// Show what a run would do, and why, without doing it
///
/// Use it when you want to know, before a long run, which stages it would build and what changed. Reused stages are
/// only counted; `--all` lists them too. `why` gives the details of one stage.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what would run for `train` after that change?\n  ./experiment plan train"
)]
pub(crate) struct Plan {
    /// Targets of this program, or stages of its plan [default: the first target]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// List reused stages too
    #[arg(long, short)]
    all: bool,
    /// Plan as if this stage were forced; may be repeated
    #[arg(long, short, value_name = "STAGE", add = complete::stages())]
    force: Vec<String>,
    /// Also reuse results whose code is not recorded
    #[arg(long)]
    trust_unknown: bool,
    /// Plan as if all stages were sealed, and show which results were made so
    #[arg(long)]
    sealed: bool,
    /// Plan to reuse only results that were made sealed
    #[arg(long)]
    only_sealed: bool,
    /// Say what this remote, a name or an address, has of the stages to do; it is asked once. May be repeated
    #[arg(long, short = 'r', value_name = "REMOTE")]
    remote: Vec<String>,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Plan {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let experiment = experiment_of(session)?;
        let store = session.store_or_new()?;
        let forced = Forced::new(&self.force);
        let trust = self.trust.of(store)?;
        let looking = || {
            looking_with(experiment, store, |run| {
                self.set(forced.set(run), trust.as_ref())
            })
        };
        let stages = Stages::of(experiment, &looking(), &self.targets)?;
        let mut run = self.set(experiment.configured(Realize::new(store)), trust.as_ref());
        forced.expect_all(&stages)?;
        for word in &self.force {
            for dref in stages.named(std::slice::from_ref(word)).unwrap_or_default() {
                run = run.force(dref.id());
            }
        }
        let notes = run.code_notes(&stages.whole)?;
        for name in &self.remote {
            run = run.remote(&store.remote(Some(name))?);
        }
        let plan = match self.remote.is_empty() {
            true => run.explain(&stages.whole)?,
            false => run.explain_remote(&stages.whole)?,
        };
        let params = changed(&stages, || effects(experiment, looking, &self.targets))?;
        session.print(&plan, |plan, out| {
            if let Some(results) = &notes.earlier {
                writeln!(out, "{results}")?;
            }
            let columns = [
                Column::left("DO"),
                Column::left("REFERENCE"),
                Column::left("STAGE"),
                Column::left("WHY").shrinks(),
            ];
            let mut table = Table::new(session, columns);
            let shown = |step: &&Step| self.all || step.action.word() != "reuse";
            for step in plan.steps.iter().filter(shown) {
                let runs = step.action.runs().filter(|runs| *runs > 1);
                let runs = runs.map(|runs| format!("{runs} runs: "));
                let color = match step.action {
                    Action::Reuse(_) | Action::Carry { .. } => style::GOOD,
                    Action::Build { .. } => style::REFERENCE,
                    Action::Undecided { .. } => style::FAINT,
                    _ => style::BAD,
                };
                table.row([
                    Cell::styled(step.action.word(), color),
                    short_dref(&step.dref).into(),
                    plan.titles().title(&step.dref).into(),
                    (runs.unwrap_or_default() + &words(plan, step)).into(),
                ]);
            }
            table.write(out)?;
            if plan.untold > 0 {
                let untold = plan.untold;
                writeln!(
                    out,
                    "{untold} more stages, for which the changes were not looked up: see `why STAGE`"
                )?;
            }
            for line in of_code(&notes, plan) {
                writeln!(out, "{line}")?;
            }
            if !params.is_empty() {
                writeln!(out, "parameters that do not have their default:")?;
            }
            for param in &params {
                writeln!(out, "  {param}")?;
            }
            writeln!(out, "{}", sum(plan))?;
            if let Some(error) = &stages.undecided {
                writeln!(out, "{}", error.message())?;
            }
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

impl Plan {
    /// Sets the options of the run that is planned.
    fn set<'a>(&self, run: Realize<'a>, trust: Option<&Trust>) -> Realize<'a> {
        let mut run = trusting(run, trust);
        if self.trust_unknown {
            run = run.trust_unknown();
        }
        if self.sealed {
            run = run.sealed();
        }
        if self.only_sealed {
            run = run.only_sealed();
        }
        run
    }
}

/// Returns the parameters that have another value than their default, with what they change. Those that are not declared are known
/// only as far as the plan asked for them.
fn changed(
    stages: &Stages,
    effects: impl FnOnce() -> CommandResult<Effects>,
) -> CommandResult<Vec<ShownParam>> {
    let mut shown = ShownParam::of(stages.params.iter().map(|(_, params)| params));
    shown.retain(|param| param.is_changed);
    if shown.is_empty() {
        return Ok(shown);
    }
    let mut effects = effects()?;
    for param in &mut shown {
        param.effect = effects.remove(&param.key);
    }
    Ok(shown)
}

/// Returns the lines about code that counts and is not seen, and about stages that reach most of their packages.
fn of_code(notes: &CodeNotes, plan: &DryPlan) -> Vec<String> {
    let line = |dref, what| format!("code of {}: {what}", plan.titles().title(dref));
    let unseen = notes.unseen.iter();
    let unseen = unseen.map(|it| line(&it.dref, it.what.clone())).collect();
    let wide = notes.wide.iter();
    let wide = wide.map(|it| line(&it.dref, it.to_string())).collect();
    let parts: [(Vec<String>, &str); 2] = [
        (unseen, "have code that is not seen"),
        (wide, "reach most of their packages"),
    ];
    let mut lines = Vec::new();
    for (mut told, what) in parts {
        let more = told.len().saturating_sub(MOST_NOTES);
        told.truncate(MOST_NOTES);
        lines.extend(told);
        if more > 0 {
            lines.push(format!("{more} more stages {what}"));
        }
    }
    lines
}

/// Returns the last line of the plan's text.
fn sum(plan: &DryPlan) -> String {
    let text = plan.to_string();
    text.lines().last().unwrap_or_default().to_owned()
}

/// Returns the text of the column `WHY`.
fn words(plan: &DryPlan, step: &Step) -> String {
    let reason = plan.reason(step).unwrap_or_default();
    let words = match (&step.action, &step.why) {
        (Action::Failed(_), _) => format!("{reason}; `--retry-failed` tries it again"),
        (Action::Undecided { .. }, Some(why)) => format!("{reason}; {why}"),
        (_, Some(why)) => why.clone(),
        (_, None) => reason,
    };
    let words = (!words.is_empty()).then_some(words);
    let sealed = step.sealed_text().map(str::to_owned);
    let all = words.into_iter().chain(sealed).chain(step.remotes_text());
    all.collect::<Vec<_>>().join("; ")
}
