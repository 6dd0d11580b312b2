//! A store at the other end of an `ssh` connection.

use std::env;
use std::ffi::OsString;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::exit::{CommandError, CommandResult};
use pylightnix::{Error, ErrorKind};

/// The variable that names another program than `ssh`.
const VARIABLE: &str = "PYLIGHTNIX_SSH";

/// An address `ssh://[user@]host[:port]/store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The host, with the user if there is one.
    host: String,
    port: Option<u16>,
    /// The folder of the store there; `~/..` is relative to the home folder.
    store: String,
}

impl Address {
    /// Parses an address; `None` if it is a path of this machine.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        let rest = text.strip_prefix("ssh://")?;
        let fault = || {
            format!("`{text}` is no address of a store, such as `ssh://ada@host:22/home/ada/store`")
        };
        let parsed = || {
            let (place, store) = rest.split_once('/')?;
            let (host, port) = match place.rsplit_once(':') {
                // An IPv6 address has its colons in brackets.
                Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
                _ => (place, None),
            };
            let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
            // `ssh` takes what begins with a hyphen for an option.
            let is_host = !name.is_empty() && !host.starts_with('-') && !name.starts_with('-');
            let store = match store.strip_prefix("~/") {
                Some(_) => store.to_owned(),
                None => format!("/{store}"),
            };
            let host = host.replace(['[', ']'], "");
            (is_host && store.len() > 1).then_some(Address { host, port, store })
        };
        Some(parsed().ok_or_else(fault))
    }

    /// Starts `pylightnix` there with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> CommandResult<Other> {
        let program = env::var_os(VARIABLE).filter(|program| !program.is_empty());
        let program = program.unwrap_or_else(|| OsString::from("ssh"));
        let mut command = Command::new(&program);
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        // The shell there puts the words apart again.
        let store = match self.store.strip_prefix("~/") {
            Some(store) => format!("~/{}", quoted(store)),
            None => quoted(&self.store),
        };
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        command
            .arg("--")
            .arg(&self.host)
            .arg(format!("pylightnix --store {store} {}", words.join(" ")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let text = format!("`{}` cannot be started", program.to_string_lossy());
            Error::new(ErrorKind::Remote, text).because(error)
        })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Other {
                host: self.host.clone(),
                to: Some(to),
                from,
                child,
            }),
            _ => Err(CommandError::Usage(
                "standard streams are missing".to_owned(),
            )),
        }
    }
}

/// The program at the other end.
#[derive(Debug)]
pub(crate) struct Other {
    host: String,
    to: Option<ChildStdin>,
    /// What it writes.
    pub(crate) from: ChildStdout,
    child: Child,
}

impl Other {
    /// Returns what it reads, which is closed when it is dropped.
    pub(crate) fn to(&mut self) -> CommandResult<ChildStdin> {
        let closed = || Error::new(ErrorKind::Remote, "the connection was closed");
        Ok(self.to.take().ok_or_else(closed)?)
    }

    /// Ends the connection, and waits for its end there. `done` is what was done here: if the other side failed, its error counts, as it
    /// was printed by `ssh`.
    pub(crate) fn end<T>(mut self, done: CommandResult<T>) -> CommandResult<T> {
        drop(self.to.take());
        drop(self.from);
        let status = self
            .child
            .wait()
            .map_err(|error| Error::new(ErrorKind::Remote, "ssh is lost").because(error))?;
        if status.success() {
            return done;
        }
        let why = match status.code() {
            // As `ssh` and shells say it.
            Some(255) => "the connection failed",
            Some(127) => "there is no program `pylightnix` on its `PATH`",
            _ => "the other side failed; what it said stands above",
        };
        let text = format!("nothing was brought from or to {}: {why}", self.host);
        Err(CommandError::Error(
            Error::new(ErrorKind::Remote, text)
                .with_help("what was published before that stays; the same command goes on"),
        ))
    }
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let parse = |text: &str| Address::parse(text).unwrap();
        let address = |host: &str, port, store: &str| Address {
            host: host.to_owned(),
            port,
            store: store.to_owned(),
        };
        assert_eq!(parse("ssh://host/a/b"), Ok(address("host", None, "/a/b")));
        assert_eq!(
            parse("ssh://ada@host:2222/s"),
            Ok(address("ada@host", Some(2222), "/s"))
        );
        assert_eq!(parse("ssh://h/~/s"), Ok(address("h", None, "~/s")));
        assert_eq!(
            parse("ssh://ada@[::1]:22/s"),
            Ok(address("ada@::1", Some(22), "/s"))
        );
        for wrong in [
            "ssh://",
            "ssh://h",
            "ssh://h/",
            "ssh:///s",
            "ssh://h:x/s",
            "ssh://-oX/s",
            "ssh://a@-oX/s",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Address::parse("/home/ada"), None);
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
