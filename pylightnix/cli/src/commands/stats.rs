//! `stats`: what a store did.

use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;

use crate::complete;
use crate::exit::{Done, Exit};
use crate::refer::age;
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, duration, local_time};
use jiff::Timestamp;
use pylightnix::store::{BuildKind, Outcome};

/// Count derivations, realizations, builds and the time that they took, by name
///
/// When you want to know what a store is full of, and where the time went: what took longest comes first.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what takes longest in the stages of `train`?\n  pylightnix stats 'train*'"
)]
pub(crate) struct Stats {
    /// Only these names, with `*` and `?`
    #[arg(value_name = "NAME", add = complete::names())]
    name: Option<String>,
}

/// What is known of a name, for programs.
#[derive(Serialize, Default)]
struct Row {
    name: String,
    derivations: usize,
    realizations: usize,
    /// Recorded failures among them.
    failures: usize,
    builds: usize,
    build_seconds: f64,
    newest: Option<String>,
    #[serde(skip)]
    time: Option<Timestamp>,
}

impl Stats {
    pub(crate) fn run(self, session: &Session) -> Done {
        let store = session.store()?;
        let drefs = match &self.name {
            Some(pattern) => store.drefs_named(pattern)?,
            None => store.drefs_where(|_| true)?,
        };
        let mut named: BTreeMap<String, Row> = BTreeMap::new();
        for (dref, found) in store.realizations_of_each(&drefs) {
            let row = named.entry(dref.name().to_string()).or_default();
            row.derivations += 1;
            for realization in found.into_iter().filter_map(|one| session.or_unread(one)) {
                row.realizations += 1;
                row.failures += usize::from(realization.outcome == Outcome::Failed);
                row.time = row.time.max(age(&realization));
                let builds = realization.builds.heads();
                for build in builds.filter(|build| build.kind == BuildKind::Build) {
                    row.builds += 1;
                    row.build_seconds += build.seconds;
                }
            }
        }
        store.remember();
        let mut rows: Vec<Row> = named
            .into_iter()
            .map(|(name, row)| Row {
                name,
                newest: row.time.map(|time| time.to_string()),
                ..row
            })
            .collect();
        rows.sort_by(|one, other| other.build_seconds.total_cmp(&one.build_seconds));
        if rows.is_empty() && self.name.is_some() {
            session.say("nothing matches");
        }
        session.print(&rows, |rows, out| {
            if rows.is_empty() && self.name.is_some() {
                return Ok(());
            }
            let columns = [
                Column::left("NAME").shrinks(),
                Column::right("DERIVATIONS").optional(),
                Column::right("REALIZATIONS").optional(),
                Column::right("FAILURES").optional(),
                Column::right("BUILDS"),
                Column::right("TIME"),
                Column::left("NEWEST").optional(),
            ];
            let mut table = Table::new(session, columns);
            for row in rows {
                let failures = row.failures.to_string();
                table.row([
                    row.name.as_str().into(),
                    row.derivations.to_string().into(),
                    row.realizations.to_string().into(),
                    if row.failures > 0 {
                        Cell::styled(failures, style::BAD)
                    } else {
                        failures.into()
                    },
                    row.builds.to_string().into(),
                    duration(row.build_seconds).into(),
                    row.time.map(local_time).unwrap_or_default().into(),
                ]);
            }
            table.write(out)?;
            let sum = |of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>();
            writeln!(
                out,
                "{}, {}, {} in {}",
                count(sum(|row| row.derivations), "derivation", "derivations"),
                count(sum(|row| row.realizations), "realization", "realizations"),
                count(sum(|row| row.builds), "build", "builds"),
                duration(rows.iter().map(|row| row.build_seconds).sum()),
            )?;
            Ok(())
        })?;
        Ok(if rows.is_empty() && self.name.is_some() {
            Exit::Failed
        } else {
            session.exit()
        })
    }
}
