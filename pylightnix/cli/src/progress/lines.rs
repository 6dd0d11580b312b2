//! Shows a run as plain lines, for logs and pipes.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clean::visible;
use super::failures::cause;
use super::remote_text::{fetched, other_code, remote_failed};
use super::state::{State, tasks_in_words};
use pylightnix::config::DRefId;
use pylightnix::internal::ahead;
use pylightnix::internal::text;
use pylightnix::realize::Event;

/// The interval between progress lines of one stage.
const PAUSE: Duration = Duration::from_secs(30);

/// Writes plain lines to standard error.
pub(super) struct Lines {
    state: Arc<State>,
    /// When the last progress line of each run of a stage was written, or when the run began.
    said: Mutex<HashMap<(DRefId, usize), Instant>>,
}

impl Lines {
    pub(super) fn begin(state: &Arc<State>) -> Self {
        pylightnix::trace::log_panics();
        Lines {
            state: state.clone(),
            said: Mutex::default(),
        }
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        if let Some(text) = self.text(event) {
            let time = text::clock(self.state.status().begun.elapsed());
            let lines = text.lines().map(|line| visible(line, false));
            let text: String = lines.map(|line| format!("{time:>7}  {line}\n")).collect();
            // In a single write, so that the output of stages cannot split it. A closed pipe does not stop the run.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    fn text(&self, event: &Event<'_>) -> Option<String> {
        let of = |dref: &DRefId, index: usize| self.state.called(dref, index);
        let stage = |dref: &DRefId| of(dref, 0);
        Some(match event {
            Event::EarlierResults { results, .. } => format!("note    {results}"),
            Event::MemoryLimited { guard, .. } => format!("note    {guard}"),
            Event::Building {
                dref, runs: 1, why, ..
            } => format!("build   {}: {why}", stage(dref)),
            Event::Building {
                dref, runs, why, ..
            } => {
                format!("build   {}, {runs} runs: {why}", stage(dref))
            }
            Event::Carried {
                dref, why, remote, ..
            } => {
                let from = remote.map(|remote| format!(", from {remote}"));
                let from = from.unwrap_or_default();
                format!("carry   {}: {}{from}", stage(dref), why.reason())
            }
            Event::Fetched {
                dref,
                rrefs,
                remote,
                bytes,
                ..
            } => fetched(&stage(dref), rrefs.len(), remote, *bytes),
            Event::RemoteFailed {
                remote,
                error,
                is_out,
                ..
            } => remote_failed(remote, error, *is_out),
            Event::OtherCode {
                dref,
                remote,
                results,
                why,
                ..
            } => other_code(&stage(dref), remote, *results, why),
            Event::Queued { dref, .. } => {
                format!("queue   {}: waits for resources", stage(dref))
            }
            Event::Waiting { dref, .. } => format!(
                "wait    {}: another process or thread is building it",
                stage(dref)
            ),
            Event::Tasks {
                queued,
                reasons,
                running,
                hosts,
                ..
            } => format!(
                "tasks   {}",
                tasks_in_words(*queued, reasons, *running, hosts)?
            ),
            Event::Started { dref, index, .. } => {
                self.is_time(dref, *index);
                return None;
            }
            Event::Progress {
                dref,
                index,
                done,
                total,
                ..
            } => {
                if !self.is_time(dref, *index) {
                    return None;
                }
                let far = match total {
                    Some(total) => {
                        format!("{}%", u128::from(*done) * 100 / u128::from((*total).max(1)))
                    }
                    None => done.to_string(),
                };
                format!("at      {}: {far}", of(dref, *index))
            }
            Event::Recorded {
                dref,
                index,
                name,
                step,
                value,
                ..
            } => {
                if !self.is_time(dref, *index) {
                    return None;
                }
                let value = text::number(*value);
                format!(
                    "at      {}: {name} {value} at step {step}",
                    of(dref, *index)
                )
            }
            Event::Retrying {
                dref,
                index,
                attempt,
                left,
                wait,
                error,
                ..
            } => {
                let cause = cause(error);
                format!(
                    "retry   {} in {}: try {attempt} failed, {left} left: {cause}",
                    of(dref, *index),
                    text::duration(*wait)
                )
            }
            Event::Overdue { error, .. } | Event::LookedLate { error, .. } => {
                format!("late    {error}")
            }
            Event::Published {
                rref,
                index,
                new,
                seconds,
                ..
            } => {
                let again = if *new { "" } else { ", as before" };
                let took = text::seconds(*seconds);
                format!("built   {} in {took}{again}", of(rref.dref(), *index))
            }
            Event::FailureRecorded {
                rref, index, text, ..
            } => {
                let first = text.lines().next().unwrap_or_default();
                format!(
                    "failed  {}, kept as its result: {first}",
                    of(rref.dref(), *index)
                )
            }
            Event::AheadOfClock { rref, ended, .. } => format!("note    {}", ahead(rref, *ended)),
            Event::Stopping { running, .. } => format!("stop    {running} running"),
            Event::Cancelled { dref, error, .. } => format!("stopped {}: {error}", stage(dref)),
            Event::Failed { dref, error, .. } => format!("failed  {}: {error}", stage(dref)),
            _ => return None,
        })
    }

    /// Returns whether the next progress line of a run of a stage is due.
    fn is_time(&self, dref: &DRefId, index: usize) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let key = (dref.clone(), index);
        if said.get(&key).is_some_and(|before| now - *before < PAUSE) {
            return false;
        }
        said.insert(key, now);
        true
    }
}
