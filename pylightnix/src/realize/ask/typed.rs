//! Typed realizations and derivations from references alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::lens::{AnyRRef, Chosen, Config, One, RRef};
use crate::plan::{AnyDRef, ConfigType, Revived, Wanted, named};
use crate::realize::failure::recorded::text_of;
use crate::store::{Realization, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Returns a typed view of a realization in the store, whichever program made it.
    ///
    /// Reads the configs and records of the realization and of its dependencies, each once. If this process has write
    /// permission to the store, garbage collection keeps them until the process exits.
    ///
    /// # Errors
    /// Fails if the realization is not in the store, or if its config, or that of a dependency, does not fit its type. The
    /// error lists all differences: fields that are missing, unknown, or of another type. A field with a default may be
    /// missing.
    pub fn realization_as<C: Config>(&self, id: impl AsRef<RRefId>) -> Result<RRef<C>> {
        let id = id.as_ref();
        self.use_derivations([id.dref()])?;
        self.realization_from(id, &mut RecordCache::default())
    }

    /// Returns a typed view, using and extending the configs and records in `read`. The caller has recorded the derivation
    /// in use.
    pub(in crate::realize) fn realization_from<C: Config>(
        &self,
        id: &RRefId,
        read: &mut RecordCache,
    ) -> Result<RRef<C>> {
        let closure = self.read_closure(id, read)?;
        let nodes = self.detached_nodes::<C>(id.dref(), &closure, read)?;
        let mut typed: HashMap<RRefId, AnyRRef> = HashMap::new();
        for realization in closure {
            let node = nodes.any(realization.id.dref())?;
            let mut deps = Vec::new();
            for (dref, rrefs) in realization.context.iter() {
                let takes = nodes.any(dref)?.node().takes();
                if !takes.admits(rrefs.len()) {
                    return Err(wrong_number(&realization.id, dref, rrefs.len()));
                }
                let rrefs: Arc<[AnyRRef]> = rrefs
                    .iter()
                    .filter_map(|rref| typed.get(rref).cloned())
                    .collect();
                if !takes.failures() && rrefs.iter().any(|rref| rref.failure().is_some()) {
                    return Err(of_failure(&realization.id, dref));
                }
                deps.push((dref.clone(), rrefs));
            }
            let rref = realization.id.clone();
            let failure = text_of(&realization)?;
            let chosen = Chosen::new(deps);
            typed.insert(rref, node.realization(realization, &chosen, failure));
        }
        if let Some(failure) = typed.get(id).and_then(AnyRRef::failure) {
            let message = format!("{id} is the failure of a stage, and has no artifacts");
            return Err(Error::new(ErrorKind::Stage, message)
                .because(failure)
                .with_help("`Realize::retry_failed` tries it again"));
        }
        typed
            .get(id)
            .and_then(AnyRRef::downcast::<C>)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Missing,
                    format!("{id} is not in the store at {}", self.root().display()),
                )
            })
    }

    /// Restores a derivation from its config in the store, with the stage of this program that has its name: so another
    /// process can realize it. `unhashed` fields have their defaults.
    ///
    /// # Errors
    /// Fails if the derivation is not in the store; if its stage, or that of a dependency, is not in this program or does
    /// not fit the config; or if two stages of this program have its name.
    pub fn derivation(&self, id: impl AsRef<DRefId>) -> Result<AnyDRef> {
        let id = id.as_ref();
        let mut revived = Revived::default();
        let mut read: HashMap<DRefId, ConfigJson> = HashMap::new();
        let mut path = vec![(id.clone(), 0)];
        while let Some((dref, next)) = path.last_mut() {
            if !read.contains_key(dref) {
                read.insert(dref.clone(), self.config(&*dref)?);
            }
            let json = &read[&*dref];
            if let Some(dep) = json.deps().get(*next) {
                *next += 1;
                if !read.contains_key(dep) {
                    path.push((dep.clone(), 0));
                }
            } else {
                revived.insert(revive_stage(json, &revived)?);
                path.pop();
            }
        }
        revived.any(id).cloned()
    }

    /// Reads the closure of `root`: all direct and indirect dependencies, then `root` itself.
    fn read_closure(&self, root: &RRefId, read: &mut RecordCache) -> Result<Vec<Realization>> {
        let mut closure = Vec::new();
        let mut seen = HashSet::new();
        let first = self.realization(root)?;
        seen.insert(root.clone());
        let waiting = |realization: &Realization| -> Vec<RRefId> {
            realization.context.realizations().cloned().collect()
        };
        let mut path = vec![(waiting(&first), first)];
        while let Some((deps, _)) = path.last_mut() {
            match deps.pop() {
                Some(dep) => {
                    if seen.insert(dep.clone()) {
                        let realization = read.realization(self, dep)?;
                        path.push((waiting(&realization), realization));
                    }
                }
                None => closure.extend(path.pop().map(|(_, realization)| realization)),
            }
        }
        Ok(closure)
    }

    /// Restores the derivations of a closure, with the types that the fields declare. `root` has the config type `C`.
    fn detached_nodes<C: Config>(
        &self,
        root: &DRefId,
        closure: &[Realization],
        read: &mut RecordCache,
    ) -> Result<Revived> {
        let mut configs = HashMap::new();
        let mut kinds: HashMap<DRefId, ConfigType> = HashMap::new();
        for realization in closure {
            let dref = realization.id.dref();
            if !configs.contains_key(dref) {
                configs.insert(dref.clone(), read.config(self, dref)?);
                kinds.insert(dref.clone(), ConfigType::unspecified());
            }
        }
        let mut wanted = Wanted(vec![(root.clone(), ConfigType::of::<C, One>())]);
        while let Some((dref, kind)) = wanted.0.pop() {
            let Some(known) = kinds.get_mut(&dref) else {
                continue;
            };
            if kind.adds_to(known, &dref)? {
                *known = kind;
                (kind.declare)(&mut configs[&dref].fields()?, &mut wanted)?;
            }
        }
        let mut revived = Revived::default();
        let mut unfit_ones = Vec::new();
        for realization in closure {
            let dref = realization.id.dref();
            if revived.has(dref) {
                continue;
            }
            match (kinds[dref].revive)(&configs[dref], &revived) {
                Ok(node) => revived.insert(node),
                Err(cause) => {
                    revived.insert_unfit(dref);
                    unfit_ones.push(unfit(dref, kinds[dref].name(), cause));
                }
            }
        }
        if !unfit_ones.is_empty() {
            return Err(Error::of_all(unfit_ones, |count| {
                Error::new(
                    ErrorKind::Config,
                    format!("{count} stored configs do not fit their types"),
                )
            }));
        }
        Ok(revived)
    }
}

/// A cache of configs and records that were read from a store. They never change, and closures share them.
#[derive(Default)]
pub(in crate::realize) struct RecordCache {
    configs: HashMap<DRefId, ConfigJson>,
    /// The realizations that are dependencies of others.
    realizations: HashMap<RRefId, Realization>,
}

impl RecordCache {
    fn config(&mut self, store: &Store, dref: &DRefId) -> Result<ConfigJson> {
        if let Some(config) = self.configs.get(dref) {
            return Ok(config.clone());
        }
        let config = store.config(dref)?;
        self.configs.insert(dref.clone(), config.clone());
        Ok(config)
    }

    fn realization(&mut self, store: &Store, rref: RRefId) -> Result<Realization> {
        if let Some(realization) = self.realizations.get(&rref) {
            return Ok(realization.clone());
        }
        let realization = store.realization(&rref)?;
        self.realizations.insert(rref, realization.clone());
        Ok(realization)
    }
}

/// Restores a derivation with the stage that has its name. Among the types of a generic stage, takes the one that fits.
fn revive_stage(json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
    let id = json.id();
    let mut last = None;
    for stage in named(id.name().as_str())? {
        match stage.revive(json, revived) {
            Ok(dref) => return Ok(dref),
            Err(error) => last = Some(unfit(id, stage.config(), error)),
        }
    }
    Err(last.unwrap_or_else(|| {
        Error::new(ErrorKind::Missing, format!("this program has no stage named `{}`, for {id}", id.name()))
            .with_help("run the program that made it; a generic stage is registered for the types that `register(..)` lists")
    }))
}

fn unfit(dref: &DRefId, type_name: &str, cause: Error) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the stored config of {dref} does not fit `{type_name}`"),
    )
    .because_of_all(cause)
}

fn of_failure(rref: &RRefId, dref: &DRefId) -> Error {
    let message =
        format!("{rref} was made from a failure of {dref}, and its config's type takes none");
    Error::new(ErrorKind::Config, message)
        .with_help("use `DRef<_, Try<One>>` for a dependency whose failure is a result")
}

fn wrong_number(rref: &RRefId, dref: &DRefId, count: usize) -> Error {
    let message = format!(
        "{rref} was made from {count} realizations of {dref}, and its config's type says another number"
    );
    Error::new(ErrorKind::Config, message).with_help(
        "use `DRef<_, Many>` for a dependency of which many are read, and `DRef<_>` for one",
    )
}
