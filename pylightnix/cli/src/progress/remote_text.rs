//! What a run says of remotes.

use super::failures::cause;
use pylightnix::Error;
use pylightnix::internal::text::size;

/// Says what came for a stage.
pub(super) fn fetched(stage: &str, results: usize, remote: &str, bytes: u64) -> String {
    let results = match results {
        1 => String::new(),
        results => format!("{results} results "),
    };
    format!("fetch   {stage}: {results}from {remote}, {}", size(bytes))
}

/// Says that a remote failed, in one line.
pub(super) fn remote_failed(remote: &str, error: &Error, is_out: bool) -> String {
    let message = error.message();
    let cause = match cause(error) {
        cause if cause == message => String::new(),
        cause => format!(": {cause}"),
    };
    let out = match is_out {
        true => "; it is not asked again in this run",
        false => "",
    };
    format!("remote  {remote}: {message}{cause}{out}")
}

/// Says what a remote has that does not count.
pub(super) fn other_code(stage: &str, remote: &str, results: usize, why: &str) -> String {
    let plural = if results == 1 { "" } else { "s" };
    format!("remote  {stage}: {results} result{plural} at {remote}, by other code: {why}")
}
