//! The reasons why a stage has to run, and why a realization is stale.

use std::fmt;

/// The reason why a stage has to run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The stage has no realization in the store.
    Missing,
    /// The existing realizations were made from other realizations of the dependencies than those chosen now.
    ContextChanged,
    /// The existing realizations lack a promised artifact.
    Lacking,
    /// The existing realizations were made by other code.
    Stale(Stale),
    /// Some runs are missing: a multi-run build was interrupted, or the stage takes more runs than before.
    RunsMissing {
        /// The number of completed runs.
        there: usize,
        /// The number of runs that the stage takes.
        of: usize,
    },
    /// The matcher wants more realizations than exist.
    MoreWanted {
        /// The number of candidates.
        there: usize,
    },
    /// The stage failed before, and the run retries failures, or the stage is not fallible any more.
    Failed,
    /// The run forces the stage.
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
                write!(f, "{there} of {of} {runs} {are} complete")
            }
            Reason::MoreWanted { there } => {
                write!(
                    f,
                    "its matcher wants more than the existing results ({there})"
                )
            }
            Reason::Failed => f.write_str("it failed before"),
            Reason::Forced => f.write_str("forced"),
        }
    }
}

/// The reason why a realization is stale: no record of a build, import or acceptance has today's code.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stale {
    /// The code of the stage, or code that it reaches, has changed.
    Code {
        /// The fingerprint of the code that made the realization.
        was: String,
        /// The fingerprint of today's code.
        is: String,
        /// Fields with a default that were added since; they may be the only change.
        added: Vec<String>,
    },
    /// The default of a field that the config omits has changed.
    Default {
        /// The field.
        field: String,
        /// The value when the realization was made.
        was: serde_json::Value,
        /// Today's value.
        is: serde_json::Value,
    },
    /// A person made it by hand in place of the stage: see [`Stepping`](crate::realize::Stepping).
    ByHand,
    /// It was made before the code that a stage names counted: the stage itself is as it was, and of the rest nothing is known.
    HelpersUnknown,
    /// The code that made it is unknown.
    Unknown,
    /// It lacks signatures that this run asks for: see [`Realize::trust`](crate::realize::Realize::trust).
    Untrusted {
        /// The signatures that it lacks, as in `1 more of alice, bob`.
        missing: String,
        /// Whether the key of this user has signed it.
        is_signed_here: bool,
    },
    /// It was not made by a sealed run, and this run takes no others: see [`Realize::only_sealed`](crate::realize::Realize::only_sealed).
    Unsealed,
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
            Stale::HelpersUnknown => f.write_str(
                "it was made before the code that a stage calls counted: accept it, if that code is as it was",
            ),
            Stale::Untrusted { missing, .. } => write!(f, "it lacks signatures: {missing}"),
            Stale::Unsealed => f.write_str("it was not made sealed"),
            Stale::Unknown => {
                f.write_str("the code that made it is unknown: accept it, or trust unknown results")
            }
        }
    }
}
