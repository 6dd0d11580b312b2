//! The state of a run, as the displays show it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clean::visible;
use super::failures::cause;
use pylightnix::config::{DRefId, Name};
use pylightnix::internal::text;
use pylightnix::realize::{Event, Titles};
use pylightnix::store::{Series, Store};

/// The state of a run: the observer updates it, and the displays read it.
pub(super) struct State {
    store: Store,
    /// The number of reused stages, counted without the lock since there may be very many.
    pub(super) reused: AtomicUsize,
    /// The number of stages whose results were carried.
    pub(super) carried: AtomicUsize,
    pub(super) fetched: AtomicUsize,
    status: Mutex<Status>,
}

/// The state of a run under the lock.
pub(super) struct Status {
    pub(super) begun: Instant,
    pub(super) stages: usize,
    /// The labels of the stages; `None` before the run begins.
    labels: Option<Labels>,
    pub(super) built: usize,
    pub(super) failed: usize,
    pub(super) cancelled: usize,
    pub(super) stopping: bool,
    /// The stages that wait for resources or for another process.
    pub(super) waiting: HashSet<DRefId>,
    /// The current runs of stages, in the order in which they began.
    pub(super) running: Vec<Running>,
    /// The maximum number of parallel runs so far.
    pub(super) peak: usize,
    /// The number of runs of each stage that have not begun; 1 for a stage that is not decided.
    pub(super) left: HashMap<DRefId, usize>,
    /// The usual duration of a run of each stage, by the build records in the store.
    pub(super) usual: HashMap<DRefId, Duration>,
    /// The total duration and the number of finished runs in this run, by the name of the stage.
    pub(super) of_name: HashMap<Name, (f64, u32)>,
    /// The stages whose usual duration was not looked up yet.
    to_ask: Vec<DRefId>,
    /// The tasks of the run, in words, if its stages run as tasks.
    pub(super) tasks: Option<String>,
}

/// What distinguishes stages of one name.
#[derive(Clone)]
pub(super) enum Labels {
    /// Those of the plan.
    Plan(Titles),
    /// What another process told of its plan.
    Told(Arc<HashMap<DRefId, String>>),
}

impl Labels {
    fn of(&self, dref: &DRefId) -> Option<String> {
        match self {
            Labels::Plan(titles) => titles.label(dref),
            Labels::Told(labels) => labels.get(dref).cloned(),
        }
    }
}

/// A current run of a stage.
pub(super) struct Running {
    pub(super) dref: DRefId,
    pub(super) index: usize,
    pub(super) since: Instant,
    pub(super) log: Option<PathBuf>,
    /// The reported progress: how much is done, and the total.
    pub(super) progress: Option<(u64, Option<u64>)>,
    /// The series that it records.
    pub(super) series: Option<Recorded>,
    /// A note to show in place of the last line of its log.
    pub(super) note: Option<String>,
}

/// A series that a stage records: an evenly spaced sample of what was told.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) last: f64,
    values: Vec<f64>,
    told: usize,
    /// Of how many that are told, one is in the sample.
    each: usize,
}

impl Recorded {
    /// The number of values in the sample from which on every second one is dropped.
    const MANY: usize = 256;

    fn new(name: &str) -> Self {
        Recorded {
            name: name.to_owned(),
            last: f64::NAN,
            values: Vec::new(),
            told: 0,
            each: 1,
        }
    }

    fn add(&mut self, value: f64) {
        self.last = value;
        if self.told.is_multiple_of(self.each) {
            self.values.push(value);
        }
        self.told += 1;
        if self.values.len() >= Recorded::MANY {
            let kept = self.values.iter().step_by(2).copied().collect();
            self.values = kept;
            self.each *= 2;
        }
    }

    /// Draws the series in at most `width` columns, with its name and the last value.
    pub(super) fn drawn(&self, width: usize) -> String {
        let series = Series::of(self.values.clone());
        let line = series.map_or_else(String::new, |series| series.sparkline(width));
        format!(
            "{} {line} {}",
            visible(&self.name, false),
            text::number(self.last)
        )
    }
}

impl State {
    pub(super) fn new(store: &Store) -> Self {
        State {
            store: store.clone(),
            reused: AtomicUsize::new(0),
            carried: AtomicUsize::new(0),
            fetched: AtomicUsize::new(0),
            status: Mutex::new(Status {
                begun: Instant::now(),
                stages: 0,
                labels: None,
                built: 0,
                failed: 0,
                cancelled: 0,
                stopping: false,
                waiting: HashSet::new(),
                running: Vec::new(),
                peak: 0,
                left: HashMap::new(),
                usual: HashMap::new(),
                of_name: HashMap::new(),
                to_ask: Vec::new(),
                tasks: None,
            }),
        }
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        // A panic cannot leave the state inconsistent.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the title of a run of a stage.
    pub(super) fn called(&self, dref: &DRefId, index: usize) -> String {
        // Titles may take a moment to compute: do it without the lock.
        let labels = self.status().labels.clone();
        called(labels.as_ref(), dref, index)
    }

    pub(super) fn label(&self, dref: &DRefId) -> Option<String> {
        let labels = self.status().labels.clone();
        labels?.of(dref)
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        self.status().event(event);
    }

    /// Looks up the usual durations that are missing. May take a while, so it runs without the lock.
    pub(super) fn ask(&self) {
        let to_ask = std::mem::take(&mut self.status().to_ask);
        for dref in to_ask {
            // A time that cannot be read stays unknown.
            if let Ok(Some(time)) = self.store.usual_time(&dref) {
                self.status().usual.insert(dref, time);
            }
        }
    }
}

/// Returns the title of a run of a stage: `train#2 rate=0.1`.
pub(super) fn called(labels: Option<&Labels>, dref: &DRefId, index: usize) -> String {
    let mut called = dref.name().to_string();
    if index > 0 {
        called.push_str(&format!("#{index}"));
    }
    if let Some(label) = labels.and_then(|labels| labels.of(dref)) {
        called.push(' ');
        called.push_str(&label);
    }
    called
}

/// Returns the tasks of a run in words: `12 queued (Resources), 8 running on n1 n2`. `None` if there are none.
pub(super) fn tasks_in_words<S: AsRef<str>>(
    queued: usize,
    reasons: &[S],
    running: usize,
    hosts: &[S],
) -> Option<String> {
    let joined = |words: &[S], between: &str| {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        visible(&words.join(between), false)
    };
    let mut said = Vec::new();
    if queued > 0 {
        let why = joined(reasons, ", ");
        said.push(match why.is_empty() {
            true => format!("{queued} queued"),
            false => format!("{queued} queued ({why})"),
        });
    }
    if running > 0 {
        let on = joined(hosts, " ");
        said.push(match on.is_empty() {
            true => format!("{running} running"),
            false => format!("{running} running on {on}"),
        });
    }
    (!said.is_empty()).then(|| said.join(", "))
}

impl Status {
    /// Returns the labels of the stages, once the run has begun.
    pub(super) fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Begun {
                stages,
                chosen,
                titles,
                ..
            } => {
                // Questions are answered before the final plan, by runs of their own.
                if self.labels.is_none() {
                    self.begun = Instant::now();
                }
                self.labels = Some(Labels::Plan((*titles).clone()));
                self.stages += stages - chosen;
            }
            Event::Tasks {
                queued,
                reasons,
                running,
                hosts,
                ..
            } => self.tasks = tasks_in_words(*queued, reasons, *running, hosts),
            Event::Left { drefs, .. } => self.are_left(drefs),
            Event::Queued { dref, .. } | Event::Waiting { dref, .. } => {
                self.waiting.insert((*dref).clone());
            }
            Event::Building { dref, runs, .. } => self.is_built(dref, *runs),
            Event::Started { dref, index, .. } => self.started(dref, *index),
            Event::Attempt {
                dref, index, log, ..
            } => {
                self.attempted(dref, *index, log);
            }
            Event::Progress {
                dref,
                index,
                done,
                total,
                ..
            } => self.progressed(dref, *index, *done, *total),
            Event::Recorded {
                dref,
                index,
                name,
                value,
                ..
            } => {
                if let Some(running) = self.running(dref, *index) {
                    let series = running.series.get_or_insert_with(|| Recorded::new(name));
                    series.add(*value);
                }
            }
            Event::Retrying {
                dref, index, error, ..
            } => self.retrying(dref, *index, &cause(error)),
            Event::Overdue { dref, index, .. } => {
                if let Some(running) = self.running(dref, *index) {
                    running.note = Some("was told to stop, but still runs".to_owned());
                }
            }
            Event::Published {
                rref,
                index,
                seconds,
                ..
            }
            | Event::FailureRecorded {
                rref,
                index,
                seconds,
                ..
            } => self.took(rref.dref(), *index, *seconds),
            Event::RunFailed { dref, index, .. } => self.ended(dref, *index),
            Event::Chosen { dref, built, .. } => {
                if *built {
                    self.built += 1;
                }
                self.is_decided(dref);
            }
            Event::Failed { dref, .. } => {
                self.failed += 1;
                self.is_decided(dref);
            }
            Event::Cancelled { dref, .. } => {
                self.cancelled += 1;
                self.is_decided(dref);
            }
            Event::Stopping { .. } => self.stopping = true,
            _ => {}
        }
    }

    /// Notes the stages that are not decided yet.
    pub(super) fn are_left(&mut self, drefs: &[&DRefId]) {
        let drefs = || drefs.iter().map(|dref| (*dref).clone());
        self.left.extend(drefs().map(|dref| (dref, 1)));
        self.to_ask.extend(drefs());
    }

    /// Notes that a run of a stage begins.
    pub(super) fn started(&mut self, dref: &DRefId, index: usize) {
        self.waiting.remove(dref);
        if let Some(runs) = self.left.get_mut(dref) {
            *runs = runs.saturating_sub(1);
        }
        self.running.push(Running {
            dref: dref.clone(),
            index,
            since: Instant::now(),
            log: None,
            progress: None,
            series: None,
            note: None,
        });
        self.peak = self.peak.max(self.running.len());
    }

    /// Notes how far a run of a stage is.
    pub(super) fn progressed(
        &mut self,
        dref: &DRefId,
        index: usize,
        done: u64,
        total: Option<u64>,
    ) {
        if let Some(running) = self.running(dref, index) {
            running.progress = Some((done, total));
        }
    }

    /// Notes that a stage has to run.
    pub(super) fn is_built(&mut self, dref: &DRefId, runs: usize) {
        self.waiting.remove(dref);
        self.left.insert(dref.clone(), runs);
    }

    /// Notes that an attempt of a run begins, with this log.
    pub(super) fn attempted(&mut self, dref: &DRefId, index: usize, log: &Path) {
        if let Some(running) = self.running(dref, index) {
            running.log = Some(log.to_path_buf());
            running.note = None;
            running.progress = None;
            running.series = None;
        }
    }

    /// Notes that an attempt failed, and another one follows.
    pub(super) fn retrying(&mut self, dref: &DRefId, index: usize, cause: &str) {
        if let Some(running) = self.running(dref, index) {
            running.note = Some(format!("waiting to try again: {cause}"));
        }
    }

    /// Notes that a run has a result, and how long it took.
    pub(super) fn took(&mut self, dref: &DRefId, index: usize, seconds: f64) {
        let (time, count) = self.of_name.entry(dref.name().clone()).or_default();
        *time += seconds;
        *count += 1;
        self.ended(dref, index);
    }

    /// Notes what another process told of its plan: the number of its stages, and the labels that they have.
    pub(super) fn planned(&mut self, stages: usize, labels: HashMap<DRefId, String>) {
        self.stages = stages;
        self.labels = Some(Labels::Told(Arc::new(labels)));
    }

    pub(super) fn has_running(&self, dref: &DRefId, index: usize) -> bool {
        let mut running = self.running.iter();
        running.any(|one| one.index == index && one.dref == *dref)
    }

    fn running(&mut self, dref: &DRefId, index: usize) -> Option<&mut Running> {
        let mut running = self.running.iter_mut();
        running.find(|one| one.index == index && one.dref == *dref)
    }

    pub(super) fn ended(&mut self, dref: &DRefId, index: usize) {
        self.running
            .retain(|one| one.index != index || one.dref != *dref);
    }

    pub(super) fn is_decided(&mut self, dref: &DRefId) {
        self.left.remove(dref);
        self.waiting.remove(dref);
        // Also removes runs that ended without an event.
        self.running.retain(|one| one.dref != *dref);
    }
}
