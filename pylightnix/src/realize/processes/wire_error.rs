//! Errors on their way from a process to another: what they say, and of what kind they are.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{BoxError, Error, ErrorKind};

/// An error with its causes.
#[derive(Serialize, Deserialize)]
pub(in crate::realize) struct WireError {
    what: What,
    source: Option<Box<WireError>>,
}

#[derive(Serialize, Deserialize)]
enum What {
    Ours {
        kind: ErrorKind,
        message: String,
        path: Option<PathBuf>,
        help: Option<String>,
        /// The separate failures, if there are several.
        parts: Vec<WireError>,
    },
    /// An error of the operating system, by its number.
    System(i32),
    /// The text of any other error.
    Other(String),
}

/// An error of another process whose type is not known here.
#[derive(Debug)]
struct Told {
    text: String,
    source: Option<BoxError>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl WireError {
    pub(in crate::realize) fn new(error: &(dyn StdError + 'static)) -> Self {
        let chain: Vec<_> = Error::chain(error).collect();
        let mut wire: Option<WireError> = None;
        for error in chain.into_iter().rev() {
            wire = Some(WireError {
                what: What::of(error),
                source: wire.map(Box::new),
            });
        }
        match wire {
            Some(wire) => wire,
            None => unreachable!("a chain begins with its first error"),
        }
    }

    /// Returns the error as one of this library, that of a stage unless it says otherwise.
    pub(in crate::realize) fn into_ours(self) -> Error {
        match self.into_error().downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(ErrorKind::Stage, "a stage failed").because(error),
        }
    }

    pub(in crate::realize) fn into_error(self) -> BoxError {
        let source = self.source.map(|source| source.into_error());
        match self.what {
            What::Ours {
                kind,
                message,
                path,
                help,
                parts,
            } => {
                let mut error = Error::new(kind, message);
                if let Some(path) = path {
                    error = error.at(&path);
                }
                let parts = parts.into_iter().map(WireError::into_error);
                let parts = parts.filter_map(|part| part.downcast().ok());
                let parts: Vec<Error> = parts.map(|part: Box<Error>| *part).collect();
                if !parts.is_empty() {
                    error = error.with_parts(parts);
                }
                if let Some(help) = help {
                    error = error.with_help(help);
                }
                match source {
                    Some(source) => error.because(source).into(),
                    None => error.into(),
                }
            }
            What::System(number) => io::Error::from_raw_os_error(number).into(),
            What::Other(text) => Told { text, source }.into(),
        }
    }
}

impl What {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        if let Some(error) = error.downcast_ref::<Error>() {
            return What::Ours {
                kind: error.kind(),
                message: error.message().to_owned(),
                path: error.path().map(Into::into),
                help: error.own_help().map(str::to_owned),
                parts: error
                    .parts()
                    .iter()
                    .map(|part| WireError::new(part))
                    .collect(),
            };
        }
        let system = error.downcast_ref::<io::Error>();
        match system.and_then(io::Error::raw_os_error) {
            Some(number) => What::System(number),
            None => What::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends an error through JSON.
    fn sent(error: BoxError) -> BoxError {
        let text = serde_json::to_string(&WireError::new(&*error)).expect("an error is JSON");
        let wire: WireError = serde_json::from_str(&text).expect("it is read back");
        wire.into_error()
    }

    #[test]
    fn an_error_says_the_same_on_the_other_side() {
        let error = Error::new(ErrorKind::Artifact, "the table is broken")
            .because(io::Error::from_raw_os_error(28))
            .with_help("write it again");
        let report = format!("{error:?}");
        let other = sent(error.into());
        let ours = other.downcast_ref::<Error>().expect("it is one of ours");
        assert_eq!(format!("{ours:?}"), report);
        assert_eq!(ours.kind(), ErrorKind::Artifact);
        let full = Error::chain(&*other).filter_map(|error| error.downcast_ref::<io::Error>());
        assert_eq!(
            full.map(io::Error::kind).collect::<Vec<_>>(),
            [io::ErrorKind::StorageFull]
        );
    }

    #[test]
    fn the_causes_of_other_errors_stay() {
        let cause: BoxError = "three is no number".into();
        let error = Told {
            text: "the line is not valid".to_owned(),
            source: Some(cause),
        };
        let other = sent(Box::new(error));
        assert_eq!(other.to_string(), "the line is not valid");
        let source = other.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("three is no number"));
    }
}
