//! `cancel`: takes stages out of the queue of Slurm, and ends those that run.

use serde::Serialize;
use std::io::Write as _;

use crate::exit::{CommandResult, Exit};
use crate::queue::Queue;
use crate::session::Session;
use crate::text::count;
use pylightnix::config::DRefId;
use pylightnix::realize::Slurm;
use pylightnix::{Error, ErrorKind};

/// Cancel tasks of runs on Slurm: all, or those that build some stages
///
/// Use it when a stage should not be built after all. A task that shares its job with others is taken out of it, and the others go on.
/// A run that waits for a cancelled stage stops as after any failure, or goes on with the rest if it was told to keep going. To
/// cancel a whole run, there is `attach --cancel`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: do not train any more\n  pylightnix cancel train")]
pub(crate) struct CancelTasks {
    /// Names of stages, such as `train` or `train rate=0.1`, or beginnings of their references [default: all]
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Only tasks of this run: the beginning of an identifier, or `-1` for the newest
    #[arg(long, value_name = "RUN", allow_hyphen_values = true)]
    run: Option<String>,
}

/// The JSON of a build that was cancelled.
#[derive(Serialize)]
struct Row<'a> {
    dref: &'a DRefId,
    title: String,
    job: &'a str,
    run: String,
    /// Whether the job was ended; otherwise it goes on with other stages.
    ended_job: bool,
}

impl CancelTasks {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let queue = Queue::read(session, self.run.as_deref())?;
        for word in &self.stages {
            let mut builds = queue.tasks.iter().flat_map(|task| &task.builds);
            if !builds.any(|build| queue.is_named(&build.dref, word)) {
                let error = Error::new(ErrorKind::Missing, format!("no task builds `{word}`"));
                return Err(error.with_help("`tasks` lists what is in the queue").into());
            }
        }
        let is_wanted = |dref: &DRefId| {
            self.stages.is_empty() || self.stages.iter().any(|word| queue.is_named(dref, word))
        };
        let store = session.store()?;
        let cancelled = store.cancel_tasks(&Slurm::new(), &queue.tasks, |_, build| {
            is_wanted(&build.dref)
        })?;
        let mut rows = Vec::new();
        for task in &cancelled {
            rows.extend(task.builds.iter().map(|build| Row {
                dref: &build.dref,
                title: queue.title(&build.dref),
                job: task.task.id.as_str(),
                run: task.task.run.to_string(),
                ended_job: task.is_whole,
            }));
        }
        session.print(&rows, |rows, out| {
            for row in rows {
                let what = match row.ended_job {
                    true => "ended",
                    false => "goes on with the other stages that it has",
                };
                writeln!(out, "{}: job {} {what}", row.title, row.job)?;
            }
            let builds = count(rows.len(), "build", "builds");
            writeln!(out, "cancelled {builds}")?;
            Ok(())
        })?;
        Ok(match rows.is_empty() && !self.stages.is_empty() {
            true => Exit::Failed,
            false => Exit::Done,
        })
    }
}
