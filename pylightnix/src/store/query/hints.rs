//! Hints for a search without results: conditions that nothing can meet, with similar names and existing values.

use std::collections::BTreeSet;

use super::Found;
use super::comparison::{Cell, numbers};
use super::find::{Find, Metric};
use super::looked_up::looked_up;
use super::number::number_in;
use crate::config::{
    ConfigJson, FieldPath, PathStep, RawValue, joined, list_names, nearest_first, object_parts,
};
use crate::store::EntryKind;
use crate::{Error, ErrorKind, Result};

/// Maximum number of derivations, and of realizations, to examine.
const MAX_EXAMINED: usize = 256;

/// Maximum number of values to show.
const MAX_VALUES: usize = 5;

/// The names and objects that a search could match.
#[derive(Default)]
struct Candidates {
    fields: BTreeSet<String>,
    artifacts: BTreeSet<String>,
    numbers: BTreeSet<String>,
    found: Vec<Found>,
}

/// Returns a hint for each condition of the search.
pub(super) fn hints(find: &Find<'_>) -> Result<Vec<String>> {
    let drefs = find.store.drefs()?;
    let named: Vec<_> = drefs.iter().filter(|dref| find.is_named(dref)).collect();
    if named.is_empty() {
        let names: BTreeSet<&str> = drefs.iter().map(|dref| dref.name().as_str()).collect();
        let of = |pattern: &String| {
            let names = nearest_first(pattern, names.iter().copied()).into_iter();
            format!("nothing is named `{pattern}`: {}", list_names(names))
        };
        return Ok(match names.is_empty() {
            true => vec!["this store is empty".to_owned()],
            false => find.patterns.iter().map(of).collect(),
        });
    }
    let mut candidates = Candidates::default();
    let ways = find.fields.iter().map(|(way, _)| way.steps().len());
    let deep = ways.max().unwrap_or(1).max(1);
    for dref in named.iter().take(MAX_EXAMINED) {
        // Skip corrupt and removed objects.
        let Ok(config) = find.store.config(dref) else {
            continue;
        };
        candidates.add_fields(&config, deep)?;
        for rref in find.store.rrefs_of(dref)? {
            if candidates.found.len() < MAX_EXAMINED {
                candidates
                    .found
                    .push(Found::new(find.store, rref, Default::default()));
            }
        }
    }
    candidates.add_artifacts(find);
    let mut hints = Vec::new();
    for (way, _) in &find.fields {
        hints.extend(candidates.of_field(find, way)?);
    }
    for metric in &find.metrics {
        hints.extend(candidates.of_metric(find, metric)?);
    }
    for condition in &find.conditions {
        match condition.is_of_remarks() {
            true => hints.push(candidates.of_remarks()),
            false => hints.extend(candidates.of_condition(find, &condition.what)?),
        }
    }
    Ok(hints)
}

impl Candidates {
    /// Returns the tags that there are.
    fn of_remarks(&self) -> String {
        let tags = self.found.iter().filter_map(|found| found.tags().ok());
        let tags: BTreeSet<String> = tags.flatten().collect();
        match tags.is_empty() {
            true => "nothing there has a tag: `tag` gives one".to_owned(),
            false => format!(
                "the tags there are {}",
                list_names(tags.iter().map(String::as_str))
            ),
        }
    }

    fn add_fields(&mut self, config: &ConfigJson, deep: usize) -> Result<()> {
        let mut waiting: Vec<(String, &RawValue, usize)> = vec![(String::new(), config.raw()?, 0)];
        while let Some((path, value, depth)) = waiting.pop() {
            for (name, value) in object_parts(value).unwrap_or_default() {
                let path = joined(&path, &PathStep::Key(name));
                if depth + 1 < deep {
                    waiting.push((path.clone(), value, depth + 1));
                }
                self.fields.insert(path);
            }
        }
        self.fields.remove("name");
        Ok(())
    }

    fn add_artifacts(&mut self, find: &Find<'_>) {
        let wants_numbers = !find.conditions.is_empty();
        for found in &self.found {
            let Ok(record) = find.store.record(found.id()) else {
                continue;
            };
            let entries = record.manifest().entries();
            let files = entries
                .iter()
                .filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
            self.artifacts.extend(files.map(|entry| entry.path.clone()));
            if wants_numbers && let Ok(numbers) = numbers(&find.store.out_dir(found.id()), entries)
            {
                self.numbers
                    .extend(numbers.iter().map(|number| number.name()));
            }
            let builds = found.realization().map(|realization| realization.builds());
            let omitted = builds
                .into_iter()
                .flatten()
                .flat_map(|build| build.omitted.keys());
            self.fields.extend(omitted.cloned());
        }
    }

    fn of_field(&self, find: &Find<'_>, way: &FieldPath) -> Result<Option<String>> {
        let what = way.to_string();
        let values = self.values(find, &what)?;
        if values.is_empty() {
            let near = nearest_first(&what, self.fields.iter().map(String::as_str));
            return Ok(Some(format!(
                "nothing has a field `{what}`: {}",
                list_names(near.into_iter())
            )));
        }
        Ok(Some(format!("`{what}` is {}", summary(&values))))
    }

    fn of_metric(&self, find: &Find<'_>, metric: &Metric) -> Result<Option<String>> {
        let artifact = &metric.artifact;
        if !self.artifacts.contains(artifact) {
            let near = nearest_first(artifact, self.artifacts.iter().map(String::as_str));
            let there = list_names(near.into_iter());
            return Ok(Some(format!(
                "nothing has an artifact `{artifact}`: {there}"
            )));
        }
        let mut values = Vec::new();
        let mut inside = BTreeSet::new();
        for found in &self.found {
            let path = find.store.out_dir(found.id()).join(artifact);
            if let Ok(Some(number)) = number_in(&path, &metric.way) {
                values.push(Cell::Value(number.into()));
            }
            let Ok(record) = find.store.record(found.id()) else {
                continue;
            };
            let entries = record.manifest().entries().iter();
            let this: Vec<_> = entries
                .filter(|entry| entry.path == *artifact)
                .cloned()
                .collect();
            for number in numbers(&find.store.out_dir(found.id()), &this).unwrap_or_default() {
                inside.insert(number.way);
            }
        }
        let way = metric.way.to_string();
        let what = match way.as_str() {
            "" => artifact.clone(),
            way => format!("{artifact}:{way}"),
        };
        if !values.is_empty() {
            return Ok(Some(format!("`{what}` is {}", summary(&values))));
        }
        inside.remove("");
        let near = nearest_first(&way, inside.iter().map(String::as_str));
        Ok(Some(match near.is_empty() {
            true => format!("there are no numbers in `{artifact}`"),
            false => format!(
                "`{what}` is not a number: in `{artifact}` {}",
                list_names(near.into_iter())
            ),
        }))
    }

    fn of_condition(&self, find: &Find<'_>, what: &str) -> Result<Option<String>> {
        let values = self.values(find, what)?;
        if !values.is_empty() {
            return Ok(Some(format!("`{what}` is {}", summary(&values))));
        }
        let fields = self.fields.iter().chain(&self.numbers).map(String::as_str);
        // A set, as an output may be both a field and a number.
        let all: BTreeSet<&str> = fields
            .chain(["built", "seconds", "bytes", "ended"])
            .collect();
        let near = nearest_first(what, all.into_iter());
        Ok(Some(format!(
            "nothing has `{what}`: {}",
            list_names(near.into_iter())
        )))
    }

    /// Returns the values of a property in all examined realizations.
    fn values(&self, find: &Find<'_>, what: &str) -> Result<Vec<Cell>> {
        let mut values = Vec::new();
        for found in &self.found {
            match looked_up(find.store, found, None, what) {
                Ok(value) => values.extend(value),
                Err(error) if is_passed_over(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(values)
    }
}

/// Whether the object is corrupt or was removed.
fn is_passed_over(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Missing | ErrorKind::Store)
}

/// Summarizes values: numbers by their range, others by the first few.
fn summary(values: &[Cell]) -> String {
    let numbers: Vec<f64> = values.iter().filter_map(Cell::number).collect();
    if numbers.len() == values.len() {
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return match low == high {
            true => format!("{low} in all"),
            false => format!("from {low} to {high}"),
        };
    }
    let texts: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
    let shown: Vec<_> = texts.iter().take(MAX_VALUES).cloned().collect();
    match texts.len().saturating_sub(MAX_VALUES) {
        0 => shown.join(", "),
        more => format!("{} and {more} others", shown.join(", ")),
    }
}
