//! Keeps what a run does in the store, from the first stage that is built: see `runs`.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::progress::{object, object_of};
use pylightnix::experiment::{Answer, Answers};
use pylightnix::plan::AnyDRef;
use pylightnix::realize::{Event, Observer, Report, Titles};
use pylightnix::store::{RunJournal, RunRecord, Store};

/// The journal of a run. A run that builds nothing leaves none.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<State>>);

struct State {
    store: Store,
    record: RunRecord,
    answers: Answers,
    /// Whether the folder of the run lacks some of the answers.
    has_new_answers: bool,
    titles: Option<Titles>,
    standing: Standing,
}

enum Standing {
    /// Nothing was built so far.
    Waiting,
    Writing(RunJournal),
    /// The journal cannot be written. The run goes on: no result depends on it.
    Lost,
}

impl Journal {
    /// Creates the journal of a run that begins, or goes on with what this process was started for.
    pub(crate) fn begin(
        store: &Store,
        program: &str,
        targets: &[String],
        resumed: Option<(RunJournal, Answers)>,
    ) -> Self {
        let journal = Journal::new(store, program, targets);
        if let Some((writing, answers)) = resumed {
            let mut state = journal.state();
            state.answers = answers;
            state.standing = Standing::Writing(writing);
            let RunRecord { host, process, .. } = &state.record;
            let fields = json!({ "process": process, "host": host });
            state.write(&object("driven", None, fields));
        }
        journal
    }

    /// Creates the journal of a run that begins.
    fn new(store: &Store, program: &str, targets: &[String]) -> Self {
        Journal(Arc::new(Mutex::new(State {
            store: store.clone(),
            record: RunRecord::now(program, targets.iter().cloned()),
            answers: Answers::default(),
            has_new_answers: false,
            titles: None,
            standing: Standing::Waiting,
        })))
    }

    /// Returns an observer of the run.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        let journal = self.clone();
        move |event: &Event<'_>| journal.state().event(event)
    }

    /// Keeps an answer that the plan of a target is made from. It is written before the next event.
    pub(crate) fn answered(&self, target: &str, answer: &Answer) {
        let mut state = self.state();
        state.answers.push(target, answer.clone());
        state.has_new_answers = true;
    }

    /// Returns the folder of the run, if it can be written.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let mut state = self.state();
        state.begin();
        match &state.standing {
            Standing::Writing(journal) => Some(journal.folder().to_owned()),
            Standing::Waiting | Standing::Lost => None,
        }
    }

    /// Stops writing, so that another process can go on with the run.
    pub(crate) fn leave(&self) {
        self.state().standing = Standing::Lost;
    }

    /// Returns whether somebody asked to cancel the run.
    pub(crate) fn is_asked_to_cancel(&self) -> bool {
        match &self.state().standing {
            Standing::Writing(journal) => journal.is_asked_to_cancel(),
            Standing::Waiting | Standing::Lost => false,
        }
    }

    /// Keeps how the run ended.
    pub(crate) fn ended(&self, how: Result<&Report, &str>) {
        let fields = match how {
            Ok(report) => json!({ "report": report }),
            Err(error) => json!({ "error": error }),
        };
        self.state().write(&object("ended", None, fields));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Begun { titles, .. } => {
                self.titles = Some((*titles).clone());
                if matches!(self.standing, Standing::Writing(_)) {
                    self.planned();
                }
                return;
            }
            Event::Building { .. } | Event::Carried { .. } | Event::Fetched { .. } => self.begin(),
            Event::Left { drefs, .. } => {
                self.begin();
                let drefs: Vec<_> = drefs.iter().map(ToString::to_string).collect();
                self.write(&object("left", None, json!({ "drefs": drefs })));
                return;
            }
            // Frequent, and of no use later: numbers are kept with the builds.
            Event::Progress { .. }
            | Event::Recorded { .. }
            | Event::Queued { .. }
            | Event::Started { .. } => return,
            _ => {}
        }
        if matches!(self.standing, Standing::Writing(_)) {
            let label = |dref: &_| self.titles.as_ref().and_then(|titles| titles.label(dref));
            if let Some(object) = object_of(event, &label) {
                self.write(&object);
            }
        }
    }

    /// Makes the folder of the run, unless it is there.
    fn begin(&mut self) {
        if !matches!(self.standing, Standing::Waiting) {
            return;
        }
        match self.store.begin_run(&self.record, &self.answers_json()) {
            Ok(journal) => {
                self.has_new_answers = false;
                self.standing = Standing::Writing(journal);
                self.planned();
            }
            Err(_) => self.standing = Standing::Lost,
        }
    }

    /// Writes the plan, or the part of it that was asked for.
    fn planned(&mut self) {
        let Some(titles) = &self.titles else {
            return;
        };
        let stages: Vec<Value> = titles
            .stages()
            .map(|stage| planned(stage, titles))
            .collect();
        let stages = json!({ "stages": stages });
        self.write(&object("planned", None, stages));
    }

    fn write(&mut self, object: &Value) {
        let Standing::Writing(journal) = &self.standing else {
            return;
        };
        let mut written = Ok(());
        if self.has_new_answers {
            written = journal.answers(&self.answers_json());
        }
        let written = written.and_then(|()| journal.event(&object.to_string()));
        self.has_new_answers = false;
        if written.is_err() {
            self.standing = Standing::Lost;
        }
    }

    fn answers_json(&self) -> String {
        // Cannot fail: an answer is made of texts.
        serde_json::to_string_pretty(&self.answers).unwrap_or_default()
    }
}

/// Returns what the journal has of a stage.
fn planned(stage: &AnyDRef, titles: &Titles) -> Value {
    let mut object = json!({
        "dref": stage.id().to_string(),
        "deps": stage.config_json().deps().iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if let Some(label) = titles.label(stage) {
        object["label"] = json!(label);
    }
    if let Some(code) = stage.code_fingerprint() {
        object["code"] = json!(code);
    }
    object
}
