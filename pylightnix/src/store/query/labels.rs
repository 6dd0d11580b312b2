//! Labels that distinguish derivations and realizations.

use std::collections::HashMap;

use super::Reference;
use super::reference::sealed::Asked as _;
use crate::config::{ConfigJson, DRefId, Labelled, labels_of};
use crate::store::{Store, newest_first};
use crate::{ErrorKind, Result};

impl Store {
    /// Returns a distinguishing label for each of some derivations or realizations: the config fields that differ, as in
    /// `rate=0.1,epochs=10`. A different dependency is replaced by its differing fields. If that is not enough, the label ends
    /// with the beginning of the hash. A field that a config lacks is shown as `-`.
    ///
    /// [`plan::labels`](crate::plan::labels) is the equivalent for a plan.
    ///
    /// # Errors
    /// Fails if one is not in the store or is corrupt, or if a system call fails.
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
                    // A config may name a derivation that was never realized in this store.
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
