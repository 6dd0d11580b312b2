//! `find`: finds realizations that meet conditions.

use std::io::Write as _;
use std::ops::Bound;
use std::time::Duration;

use super::note::with_tags;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::json::List as JsonList;
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{local_time, short_rref};
use crate::{complete, values};
use pylightnix::ErrorKind;
use pylightnix::store::{Find as Search, Outcome, Store};

/// Find realizations by name, config, age, outcome and numbers in their artifacts
///
/// Use it when `list` shows too much. All conditions have to hold. Results are printed as they are found, sorted by
/// derivation.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: runs of the last week with 10 layers that were accurate\n  \
    pylightnix find 'train*' --field layers=10 --newer 7d --metric scores.json:accuracy=0.9.."
)]
pub(crate) struct Find {
    /// The derivation's name, with `*`, `?` and `{a,b}`; the beginning of a reference; or `tag:NAME`
    #[arg(value_name = "NAME|REF", add = complete::names())]
    name: Option<String>,
    /// A condition, as in `rate < 0.1` or `scores.accuracy >= 0.9`, on a field, the field `data.path` of the dependency
    /// `data`, a number in an artifact, `built`, `seconds` or `bytes`; or a tag, `tag:best`, or a part of a note, `note:kink`;
    /// may be repeated
    #[arg(long = "where", short = 'w', value_name = "CONDITION")]
    conditions: Vec<String>,
    /// A field of the config and its value, as JSON or as text, or another condition on it (`rate<0.1`); may be repeated
    #[arg(long, short, value_name = "FIELD=VALUE")]
    field: Vec<String>,
    /// Built less than this ago, as in `7d`
    #[arg(long, alias = "newer-than", value_name = "AGE", value_parser = values::duration)]
    newer: Option<Duration>,
    /// Built more than this ago
    #[arg(long, alias = "older-than", value_name = "AGE", value_parser = values::duration)]
    older: Option<Duration>,
    /// Find only recorded failures
    #[arg(long, conflicts_with = "ok")]
    failed: bool,
    /// Find only successes
    #[arg(long)]
    ok: bool,
    /// A number in a JSON artifact, which is printed, and its range (`=0.5..`, `=..3`, `=1..2`, `>0.97`; without one, any
    /// number); without a field, the whole artifact is the number; may be repeated
    #[arg(long, short, value_name = "ARTIFACT[:FIELD][=FROM..TO]", value_parser = metric)]
    metric: Vec<Metric>,
    /// Show at most this many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// Show complete references
    #[arg(long, short = 'l')]
    long: bool,
}

/// A number in an artifact.
#[derive(Clone, Debug)]
struct Metric {
    artifact: String,
    field: String,
    from: Bound<f64>,
    to: Bound<f64>,
}

impl Find {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let search = self.search(session, store)?;
        let mut out = session.out();
        let mut json = session
            .json()
            .then(|| JsonList::begin(&mut out))
            .transpose()?;
        let mut columns = vec![Column::left("REFERENCE"), Column::left("BUILT").optional()];
        columns.extend(self.metric.iter().map(|_| Column::right("METRIC")));
        columns.push(Column::left("NAME").shrinks());
        let mut table = Table::new(session, columns);
        let (mut count, mut faults) = (0, 0);
        let mut finding = search.run().map_err(|error| match error.kind() {
            ErrorKind::Reference => CommandError::Usage(format!("{error:?}")),
            _ => CommandError::Error(error),
        })?;
        let with_time = finding.by_ref().map(|found| -> pylightnix::Result<_> {
            let found = found?;
            let (newest, tags) = (found.newest()?, found.tags()?);
            Ok((found, newest, tags))
        });
        for found in with_time.take(self.limit.unwrap_or(usize::MAX)) {
            let (found, time, tags) = match found {
                Ok(found) => found,
                // The realization was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::Missing => continue,
                Err(error) => {
                    faults += 1;
                    session.say(format_args!(
                        "{} {error}",
                        session.paint_err(style::BAD, "error:")
                    ));
                    continue;
                }
            };
            count += 1;
            let rref = found.id();
            if let Some(json) = &mut json {
                json.item(&mut out, &found)?;
                continue;
            }
            let reference = if self.long {
                rref.to_string()
            } else {
                short_rref(rref)
            };
            let mut cells = vec![
                Cell::styled(reference, style::REFERENCE),
                time.map(local_time).unwrap_or_default().into(),
            ];
            cells.extend(
                found
                    .metrics()
                    .iter()
                    .map(|number| Cell::from(number.to_string())),
            );
            cells.push(with_tags(rref.name().as_str(), &tags).into());
            table.row(cells);
            if table.waiting() >= 64 {
                table.write(&mut out)?;
                out.flush()?;
            }
        }
        match json {
            Some(json) => json.end(&mut out)?,
            None => table.write(&mut out)?,
        }
        out.flush()?;
        if count == 0 && faults == 0 {
            session.say_nothing_matches(&finding.hints()?);
        }
        Ok(if count == 0 || faults > 0 {
            Exit::Failed
        } else {
            Exit::Done
        })
    }

    fn search<'a>(&self, session: &Session, store: &'a Store) -> CommandResult<Search<'a>> {
        let mut search = store.find();
        if let Some(name) = self.name.as_ref().filter(|name| is_remark(name)) {
            search = search.meets(name);
        } else if let Some(name) = &self.name {
            search = match session.referred(name)? {
                Some(found) => search.derivation(found.derivation()),
                None => search.name(name),
            };
        }
        for condition in &self.conditions {
            search = search.meets(condition);
        }
        for text in &self.field {
            search = match equal(text) {
                None => search.meets(text),
                Some((field, value)) => match serde_json::from_str::<serde_json::Value>(value) {
                    Ok(json) => search.field(field, json),
                    Err(_) => search.field(field, value),
                },
            };
        }
        if let Some(age) = self.newer {
            search = search.newer_than(age);
        }
        if let Some(age) = self.older {
            search = search.older_than(age);
        }
        if self.failed {
            search = search.outcome(Outcome::Failed);
        }
        if self.ok {
            search = search.outcome(Outcome::Ok);
        }
        for Metric {
            artifact,
            field,
            from,
            to,
        } in &self.metric
        {
            search = search.metric(artifact, field, (*from, *to));
        }
        Ok(search)
    }
}

/// Whether this is a condition on a tag or a note in the place of a name.
fn is_remark(text: &str) -> bool {
    text.starts_with("tag:") || text.starts_with("note:")
}

/// Splits `FIELD=VALUE`; returns `None` for another condition.
fn equal(text: &str) -> Option<(&str, &str)> {
    let at = text.find(['=', '!', '<', '>', '~'])?;
    let (field, rest) = text.split_at(at);
    let value = rest.strip_prefix("==").or(rest.strip_prefix('='))?;
    (!field.is_empty()).then_some((field.trim(), value.trim()))
}

/// Parses `scores.json:accuracy=0.9..` or `scores.json:accuracy>0.9`.
fn metric(text: &str) -> Result<Metric, String> {
    let fault = || {
        format!(
            "`{text}` does not name a number in an artifact, as `scores.json:accuracy=0.9..` and `scores.json:accuracy>0.9` do"
        )
    };
    let at = text.find(['=', '!', '<', '>', '~']).unwrap_or(text.len());
    let (what, range) = text.split_at(at);
    let (artifact, field) = what.trim().split_once(':').unwrap_or((what.trim(), ""));
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| fault());
    let end = |text: &str| match text {
        "" => Ok(Bound::Unbounded),
        text => number(text).map(Bound::Included),
    };
    let all = Bound::Unbounded;
    let (from, to) = if range.is_empty() {
        (all, all)
    } else if let Some(least) = range.strip_prefix(">=") {
        (Bound::Included(number(least)?), all)
    } else if let Some(most) = range.strip_prefix("<=") {
        (all, Bound::Included(number(most)?))
    } else if let Some(below) = range.strip_prefix('>') {
        (Bound::Excluded(number(below)?), all)
    } else if let Some(above) = range.strip_prefix('<') {
        (all, Bound::Excluded(number(above)?))
    } else if let Some(range) = range.strip_prefix("==").or(range.strip_prefix('=')) {
        match range.split_once("..") {
            Some((from, to)) => (end(from.trim())?, end(to.trim())?),
            None => (
                Bound::Included(number(range)?),
                Bound::Included(number(range)?),
            ),
        }
    } else {
        return Err(fault());
    };
    match artifact.is_empty() {
        true => Err(fault()),
        false => Ok(Metric {
            artifact: artifact.to_owned(),
            field: field.to_owned(),
            from,
            to,
        }),
    }
}
