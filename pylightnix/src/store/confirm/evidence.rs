//! The builds that are known, here and at a remote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::makers::Made;
use crate::config::{DRefId, RRefId};
use crate::keys::{KeyId, KeyStanding};
use crate::store::Store;
use crate::store::object::build_record::{BuildKind, BuildRecord};
use crate::store::object::context::Context;
use crate::store::object::reads::Reads;
use crate::store::object::record::{Outcome, Record};
use crate::store::object::tree::TreeDigest;
use crate::store::remote::Remote;
use crate::{Error, Result};

/// What is compared with each other if it read the same: builds of one derivation by one code, of one run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code {
    pub(super) fingerprint: String,
    /// The values of the fields that the config omits, as JSON.
    omitted: String,
    pub(super) index: Option<usize>,
}

/// The direct dependencies of derivations.
type Direct = HashMap<DRefId, Vec<DRefId>>;

/// A build that counts.
pub(super) struct Evident {
    pub(super) rref: RRefId,
    pub(super) context: Context,
    pub(super) tree: TreeDigest,
    pub(super) reads: Option<Reads>,
    pub(super) made: Made,
}

/// All builds that count.
pub(super) struct Evidence {
    /// The derivations, dependencies first.
    pub(super) drefs: Vec<DRefId>,
    /// The direct dependencies of each.
    pub(super) deps: Direct,
    pub(super) builds: HashMap<DRefId, BTreeMap<Code, Vec<Evident>>>,
    /// The realizations that are here, by derivation, sorted.
    pub(super) here: HashMap<DRefId, Vec<RRefId>>,
    /// The records of realizations at the remote that are not here.
    pub(super) elsewhere: HashMap<RRefId, Arc<Record>>,
    pub(super) told: Vec<Error>,
}

impl Evidence {
    /// Gathers the builds of the derivations of these realizations, or of all that are here.
    pub(super) fn gather(
        store: &Store,
        remote: Option<&Remote>,
        asked: Option<&[RRefId]>,
    ) -> Result<Self> {
        let all = match asked {
            Some(rrefs) => rrefs.iter().map(|rref| rref.dref().clone()).collect(),
            None => store.drefs()?,
        };
        let (drefs, deps) = in_order(store, all)?;
        let mut evidence = Evidence {
            drefs,
            deps,
            builds: HashMap::new(),
            here: HashMap::new(),
            elsewhere: HashMap::new(),
            told: Vec::new(),
        };
        let known = known_keys(store)?;
        evidence.take_here(store, &known)?;
        if let Some(remote) = remote {
            evidence.take_remote(store, remote, &known)?;
        }
        Ok(evidence)
    }

    fn take_here(&mut self, store: &Store, keys_known: &HashSet<KeyId>) -> Result<()> {
        for dref in self.drefs.clone() {
            for realization in store.realizations_of(&dref)? {
                let rref = &realization.id;
                self.here
                    .entry(dref.clone())
                    .or_default()
                    .push(rref.clone());
                if realization.outcome != Outcome::Ok {
                    continue;
                }
                let mut keys: HashMap<_, Vec<KeyId>> = HashMap::new();
                for signature in store.signatures(rref)? {
                    if signature.is_valid && keys_known.contains(&signature.key) {
                        keys.entry(signature.build).or_default().push(signature.key);
                    }
                }
                for build in realization.builds() {
                    let keys = keys.remove(&build.id).unwrap_or_default();
                    self.add(rref, &realization.context, realization.tree, build, keys);
                }
            }
        }
        Ok(())
    }

    fn take_remote(
        &mut self,
        store: &Store,
        remote: &Remote,
        keys_known: &HashSet<KeyId>,
    ) -> Result<()> {
        let wanted: HashSet<&DRefId> = self.drefs.iter().collect();
        let (known, told) = remote.records(store, &wanted)?;
        self.told.extend(told);
        for one in known {
            let head = one.record.head();
            if head.outcome == Outcome::Ok {
                for (build, mut keys) in one.builds {
                    keys.retain(|key| keys_known.contains(key));
                    self.add(&one.rref, &head.context, head.tree, &build, keys);
                }
            }
            self.elsewhere.insert(one.rref, Arc::new(one.record));
        }
        Ok(())
    }

    /// Adds a build, if it counts.
    fn add(
        &mut self,
        rref: &RRefId,
        context: &Context,
        tree: TreeDigest,
        build: &BuildRecord,
        keys: Vec<KeyId>,
    ) {
        let Some(fingerprint) = &build.fingerprint else {
            return;
        };
        if build.kind != BuildKind::Build || build.carried.is_some() {
            return;
        }
        let code = Code {
            fingerprint: fingerprint.clone(),
            // Cannot fail: the values were parsed from JSON.
            omitted: serde_json::to_string(&build.omitted).unwrap_or_default(),
            index: build.index,
        };
        let of_stage = self.builds.entry(rref.dref().clone()).or_default();
        of_stage.entry(code).or_default().push(Evident {
            rref: rref.clone(),
            context: context.clone(),
            tree,
            reads: build.reads.clone(),
            made: Made {
                keys,
                host: build.host.clone(),
                id: build.id,
            },
        });
    }
}

/// Returns the keys that count: of others, anybody can make as many as they like.
fn known_keys(store: &Store) -> Result<HashSet<KeyId>> {
    let known = store.keys().map(|keys| keys.list()).transpose()?;
    let known = known.into_iter().flatten();
    let known = known.filter(|known| known.standing != KeyStanding::Revoked);
    Ok(known.map(|known| known.key.id()).collect())
}

/// Returns these derivations with those that they depend on, dependencies first, and the direct dependencies of each.
fn in_order(store: &Store, all: Vec<DRefId>) -> Result<(Vec<DRefId>, Direct)> {
    let (mut order, mut deps) = (Vec::new(), HashMap::new());
    for root in all {
        let mut path: Vec<(DRefId, Vec<DRefId>)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(dref) = next.take()
                && !deps.contains_key(&dref)
            {
                let direct = store.config(&dref)?.deps().to_vec();
                deps.insert(dref.clone(), direct.clone());
                path.push((dref, direct));
            }
            let Some((_, left)) = path.last_mut() else {
                break;
            };
            next = left.pop();
            if next.is_none() {
                order.extend(path.pop().map(|(dref, _)| dref));
            }
        }
    }
    Ok((order, deps))
}
