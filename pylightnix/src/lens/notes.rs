//! What a running stage looks at in the realizations of its dependencies, noted as it looks.
//!
//! A build gets handles of its own, and each knows its [`NotedPlace`]. Handles outside of a build have none. The places of a run are in
//! one list, and do not own each other, so that a stage may go down a chain of any length.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::progress::StageReport;
use crate::config::DRefId;
use crate::store::{Read, Reads};

/// The largest number of steps in the reads of a build record. With more, the record says that it does not know: a stage that goes down
/// a long chain would fill the store with the ways to its places.
const MOST_STEPS: usize = 200_000;

/// What is looked at in the realization at a place.
pub(super) enum Look<'a> {
    /// The reference, the builds or the context.
    Reference,
    /// Anything in the folder of artifacts.
    All,
    /// Whether it is a failure, and its text.
    Outcome,
    /// The artifact at this path, relative to the folder of artifacts.
    Artifact(String),
    /// The path of this artifact, by a stage that goes from it to no other.
    Path(String),
    /// The number of realizations of this dependency.
    Number(&'a DRefId),
}

/// The run of a stage that is noted.
pub(crate) struct NotedRun {
    pub(crate) dref: DRefId,
    pub(crate) index: usize,
    /// Whether the path of an artifact leads to this artifact alone.
    pub(crate) paths_are_artifacts: bool,
    /// The way to the observers. A handle that leaves its stage must not keep it open.
    pub(crate) reports: Weak<SyncSender<StageReport>>,
}

/// A place at which a running stage can look: a realization, by the steps that lead to it, or the stage itself.
#[derive(Clone)]
pub(crate) struct NotedPlace {
    notes: Arc<Notes>,
    /// The index of the place among those of the run.
    at: usize,
}

struct Notes {
    run: NotedRun,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The stage itself comes first.
    places: Vec<PlaceNotes>,
    is_over: bool,
    /// Whether it was told that something was looked at after the run had ended.
    has_told: bool,
}

/// What was noted about a place.
struct PlaceNotes {
    /// The place of what depends on this; `None` for the stage itself.
    from: Option<usize>,
    /// The derivation of what is here.
    dref: DRefId,
    position: usize,
    /// What was looked at, without the way to the place.
    looked: Read,
}

impl NotedPlace {
    /// Begins to note what a run looks at, and returns the place of the stage itself.
    pub(crate) fn of_stage(run: NotedRun) -> Self {
        let mut state = State::default();
        let at = state.add(None, &run.dref, 0);
        let state = Mutex::new(state);
        NotedPlace {
            notes: Arc::new(Notes { run, state }),
            at,
        }
    }

    /// Returns the place of the realization at `position` among those chosen for `dref`, a dependency of what is here. Each call
    /// makes another place.
    pub(super) fn below(&self, dref: &DRefId, position: usize) -> Self {
        let at = self.notes.state().add(Some(self.at), dref, position);
        let notes = self.notes.clone();
        NotedPlace { notes, at }
    }

    /// Notes a look. If the run has ended, it is an error, which is told.
    pub(super) fn look(&self, look: Look<'_>) {
        if let Some(late) = self.note(look) {
            self.notes.run.tell_late(&late);
        }
    }

    /// Notes a look, unless the run has ended: for what may be looked at then.
    pub(super) fn look_while_running(&self, look: Look<'_>) {
        let _ = self.note(look);
    }

    /// Notes a look. If the run has ended, returns what was looked at, once.
    fn note(&self, look: Look<'_>) -> Option<DRefId> {
        let mut state = self.notes.state();
        if state.is_over {
            let is_told = std::mem::replace(&mut state.has_told, true);
            return (!is_told).then(|| state.places[self.at].dref.clone());
        }
        let looked = &mut state.places[self.at].looked;
        match look {
            Look::Reference => looked.reference = true,
            Look::All => looked.all = true,
            Look::Outcome => looked.outcome = true,
            Look::Artifact(path) => {
                looked.artifacts.insert(path);
            }
            Look::Path(path) => {
                looked.paths.insert(path);
            }
            Look::Number(dref) => {
                looked.numbers.insert(dref.clone());
            }
        }
        None
    }

    /// Returns whether the path of an artifact leads to this artifact alone.
    pub(super) fn paths_are_artifacts(&self) -> bool {
        self.notes.run.paths_are_artifacts
    }

    /// Ends the run, and returns what it looked at; `None` if that is too much to record.
    pub(crate) fn end_run(&self) -> Option<Reads> {
        let mut state = self.notes.state();
        state.is_over = true;
        let (mut reads, mut count) = (Vec::new(), 0);
        for at in 0..state.places.len() {
            let mut read = std::mem::take(&mut state.places[at].looked);
            if read == Read::default() {
                continue;
            }
            if read.all {
                read.artifacts.clear();
                read.paths.clear();
            }
            let mut place = &state.places[at];
            while let Some(from) = place.from {
                read.of.push((place.dref.clone(), place.position));
                place = &state.places[from];
                count += 1;
                if count > MOST_STEPS {
                    return None;
                }
            }
            read.of.reverse();
            reads.push(read);
        }
        reads.sort_unstable_by(|a, b| a.of.cmp(&b.of));
        Some(Reads::new(reads))
    }
}

impl State {
    fn add(&mut self, from: Option<usize>, dref: &DRefId, position: usize) -> usize {
        self.places.push(PlaceNotes {
            from,
            dref: dref.clone(),
            position,
            looked: Read::default(),
        });
        self.places.len() - 1
    }
}

impl Notes {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the places inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NotedRun {
    /// Tells that a realization of `of` was looked at after the run had ended.
    fn tell_late(&self, of: &DRefId) {
        let NotedRun { dref, index, .. } = self;
        // Here and not with the event, as the run of the whole plan may be over.
        #[cfg(feature = "tracing")]
        tracing::error!(
            target: "pylightnix::run",
            %dref,
            index,
            %of,
            "what a stage depends on was looked at after the stage had ended, and that is not recorded"
        );
        if let Some(reports) = self.reports.upgrade() {
            let report = StageReport::LookedLate {
                dref: dref.clone(),
                index: *index,
                of: of.clone(),
            };
            // If the channel is full, observers are told of something else just now.
            let _ = reports.try_send(report);
        }
    }
}
