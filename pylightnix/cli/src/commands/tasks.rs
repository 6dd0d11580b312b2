//! `tasks`: what runs have in the queue of Slurm.

use serde::Serialize;

use crate::exit::CommandResult;
use crate::queue::Queue;
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::local_second;
use pylightnix::config::DRefId;
use pylightnix::realize::{ListedState, ListedTask, Sight};

/// The number of characters of the identifier of a run that are shown.
const SHORT: usize = 13;

/// List the tasks of runs on Slurm: which stage, where, since when
///
/// Use it when a run on Slurm takes longer than you thought: it says which stages run, on which machines, and why others wait. Tasks
/// of runs whose process is gone are listed too.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: what do my runs have in the queue?\n  pylightnix tasks")]
pub(crate) struct Tasks {
    /// Only the tasks of this run: the beginning of an identifier, or `-1` for the newest
    #[arg(long, value_name = "RUN", allow_hyphen_values = true)]
    run: Option<String>,
}

/// The JSON of a task.
#[derive(Serialize)]
struct Row<'a> {
    job: &'a str,
    run: String,
    /// `queued` or `running`.
    state: &'static str,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    /// Why it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    since: Option<String>,
    builds: Vec<BuildRow<'a>>,
    #[serde(skip)]
    task: &'a ListedTask,
}

#[derive(Serialize)]
struct BuildRow<'a> {
    dref: &'a DRefId,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    runs: usize,
    state: ListedState,
}

impl Tasks {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let queue = Queue::read(session, self.run.as_deref())?;
        let rows: Vec<Row<'_>> = queue.tasks.iter().map(|task| row(&queue, task)).collect();
        if rows.is_empty() && !session.json() {
            session.say("there are no tasks");
        }
        session.print(&rows, |rows, out| {
            let columns = [
                Column::left("STAGE").shrinks(),
                Column::left("STATE"),
                Column::left("WHERE").shrinks(),
                Column::left("SINCE").optional(),
                Column::left("JOB"),
                Column::left("RUN").optional(),
            ];
            let mut table = Table::new(session, columns);
            for row in rows {
                let state = match row.state {
                    "running" => Cell::styled(row.state, style::GOOD),
                    state => state.into(),
                };
                table.row([
                    queue.work(row.task).into(),
                    state,
                    row.host.or(row.reason).unwrap_or_default().into(),
                    row.task.since.map(local_second).unwrap_or_default().into(),
                    row.job.into(),
                    Cell::styled(row.run.get(..SHORT).unwrap_or(&row.run), style::REFERENCE),
                ]);
            }
            Ok(table.write(out)?)
        })?;
        Ok(session.exit())
    }
}

fn row<'a>(queue: &'a Queue, task: &'a ListedTask) -> Row<'a> {
    let (state, host, reason) = match &task.sight {
        Sight::Running(host) => ("running", Some(host.as_str()), None),
        Sight::Queued(why) => ("queued", None, Some(why.as_str())),
        _ => ("gone", None, None),
    };
    let builds = task.builds.iter().map(|build| BuildRow {
        dref: &build.dref,
        name: build.dref.name().as_str(),
        label: queue.label(&build.dref),
        runs: build.runs,
        state: build.state,
    });
    Row {
        job: task.id.as_str(),
        run: task.run.to_string(),
        state,
        host,
        reason,
        since: task.since.map(|since| since.to_string()),
        builds: builds.collect(),
        task,
    }
}
