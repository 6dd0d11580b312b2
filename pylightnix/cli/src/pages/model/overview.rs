//! What a store has: its stages, what runs, what failed, what is stale.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

use super::runs::RunRow;
use super::{Query, Reader};
use crate::exit::CommandResult;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::{
    DiskUsage, FailedBuild, Outcome, RunFolder, RunningBuild, Statistics, Store,
};

/// Plans of more stages are not looked through for stale ones.
const MANY: usize = 2000;
/// The number of failures and runs that are shown.
const SHOWN: usize = 8;

/// The first page.
pub(crate) struct Overview {
    pub(crate) stages: Vec<StageRow>,
    pub(crate) running: Vec<RunningBuild>,
    /// Builds that failed, the newest first.
    pub(crate) failed: Vec<FailedBuild>,
    pub(crate) failures: usize,
    pub(crate) runs: Vec<RunRow>,
    /// How the plan of the newest run of each program stands.
    pub(crate) plans: Vec<Standing>,
    /// `None` in a large store, where it is measured on demand, and of chosen results.
    pub(crate) usage: Option<DiskUsage>,
    /// Whether it is of all results, and not of chosen ones.
    pub(crate) is_whole: bool,
    pub(crate) left_out: Vec<String>,
}

/// The derivations of a name.
pub(crate) struct StageRow {
    pub(crate) counts: Statistics,
    /// The disk space, if it is measured.
    pub(crate) disk: Option<u64>,
}

/// How the plan of a run stands today.
pub(crate) struct Standing {
    pub(crate) program: String,
    /// The run that left the plan, and when it began.
    pub(crate) run: String,
    pub(crate) begun: Timestamp,
    pub(crate) stages: usize,
    /// Stages whose results were made by other code than that of the run.
    pub(crate) stale: Vec<DRefId>,
    /// Stages without results.
    pub(crate) missing: Vec<DRefId>,
    /// Whether there are too many stages to look at.
    pub(crate) is_cut: bool,
}

impl Overview {
    pub(crate) fn read(reader: &Reader, query: &Query) -> CommandResult<Self> {
        if let Some(only) = reader.chosen() {
            return Overview::of_chosen(reader, only);
        }
        let store = &reader.store;
        let (counts, unread) = store.statistics("*")?;
        let usage = match query.first("usage").is_some() || !reader.is_large()? {
            true => Some(store.disk_usage()?),
            false => None,
        };
        let mut disk: BTreeMap<String, u64> = BTreeMap::new();
        for one in usage.iter().flat_map(DiskUsage::derivations) {
            *disk.entry(one.id.name().to_string()).or_default() += one.taken.disk;
        }
        let row = |counts: Statistics| StageRow {
            disk: usage
                .as_ref()
                .map(|_| disk.get(&counts.name).copied().unwrap_or_default()),
            counts,
        };
        let mut stages: Vec<StageRow> = counts.into_iter().map(row).collect();
        sort(&mut stages, query.first("sort").unwrap_or("newest"));
        let mut failed = store.failed_builds()?;
        failed.reverse();
        let failures = failed.len();
        failed.truncate(SHOWN);
        let runs = store.runs()?;
        Ok(Overview {
            stages,
            running: store.running()?,
            failed,
            failures,
            plans: plans(store, &runs)?,
            runs: runs
                .iter()
                .take(SHOWN)
                .filter_map(|run| reader.row_of(run).ok())
                .collect(),
            usage,
            is_whole: true,
            left_out: unread
                .iter()
                .map(|unread| unread.error.to_string())
                .collect(),
        })
    }
}

impl Overview {
    /// Of chosen realizations, without what the program of the store does now.
    fn of_chosen(reader: &Reader, only: &BTreeSet<RRefId>) -> CommandResult<Self> {
        let mut named: BTreeMap<&str, Statistics> = BTreeMap::new();
        let mut left_out = Vec::new();
        let mut drefs = BTreeSet::new();
        for rref in only {
            let found = match reader.store.realization(rref) {
                Ok(found) => found,
                Err(error) => {
                    left_out.push(error.to_string());
                    continue;
                }
            };
            let counts = named.entry(rref.name().as_str()).or_default();
            counts.name = rref.name().to_string();
            counts.derivations += usize::from(drefs.insert(rref.dref()));
            counts.realizations += 1;
            counts.failures += usize::from(found.outcome == Outcome::Failed);
            counts.builds += found.build_count();
            counts.build_seconds += found.build_seconds().unwrap_or_default();
            counts.newest = counts.newest.max(found.last_built());
        }
        let row = |counts| StageRow { counts, disk: None };
        let mut stages: Vec<StageRow> = named.into_values().map(row).collect();
        sort(&mut stages, "newest");
        Ok(Overview {
            stages,
            running: Vec::new(),
            failed: Vec::new(),
            failures: 0,
            runs: RunRow::all(reader)?,
            plans: Vec::new(),
            usage: None,
            is_whole: false,
            left_out,
        })
    }
}

fn sort(stages: &mut [StageRow], by: &str) {
    stages.sort_by(|one, other| one.counts.name.cmp(&other.counts.name));
    match by {
        "newest" => stages.sort_by_key(|one| std::cmp::Reverse(one.counts.newest)),
        "realizations" => {
            stages.sort_by_key(|one| std::cmp::Reverse(one.counts.realizations));
        }
        "time" => stages.sort_by(|one, other| {
            other
                .counts
                .build_seconds
                .total_cmp(&one.counts.build_seconds)
        }),
        "disk" => stages.sort_by_key(|one| std::cmp::Reverse(one.disk)),
        _ => {}
    }
}

/// Returns how the plan of the newest run of each program stands.
fn plans(store: &Store, runs: &[RunFolder]) -> CommandResult<Vec<Standing>> {
    let mut programs = BTreeSet::new();
    let mut plans = Vec::new();
    for run in runs {
        // A run whose record cannot be read says nothing.
        let Ok(record) = run.record() else { continue };
        if !programs.insert(record.program.clone()) {
            continue;
        }
        let planned = run.events_of("planned").unwrap_or_default();
        let stages = planned
            .iter()
            .filter_map(|event| event["stages"].as_array());
        let stages: Vec<_> = stages.flatten().collect();
        let mut standing = Standing {
            program: record.program,
            run: run.id().to_string(),
            begun: record.begun,
            stages: stages.len(),
            stale: Vec::new(),
            missing: Vec::new(),
            is_cut: stages.len() > MANY,
        };
        for stage in stages.into_iter().take(MANY) {
            let dref = stage["dref"].as_str().and_then(|dref| dref.parse().ok());
            let Some(dref): Option<DRefId> = dref else {
                continue;
            };
            let found = store.realizations_of(&dref).unwrap_or_default();
            let code = stage["code"].as_str();
            let is_by_it = |one: &pylightnix::store::Realization| {
                let mut builds = one.builds().iter();
                builds.any(|build| build.fingerprint.as_deref() == code)
            };
            match found.is_empty() {
                true => standing.missing.push(dref),
                false if code.is_some() && !found.iter().any(is_by_it) => standing.stale.push(dref),
                false => {}
            }
        }
        plans.push(standing);
    }
    Ok(plans)
}
