//! What a run shows while it goes: on a terminal, as lines, or as JSON.
//!
//! It is what the command line shows, and programs without one can show it, too. [`Progress`] makes an observer of a run:
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
//! The display is one line for the whole run and one for each stage that runs, redrawn ten times in a second while anything
//! is built; a run that finds everything shows nothing. It is drawn on standard error, as long as that is a terminal. While
//! it is there, standard output and standard error, as far as they are terminals, are pipes: whatever the process prints, by
//! whatever means, goes above the display, whole lines at a time. Should the process be killed, a shell that waits for that
//! shows what it printed last. A stage that asks whether it prints to a terminal hears that it does not. Ctrl-Z takes the
//! display away until the program is continued, and stops the child processes of stages as well; in the background nothing
//! is drawn. Panics are events of `tracing`, too, as [`pylightnix::trace::log_panics`] makes them.
//!
//! # As JSON
//!
//! [`Show::Json`] writes an object a line to standard error, and what stages print is one of them. Each has `event`, its name,
//! and `time`, RFC 3339; those of stages have `dref` and `name`, those of runs of stages `index` too; where several stages
//! of the plan have one name, `label` says in which fields they differ. Others may be added.
//!
//! | `event` | its other fields |
//! |---|---|
//! | `begun` | `stages` |
//! | `building` | `runs`, `reason`, `why`: what changed |
//! | `queued`, `waiting`, `started` | |
//! | `attempt` | `log`, a path |
//! | `progress` | `done`, `total` or `null` |
//! | `retrying` | `attempt`, `left`, `wait_seconds`, `error` |
//! | `overdue` | `error` |
//! | `published` | `rref`, `new`, `took_seconds` |
//! | `failure_recorded` | `rref`, `new`, `took_seconds`, `error` |
//! | `run_failed` | `kept`, a path or `null`, `error` |
//! | `chosen`, of stages that were built | `rrefs` |
//! | `ahead_of_clock` | `rref`, `ended`: a build record that lies ahead of this machine's clock, the first that is found |
//! | `stopping` | `running` |
//! | `cancelled`, `failed` | `error` |
//! | `printed`, by anybody in this process | `text`, a line |
//! | `ended`, the last one | `stages`, `reused`, `built`, `failed`, `cancelled`, `took_seconds` |

mod capture;
mod clean;
mod estimate;
mod failures;
mod heir;
mod json;
mod lines;
mod live;
mod row;
mod screen;
mod state;
mod suspend;
mod tail;

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

pub(crate) use clean::{Cutter, visible};
pub(crate) use failures::failure_logs;
pub use failures::failure_report;

/// The way to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Show {
    /// As a display where standard error is a terminal, else as lines.
    #[default]
    Auto,
    /// As a display, whatever standard error is.
    Display,
    /// As lines, with the time since the run began.
    Lines,
    /// As JSON, an object a line; see the [module](self).
    Json,
    /// Not at all.
    Nothing,
}

/// What a run shows while it goes. It ends with this value, or by [`end`](Self::end).
pub struct Progress(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    show: Show,
    colors: bool,
    /// What shows it, since something is built.
    shown: OnceCell<Shown>,
}

enum Shown {
    Live(Live),
    Lines(Lines),
    Json(Json),
}

impl Progress {
    /// For a run in this store, which knows how long things take.
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

    /// With or without colours. Unless it is said, the display has them, if `NO_COLOR` is not set.
    pub fn colors(mut self, colors: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.colors = colors;
        }
        self
    }

    /// What the run is to tell, [`Realize::observer`](pylightnix::realize::Realize::observer).
    pub fn observer(&self) -> impl Observer + use<> {
        let inner = self.0.clone();
        move |event: &Event<'_>| inner.event(event)
    }

    /// Ends it: the display goes, and standard output and standard error are what they were. Who prints after this prints
    /// below what stages printed.
    pub fn end(&self) {
        match self.0.shown.get() {
            Some(Shown::Live(live)) => live.end(),
            Some(Shown::Json(json)) => json.end(),
            Some(Shown::Lines(_)) | None => {}
        }
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

/// Whether standard error can show a display.
fn is_display() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !dumb
}

impl Inner {
    fn event(&self, event: &Event<'_>) {
        // Of what is there, nothing is done but to count it.
        if let Event::Chosen { built: false, .. } = event {
            self.state.reused.fetch_add(1, Relaxed);
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
            Shown::Live(live) => live.event(event),
            Shown::Lines(lines) => lines.event(event),
            Shown::Json(json) => json.event(event),
        }
    }

    fn begin(&self) -> Shown {
        match self.show {
            Show::Json => Shown::Json(Json::begin(&self.state)),
            Show::Display => match Live::begin(&self.state, self.colors) {
                Some(live) => Shown::Live(live),
                None => Shown::Lines(Lines::begin(&self.state)),
            },
            _ => Shown::Lines(Lines::begin(&self.state)),
        }
    }
}
