//! `attach`: shows a run of another process as it goes on, and goes on with one whose process is gone.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::runs;
use crate::driver;
use crate::exit::{CommandResult, Exit};
use crate::progress::{ToldProgress, object};
use crate::session::Session;
use pylightnix::realize::{Cancel, Executor as _, Sight, Slurm};
use pylightnix::store::{RunFolder, RunStanding, Store};
use pylightnix::{Error, ErrorKind};

/// How often it is looked for news.
const LOOK: Duration = Duration::from_millis(200);

/// Show a run of another process as it goes on; go on with one whose process is gone
///
/// Use it when you come back to a run that you left, by `run --detach` or by Ctrl-C, or whose process was killed. Ctrl-C leaves again:
/// the run goes on. If the process of the run is gone, another one goes on with it, with the same program, arguments and answers, and takes
/// over its tasks.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: come back to the run that goes on\n  pylightnix attach")]
pub(crate) struct Attach {
    /// The beginning of an identifier, or `-1` for the newest run [default: the newest that has not ended]
    #[arg(value_name = "RUN", allow_hyphen_values = true)]
    run: Option<String>,
    /// Cancel the run, as Ctrl-C would in its terminal
    #[arg(long)]
    cancel: bool,
}

impl Attach {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("attach")?;
        let store = session.store()?;
        let run = match &self.run {
            Some(text) => store.run_named(text)?,
            None => newest_open(store)?,
        };
        if self.cancel {
            match run.standing()? {
                RunStanding::Killed if driver::job_of(&run).is_none() => {
                    return give_up(session, store, &run);
                }
                RunStanding::Ended => {}
                _ => run.ask_to_cancel()?,
            }
        }
        let leave = Cancel::on_signals()?;
        if run.standing()? == RunStanding::Killed && !self.cancel && !waits(session, &run)? {
            go_on(session, &run)?;
        }
        let shown = ToldProgress::begin(store, session.color_err());
        let ended = follow(&run, &shown, &leave);
        shown.end();
        let Some(last) = ended? else {
            session.say(format_args!("run {} goes on", run.id()));
            return Ok(Exit::Done);
        };
        if last["event"] != "ended" {
            let message = format!("the process of run {} is gone", run.id());
            let output = run.output();
            let said = match output.exists() {
                true => format!("what it said is in {}; ", output.display()),
                false => String::new(),
            };
            return Err(Error::new(ErrorKind::Stage, message)
                .with_help(format!("{said}`attach` once more goes on with it"))
                .into());
        }
        session.say(runs::ended(&last));
        Ok(match last["error"].is_null() {
            true => Exit::Done,
            false => Exit::Failed,
        })
    }
}

/// Returns the newest run that has not ended.
fn newest_open(store: &Store) -> CommandResult<RunFolder> {
    for run in store.runs()? {
        if run.standing()? != RunStanding::Ended {
            return Ok(run);
        }
    }
    Err(
        Error::new(ErrorKind::Missing, "there is no run that has not ended")
            .with_help("`runs` lists those that have")
            .into(),
    )
}

/// Whether the process of a run is a job that has not begun.
fn waits(session: &Session, run: &RunFolder) -> CommandResult<bool> {
    let Some(job) = driver::job_of(run) else {
        return Ok(false);
    };
    Ok(match Slurm::new().look(&[job])?.into_iter().next() {
        Some(Sight::Queued(why)) => {
            session.say(format_args!("run {} waits in the queue ({why})", run.id()));
            true
        }
        Some(Sight::Running(_)) => true,
        _ => false,
    })
}

/// Starts a process that goes on with a run.
fn go_on(session: &Session, run: &RunFolder) -> CommandResult<()> {
    let (program, arguments) = driver::program_of(session, run)?;
    session.say(format_args!(
        "the process of run {} is gone: another one goes on with it",
        run.id()
    ));
    let mut driver = driver::start(session.place(), run, &program, &arguments)?;
    driver::expect_begun(run, &mut driver)
}

/// Ends a run whose process is gone: cancels its tasks.
fn give_up(session: &Session, store: &Store, run: &RunFolder) -> CommandResult {
    let journal = store.resume_run(run)?;
    let tasks = match run.has_orders() {
        true => store.tasks(&Slurm::new())?,
        false => Vec::new(),
    };
    let of_run = |id| id == run.id();
    let cancelled = store.cancel_tasks(&Slurm::new(), &tasks, |task, _| of_run(task.run))?;
    let fields = json!({ "error": "the run was cancelled, after its process was gone" });
    journal.event(&object("ended", None, fields).to_string())?;
    session.say(format_args!(
        "run {} is cancelled, with {} of its tasks",
        run.id(),
        cancelled.len()
    ));
    Ok(Exit::Done)
}

/// Shows events until the run has ended, and returns the last one; `None` if the person leaves before.
fn follow(run: &RunFolder, shown: &ToldProgress, leave: &Cancel) -> CommandResult<Option<Value>> {
    let mut position = 0;
    let mut last = Value::Null;
    let mut has_begun = driver::job_of(run).is_none();
    loop {
        // Before the events are read: what it wrote last is then among them.
        let standing = run.standing()?;
        let (events, next) = run.events_from(position)?;
        position = next;
        for event in &events {
            let line = match event["event"] == "ended" {
                true => None,
                false => runs::line(event),
            };
            has_begun |= event["event"] == "driven";
            shown.told(event, line);
        }
        last = events.into_iter().next_back().unwrap_or(last);
        let is_over = match standing {
            RunStanding::Ended => true,
            // A job that waits has no process yet.
            RunStanding::Killed => has_begun,
            _ => false,
        };
        if is_over {
            return Ok(Some(last));
        }
        if leave.is_cancelled() {
            return Ok(None);
        }
        sleep(LOOK);
    }
}
