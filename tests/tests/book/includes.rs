//! Every include refers to existing text.

use std::fs;
use std::path::PathBuf;

use crate::check::Source;

/// `{{#include <path>:<anchor>}}`
pub(crate) struct Include {
    pub(crate) path: PathBuf,
    anchor: Option<String>,
}

impl Include {
    /// Parses the text between `{{#` and `}}`.
    pub(crate) fn parse(inside: &str, source: &Source) -> Option<Self> {
        let target = inside.strip_prefix("include ")?.trim();
        let (path, anchor) = match target.split_once(':') {
            Some((path, anchor)) => (path, Some(anchor.to_owned())),
            None => (target, None),
        };
        Some(Include {
            path: source.folder.join(path),
            anchor,
        })
    }

    /// Returns the included text, or the fault.
    fn text(&self) -> Result<String, String> {
        let text =
            fs::read_to_string(&self.path).map_err(|_| "there is no such file".to_owned())?;
        let Some(anchor) = &self.anchor else {
            return Ok(text);
        };
        // Line numbers are refused: they change when a file is edited, and no check would detect it.
        if !anchor.starts_with(|first: char| first.is_ascii_alphabetic()) || anchor.contains(':') {
            return Err(format!("`{anchor}` is not the name of an anchor"));
        }
        let begin = only_line(&text, &format!("ANCHOR: {anchor}"))?;
        let end = only_line(&text, &format!("ANCHOR_END: {anchor}"))?;
        let inside = text
            .lines()
            .take(end)
            .skip(begin + 1)
            .filter(|line| !line.contains("ANCHOR"));
        Ok(inside.collect::<Vec<_>>().join("\n"))
    }
}

/// Returns the number of the only line that ends with `mark`.
fn only_line(text: &str, mark: &str) -> Result<usize, String> {
    let found: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_end().ends_with(mark))
        .map(|(at, _)| at)
        .collect();
    match found[..] {
        [at] => Ok(at),
        [] => Err(format!("it has no `{mark}`")),
        _ => Err(format!("it has {} times `{mark}`", found.len())),
    }
}

pub(crate) fn faults(source: &Source, faults: &mut Vec<String>) {
    for part in source.text.split("{{#").skip(1) {
        let inside = part.split("}}").next().unwrap_or(part);
        let name = &source.name;
        let Some(include) = Include::parse(inside, source) else {
            faults.push(format!(
                "{name}: `{{{{#{}` is not `{{{{#include <path>}}}}`",
                inside.lines().next().unwrap_or("")
            ));
            continue;
        };
        match include.text() {
            Ok(text) if text.trim().is_empty() => {
                faults.push(format!("{name}: {inside}: is empty"))
            }
            Ok(_) => {}
            Err(why) => faults.push(format!("{name}: {inside}: {why}")),
        }
    }
}
