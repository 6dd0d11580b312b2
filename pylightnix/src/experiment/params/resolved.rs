//! Parameters with their values.

use serde::Serialize;
use serde::ser::SerializeStruct as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

use super::{Origin, Param, ParamList, ParamValues, Params};
use crate::{Result, visible};

/// The parameters of an experiment with their values, in the order of the fields: see [`ParamSources`](super::ParamSources).
#[derive(Clone, Debug)]
pub struct ResolvedParams {
    params: Vec<ResolvedParam>,
}

/// A parameter with its value.
///
/// `Display` writes it with where it comes from: `train.rate = 0.1  (params.toml:4)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResolvedParam {
    /// The parameter.
    pub param: Param,
    /// The value, as its type writes it.
    pub value: Value,
    /// Where the value comes from.
    pub origin: Origin,
}

impl ResolvedParams {
    pub(super) fn new(params: Vec<ResolvedParam>) -> Self {
        ResolvedParams { params }
    }

    /// Returns the parameters with the values that an earlier run was given; `None` if they are those of other parameters.
    pub(in crate::experiment) fn answered(
        list: &ParamList,
        values: &BTreeMap<String, Value>,
    ) -> Option<Self> {
        let is_known = |key: &String| list.get(key).is_some();
        if !values.keys().all(is_known) {
            return None;
        }
        let params = list.iter().map(|param| {
            let value = param.normal(values.get(&param.key)?.clone()).ok()?;
            Some(ResolvedParam {
                param: param.clone(),
                value,
                origin: Origin::Answer,
            })
        });
        let params = params.collect::<Option<Vec<_>>>()?;
        Some(ResolvedParams { params })
    }

    /// Iterates over the parameters.
    pub fn iter(&self) -> impl Iterator<Item = &ResolvedParam> {
        self.params.iter()
    }

    /// Iterates over the parameters that have another value than their default.
    pub fn changed(&self) -> impl Iterator<Item = &ResolvedParam> {
        self.params.iter().filter(|param| param.is_changed())
    }

    /// Returns the values by the keys of their parameters.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let values = self.params.iter();
        let values = values.map(|one| (one.param.key.clone(), one.value.clone()));
        values.collect()
    }

    /// Returns the struct with these values.
    ///
    /// # Errors
    /// It is another struct than the one whose parameters were resolved.
    pub fn read<P: Params>(&self) -> Result<P> {
        P::read(&ParamValues::new(&self.values()))
    }
}

impl ResolvedParam {
    /// Returns whether the value is another than the default. One without a default always is.
    pub fn is_changed(&self) -> bool {
        self.param.default.as_ref() != Some(&self.value)
    }
}

impl Serialize for ResolvedParam {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("ResolvedParam", 6)?;
        out.serialize_field("key", &self.param.key)?;
        out.serialize_field("value", &self.value)?;
        out.serialize_field("origin", &self.origin)?;
        out.serialize_field("default", &self.param.default)?;
        out.serialize_field("type", &self.param.type_name)?;
        out.serialize_field("doc", &self.param.doc)?;
        out.end()
    }
}

impl fmt::Display for ResolvedParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} = {}", self.param.key, self.value);
        write!(f, "{}  ({})", visible::line(&text), self.origin)
    }
}
