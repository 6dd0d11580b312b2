//! What the orders of runs name. Garbage collection keeps it until a run has ended, or until nothing was heard of it for long.

use serde::Deserialize;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{RunFolder, RunStanding};
use crate::Result;
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::RUN_ORDERS;
use crate::store::disk::regular;

/// What the orders of all runs name that have not ended.
#[derive(Debug, Default)]
pub(in crate::store) struct Ordered {
    /// The derivations that are to be built.
    pub(in crate::store) drefs: HashSet<DRefId>,
    /// The realizations from which.
    pub(in crate::store) rrefs: HashSet<RRefId>,
    /// The folders of the runs that were given up: their process is gone, and nothing was heard of their tasks for long.
    pub(in crate::store) abandoned: Vec<PathBuf>,
}

/// What is read here of an order.
#[derive(Deserialize)]
struct Order {
    builds: Vec<Build>,
}

#[derive(Deserialize)]
struct Build {
    terms: Terms,
}

#[derive(Deserialize)]
struct Terms {
    dref: DRefId,
    chosen: Vec<(DRefId, Vec<RRefId>)>,
}

impl Store {
    /// Reads what the orders of runs name that have not ended. An order that cannot be read names nothing: its task cannot read it
    /// either.
    pub(in crate::store) fn ordered(&self) -> Result<Ordered> {
        let mut ordered = Ordered::default();
        for run in self.runs()?.into_iter().filter(RunFolder::has_orders) {
            match run.standing()? {
                RunStanding::Ended => {}
                RunStanding::Killed if !run.may_have_tasks() => {
                    ordered.abandoned.push(run.path().to_owned());
                }
                _ => ordered.add(&run.path().join(RUN_ORDERS)),
            }
        }
        Ok(ordered)
    }
}

impl Ordered {
    fn add(&mut self, orders: &Path) {
        let batches = fs::read_dir(orders).into_iter().flatten().flatten();
        let files = batches.flat_map(|batch| fs::read_dir(batch.path()).into_iter().flatten());
        for path in files.flatten().map(|file| file.path()) {
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            let text = regular::read(&path).unwrap_or_default();
            let Ok(order) = serde_json::from_slice::<Order>(&text) else {
                continue;
            };
            for Build { terms } in order.builds {
                self.drefs.insert(terms.dref);
                self.rrefs
                    .extend(terms.chosen.into_iter().flat_map(|(_, rrefs)| rrefs));
            }
        }
    }
}
