//! Where a value comes from.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

use crate::visible;

/// Where the value of a parameter comes from. `Display` says it in short: `params.toml:4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// From the program.
    Default,
    /// From a file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// From a profile of a file.
    Profile {
        /// The name of the profile.
        profile: String,
        /// The file, as it was named.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// From the environment.
    Environment {
        /// The name of the variable.
        variable: String,
    },
    /// From the program or its command line.
    Set {
        /// What set it, as in `--set`.
        by: String,
    },
    /// From the answers of an earlier run.
    Answer,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Origin::Default => "default".to_owned(),
            Origin::File { path, line } => format!("{}:{line}", path.display()),
            Origin::Profile {
                profile,
                path,
                line,
            } => format!("{}:{line}, profile {profile}", path.display()),
            Origin::Environment { variable } => variable.clone(),
            Origin::Set { by } => by.clone(),
            Origin::Answer => "an earlier run".to_owned(),
        };
        f.write_str(&visible::line(&text))
    }
}
