//! Shows a run of another process, from the events in its folder.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::clean::visible;
use super::is_display;
use super::live::Live;
use super::state::{State, tasks_in_words};
use pylightnix::config::DRefId;
use pylightnix::store::Store;

/// Shows a run of another process: as a display if standard error is a terminal, otherwise as lines.
pub(crate) struct ToldProgress {
    state: Arc<State>,
    display: Option<Live>,
}

impl ToldProgress {
    /// Shows a run in this store.
    pub(crate) fn begin(store: &Store, colors: bool) -> Self {
        let state = Arc::new(State::new(store));
        let display = match is_display() {
            true => Live::begin(&state, colors),
            false => None,
        };
        ToldProgress { state, display }
    }

    /// Takes an event, with its line of text if it has one.
    pub(crate) fn told(&self, event: &Value, line: Option<String>) {
        self.note(event);
        let tasks = match event["event"] == "tasks" {
            true => self.state.status().tasks.clone(),
            false => None,
        };
        let tasks = tasks.map(|tasks| format!("tasks    {tasks}"));
        match &self.display {
            // The display has the rest.
            Some(display) => {
                let is_bad = matches!(event["event"].as_str(), Some("failed" | "retrying"));
                if let Some(line) = line.filter(|_| is_bad) {
                    display.above(&line);
                }
            }
            None => {
                if let Some(line) = line.or(tasks) {
                    // A closed pipe does not matter to the run.
                    let _ = writeln!(std::io::stderr(), "{}", visible(&line, false));
                }
            }
        }
    }

    /// Ends the display.
    pub(crate) fn end(&self) {
        if let Some(display) = &self.display {
            display.end();
        }
    }

    /// Brings the state of the display up to date.
    fn note(&self, event: &Value) {
        let Some(name) = event["event"].as_str() else {
            return;
        };
        let mut status = self.state.status();
        match name {
            "planned" => {
                let stages = event["stages"].as_array().map_or(&[][..], Vec::as_slice);
                status.planned(stages.len(), labels(stages));
                return;
            }
            "left" => {
                let left: Vec<DRefId> = drefs(&event["drefs"]);
                self.state
                    .reused
                    .store(status.stages.saturating_sub(left.len()), Relaxed);
                status.are_left(&left.iter().collect::<Vec<_>>());
                return;
            }
            "tasks" => {
                let count = |key: &str| {
                    let count = event[key].as_u64().and_then(|count| count.try_into().ok());
                    count.unwrap_or_default()
                };
                let (reasons, hosts) = (words(&event["reasons"]), words(&event["hosts"]));
                status.tasks = tasks_in_words(count("queued"), &reasons, count("running"), &hosts);
                return;
            }
            "stopping" => status.stopping = true,
            _ => {}
        }
        let Some(dref) = event["dref"].as_str().and_then(|dref| dref.parse().ok()) else {
            return;
        };
        let index = event["index"].as_u64().unwrap_or_default();
        let index = usize::try_from(index).unwrap_or_default();
        match name {
            "building" => {
                let runs = event["runs"].as_u64().unwrap_or(1);
                status.is_built(&dref, usize::try_from(runs).unwrap_or(1));
            }
            "attempt" => {
                if !status.has_running(&dref, index) {
                    status.started(&dref, index);
                }
                let log = event["log"].as_str().unwrap_or_default();
                status.attempted(&dref, index, Path::new(log));
            }
            "retrying" => {
                let error = event["error"].as_str().unwrap_or_default();
                status.retrying(&dref, index, error.lines().next().unwrap_or_default());
            }
            "published" | "failure_recorded" => {
                let seconds = event["took_seconds"].as_f64().unwrap_or_default();
                status.took(&dref, index, seconds);
            }
            "run_failed" => status.ended(&dref, index),
            "chosen" => {
                status.built += 1;
                status.is_decided(&dref);
            }
            "carried" => {
                self.state.carried.fetch_add(1, Relaxed);
                status.is_decided(&dref);
            }
            "fetched" => {
                self.state.fetched.fetch_add(1, Relaxed);
                status.is_decided(&dref);
            }
            "failed" => {
                status.failed += 1;
                status.is_decided(&dref);
            }
            "cancelled" => {
                status.cancelled += 1;
                status.is_decided(&dref);
            }
            _ => {}
        }
    }
}

impl Drop for ToldProgress {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns the labels that a plan gives its stages.
fn labels(stages: &[Value]) -> HashMap<DRefId, String> {
    let labels = stages.iter().filter_map(|stage| {
        let dref = stage["dref"].as_str()?.parse().ok()?;
        Some((dref, stage["label"].as_str()?.to_owned()))
    });
    labels.collect()
}

fn drefs(value: &Value) -> Vec<DRefId> {
    let all = words(value).into_iter();
    all.filter_map(|dref| dref.parse().ok()).collect()
}

fn words(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}
