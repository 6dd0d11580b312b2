//! Carrying results of a stage from another context: the build lock, the decision under the lock, publishing by links.

use std::collections::BTreeSet;

use super::build::{lock, mark};
use super::counters::count;
use super::state::RunState;
use crate::config::RRefId;
use crate::realize::decide::carry::{Carryable, carryable, may_carry};
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::decide::runs::DueRuns;
use crate::realize::options::ReusePolicy;
use crate::realize::report::event::Event;
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::Taken;
use crate::store::BuildRecord;
use crate::{Error, ErrorKind, Result};

/// Carries results to the context of a stage that would have to run, if there are any. Returns the matcher's choice; `None` if the
/// stage has to run.
pub(in crate::realize) fn carry(
    run: &RunState<'_>,
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
    reason: &Reason,
) -> Result<Option<Taken>> {
    let options = run.options;
    if !options.cut_off || !options.publishes || !may_carry(policy, reason) {
        return Ok(None);
    }
    let all_known = BTreeSet::new();
    // First without the lock: most stages that have to run have nothing to carry.
    if carryable(input, &all_known, policy)?.is_none() {
        return Ok(None);
    }
    let _lock = lock(run, input)?;
    let snapshot = input.store.fresh_snapshot(input.dref.config_json())?;
    let locked = DecisionInput {
        source: CandidateSource::Snapshot(&snapshot),
        ..*input
    };
    match locked.decide(policy)? {
        Decision::Build { reason, .. } if may_carry(policy, &reason) => {}
        // Another process made or carried it while this one waited.
        _ => return Ok(None),
    }
    let Some(found) = carryable(&locked, &all_known, policy)? else {
        return Ok(None);
    };
    let Some(carried) = publish(input, &found)? else {
        return Ok(None);
    };
    let snapshot = input.store.fresh_snapshot(input.dref.config_json())?;
    let then = DecisionInput {
        source: CandidateSource::Snapshot(&snapshot),
        ..*input
    };
    run.notify(&Event::Carried {
        dref: input.dref.id(),
        rrefs: &carried.iter().collect::<Vec<_>>(),
        why: &found.why,
        remote: None,
    });
    match then.decide(policy)? {
        Decision::Take { taken, .. } => {
            count(&run.counters.carried);
            Ok(Some(taken))
        }
        // The matcher wants more than there was, or the stage takes more runs than it did.
        _ => Ok(None),
    }
}

/// Publishes the results, which are in the store or are whole elsewhere, in the context of `input`. Returns `None` if one of them is damaged, so that the stage has to run.
pub(super) fn publish(input: &DecisionInput<'_>, found: &Carryable) -> Result<Option<Vec<RRefId>>> {
    let (store, dref) = (input.store, input.dref.id());
    let stubs = found.results.iter().map(|(realization, _)| realization);
    let stubs = stubs.filter(|realization| realization.is_stub());
    match store.fetch(stubs.map(|realization| &realization.id)) {
        Err(error) if is_of_the_source(&error) => return Ok(None),
        done => done?,
    }
    let builds = || found.results.iter().flat_map(|(_, builds)| builds);
    // If this process dies after the first of several, the mark lets the next run make the others.
    let of = builds().filter_map(|build| build.of).max().unwrap_or(1);
    let marked = match builds().count() > 1 {
        true => Some(mark(input, &DueRuns::all_of(of))?),
        false => None,
    };
    let mut carried = Vec::with_capacity(found.results.len());
    for (realization, builds) in &found.results {
        let builds: Vec<&BuildRecord> = builds.iter().collect();
        match store.carry(
            input.dref.config_json(),
            realization,
            input.context,
            &builds,
        ) {
            Ok(mut made) => {
                store.index_published(&mut made);
                carried.push(made.published.id);
            }
            Err(error) if is_of_the_source(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    store.mark_ended(dref, marked.as_slice())?;
    Ok(Some(carried))
}

/// Returns whether an error concerns the result to be carried, rather than the store.
fn is_of_the_source(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Store | ErrorKind::Missing)
}
