//! `diff`: what differs between two realizations.

use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::exit::{Done, Exit};
use crate::session::{Session, style};
use pylightnix::config::RRefId;
use pylightnix::store::{EntryKind, FileChange};

/// Say what differs between two realizations
///
/// When two results of a stage are not the same: the fields of their configs, what they were made from, and their artifacts,
/// by the hashes in the records. `--contents` reads files that differ to the place where they begin to. Ends with 1 if
/// anything differs.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `train` against the one before it\n  pylightnix diff train@2 train"
)]
pub(crate) struct Diff {
    /// The old one: a name, or the beginning of a reference
    #[arg(value_name = "OLD", add = complete::references())]
    old: String,
    /// The new one
    #[arg(value_name = "NEW", add = complete::references())]
    new: String,
    /// Say where files begin to differ
    #[arg(long, short)]
    contents: bool,
}

/// For programs.
#[derive(Serialize)]
struct Answer {
    old: RRefId,
    new: RRefId,
    fields: Vec<FieldRow>,
    outcomes: (String, String),
    only_old: Vec<RRefId>,
    only_new: Vec<RRefId>,
    files: Vec<FileRow>,
}

#[derive(Serialize)]
struct FieldRow {
    path: String,
    old: Option<serde_json::Value>,
    new: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct FileRow {
    path: String,
    old: Option<&'static str>,
    new: Option<&'static str>,
    old_bytes: Option<u64>,
    new_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Place>,
}

#[derive(Serialize)]
struct Place {
    offset: u64,
    line: Option<u64>,
}

impl Diff {
    pub(crate) fn run(self, session: &Session) -> Done {
        let (old, new) = (
            session.realization(&self.old)?,
            session.realization(&self.new)?,
        );
        let diff = session.store()?.diff(&old, &new)?;
        let is_file = |kind: &Option<EntryKind>| matches!(kind, Some(EntryKind::File { .. }));
        let mut files = Vec::new();
        for change in &diff.files {
            let place = match self.contents && is_file(&change.old) && is_file(&change.new) {
                true => diff.first_difference(&change.path)?,
                false => None,
            };
            files.push((change, place));
        }
        if session.json() {
            let value = |text: &Option<String>| {
                text.as_ref()
                    .and_then(|text| serde_json::from_str(text).ok())
            };
            let fields = diff.fields.iter().map(|field| FieldRow {
                path: field.path.clone(),
                old: value(&field.old),
                new: value(&field.new),
            });
            let files = files.iter().map(|(change, place)| FileRow {
                path: change.path.clone(),
                old: change.old.as_ref().map(kind_of),
                new: change.new.as_ref().map(kind_of),
                old_bytes: change.old.as_ref().and_then(size_of),
                new_bytes: change.new.as_ref().and_then(size_of),
                first_difference: place.map(|place| Place {
                    offset: place.offset,
                    line: place.line,
                }),
            });
            session.print_json(&Answer {
                old,
                new,
                fields: fields.collect(),
                outcomes: (diff.outcomes.0.to_string(), diff.outcomes.1.to_string()),
                only_old: diff.only_old.clone(),
                only_new: diff.only_new.clone(),
                files: files.collect(),
            })?;
        } else {
            let mut out = session.out();
            // The files come last, and here with more.
            let text = diff.to_string();
            let before = text.lines().count() - diff.files.len();
            for line in text.lines().take(before) {
                let shown = session.shortened(line);
                writeln!(out, "{}", session.paint(color_of(line), shown))?;
            }
            for (change, place) in &files {
                let line: &FileChange = change;
                write!(out, "{}", session.paint(color_of(&line.to_string()), line))?;
                match place {
                    Some(place) => writeln!(out, ", {place}")?,
                    None => writeln!(out)?,
                }
            }
            out.flush()?;
        }
        Ok(if diff.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

fn color_of(line: &str) -> anstyle::Style {
    match line.as_bytes().first() {
        Some(b'-') => style::BAD,
        Some(b'+') => style::GOOD,
        _ => anstyle::Style::new(),
    }
}

fn kind_of(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Dir => "folder",
        EntryKind::File { .. } => "file",
        EntryKind::Link { .. } => "link",
    }
}

fn size_of(kind: &EntryKind) -> Option<u64> {
    match kind {
        EntryKind::File { size, .. } => Some(*size),
        _ => None,
    }
}
