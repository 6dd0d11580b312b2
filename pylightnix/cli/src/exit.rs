//! How commands end.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use pylightnix::{Error, ErrorKind};

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked.
    Done = 0,
    /// A stage failed, a check found faults, nothing matches, or something was refused.
    Failed = 1,
    /// Words on the command line that say nothing; clap uses the same.
    Usage = 2,
    /// There is no store, or it cannot be used.
    NoStore = 3,
    /// Ctrl-C.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What a command gives back.
pub(crate) type Done<T = Exit> = Result<T, Fault>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Something went wrong; most errors are this.
    Error(Error),
    /// A run failed, with the ends of its logs.
    Run(Error, String),
    /// The store cannot be opened.
    Store(Error),
    /// The command line asks for what cannot be.
    Usage(String),
    /// Whoever read the output has gone: nothing is left to say.
    Closed,
}

impl Fault {
    /// How the program ends for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Fault::Error(error) if error.kind() == ErrorKind::Cancelled => Exit::Cancelled,
            Fault::Error(_) | Fault::Run(..) => Exit::Failed,
            Fault::Store(_) => Exit::NoStore,
            Fault::Usage(_) => Exit::Usage,
            Fault::Closed => Exit::Done,
        }
    }

    /// What a person reads of it; nothing of a reader that has gone.
    pub(crate) fn report(&self) -> Option<String> {
        match self {
            Fault::Run(error, logs) => Some(on_the_line(format!("{error:?}")) + logs),
            Fault::Error(error) | Fault::Store(error) => Some(on_the_line(format!("{error:?}"))),
            Fault::Usage(text) => Some(text.clone()),
            Fault::Closed => None,
        }
    }
}

/// What the library advises, in the words of the command line.
fn on_the_line(mut text: String) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("`keep_going()`", "`--keep-going`"),
        ("`with_dependents()`", "`--with-dependents`"),
        ("`force()`", "`--force`"),
        ("`nobody_else_uses_it()`", "`--nobody-else-uses-it`"),
        ("`trust_unknown()`", "`--trust-unknown`"),
        ("`retry_failed()`", "`--retry-failed`"),
        ("`Realize::trust_unknown()`", "`--trust-unknown`"),
        ("`Realize::timeout_of`", "`--timeout`"),
        ("`Unpack::max_size`", "`--max-size`"),
        ("`unlink`", "`link --remove`"),
    ];
    for (library, line) in WORDS {
        text = text.replace(library, line);
    }
    text
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(error)
    }
}

/// Writing the output failed.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Fault::Closed,
            _ => Fault::Error(Error::io("write to", Path::new("the output"), error)),
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Fault::Error(
                Error::new(ErrorKind::Config, "cannot be written as JSON").because(error),
            ),
        }
    }
}
