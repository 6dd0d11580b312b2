//! What publishing asks of artifacts beside their bytes: promises are kept, and links lead to what is published with them.
//!
//! So everything that is published can be packed, copied, unpacked elsewhere, and reads the same there.

use std::fmt;

use crate::config::ConfigJson;
use crate::store::object::paths::{Lead, Paths};
use crate::store::object::record::{Outcome, Record};

/// Something for which artifacts are not published. Shown, it goes on after the path of what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// What it is about, below `out/`.
    pub(crate) path: String,
    /// Whether it is an artifact that the config promises; else it is a link.
    pub(crate) is_promised: bool,
    /// The target of the link that is there, if one is.
    pub(crate) target: Option<String>,
    /// Whether what is there leads out of the artifacts; else it leads to nothing.
    pub(crate) leads_out: bool,
}

/// The promises that are not kept by artifacts with these paths.
pub(crate) fn unkept(promises: &[String], paths: &Paths<'_>) -> Vec<Lack> {
    let mut unkept = Vec::new();
    for path in promises {
        let lead = paths.lead(path);
        if lead != Lead::There {
            unkept.push(Lack {
                path: path.clone(),
                is_promised: true,
                target: paths.target(path).map(str::to_owned),
                leads_out: lead == Lead::Outside,
            });
        }
    }
    unkept
}

/// All that artifacts with these paths lack: promises first. A failure has promised nothing.
pub(crate) fn lacking(config: &ConfigJson, outcome: Outcome, paths: &Paths<'_>) -> Vec<Lack> {
    let mut all = match outcome {
        Outcome::Ok => unkept(&config.promises(), paths),
        Outcome::Failed => Vec::new(),
    };
    for (link, lead) in paths.astray() {
        if all.iter().all(|lack| lack.path != link.path) {
            all.push(Lack {
                path: link.path.to_owned(),
                is_promised: false,
                target: Some(link.target.to_owned()),
                leads_out: lead == Lead::Outside,
            });
        }
    }
    all
}

/// The same of what a record tells of.
pub(in crate::store) fn lacking_in(config: &ConfigJson, record: &Record) -> Vec<Lack> {
    let outcome = record.head().outcome;
    lacking(config, outcome, &Paths::of(record.manifest()))
}

impl Lack {
    /// How a stage makes what can be published.
    pub(crate) fn help(&self) -> &'static str {
        match self.is_promised {
            true => "have the stage write it, or a relative link to another of its artifacts",
            false => {
                "have the stage write a copy, or a relative link to another of its artifacts, or remove the link when it ends"
            }
        }
    }
}

impl fmt::Display for Lack {
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
