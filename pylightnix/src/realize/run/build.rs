//! Building a stage: the build lock, the decision under the lock, the runs, and the choice among their results.

use std::sync::Arc;

use super::counters::count;
use super::runs::BuildRuns;
use super::state::RunState;
use crate::realize::decide::arguments;
use crate::realize::decide::context::recorded_choices;
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::decide::runs::DueRuns;
use crate::realize::execute::Work;
use crate::realize::failure::errors::{matcher_refused, not_begun, too_few};
use crate::realize::options::ReusePolicy;
use crate::realize::report::event::{Brief, Event};
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::Taken;
use crate::store::{BuildLock, BuildMark, PublishedRun, Uncommitted};
use crate::{Error, ErrorKind, Result};

/// Builds the missing realizations under the build lock. Returns the matcher's choice, and whether anything ran.
pub(in crate::realize) fn build(
    run: &RunState<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
) -> Result<(Taken, bool)> {
    let dref = input.dref.id();
    let store = input.store;
    let lock = lock(run, input)?;
    // Another process may have built it while this one waited for the lock.
    let snapshot = store.fresh_snapshot(input.dref.config_json())?;
    store.ensure_durable(&[(dref, &snapshot)])?;
    let again = DecisionInput {
        source: CandidateSource::Snapshot(&snapshot),
        ..*input
    };
    let (due, reason) = match again.decide(policy)? {
        Decision::Take { taken, over } => {
            store.mark_ended(dref, &over)?;
            count(&run.counters.reused);
            return Ok((taken, false));
        }
        Decision::Never(why) => return Err(matcher_refused(input.titled(), &why)),
        Decision::Build { due, reason } => (due, reason),
    };
    let more = due.len();
    begin(run, at, input, &due, &reason)?;
    let mut marks = due.ends.clone();
    if more > 1 {
        marks.push(mark(input, &due)?);
    }
    // If a run fails or this process dies, the marks stay, and the next build makes the missing runs.
    let made = run_all(run, at, input, &due)?;
    store.mark_ended(dref, &marks)?;
    let new = made.iter().filter(|made| made.published.new).count();
    let published: Option<Vec<_>> = made.into_iter().map(|made| made.realization).collect();
    let with_those = DecisionInput {
        source: match &published {
            Some(published) => CandidateSource::SnapshotAndNew(&snapshot, published),
            None => CandidateSource::Disk,
        },
        ..*input
    };
    let chosen = with_those.decide(ReusePolicy::Made)?;
    drop(lock);
    Ok((taken_of(input, chosen, more, |_| new)?, true))
}

/// Begins a build, here or elsewhere: checks what it needs, tells observers, and keeps the text of the code.
pub(super) fn begin(
    run: &RunState<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    due: &DueRuns,
    reason: &Reason,
) -> Result<()> {
    arguments::check_one(run.options, input.dref)?;
    run.configs.check(run.graph, at)?;
    run.options.fetch_for(input)?;
    count(&run.counters.built);
    run.notify_left();
    let find = || run.brief(at, reason);
    run.notify(&Event::Building {
        dref: input.dref.id(),
        runs: due.len(),
        reason,
        why: &Brief::new(&find),
    });
    Uncommitted::ask();
    match input.dref.node().code() {
        Some(code) => code.save(input.store),
        None => Ok(()),
    }
}

/// Returns what was chosen after a build of `more` runs. `new` returns how many results it made, of as many as there are.
pub(super) fn taken_of(
    input: &DecisionInput<'_>,
    chosen: Decision,
    more: usize,
    new: impl FnOnce(usize) -> usize,
) -> Result<Taken> {
    match chosen {
        Decision::Take { taken, .. } => Ok(taken),
        Decision::Never(why) => Err(matcher_refused(input.titled(), &why)),
        Decision::Build { due: missing, .. } => {
            let all = input.store.candidates(input.dref.id(), input.context)?;
            let there: Vec<_> = all
                .iter()
                .map(|realization| format!("\n{}", realization.id))
                .collect();
            Err(too_few(
                input.titled(),
                more,
                new(all.len()),
                &there.concat(),
                missing.len(),
            ))
        }
    }
}

/// Takes the build lock of a stage.
pub(in crate::realize) fn lock(run: &RunState<'_>, input: &DecisionInput<'_>) -> Result<BuildLock> {
    let (store, dref) = (input.store, input.dref.id());
    let on_wait = &mut || run.notify(&Event::Waiting { dref });
    if run.options.cancel.is_none() {
        return store.lock_build(dref, input.context, on_wait);
    }
    let go_on = || !run.watchdog.is_cancelled();
    let lock = store.lock_build_while(dref, input.context, on_wait, &go_on)?;
    lock.ok_or_else(|| not_begun(input.titled()))
}

/// Marks these runs as begun, and returns the name of the mark.
pub(in crate::realize) fn mark(input: &DecisionInput<'_>, due: &DueRuns) -> Result<String> {
    let node = input.dref.node();
    let begun = BuildMark {
        name: String::new(),
        fingerprint: node.code().map(|code| code.fingerprint().to_owned()),
        omitted: node.omitted().clone(),
        first: due.at(0),
        of: due.of,
        nouts: node.nouts(),
    };
    let dref = input.dref.id();
    input.store.mark_begun(dref, input.context, &begun)
}

/// Makes all runs, and returns what they published, or the first failure. Results that other runs published stay in the
/// store.
fn run_all<'a>(
    state: &RunState<'a>,
    at: usize,
    input: &DecisionInput<'_>,
    due: &DueRuns,
) -> Result<Vec<PublishedRun>> {
    let choices = recorded_choices(state.graph, at, |dep| state.choices.taken(dep));
    let indices: Vec<usize> = (0..due.len()).map(|place| due.at(place)).collect();
    let count = indices.len();
    let runs = BuildRuns::new(state.options, state.graph, at, input, indices, due.of);
    let runs = runs.of_run(
        &state.counters,
        &state.watchdog,
        &state.units,
        &state.progress,
        choices,
    );
    let runs = Arc::new(runs);
    if count > 1 {
        let shared: Arc<dyn Work + 'a> = runs.clone();
        state.scheduler.share(&shared);
    }
    // This thread makes runs too, so that there is progress even if all other threads wait for other processes.
    runs.make(&|| false);
    while !runs.is_over() {
        runs.wait();
    }
    let mut all = Vec::with_capacity(count);
    let mut failures = Vec::new();
    for run in runs.take_ended() {
        match run {
            Ok(made) => all.push(made),
            Err(error) => failures.push(error),
        }
    }
    // The error of a run that was stopped says more than that of a run that did not begin.
    let not_begun =
        |error: &Error| error.kind() == ErrorKind::Cancelled && error.causes().next().is_none();
    failures.sort_by_key(not_begun);
    match failures.into_iter().next() {
        None => Ok(all),
        Some(error) => Err(error),
    }
}
