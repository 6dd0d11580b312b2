//! What an error says: in one line, as a full report, and as a chain of sources. None of them says a thing twice.

use std::error::Error as StdError;
use std::fmt;

use super::{Error, ErrorKind};
use crate::visible;

impl Error {
    /// Returns the line of `Display`, and the first cause that does not fit into it.
    fn line(&self) -> (String, Option<&(dyn StdError + 'static)>) {
        let mut line = self.message().to_owned();
        for cause in self.causes() {
            let words = words(cause);
            if line.contains('\n') || words.contains('\n') {
                return (line, Some(cause));
            }
            if !says(&line, cause, &words) {
                line = format!("{line}: {words}");
            }
        }
        (line, None)
    }

    fn report(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let mut last = words(self);
        f.write_str(&last)?;
        for cause in self.causes() {
            let words = words(cause);
            if !says(&last, cause, &words) {
                write!(f, "\n  caused by: {}", indented(&words, "    "))?;
                last = words;
            }
            let inner = cause.downcast_ref::<Error>();
            if let Some(help) = inner.and_then(|inner| inner.0.help.as_deref()) {
                write!(f, "\n  help: {}", indented(help, "    "))?;
            }
        }
        for part in self.parts() {
            write!(f, "\n- {}", indented(&format!("{part:?}"), "  "))?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {}", indented(help, "    "))?;
        }
        Ok(())
    }
}

/// Returns what an error says, in a report, where its causes follow.
fn words(error: &(dyn StdError + 'static)) -> String {
    let Some(error) = error.downcast_ref::<Error>() else {
        return error.to_string();
    };
    let message = error.message();
    match error.causes().next() {
        // Without the reason of the operating system, "cannot create x" says too little.
        Some(reason) if error.kind() == ErrorKind::Io => format!("{message}: {reason}"),
        _ => message.to_owned(),
    }
}

/// Whether `text` ends with what a cause says, because the one who wrote it has put the cause in.
fn says(text: &str, cause: &dyn StdError, words: &str) -> bool {
    text.ends_with(words) || text.ends_with(&cause.to_string())
}

/// Indents all lines of `text` but the first.
fn indented(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line().0)
    }
}

/// Writes the full report. Control characters are escaped, because file names and messages of stages are not trusted.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut report = String::new();
        self.report(&mut report)?;
        f.write_str(&visible::lines(&report))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.line().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::path::Path;

    /// An error that says its cause and has it as its source, too, as many do.
    #[derive(Debug)]
    struct Wordy(Error);

    impl fmt::Display for Wordy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "no table: {}", self.0)
        }
    }

    impl StdError for Wordy {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    fn refused() -> Error {
        Error::io("read", Path::new("x"), io::Error::other("it is locked"))
    }

    fn failed() -> Error {
        Error::new(ErrorKind::Stage, "stage `a` failed")
    }

    /// Returns the line, the report, and all in one line as a chain of sources is usually printed.
    fn forms(error: &Error) -> [String; 3] {
        let first: &(dyn StdError + 'static) = error;
        let sources = std::iter::successors(Some(first), |&error| error.source());
        let chain: Vec<_> = sources.map(ToString::to_string).collect();
        [error.to_string(), format!("{error:?}"), chain.join(" <- ")]
    }

    #[test]
    fn each_form_says_each_cause_once() {
        let line = "cannot read x: it is locked";
        assert_eq!(forms(&refused()), [line, line, line]);

        let line = "stage `a` failed: cannot read x: it is locked";
        let report = "stage `a` failed\n  caused by: cannot read x: it is locked";
        assert_eq!(forms(&failed().because(refused())), [line, report, line]);

        let line = "stage `a` failed: no table: cannot read x: it is locked";
        let report = "stage `a` failed\n  caused by: no table: cannot read x: it is locked";
        let wordy = failed().because(Wordy(refused()));
        assert_eq!(forms(&wordy), [line, report, line]);
    }

    #[test]
    fn a_cause_of_several_lines_is_a_source() {
        let report = "stage `a` failed\n  caused by: last lines:\n    1\n    2";
        let error = failed().because("last lines:\n1\n2");
        let chain = "stage `a` failed <- last lines:\n1\n2";
        assert_eq!(forms(&error), ["stage `a` failed", report, chain]);

        let above = Error::new(ErrorKind::Stage, "no result").because(error);
        let chain = "no result: stage `a` failed <- last lines:\n1\n2";
        assert_eq!(forms(&above)[0], "no result: stage `a` failed");
        assert_eq!(forms(&above)[2], chain);
    }

    #[test]
    fn help_is_that_of_the_nearest_cause_that_has_some() {
        let full = Error::io("write", Path::new("x"), io::ErrorKind::StorageFull.into());
        let advice = full.help().map(str::to_owned);
        assert!(advice.as_deref().is_some_and(|help| help.contains("space")));
        let error = failed().because(full);
        assert_eq!(error.help().map(str::to_owned), advice);
        assert_eq!(error.with_help("look at x").help(), Some("look at x"));
        assert_eq!(failed().help(), None);
    }
}
