//! The one error type of the library.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::visible;

/// Any error, as stages and user functions return it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What sort of thing went wrong, for programs that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A config that cannot be written as canonical JSON, or does not fit its type.
    Config,
    /// A reference or a name that does not parse.
    Reference,
    /// A plan that contradicts itself.
    Plan,
    /// A run-time argument that a stage takes, and the run does not give.
    Argument,
    /// A matcher that cannot choose.
    Matcher,
    /// A stage that failed, panicked or did not keep a promise.
    Stage,
    /// A stage that needs more of the machine than a run has.
    Resources,
    /// A run that was cancelled.
    Cancelled,
    /// An artifact that cannot be read or written in its format.
    Artifact,
    /// A store that is not one, is broken, or is of another version.
    Store,
    /// Something that is not in the store.
    Missing,
    /// An archive that does not hold what it says.
    Archive,
    /// The operating system refused.
    Io,
}

/// An error of this library.
///
/// `Display` is one line. `Debug` is the full report for a person, with causes and what to do next, so that a `main`
/// that returns it prints it well.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    help: Option<String>,
    source: Option<BoxError>,
    /// The failures that make this one up, when there are several.
    parts: Vec<Error>,
}

impl Error {
    /// An error of this sort, for programs that are built on this library. The message is one line, which says what happened, and to
    /// what. Stages need none of this: they return any error.
    ///
    /// ```
    /// use pylightnix::{Error, ErrorKind};
    /// use std::path::Path;
    ///
    /// let error = Error::new(ErrorKind::Missing, "there is no table of the runs")
    ///     .at(Path::new("runs.csv"))
    ///     .help("make it with `compare --csv`");
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

    /// The operating system refused `operation` (a verb, "create") on `path`.
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

    /// Says what the reader can do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says more of what the reader can do, after what was said.
    #[must_use]
    pub fn more_help(mut self, more: &str) -> Self {
        self.0.help = Some(match self.0.help.take() {
            Some(help) => format!("{help}\n{more}"),
            None => more.to_owned(),
        });
        self
    }

    /// Says which file or folder it is about, for [`path`](Self::path). The message is to name it as well.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    /// Says what caused it: its [`source`](StdError::source).
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// As [`because`](Self::because), with what a person can do if it was the operating system that refused.
    pub(crate) fn because_refused(self, source: BoxError) -> Self {
        let advice = source.downcast_ref::<io::Error>().and_then(io_help);
        match advice {
            Some(advice) => self.because(source).more_help(advice),
            None => self.because(source),
        }
    }

    /// The failures that make this one up.
    pub(crate) fn with_parts(mut self, parts: Vec<Error>) -> Self {
        self.0.parts = parts;
        self
    }

    /// The one error, or one that is made up of several, under what `whole` says of so many.
    pub(crate) fn of_all(mut errors: Vec<Error>, whole: impl FnOnce(usize) -> Error) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            count => whole(count).with_parts(errors),
        }
    }

    /// What caused it; the parts of what is made up of several become parts of this.
    pub(crate) fn because_of_all(self, mut cause: Error) -> Self {
        match cause.0.parts.is_empty() {
            true => self.because(cause),
            false => {
                let parts = std::mem::take(&mut cause.0.parts);
                self.with_parts(parts)
            }
        }
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or folder that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The separate failures, when several stages of one run failed.
    pub fn parts(&self) -> &[Error] {
        &self.0.parts
    }
}

/// What a person can do about a refusal of the operating system.
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
            "a store lives on one file system: `tmp` and `store-v1` may not be mounted apart; and no folder of a layer of an \
                 image can be moved (overlayfs): copy the store out of it, with `copy --all`",
        ),
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        // An operating system's reason belongs in the line: "cannot create x" alone says nothing.
        if self.0.kind == ErrorKind::Io
            && let Some(source) = &self.0.source
        {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

/// The report for a person. What would control their terminal is made visible: names of files, and what stages say, may hold
/// anything.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut report = String::new();
        self.report(&mut report)?;
        f.write_str(&visible::lines(&report))
    }
}

impl Error {
    fn report(&self, f: &mut impl fmt::Write) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        if self.0.kind == ErrorKind::Io {
            cause = cause.and_then(StdError::source);
        }
        while let Some(error) = cause {
            write!(f, "\n  caused by: {}", indented(&error.to_string(), "    "))?;
            if let Some(help) = error
                .downcast_ref::<Error>()
                .and_then(|inner| inner.0.help.as_deref())
            {
                write!(f, "\n  help: {}", indented(help, "    "))?;
            }
            cause = error.source();
        }
        for part in &self.0.parts {
            write!(f, "\n- {}", indented(&format!("{part:?}"), "  "))?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {}", indented(help, "    "))?;
        }
        Ok(())
    }
}

/// `text` with every line after the first moved in.
fn indented(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
