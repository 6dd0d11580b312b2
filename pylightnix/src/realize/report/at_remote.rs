//! What remotes have of a stage that a run would have to do, as data.

use serde::Serialize;
use std::fmt;

/// What a remote has of a stage that is to be done: see [`Realize::explain_remote`](crate::realize::Realize::explain_remote).
///
/// Displays as `` `team` has 2 results ``, or says of which kind they are: of other dependencies, or by other code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AtRemote {
    /// The name of the remote, or its address.
    pub remote: String,
    /// The number of results by the code of the plan, from whatever the dependencies give as long as that is not known.
    pub results: usize,
    /// The number of results by the code of the plan that were made from other realizations of the dependencies than the plan has. A run
    /// carries them if all that was read is the same.
    pub of_other_contexts: usize,
    /// The number of results by other code, which a run does not take.
    pub by_other_code: usize,
}

impl fmt::Display for AtRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results = |count: usize| match count {
            1 => "1 result".to_owned(),
            count => format!("{count} results"),
        };
        write!(f, "`{}` has ", self.remote)?;
        match (self.results, self.of_other_contexts, self.by_other_code) {
            (0, 0, 0) => f.write_str("nothing"),
            (0, 0, others) => write!(f, "{} by other code", results(others)),
            (0, others, _) => write!(f, "{} of other dependencies", results(others)),
            (there, ..) => f.write_str(&results(there)),
        }
    }
}
