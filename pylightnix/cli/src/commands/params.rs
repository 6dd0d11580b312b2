//! `params`: lists the parameters of the program, and says what differs between those of two results.

use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::effects::effects;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::params::ShownParam;
use crate::session::{Session, style};
use crate::stages::{experiment_of, looking};
use crate::table::{Cell, Column, Table};
use pylightnix::config::RRefId;
use pylightnix::store::{BuildKind, BuildRecord, ParamChange, Store};

/// List the parameters of this program, or say what differs between those of two results
///
/// Use it when you want to know what a run would be given, and by what. Values come from the program, then from the file of parameters, a
/// profile in it, the environment, and `--set`; what comes later counts more. `params diff` compares what the runs were given that made
/// two results; its exit status is 1 if anything differs.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "Example: what was the newest `train` given that the one before it was not?\n  pylightnix params diff train@2 train"
)]
pub(crate) struct ParamsOf {
    #[command(subcommand)]
    command: Option<OfResults>,
}

#[derive(clap::Subcommand, Debug)]
enum OfResults {
    /// Show the differences between the parameters of two results
    Diff {
        /// The old one: a name, or the beginning of a reference
        #[arg(value_name = "OLD", add = complete::references())]
        old: String,
        /// The new one
        #[arg(value_name = "NEW", add = complete::references())]
        new: String,
    },
}

/// The JSON answer of `params diff`.
#[derive(Serialize)]
struct Answer {
    old: RRefId,
    new: RRefId,
    params: Vec<ParamChange>,
}

impl ParamsOf {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self.command {
            Some(OfResults::Diff { old, new }) => diff(session, &old, &new),
            None => list(session),
        }
    }
}

fn list(session: &Session) -> CommandResult {
    let experiment = experiment_of(session)?;
    if experiment.params().is_none() {
        return Err(CommandError::Usage(
            "this program declares no parameters\n  help: a struct that derives `Params` has some, for `main_with_params` or \
             `App::params`"
                .to_owned(),
        ));
    }
    let points = experiment.points()?.iter();
    let mut params = ShownParam::of(points.map(|point| &point.resolved));
    // Without a store there is nothing that a plan could ask; and `plan` says why a plan cannot be made.
    if session.has_store()? && params.iter().any(|param| param.is_changed) {
        let store = session.store()?;
        let targets: Vec<String> = experiment.names().map(str::to_owned).collect();
        let looking = || looking(experiment, store, false);
        let mut effects = effects(experiment, looking, &targets).unwrap_or_default();
        for param in &mut params {
            param.effect = effects.remove(&param.key);
        }
    }
    session.print(&params, |params, out| {
        let columns = [
            Column::left("PARAMETER"),
            Column::left("VALUE"),
            Column::left("FROM"),
            Column::left("WHAT").shrinks(),
        ];
        let mut table = Table::new(session, columns);
        for param in params {
            let color = match param.is_changed {
                true => style::NAME,
                false => style::FAINT,
            };
            table.row([
                param.key.clone().into(),
                Cell::styled(param.text(), color),
                param.origin.to_string().into(),
                match param.effect_text() {
                    Some(effect) => Cell::styled(effect, style::BAD),
                    None => param.doc.clone().into(),
                },
            ]);
        }
        Ok(table.write(out)?)
    })?;
    Ok(Exit::Done)
}

fn diff(session: &Session, old: &str, new: &str) -> CommandResult {
    let store = session.store()?;
    let (old, new) = (session.realization(old)?, session.realization(new)?);
    let (of_old, of_new) = (made(store, &old)?, made(store, &new)?);
    for (rref, build) in [(&old, &of_old), (&new, &of_new)] {
        if build.as_ref().is_none_or(|build| build.params.is_empty()) {
            session.say(format_args!("no parameters are recorded for {rref}"));
        }
    }
    let nothing = || BuildRecord::now(BuildKind::Build);
    let (of_old, of_new) = (
        of_old.unwrap_or_else(nothing),
        of_new.unwrap_or_else(nothing),
    );
    let params = of_old.param_changes(&of_new);
    let answer = Answer { old, new, params };
    session.print(&answer, |answer, out| {
        for change in &answer.params {
            let line = session.shortened(&change.to_string());
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(match answer.params.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Returns the newest run that made a realization.
fn made(store: &Store, rref: &RRefId) -> CommandResult<Option<BuildRecord>> {
    let realization = store.realization(rref)?;
    let mut builds = realization.builds_newest_first();
    Ok(builds.find(|build| build.kind == BuildKind::Build).cloned())
}
