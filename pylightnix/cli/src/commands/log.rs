//! `log`: prints the log of a build.

use jiff::Timestamp;
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::follow::follow;
use crate::session::{Session, style};
use crate::text::local_second;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::internal::open_regular;
use pylightnix::store::{FailedBuild, Realization, Referred, Store};
use pylightnix::{Error, ErrorKind};

/// Print the log of a build
///
/// Use it when a stage failed, or when you want to see what it printed. A name stands for its newest build, whether running,
/// failed or done. `--follow` continues while the build runs; without a reference, it follows all running builds. A terminal
/// gets the text with its colours; pipes and files get the bytes.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: watch what `train` prints while it runs\n  pylightnix log --follow train"
)]
pub(crate) struct Log {
    /// A name, the beginning of a reference, or the folder of a failed build
    #[arg(value_name = "REF", add = complete::references(), required_unless_present_any = ["follow", "run"])]
    reference: Option<String>,
    /// Continue while the build runs
    #[arg(long, short)]
    follow: bool,
    /// Print the logs of all builds of a run, or of those of the stage REF: the beginning of an identifier, or `-1` for the newest
    #[arg(
        long,
        value_name = "RUN",
        allow_hyphen_values = true,
        conflicts_with = "follow"
    )]
    run: Option<String>,
    /// List the logs, and print none
    #[arg(long, conflicts_with = "follow")]
    list: bool,
}

/// A log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// The stage.
    name: String,
    /// `running`, `failed` or `done`.
    state: &'static str,
    /// When the build ended, or for a running build when it began.
    time: String,
    #[serde(skip)]
    at: Timestamp,
    path: PathBuf,
    /// Whether anything was printed.
    there: bool,
}

impl Log {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        if let Some(run) = &self.run {
            let logs = logs_of_run(store, run, self.reference.as_deref())?;
            return match self.list || session.json() {
                true => list(session, &logs),
                false => print_all(session, &logs),
            };
        }
        let Some(reference) = &self.reference else {
            session.no_json("log --follow")?;
            return follow(session, store, &|_| true);
        };
        let logs = logs_of(session, reference, self.list)?;
        if self.list || session.json() {
            return list(session, &logs);
        }
        let Some(log) = logs.last() else {
            return Err(nothing(reference).into());
        };
        if self.follow && log.state == "running" {
            let dref = under_way(store, &log.path);
            return follow(session, store, &|under_way| {
                Some(&under_way.dref) == dref.as_ref()
            });
        }
        match log.there {
            true => print(session, &log.path)?,
            false => session.say(session.paint_err(style::FAINT, "it printed nothing")),
        }
        if self.follow {
            session.say(session.paint_err(style::FAINT, "the build is no longer running"));
        }
        Ok(Exit::Done)
    }
}

fn list(session: &Session, logs: &[Entry]) -> CommandResult {
    session.print(&logs, |logs, out| {
        for log in *logs {
            let path = if log.there {
                log.path.display().to_string()
            } else {
                "(it printed nothing)".to_owned()
            };
            writeln!(out, "{}  {:7}  {path}", local_second(log.at), log.state)?;
        }
        Ok(())
    })?;
    Ok(session.exit())
}

/// Prints logs one after the other. The headings go to standard error, so that a pipe gets the bytes of the logs alone.
fn print_all(session: &Session, logs: &[Entry]) -> CommandResult {
    for log in logs {
        let heading = format!("{} ({}, {})", log.name, log.state, local_second(log.at));
        session.say(session.paint_err(style::FAINT, &heading));
        if log.there {
            print(session, &log.path)?;
        }
    }
    if logs.is_empty() {
        session.say(session.paint_err(style::FAINT, "the run has no builds of that name"));
    }
    Ok(session.exit())
}

/// Returns the logs of the builds of a run, in the order in which they ended; those of the stages with this name, if one is given.
fn logs_of_run(store: &Store, run: &str, name: Option<&str>) -> CommandResult<Vec<Entry>> {
    let mut logs = Vec::new();
    for event in store.run_named(run)?.events()? {
        let of = event["name"].as_str().unwrap_or_default();
        if name.is_some_and(|name| name != of) {
            continue;
        }
        let text = |key: &str| event[key].as_str();
        let at: Timestamp = text("time")
            .and_then(|time| time.parse().ok())
            .unwrap_or_default();
        let (state, path) = match text("event") {
            Some("published" | "failure_recorded") => (
                "done",
                text("rref").and_then(|rref| log_before(store, rref, at)),
            ),
            Some("run_failed") => (
                "failed",
                text("kept").map(|kept| Path::new(kept).join("log")),
            ),
            _ => continue,
        };
        logs.push(Entry {
            name: of.to_owned(),
            state,
            time: at.to_string(),
            at,
            there: path.as_ref().is_some_and(|path| path.exists()),
            path: path.unwrap_or_default(),
        });
    }
    Ok(logs)
}

/// Returns the log of the newest build of a realization that had ended at a time.
fn log_before(store: &Store, rref: &str, at: Timestamp) -> Option<PathBuf> {
    let realization = store.realization(&rref.parse::<RRefId>().ok()?).ok()?;
    let builds = realization.builds().iter();
    let build = builds
        .filter(|build| build.stop <= at)
        .max_by_key(|build| build.stop)?;
    store.log_of(&realization.id, build)
}

/// Returns the logs of the builds that `text` names, the oldest first; for a name, of its newest realization or of all.
fn logs_of(session: &Session, text: &str, all: bool) -> CommandResult<Vec<Entry>> {
    let store = session.store()?;
    let mut logs = Vec::new();
    let folder = Path::new(text);
    let failures = store.failed_builds()?;
    if folder.is_dir()
        && let Ok(place) = folder.canonicalize()
    {
        // Compare canonical paths, because a store can be reached by several paths.
        let is_it = |failure: &FailedBuild| {
            failure
                .folder
                .canonicalize()
                .is_ok_and(|kept| kept == place)
        };
        if let Some(build) = failures.iter().find(|failure| is_it(failure)) {
            let mut build = build.clone();
            build.name = text.to_owned();
            build.folder = folder.to_owned();
            logs.push(failed(build));
            return Ok(logs);
        }
    }
    for build in store.running()? {
        let begin = text.strip_prefix("dref:").unwrap_or(text);
        if build.dref.name().as_str() == text
            || (!begin.is_empty() && build.dref.folder().starts_with(begin))
        {
            logs.push(Entry {
                name: build.dref.name().to_string(),
                state: "running",
                time: build.since.unwrap_or_default().to_string(),
                at: build.since.unwrap_or_default(),
                there: build.log().exists(),
                path: build.log(),
            });
        }
    }
    for failure in failures {
        if failure.name == text {
            logs.push(failed(failure));
        }
    }
    let named = if all {
        session.called(text)?
    } else {
        Vec::new()
    };
    let found = match store.refer(text) {
        Ok(_) if !named.is_empty() => readable(session, &named)?,
        Ok(Referred::Derivation(dref)) => readable(session, &[dref])?,
        Ok(Referred::Realization(rref) | Referred::Artifact(rref, _)) => {
            vec![store.realization(&rref)?]
        }
        Err(error) if !logs.is_empty() && error.kind() == ErrorKind::Missing => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for realization in found {
        for build in realization.builds() {
            let path = store.log_of(&realization.id, build);
            logs.push(Entry {
                name: realization.id.name().to_string(),
                state: "done",
                time: build.stop.to_string(),
                // A time ahead of the clock does not make a build the newest.
                at: build.ended().unwrap_or(Timestamp::MIN),
                there: path.is_some(),
                path: path.unwrap_or_default(),
            });
        }
    }
    // Running builds are newer than all others.
    logs.sort_by_key(|log| (log.state == "running", log.at));
    Ok(logs)
}

/// Returns the realizations of these derivations, and reports those that cannot be read.
fn readable(session: &Session, drefs: &[DRefId]) -> CommandResult<Vec<Realization>> {
    let all = session.store()?.realizations_of_each(drefs);
    let all = all.flat_map(|(_, all)| all);
    Ok(all.filter_map(|one| session.or_unread(one)).collect())
}

/// Returns the log of a failed build.
fn failed(build: FailedBuild) -> Entry {
    let path = build.log();
    let at = build.at.unwrap_or_default();
    Entry {
        name: build.name,
        state: "failed",
        time: at.to_string(),
        at,
        there: path.exists(),
        path,
    }
}

fn under_way(store: &Store, log: &Path) -> Option<DRefId> {
    let all = store.running().ok()?;
    all.into_iter()
        .find(|build| build.log() == log)
        .map(|build| build.dref)
}

fn print(session: &Session, path: &Path) -> CommandResult<()> {
    let (log, _) = open_regular(path).map_err(|error| Error::io("read", path, error))?;
    session.copy(log)
}

fn nothing(text: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("`{text}` has no build")).with_help(
        "`list` shows what was built here; results that were unpacked without build records have no logs",
    )
}
