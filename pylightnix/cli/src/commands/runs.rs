//! `runs`: what runs of programs did.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, local_second};
use pylightnix::internal::text;
use pylightnix::store::{RunFolder, RunRecord, RunStanding};

/// The number of characters of an identifier that are shown: enough to tell runs apart that began in different milliseconds.
const SHORT: usize = 13;

/// List the runs of programs, or show what one of them did
///
/// Use it when you come back to a run: what it built, what failed, whether it still goes on. Runs that built something are kept,
/// the newest 50; `gc` removes older ones. `run --again RUN` runs with the same arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: what did the newest run do?\n  pylightnix runs show -1")]
pub(crate) struct Runs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    Show(Show),
}

/// Show what a run did
///
/// Use it when you want to know what a run built, and how it ended. `--json` has all its events.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what did the run before the newest do?\n  pylightnix runs show -2"
)]
struct Show {
    /// The beginning of an identifier; or `-1` for the newest run, `-2` for the one before it
    #[arg(value_name = "RUN", allow_hyphen_values = true)]
    run: String,
}

/// A run, with what its events sum up to.
#[derive(Serialize)]
struct Row {
    run: String,
    #[serde(flatten)]
    record: RunRecord,
    /// `running`, `ended`, `failed`, `killed`, or `unknown` where the file system does not tell.
    standing: &'static str,
    built: usize,
    carried: usize,
    fetched: usize,
    failed: usize,
    /// When the last event was written.
    last: Option<String>,
    folder: PathBuf,
    #[serde(skip)]
    events: Vec<Value>,
}

/// The JSON of one run.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: &'a Row,
    events: &'a [Value],
}

impl Runs {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self.action {
            None => list(session),
            Some(Action::Show(show)) => show.run(session),
        }
    }
}

fn list(session: &Session) -> CommandResult {
    let mut rows = Vec::new();
    for run in session.store()?.runs()? {
        match Row::of(&run) {
            Ok(row) => rows.push(row),
            // It may have been removed in the meantime.
            Err(_) if !run.path().exists() => {}
            Err(fault) => session.say(format_args!(
                "left out: {}",
                fault.report().unwrap_or_default()
            )),
        }
    }
    if rows.is_empty() {
        session.say("there are no runs: one that builds nothing leaves nothing");
    }
    session.print(&rows, |rows, out| {
        let columns = vec![
            Column::left("RUN"),
            Column::left("BEGUN"),
            Column::left("STATE"),
            Column::left("DID").shrinks(),
            Column::left("PROGRAM").shrinks(),
        ];
        let mut table = Table::new(session, columns);
        for row in rows {
            table.row([
                Cell::styled(row.run.get(..SHORT).unwrap_or(&row.run), style::REFERENCE),
                local_second(row.record.begun).into(),
                row.state(),
                row.did().into(),
                row.what().into(),
            ]);
        }
        Ok(table.write(out)?)
    })?;
    Ok(session.exit())
}

impl Show {
    fn run(&self, session: &Session) -> CommandResult {
        let row = Row::of(&session.store()?.run_named(&self.run)?)?;
        if session.json() {
            session.print_json(&Shown {
                row: &row,
                events: &row.events,
            })?;
            return Ok(Exit::Done);
        }
        let mut out = session.out();
        write(&row, &mut out)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}

fn write(row: &Row, out: &mut impl Write) -> CommandResult<()> {
    let RunRecord {
        command,
        folder,
        begun,
        host,
        user,
        process,
        ..
    } = &row.record;
    writeln!(out, "run      {}", row.run)?;
    writeln!(out, "command  {}", command.join(" "))?;
    writeln!(out, "in       {}", folder.display())?;
    writeln!(out, "by       {user}, process {process} on {host}")?;
    writeln!(out, "begun    {}", local_second(*begun))?;
    writeln!(out, "state    {}: {}", row.standing, row.did())?;
    for event in &row.events {
        if let Some(line) = line(event) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// Returns the line for an event; `None` for one that says nothing by itself.
pub(super) fn line(event: &Value) -> Option<String> {
    let stage = || {
        let name = event["name"].as_str().unwrap_or_default();
        let index = match event["index"].as_u64() {
            Some(index) if index > 0 => format!("#{index}"),
            _ => String::new(),
        };
        let label = event["label"].as_str().map(|label| format!(" {label}"));
        format!("{name}{index}{}", label.unwrap_or_default())
    };
    let first = |key: &str| {
        let text = event[key].as_str().unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let seconds = || text::seconds(event["took_seconds"].as_f64().unwrap_or_default());
    Some(match event["event"].as_str()? {
        "building" => format!("build    {}: {}", stage(), first("why")),
        "carried" => format!("carry    {}: {}", stage(), first("why")),
        "fetched" => format!("fetch    {}: from {}", stage(), first("remote")),
        "remote_failed" => format!("remote   {}: {}", first("remote"), first("error")),
        "retrying" => format!("retry    {}: {}", stage(), first("error")),
        "published" => format!("built    {} in {}", stage(), seconds()),
        "failure_recorded" => format!(
            "failed   {}, kept as its result: {}",
            stage(),
            first("error")
        ),
        "failed" => format!("failed   {}: {}", stage(), first("error")),
        "cancelled" => format!("stopped  {}: {}", stage(), first("error")),
        "ended" if !event["error"].is_null() => format!("ended    {}", first("error")),
        _ => return None,
    })
}

/// Returns how a run ended, by its last event.
pub(super) fn ended(event: &Value) -> String {
    if let Some(error) = event["error"].as_str() {
        return format!("the run failed: {error}");
    }
    let count = |key: &str| event["report"][key].as_u64().unwrap_or_default();
    format!(
        "the run has ended: {} of {} stages built, {} reused",
        count("built"),
        count("stages"),
        count("reused")
    )
}

impl Row {
    fn of(run: &RunFolder) -> CommandResult<Self> {
        let (record, events, standing) = (run.record()?, run.events()?, run.standing()?);
        let number = |name: &str| events.iter().filter(|event| event["event"] == name).count();
        let last = events.last().and_then(|event| event["time"].as_str());
        let has_failed = events.last().is_some_and(|event| !event["error"].is_null());
        Ok(Row {
            run: run.id().to_string(),
            standing: match standing {
                RunStanding::Running => "running",
                RunStanding::Ended if has_failed => "failed",
                RunStanding::Ended => "ended",
                RunStanding::Killed => "killed",
                _ => "unknown",
            },
            built: number("chosen"),
            carried: number("carried"),
            fetched: number("fetched"),
            failed: number("failed"),
            last: last.map(str::to_owned),
            folder: run.path().to_owned(),
            record,
            events,
        })
    }

    fn state(&self) -> Cell {
        let color = match self.standing {
            "running" => style::REFERENCE,
            "ended" => style::GOOD,
            _ => style::BAD,
        };
        Cell::styled(self.standing, color)
    }

    /// Returns what the run did, and how long it took.
    fn did(&self) -> String {
        let mut words = vec![format!("{} built", count(self.built, "stage", "stages"))];
        if self.carried > 0 {
            words.push(format!("{} carried", self.carried));
        }
        if self.fetched > 0 {
            words.push(format!("{} fetched", self.fetched));
        }
        if self.failed > 0 {
            words.push(format!("{} failed", self.failed));
        }
        let last: Option<Timestamp> = self.last.as_ref().and_then(|time| time.parse().ok());
        let took = last.map(|last| last.duration_since(self.record.begun).as_secs_f64());
        let took = took.map(|took| format!(" in {}", text::seconds(took)));
        words.join(", ") + &took.unwrap_or_default()
    }

    fn what(&self) -> String {
        let RunRecord {
            program, targets, ..
        } = &self.record;
        let targets = targets.iter().filter(|target| !target.is_empty());
        let words = std::iter::once(program).chain(targets);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}
