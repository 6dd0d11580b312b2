//! `replan`: makes the plan of an earlier run again, from its answers. It is hidden: other processes of a run do it by themselves.

use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Write as _;

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use crate::stages::{Stages, experiment_of};
use pylightnix::experiment::{Answers, Run};
use pylightnix::realize::Realize;
use pylightnix::{Error, ErrorKind};

/// Make the plan of an earlier run again, from its answers, and compare it
#[derive(clap::Args, Debug)]
#[command(
    hide = true,
    after_help = "Example: is the plan of the newest run made the same way again?\n  ./experiment replan -1"
)]
pub(crate) struct Replan {
    /// The beginning of an identifier; or `-1` for the newest run
    #[arg(value_name = "RUN", allow_hyphen_values = true)]
    run: String,
}

#[derive(Serialize)]
struct Answer {
    /// The references of all stages, those that were asked for included.
    stages: BTreeSet<String>,
}

impl Replan {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let experiment = experiment_of(session)?;
        let store = session.store()?;
        let folder = store.run_named(&self.run)?;
        let answers: Answers = serde_json::from_str(&folder.answers()?).map_err(|error| {
            let message = format!("the answers of run {} cannot be read", folder.id());
            CommandError::Error(Error::new(ErrorKind::Store, message).because(error))
        })?;
        let run = Run::again(experiment.configured(Realize::new(store)), answers);
        let targets = folder.record()?.targets;
        let plan = Stages::of(experiment, &run, &targets)?;
        let stages: BTreeSet<String> = plan.all().map(|stage| stage.id().to_string()).collect();
        let mut before = BTreeSet::new();
        for event in folder.events_of("planned")? {
            for stage in event["stages"].as_array().into_iter().flatten() {
                before.extend(stage["dref"].as_str().map(str::to_owned));
            }
        }
        if let Some(other) = before.symmetric_difference(&stages).next() {
            let message = match stages.contains(other) {
                true => format!("the plan differs: {other} is new in it"),
                false => format!("the plan differs: {other} is not in it any more"),
            };
            return Err(CommandError::Error(Error::new(ErrorKind::Plan, message)));
        }
        session.print(&Answer { stages }, |answer, out| {
            for stage in &answer.stages {
                writeln!(out, "{stage}")?;
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
