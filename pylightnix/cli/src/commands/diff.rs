//! `diff`: what differs between two realizations.

use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};

/// Show the differences between two realizations
///
/// Use it when two results of a stage differ. Compares the fields of their configs, what they were made from, and their
/// artifacts, by the hashes in the records. `--contents` also finds the first byte that differs in each file. The exit
/// status is 1 if anything differs.
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
    /// Find where each file begins to differ
    #[arg(long, short)]
    contents: bool,
}

impl Diff {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let (old, new) = (
            session.realization(&self.old)?,
            session.realization(&self.new)?,
        );
        let mut diff = session.store()?.diff(&old, &new)?;
        if self.contents {
            diff.read_contents()?;
        }
        session.print(&diff, |diff, out| {
            for line in diff.to_string().lines() {
                let shown = session.shortened(line);
                writeln!(out, "{}", session.paint(color_of(line), shown))?;
            }
            Ok(())
        })?;
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
