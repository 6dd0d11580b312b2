//! The progress display of runs: on a terminal, as lines, or as JSON.
//!
//! The command line uses it, and programs without the command line can use it too. [`Progress`] creates an observer of a
//! run:
//!
//! ```standalone_crate
//! # use pylightnix::prelude::*;
//! use pylightnix_cli::{Progress, Show};
//!
//! # #[derive(Config)] pub struct Count { pub to: u64 }
//! #[stage]
//! fn count(b: &Build<Count>) -> Result<()> {
//!     for number in 0..b.to {
//!         b.progress(number + 1, Some(b.to));
//!     }
//!     println!("this goes above the display");
//!     Ok(())
//! }
//!
//! # fn main() -> Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let store = Store::open(folder.path().join("store"))?;
//! let progress = Progress::new(&store, Show::Auto);
//! let run = Realize::new(&store).observer(progress.observer());
//! let result = run.run_reporting(&instantiate(Count::new(3))?);
//! progress.end(); // before anything else is said
//! match result {
//!     Ok((_, report)) => println!("{report}"),
//!     Err(error) => eprintln!("{}", pylightnix_cli::failure_report(&error, |kept| format!("less {}/log", kept.display()))),
//! }
//! # Ok(()) }
//! ```
//!
//! # On a terminal
//!
//! The display has one line for the whole run and one for each running stage, redrawn ten times per second while stages are
//! built; a run that builds nothing shows nothing. It is drawn on standard error if that is a terminal. While it is shown,
//! standard output and standard error, if they are terminals, are replaced by pipes: all output of the process appears above
//! the display, in whole lines. If the process is killed, a waiting shell shows its last output. A stage that tests whether
//! its output is a terminal finds that it is not. Ctrl-Z removes the display until the program continues, and stops the
//! child processes of stages as well; in the background nothing is drawn. Panics become `tracing` events too, as with
//! [`pylightnix::trace::log_panics`].
//!
//! # As JSON
//!
//! [`Show::Json`] writes one object per line to standard error; output of stages becomes an object as well. Each object has
//! the fields `event`, its name, and `time`, in RFC 3339; events of stages also have `dref` and `name`, and those of runs of
//! stages `index`. If several stages of the plan have the same name, `label` has the fields that differ. Later versions may
//! add fields and events.
//!
//! | `event` | other fields |
//! |---|---|
//! | `begun` | `stages` |
//! | `building` | `runs`, `reason`, `why`: a summary of what changed |
//! | `memory_limited`, when the first stage in a process begins that declares memory | `guard`: `cgroup-v2`, `cgroup-v1`, `watch` or `nothing`, `text` |
//! | `queued`, `waiting`, `started` | |
//! | `tasks`, of runs whose stages are tasks of an executor | `queued`, `reasons` why, `running`, `hosts` where |
//! | `attempt` | `log`, a path |
//! | `progress` | `done`, `total` or `null` |
//! | `recorded`, of the series that a run began first | `series`, its name, `step`, `value`, `null` if it is not finite |
//! | `retrying` | `attempt`, `left`, `wait_seconds`, `error` |
//! | `overdue` | `error` |
//! | `looked_late` | `of`, what was looked at through a handle that had left its stage, `error` |
//! | `published` | `rref`, `new`, `took_seconds` |
//! | `failure_recorded` | `rref`, `new`, `took_seconds`, `error` |
//! | `run_failed` | `kept`, a path or `null`, `error` |
//! | `carried`, of stages whose results were carried from another context | `rrefs`, `why`, `remote`: the remote that has them, or `null` |
//! | `chosen`, of stages that were built | `rrefs` |
//! | `ahead_of_clock` | `rref`, `ended`: the first build record that is found to end ahead of this machine's clock |
//! | `stopping` | `running` |
//! | `cancelled`, `failed` | `error` |
//! | `printed`, by any code of this process | `text`, a line |
//! | `ended`, the last event | `stages`, `reused`, `carried`, `built`, `failed`, `cancelled`, `took_seconds` |

mod capture;
mod clean;
mod estimate;
mod event_json;
mod exit_guard;
mod failures;
mod json;
mod lines;
mod live;
mod remote_text;
mod row;
mod screen;
mod state;
mod suspend;
mod tail;
mod told;

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use once_cell::sync::OnceCell;

use json::Json;
use lines::Lines;
use live::Live;
use pylightnix::realize::{Event, Observer};
use pylightnix::store::Store;
use state::State;

pub(crate) use clean::{LineSplitter, visible};
pub(crate) use event_json::{object, object_of};
pub(crate) use failures::failure_logs;
pub use failures::failure_report;
pub(crate) use told::ToldProgress;

/// The way to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Show {
    /// As a display if standard error is a terminal, otherwise as lines.
    #[default]
    Auto,
    /// As a display, even if standard error is not a terminal.
    Display,
    /// As lines, with the time since the beginning of the run.
    Lines,
    /// As JSON, one object per line; see the [module](self).
    Json,
    /// Show nothing.
    Nothing,
}

/// The progress display of a run. Dropping it or calling [`end`](Self::end) ends it.
pub struct Progress(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    show: Show,
    colors: bool,
    /// The active display; set when the first stage is built.
    shown: OnceCell<ActiveDisplay>,
}

enum ActiveDisplay {
    Live(Live),
    Lines(Lines),
    Json(Json),
}

impl Progress {
    /// Creates a display for a run in this store, whose build records it uses to estimate times.
    pub fn new(store: &Store, show: Show) -> Self {
        let show = match show {
            Show::Auto if is_display() => Show::Display,
            Show::Auto => Show::Lines,
            show => show,
        };
        let inner = Inner {
            state: Arc::new(State::new(store)),
            show,
            colors: env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()),
            shown: OnceCell::new(),
        };
        Progress(Arc::new(inner))
    }

    /// Turns colours on or off. By default, the display has colours unless `NO_COLOR` is set.
    pub fn colors(mut self, colors: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.colors = colors;
        }
        self
    }

    /// Returns the observer, to pass to [`Realize::observer`](pylightnix::realize::Realize::observer).
    pub fn observer(&self) -> impl Observer + use<> {
        let inner = self.0.clone();
        move |event: &Event<'_>| inner.event(event)
    }

    /// Returns what ends the display from another thread.
    pub(crate) fn ending(&self) -> impl Fn() + Send + Sync + use<> {
        let inner = self.0.clone();
        move || inner.end()
    }

    /// Ends the display: removes it, and restores standard output and standard error. Later output appears below the output
    /// of stages.
    pub fn end(&self) {
        self.0.end();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Progress({:?})", self.0.show)
    }
}

/// Returns whether standard error can show a display.
fn is_display() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !dumb
}

impl Inner {
    fn end(&self) {
        match self.shown.get() {
            Some(ActiveDisplay::Live(live)) => live.end(),
            Some(ActiveDisplay::Json(json)) => json.end(),
            Some(ActiveDisplay::Lines(_)) | None => {}
        }
    }

    fn event(&self, event: &Event<'_>) {
        // A reused stage is only counted.
        if let Event::Chosen {
            built: false,
            carried,
            fetched,
            ..
        } = event
        {
            let counter = match (carried, fetched) {
                (true, _) => &self.state.carried,
                (_, true) => &self.state.fetched,
                _ => &self.state.reused,
            };
            counter.fetch_add(1, Relaxed);
            if self.shown.get().is_none() {
                return;
            }
        }
        self.state.event(event);
        if self.show == Show::Nothing {
            return;
        }
        let begins = match event {
            Event::Begun { .. } => self.show == Show::Json,
            Event::Chosen { built, .. } => *built,
            _ => true,
        };
        if !begins && self.shown.get().is_none() {
            return;
        }
        match self.shown.get_or_init(|| self.begin()) {
            ActiveDisplay::Live(live) => live.event(event),
            ActiveDisplay::Lines(lines) => lines.event(event),
            ActiveDisplay::Json(json) => json.event(event),
        }
    }

    fn begin(&self) -> ActiveDisplay {
        match self.show {
            Show::Json => ActiveDisplay::Json(Json::begin(&self.state)),
            Show::Display => match Live::begin(&self.state, self.colors) {
                Some(live) => ActiveDisplay::Live(live),
                None => ActiveDisplay::Lines(Lines::begin(&self.state)),
            },
            _ => ActiveDisplay::Lines(Lines::begin(&self.state)),
        }
    }
}
