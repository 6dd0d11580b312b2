//! Config fields that differ between realizations.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Cell;
use crate::config::{
    ConfigJson, DRefId, PathStep, RawValue, joined, object_parts, reference_in, same,
};
use crate::store::Store;
use crate::{ErrorKind, Result};

/// The fields of a config by name, in order, as raw JSON.
pub(super) struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// Returns the fields of a config without its name, followed by the omitted fields.
    pub(super) fn of(config: &RawValue, omitted: &BTreeMap<String, serde_json::Value>) -> Self {
        let mut fields = Fields::in_value(config).unwrap_or_default();
        fields.retain(|(name, _)| name != "name");
        for (name, value) in omitted {
            if !fields.iter().any(|(there, _)| there == name)
                && let Ok(value) = serde_json::value::to_raw_value(value)
            {
                fields.push((name.clone(), value));
            }
        }
        Fields(fields)
    }

    fn in_value(value: &RawValue) -> Option<Vec<(String, Box<RawValue>)>> {
        let parts = object_parts(value)?.into_iter();
        let owned = |(name, value): (String, &RawValue)| (name, value.to_owned());
        Some(parts.map(owned).collect())
    }
}

/// A field to expand, with its value in each row.
type Waiting = (String, Vec<Option<Box<RawValue>>>);

/// Returns the fields that differ between the rows, with their values. Expands objects, and dependencies on the same stage.
pub(super) fn differing(
    store: &Store,
    rows: Vec<Fields>,
    same: &mut BTreeMap<String, Cell>,
) -> Result<Vec<(String, Vec<Option<Cell>>)>> {
    let mut configs = HashMap::new();
    let mut columns = Vec::new();
    let mut waiting: Vec<Waiting> = Vec::new();
    let rows = rows.into_iter().map(|Fields(fields)| Some(fields));
    enter(&mut waiting, "", rows.collect());
    while let Some((path, values)) = waiting.pop() {
        if all_same(&values)
            && let Some(Some(value)) = values.first()
            && Fields::in_value(value).is_none()
        {
            same.extend(cell(value).map(|cell| (path, cell)));
            continue;
        }
        let objects = values
            .iter()
            .map(|value| value.as_ref().and_then(|value| Fields::in_value(value)));
        let objects: Vec<_> = objects.collect();
        if are_all_there(&values, &objects) {
            enter(&mut waiting, &path, objects);
            continue;
        }
        if let Some(inside) = dependencies(store, &mut configs, &values)? {
            enter(&mut waiting, &path, inside);
            continue;
        }
        let cells = values.iter().map(|value| cell(value.as_ref()?));
        columns.push((path, cells.collect()));
    }
    Ok(columns)
}

fn cell(value: &RawValue) -> Option<Cell> {
    serde_json::from_str(value.get()).ok().map(Cell::Value)
}

type Objects = Vec<Option<Vec<(String, Box<RawValue>)>>>;

/// Whether all existing values are objects, and there is at least one.
fn are_all_there(values: &[Option<Box<RawValue>>], objects: &Objects) -> bool {
    let mut both = values.iter().zip(objects);
    objects.iter().any(Option::is_some) && both.all(|(one, other)| one.is_some() == other.is_some())
}

fn all_same(values: &[Option<Box<RawValue>>]) -> bool {
    values.windows(2).all(|two| match (&two[0], &two[1]) {
        (Some(one), Some(other)) => same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    })
}

/// Pushes the fields of these objects onto the stack, the first field on top.
fn enter(waiting: &mut Vec<Waiting>, path: &str, objects: Objects) {
    let count = objects.len();
    let mut order = Vec::new();
    let mut found: HashMap<String, Vec<Option<Box<RawValue>>>> = HashMap::new();
    for (at, object) in objects.into_iter().enumerate() {
        for (name, value) in object.into_iter().flatten() {
            let values = found.entry(name.clone()).or_insert_with(|| {
                order.push(name);
                vec![None; count]
            });
            values[at] = Some(value);
        }
    }
    for name in order.into_iter().rev() {
        if let Some(values) = found.remove(&name) {
            waiting.push((joined(path, &PathStep::Key(name)), values));
        }
    }
}

/// Returns the fields of dependencies, if all values are dependencies on the same stage.
fn dependencies(
    store: &Store,
    configs: &mut HashMap<DRefId, Option<ConfigJson>>,
    values: &[Option<Box<RawValue>>],
) -> Result<Option<Objects>> {
    let mut names = HashSet::new();
    let mut inside = Vec::with_capacity(values.len());
    for value in values {
        let Some(value) = value else {
            inside.push(None);
            continue;
        };
        let Some(dref) = reference_in(value.get()) else {
            return Ok(None);
        };
        names.insert(dref.name().clone());
        if names.len() > 1 {
            return Ok(None);
        }
        if !configs.contains_key(&dref) {
            let config = match store.config(&dref) {
                Ok(config) => Some(config),
                // A config may name a derivation that was never realized in this store.
                Err(error) if error.kind() == ErrorKind::Missing => None,
                Err(error) => return Err(error),
            };
            configs.insert(dref.clone(), config);
        }
        let Some(config) = &configs[&dref] else {
            return Ok(None);
        };
        inside.push(Some(Fields::of(config.raw()?, &BTreeMap::new()).0));
    }
    Ok(Some(inside))
}
