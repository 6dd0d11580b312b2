//! Shows a run as JSON, one object for each line; [`super`] lists the fields.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::capture::{Capture, Streams, copy_of_stderr};
use super::state::State;
use crate::visible;
use pylightnix::config::DRefId;
use pylightnix::realize::Event;

/// Writes JSON lines to the original standard error.
pub(super) struct Json {
    to: Arc<Destination>,
    capture: Option<Capture>,
    ended: AtomicBool,
    state: Arc<State>,
}

enum Destination {
    Copy(File),
    Stderr,
}

impl Destination {
    /// Writes one event, in a single write.
    fn say(&self, name: &str, stage: Option<(&DRefId, Option<usize>)>, fields: Value) {
        let mut object = json!({ "event": name, "time": Timestamp::now().to_string() });
        if let Some((dref, index)) = stage {
            object["dref"] = json!(dref.to_string());
            object["name"] = json!(dref.name().to_string());
            if let Some(index) = index {
                object["index"] = json!(index);
            }
        }
        if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
            object.extend(fields);
        }
        let line = format!("{}\n", visible::json(&object.to_string()));
        // A closed pipe does not stop the run.
        let _ = match self {
            Destination::Copy(file) => (&*file).write_all(line.as_bytes()),
            Destination::Stderr => io::stderr().write_all(line.as_bytes()),
        };
    }
}

impl Json {
    pub(super) fn begin(state: &Arc<State>) -> Self {
        let to = match copy_of_stderr() {
            Ok(copy) => Destination::Copy(File::from(copy)),
            Err(_) => Destination::Stderr,
        };
        let to = Arc::new(to);
        let capture = match *to {
            Destination::Copy(_) => {
                let to = to.clone();
                let say = move |lines: Vec<String>| {
                    for line in lines {
                        to.say("printed", None, json!({ "text": line }));
                    }
                };
                Capture::begin(Streams::Both, say).ok()
            }
            Destination::Stderr => None,
        };
        pylightnix::trace::log_panics();
        Json {
            to,
            capture,
            ended: AtomicBool::new(false),
            state: state.clone(),
        }
    }

    /// Writes the event `ended`, and ends the capture.
    pub(super) fn end(&self) {
        if self.ended.swap(true, Relaxed) {
            return;
        }
        if let Some(capture) = &self.capture {
            capture.end();
        }
        let state = &self.state;
        let status = state.status();
        let fields = json!({
            "stages": status.stages,
            "reused": state.reused.load(Relaxed),
            "carried": state.carried.load(Relaxed),
            "built": status.built,
            "failed": status.failed,
            "cancelled": status.cancelled,
            "took_seconds": status.begun.elapsed().as_secs_f64(),
        });
        self.to.say("ended", None, fields);
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        let report = |error: &pylightnix::Error| format!("{error:?}");
        let (name, stage, mut fields) = match event {
            Event::Begun { stages, .. } => ("begun", None, json!({ "stages": stages })),
            Event::EarlierResults { results, .. } => (
                "earlier_results",
                None,
                json!({ "stages": results.stages, "took_seconds": results.took.as_secs_f64() }),
            ),
            Event::Building {
                dref,
                runs,
                reason,
                why,
                ..
            } => {
                let fields = json!({
                    "runs": runs,
                    "reason": reason.to_string(),
                    "why": why.to_string(),
                });
                ("building", Some((*dref, None)), fields)
            }
            Event::Queued { dref, .. } => ("queued", Some((*dref, None)), json!({})),
            Event::Waiting { dref, .. } => ("waiting", Some((*dref, None)), json!({})),
            Event::Started { dref, index, .. } => {
                ("started", Some((*dref, Some(*index))), json!({}))
            }
            Event::Attempt {
                dref, index, log, ..
            } => (
                "attempt",
                Some((*dref, Some(*index))),
                json!({ "log": log.to_string_lossy() }),
            ),
            Event::Progress {
                dref,
                index,
                done,
                total,
                ..
            } => (
                "progress",
                Some((*dref, Some(*index))),
                json!({ "done": done, "total": total }),
            ),
            Event::Recorded {
                dref,
                index,
                name,
                step,
                value,
                ..
            } => (
                "recorded",
                Some((*dref, Some(*index))),
                json!({ "series": name, "step": step, "value": value }),
            ),
            Event::Retrying {
                dref,
                index,
                attempt,
                left,
                wait,
                error,
                ..
            } => {
                let fields = json!({
                    "attempt": attempt,
                    "left": left,
                    "wait_seconds": wait.as_secs_f64(),
                    "error": report(error),
                });
                ("retrying", Some((*dref, Some(*index))), fields)
            }
            Event::Overdue {
                dref, index, error, ..
            } => (
                "overdue",
                Some((*dref, Some(*index))),
                json!({ "error": report(error) }),
            ),
            Event::LookedLate {
                dref,
                index,
                of,
                error,
                ..
            } => {
                let fields = json!({ "of": of.to_string(), "error": report(error) });
                ("looked_late", Some((*dref, Some(*index))), fields)
            }
            Event::Published {
                rref,
                index,
                new,
                seconds,
                ..
            } => {
                let fields =
                    json!({ "rref": rref.to_string(), "new": new, "took_seconds": seconds });
                ("published", Some((rref.dref(), Some(*index))), fields)
            }
            Event::FailureRecorded {
                rref,
                index,
                new,
                seconds,
                text,
                ..
            } => {
                let fields = json!({
                    "rref": rref.to_string(),
                    "new": new,
                    "took_seconds": seconds,
                    "error": text,
                });
                (
                    "failure_recorded",
                    Some((rref.dref(), Some(*index))),
                    fields,
                )
            }
            Event::RunFailed {
                dref,
                index,
                kept,
                error,
                ..
            } => {
                let kept = kept.map(|kept| kept.to_string_lossy());
                let fields = json!({ "kept": kept, "error": report(error) });
                ("run_failed", Some((*dref, Some(*index))), fields)
            }
            Event::Carried {
                dref, rrefs, why, ..
            } => {
                let rrefs: Vec<_> = rrefs.iter().map(|rref| rref.to_string()).collect();
                let fields = json!({ "rrefs": rrefs, "why": why.reason() });
                ("carried", Some((*dref, None)), fields)
            }
            Event::Chosen {
                dref,
                rrefs,
                built: true,
                ..
            } => {
                let rrefs: Vec<_> = rrefs.iter().map(|rref| rref.to_string()).collect();
                ("chosen", Some((*dref, None)), json!({ "rrefs": rrefs }))
            }
            Event::AheadOfClock { rref, ended, .. } => {
                let fields = json!({ "rref": rref.to_string(), "ended": ended.to_string() });
                ("ahead_of_clock", Some((rref.dref(), None)), fields)
            }
            Event::Stopping { running, .. } => ("stopping", None, json!({ "running": running })),
            Event::Cancelled { dref, error, .. } => (
                "cancelled",
                Some((*dref, None)),
                json!({ "error": report(error) }),
            ),
            Event::Failed { dref, error, .. } => (
                "failed",
                Some((*dref, None)),
                json!({ "error": report(error) }),
            ),
            _ => return,
        };
        if let Some(label) = stage.and_then(|(dref, _)| self.state.label(dref)) {
            fields["label"] = json!(label);
        }
        self.to.say(name, stage, fields);
    }
}
