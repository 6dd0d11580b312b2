//! Gives each parameter the strongest value.

use std::collections::HashMap;

use super::given::Reading;
use super::resolved::{ResolvedParam, ResolvedParams};
use super::{Origin, ParamList, ParamSources, faults};
use crate::{Error, Result};

/// Resolves the parameters of a list.
pub(super) fn resolve(list: &ParamList, sources: &ParamSources) -> Result<ResolvedParams> {
    let unfit: Vec<Error> = list
        .unfit
        .iter()
        .map(|it| faults::unfit_default(it))
        .collect();
    if !unfit.is_empty() {
        return Err(faults::all(unfit));
    }
    let mut reading = Reading::new(list);
    let documents = sources.documents.iter().map(AsRef::as_ref);
    reading.documents(documents, &sources.profiles);
    for (name, value) in &sources.variables {
        reading.variable(name, value);
    }
    for set in &sources.set {
        reading.set(&set.by, &set.key, &set.text);
    }
    let mut strongest = HashMap::new();
    for given in reading.given {
        strongest.insert(given.key, (given.value, given.origin));
    }
    let mut faults = reading.faults;
    let mut params = Vec::new();
    for param in list.iter() {
        let default = || Some((param.default.clone()?, Origin::Default));
        match strongest.remove(&param.key).or_else(default) {
            Some((value, origin)) => params.push(ResolvedParam {
                param: param.clone(),
                value,
                origin,
            }),
            None if reading.faulty.contains(&param.key) => {}
            None => faults.push(faults::missing(param)),
        }
    }
    match faults.is_empty() {
        true => Ok(ResolvedParams::new(params)),
        false => Err(faults::all(faults)),
    }
}
