//! The names of derivations.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// The name of a derivation: 1 to 200 of the characters `a-z A-Z 0-9 _ -`, as in Pylightnix.
///
/// The limit keeps `<hash>-<name>` a valid file name on every file system.
///
/// ```
/// use pylightnix::config::Name;
/// assert!(Name::new("anneal").is_ok());
/// assert!(Name::new("no spaces").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The length of the longest name, in bytes.
    pub const MAX_LEN: usize = 200;

    /// Makes a name from `text`, if it is valid.
    ///
    /// # Errors
    /// The name is empty, is too long, or has a character that is not allowed.
    pub fn new(text: &str) -> Result<Self> {
        let fault = if text.is_empty() {
            "is empty".to_owned()
        } else if text.len() > Self::MAX_LEN {
            format!(
                "has {} characters, and {} are allowed",
                text.len(),
                Self::MAX_LEN
            )
        } else if let Some(other) = text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'))
        {
            format!("has the invalid character {other:?}")
        } else {
            return Ok(Name(text.into()));
        };
        Err(
            Error::new(ErrorKind::Reference, format!("the name {text:?} {fault}"))
                .with_help("use only a-z, A-Z, 0-9, `_` and `-`"),
        )
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Name::new(text)
    }
}
