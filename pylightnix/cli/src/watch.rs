//! Shows the progress of a run of the command line.

use std::path::Path;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::CommandError;
use crate::progress::{self, Show};
use crate::session::Session;
use pylightnix::realize::{Observer, Report};
use pylightnix::store::Store;
use pylightnix::trace::BuildLogs;
use pylightnix::{Error, ErrorKind};

/// The way to show progress.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProgressKind {
    /// As a display on a terminal, else as lines
    #[default]
    Auto,
    /// As a display at the bottom of the terminal
    Display,
    /// As lines, with the time since the run began
    Lines,
    /// As JSON on standard error, an object for each event
    Json,
    /// Not at all
    None,
}

/// The progress of a run of the command line.
pub(crate) struct RunProgress {
    progress: progress::Progress,
    quiet: bool,
}

impl RunProgress {
    /// Creates the progress of a run in `store` that is about to begin.
    pub(crate) fn new(session: &Session, store: &Store, kind: ProgressKind) -> Self {
        // Fails if the program has a subscriber, which can add the layer itself.
        let _ = tracing_subscriber::registry()
            .with(BuildLogs::new())
            .try_init();
        let show = match kind {
            ProgressKind::Auto => Show::Auto,
            ProgressKind::Display => Show::Display,
            ProgressKind::Lines => Show::Lines,
            ProgressKind::Json => Show::Json,
            ProgressKind::None => Show::Nothing,
        };
        RunProgress {
            progress: progress::Progress::new(store, show).colors(session.color_err()),
            quiet: kind == ProgressKind::None || kind == ProgressKind::Json,
        }
    }

    /// Returns the observer of the run.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        self.progress.observer()
    }

    /// Returns what ends the display from another thread.
    pub(crate) fn ending(&self) -> impl Fn() + Send + Sync + 'static {
        self.progress.ending()
    }

    /// Ends the display of a successful run, and reports it.
    pub(crate) fn done(self, session: &Session, report: &Report) {
        self.progress.end();
        if !self.quiet {
            session.say(report);
        }
    }

    /// Ends the display of a run that does not go on.
    pub(crate) fn stop(self) {
        self.progress.end();
    }

    /// Ends the display of a failed run, and returns its fault.
    pub(crate) fn failed(self, session: &Session, error: Error) -> CommandError {
        self.progress.end();
        match error.kind() {
            // Logs do not help after Ctrl-C.
            ErrorKind::Cancelled => CommandError::Error(error),
            _ => {
                let logs = progress::failure_logs(&error, |kept| see(session, kept));
                CommandError::Run(error, logs)
            }
        }
    }
}

/// Returns the command that shows the log of a failed build.
fn see(session: &Session, kept: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let mut words = vec![quoted(Path::new(&program))];
    if let Some(place) = session.place() {
        words.extend(["--store".to_owned(), quoted(place)]);
    }
    words.extend(["log".to_owned(), quoted(kept)]);
    words.join(" ")
}

/// Quotes a path for a shell.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
