//! Looking up properties of a realization by name, for tables and conditions.

use super::Found;
use super::comparison::{Cell, Number, ReadRow, numbers};
use crate::config::{ConfigJson, DRefId, FieldPath, RawValue, reference_in};
use crate::store::{BuildKind, BuildRecord, Entry, EntryKind, Store, newest_first};
use crate::{ErrorKind, Result};

/// Looks up a property of a realization by name: a field of its config or of a dependency's config; a number in its artifacts;
/// the last number of a series that was recorded; or `built`, `seconds`, `bytes` or `ended`. Returns `None` if it has no such property.
///
/// `kept` is what is kept of the realization, if anything is.
pub(super) fn looked_up(
    store: &Store,
    found: &Found,
    kept: Option<&ReadRow>,
    what: &str,
) -> Result<Option<Cell>> {
    if let Some(kept) = kept.filter(|kept| kept.is_omitted_by_all)
        && !["built", "seconds", "ended"].contains(&what)
    {
        return in_kept(store, kept, what);
    }
    if let Ok(way) = FieldPath::parse(what) {
        if let Some(value) = in_config(store, found.config()?.raw()?, &way)? {
            return Ok(Some(Cell::Value(value)));
        }
        let builds = newest_first(found.realization()?.builds());
        let omitted = builds.filter_map(|build| {
            let omitted = serde_json::value::to_raw_value(&build.omitted).ok()?;
            serde_json::from_str(way.find(&omitted)?.get()).ok()
        });
        let mut omitted = omitted;
        if let Some(value) = omitted.next() {
            return Ok(Some(Cell::Value(value)));
        }
    }
    let record = store.record(found.id())?;
    let entries = record.manifest().entries();
    if let Some(number) = in_artifacts(store, found, entries, what)? {
        return Ok(Some(number.cell));
    }
    let realization = found.realization()?;
    let made = |build: &&BuildRecord| build.kind == BuildKind::Build;
    let build = newest_first(realization.builds()).find(made);
    let value: Option<serde_json::Value> = match what {
        "built" => build
            .filter(|build| build.ended().is_some())
            .map(|build| build.start.to_string().into()),
        "seconds" => build.map(|build| build.seconds().into()),
        "bytes" => Some(entries.iter().map(size).sum::<u64>().into()),
        "ended" => Some(realization.outcome.to_string().into()),
        name => {
            let mut series = store.series_in(realization)?.into_iter();
            let last = series.find(|series| series.name == name);
            last.map(|series| series.last.into())
        }
    };
    Ok(value.map(Cell::Value))
}

/// Looks up a property in what is kept of a realization.
fn in_kept(store: &Store, kept: &ReadRow, what: &str) -> Result<Option<Cell>> {
    if let Ok(way) = FieldPath::parse(what) {
        let config = serde_json::from_str(&kept.config).ok();
        if let Some(config) = config
            && let Some(value) = in_config(store, config, &way)?
        {
            return Ok(Some(Cell::Value(value)));
        }
        let omitted = serde_json::value::to_raw_value(&kept.omitted).ok();
        let omitted = omitted.as_deref().and_then(|all| way.find(all));
        if let Some(value) = omitted.and_then(|value| serde_json::from_str(value.get()).ok()) {
            return Ok(Some(Cell::Value(value)));
        }
    }
    let is_it = |number: &&Number| number.name() == what || number.full_name() == what;
    if let Some(number) = kept.numbers.iter().find(is_it) {
        return Ok(Some(number.cell.clone()));
    }
    if what == "bytes" {
        return Ok(Some(Cell::Value(kept.bytes.into())));
    }
    let last = kept.last_of_series(what);
    Ok(last.map(|last| Cell::Value(last.into())))
}

/// Follows a path through configs, from reference to reference.
fn in_config(
    store: &Store,
    config: &RawValue,
    way: &FieldPath,
) -> Result<Option<serde_json::Value>> {
    let mut value = config;
    let mut steps = way.steps();
    let mut named: ConfigJson;
    loop {
        let mut next = None;
        while let Some((step, rest)) = steps.split_first() {
            let Ok(inside) = step.take(value) else {
                return Ok(None);
            };
            steps = rest;
            value = inside;
            next = reference_in(value.get()).filter(|_| !rest.is_empty());
            if next.is_some() {
                break;
            }
        }
        match next {
            None => return Ok(serde_json::from_str(value.get()).ok()),
            Some(dref) => match stored(store, &dref)? {
                Some(inside) => {
                    named = inside;
                    value = named.raw()?;
                }
                None => return Ok(None),
            },
        }
    }
}

/// Returns a config, or `None` if the derivation was never realized in this store.
fn stored(store: &Store, dref: &DRefId) -> Result<Option<ConfigJson>> {
    match store.config(dref) {
        Ok(config) => Ok(Some(config)),
        Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks up a number in the artifacts. Reads only files whose names match.
fn in_artifacts(
    store: &Store,
    found: &Found,
    entries: &[Entry],
    what: &str,
) -> Result<Option<Number>> {
    let can_be_in = |entry: &&Entry| {
        let stem = entry.path.rsplit_once('.').map_or("", |(stem, _)| stem);
        !stem.is_empty() && what.starts_with(stem)
    };
    let files: Vec<Entry> = entries.iter().filter(can_be_in).cloned().collect();
    let out = store.out_dir(found.id());
    let there = numbers(&out, &files)?;
    Ok(there
        .into_iter()
        .find(|number| number.name() == what || number.full_name() == what))
}

fn size(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size, .. } => size,
        _ => 0,
    }
}
