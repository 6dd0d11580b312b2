//! Short labels that distinguish configs by the fields that differ.

use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::changes::{compact, inside, object_parts, reference_in};
use super::field_path::{PathStep, joined, same};
use super::{ConfigJson, DRefId};

/// The maximal length of a value, in characters, if only one field is shown.
const LONGEST: usize = 40;
/// The maximal length of a value, in characters, if several fields are shown.
const LONGEST_OF_MANY: usize = 24;

/// Up to this number, all fields that differ are shown. Of more fields, only those that distinguish further configs are.
const ALL_NAMED: usize = 4;
/// The maximal number of fields in a label.
const MOST: usize = 6;

/// The maximal depth to which chains of dependencies are compared.
const DEEP: usize = 100;

/// A config with the fields that its JSON omits.
#[derive(Clone)]
pub(crate) struct Labelled {
    pub(crate) config: ConfigJson,
    pub(crate) omitted: BTreeMap<String, serde_json::Value>,
}

/// Makes a label for each config from the fields that differ, as in `rate=0.1,epochs=10`, with the name in front if the
/// names differ too. A dependency that differs is compared field by field, if `resolve` finds its config. `ids` distinguish
/// configs whose labels are equal.
pub(crate) fn labels(
    all: &[Labelled],
    ids: &[String],
    mut resolve: impl FnMut(&DRefId) -> Option<Labelled>,
) -> Vec<String> {
    let mut stages: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        let name = one.config.id().name().as_str();
        stages.entry(name).or_default().push(at);
    }
    let mut labels = vec![String::new(); all.len()];
    for (name, members) in &stages {
        let configs: Vec<&Labelled> = members.iter().map(|at| &all[*at]).collect();
        for (at, fields) in members.iter().zip(fields(&configs, &mut resolve)) {
            labels[*at] = match (fields.is_empty(), stages.len()) {
                (true, _) => (*name).to_owned(),
                (false, 1) => fields,
                (false, _) => format!("{name},{fields}"),
            };
        }
    }
    distinguish(labels, ids)
}

/// Formats, for each config of one stage, the fields that differ.
fn fields(all: &[&Labelled], resolve: &mut dyn FnMut(&DRefId) -> Option<Labelled>) -> Vec<String> {
    let columns = shown_columns(columns(all, resolve));
    let keys = unique_suffixes(&columns);
    let longest = match columns.len() {
        0 | 1 => LONGEST,
        _ => LONGEST_OF_MANY,
    };
    let texts: Vec<Vec<String>> = columns.iter().map(|column| column.shown(longest)).collect();
    (0..all.len())
        .map(|at| {
            let said = (0..columns.len()).filter(|which| !is_left_out(&columns, *which, at));
            let said = said.map(|which| format!("{}={}", keys[which], texts[which][at]));
            said.collect::<Vec<_>>().join(",")
        })
        .collect()
}

/// Finds all fields that differ between configs of one stage, including those of their dependencies.
fn columns(all: &[&Labelled], resolve: &mut dyn FnMut(&DRefId) -> Option<Labelled>) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut expanded = HashSet::new();
    let as_object = all.iter().map(|one| Some(one.as_object())).collect();
    let mut stack = vec![Column {
        path: Vec::new(),
        values: as_object,
        is_in_variant: false,
        depth: 0,
    }];
    while let Some(column) = stack.pop() {
        if column.is_uniform() {
            continue;
        }
        let parts = match column.drefs() {
            None => column.tagged().or_else(|| column.parts()),
            Some(drefs) => {
                let mut named = drefs.iter().flatten().map(DRefId::name);
                let first = named.next();
                let one_stage = named.all(|name| Some(name) == first);
                // The same dependencies were compared before, through another field.
                if one_stage && !expanded.insert(drefs.clone()) {
                    continue;
                }
                let mut as_object = |dref: &Option<DRefId>| match dref {
                    Some(dref) => Some(Some(resolve(dref)?.as_object())),
                    None => Some(None),
                };
                let values: Option<Vec<_>> = match one_stage && column.depth < DEEP {
                    true => drefs.iter().map(&mut as_object).collect(),
                    false => None,
                };
                values.and_then(|values| {
                    let depth = column.depth + 1;
                    column
                        .with_values(column.path.clone(), values, depth)
                        .parts()
                })
            }
        };
        match parts {
            Some(mut parts) => {
                parts.reverse();
                stack.append(&mut parts);
            }
            None => columns.push(column),
        }
    }
    columns
}

/// Selects the columns that labels show. Drops columns with the key and the values of an earlier one, drops dependencies and
/// lists as a whole if single values distinguish as many configs, and of many columns keeps those that distinguish more
/// configs than the ones before.
fn shown_columns(columns: Vec<Column>) -> Vec<Column> {
    let mut seen: HashSet<(Option<String>, Vec<String>)> = HashSet::new();
    let mut kept: Vec<(Column, Vec<String>)> = Vec::new();
    for column in columns {
        let texts: Vec<String> = (0..column.values.len()).map(|at| column.text(at)).collect();
        if seen.insert((column.last_key(), texts.clone())) {
            kept.push((column, texts));
        }
    }
    let all = kept.iter().map(|(_, texts)| texts);
    let plain = kept.iter().filter(|(column, _)| column.is_plain());
    if count_distinct(plain.map(|(_, texts)| texts)) == count_distinct(all) {
        kept.retain(|(column, _)| column.is_plain());
    }
    if kept.len() <= ALL_NAMED {
        return kept.into_iter().map(|(column, _)| column).collect();
    }
    let rows = kept.first().map_or(0, |(_, texts)| texts.len());
    let mut groups = vec![0_usize; rows];
    let mut count = 1;
    let mut chosen = Vec::new();
    for (column, texts) in kept {
        let mut numbers: HashMap<(usize, &str), usize> = HashMap::new();
        let mut number = |at: usize| {
            let next = numbers.len();
            *numbers
                .entry((groups[at], texts[at].as_str()))
                .or_insert(next)
        };
        let finer: Vec<usize> = (0..rows).map(&mut number).collect();
        if numbers.len() > count && chosen.len() < MOST {
            count = numbers.len();
            groups = finer;
            chosen.push(column);
        }
    }
    chosen
}

/// Returns how many configs these columns distinguish.
fn count_distinct<'a>(columns: impl Iterator<Item = &'a Vec<String>>) -> usize {
    let columns: Vec<_> = columns.collect();
    let row = |at: usize| columns.iter().map(|texts| &texts[at]).collect::<Vec<_>>();
    let rows = columns.first().map_or(0, |texts| texts.len());
    (0..rows).map(row).collect::<HashSet<_>>().len()
}

/// Returns whether the label omits a field that the config lacks, because a neighbouring field already says so.
fn is_left_out(columns: &[Column], which: usize, at: usize) -> bool {
    let column = &columns[which];
    if column.values[at].is_some() {
        return false;
    }
    let beside = |other: &Column| {
        other.path.len() >= column.path.len()
            && other.path[..column.path.len() - 1] == column.path[..column.path.len() - 1]
            && other.values[at].is_some()
    };
    column.is_in_variant || column.path.len() > 1 && columns.iter().any(beside)
}

impl Labelled {
    /// Returns the config and the omitted fields as one object.
    fn as_object(&self) -> Box<RawValue> {
        let empty = || RawValue::NULL.to_owned();
        let Ok(raw) = self.config.raw() else {
            return empty();
        };
        if self.omitted.is_empty() {
            return raw.to_owned();
        }
        let mut text = raw.get().trim_end().trim_end_matches('}').to_owned();
        for (key, value) in &self.omitted {
            text.push_str(&format!(
                ",{}:{value}",
                serde_json::Value::from(key.as_str())
            ));
        }
        text.push('}');
        RawValue::from_string(text).unwrap_or_else(|_| empty())
    }
}

/// The values of all configs at one path.
struct Column {
    path: Vec<PathStep>,
    values: Vec<Option<Box<RawValue>>>,
    /// Whether the path is inside an enum variant that some configs do not have. Another column shows the variants.
    is_in_variant: bool,
    /// The number of dependencies on the path.
    depth: usize,
}

impl Column {
    /// Makes another column for the same configs.
    fn with_values(
        &self,
        path: Vec<PathStep>,
        values: Vec<Option<Box<RawValue>>>,
        depth: usize,
    ) -> Self {
        let is_in_variant = self.is_in_variant;
        Column {
            path,
            values,
            is_in_variant,
            depth,
        }
    }

    fn is_uniform(&self) -> bool {
        let all = self.values.iter();
        let all: Vec<_> = all
            .filter(|value| !self.is_in_variant || value.is_some())
            .collect();
        all.windows(2).all(|pair| match (pair[0], pair[1]) {
            (Some(one), Some(other)) => same(one, other),
            (one, other) => one.is_none() && other.is_none(),
        })
    }

    /// Returns the derivations, if all values are references; otherwise `None`.
    fn drefs(&self) -> Option<Vec<Option<DRefId>>> {
        let read = |value: &Option<Box<RawValue>>| match value {
            Some(value) => reference_in(value.get()).map(Some),
            None => self.is_in_variant.then_some(None),
        };
        self.values.iter().map(read).collect()
    }

    /// Splits a column of enums into one column of the variants and one for the data of each. Returns `None` for other
    /// values.
    fn tagged(&self) -> Option<Vec<Column>> {
        let mut tags = Vec::with_capacity(self.values.len());
        let mut inner: Vec<(String, Vec<Option<Box<RawValue>>>)> = Vec::new();
        for (at, value) in self.values.iter().enumerate() {
            let Some(value) = value else {
                if !self.is_in_variant {
                    return None;
                }
                tags.push(None);
                continue;
            };
            let Some(parts) = object_parts(value) else {
                // A variant without data, or the `None` of an optional enum.
                let is_plain = value.get().starts_with('"') && reference_in(value.get()).is_none();
                if !is_plain && value.get() != "null" {
                    return None;
                }
                tags.push(Some(value.clone()));
                continue;
            };
            let [(tag, value)] = &parts[..] else {
                return None;
            };
            tags.push(
                RawValue::from_string(serde_json::Value::from(tag.as_str()).to_string()).ok(),
            );
            let place = match inner.iter().position(|(name, _)| name == tag) {
                Some(place) => place,
                None => {
                    inner.push((tag.clone(), vec![None; self.values.len()]));
                    inner.len() - 1
                }
            };
            inner[place].1[at] = Some((*value).to_owned());
        }
        let tags = self.with_values(self.path.clone(), tags, self.depth);
        // Without data, or with a single variant, the tags distinguish nothing.
        if inner.is_empty() || tags.is_uniform() {
            return None;
        }
        let inner = inner.into_iter().map(|(tag, values)| {
            let mut path = self.path.clone();
            path.push(PathStep::Key(tag));
            let is_in_variant = true;
            Column {
                is_in_variant,
                ..self.with_values(path, values, self.depth)
            }
        });
        Some(inner.fold(vec![tags], |mut all, one| {
            all.push(one);
            all
        }))
    }

    /// Splits the column into columns of the parts, if all values are objects, or lists of one length. Returns `None`
    /// otherwise.
    fn parts(&self) -> Option<Vec<Column>> {
        let mut order: Vec<Column> = Vec::new();
        let mut places: HashMap<PathStep, usize> = HashMap::new();
        let mut length = None;
        for (at, value) in self.values.iter().enumerate() {
            let Some(value) = value else {
                if self.is_in_variant {
                    continue;
                }
                return None;
            };
            let parts = inside(value)?;
            let is_list = matches!(parts.first(), Some((PathStep::Index(_), _)));
            let this = (is_list, if is_list { parts.len() } else { 0 });
            if *length.get_or_insert(this) != this {
                return None;
            }
            for (step, value) in parts {
                let place = *places.entry(step.clone()).or_insert_with(|| {
                    let mut path = self.path.clone();
                    path.push(step);
                    order.push(self.with_values(path, vec![None; self.values.len()], self.depth));
                    order.len() - 1
                });
                order[place].values[at] = Some(value.to_owned());
            }
        }
        // For maps of dependencies, the set of keys says more than the single entries: do not split them.
        let is_dref = |value: &RawValue| reference_in(value.get()).is_some();
        let has_gaps = |column: &Column| column.values.iter().any(Option::is_none);
        let mut values = order
            .iter()
            .flat_map(|column| column.values.iter().flatten());
        if !self.is_in_variant && order.iter().any(has_gaps) && values.all(|value| is_dref(value)) {
            return None;
        }
        Some(order)
    }

    /// Returns whether all values are plain: not dependencies, lists or objects.
    fn is_plain(&self) -> bool {
        let mut values = self.values.iter().flatten();
        values.all(|value| inside(value).is_none() && reference_in(value.get()).is_none())
    }

    /// Returns the last key of the path.
    fn last_key(&self) -> Option<String> {
        self.path.iter().rev().find_map(|step| match step {
            PathStep::Key(key) => Some(key.clone()),
            PathStep::Index(_) => None,
        })
    }

    fn text(&self, at: usize) -> String {
        let Some(value) = &self.values[at] else {
            return "-".to_owned();
        };
        if let Some(dref) = reference_in(value.get()) {
            return dref.name().to_string();
        }
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if is_word(&text) => text,
            Ok(_) => compact(value),
            Err(_) => format_counts(value).unwrap_or_else(|| compact(value)),
        }
    }

    /// Returns the texts, cut to `longest` characters. If one is longer, their common prefix is removed first.
    fn shown(&self, longest: usize) -> Vec<String> {
        let texts: Vec<String> = (0..self.values.len()).map(|at| self.text(at)).collect();
        let is_long = |text: &String| text.chars().count() > longest;
        let skip = match texts.iter().any(is_long) {
            true => common_prefix(&texts),
            false => 0,
        };
        let cut = |text: String| {
            let mut shown = match skip {
                0 => text,
                skip => format!("..{}", &text[skip..]),
            };
            if let Some((end, _)) = shown.char_indices().nth(longest) {
                shown.truncate(end);
                shown.push_str("..");
            }
            shown
        };
        texts.into_iter().map(cut).collect()
    }
}

/// Returns the length in bytes of the common prefix of all texts, up to the end of a word.
fn common_prefix(texts: &[String]) -> usize {
    let Some((first, others)) = texts.split_first() else {
        return 0;
    };
    let mut end = first.len();
    for other in others {
        let mut pairs = first.char_indices().zip(other.chars());
        let differs = pairs.find(|((_, one), other)| one != other);
        let same = differs.map_or(first.len().min(other.len()), |((at, _), _)| at);
        end = end.min(same);
    }
    let ends_word = |(at, c): (usize, char)| (!c.is_alphanumeric()).then_some(at + c.len_utf8());
    // Leave at least one character of each text.
    let most = texts.iter().map(String::len).min().unwrap_or_default();
    let mut ends = first[..end].char_indices().filter_map(ends_word);
    ends.rfind(|end| *end < most).unwrap_or(0)
}

/// Formats a list or an object of dependencies as the number of each stage's. Returns `None` for other values.
fn format_counts(value: &RawValue) -> Option<String> {
    let parts = inside(value)?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (_, part) in &parts {
        let dref = reference_in(part.get())?;
        *names.entry(dref.name().to_string()).or_default() += 1;
    }
    let names = names.iter().map(|(name, count)| format!("{count} {name}"));
    (!parts.is_empty()).then(|| format!("[{}]", names.collect::<Vec<_>>().join(" ")))
}

/// Returns whether a text is unambiguous without quotes.
fn is_word(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '=' | '"');
    !text.is_empty() && text.chars().all(plain)
}

/// Returns, for each column, the shortest suffix of its path that is unique.
fn unique_suffixes(columns: &[Column]) -> Vec<String> {
    let ends = |column: &Column| -> Vec<String> {
        let ends = (0..column.path.len()).rev();
        let ends = ends.filter(|from| matches!(column.path[*from], PathStep::Key(_)));
        let shown = |from: usize| {
            let steps = column.path[from..].iter();
            steps.fold(String::new(), |path, step| joined(&path, step))
        };
        ends.map(shown).collect()
    };
    let all: Vec<Vec<String>> = columns.iter().map(ends).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for end in all.iter().flatten() {
        *count.entry(end).or_default() += 1;
    }
    all.iter()
        .map(|ends| {
            let unique = ends.iter().find(|end| count[end.as_str()] == 1);
            unique.or(ends.last()).cloned().unwrap_or_default()
        })
        .collect()
}

/// Appends a part of the hash to equal labels of different configs.
fn distinguish(mut labels: Vec<String>, ids: &[String]) -> Vec<String> {
    let mut of: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (label, id) in labels.iter().zip(ids) {
        of.entry(label).or_default().insert(id);
    }
    let ambiguous: Vec<bool> = labels
        .iter()
        .map(|label| of[label.as_str()].len() > 1)
        .collect();
    for ((label, id), ambiguous) in labels.iter_mut().zip(ids).zip(ambiguous) {
        if ambiguous {
            let hash = id.split_once(':').map_or(id.as_str(), |(_, hash)| hash);
            label.push('#');
            label.extend(hash.chars().take(8));
        }
    }
    labels
}
