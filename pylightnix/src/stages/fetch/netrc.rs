//! Parses `~/.netrc`, or the file that `$NETRC` names: users and passwords of servers.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::{Error, Result};

/// The entries of a netrc file. The first matching entry counts.
#[derive(Default)]
pub(super) struct Netrc(Vec<Entry>);

struct Entry {
    /// The host name; `None` for the entry `default`, which matches all servers.
    machine: Option<String>,
    login: String,
    password: String,
}

impl Netrc {
    /// Reads the netrc file of the user. Returns no entries if there is none.
    pub(super) fn of_user() -> Result<Self> {
        let named = env::var_os("NETRC").filter(|name| !name.is_empty());
        let of_home = || env::home_dir().map(|home| home.join(".netrc"));
        match named.map(PathBuf::from).or_else(of_home) {
            Some(path) => Self::read(&path),
            None => Ok(Netrc::default()),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Netrc::default()),
            Err(error) => Err(Error::io("read", path, error)),
        }
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut words = words(line).into_iter();
            while let Some(word) = words.next() {
                let machine = match word.as_str() {
                    "machine" => match words.next() {
                        Some(name) => Some(name),
                        // Without a name the entry would match all servers: ignore it.
                        None => continue,
                    },
                    "default" => None,
                    // A macro ends at the next empty line.
                    "macdef" => {
                        lines.by_ref().find(|line| line.trim().is_empty());
                        break;
                    }
                    "login" | "password" | "account" => {
                        let value = words.next().unwrap_or_default();
                        match (word.as_str(), entries.last_mut()) {
                            ("login", Some(entry)) => entry.login = value,
                            ("password", Some(entry)) => entry.password = value,
                            _ => {}
                        }
                        continue;
                    }
                    _ => continue,
                };
                entries.push(Entry {
                    machine,
                    login: String::new(),
                    password: String::new(),
                });
            }
        }
        Netrc(entries)
    }

    /// Returns the user and the password for a server.
    pub(super) fn of(&self, host: &str) -> Option<(&str, &str)> {
        let matches_host = |entry: &&Entry| match &entry.machine {
            Some(machine) => machine.eq_ignore_ascii_case(host),
            None => true,
        };
        let entry = self.0.iter().find(matches_host)?;
        Some((&entry.login, &entry.password))
    }
}

/// Splits a line into words. A quoted word may contain spaces, and `\` escapes a character in it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let is_quoted = match rest.peek() {
            None | Some('#') => return words,
            Some('"') => rest.next().is_some(),
            Some(_) => false,
        };
        let mut word = String::new();
        while let Some(c) = rest.next_if(|c| is_quoted || !c.is_whitespace()) {
            match c {
                '"' if is_quoted => break,
                '\\' if is_quoted => word.extend(rest.next()),
                c => word.push(c),
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_by_name() {
        let netrc = Netrc::parse(
            "# mine\nmachine one.org login ada password p#1\n\
             machine two.org\n  login \"bob b\"\n  password \"a \\\"b\\\\\"\n\
             macdef init\n  machine three.org login x\n\n\
             machine one.org login second password other\n\
             default login anonymous password me",
        );
        assert_eq!(netrc.of("ONE.org"), Some(("ada", "p#1")));
        assert_eq!(netrc.of("two.org"), Some(("bob b", "a \"b\\")));
        assert_eq!(netrc.of("three.org"), Some(("anonymous", "me")));
        assert_eq!(Netrc::parse("machine one.org").of("two.org"), None);
        for odd in ["machine", "login x", "password", "\"", "macdef"] {
            assert_eq!(Netrc::parse(odd).of("one.org"), None, "{odd}");
        }
    }
}
