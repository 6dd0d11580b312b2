//! What a run shows while it goes.

use std::path::Path;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::Fault;
use crate::progress::{self, Show};
use crate::session::Session;
use pylightnix::realize::{Observer, Report};
use pylightnix::store::Store;
use pylightnix::trace::BuildLogs;
use pylightnix::{Error, ErrorKind};

/// How a run is shown.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
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

/// Shows a run.
pub(crate) struct Progress {
    progress: progress::Progress,
    quiet: bool,
}

impl Progress {
    /// For a run in `store` that is about to begin.
    pub(crate) fn new(session: &Session, store: &Store, kind: Kind) -> Self {
        // A program that has a subscriber adds the layer itself, if it wants to.
        let _ = tracing_subscriber::registry()
            .with(BuildLogs::new())
            .try_init();
        let show = match kind {
            Kind::Auto => Show::Auto,
            Kind::Display => Show::Display,
            Kind::Lines => Show::Lines,
            Kind::Json => Show::Json,
            Kind::None => Show::Nothing,
        };
        Progress {
            progress: progress::Progress::new(store, show).colors(session.color_err()),
            quiet: kind == Kind::None || kind == Kind::Json,
        }
    }

    /// What the run tells.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        self.progress.observer()
    }

    /// The run succeeded.
    pub(crate) fn done(self, session: &Session, report: &Report) {
        self.progress.end();
        if !self.quiet {
            session.say(report);
        }
    }

    /// The run failed: what is to be said of that.
    pub(crate) fn failed(self, session: &Session, error: Error) -> Fault {
        self.progress.end();
        match error.kind() {
            // Nothing in a log says more of who pressed Ctrl-C.
            ErrorKind::Cancelled => Fault::Error(error),
            _ => {
                let logs = progress::failure_logs(&error, |kept| see(session, kept));
                Fault::Run(error, logs)
            }
        }
    }
}

/// The command that shows the log of a failed build.
fn see(session: &Session, kept: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let mut words = vec![quoted(Path::new(&program))];
    if let Some(place) = session.place() {
        words.extend(["--store".to_owned(), quoted(place)]);
    }
    words.extend(["log".to_owned(), quoted(kept)]);
    words.join(" ")
}

/// As it can be typed.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
