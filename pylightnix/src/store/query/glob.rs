//! Glob patterns for names.

use crate::{Error, ErrorKind, Result};

/// A glob pattern: `*` matches any characters, `?` one character, `{a,b}` one of several strings.
#[derive(Clone, Debug)]
pub(crate) struct Glob(Vec<Vec<u8>>);

/// Maximum number of patterns that braces expand to.
const MOST: usize = 1000;

impl Glob {
    pub(crate) fn parse(pattern: &str) -> Result<Self> {
        let fault = |why: &str| {
            let message = format!("{pattern:?} is not a pattern of names: {why}");
            Error::new(ErrorKind::Reference, message).with_help(
                "a name is made of a-z, A-Z, 0-9, `_` and `-`; in a pattern, `*` stands for any of them, `?` for one, and \
                 `{a,b}` for one of several",
            )
        };
        let mut all = vec![String::new()];
        let mut rest = pattern;
        while let Some(next) = rest.chars().next() {
            let parts: Vec<&str> = if next == '{' {
                let (inside, after) = rest[1..]
                    .split_once('}')
                    .ok_or_else(|| fault("a `}` is missing"))?;
                rest = after;
                inside.split(',').collect()
            } else {
                let (part, after) = rest.split_at(next.len_utf8());
                rest = after;
                vec![part]
            };
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*' | '?');
            if let Some(other) = parts.concat().chars().find(|c| !letter(*c)) {
                return Err(fault(&format!("a name cannot contain {other:?}")));
            }
            if all.len() * parts.len() > MOST {
                return Err(fault("it stands for too many patterns"));
            }
            let longer =
                |whole: &String| parts.iter().map(|part| format!("{whole}{part}")).collect();
            all = all.iter().flat_map::<Vec<String>, _>(longer).collect();
        }
        match pattern.is_empty() {
            true => Err(fault("it is empty")),
            false => Ok(Glob(all.into_iter().map(String::into_bytes).collect())),
        }
    }

    pub(crate) fn fits(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name.as_bytes()))
    }
}

/// Whether a pattern without braces matches the whole name. After a mismatch, backtracks only to the last `*`, which suffices.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((place, taken)) = star else {
                    return false;
                };
                star = Some((place, taken + 1));
                (at, in_name) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        let fits = |pattern: &str, name: &str| Glob::parse(pattern).unwrap().fits(name);
        for (pattern, name) in [
            ("anneal", "anneal"),
            ("ann*", "anneal"),
            ("*", "a"),
            ("*a*b*", "xaybz"),
            ("*ab", "aab"),
            ("a?c", "abc"),
            ("{train,test}-*", "test-1"),
            ("a{,b}", "a"),
            ("a**", "a"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("anneal", "anneals"),
            ("nn*", "anneal"),
            ("a?c", "ac"),
            ("*a*b", "ab-"),
            ("{train,test}", "tes"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        // Guards against exponential backtracking.
        assert!(!fits(&"*a".repeat(50), &"a".repeat(49)));
        for pattern in ["", "a b", "a{b", "[ab]", "a/b", "é", "a}"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Glob::parse(&"{a,b}".repeat(20)).is_err());
    }
}
