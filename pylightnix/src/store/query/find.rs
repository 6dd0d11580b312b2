//! Finding realizations.

use jiff::Timestamp;
use once_cell::sync::OnceCell;
use serde::Serialize;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use super::Found;
use super::condition::Condition;
use super::glob::Glob;
use super::hints::hints;
use super::looked_up::looked_up;
use super::number::number_in;
use crate::config::{ConfigJson, DRefId, FieldPath, RRefId, RawValue, same};
use crate::store::object::tree::check_path;
use crate::store::{Outcome, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Begins a search: without conditions, it finds all realizations.
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
    /// # let store = Store::open_at(folder.path().join("store"))?;
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

/// A search for realizations: those that meet all of its conditions. [`Store::find`] begins one.
///
/// What is cheap is asked first: names cost nothing, fields a read for each derivation, ages and metrics a few for each
/// realization that is left.
#[must_use = "nothing happens before `run`"]
pub struct Find<'a> {
    pub(super) store: &'a Store,
    name: Vec<Glob>,
    /// The same, as they were written.
    pub(super) patterns: Vec<String>,
    derivation: Option<DRefId>,
    pub(super) conditions: Vec<Condition>,
    newer_than: Option<Timestamp>,
    older_than: Option<Timestamp>,
    outcome: Option<Outcome>,
    pub(super) fields: Vec<(FieldPath, Box<RawValue>)>,
    pub(super) metrics: Vec<Metric>,
    /// The first condition that cannot be.
    fault: Option<Error>,
}

/// A number in a JSON artifact.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) artifact: String,
    pub(super) way: FieldPath,
    within: (Bound<f64>, Bound<f64>),
}

impl<'a> Find<'a> {
    /// Those of derivations whose name fits a pattern: `*` stands for any letters, `?` for one, `{a,b}` for one of several.
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

    /// Those whose newest build, import or acceptance ended less than `age` ago.
    pub fn newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(ago(age));
        self
    }

    /// Those whose newest build, import or acceptance ended more than `age` ago.
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(ago(age));
        self
    }

    /// Of this derivation.
    pub fn derivation(mut self, dref: impl AsRef<DRefId>) -> Self {
        self.derivation = Some(dref.as_ref().clone());
        self
    }

    /// With what meets a condition, written as [`Comparison::retain`](super::Comparison::retain) takes it: a field of the config
    /// or, after its name, of a dependency; or a number in a `.json` or `.npy` artifact; or `built`, `seconds`, `bytes` or
    /// `ended`; then one of `=`, `!=`, `<`, `<=`, `>`, `>=` and a value, or `~` and a part of a text: `data.path ~ march`,
    /// `scores.accuracy >= 0.9`.
    pub fn meets(mut self, condition: &str) -> Self {
        match Condition::parse(condition) {
            Ok(condition) => self.conditions.push(condition),
            Err(error) => self.fails(error),
        }
        self
    }

    /// Those that ended so: good ones, or recorded failures.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Those with this value in a field of the config, given by its path: `maxiter`, `lr.schedule[3].rate`. Numbers are
    /// equal if their values are, so `500` is `500.0`. A dependency is its reference, `dref.id()`. A field that the config
    /// leaves out because it has its default is looked up in the build records.
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

    /// Those with a number in this range in an artifact that is JSON, as `Json<T>` writes it: `artifact` is its path in
    /// `out/`, and `path` the way to the number in it, as in `scores.accuracy`, or empty for an artifact that is a
    /// number itself. With `..`, any number will do.
    /// [`Found::metrics`] gives it.
    ///
    /// Those without such an artifact, without that entry, or with `null` there, which a NaN becomes in JSON, do not count.
    /// An artifact that is no JSON, or something else than a number there, is an error for that realization.
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

    /// Searches. What is found comes one by one, sorted by derivation and then by reference; the search goes on as more is
    /// asked for, so that the first comes at once and nothing is kept.
    ///
    /// A realization that cannot be read is an error in its place, and the search goes on after it. One that is removed
    /// meanwhile is passed over.
    ///
    /// # Errors
    /// A condition that cannot be: a pattern or a path that is none. The store cannot be listed.
    pub fn run(mut self) -> Result<Finding<'a>> {
        let drefs = self.drefs()?;
        Ok(Finding {
            find: self,
            drefs: drefs.into_iter(),
            config: Arc::default(),
            rrefs: Vec::new().into_iter(),
        })
    }

    /// The derivations whose names fit, sorted.
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

    /// Which fields have to be looked up in build records; `None` if the config does not fit.
    fn fields_left(&self, config: &ConfigJson) -> Result<Option<Vec<usize>>> {
        let whole = config.raw()?;
        let mut left = Vec::new();
        for (at, (way, wanted)) in self.fields.iter().enumerate() {
            match way.find(whole) {
                Some(found) if same(found, wanted) => {}
                Some(_) => return Ok(None),
                // Only a whole field is left out.
                None if way.begins_in(whole) => return Ok(None),
                None => left.push(at),
            }
        }
        Ok(Some(left))
    }

    /// Whether the fields that the config leaves out were so when it was built.
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

    fn conditions_hold(&self, found: &Found) -> Result<bool> {
        for condition in &self.conditions {
            let cell = looked_up(self.store, found, &condition.what)?;
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

/// The time that long ago; before all time if it is longer.
fn ago(age: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(age)
        .ok()
        .and_then(|age| Timestamp::now().checked_sub(age).ok())
        .unwrap_or(Timestamp::MIN)
}

/// A search under way: see [`Find::run`].
pub struct Finding<'a> {
    find: Find<'a>,
    drefs: std::vec::IntoIter<DRefId>,
    /// Of the derivation that is being looked at.
    config: Arc<OnceCell<ConfigJson>>,
    /// Of that derivation, those that are left, each with the fields to be looked up.
    rrefs: std::vec::IntoIter<(RRefId, Arc<[usize]>)>,
}

impl<'a> Finding<'a> {
    /// Why nothing is found, as far as it can be told: for each name, field, artifact and number that is asked for, that there is
    /// none, with those that are there, the most like it first; or what values there are. At most 256 derivations and
    /// realizations are looked at.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn hints(&self) -> Result<Vec<String>> {
        hints(&self.find)
    }

    /// The store, and the derivations that are left.
    pub(crate) fn left(&self) -> (&'a Store, &[DRefId]) {
        (self.find.store, self.drefs.as_slice())
    }

    /// Goes on to the realizations of a derivation.
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
        let rrefs = store.rrefs_of(dref)?.into_iter();
        let rrefs: Vec<_> = rrefs.map(|rref| (rref, left.clone())).collect();
        self.rrefs = rrefs.into_iter();
        Ok(())
    }

    fn look_at(&self, id: RRefId, left: &[usize]) -> Result<Option<Found>> {
        let mut found = Found::new(self.find.store, id, self.config.clone());
        let fits = self.find.outcome_fits(&found)?
            && self.find.age_fits(&found)?
            && self.find.omitted_fit(&found, left)?
            && self.find.conditions_hold(&found)?
            && self.find.metrics_fit(&mut found)?;
        Ok(fits.then_some(found))
    }
}

impl Iterator for Finding<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Result<Found>> {
        loop {
            let looked = match self.rrefs.next() {
                Some((id, left)) => self.look_at(id, &left),
                None => {
                    let dref = self.drefs.next()?;
                    self.enter(&dref).map(|()| None)
                }
            };
            match looked {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok(found)),
                // It was removed meanwhile.
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
