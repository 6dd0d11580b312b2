//! `list`: lists realizations or derivations.

use serde::Serialize;
use std::cmp::Reverse;
use std::io::Write as _;

use super::note::with_tags;
use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::json::List as JsonList;
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{local_time, seconds, short_dref, short_rref};
use pylightnix::ErrorKind;
use pylightnix::config::DRefId;
use pylightnix::store::{Outcome, Realization};

/// The number of rows in the first batch, small so that output appears at once.
const FIRST: usize = 16;
/// The number of rows in later batches.
const BATCH: usize = 4096;

/// List the realizations in the store
///
/// Use it when you want to know what is in the store. Shows for each realization the beginning of its reference, when it was
/// built, how long that took, and its name. Sorted by name and derivation; `--newest` and `--slowest` change the order.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the five newest realizations of stages whose names begin with `train`\n  \
    pylightnix list 'train*' --newest -n 5"
)]
pub(crate) struct List {
    /// List only these: names, which may contain `*` and `?`, or beginnings of references
    #[arg(value_name = "NAME|REF", add = complete::names())]
    only: Vec<String>,
    /// Sort by the time of the build, the newest first
    #[arg(long, short = 't')]
    newest: bool,
    /// Sort by the duration of the build, the longest first
    #[arg(long, conflicts_with = "newest")]
    slowest: bool,
    /// Show at most this many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// List derivations, each with the number of its realizations
    #[arg(long, short = 'd', conflicts_with_all = ["newest", "slowest"])]
    derivations: bool,
    /// Show complete references
    #[arg(long, short = 'l')]
    long: bool,
}

/// A derivation in the JSON answer.
#[derive(Serialize)]
struct DerivationRow<'a> {
    dref: &'a DRefId,
    name: &'a str,
    realizations: usize,
}

impl List {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let mut drefs = self.drefs(session)?;
        drefs.sort_by(|one, other| (one.name(), one).cmp(&(other.name(), other)));
        let found = if self.derivations {
            let rows = drefs.iter().map(|dref| {
                Ok(DerivationRow {
                    dref,
                    name: dref.name().as_str(),
                    realizations: store.rrefs_of(dref)?.len(),
                })
            });
            self.write(session, rows)?
        } else if self.newest || self.slowest {
            let mut all = Vec::new();
            for (_, found) in store.realizations_of_each(&drefs) {
                all.extend(found.into_iter().filter_map(|one| session.or_unread(one)));
            }
            let took = |one: &Realization| one.build_seconds().unwrap_or(-1.0);
            match self.newest {
                true => all.sort_by_cached_key(|one| Reverse((one.last_built(), one.id.clone()))),
                false => all.sort_by(|one, other| took(other).total_cmp(&took(one))),
            }
            self.write(session, all.into_iter().map(Ok))?
        } else {
            let each = store.realizations_of_each(&drefs);
            let each = each.flat_map(|(_, found)| found);
            let each = each.map(|one| one.map_err(|unread| unread.error));
            self.write(session, each)?
        };
        Ok(match found {
            0 if !self.only.is_empty() => {
                session.say("nothing matches");
                Exit::Failed
            }
            _ => session.exit(),
        })
    }

    fn drefs(&self, session: &Session) -> CommandResult<Vec<DRefId>> {
        let store = session.store()?;
        if self.only.is_empty() {
            return Ok(store.drefs_named("*")?);
        }
        let mut drefs = Vec::new();
        for word in &self.only {
            // A text that is not a valid pattern may be a reference.
            let named = store.drefs_named(word).unwrap_or_default();
            if !named.is_empty() {
                drefs.extend(named);
                continue;
            }
            // An ambiguous beginning is fine here: all matches are listed.
            let begun = match word.is_empty() {
                true => Vec::new(),
                false => store.drefs_beginning(word)?,
            };
            if !begun.is_empty() {
                drefs.extend(begun);
                continue;
            }
            match store.refer(word) {
                Ok(found) => drefs.push(found.derivation().clone()),
                // A pattern or a name that matches nothing.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                Err(error) => return Err(error.into()),
            }
        }
        drefs.sort_unstable();
        drefs.dedup();
        Ok(drefs)
    }

    /// Writes all items, the first ones as soon as they are known, and returns their number.
    fn write<T: Listed>(
        &self,
        session: &Session,
        all: impl Iterator<Item = pylightnix::Result<T>>,
    ) -> CommandResult<usize> {
        let mut out = session.out();
        let mut json = session
            .json()
            .then(|| JsonList::begin(&mut out))
            .transpose()?;
        let mut table = Table::new(session, T::COLUMNS);
        let mut count = 0;
        for one in all.take(self.limit.unwrap_or(usize::MAX)) {
            let Some(one) = session.or_left_out(one) else {
                continue;
            };
            count += 1;
            if let Some(json) = &mut json {
                json.item(&mut out, &one)?;
                continue;
            }
            table.row(one.cells(self.long));
            if count == FIRST || table.waiting() >= BATCH {
                table.write(&mut out)?;
                out.flush()?;
            }
        }
        match json {
            Some(json) => json.end(&mut out)?,
            None => table.write(&mut out)?,
        }
        out.flush()?;
        Ok(count)
    }
}

/// An item of the list.
trait Listed: Serialize {
    const COLUMNS: &'static [Column];

    fn cells(&self, long: bool) -> Vec<Cell>;
}

impl Listed for Realization {
    const COLUMNS: &'static [Column] = &[
        Column::left("REFERENCE"),
        Column::left("BUILT").optional(),
        Column::right("TOOK").optional(),
        Column::left("NAME").shrinks(),
    ];

    fn cells(&self, long: bool) -> Vec<Cell> {
        let reference = match long {
            true => self.id.to_string(),
            false => short_rref(&self.id),
        };
        let name = with_tags(self.id.name().as_str(), &self.tags());
        vec![
            Cell::styled(reference, style::REFERENCE),
            self.last_built().map(local_time).unwrap_or_default().into(),
            self.build_seconds().map(seconds).unwrap_or_default().into(),
            match self.outcome {
                Outcome::Ok if self.is_stub() => format!("{name} (files not here)").into(),
                Outcome::Ok => name.into(),
                _ => Cell::styled(format!("{name} (failed)"), style::BAD),
            },
        ]
    }
}

impl Listed for DerivationRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::left("REFERENCE"),
        Column::right("REALIZATIONS").optional(),
        Column::left("NAME").shrinks(),
    ];

    fn cells(&self, long: bool) -> Vec<Cell> {
        let reference = match long {
            true => self.dref.to_string(),
            false => short_dref(self.dref),
        };
        vec![
            Cell::styled(reference, style::REFERENCE),
            self.realizations.to_string().into(),
            self.name.into(),
        ]
    }
}
