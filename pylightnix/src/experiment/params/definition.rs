//! What is known of a parameter before it has a value.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

use super::Params;

/// A parameter of an experiment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Param {
    /// The key, with the keys of its groups before it: `train.rate`.
    pub key: String,
    /// The first paragraph of the documentation of its field, on one line.
    pub doc: String,
    /// The type of its field, as it is written there.
    pub type_name: String,
    /// The value if nothing gives another; `None` if it has to be given.
    pub default: Option<Value>,
    /// The values that it may have, if its type derives [`ParamEnum`](derive@crate::ParamEnum).
    pub variants: Vec<ParamVariant>,
    normal: fn(Value) -> serde_json::Result<Value>,
}

/// A value that a parameter may have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParamVariant {
    /// The name, as files and the command line say it.
    pub name: String,
    /// The first paragraph of its documentation, on one line.
    pub doc: String,
}

/// A type of parameters whose values have names: `#[derive(ParamEnum)]` implements it for an enum.
pub trait ParamEnum {
    /// Returns the values, in their order.
    fn variants() -> Vec<ParamVariant>;
}

impl ParamEnum for bool {
    fn variants() -> Vec<ParamVariant> {
        let named = |name: &str| ParamVariant {
            name: name.to_owned(),
            doc: String::new(),
        };
        vec![named("true"), named("false")]
    }
}

impl<T: ParamEnum> ParamEnum for Option<T> {
    fn variants() -> Vec<ParamVariant> {
        T::variants()
    }
}

impl ParamVariant {
    pub(crate) fn new(name: String, doc: &str) -> Self {
        let doc = doc.to_owned();
        ParamVariant { name, doc }
    }
}

/// The parameters of an experiment, in the order of the fields.
///
/// ```
/// use pylightnix::Params;
/// use pylightnix::experiment::ParamList;
///
/// #[derive(Params)]
/// struct Settings {
///     /// How many clusters to look for
///     #[param(default = 3)]
///     clusters: usize,
/// }
///
/// let list = ParamList::of::<Settings>();
/// let clusters = list.get("clusters").unwrap();
/// assert_eq!((&clusters.doc[..], &clusters.type_name[..]), ("How many clusters to look for", "usize"));
/// assert_eq!(clusters.variable(), "PYLIGHTNIX_PARAM_CLUSTERS");
/// ```
#[derive(Clone, Debug, Default)]
pub struct ParamList {
    params: Vec<Param>,
    /// The keys of the groups that are being declared, each with a dot.
    prefix: String,
    /// Parameters whose default is no value that JSON holds.
    pub(super) unfit: Vec<String>,
}

/// What environment variables of parameters begin with.
pub(super) const PREFIX: &str = "PYLIGHTNIX_PARAM_";

impl Param {
    /// Returns the name of the environment variable that sets it: `PYLIGHTNIX_PARAM_TRAIN__RATE` for `train.rate`.
    pub fn variable(&self) -> String {
        let name = self.key.to_uppercase().replace('-', "_");
        format!("{PREFIX}{}", name.replace('.', "__"))
    }

    /// Returns a value as its type writes it, if it is one of the type.
    pub(super) fn normal(&self, value: Value) -> serde_json::Result<Value> {
        (self.normal)(value)
    }
}

impl ParamList {
    /// Returns the parameters of a struct.
    pub fn of<P: Params>() -> Self {
        let mut list = ParamList::default();
        P::declare(&mut list);
        list
    }

    /// Iterates over the parameters.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.params.iter()
    }

    /// Returns the parameter with this key.
    pub fn get(&self, key: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.key == key)
    }

    /// Returns whether a key is that of a group of parameters.
    pub(super) fn is_group(&self, key: &str) -> bool {
        let inside = |param: &Param| {
            let rest = param.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.params.iter().any(inside)
    }

    /// Returns the keys of parameters and of groups.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let groups = self.params.iter().flat_map(|param| {
            let dots = param.key.match_indices('.');
            dots.map(|(at, _)| param.key[..at].to_owned())
        });
        let groups: BTreeSet<String> = groups.collect();
        self.params
            .iter()
            .map(|param| param.key.clone())
            .chain(groups)
    }

    #[doc(hidden)]
    pub fn group(&mut self, key: &str, declare: fn(&mut ParamList)) {
        let outside = self.prefix.len();
        self.prefix.push_str(key);
        self.prefix.push('.');
        declare(self);
        self.prefix.truncate(outside);
    }

    pub(crate) fn declare<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        doc: &str,
        type_name: &str,
        default: Option<fn() -> T>,
        variants: Vec<ParamVariant>,
    ) {
        let key = format!("{}{key}", self.prefix);
        let written = default.map(|default| serde_json::to_value(default()).and_then(normal::<T>));
        let default = match written {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                self.unfit.push(format!("{key}: {error}"));
                None
            }
            None => None,
        };
        self.params.push(Param {
            key,
            doc: doc.to_owned(),
            type_name: type_name.to_owned(),
            default,
            variants,
            normal: normal::<T>,
        });
    }
}

/// Returns a value as the type writes it, if that can be read again: JSON has no numbers that are not finite.
fn normal<T: Serialize + DeserializeOwned>(value: Value) -> serde_json::Result<Value> {
    let written = serde_json::to_value(serde_json::from_value::<T>(value)?)?;
    serde_json::from_value::<T>(written.clone())?;
    Ok(written)
}
