//! `compare`: realizations side by side.

use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, local_time, seconds, short_rref, size};
use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell as Value, ColumnKind, Comparison, Referred};

/// The width of a sparkline.
const DRAWING: usize = 16;

/// Compare the realizations of a stage side by side
///
/// Use it when you want to know which run was the best, and why. Each realization has a row, with the fields of the
/// configs that differ (`data.path` is the field `path` of the dependency in the field `data`), the numbers in the JSON
/// artifacts (`scores.accuracy` in `scores.json`), a sparkline of each series of numbers (a one-dimensional npy file, a list
/// in JSON), the time of the build, its duration, its memory if that is known, and the size.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the runs with a small rate, the most accurate first\n  \
    pylightnix compare train --where 'rate < 0.1' --sort scores.accuracy --reverse"
)]
pub(crate) struct Compare {
    /// Names, which may contain `*` and `?`, or references
    #[arg(value_name = "NAME|REF", required = true, add = complete::names())]
    what: Vec<String>,
    /// Sort by this column [default: the time of the build]
    #[arg(long, short, value_name = "COLUMN")]
    sort: Option<String>,
    /// Reverse the order
    #[arg(long, short)]
    reverse: bool,
    /// Show only rows that meet this condition: a column, `=`, `!=`, `<`, `<=`, `>`, `>=` or `~` (contains), and a value;
    /// may be repeated
    #[arg(long = "where", short = 'w', value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Show only these columns, in this order, separated by commas
    #[arg(long, short, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Show at most this many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// Print comma-separated values, with complete references and series
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Show complete references
    #[arg(long, short = 'l')]
    long: bool,
}

impl Compare {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let rrefs = self.rrefs(session)?;
        let (mut table, unread) = session.store()?.compare_readable(&rrefs)?;
        for error in &unread {
            session.say_left_out(error);
        }
        self.arrange(&mut table)
            .map_err(|error| match error.kind() {
                // The reference is from the command line.
                ErrorKind::Reference if !rrefs.is_empty() => {
                    CommandError::Usage(format!("{error:?}"))
                }
                _ => CommandError::Error(error),
            })?;
        if table.rows.is_empty() {
            match rrefs.is_empty() {
                true => session.say_nothing_matches(&self.hints(session)?),
                false => session.say(format_args!(
                    "none of the {} compared realizations matches",
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
                let hint = format!("{left} do not fit: see `--columns` and `--csv`");
                writeln!(out, "{}", session.paint(style::FAINT, hint))?;
            }
            Ok(())
        })?;
        Ok(session.exit())
    }

    /// Returns the realizations that the command line names.
    fn rrefs(&self, session: &Session) -> CommandResult<Vec<RRefId>> {
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

    /// Returns hints why nothing matches.
    fn hints(&self, session: &Session) -> CommandResult<Vec<String>> {
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
                // A time that is cut is of no use.
                ColumnKind::Built
                | ColumnKind::Seconds
                | ColumnKind::Memory
                | ColumnKind::Bytes => Column::named(&column.name, right),
                _ => Column::named(&column.name, right).shrinks(),
            };
            // Requested columns are never left out.
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

/// Formats a cell as text.
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
        (ColumnKind::Seconds, cell) => cell.number().map(seconds).unwrap_or_default(),
        (ColumnKind::Memory | ColumnKind::Bytes, Value::Value(bytes)) => {
            bytes.as_u64().map(size).unwrap_or_default()
        }
        (_, cell) => cell.to_string(),
    }
}
