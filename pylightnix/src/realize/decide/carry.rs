//! Finds results of a stage from another context that count in the present one, because all that their runs looked at is the
//! same there.
//!
//! All of them come from one context: the newest of those in which each run looked at the same. So a matcher chooses among what
//! it chose among there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use uuid::Uuid;

use crate::Result;
use crate::config::DRefId;
use crate::plan::Reading;
use crate::realize::decide::decision::{CandidateSource, DecisionInput};
use crate::realize::decide::staleness::{changed_default, is_current};
use crate::realize::options::ReusePolicy;
use crate::realize::report::carried::CarriedWhy;
use crate::realize::report::reason::Reason;
use crate::store::{
    BuildKind, BuildRecord, Clock, Context, ForeseenContext, Outcome, ReadComparison, Realization,
};

/// The maximum number of contexts that are compared with the present one.
pub(in crate::realize) const MOST: usize = 16;

/// Results from one context that count in the present one.
pub(in crate::realize) struct Carryable {
    /// Each realization, with the records by which it counts.
    pub(in crate::realize) results: Vec<(Realization, Vec<BuildRecord>)>,
    pub(in crate::realize) why: CarriedWhy,
}

/// Returns whether results from elsewhere may count for a stage with this reason to run: if the present context has none.
pub(in crate::realize) fn may_carry(policy: ReusePolicy, reason: &Reason) -> bool {
    let has_none = matches!(
        reason,
        Reason::ContextChanged | Reason::Stale(_) | Reason::Lacking
    );
    has_none && policy != ReusePolicy::Forced
}

/// Finds results that count in the present context. `unknown` are the dependencies whose realizations are not known yet; they
/// are taken to come out as before.
pub(in crate::realize) fn carryable(
    input: &DecisionInput<'_>,
    unknown: &BTreeSet<DRefId>,
    policy: ReusePolicy,
) -> Result<Option<Carryable>> {
    // What the stage says today holds for what its records say of before.
    let reading = input.dref.node().reads();
    if reading == Reading::All || input.context.is_empty() && unknown.is_empty() {
        return Ok(None);
    }
    let read;
    let snapshot = match input.source {
        CandidateSource::Snapshot(snapshot) | CandidateSource::SnapshotAndNew(snapshot, _) => {
            snapshot
        }
        CandidateSource::Index | CandidateSource::Disk => {
            read = input.store.snapshot(input.dref.config_json())?;
            &read
        }
    };
    let mut all = input
        .store
        .candidates_of_all_contexts(snapshot, input.dref.id())?;
    // The results of an incomplete build are not all.
    if snapshot.is_marked() {
        all.retain(|realization| snapshot.begun(&realization.context).is_empty());
    }
    let comparison = ReadComparison::new(input.store, reading == Reading::Artifacts);
    Ok(among(input, unknown, policy, all, &comparison))
}

/// Finds results that count in the present context among these, which are not in the store.
pub(in crate::realize) fn carryable_of(
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
    all: Vec<Realization>,
    comparison: &ReadComparison<'_>,
) -> Option<Carryable> {
    among(input, &BTreeSet::new(), policy, all, comparison)
}

fn among(
    input: &DecisionInput<'_>,
    unknown: &BTreeSet<DRefId>,
    policy: ReusePolicy,
    mut all: Vec<Realization>,
    comparison: &ReadComparison<'_>,
) -> Option<Carryable> {
    let takes_failures = input.dref.node().takes().failures() && policy != ReusePolicy::Retry;
    all.retain(|realization| {
        (realization.outcome == Outcome::Ok || takes_failures)
            && realization.context != *input.context
    });
    let new = ForeseenContext {
        context: input.context,
        unknown,
    };
    'contexts: for (old, realizations) in newest_first(input, all).into_iter().take(MOST) {
        let mut results = Vec::with_capacity(realizations.len());
        for realization in realizations {
            let Some(builds) = counting(input, realization.builds()) else {
                continue 'contexts;
            };
            let is_carried = |id: &Uuid| builds.iter().any(|build| build.id == *id);
            if input
                .trusting
                .is_some_and(|trusting| trusting.lacks_of(&realization, is_carried))
            {
                continue 'contexts;
            }
            if input.only_sealed && !builds.iter().any(|build| build.sealed) {
                continue 'contexts;
            }
            let mut reads = builds.iter().filter_map(|build| build.reads.as_ref());
            if !reads.all(|reads| comparison.are_same(reads, &old, new)) {
                continue 'contexts;
            }
            results.push((realization, builds));
        }
        let builds = results.iter().flat_map(|(_, builds)| builds);
        let reads = builds.filter_map(|build| build.reads.as_ref());
        let why = CarriedWhy::between(reads, &old, input.context, unknown);
        return Some(Carryable { results, why });
    }
    None
}

/// Groups the realizations that today's code made, or that were accepted for it, by context. The context with the newest of them
/// comes first.
fn newest_first(
    input: &DecisionInput<'_>,
    all: Vec<Realization>,
) -> Vec<(Context, Vec<Realization>)> {
    let Some(code) = input.dref.node().code() else {
        return Vec::new();
    };
    let clock = Clock::now();
    let mut places = HashMap::new();
    let mut groups: Vec<(Option<Timestamp>, Context, Vec<Realization>)> = Vec::new();
    for realization in all {
        let heads = realization.builds.heads();
        let current = heads.filter(|head| is_current(head, code, input.dref.node().omitted()));
        let Some(newest) = current.map(|head| head.ended(clock)).max() else {
            continue;
        };
        let context = realization.context.clone();
        let place = *places.entry(context.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((None, context, Vec::new()));
        }
        groups[place].0 = groups[place].0.max(newest);
        groups[place].2.push(realization);
    }
    groups.sort_by_key(|(newest, ..)| std::cmp::Reverse(*newest));
    let groups = groups.into_iter();
    groups.map(|(_, context, all)| (context, all)).collect()
}

/// Returns the records by which a realization counts: the runs of today's code and of code that was accepted for it, and the
/// acceptances. `None` if it is not known what one of those runs looked at, or if there is none.
fn counting(input: &DecisionInput<'_>, records: &[BuildRecord]) -> Option<Vec<BuildRecord>> {
    let node = input.dref.node();
    let mut counts = BTreeSet::from([node.code()?.fingerprint()]);
    let mut kept: BTreeMap<_, &BuildRecord> = BTreeMap::new();
    // Code may have been accepted for code that was accepted.
    loop {
        let before = kept.len();
        for record in records {
            let Some(fingerprint) = record.fingerprint.as_deref() else {
                continue;
            };
            let is_today = fingerprint == node.code()?.fingerprint();
            let has_defaults = changed_default(&record.omitted, node.omitted()).is_none();
            if !counts.contains(fingerprint) || (is_today && !has_defaults) {
                continue;
            }
            match record.kind {
                BuildKind::Build => _ = record.reads.as_ref()?,
                BuildKind::Accept => counts.extend(record.accepted.as_deref()),
                BuildKind::Import => continue,
            }
            kept.insert(record.id, record);
        }
        if kept.len() == before {
            break;
        }
    }
    let has_run = kept.values().any(|record| record.kind == BuildKind::Build);
    has_run.then(|| kept.into_values().cloned().collect())
}
