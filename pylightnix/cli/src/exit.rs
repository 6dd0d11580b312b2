//! Exit codes and errors of commands.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use pylightnix::{Error, ErrorKind};

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded.
    Done = 0,
    /// A stage failed, a check found faults, nothing matches, or something was refused.
    Failed = 1,
    /// The command line or a parameter is not valid; clap uses the same code.
    Usage = 2,
    /// The store does not exist, or cannot be used.
    NoStore = 3,
    /// The command was cancelled by Ctrl-C.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The result of a command.
pub(crate) type CommandResult<T = Exit> = Result<T, CommandError>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// An error of the library.
    Error(Error),
    /// A failed run, with the last lines of its logs.
    Run(Error, String),
    /// The store cannot be opened.
    Store(Error),
    /// The command line asks for something that is not possible.
    Usage(String),
    /// The reader of the output has closed the pipe.
    Closed,
}

impl CommandError {
    /// Returns the exit code of the fault.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandError::Error(error) if error.kind() == ErrorKind::Cancelled => Exit::Cancelled,
            CommandError::Error(error) | CommandError::Run(error, _)
                if error.kind() == ErrorKind::Params =>
            {
                Exit::Usage
            }
            CommandError::Error(_) | CommandError::Run(..) => Exit::Failed,
            CommandError::Store(_) => Exit::NoStore,
            CommandError::Usage(_) => Exit::Usage,
            CommandError::Closed => Exit::Done,
        }
    }

    /// Returns the text of the fault; `None` for a closed pipe.
    pub(crate) fn report(&self) -> Option<String> {
        match self {
            CommandError::Run(error, logs) => Some(on_the_line(format!("{error:?}")) + logs),
            CommandError::Error(error) | CommandError::Store(error) => {
                Some(on_the_line(format!("{error:?}")))
            }
            CommandError::Usage(text) => Some(text.clone()),
            CommandError::Closed => None,
        }
    }
}

/// Replaces methods of the library in a help text by the options of the command line.
fn on_the_line(mut text: String) -> String {
    const WORDS: [(&str, &str); 13] = [
        ("`keep_going()`", "`--keep-going`"),
        ("`with_dependents()`", "`--with-dependents`"),
        ("`force()`", "`--force`"),
        ("`nobody_else_uses_it()`", "`--nobody-else-uses-it`"),
        ("`trust_unchecked()`", "`--trust-unchecked`"),
        ("`trust_unknown()`", "`--trust-unknown`"),
        ("`only_sealed()`", "`--only-sealed`"),
        ("`no_cut_off()`", "`--no-cut-off`"),
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

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        CommandError::Error(error)
    }
}

/// Converts a failure to write the output.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::Closed,
            _ => CommandError::Error(Error::io("write to", Path::new("the output"), error)),
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => CommandError::Error(
                Error::new(ErrorKind::Config, "cannot be written as JSON").because(error),
            ),
        }
    }
}
