//! Labels that tell derivations and realizations apart.

use std::collections::HashMap;

use super::Reference;
use super::reference::sealed::Asked as _;
use crate::config::{ConfigJson, DRefId, Labelled, labels_of};
use crate::store::{Store, newest_first};
use crate::{ErrorKind, Result};

impl Store {
    /// For each of some derivations or realizations, a label that tells it from the others: the fields in which their
    /// configs differ, as in `rate=0.1,epochs=10`. A dependency that differs is looked into, and its fields are named. If
    /// that is not enough, the label ends with the beginning of the hash. A field that a config does not have is `-`.
    ///
    /// [`plan::labels`](crate::plan::labels) does the same for a plan.
    ///
    /// # Errors
    /// One that is not in the store or is broken, a refusal of the system.
    pub fn labels<R: Reference>(&self, of: impl IntoIterator<Item = R>) -> Result<Vec<String>> {
        let mut configs: HashMap<DRefId, ConfigJson> = HashMap::new();
        let (mut all, mut ids) = (Vec::new(), Vec::new());
        for one in of {
            let id = one.reference();
            let dref = id.derivation();
            if !configs.contains_key(dref) {
                configs.insert(dref.clone(), self.config(dref)?);
            }
            let omitted = match id.realization() {
                Some(rref) => {
                    let realization = self.realization(rref)?;
                    let newest = newest_first(realization.builds()).next();
                    newest.map(|build| build.omitted.clone())
                }
                None => None,
            };
            all.push(Labelled {
                config: configs[dref].clone(),
                omitted: omitted.unwrap_or_default(),
            });
            ids.push(id.to_string());
        }
        let mut refused = None;
        let labels = labels_of(&all, &ids, |dref| {
            let config = match configs.get(dref) {
                Some(config) => config.clone(),
                None => match self.config(dref) {
                    Ok(config) => config,
                    // A config may name what was never realized here.
                    Err(error) if error.kind() == ErrorKind::Missing => return None,
                    Err(error) => {
                        refused = Some(error);
                        return None;
                    }
                },
            };
            configs.insert(dref.clone(), config.clone());
            let omitted = Default::default();
            Some(Labelled { config, omitted })
        });
        match refused {
            Some(error) => Err(error),
            None => Ok(labels),
        }
    }
}
