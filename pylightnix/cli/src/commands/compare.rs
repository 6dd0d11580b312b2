//! `compare`: realizations side by side.

use std::io::Write as _;

use crate::complete;
use crate::exit::{Done, Exit, Fault};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, duration, local_time, short_rref, size};
use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell as Value, ColumnKind, Comparison, Referred};

/// So wide is the drawing of a series.
const DRAWING: usize = 16;

/// Put the realizations of a stage side by side, with what differs
///
/// When you want to know which of your runs was the best, and what made it so: a row for each, with the fields of their
/// configs that differ (`data.path` is the field `path` of the dependency in the field `data`), the numbers in their JSON
/// artifacts (`scores.accuracy` in `scores.json`), a drawing of each series of numbers (an npy file of one dimension, a list
/// in JSON), when they were built, how long that took and how large they are.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the runs with a small rate, the most accurate first\n  \
    pylightnix compare train --where 'rate < 0.1' --sort scores.accuracy --reverse"
)]
pub(crate) struct Compare {
    /// Names, with `*` and `?`, or references
    #[arg(value_name = "NAME|REF", required = true, add = complete::names())]
    what: Vec<String>,
    /// Sort by this column; without, by when they were built
    #[arg(long, short, value_name = "COLUMN")]
    sort: Option<String>,
    /// The last first
    #[arg(long, short)]
    reverse: bool,
    /// Only those that meet this: a column, `=`, `!=`, `<`, `<=`, `>`, `>=` or `~` (has the text), and a value; may be
    /// repeated
    #[arg(long = "where", short = 'w', value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Only these columns, in this order, with commas between them
    #[arg(long, short, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// At most so many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// Print comma-separated values, with whole references and series
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Whole references
    #[arg(long, short = 'l')]
    long: bool,
}

impl Compare {
    pub(crate) fn run(self, session: &Session) -> Done {
        let rrefs = self.rrefs(session)?;
        let (mut table, unread) = session.store()?.compare_readable(&rrefs)?;
        for error in &unread {
            session.say_left_out(error);
        }
        self.arrange(&mut table)
            .map_err(|error| match error.kind() {
                // It is about the command line.
                ErrorKind::Reference if !rrefs.is_empty() => Fault::Usage(format!("{error:?}")),
                _ => Fault::Error(error),
            })?;
        if table.rows.is_empty() {
            match rrefs.is_empty() {
                true => session.say_nothing_matches(&self.hints(session)?),
                false => session.say(format_args!(
                    "nothing matches, of {} that were compared",
                    rrefs.len()
                )),
            }
            if session.json() {
                session.print_json(&table)?;
            }
            return Ok(Exit::Failed);
        }
        if self.csv {
            let mut out = session.out();
            let csv = table.to_csv();
            match session.is_terminal() {
                true => out.write_all(csv.as_bytes())?,
                false => out.raw().write_all(csv.as_bytes())?,
            }
            out.flush()?;
            return Ok(session.exit());
        }
        session.print(&table, |table, out| {
            let mut shown = self.table(session, table);
            shown.write(out)?;
            if shown.left_out() > 0 {
                let left = count(shown.left_out(), "column", "columns");
                let hint = format!("{left} left out: `--columns`, `--csv`");
                writeln!(out, "{}", session.paint(style::FAINT, hint))?;
            }
            Ok(())
        })?;
        Ok(session.exit())
    }

    /// All that is meant, each once.
    fn rrefs(&self, session: &Session) -> Done<Vec<RRefId>> {
        let store = session.store()?;
        let mut rrefs = Vec::new();
        for word in &self.what {
            match session.referred(word)? {
                Some(Referred::Derivation(dref)) => rrefs.extend(store.rrefs_of(&dref)?),
                Some(Referred::Realization(rref) | Referred::Artifact(rref, _)) => rrefs.push(rref),
                None => {
                    for dref in &store.drefs_named(word).unwrap_or_default() {
                        rrefs.extend(
                            session
                                .or_left_out(store.rrefs_of(dref))
                                .into_iter()
                                .flatten(),
                        );
                    }
                }
            }
        }
        Ok(rrefs)
    }

    /// Why there is nothing to compare.
    fn hints(&self, session: &Session) -> Done<Vec<String>> {
        let mut hints = Vec::new();
        for word in &self.what {
            let finding = session.store()?.find().name(word).run();
            hints.extend(
                finding
                    .and_then(|finding| finding.hints())
                    .unwrap_or_default(),
            );
        }
        Ok(hints)
    }

    fn arrange(&self, table: &mut Comparison) -> pylightnix::Result<()> {
        for condition in &self.conditions {
            table.retain(condition)?;
        }
        match &self.sort {
            Some(column) => table.sort_by(column, self.reverse)?,
            None if self.reverse => table.rows.reverse(),
            None => {}
        }
        table.rows.truncate(self.limit.unwrap_or(usize::MAX));
        match self.columns.is_empty() {
            true => Ok(()),
            false => table.choose(&self.columns),
        }
    }

    fn table<'s>(&self, session: &'s Session, of: &Comparison) -> Table<'s> {
        let columns = of.columns.iter().enumerate().map(|(at, column)| {
            let is_number = |cell: &Option<Value>| match cell {
                Some(Value::Value(value)) => value.is_number(),
                Some(_) => false,
                None => true,
            };
            let right = column.kind != ColumnKind::Built
                && of.rows.iter().all(|row| is_number(&row.cells[at]));
            let shown = match column.kind {
                // Half a time is none.
                ColumnKind::Built | ColumnKind::Seconds | ColumnKind::Bytes => {
                    Column::named(&column.name, right)
                }
                _ => Column::named(&column.name, right).shrinks(),
            };
            // What was asked for stays.
            match self.sort.as_ref() == Some(&column.name) || !self.columns.is_empty() {
                true => shown,
                false => shown.optional(),
            }
        });
        let columns: Vec<_> = [Column::left("REFERENCE")]
            .into_iter()
            .chain(columns)
            .collect();
        let mut table = Table::new(session, columns);
        for row in &of.rows {
            let reference = match self.long {
                true => row.rref.to_string(),
                false => short_rref(&row.rref),
            };
            let cells = row.cells.iter().zip(&of.columns);
            let cells = cells.map(|(cell, column)| match cell {
                Some(cell) => shown(cell, column.kind).into(),
                None => Cell::styled("-", style::FAINT),
            });
            table.row(
                [Cell::styled(reference, style::REFERENCE)]
                    .into_iter()
                    .chain(cells),
            );
        }
        table
    }
}

/// What is in a cell, for people.
fn shown(cell: &Value, kind: ColumnKind) -> String {
    match (kind, cell) {
        (_, Value::Series(series)) => {
            let last = series.values.last().map(f64::to_string);
            format!("{} {}", series.sparkline(DRAWING), last.unwrap_or_default())
        }
        (ColumnKind::Built, cell) => match cell.to_string().parse() {
            Ok(time) => local_time(time),
            Err(_) => cell.to_string(),
        },
        (ColumnKind::Seconds, cell) => cell.number().map(duration).unwrap_or_default(),
        (ColumnKind::Bytes, Value::Value(bytes)) => bytes.as_u64().map(size).unwrap_or_default(),
        (_, cell) => cell.to_string(),
    }
}
