//! The report at the end of a failed run.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::clean::visible;
use pylightnix::Error;
use pylightnix::internal::open_regular;

/// How many lines of each log are repeated; they are searched for in the last `BYTES` of it.
const LINES: usize = 10;
const BYTES: u64 = 8 << 10;

/// The maximum number of logs to repeat.
const LOGS: usize = 5;

/// Formats the error of a run for a person: what failed and why, then for each failed build the last lines of its log, and
/// the command that shows the whole log, which `more` returns for the kept folder: `|kept| format!("less {}/log",
/// kept.display())`. Lines that are already in the report are left out.
pub fn failure_report(error: &Error, more: impl Fn(&Path) -> String) -> String {
    format!("{error:?}{}", failure_logs(error, more))
}

/// Formats the part of [`failure_report`] with the logs.
pub(crate) fn failure_logs(error: &Error, more: impl Fn(&Path) -> String) -> String {
    let head = format!("{error:?}");
    let mut report = String::new();
    let errors = match error.parts() {
        [] => std::slice::from_ref(error),
        parts => parts,
    };
    let logs: Vec<_> = errors
        .iter()
        .filter_map(|error| Some((error, error.path()?)))
        .filter(|(_, kept)| kept.join("log").is_file())
        .collect();
    for (error, kept) in logs.iter().take(LOGS) {
        // The command is shown even if the log cannot be read here.
        let lines = last_lines(&kept.join("log")).unwrap_or_default();
        let is_new = |line: &String| !head.lines().any(|said| said.trim() == line.trim());
        if lines.iter().any(is_new) {
            report.push_str(&format!("\n\n{}; its log ends with\n", error.message()));
            for line in lines {
                report.push_str(&format!("  | {line}\n"));
            }
        } else {
            report.push_str(&format!("\n\n{}\n", error.message()));
        }
        report.push_str(&format!("  all of it: {}", more(kept)));
    }
    if logs.len() > LOGS {
        report.push_str(&format!("\n\n{} more have logs", logs.len() - LOGS));
    }
    report
}

/// Returns why a run failed that is tried again, without the name of its stage.
pub(super) fn cause(error: &Error) -> String {
    let nearest = error.causes().next();
    nearest.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Reads the last lines of a log, cleaned for printing.
fn last_lines(log: &Path) -> io::Result<Vec<String>> {
    let (mut file, length) = open_regular(log)?;
    let from = length.saturating_sub(BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may be incomplete.
    let skipped = usize::from(from > 0);
    let lines = text.trim_end().lines().skip(skipped);
    let lines: Vec<_> = lines.map(|line| visible(line, false)).collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].to_vec())
}
