//! The tasks that runs have in the queue of Slurm, with the names of their stages.

use std::collections::HashMap;

use serde_json::Value;

use crate::exit::CommandResult;
use crate::session::Session;
use pylightnix::config::DRefId;
use pylightnix::realize::{ListedBuild, ListedState, ListedTask, Slurm};

/// The tasks of a store, or of one run.
pub(crate) struct Queue {
    pub(crate) tasks: Vec<ListedTask>,
    /// What distinguishes stages of one name in the plans of the runs.
    labels: HashMap<DRefId, String>,
}

impl Queue {
    /// Reads the queue; only the tasks of this run, if one is named. A store whose runs ordered nothing has none.
    pub(crate) fn read(session: &Session, run: Option<&str>) -> CommandResult<Self> {
        let store = session.store()?;
        let mut runs = match run {
            Some(run) => vec![store.run_named(run)?],
            None => store.runs()?,
        };
        runs.retain(|run| run.has_orders());
        let mut tasks = match runs.is_empty() {
            true => Vec::new(),
            false => store.tasks(&Slurm::new())?,
        };
        tasks.retain(|task| runs.iter().any(|run| run.id() == task.run));
        let mut labels = HashMap::new();
        for run in runs {
            if tasks.iter().any(|task| task.run == run.id()) {
                for event in run.events()? {
                    labels.extend(labels_in(&event));
                }
            }
        }
        Ok(Queue { tasks, labels })
    }

    /// Returns what distinguishes a stage from others of its name.
    pub(crate) fn label(&self, dref: &DRefId) -> Option<&str> {
        self.labels.get(dref).map(String::as_str)
    }

    /// Returns the title of a stage: `leaf number=3`.
    pub(crate) fn title(&self, dref: &DRefId) -> String {
        match self.label(dref) {
            Some(label) => format!("{} {label}", dref.name()),
            None => dref.name().to_string(),
        }
    }

    /// Whether a word names a stage: its name, its title, or the beginning of its reference.
    pub(crate) fn is_named(&self, dref: &DRefId, word: &str) -> bool {
        let begin = word.strip_prefix("dref:").unwrap_or(word);
        dref.name().as_str() == word
            || self.title(dref) == word
            || (!begin.is_empty() && dref.folder().starts_with(begin))
    }

    /// Returns what a task does: the stage that it builds, or builds first, and how many others.
    pub(crate) fn work(&self, task: &ListedTask) -> String {
        let builds = &task.builds;
        let of_state = |state| builds.iter().find(|build| build.state == state);
        let current = of_state(ListedState::Running).or_else(|| of_state(ListedState::Waiting));
        let Some(current) = current.or(builds.last()) else {
            return "nothing any more".to_owned();
        };
        let is_over = |build: &&ListedBuild| {
            !matches!(build.state, ListedState::Running | ListedState::Waiting)
        };
        let over = builds.iter().filter(is_over).count();
        match builds.len() {
            1 => self.title(&current.dref),
            all => format!("{} ({over} of {all} done)", self.title(&current.dref)),
        }
    }
}

/// Returns the labels that a plan gives its stages.
fn labels_in(event: &Value) -> Vec<(DRefId, String)> {
    let stages = match event["event"] == "planned" {
        true => event["stages"].as_array(),
        false => None,
    };
    let labels = stages.into_iter().flatten().filter_map(|stage| {
        let dref = stage["dref"].as_str()?.parse().ok()?;
        Some((dref, stage["label"].as_str()?.to_owned()))
    });
    labels.collect()
}
