//! Short labels that tell configs apart: by the fields that differ.

use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::changes::{compact, inside};
use super::dotted::{Step, joined, same};
use super::{ConfigJson, DRefId};

/// The longest value, in letters.
const LONGEST: usize = 40;

/// A config with the fields that it leaves out.
#[derive(Clone)]
pub(crate) struct Labelled {
    pub(crate) config: ConfigJson,
    pub(crate) omitted: BTreeMap<String, serde_json::Value>,
}

/// For each config, a label of the fields in which they differ, as in `rate=0.1,epochs=10`, after the name if these differ
/// too. A dependency that differs is looked into, as far as `resolve` knows it. `ids` are what they are told apart by if
/// nothing else does.
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
    told_apart(labels, ids)
}

/// The fields in which configs of one stage differ.
fn fields(all: &[&Labelled], resolve: &mut dyn FnMut(&DRefId) -> Option<Labelled>) -> Vec<String> {
    let mut columns = Vec::new();
    let mut expanded = HashSet::new();
    let whole = all.iter().map(|one| Some(one.whole())).collect();
    let mut waiting = vec![Column {
        path: Vec::new(),
        values: whole,
    }];
    while let Some(column) = waiting.pop() {
        if column.is_uniform() {
            continue;
        }
        let parts = match column.drefs() {
            None => column.parts(),
            Some(drefs) => {
                let one_stage = drefs.windows(2).all(|two| two[0].name() == two[1].name());
                // By another way, the same differences were met already.
                if one_stage && !expanded.insert(drefs.clone()) {
                    continue;
                }
                let configs: Option<Vec<_>> = match one_stage {
                    true => drefs.iter().map(&mut *resolve).collect(),
                    false => None,
                };
                configs.and_then(|configs| {
                    let values = configs.iter().map(|one| Some(one.whole())).collect();
                    let path = column.path.clone();
                    Column { path, values }.parts()
                })
            }
        };
        match parts {
            Some(mut parts) => {
                parts.reverse();
                waiting.append(&mut parts);
            }
            None => columns.push(column),
        }
    }
    let keys = short(&columns);
    (0..all.len())
        .map(|at| {
            let fields = columns.iter().zip(&keys);
            let fields: Vec<_> = fields
                .map(|(column, key)| format!("{key}={}", column.text(at)))
                .collect();
            fields.join(",")
        })
        .collect()
}

impl Labelled {
    /// All of it as one object.
    fn whole(&self) -> Box<RawValue> {
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

/// What all configs have in one place.
struct Column {
    path: Vec<Step>,
    values: Vec<Option<Box<RawValue>>>,
}

impl Column {
    fn is_uniform(&self) -> bool {
        let mut pairs = self.values.windows(2);
        pairs.all(|pair| match (&pair[0], &pair[1]) {
            (Some(one), Some(other)) => same(one, other),
            (one, other) => one.is_none() && other.is_none(),
        })
    }

    /// The derivations, if all are such.
    fn drefs(&self) -> Option<Vec<DRefId>> {
        let read = |value: &Option<Box<RawValue>>| {
            let text: String = serde_json::from_str(value.as_ref()?.get()).ok()?;
            text.parse().ok()
        };
        self.values.iter().map(read).collect()
    }

    /// Its columns, if all of it are objects, or lists of one length. In the order in which they are met.
    fn parts(&self) -> Option<Vec<Column>> {
        let mut order: Vec<Column> = Vec::new();
        let mut places: HashMap<Step, usize> = HashMap::new();
        let mut length = None;
        for (at, value) in self.values.iter().enumerate() {
            let parts = inside(value.as_ref()?)?;
            let is_list = matches!(parts.first(), Some((Step::Index(_), _)));
            let this = (is_list, if is_list { parts.len() } else { 0 });
            if *length.get_or_insert(this) != this {
                return None;
            }
            for (step, value) in parts {
                let place = *places.entry(step.clone()).or_insert_with(|| {
                    let mut path = self.path.clone();
                    path.push(step);
                    order.push(Column {
                        path,
                        values: vec![None; self.values.len()],
                    });
                    order.len() - 1
                });
                order[place].values[at] = Some(value.to_owned());
            }
        }
        Some(order)
    }

    fn text(&self, at: usize) -> String {
        let Some(value) = &self.values[at] else {
            return "-".to_owned();
        };
        let text = match serde_json::from_str::<String>(value.get()) {
            Ok(text) => match text.parse::<DRefId>() {
                Ok(dref) => dref.name().to_string(),
                Err(_) if is_word(&text) => text,
                Err(_) => compact(value),
            },
            Err(_) => compact(value),
        };
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}..", &text[..end]),
            None => text,
        }
    }
}

/// Whether it is plain without quotes.
fn is_word(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '=' | '"');
    !text.is_empty() && text.chars().all(plain)
}

/// For each column, the shortest end of its path that no other one has.
fn short(columns: &[Column]) -> Vec<String> {
    let ends = |column: &Column| -> Vec<String> {
        let ends = (0..column.path.len()).rev();
        let ends = ends.filter(|from| matches!(column.path[*from], Step::Key(_)));
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

/// Different ones get different labels.
fn told_apart(mut labels: Vec<String>, ids: &[String]) -> Vec<String> {
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
