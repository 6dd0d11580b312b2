//! `stats`: counts results and builds.

use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, local_time, seconds};
use pylightnix::store::Statistics;

/// Count derivations, realizations and builds, and their time, by name
///
/// Use it when you want to know what a store contains and where the time went; the longest time comes first.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: what takes longest in the stages of `train`?\n  pylightnix stats 'train*'"
)]
pub(crate) struct Stats {
    /// Only these names, which may contain `*` and `?`
    #[arg(value_name = "NAME", add = complete::names())]
    name: Option<String>,
}

impl Stats {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let (rows, left_out) = store.statistics(self.name.as_deref().unwrap_or("*"))?;
        for unread in &left_out {
            session.say_left_out(&unread.error);
        }
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
                    seconds(row.build_seconds).into(),
                    row.newest.map(local_time).unwrap_or_default().into(),
                ]);
            }
            table.write(out)?;
            let sum = |of: fn(&Statistics) -> usize| rows.iter().map(of).sum::<usize>();
            writeln!(
                out,
                "{}, {}, {} in {}",
                count(sum(|row| row.derivations), "derivation", "derivations"),
                count(sum(|row| row.realizations), "realization", "realizations"),
                count(sum(|row| row.builds), "build", "builds"),
                seconds(rows.iter().map(|row| row.build_seconds).sum()),
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
