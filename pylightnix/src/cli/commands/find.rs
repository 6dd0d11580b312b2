//! `find`: realizations that meet conditions.

use serde::Serialize;
use std::io::Write as _;
use std::ops::Bound;
use std::time::Duration;

use crate::cli::exit::{Done, Exit};
use crate::cli::json::List as JsonList;
use crate::cli::session::{Session, style};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::text::{local_time, short_rref};
use crate::cli::{complete, values};
use crate::config::{DRefId, RRefId};
use crate::store::{Find as Search, Outcome};

/// Find realizations by name, config, age, outcome and numbers in their artifacts
///
/// When `list` shows too much: all conditions have to hold. They come as they are found, sorted by derivation.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: runs of the last week with 10 layers that were accurate\n  \
    pylightnix find 'train*' --field layers=10 --newer 7d --metric scores.json:accuracy=0.9.."
)]
pub(crate) struct Find {
    /// The derivation's name, with `*`, `?` and `{a,b}`
    #[arg(value_name = "NAME", add = complete::names())]
    name: Option<String>,
    /// A field of the config and its value, as JSON or as text; may be repeated
    #[arg(long, short, value_name = "FIELD=VALUE", value_parser = pair)]
    field: Vec<(String, String)>,
    /// Built less than this ago, as in `7d`
    #[arg(long, alias = "newer-than", value_name = "AGE", value_parser = values::duration)]
    newer: Option<Duration>,
    /// Built more than this ago
    #[arg(long, alias = "older-than", value_name = "AGE", value_parser = values::duration)]
    older: Option<Duration>,
    /// Only recorded failures
    #[arg(long, conflicts_with = "ok")]
    failed: bool,
    /// Only good ones
    #[arg(long)]
    ok: bool,
    /// A number in a JSON artifact, and its range (`0.5..`, `..3`, `1..2`, or none for any); without a field, the number
    /// that all of the artifact is; may be repeated
    #[arg(long, short, value_name = "ARTIFACT[:FIELD][=FROM..TO]", value_parser = metric)]
    metric: Vec<Metric>,
    /// At most so many
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,
    /// Whole references
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

/// A realization, for programs.
#[derive(Serialize)]
struct Row<'a> {
    rref: &'a RRefId,
    dref: &'a DRefId,
    name: &'a str,
    time: Option<String>,
    metrics: &'a [f64],
}

impl Find {
    pub(crate) fn run(self, session: &Session) -> Done {
        let store = session.store()?;
        let search = self.search(store.find());
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
        for found in search.run()?.take(self.limit.unwrap_or(usize::MAX)) {
            let found = match found {
                Ok(found) => found,
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
            let (rref, time) = (found.id(), found.newest()?);
            if let Some(json) = &mut json {
                let row = Row {
                    rref,
                    dref: rref.dref(),
                    name: rref.name().as_str(),
                    time: time.map(|time| time.to_string()),
                    metrics: found.metrics(),
                };
                json.item(&mut out, &row)?;
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
            cells.push(rref.name().as_str().into());
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
            session.say("nothing matches");
        }
        Ok(if count == 0 || faults > 0 {
            Exit::Failed
        } else {
            Exit::Done
        })
    }

    fn search<'a>(&self, mut search: Search<'a>) -> Search<'a> {
        if let Some(name) = &self.name {
            search = search.name(name);
        }
        for (field, text) in &self.field {
            search = match serde_json::from_str::<serde_json::Value>(text) {
                Ok(value) => search.field(field, value),
                Err(_) => search.field(field, text),
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
        search
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err(format!(
            "`{text}` is no field with its value, as `layers=10` is"
        )),
    }
}

fn metric(text: &str) -> Result<Metric, String> {
    let fault =
        || format!("`{text}` is no number in an artifact, as `scores.json:accuracy=0.9..` is");
    let (what, range) = match text.split_once('=') {
        Some((what, range)) => (what, range),
        None => (text, ".."),
    };
    let (artifact, field) = what.split_once(':').unwrap_or((what, ""));
    let (from, to) = range.split_once("..").ok_or_else(fault)?;
    let end = |text: &str| match text {
        "" => Ok(Bound::Unbounded),
        text => text.parse().map(Bound::Included).map_err(|_| fault()),
    };
    Ok(Metric {
        artifact: artifact.to_owned(),
        field: field.to_owned(),
        from: end(from)?,
        to: end(to)?,
    })
}
