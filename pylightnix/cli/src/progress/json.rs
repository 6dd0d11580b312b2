//! Shows a run as JSON, one object for each line; [`super`] lists the fields.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

use super::capture::{Capture, Streams, copy_of_stderr};
use super::event_json::{object, object_of};
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
    /// Writes an event of the program itself.
    fn say(&self, name: &str, fields: Value) {
        self.write(&object(name, None, fields));
    }

    /// Writes one event, in a single write.
    fn write(&self, object: &Value) {
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
                        to.say("printed", json!({ "text": line }));
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
            "fetched": state.fetched.load(Relaxed),
            "built": status.built,
            "failed": status.failed,
            "cancelled": status.cancelled,
            "took_seconds": status.begun.elapsed().as_secs_f64(),
        });
        self.to.say("ended", fields);
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        let label = |dref: &DRefId| self.state.label(dref);
        if let Some(object) = object_of(event, &label) {
            self.to.write(&object);
        }
    }
}
