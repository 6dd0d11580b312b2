//! Carrying results of a stage that remotes have from another context: reading what they say, fetching one context's results,
//! publishing these in the context here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::carry::publish;
use super::counters::count;
use super::state::RunState;
use crate::config::RRefId;
use crate::plan::{Code, Reading};
use crate::realize::decide::carry::{Carryable, MOST, carryable_of, may_carry};
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::lookup::remotes::{Notify, Remotes, RunRemote, newest_by};
use crate::realize::options::ReusePolicy;
use crate::realize::report::event::Event;
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::Taken;
use crate::store::remote::{Listed, Offers, RemoteView};
use crate::store::{Context, ReadComparison};
use crate::{Error, ErrorKind, Result};

/// Carries results of a remote to the context of a stage that would have to run. The caller holds its build lock, and no remote has
/// results from this context that would do. Returns the matcher's choice; `None` if the stage has to run.
pub(super) fn carry_fetched(
    run: &RunState<'_>,
    remotes: &Remotes,
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
) -> Result<Option<Taken>> {
    let reading = input.dref.node().reads();
    let Some(code) = input.dref.node().code() else {
        return Ok(None);
    };
    if !run.options.cut_off || reading == Reading::All || input.context.is_empty() {
        return Ok(None);
    }
    match decided(input, policy)? {
        Decision::Build { reason, .. } if is_free(policy, &reason) => {}
        _ => return Ok(None),
    }
    let notify: Notify<'_> = &|event| run.notify(event);
    for remote in remotes.in_use() {
        let Some(view) = remote.view(notify, input.store)? else {
            continue;
        };
        let mut offers = Offers::new(input.store)?;
        let Some(found) = find(input, code, policy, remote, notify, &view, &mut offers)? else {
            continue;
        };
        let rrefs: Vec<RRefId> = (found.results.iter())
            .map(|(realization, _)| realization.id.clone())
            .collect();
        let Some((_, left_out)) = remote.told(notify, offers.complete(&rrefs))? else {
            continue;
        };
        remote.failed_each(notify, &left_out);
        if !left_out.is_empty() {
            continue;
        }
        // They are for people, so that nothing depends on them.
        remote.told(notify, offers.fetch_code(&view, &rrefs))?;
        let Some(carried) = publish(input, &found)? else {
            continue;
        };
        run.notify(&Event::Carried {
            dref: input.dref.id(),
            rrefs: &carried.iter().collect::<Vec<_>>(),
            why: &found.why,
            remote: Some(&remote.name),
        });
        return Ok(match decided(input, policy)? {
            Decision::Take { taken, .. } => {
                count(&run.counters.carried);
                Some(taken)
            }
            // The matcher wants more than there was, or the stage takes more runs than it did.
            _ => None,
        });
    }
    Ok(None)
}

/// Whether results from elsewhere may count for a stage with this reason to run.
fn is_free(policy: ReusePolicy, reason: &Reason) -> bool {
    let is_new = matches!(reason, Reason::Missing) && policy != ReusePolicy::Forced;
    is_new || may_carry(policy, reason)
}

/// The decision on what is in the store now.
fn decided(input: &DecisionInput<'_>, policy: ReusePolicy) -> Result<Decision> {
    let snapshot = input.store.fresh_snapshot(input.dref.config_json())?;
    let source = CandidateSource::Snapshot(&snapshot);
    DecisionInput { source, ..*input }.decide(policy)
}

/// Finds results at a remote that count in the context here, by their records and those of what they were made from. Their small files are
/// fetched then.
fn find(
    input: &DecisionInput<'_>,
    code: &Code,
    policy: ReusePolicy,
    remote: &RunRemote,
    notify: Notify<'_>,
    view: &RemoteView,
    offers: &mut Offers<'_>,
) -> Result<Option<Carryable>> {
    let listed = from_other_contexts(input, code, view)?;
    if listed.is_empty() {
        return Ok(None);
    }
    let rrefs: Vec<&RRefId> = listed.iter().map(|listed| listed.rref).collect();
    let Some((_, left_out)) = remote.told(notify, offers.fetch(view, &rrefs))? else {
        return Ok(None);
    };
    remote.failed_each(notify, &left_out);
    let failed = RefCell::new(None);
    let record = |rref: &RRefId| match view.record(rref) {
        Ok(Some(record)) => Ok(Arc::new(record)),
        Ok(None) => Err(not_there(rref)),
        Err(error) => {
            let told = not_there(rref);
            failed.borrow_mut().get_or_insert(error);
            Err(told)
        }
    };
    let paths_are_artifacts = input.dref.node().reads() == Reading::Artifacts;
    let comparison = ReadComparison::new(input.store, paths_are_artifacts).asking(&record);
    let found = carryable_of(input, policy, offers.realizations()?, &comparison);
    if let Some(error) = failed.into_inner() {
        remote.told::<()>(notify, Err(error))?;
    }
    Ok(found)
}

fn not_there(rref: &RRefId) -> Error {
    Error::new(ErrorKind::Missing, format!("no record of {rref} is there"))
}

/// Returns the realizations at a remote that other contexts gave to today's code and that are not here, of the contexts with the newest.
fn from_other_contexts<'v>(
    input: &DecisionInput<'_>,
    code: &Code,
    view: &'v RemoteView,
) -> Result<Vec<Listed<'v>>> {
    let mut groups: HashMap<Context, (&str, Vec<Listed<'v>>)> = HashMap::new();
    for listed in view.listed_of(input.dref.id()) {
        let Some(newest) = newest_by(&listed, code) else {
            continue;
        };
        let context = listed.context();
        if context == *input.context || input.store.has(listed.rref)? {
            continue;
        }
        let group = groups.entry(context).or_default();
        group.0 = group.0.max(newest);
        group.1.push(listed);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    let newest = groups.into_iter().take(MOST);
    Ok(newest.flat_map(|(_, listed)| listed).collect())
}
