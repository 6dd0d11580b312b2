//! Runs of programs: the list, and what one of them does, as its events come.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{LogText, Reader};
use crate::exit::CommandResult;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::{RecordedSeries, RunFolder, RunRecord, RunStanding, RunningBuild};

/// The number of bytes at the end of the log of a running build that are shown.
const TAIL: u64 = 2 << 10;
/// The most running builds that are shown with their logs and series.
const SHOWN: usize = 16;

/// A run in the list.
pub(crate) struct RunRow {
    pub(crate) id: String,
    pub(crate) record: RunRecord,
    /// `running`, `ended`, `failed`, `killed` or `unknown`.
    pub(crate) standing: &'static str,
    /// The number of stages in each phase.
    pub(crate) counts: BTreeMap<Phase, usize>,
    pub(crate) last: Option<Timestamp>,
}

/// What a run has done with a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Building,
    Failed,
    Stopped,
    Built,
    Carried,
    Fetched,
    Waits,
    Reused,
}

impl Phase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Phase::Building => "building",
            Phase::Failed => "failed",
            Phase::Stopped => "stopped",
            Phase::Built => "built",
            Phase::Carried => "carried",
            Phase::Fetched => "fetched",
            Phase::Waits => "waits",
            Phase::Reused => "reused",
        }
    }
}

/// A stage of the plan of a run.
pub(crate) struct StageState {
    pub(crate) dref: DRefId,
    pub(crate) label: Option<String>,
    pub(crate) phase: Phase,
    /// Why it is built, or what went wrong.
    pub(crate) why: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) took: Option<f64>,
    pub(crate) rrefs: Vec<RRefId>,
}

/// Reads the events of a run as they come.
pub(crate) struct RunFollower {
    folder: RunFolder,
    position: u64,
    stages: Vec<StageState>,
    at: HashMap<String, usize>,
    last: Option<Timestamp>,
    /// The error of the run, if it ended with one.
    error: Option<String>,
    has_ended: bool,
}

/// A run at a time.
pub(crate) struct RunPage<'a> {
    pub(crate) row: RunRow,
    /// The stages: those that are built and that failed first.
    pub(crate) stages: Vec<&'a StageState>,
    pub(crate) error: Option<&'a str>,
    pub(crate) building: Vec<Building>,
    /// Whether all of it is shown, and not only what made chosen realizations.
    pub(crate) is_whole: bool,
}

/// A build under way.
pub(crate) struct Building {
    pub(crate) build: RunningBuild,
    pub(crate) series: Vec<RecordedSeries>,
    pub(crate) log: Option<LogText>,
}

/// Returns a follower that requests share.
pub(crate) fn locked(follower: &Mutex<RunFollower>) -> MutexGuard<'_, RunFollower> {
    // An event counts as a whole or not at all.
    follower.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunRow {
    /// Returns the runs, the newest first; where results are chosen, those that made one of them. One that was removed in the meantime is left
    /// out.
    pub(crate) fn all(reader: &Reader) -> CommandResult<Vec<Self>> {
        let mut rows = Vec::new();
        for run in reader.store.runs()? {
            let Ok(follower) = reader.follower(&run) else {
                continue;
            };
            let follower = locked(&follower);
            let mut made = follower.stages.iter().flat_map(|stage| &stage.rrefs);
            if reader.chosen().is_none() || made.any(|rref| reader.shows(rref)) {
                rows.extend(follower.row(reader).ok());
            }
        }
        Ok(rows)
    }
}

impl RunFollower {
    pub(crate) fn named(reader: &Reader, id: &str) -> CommandResult<Self> {
        Ok(RunFollower::of(reader.store.run_named(id)?))
    }

    pub(super) fn of(folder: RunFolder) -> Self {
        RunFollower {
            folder,
            position: 0,
            stages: Vec::new(),
            at: HashMap::new(),
            last: None,
            error: None,
            has_ended: false,
        }
    }

    /// Reads what is new; returns whether there is anything.
    pub(crate) fn advance(&mut self) -> CommandResult<bool> {
        let (events, position) = self.folder.events_from(self.position)?;
        let is_new = position != self.position;
        self.position = position;
        for event in &events {
            self.take(event);
        }
        Ok(is_new)
    }

    /// Returns whether the run goes on.
    pub(crate) fn is_running(&self) -> CommandResult<bool> {
        Ok(self.folder.standing()? == RunStanding::Running)
    }

    fn take(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str();
        let time: Option<Timestamp> = text("time").and_then(|time| time.parse().ok());
        self.last = time.or(self.last);
        let first = |key: &str| {
            let text = text(key).unwrap_or_default();
            text.lines().next().unwrap_or_default().to_owned()
        };
        let name = text("event").unwrap_or_default();
        match name {
            "planned" => {
                for stage in event["stages"].as_array().into_iter().flatten() {
                    self.stage(stage);
                }
                return;
            }
            "ended" => {
                self.has_ended = true;
                self.error = text("error").map(str::to_owned);
                for stage in &mut self.stages {
                    stage.phase = match stage.phase {
                        Phase::Waits if self.error.is_none() => Phase::Reused,
                        Phase::Building => Phase::Stopped,
                        phase => phase,
                    };
                }
                return;
            }
            _ => {}
        }
        if text("dref").is_none() {
            return;
        }
        let rrefs = event["rrefs"].as_array().into_iter().flatten();
        let rrefs = rrefs.filter_map(Value::as_str).chain(text("rref"));
        let rrefs: Vec<RRefId> = rrefs.filter_map(|rref| rref.parse().ok()).collect();
        let Some(stage) = self.stage(event) else {
            return;
        };
        for rref in rrefs {
            if !stage.rrefs.contains(&rref) {
                stage.rrefs.push(rref);
            }
        }
        let mut done = |phase: Phase| stage.phase = phase;
        match name {
            "building" => {
                done(Phase::Building);
                stage.why = first("why");
                stage.since = time;
            }
            "published" => {
                // Of all its runs together.
                let took = event["took_seconds"].as_f64().unwrap_or_default();
                stage.took = Some(stage.took.unwrap_or_default() + took);
            }
            "chosen" => done(Phase::Built),
            "carried" | "fetched" => {
                done(if name == "carried" {
                    Phase::Carried
                } else {
                    Phase::Fetched
                });
                stage.why = match name {
                    "carried" => first("why"),
                    _ => format!("from {}", first("remote")),
                };
            }
            "retrying" => stage.why = format!("tried again: {}", first("error")),
            "failure_recorded" => {
                done(Phase::Failed);
                stage.why = first("error");
            }
            "failed" | "run_failed" => {
                done(Phase::Failed);
                stage.why = first("error");
            }
            "cancelled" => {
                done(Phase::Stopped);
                stage.why = first("error");
            }
            _ => {}
        }
    }

    /// Returns the state of the stage that an object names.
    fn stage(&mut self, object: &Value) -> Option<&mut StageState> {
        let text = object["dref"].as_str()?;
        let at = match self.at.get(text) {
            Some(at) => *at,
            None => {
                self.stages.push(StageState {
                    dref: text.parse().ok()?,
                    label: None,
                    phase: Phase::Waits,
                    why: String::new(),
                    since: None,
                    took: None,
                    rrefs: Vec::new(),
                });
                self.at.insert(text.to_owned(), self.stages.len() - 1);
                self.stages.len() - 1
            }
        };
        let stage = self.stages.get_mut(at)?;
        if let Some(label) = object["label"].as_str() {
            stage.label = Some(label.to_owned());
        }
        Some(stage)
    }

    pub(super) fn row(&self, reader: &Reader) -> CommandResult<RunRow> {
        let standing = match self.folder.standing()? {
            RunStanding::Running => "running",
            RunStanding::Ended if self.error.is_some() => "failed",
            RunStanding::Ended => "ended",
            RunStanding::Killed => "killed",
            _ => "unknown",
        };
        let mut counts = BTreeMap::new();
        for stage in self.shown(reader) {
            *counts.entry(stage.phase).or_default() += 1;
        }
        Ok(RunRow {
            id: self.folder.id().to_string(),
            record: self.folder.record()?,
            standing,
            counts,
            last: self.last,
        })
    }

    /// Returns the stages that are shown: where realizations are chosen, those that made or took one of them.
    fn shown<'s, 'r>(
        &'s self,
        reader: &'r Reader,
    ) -> impl Iterator<Item = &'s StageState> + use<'s, 'r> {
        let is_shown = move |stage: &&StageState| {
            reader.chosen().is_none() || stage.rrefs.iter().any(|rref| reader.shows(rref))
        };
        self.stages.iter().filter(is_shown)
    }

    /// Returns the run as it stands, with what its builds have printed and recorded so far.
    pub(crate) fn page(&self, reader: &Reader) -> CommandResult<RunPage<'_>> {
        let row = self.row(reader)?;
        let is_whole = reader.chosen().is_none();
        let mut building = Vec::new();
        if row.standing == "running" && is_whole {
            let mut builds = reader.store.running()?;
            builds.retain(|build| self.at.contains_key(&build.dref.to_string()));
            for build in builds.into_iter().take(SHOWN) {
                building.push(Building {
                    series: build.series().unwrap_or_default(),
                    log: LogText::end_of(&build.log(), TAIL),
                    build,
                });
            }
        }
        let mut stages: Vec<&StageState> = self.shown(reader).collect();
        stages.sort_by_key(|stage| stage.phase);
        Ok(RunPage {
            row,
            stages,
            error: self.error.as_deref().filter(|_| is_whole),
            building,
            is_whole,
        })
    }
}
