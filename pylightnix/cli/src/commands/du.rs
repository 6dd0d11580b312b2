//! `du`: shows disk usage.

use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, short_dref, short_rref, size};
use pylightnix::store::{DiskSpace, DiskUsage, Referred, UsageOf};

/// Show the disk space that realizations use
///
/// Use it when the disk fills up. Without a reference, shows the whole store, with a line for each derivation and
/// the largest last. Looks at every file, which takes time in a large store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the space used by the newest `train` and everything that it was made from\n  pylightnix du train --closure"
)]
pub(crate) struct Du {
    /// Names, or beginnings of references
    #[arg(value_name = "REF", add = complete::references())]
    references: Vec<String>,
    /// Include everything that they were made from
    #[arg(long, short, requires = "references")]
    closure: bool,
    /// A line for each realization
    #[arg(long, short)]
    realizations: bool,
}

impl Du {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let mut rrefs = Vec::new();
        for word in &self.references {
            match session.refer(word)? {
                Referred::Derivation(dref) => rrefs.extend(store.rrefs_of(&dref)?),
                Referred::Realization(rref) | Referred::Artifact(rref, _) => rrefs.push(rref),
            }
        }
        if self.closure {
            for rref in std::mem::take(&mut rrefs) {
                rrefs.extend(store.closure(&rref)?);
            }
        }
        let usage = match self.references.is_empty() {
            true => store.disk_usage()?,
            false => store.disk_usage_of(&rrefs)?,
        };
        let mut derivations = usage.derivations();
        derivations
            .sort_by(|one, other| (one.taken.disk, &one.id).cmp(&(other.taken.disk, &other.id)));
        session.print(&usage, |usage, out| {
            let columns = [
                Column::right("ON DISK"),
                Column::right("FILES").optional(),
                Column::left("REFERENCE"),
                Column::left("NAME").shrinks(),
            ];
            let mut table = Table::new(session, columns);
            if self.realizations {
                let mut all: Vec<_> = usage.realizations.iter().collect();
                all.sort_by(|one, other| {
                    (one.taken.disk, &one.id).cmp(&(other.taken.disk, &other.id))
                });
                for UsageOf { id, taken, .. } in all {
                    table.row(cells(taken, short_rref(id), id.name().as_str()));
                }
            } else {
                for UsageOf { id, taken, .. } in &derivations {
                    table.row(cells(taken, short_dref(id), id.name().as_str()));
                }
            }
            for (name, taken) in &usage.others {
                table.row(cells(taken, String::new(), &format!("({name})")));
            }
            table.write(out)?;
            for error in &usage.refused {
                writeln!(out, "{} {error}", session.paint(style::BAD, "not counted:"))?;
            }
            writeln!(out, "{}", sum(usage, derivations.len()))?;
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

fn cells(taken: &DiskSpace, reference: String, name: &str) -> [Cell; 4] {
    [
        size(taken.disk).into(),
        taken.files.to_string().into(),
        Cell::styled(reference, style::REFERENCE),
        name.into(),
    ]
}

fn sum(usage: &DiskUsage, derivations: usize) -> String {
    let mut text = format!(
        "{}: {} of {}",
        size(usage.all.disk),
        count(usage.realizations.len(), "realization", "realizations"),
        count(derivations, "derivation", "derivations"),
    );
    if usage.saved.files > 0 {
        text += &format!(
            ", {} saved by {} shared files",
            size(usage.saved.disk),
            usage.saved.files
        );
    }
    text
}
