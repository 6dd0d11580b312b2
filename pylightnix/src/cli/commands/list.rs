//! `list`: what is in the store.

use serde::Serialize;
use std::io::Write as _;

use crate::ErrorKind;
use crate::cli::complete;
use crate::cli::exit::{Done, Exit};
use crate::cli::json::List as JsonList;
use crate::cli::refer::{age, resolve};
use crate::cli::session::{Session, style};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::text::{duration, local_time, short_rref};
use crate::config::{DRefId, RRefId};
use crate::store::{BuildKind, Outcome, Realization};

/// So many rows come first, so that something is seen at once.
const FIRST: usize = 16;
/// So many rows come together then.
const BATCH: usize = 4096;

/// List the realizations in the store
///
/// When you want to know what there is: each realization with the beginning of its reference, when it was built, how long
/// that took, and its name. They are sorted by name and derivation; `--newest` puts the newest first.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the five newest realizations of stages whose names begin with `train`\n  \
    pylightnix list 'train*' --newest -n 5"
)]
pub(crate) struct List {
    /// Only these: names, with `*` and `?`, or references
    #[arg(value_name = "NAME|REF", add = complete::names())]
    only: Vec<String>,
    /// The newest first
    #[arg(long, short = 't')]
    newest: bool,
    /// At most so many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// Derivations, each with the count of its realizations
    #[arg(long, short = 'd', conflicts_with = "newest")]
    derivations: bool,
    /// Whole references
    #[arg(long, short = 'l')]
    long: bool,
}

/// A realization, for programs.
#[derive(Serialize)]
struct Row<'a> {
    rref: &'a RRefId,
    dref: &'a DRefId,
    name: &'a str,
    outcome: String,
    /// When it was last built.
    time: Option<String>,
    build_seconds: Option<f64>,
    builds: usize,
}

/// A derivation, for programs.
#[derive(Serialize)]
struct DerivationRow<'a> {
    dref: &'a DRefId,
    name: &'a str,
    realizations: usize,
}

impl List {
    pub(crate) fn run(self, session: &Session) -> Done {
        let store = session.store()?;
        let mut drefs = self.drefs(session)?;
        drefs.sort_by(|one, other| (one.name(), one).cmp(&(other.name(), other)));
        let found = match (self.derivations, self.newest) {
            (true, _) => self.list_derivations(session, &drefs)?,
            (false, true) => {
                let mut all = Vec::new();
                for dref in &drefs {
                    all.extend(store.realizations_of(dref)?);
                }
                all.sort_by_cached_key(|one| std::cmp::Reverse((age(one), one.id.clone())));
                self.write(session, all.into_iter().map(Ok))?
            }
            (false, false) => {
                let each = drefs
                    .iter()
                    .flat_map(|dref| match store.realizations_of(dref) {
                        Ok(all) => all.into_iter().map(Ok).collect(),
                        Err(error) => vec![Err(error)],
                    });
                self.write(session, each)?
            }
        };
        store.remember();
        Ok(match found {
            0 if !self.only.is_empty() => {
                session.say("nothing matches");
                Exit::Failed
            }
            _ => Exit::Done,
        })
    }

    fn drefs(&self, session: &Session) -> Done<Vec<DRefId>> {
        let store = session.store()?;
        if self.only.is_empty() {
            return Ok(store.drefs_where(|_| true)?);
        }
        let mut drefs = Vec::new();
        for word in &self.only {
            // What cannot be a pattern of names may be a reference.
            let named = store.drefs_named(word).unwrap_or_default();
            if !named.is_empty() {
                drefs.extend(named);
                continue;
            }
            match resolve(store, word) {
                Ok(found) => drefs.push(found.derivation().clone()),
                // A pattern or a name of which there is none.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                Err(error) => return Err(error.into()),
            }
        }
        drefs.sort_unstable();
        drefs.dedup();
        Ok(drefs)
    }

    fn write(
        &self,
        session: &Session,
        all: impl Iterator<Item = crate::Result<Realization>>,
    ) -> Done<usize> {
        let mut out = session.out();
        let mut json = session
            .json()
            .then(|| JsonList::begin(&mut out))
            .transpose()?;
        let columns = [
            Column::left("REFERENCE"),
            Column::left("BUILT").optional(),
            Column::right("TOOK").optional(),
            Column::left("NAME").shrinks(),
        ];
        let mut table = Table::new(session, columns);
        let mut count = 0;
        for realization in all.take(self.limit.unwrap_or(usize::MAX)) {
            let realization = realization?;
            count += 1;
            if let Some(json) = &mut json {
                json.item(&mut out, &row(&realization))?;
                continue;
            }
            table.row(self.cells(&realization));
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

    fn cells(&self, realization: &Realization) -> [Cell; 4] {
        let Realization { id, .. } = realization;
        let reference = if self.long {
            id.to_string()
        } else {
            short_rref(id)
        };
        let name = id.name().as_str();
        let seconds = took(realization);
        [
            Cell::styled(reference, style::REFERENCE),
            age(realization).map(local_time).unwrap_or_default().into(),
            seconds.map(duration).unwrap_or_default().into(),
            match realization.outcome {
                Outcome::Ok => name.into(),
                Outcome::Failed => Cell::styled(format!("{name} (failed)"), style::BAD),
            },
        ]
    }

    fn list_derivations(&self, session: &Session, drefs: &[DRefId]) -> Done<usize> {
        let store = session.store()?;
        let mut out = session.out();
        let mut json = session
            .json()
            .then(|| JsonList::begin(&mut out))
            .transpose()?;
        let columns = [
            Column::left("REFERENCE"),
            Column::right("REALIZATIONS").optional(),
            Column::left("NAME").shrinks(),
        ];
        let mut table = Table::new(session, columns);
        let shown = drefs.iter().take(self.limit.unwrap_or(usize::MAX));
        let mut count = 0;
        for dref in shown {
            count += 1;
            let name = dref.name().as_str();
            let realizations = store.rrefs_of(dref)?.len();
            if let Some(json) = &mut json {
                json.item(
                    &mut out,
                    &DerivationRow {
                        dref,
                        name,
                        realizations,
                    },
                )?;
                continue;
            }
            let reference = match self.long {
                true => dref.to_string(),
                false => crate::cli::text::short_dref(dref),
            };
            table.row([
                Cell::styled(reference, style::REFERENCE),
                realizations.to_string().into(),
                name.into(),
            ]);
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

fn row(realization: &Realization) -> Row<'_> {
    Row {
        rref: &realization.id,
        dref: realization.id.dref(),
        name: realization.id.name().as_str(),
        outcome: realization.outcome.to_string(),
        time: age(realization).map(|time| time.to_string()),
        build_seconds: took(realization),
        builds: realization.builds.heads().count(),
    }
}

/// How long its newest build took, in seconds.
fn took(realization: &Realization) -> Option<f64> {
    let builds = realization.builds().iter();
    let newest = builds
        .filter(|build| build.kind == BuildKind::Build)
        .max_by_key(|build| build.stop);
    newest.map(|build| build.seconds())
}
