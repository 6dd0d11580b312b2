//! What a run that failed ends with.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::clean::visible;
use pylightnix::Error;
use pylightnix::internal::open_regular;

/// How much of each log is repeated: so many lines, from so many bytes at its end.
const LINES: usize = 10;
const BYTES: u64 = 8 << 10;

/// How many logs are repeated.
const LOGS: usize = 5;

/// The report of a run's error for a person: what failed and why, then for each build that failed the last lines of its log,
/// and the command that shows all of it: `more` of the folder that is kept, `|kept| format!("less {}/log", kept.display())`.
/// Lines that the report has already are not repeated.
pub fn failure_report(error: &Error, more: impl Fn(&Path) -> String) -> String {
    format!("{error:?}{}", failure_logs(error, more))
}

/// The second part of that.
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
        // A log that cannot be read is there to be looked at all the same.
        let lines = last_lines(&kept.join("log")).unwrap_or_default();
        let is_new = |line: &String| !head.lines().any(|said| said.trim() == line.trim());
        if lines.iter().any(is_new) {
            report.push_str(&format!("\n\n{error}; its log ends with\n"));
            for line in lines {
                report.push_str(&format!("  | {line}\n"));
            }
        } else {
            report.push_str(&format!("\n\n{error}\n"));
        }
        report.push_str(&format!("  all of it: {}", more(kept)));
    }
    if logs.len() > LOGS {
        report.push_str(&format!("\n\n{} more have logs", logs.len() - LOGS));
    }
    report
}

/// The last lines of a log, fit to be printed.
fn last_lines(log: &Path) -> io::Result<Vec<String>> {
    let (mut file, length) = open_regular(log)?;
    let from = length.saturating_sub(BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // It may begin in the middle of a line.
    let skipped = usize::from(from > 0);
    let lines = text.trim_end().lines().skip(skipped);
    let lines: Vec<_> = lines.map(|line| visible(line, false)).collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].to_vec())
}
