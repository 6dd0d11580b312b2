//! The error type of the library.

mod report;

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::visible;

/// Any error, as stages and other functions of users return it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The kind of an error, for programs that handle errors differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A config cannot be written as canonical JSON, or does not fit its type.
    Config,
    /// A reference or a name is not valid.
    Reference,
    /// A plan contradicts itself.
    Plan,
    /// The run does not give a run-time argument that a stage takes.
    Argument,
    /// A parameter of an experiment has no valid value: see [`ParamSources`](crate::experiment::ParamSources).
    Params,
    /// A plan depends on results that are not there yet: see [`Run`](crate::experiment::Run).
    Undecided,
    /// A matcher cannot choose.
    Matcher,
    /// A stage failed, panicked or did not keep a promise.
    Stage,
    /// A stage needs more resources than the run has.
    Resources,
    /// The run was cancelled.
    Cancelled,
    /// An artifact cannot be read or written in its format.
    Artifact,
    /// The folder is not a store, or the store is damaged or has another version.
    Store,
    /// The store does not contain the requested object.
    Missing,
    /// An archive is damaged or contradicts itself.
    Archive,
    /// A remote is not what it has to be, or holds something else than it says.
    Remote,
    /// A key or a signature is not known, not valid, or not enough: see [`keys`](crate::keys).
    Key,
    /// The operating system reported an error.
    Io,
}

/// An error of this library.
///
/// `Display` writes what happened and why, in one line: `cannot read x: permission denied`. `Debug` writes a full report with causes
/// and advice, so that a `main` function that returns the error prints it well. [`message`](Self::message), [`causes`](Self::causes)
/// and [`help`](Self::help) give what happened, why, and what to do next.
///
/// What `Display` says is not a [`source`](StdError::source) as well, so that a chain of errors says nothing twice. The sources are
/// the causes that do not fit into the line, if there are any.
///
/// ```
/// use pylightnix::prelude::*;
///
/// # let folder = tempfile::tempdir()?;
/// let place = folder.path().join("none");
/// let error = Store::open_existing(&place).unwrap_err();
/// assert_eq!(error.to_string(), format!("there is no store at {}", place.display()));
/// assert_eq!(error.help(), Some("`Store::open` makes one"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    help: Option<String>,
    source: Option<BoxError>,
    /// The separate failures, if there are several.
    parts: Vec<Error>,
}

impl Error {
    /// Makes an error of this kind, for programs that are built on this library. The message is one line that says what
    /// happened, and to what. Stages do not need this: they return any error.
    ///
    /// ```
    /// use pylightnix::{Error, ErrorKind};
    /// use std::path::Path;
    ///
    /// let error = Error::new(ErrorKind::Missing, "there is no table of the runs")
    ///     .at(Path::new("runs.csv"))
    ///     .with_help("make it with `compare --csv`");
    /// assert_eq!(error.to_string(), "there is no table of the runs");
    /// assert_eq!(format!("{error:?}"), "there is no table of the runs\n  help: make it with `compare --csv`");
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            help: None,
            source: None,
            parts: Vec::new(),
        }))
    }

    /// Returns what the function that makes a plan failed with, as an error of this library.
    #[doc(hidden)]
    pub fn of_plan(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(ErrorKind::Plan, "the plan cannot be made").because(error),
        }
    }

    /// Makes the error that the operating system refused `operation` (a verb, as in "create") on `path`.
    pub fn io(operation: &str, path: &Path, error: io::Error) -> Self {
        let mut this = Error::new(
            ErrorKind::Io,
            format!(
                "cannot {operation} {}",
                visible::line(&path.display().to_string())
            ),
        );
        this.0.help = io_help(&error).map(str::to_owned);
        this.0.path = Some(path.to_owned());
        this.0.source = Some(Box::new(error));
        this
    }

    /// Sets the advice for the reader.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Appends to the advice for the reader.
    #[must_use]
    pub fn more_help(mut self, more: &str) -> Self {
        self.0.help = Some(match self.0.help.take() {
            Some(help) => format!("{help}\n{more}"),
            None => more.to_owned(),
        });
        self
    }

    /// Sets the file or folder that the error is about, for [`path`](Self::path). The message has to name it too.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    /// Sets the cause, for [`causes`](Self::causes).
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the cause like [`because`](Self::because), and appends advice if the cause is an error of the operating system.
    pub(crate) fn because_refused(self, source: BoxError) -> Self {
        let advice = source.downcast_ref::<io::Error>().and_then(io_help);
        match advice {
            Some(advice) => self.because(source).more_help(advice),
            None => self.because(source),
        }
    }

    /// Sets the separate failures.
    pub(crate) fn with_parts(mut self, parts: Vec<Error>) -> Self {
        self.0.parts = parts;
        self
    }

    /// Returns the only error, or combines several under the error that `whole` makes from their number.
    pub(crate) fn of_all(mut errors: Vec<Error>, whole: impl FnOnce(usize) -> Error) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            count => whole(count).with_parts(errors),
        }
    }

    /// Sets the cause. If the cause combines several errors, takes over its parts instead.
    pub(crate) fn because_of_all(self, mut cause: Error) -> Self {
        match cause.0.parts.is_empty() {
            true => self.because(cause),
            false => {
                let parts = std::mem::take(&mut cause.0.parts);
                self.with_parts(parts)
            }
        }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what happened, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the advice of this error itself.
    pub(crate) fn own_help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Returns what the reader can do next, as lines: the advice of this error, or else of the nearest cause that has some.
    pub fn help(&self) -> Option<&str> {
        let of_causes = || {
            let causes = self.causes().filter_map(|cause| cause.downcast_ref());
            causes
                .filter_map(|cause: &Error| cause.0.help.as_deref())
                .next()
        };
        self.0.help.as_deref().or_else(of_causes)
    }

    /// Returns all causes with their types, the nearest first. These are also the causes that `Display` says, which are no
    /// [`source`](StdError::source).
    ///
    /// ```
    /// use pylightnix::{Error, ErrorKind};
    /// use std::num::ParseIntError;
    ///
    /// let cause = "ten".parse::<u32>().unwrap_err();
    /// let error = Error::new(ErrorKind::Stage, "the number of runs is not valid").because(cause);
    /// assert_eq!(error.to_string(), "the number of runs is not valid: invalid digit found in string");
    /// assert!(error.causes().any(|cause| cause.is::<ParseIntError>()));
    /// ```
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        Self::chain(self).skip(1)
    }

    /// Returns an error and all its causes, also those that the `Display` of an error of this library says.
    pub(crate) fn chain<'e>(
        first: &'e (dyn StdError + 'static),
    ) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
        std::iter::successors(Some(first), |&error| match error.downcast_ref::<Error>() {
            Some(error) => error.0.source.as_deref().map(|source| source as _),
            None => error.source(),
        })
    }

    /// Returns the file or folder that the error is about, if any.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns the separate failures, if several stages of a run failed.
    pub fn parts(&self) -> &[Error] {
        &self.0.parts
    }
}

/// Returns advice about an error of the operating system.
fn io_help(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull => Some("free some space on that file system and run again"),
        io::ErrorKind::QuotaExceeded => {
            Some("your quota is used up: free some space or ask for more, and run again")
        }
        io::ErrorKind::PermissionDenied => {
            Some("see who owns it and what its mode is (`ls -ld`), or use another store")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("that file system is mounted read-only: use a store on another one")
        }
        io::ErrorKind::CrossesDevices => Some(
            "`tmp` and `store-v1` of a store must be on the same file system; folders in a lower layer of an image (overlayfs) \
                 cannot be moved: copy the store out of it, with `copy --all`",
        ),
        _ => None,
    }
}
