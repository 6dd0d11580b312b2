//! Emits the events of a run through the crate [`tracing`].

use tracing::{debug, error, info, trace, warn};

use super::event::Event;

/// The target of these events.
const RUN: &str = "pylightnix::run";

/// Emits the event to the subscribers of `tracing`.
pub(in crate::realize) fn say(event: &Event<'_>) {
    match event {
        Event::Begun { stages, .. } => debug!(target: RUN, stages, "the run begins"),
        Event::Building {
            dref, runs, reason, ..
        } => {
            info!(target: RUN, %dref, runs, %reason, "a stage has to run");
        }
        Event::Queued { dref } => debug!(target: RUN, %dref, "a stage waits for what it needs"),
        Event::MemoryLimited { guard } => {
            debug!(target: RUN, guard = guard.name(), "memory is limited")
        }
        Event::Waiting { dref } => {
            info!(target: RUN, %dref, "another process or thread builds the same stage");
        }
        Event::Tasks {
            queued,
            reasons,
            running,
            hosts,
        } => debug!(target: RUN, queued, ?reasons, running, ?hosts, "tasks of the run"),
        Event::Started { dref, index } => debug!(target: RUN, %dref, index, "a stage starts"),
        Event::Attempt { dref, index, log } => {
            debug!(target: RUN, %dref, index, log = %log.display(), "its log");
        }
        Event::Recorded {
            dref,
            index,
            name,
            step,
            value,
        } => trace!(target: RUN, %dref, index, name, step, value, "a number of a series"),
        Event::Retrying {
            dref,
            index,
            attempt,
            left,
            wait,
            error,
        } => {
            warn!(target: RUN, %dref, index, attempt, left, ?wait, %error, "a stage is tried again");
        }
        Event::EarlierResults { results } => {
            let (stages, took) = (results.stages, results.took);
            warn!(target: RUN, stages, ?took, "results of an earlier version are not known to be current");
        }
        Event::AheadOfClock { rref, ended } => {
            warn!(target: RUN, %rref, %ended, "a build record lies ahead of this machine's clock");
        }
        Event::Overdue { dref, index, error } => {
            warn!(target: RUN, %dref, index, %error, "a stage does not stop");
        }
        Event::Published {
            rref,
            index,
            new,
            seconds,
        } => info!(target: RUN, %rref, index, new, seconds, "a result is published"),
        Event::FailureRecorded {
            rref,
            index,
            new,
            seconds,
            text,
        } => warn!(target: RUN, %rref, index, new, seconds, text, "a failure is a result"),
        Event::RunFailed {
            dref,
            index,
            kept,
            error,
        } => {
            let kept = kept.map(|folder| folder.display().to_string());
            debug!(target: RUN, %dref, index, kept, %error, "a run of a stage failed");
        }
        Event::Stopping { running } => warn!(target: RUN, running, "the run was cancelled"),
        Event::Cancelled { dref, error } => {
            warn!(target: RUN, %dref, %error, "a stage was stopped")
        }
        Event::Failed { dref, error } => error!(target: RUN, %dref, %error, "a stage failed"),
        Event::Carried {
            dref, why, remote, ..
        } => info!(target: RUN, %dref, %why, remote, "a result is carried"),
        Event::Fetched {
            dref,
            remote,
            bytes,
            ..
        } => info!(target: RUN, %dref, remote, bytes, "a result is taken from a remote"),
        Event::RemoteFailed {
            remote,
            error,
            is_out,
        } => warn!(target: RUN, remote, %error, is_out, "a remote failed"),
        Event::OtherCode {
            dref,
            remote,
            results,
            why,
        } => info!(target: RUN, %dref, remote, results, why, "a remote has results by other code"),
        // The handle itself emits it.
        Event::LookedLate { .. } => {}
        // Not emitted, because there are too many of them.
        Event::Left { .. } | Event::Progress { .. } | Event::Chosen { .. } => {}
    }
}
