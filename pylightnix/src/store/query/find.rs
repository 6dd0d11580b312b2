//! Searching for realizations.

use jiff::Timestamp;
use once_cell::sync::OnceCell;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use super::Found;
use super::comparison::{KeptRows, ReadRow, state_of};
use super::condition::Condition;
use super::glob::Glob;
use super::hints::hints;
use super::looked_up::looked_up;
use super::number::number_in;
use crate::config::{ConfigJson, DRefId, FieldPath, Name, RRefId, RawValue, same};
use crate::store::object::tree::check_path;
use crate::store::{Outcome, Realization, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Begins a search. Without conditions, it finds all realizations.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # use std::collections::BTreeMap;
    /// # use std::time::Duration;
    /// # #[derive(Config)]
    /// # pub struct Train { #[selfref("scores.json")] out: SelfRef<Json<BTreeMap<String, f64>>>, epochs: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    /// #     let accuracy = 1. - 1. / f64::from(b.epochs);
    /// #     Ok(TrainOutputs { out: b.out.save(&BTreeMap::from([("accuracy".to_owned(), accuracy)]))? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # for epochs in [2, 5, 10] { store.realize(&instantiate(Train::new(epochs))?)?; }
    /// let week = Duration::from_secs(7 * 24 * 60 * 60);
    /// let good = store.find().name("tr*").newer_than(week).metric("scores.json", "accuracy", 0.75..);
    /// let mut found: Vec<_> = good.run()?.collect::<Result<_, _>>()?;
    /// found.sort_by(|one, other| one.metrics()[0].total_cmp(&other.metrics()[0]));
    /// assert_eq!(found.iter().map(|found| found.metrics()[0]).collect::<Vec<_>>(), [0.8, 0.9]);
    ///
    /// let five = store.find().field("epochs", 5).run()?.next().unwrap()?;
    /// assert_eq!(five.id(), found[0].id());
    ///
    /// // With types: the fields of the config, and the artifacts in their formats.
    /// for run in store.find().stage::<Train>().run()? {
    ///     let run = run?;
    ///     println!("{} {}", run.epochs, run.out.load()?["accuracy"]);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn find(&self) -> Find<'_> {
        Find {
            store: self,
            name: Vec::new(),
            patterns: Vec::new(),
            derivation: None,
            conditions: Vec::new(),
            newer_than: None,
            older_than: None,
            outcome: None,
            fields: Vec::new(),
            metrics: Vec::new(),
            fault: None,
        }
    }
}

/// A search for realizations that meet all its conditions, created by [`Store::find`].
///
/// Cheap conditions are checked first: names need no I/O, fields one read for each derivation, ages and metrics a few reads for
/// each remaining realization.
#[must_use = "nothing happens before `run`"]
pub struct Find<'a> {
    pub(super) store: &'a Store,
    name: Vec<Glob>,
    /// The name patterns as given.
    pub(super) patterns: Vec<String>,
    derivation: Option<DRefId>,
    pub(super) conditions: Vec<Condition>,
    newer_than: Option<Timestamp>,
    older_than: Option<Timestamp>,
    outcome: Option<Outcome>,
    pub(super) fields: Vec<(FieldPath, Box<RawValue>)>,
    pub(super) metrics: Vec<Metric>,
    /// The first error in the conditions, reported by `run`.
    fault: Option<Error>,
}

/// A condition on a number in a JSON artifact.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) artifact: String,
    pub(super) way: FieldPath,
    within: (Bound<f64>, Bound<f64>),
}

impl<'a> Find<'a> {
    /// Keeps derivations whose name matches a pattern: `*` matches any characters, `?` one character, `{a,b}` one of several
    /// strings.
    pub fn name(mut self, pattern: &str) -> Self {
        match Glob::parse(pattern) {
            Ok(glob) => {
                self.name.push(glob);
                self.patterns.push(pattern.to_owned());
            }
            Err(error) => self.fails(error),
        }
        self
    }

    /// Keeps realizations whose newest build, import or acceptance ended less than `age` ago.
    pub fn newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(ago(age));
        self
    }

    /// Keeps realizations whose newest build, import or acceptance ended more than `age` ago.
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(ago(age));
        self
    }

    /// Keeps realizations of this derivation.
    pub fn derivation(mut self, dref: impl AsRef<DRefId>) -> Self {
        self.derivation = Some(dref.as_ref().clone());
        self
    }

    /// Keeps realizations that meet a condition, written as for [`Comparison::retain`](super::Comparison::retain). The left
    /// side is a config field, a field of a dependency after the dependency's name, a number in a `.json` or `.npy` artifact,
    /// or one of `built`, `seconds`, `bytes` and `ended`. Then follow one of `=`, `!=`, `<`, `<=`, `>`, `>=` and a value, or
    /// `~` and a substring: `data.path ~ march`, `scores.accuracy >= 0.9`. `tag:best` keeps those with this tag, and `note:kink`
    /// those with a note in which this occurs.
    pub fn meets(mut self, condition: &str) -> Self {
        match Condition::parse(condition) {
            Ok(condition) => self.conditions.push(condition),
            Err(error) => self.fails(error),
        }
        self
    }

    /// Keeps realizations with this outcome: successes, or recorded failures.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Keeps realizations with this value in a config field, given by its path: `maxiter`, `lr.schedule[3].rate`. Numbers are
    /// compared by value, so `500` equals `500.0`. The value of a dependency is its reference, `dref.id()`. Fields that the
    /// config omits because they have their defaults are looked up in the build records.
    pub fn field(mut self, path: &str, value: impl Serialize) -> Self {
        let value = serde_json::value::to_raw_value(&value).map_err(|error| {
            let message = format!("the value for the field `{path}` cannot be written as JSON");
            Error::new(ErrorKind::Config, message).because(error)
        });
        match FieldPath::parse(path).and_then(|way| Ok((way, value?))) {
            Ok(field) => self.fields.push(field),
            Err(error) => self.fails(error),
        }
        self
    }

    /// Keeps realizations with a number in this range in a JSON artifact, as `Json<T>` writes it. `artifact` is the path in
    /// `out/`, and `path` the path of the number in the JSON value, as in `scores.accuracy`, or empty if the artifact is a
    /// number itself. `..` accepts any number. [`Found::metrics`] returns the numbers.
    ///
    /// Skips realizations without the artifact, without the entry, or with `null` there, which is how JSON represents NaN. An
    /// artifact that is not JSON, or an entry that is not a number, is an error for that realization.
    pub fn metric(mut self, artifact: &str, path: &str, within: impl RangeBounds<f64>) -> Self {
        let artifact_fits = check_path(artifact).map_err(|why| {
            Error::new(
                ErrorKind::Reference,
                format!("{artifact:?} is not a path of an artifact: it {why}"),
            )
        });
        match artifact_fits.and_then(|()| match path {
            "" => Ok(FieldPath::default()),
            path => FieldPath::parse(path),
        }) {
            Ok(way) => self.metrics.push(Metric {
                artifact: artifact.to_owned(),
                way,
                within: (within.start_bound().cloned(), within.end_bound().cloned()),
            }),
            Err(error) => self.fails(error),
        }
        self
    }

    /// Runs the search lazily. Results are sorted by derivation and then by reference, arrive one by one as they are found, and
    /// are not kept in memory.
    ///
    /// A realization that cannot be read yields an error, and the search continues. Realizations that are removed during the
    /// search are skipped.
    ///
    /// Fails if a condition is invalid, for example a malformed pattern or path, or if the store cannot be listed.
    pub fn run(mut self) -> Result<Finding<'a>> {
        let drefs = self.drefs()?;
        Ok(Finding {
            find: self,
            drefs: drefs.into_iter(),
            config: Arc::default(),
            rrefs: Vec::new().into_iter(),
            kept: HashMap::new(),
        })
    }

    /// Returns the derivations with matching names, sorted.
    fn drefs(&mut self) -> Result<Vec<DRefId>> {
        if let Some(error) = self.fault.take() {
            return Err(error);
        }
        let mut drefs = self.store.drefs()?;
        drefs.retain(|dref| self.is_named(dref));
        Ok(drefs)
    }

    pub(super) fn is_named(&self, dref: &DRefId) -> bool {
        let name = dref.name().as_str();
        self.name.iter().all(|glob| glob.fits(name))
            && self.derivation.as_ref().is_none_or(|this| this == dref)
    }

    fn fails(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }

    /// Returns the conditions on fields that the config omits, as positions; `None` if the config fails one of the others.
    fn fields_left(&self, config: &ConfigJson) -> Result<Option<Vec<usize>>> {
        let whole = config.raw()?;
        let mut left = Vec::new();
        for (at, (way, wanted)) in self.fields.iter().enumerate() {
            match way.find(whole) {
                Some(found) if same(found, wanted) => {}
                Some(_) => return Ok(None),
                // A nested path whose first step exists cannot be omitted.
                None if way.begins_in(whole) => return Ok(None),
                None => left.push(at),
            }
        }
        Ok(Some(left))
    }

    /// Whether the omitted fields had the wanted values in a build.
    fn omitted_fit(&self, found: &Found, left: &[usize]) -> Result<bool> {
        if left.is_empty() {
            return Ok(true);
        }
        let builds = found.realization()?.builds();
        Ok(left.iter().all(|at| {
            let (way, wanted) = &self.fields[*at];
            builds.iter().any(|build| {
                let omitted = serde_json::value::to_raw_value(&build.omitted);
                omitted.is_ok_and(|omitted| way.find(&omitted).is_some_and(|it| same(it, wanted)))
            })
        }))
    }

    fn age_fits(&self, found: &Found) -> Result<bool> {
        if self.newer_than.is_none() && self.older_than.is_none() {
            return Ok(true);
        }
        let Some(newest) = found.newest()? else {
            return Ok(false);
        };
        Ok(self.newer_than.is_none_or(|limit| newest > limit)
            && self.older_than.is_none_or(|limit| newest < limit))
    }

    fn outcome_fits(&self, found: &Found) -> Result<bool> {
        match self.outcome {
            Some(outcome) => Ok(found.realization()?.outcome == outcome),
            None => Ok(true),
        }
    }

    fn conditions_hold(&self, found: &Found, kept: Option<&ReadRow>) -> Result<bool> {
        for condition in &self.conditions {
            if condition.is_of_remarks() {
                if !condition.holds_of(found.remarks()?) {
                    return Ok(false);
                }
                continue;
            }
            let cell = looked_up(self.store, found, kept, &condition.what)?;
            if !condition.holds(cell.as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn metrics_fit(&self, found: &mut Found) -> Result<bool> {
        if self.metrics.is_empty() {
            return Ok(true);
        }
        let out = self.store.out_dir(found.id());
        for metric in &self.metrics {
            match number_in(&out.join(&metric.artifact), &metric.way)? {
                Some(number) if metric.within.contains(&number) => found.metrics.push(number),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Returns the time `age` ago, or the minimum time if that is out of range.
fn ago(age: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(age)
        .ok()
        .and_then(|age| Timestamp::now().checked_sub(age).ok())
        .unwrap_or(Timestamp::MIN)
}

/// An iterator over the results of a search; see [`Find::run`].
pub struct Finding<'a> {
    find: Find<'a>,
    drefs: std::vec::IntoIter<DRefId>,
    /// The config of the current derivation.
    config: Arc<OnceCell<ConfigJson>>,
    /// The remaining realizations of the current derivation, each with its conditions on omitted fields.
    rrefs: std::vec::IntoIter<Waiting>,
    /// What is kept of the realizations of each name, as far as it was asked for.
    kept: HashMap<Name, KeptRows>,
}

/// A realization to look at.
struct Waiting {
    id: RRefId,
    /// The conditions on fields that its config omits, as positions.
    left: Arc<[usize]>,
    /// The realization as the index knows it; asked for where something is kept.
    known: Option<Realization>,
}

impl<'a> Finding<'a> {
    /// Explains why nothing was found, as far as possible: for each name, field, artifact or number in the conditions that does
    /// not exist, the existing ones, most similar first; or else the existing values. Examines at most 256 derivations and 256
    /// realizations.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn hints(&self) -> Result<Vec<String>> {
        hints(&self.find)
    }

    /// Returns the store and the remaining derivations.
    pub(crate) fn left(&self) -> (&'a Store, &[DRefId]) {
        (self.find.store, self.drefs.as_slice())
    }

    /// Continues with the realizations of a derivation.
    fn enter(&mut self, dref: &DRefId) -> Result<()> {
        let store = self.find.store;
        self.config = Arc::default();
        let mut left = Vec::new();
        if !self.find.fields.is_empty() {
            let config = self.config.get_or_try_init(|| store.config(dref))?;
            match self.find.fields_left(config)? {
                Some(fields) => left = fields,
                None => return Ok(()),
            }
        }
        let left: Arc<[usize]> = left.into();
        let waiting = |id, known| Waiting {
            id,
            left: left.clone(),
            known,
        };
        let known = self.keeps(dref.name()).then(|| store.realizations_of(dref));
        let waiting: Vec<_> = match known {
            Some(Ok(known)) => {
                let known = known.into_iter();
                known
                    .map(|one| waiting(one.id.clone(), Some(one)))
                    .collect()
            }
            // One of several that cannot be read is an error of its own.
            Some(Err(_)) | None => {
                let rrefs = store.rrefs_of(dref)?.into_iter();
                rrefs.map(|rref| waiting(rref, None)).collect()
            }
        };
        self.rrefs = waiting.into_iter();
        Ok(())
    }

    /// Returns whether anything is kept of the realizations with a name that a condition may be about.
    fn keeps(&mut self, name: &Name) -> bool {
        let mut conditions = self.find.conditions.iter();
        if conditions.all(Condition::is_of_remarks) {
            return false;
        }
        let store = self.find.store;
        let kept = self.kept.entry(name.clone());
        let kept = kept.or_insert_with(|| KeptRows::of_name(store, name.as_str()));
        !kept.is_empty()
    }

    fn look_at(&self, waiting: Waiting) -> Result<Option<Found>> {
        let Waiting { id, left, known } = waiting;
        let kept = known.as_ref().and_then(|known| {
            let kept = self.kept.get(id.name())?;
            kept.get(&id, &state_of(known))
        });
        let mut found = Found::new(self.find.store, id, self.config.clone()).with(known);
        let fits = self.find.outcome_fits(&found)?
            && self.find.age_fits(&found)?
            && self.find.omitted_fit(&found, &left)?
            && self.find.conditions_hold(&found, kept.as_ref())?
            && self.find.metrics_fit(&mut found)?;
        Ok(fits.then_some(found))
    }
}

impl Iterator for Finding<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Result<Found>> {
        loop {
            let looked = match self.rrefs.next() {
                Some(waiting) => self.look_at(waiting),
                None => {
                    let dref = self.drefs.next()?;
                    self.enter(&dref).map(|()| None)
                }
            };
            match looked {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok(found)),
                // Removed during the search.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::iter::FusedIterator for Finding<'_> {}

impl fmt::Debug for Find<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find")
            .field("store", self.store)
            .field("name", &self.name)
            .field("newer_than", &self.newer_than)
            .field("older_than", &self.older_than)
            .field("outcome", &self.outcome)
            .field("fields", &self.fields)
            .field("metrics", &self.metrics)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finding({:?})", self.find)
    }
}
