//! A build that another process makes and publishes: this one waits, and decides again by what is in the store.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::build::{begin, taken_of};
use super::counters::count;
use super::state::RunState;
use crate::realize::decide::context::recorded_choices;
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::failure::errors::{matcher_refused, task_cancelled};
use crate::realize::options::ReusePolicy;
use crate::realize::orders::counts::TaskCounts;
use crate::realize::orders::dispatch::{Dispatcher, RunInput};
use crate::realize::orders::executor::Needs;
use crate::realize::orders::order::{OrderedBuild, OrderedBy};
use crate::realize::orders::said::Said;
use crate::realize::orders::ticket::{News, Ticket, TicketEnd};
use crate::realize::processes::terms::StageTerms;
use crate::realize::report::event::Event;
use crate::realize::report::taken::Taken;
use crate::realize::{decide::runs::DueRuns, options::Realize};
use crate::store::note_told;
use crate::{Error, ErrorKind, Result};

/// How often a build is asked for whose task was lost.
const TIMES: usize = 4;

/// How long results may take to become visible on this machine.
const VISIBLE: Duration = Duration::from_secs(30);

/// What became of a build.
pub(in crate::realize) enum Elsewhere {
    /// The matcher's choice, and whether anything ran.
    Taken(Taken, bool),
    /// The run stops, and it was not begun.
    NotBegun,
}

/// Has the missing realizations built by a task.
pub(in crate::realize) fn build_elsewhere(
    run: &RunState<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
    dispatcher: &Dispatcher,
) -> Result<Elsewhere> {
    let dref = input.dref.id();
    let store = input.store;
    let snapshot = store.fresh_snapshot(input.dref.config_json())?;
    store.ensure_durable(&[(dref, &snapshot)])?;
    let again = DecisionInput {
        source: CandidateSource::Snapshot(&snapshot),
        ..*input
    };
    let (due, reason) = match again.decide(policy)? {
        Decision::Take { taken, .. } => {
            count(&run.counters.reused);
            return Ok(Elsewhere::Taken(taken, false));
        }
        Decision::Never(why) => return Err(matcher_refused(input.titled(), &why)),
        Decision::Build { due, reason } => (due, reason),
    };
    begin(run, at, input, &due, &reason)?;
    let usual = store.usual_time(dref)?;
    let mut is_alone = false;
    for time in 1.. {
        run.notify(&Event::Queued { dref });
        let order = ordered(run, at, input, &due);
        let needs = needs(input);
        let mut ticket = Ticket::new(order, needs, at, usual);
        ticket.is_alone = is_alone;
        ticket.was_lost = time > 1;
        let ticket = dispatcher.order(|| run_input(run.options), ticket)?;
        match wait(run, input, dispatcher, &ticket)? {
            TicketOutcome::Made => {}
            TicketOutcome::Withdrawn => return Ok(Elsewhere::NotBegun),
            TicketOutcome::Lost(how) => {
                if is_there(input, &due)? {
                    break;
                }
                if time == TIMES {
                    return Err(lost(input, &how));
                }
                // It may be what its task died of.
                is_alone |= ticket.is_begun();
                continue;
            }
        }
        let begun = Instant::now();
        while !is_there(input, &due)? && begun.elapsed() < VISIBLE {
            sleep(Duration::from_millis(200));
        }
        break;
    }
    chosen(input, &due).map(|taken| Elsewhere::Taken(taken, true))
}

/// Returns the choice among all results, those of the build included.
fn chosen(input: &DecisionInput<'_>, due: &DueRuns) -> Result<Taken> {
    let with_those = DecisionInput {
        source: CandidateSource::Disk,
        ..*input
    };
    let chosen = with_those.decide(ReusePolicy::Made)?;
    taken_of(input, chosen, due.len(), |there| due.len().min(there))
}

/// Whether all these runs are in the store.
fn is_there(input: &DecisionInput<'_>, due: &DueRuns) -> Result<bool> {
    let now = DecisionInput {
        source: CandidateSource::Disk,
        ..*input
    };
    Ok(now.missing_of(due)?.is_empty())
}

/// How a build ended that was handed over.
enum TicketOutcome {
    Made,
    Lost(String),
    Withdrawn,
}

/// Waits for the end of a build, and tells observers what its task says.
fn wait(
    run: &RunState<'_>,
    input: &DecisionInput<'_>,
    dispatcher: &Dispatcher,
    ticket: &Ticket,
) -> Result<TicketOutcome> {
    loop {
        match dispatcher.wait(ticket) {
            News::Said(Said::Made) => return Ok(TicketOutcome::Made),
            News::Said(Said::Failed(error)) => {
                return Err(error.into_ours());
            }
            News::Said(said) => tell(run, input, said),
            News::Tasks(counts) => tell_tasks(run, &counts),
            News::Ended(TicketEnd::Lost(how)) => return Ok(TicketOutcome::Lost(how)),
            News::Ended(TicketEnd::Refused(error)) => return Err(error),
            News::Ended(TicketEnd::Withdrawn) => return Ok(TicketOutcome::Withdrawn),
            News::Ended(TicketEnd::Cancelled) => return Err(task_cancelled(input.titled())),
        }
    }
}

/// Tells observers what a task says.
fn tell(run: &RunState<'_>, input: &DecisionInput<'_>, said: Said) {
    let dref = input.dref.id();
    match said {
        Said::Started { index } => run.notify(&Event::Started { dref, index }),
        Said::Attempt { index, log } => {
            count(&run.counters.runs);
            let log = &*log;
            run.notify(&Event::Attempt { dref, index, log });
        }
        Said::Retrying {
            index,
            attempt,
            left,
            wait,
            error,
        } => {
            let error = error.into_ours();
            run.notify(&Event::Retrying {
                dref,
                index,
                attempt,
                left,
                wait,
                error: &error,
            });
        }
        Said::Published {
            rref,
            index,
            new,
            seconds,
        } => {
            if !new {
                count(&run.counters.repeated);
            }
            run.notify(&Event::Published {
                rref: &rref,
                index,
                new,
                seconds,
            });
        }
        Said::FailureRecorded {
            rref,
            index,
            new,
            seconds,
            text,
        } => run.notify(&Event::FailureRecorded {
            rref: &rref,
            index,
            new,
            seconds,
            text: &text,
        }),
        Said::RunFailed { index, error } => {
            let error = error.into_ours();
            if let Some(kept) = error.path() {
                note_told(kept);
            }
            run.notify(&Event::RunFailed {
                dref,
                index,
                kept: error.path(),
                error: &error,
            });
        }
        Said::Made | Said::Failed(_) | Said::Refused(_) => {}
    }
}

/// Tells observers how many tasks wait and run.
fn tell_tasks(run: &RunState<'_>, counts: &TaskCounts) {
    let reasons: Vec<&str> = counts.reasons.iter().map(String::as_str).collect();
    let hosts: Vec<&str> = counts.hosts.iter().map(String::as_str).collect();
    run.notify(&Event::Tasks {
        queued: counts.queued,
        reasons: &reasons,
        running: counts.running,
        hosts: &hosts,
    });
}

fn ordered(
    run: &RunState<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    due: &DueRuns,
) -> OrderedBuild {
    let retry = &run.options.retry;
    OrderedBuild {
        terms: StageTerms::new(input.dref, input.chosen),
        due: due.clone(),
        choices: recorded_choices(run.graph, at, |dep| run.choices.taken(dep)),
        retries: retry.retries(input.dref),
        timeout: retry.timeout(input.dref),
        params: run.options.params.of(input.dref.id()),
    }
}

fn needs(input: &DecisionInput<'_>) -> Needs {
    let limits = input.dref.node().limits();
    Needs {
        threads: limits.threads,
        memory: limits.memory,
        resources: limits.resources.clone(),
    }
}

fn run_input(options: &Realize<'_>) -> RunInput {
    let retry = &options.retry;
    RunInput {
        store: options.store.clone(),
        common: OrderedBy {
            only_sealed: options.only_sealed,
            trust: options.trusting().map(|trusting| trusting.trust.clone()),
            ..OrderedBy::this(&options.store, retry.wait, retry.grace, options.all_sealed)
        },
        folder: options.run_folder.clone(),
    }
}

fn lost(input: &DecisionInput<'_>, how: &str) -> Error {
    let said = match how {
        "" => String::new(),
        how => format!(", the last with the words: {how}"),
    };
    let message = format!(
        "the tasks that should build stage `{}` ended {TIMES} times without a result{said}",
        input.titled()
    );
    Error::new(ErrorKind::Stage, message)
        .with_help("what they printed is beside their orders, in the folder of the run")
}
