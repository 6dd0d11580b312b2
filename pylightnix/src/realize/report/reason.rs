//! Why a stage has to run, and why a realization is stale.

use std::fmt;

/// Why a stage has to run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing of it is in the store.
    Missing,
    /// Its results were made from other realizations of its dependencies than those that are chosen now.
    ContextChanged,
    /// Its results lack an artifact that the config promises.
    Lacking,
    /// Its results were made by other code.
    Stale(Stale),
    /// It takes several runs, and some are missing: its build was interrupted, or it takes more runs than before.
    RunsMissing {
        /// How many runs ended.
        there: usize,
        /// How many it takes.
        of: usize,
    },
    /// Its matcher wants more realizations than there are.
    MoreWanted {
        /// How many there are.
        there: usize,
    },
    /// It failed before, and the run asks for failures to be tried again, or the stage's failures are no results any more.
    Failed,
    /// The run asks for it.
    Forced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing => f.write_str("missing"),
            Reason::ContextChanged => {
                f.write_str("context changed: it takes another result of a dependency")
            }
            Reason::Lacking => {
                f.write_str("incomplete: the result in the store lacks a promised artifact")
            }
            Reason::Stale(why) => write!(f, "stale: {why}"),
            Reason::RunsMissing { there, of } => {
                let (runs, are) = if *of == 1 {
                    ("run", "is")
                } else {
                    ("runs", "are")
                };
                write!(f, "{there} of {of} {runs} {are} there")
            }
            Reason::MoreWanted { there } => {
                write!(f, "its matcher wants more results than there are ({there})")
            }
            Reason::Failed => f.write_str("it failed before"),
            Reason::Forced => f.write_str("forced"),
        }
    }
}

/// Why a realization is stale: no record of a build, import or acceptance says that it comes from the code of today.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stale {
    /// Its stage, or a helper that the stage names in `uses`, is another today.
    Code {
        /// The fingerprint of the code that made it.
        was: String,
        /// The fingerprint of the code of today.
        is: String,
        /// Fields with a default that came since, which may be all that changed.
        added: Vec<String>,
    },
    /// A field that the config leaves out has another default today.
    Default {
        /// The field.
        field: String,
        /// The value with which it was made.
        was: serde_json::Value,
        /// The value of today.
        is: serde_json::Value,
    },
    /// A person made it, in place of its stage: see [`Stepping`](crate::realize::Stepping).
    ByHand,
    /// Nothing says which code made it.
    Unknown,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Code { added, .. } if added.is_empty() => f.write_str("its code changed"),
            Stale::Code { added, .. } => {
                let added: Vec<_> = added.iter().map(|field| format!("`{field}`")).collect();
                let added = added.join(", ");
                write!(
                    f,
                    "its code changed, and {added} came with a default: if the old result stands, accept it, or pin \
                     the code with `#[stage(version = n)]` before adding fields"
                )
            }
            Stale::Default { field, was, is } => {
                write!(f, "the default of `{field}` changed from {was} to {is}")
            }
            Stale::ByHand => f.write_str(
                "it was made by hand: accept it, if it is to stand for what the stage makes",
            ),
            Stale::Unknown => {
                f.write_str("nothing says which code made it: accept it, or trust unknown results")
            }
        }
    }
}
