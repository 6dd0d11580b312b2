//! `tree`: lists the artifacts of a realization.

use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::text::size;
use crate::visible;
use pylightnix::config::RRefId;
use pylightnix::store::{Entry, EntryKind};

/// List the artifacts of a realization
///
/// Use it when you want to see the files of a result, their sizes and the targets of links. They are read from the record,
/// not from the disk.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: the files of the newest `train`\n  pylightnix tree train")]
pub(crate) struct Tree {
    /// A name, or the beginning of a reference
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer<'a> {
    rref: &'a RRefId,
    entries: &'a [Entry],
}

impl Tree {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let rref = session.realization(&self.reference)?;
        let record = session.store()?.record(&rref)?;
        let entries = record.manifest().entries();
        let answer = Answer {
            rref: &rref,
            entries,
        };
        session.print(&answer, |_, out| {
            writeln!(out, "{}", session.paint(style::REFERENCE, &rref))?;
            for line in drawn(entries) {
                let name = visible::line(line.name);
                let kind = match &line.entry.kind {
                    EntryKind::Dir => format!("{}/", session.paint(style::NAME, name)),
                    EntryKind::Link { target } => {
                        format!(
                            "{} {}",
                            name,
                            session
                                .paint(style::FAINT, format_args!("-> {}", visible::line(target)))
                        )
                    }
                    EntryKind::File {
                        size: bytes,
                        executable,
                        ..
                    } => {
                        let mark = if *executable { "*" } else { "" };
                        let size = size(*bytes);
                        format!("{name}{mark}  {}", session.paint(style::FAINT, size))
                    }
                    _ => name.to_string(),
                };
                writeln!(out, "{}{kind}", session.paint(style::FAINT, line.branch))?;
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

/// A line of the tree.
struct Line<'a> {
    branch: String,
    name: &'a str,
    entry: &'a Entry,
}

/// Draws the tree in lines, folders before their entries, sorted by name.
fn drawn(entries: &[Entry]) -> Vec<Line<'_>> {
    // Sorted by their parts, since by bytes `a.b` would come between `a` and `a/b`.
    let mut entries: Vec<(Vec<&str>, &Entry)> = entries
        .iter()
        .map(|entry| (entry.path.split('/').collect(), entry))
        .collect();
    entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let mut lines = Vec::with_capacity(entries.len());
    // Going backwards: whether another entry of the same folder follows at each depth.
    let mut below: Vec<bool> = Vec::new();
    for (parts, entry) in entries.iter().rev() {
        let depth = parts.len();
        below.resize(depth, false);
        let mut branch = String::new();
        for more in &below[..depth - 1] {
            branch.push_str(if *more { "│  " } else { "   " });
        }
        branch.push_str(if below[depth - 1] {
            "├─ "
        } else {
            "└─ "
        });
        below[depth - 1] = true;
        lines.push(Line {
            branch,
            name: parts[depth - 1],
            entry,
        });
    }
    lines.reverse();
    lines
}
