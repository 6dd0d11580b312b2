//! Finds the nearest earlier version of a stage.

use serde::Serialize;
use serde_json::value::RawValue;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

use super::stage_version::StageVersion;
use crate::config::{ConfigJson, DRefId, RRefId, object_parts};
use crate::store::{BuildKind, Clock, Store};
use crate::{Error, ErrorKind, Result};

/// The maximum number of builds of one derivation, and of other derivations with its name, that are compared.
const MOST: usize = 256;

/// The maximum number of other derivations with a name that are read for many stages, and that are compared with each stage.
const MOST_OF_MANY: usize = 16_384;
const NEAR: usize = 32;

/// How the nearest earlier version was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Nearest {
    /// The number of fields in which the two configs differ; 0 for the same derivation.
    pub fields: usize,
    /// The number of other derivations with the same name whose configs were compared.
    pub compared: usize,
    /// The number of other derivations with the same name in the store.
    pub there: usize,
}

/// The builds before a version.
pub(super) struct EarlierBuilds {
    /// The builds of the same config, code and dependencies, newest first, as far back as the nearest one that differs.
    pub(super) repeated: Vec<RRefId>,
    /// What is known of the environment of the newest of these, by name.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) nearest: Option<(StageVersion, Nearest)>,
}

/// Other derivations with the same name: if there are many, those that were added to the store last.
pub(super) struct Namesakes {
    /// The derivations, newest first.
    read: Vec<Namesake>,
    there: usize,
    /// The derivations with a field, by the hash of the field's name and value. Empty if all derivations are compared.
    with_field: HashMap<u64, Vec<usize>>,
}

struct Namesake {
    dref: DRefId,
    config: ConfigJson,
    /// The builds, newest first, loaded on first use.
    builds: OnceLock<Vec<(Uuid, RRefId)>>,
}

impl Namesakes {
    /// Reads the derivations for whose folders `counts` returns `true`, to compare all of them with a stage.
    pub(super) fn of(store: &Store, dref: &DRefId, counts: impl Fn(&str) -> bool) -> Result<Self> {
        Self::of_at_most(store, dref, MOST, counts)
    }

    fn of_at_most(
        store: &Store,
        dref: &DRefId,
        most: usize,
        counts: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let (named, there) = store.namesakes(dref, most, counts)?;
        let mut read = Vec::with_capacity(named.len());
        for dref in named {
            if let Some(config) = readable(store.config(&dref))? {
                read.push(Namesake {
                    dref,
                    config,
                    builds: OnceLock::new(),
                });
            }
        }
        let with_field = HashMap::new();
        Ok(Namesakes {
            read,
            there,
            with_field,
        })
    }

    /// Reads the derivations with a name, to compare them with many stages quickly: only those that share most fields with a
    /// stage are compared.
    pub(super) fn of_many(
        store: &Store,
        dref: &DRefId,
        stages: usize,
        counts: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let most = (2 * stages).clamp(MOST, MOST_OF_MANY);
        let mut namesakes = Namesakes::of_at_most(store, dref, most, counts)?;
        if namesakes.read.len() > NEAR {
            for (at, other) in namesakes.read.iter().enumerate() {
                for field in fields(&other.config)? {
                    namesakes.with_field.entry(field).or_default().push(at);
                }
            }
        }
        Ok(namesakes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// Returns the derivations to compare a config with.
    fn to_compare(&self, config: &ConfigJson) -> Result<Vec<&Namesake>> {
        if self.with_field.is_empty() {
            return Ok(self.read.iter().collect());
        }
        let mut shared = vec![0_usize; self.read.len()];
        for field in fields(config)? {
            for at in self.with_field.get(&field).into_iter().flatten() {
                shared[*at] += 1;
            }
        }
        let mut order: Vec<usize> = (0..shared.len()).collect();
        let key = |at: &usize| (Reverse(shared[*at]), *at);
        order.select_nth_unstable_by_key(NEAR, key);
        order.truncate(NEAR);
        Ok(order.into_iter().map(|at| &self.read[at]).collect())
    }
}

/// Returns a hash of each field of a config with its value.
fn fields(config: &ConfigJson) -> Result<Vec<u64>> {
    let parts = object_parts(config.raw()?).unwrap_or_default();
    let hash = |(name, value): (String, &RawValue)| {
        let mut hasher = DefaultHasher::new();
        (name, value.get()).hash(&mut hasher);
        hasher.finish()
    };
    Ok(parts.into_iter().map(hash).collect())
}

/// Finds the builds before `new`: those of the same derivation, or else those of others.
pub(super) fn before(
    store: &Store,
    new: &StageVersion,
    namesakes: impl FnOnce() -> Result<Arc<Namesakes>>,
) -> Result<EarlierBuilds> {
    let limit = new.build_id();
    let mut repeated = Vec::new();
    let mut environment = None;
    for (id, rref) in builds_before(store, &new.dref, limit)?
        .into_iter()
        .take(MOST)
    {
        let Some(old) = side(store, &rref, id)? else {
            continue;
        };
        if old.repeats(new) {
            environment.get_or_insert_with(|| old.environment());
            repeated.push(rref);
            continue;
        }
        let nearest = Nearest {
            fields: 0,
            compared: 0,
            there: 0,
        };
        return Ok(EarlierBuilds {
            repeated,
            environment: environment.unwrap_or_default(),
            nearest: Some((old, nearest)),
        });
    }
    let nearest = among(store, &*namesakes()?, new, limit)?;
    Ok(EarlierBuilds {
        repeated,
        environment: environment.unwrap_or_default(),
        nearest,
    })
}

/// Returns the builds of a derivation before a given one, newest first.
fn builds_before(store: &Store, dref: &DRefId, limit: Option<Uuid>) -> Result<Vec<(Uuid, RRefId)>> {
    let mut builds = Vec::new();
    // The file names contain the times, so no file is read.
    for rref in store.rrefs_of(dref)?.into_iter().take(8 * MOST) {
        for id in store.build_ids(&rref)? {
            if is_before(limit, id) {
                builds.push((id, rref.clone()));
            }
        }
    }
    newest_first(&mut builds, |build| build);
    Ok(builds)
}

/// Returns whether a build is before a given one. A build ahead of this machine's clock is before none.
fn is_before(limit: Option<Uuid>, id: Uuid) -> bool {
    let clock = Clock::now();
    limit.is_none_or(|limit| match clock.order(limit) {
        (true, _) => id < limit,
        (false, _) => id != limit && clock.order(id).0,
    })
}

/// Sorts builds, newest first. Those ahead of this machine's clock come last.
fn newest_first<T>(builds: &mut [T], of: impl Fn(&T) -> &(Uuid, RRefId)) {
    let clock = Clock::now();
    builds.sort_unstable_by(|one, other| {
        let (one, other) = (of(one), of(other));
        (clock.order(other.0), &other.1).cmp(&(clock.order(one.0), &one.1))
    });
}

/// Returns a realization as of one build; `None` if that is an acceptance, or cannot be read.
fn side(store: &Store, rref: &RRefId, id: Uuid) -> Result<Option<StageVersion>> {
    let Some(realization) = readable(store.realization(rref))? else {
        return Ok(None);
    };
    let build = realization.builds().iter().find(|build| build.id == id);
    match build.filter(|build| build.kind != BuildKind::Accept) {
        Some(build) => {
            let side = StageVersion::recorded(store, &realization, Some(build.clone()));
            readable(side)
        }
        None => Ok(None),
    }
}

/// Returns the nearest of the other derivations with the same name: that with the fewest differing fields, and among several
/// the one that was built last.
fn among(
    store: &Store,
    namesakes: &Namesakes,
    new: &StageVersion,
    limit: Option<Uuid>,
) -> Result<Option<(StageVersion, Nearest)>> {
    let compared = namesakes.to_compare(&new.config)?;
    let mut near: Vec<(usize, &Namesake)> = Vec::with_capacity(compared.len());
    for other in compared {
        near.push((distance(&other.config, &new.config)?, other));
    }
    near.sort_unstable_by_key(|(fields, other)| (*fields, &other.dref));
    for equal in near.chunk_by(|one, other| one.0 == other.0) {
        let mut builds = Vec::new();
        for (_, other) in equal {
            let all = match other.builds.get() {
                Some(all) => all,
                None => {
                    let all = builds_before(store, &other.dref, None)?;
                    other.builds.get_or_init(|| all)
                }
            };
            builds.extend(all.iter().filter(|(id, _)| is_before(limit, *id)));
        }
        newest_first(&mut builds, |build| *build);
        for (id, rref) in builds {
            if let Some(old) = side(store, rref, *id)? {
                let nearest = Nearest {
                    fields: equal[0].0,
                    compared: near.len(),
                    there: namesakes.there,
                };
                return Ok(Some((old, nearest)));
            }
        }
    }
    Ok(None)
}

fn distance(one: &ConfigJson, other: &ConfigJson) -> Result<usize> {
    Ok(one.diff(other)?.len())
}

/// Returns `None` for a derivation that is corrupt or was removed in the meantime.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_unreadable(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Missing | ErrorKind::Store)
}
