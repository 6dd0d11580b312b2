//! Checks of artifacts before publication: promises are kept, and links stay inside of the published artifacts.
//!
//! These rules make a closure self-contained: it can be packed, copied and unpacked elsewhere with equal content.

use std::fmt;

use crate::config::ConfigJson;
use crate::store::object::paths::{Paths, Resolved};
use crate::store::object::record::{Outcome, Record};

/// A violation that prevents artifacts from being published. Displays as a predicate that follows the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path below `out/`.
    pub(crate) path: String,
    /// Whether a promised artifact is missing; otherwise a link is bad.
    pub(crate) is_promised: bool,
    /// The target of the link at the path, if there is one.
    pub(crate) target: Option<String>,
    /// Whether the link leads out of the artifacts; otherwise it is dangling.
    pub(crate) leads_out: bool,
}

/// Returns the promises that are not kept.
pub(crate) fn unkept(promises: &[String], paths: &Paths<'_>) -> Vec<Violation> {
    let mut unkept = Vec::new();
    for path in promises {
        let lead = paths.resolve(path);
        if lead != Resolved::Inside {
            unkept.push(Violation {
                path: path.clone(),
                is_promised: true,
                target: paths.target(path).map(str::to_owned),
                leads_out: lead == Resolved::Outside,
            });
        }
    }
    unkept
}

/// Returns all violations, broken promises first. A failed outcome has no promises to keep.
pub(crate) fn violations_of(
    config: &ConfigJson,
    outcome: Outcome,
    paths: &Paths<'_>,
) -> Vec<Violation> {
    let mut all = match outcome {
        Outcome::Ok => unkept(&config.promises(), paths),
        Outcome::Failed => Vec::new(),
    };
    for (link, lead) in paths.broken_links() {
        if all.iter().all(|lack| lack.path != link.path) {
            all.push(Violation {
                path: link.path.to_owned(),
                is_promised: false,
                target: Some(link.target.to_owned()),
                leads_out: lead == Resolved::Outside,
            });
        }
    }
    all
}

/// Returns all violations of the artifacts in `record`.
pub(in crate::store) fn lacking_in(config: &ConfigJson, record: &Record) -> Vec<Violation> {
    let outcome = record.head().outcome;
    violations_of(config, outcome, &Paths::of(record.manifest()))
}

impl Violation {
    /// Returns advice for the author of the stage.
    pub(crate) fn help(&self) -> &'static str {
        match self.is_promised {
            true => "have the stage write it, or a relative link to another of its artifacts",
            false => {
                "have the stage write a copy, or a relative link to another of its artifacts, or remove the link when it ends"
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_promised {
            f.write_str("is promised by the config and missing")?;
        }
        let Some(target) = &self.target else {
            return Ok(());
        };
        if self.is_promised {
            f.write_str(": it ")?;
        }
        match self.leads_out {
            true => write!(f, "is a link that leads out of its artifacts, to {target}"),
            false => write!(f, "is a link to {target}, which does not exist"),
        }
    }
}
