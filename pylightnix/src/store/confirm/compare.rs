//! Compares builds that read the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::evidence::{Code, Evidence, Evident};
use super::makers::{independence, makers};
use super::{Confirmation, Maker, Reproduced, ReproducedResult, Reproduction};
use crate::Result;
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::OUT;
use crate::store::disk::there::is_there;
use crate::store::object::context::Context;
use crate::store::{FileChange, ForeseenContext, ReadComparison, compare as changes};

/// Compares all builds, and returns what is known of the realizations that were asked about, or of all that are here.
pub(super) fn compare(
    store: &Store,
    mut evidence: Evidence,
    asked: Option<&[RRefId]>,
) -> Result<Confirmation> {
    // Whether a path leads a stage to no other is not in the store, so that a path that was given away stands for all.
    let reads = ReadComparison::new(store, false).knowing(&evidence.elsewhere);
    let asked: Option<HashSet<&RRefId>> = asked.map(|asked| asked.iter().collect());
    let mut stages = Vec::new();
    // The derivations that diverge or follow from one that does, with those.
    let mut because: BTreeMap<DRefId, Vec<DRefId>> = BTreeMap::new();
    for dref in &evidence.drefs {
        let mut causes: Vec<DRefId> = (evidence.deps[dref].iter())
            .filter_map(|dep| because.get(dep))
            .flatten()
            .cloned()
            .collect();
        causes.sort_unstable();
        causes.dedup();
        let mut unbuilt: Vec<RRefId> = evidence.here.remove(dref).unwrap_or_default();
        let mut diverges = false;
        for (code, builds) in evidence.builds.remove(dref).unwrap_or_default() {
            unbuilt.retain(|rref| !builds.iter().any(|build| build.rref == *rref));
            let groups = grouped(&reads, builds);
            let has_others = groups.len() > 1;
            for group in groups {
                let mut found = reproduction(store, &reads, dref, &code, group)?;
                diverges |= found.standing == Reproduced::Diverges;
                if found.standing == Reproduced::Alone && has_others && !causes.is_empty() {
                    found.standing = Reproduced::Follows;
                    found.because.clone_from(&causes);
                }
                let mut rrefs = found.results.iter().flat_map(|result| &result.rrefs);
                let is_asked = match &asked {
                    Some(asked) => rrefs.any(|rref| asked.contains(rref)),
                    None => true,
                };
                if is_asked {
                    stages.push(found);
                }
            }
        }
        unbuilt.retain(|rref| asked.as_ref().is_none_or(|asked| asked.contains(rref)));
        stages.extend(unbuilt.into_iter().map(unknown));
        if diverges {
            causes = vec![dref.clone()];
        }
        if !causes.is_empty() {
            because.insert(dref.clone(), causes);
        }
    }
    Ok(Confirmation {
        stages,
        told: evidence.told,
    })
}

/// Sorts builds by one code into groups that read the same.
fn grouped(reads: &ReadComparison<'_>, builds: Vec<Evident>) -> Vec<Vec<Evident>> {
    let mut groups: Vec<Vec<Evident>> = Vec::new();
    for build in builds {
        let group = groups
            .iter_mut()
            .find(|group| agree(reads, &group[0], &build));
        match group {
            Some(group) => group.push(build),
            None => groups.push(vec![build]),
        }
    }
    groups
}

/// Whether what one of the builds read is the same for the other one: then the same code reads the same there.
fn agree(reads: &ReadComparison<'_>, one: &Evident, other: &Evident) -> bool {
    let none = BTreeSet::new();
    let are_same = |by: &Evident, old: &Context, new: &Context| {
        let context = new;
        let new = ForeseenContext {
            context,
            unknown: &none,
        };
        (by.reads.as_ref()).is_some_and(|read| reads.are_same(read, old, new))
    };
    one.context == other.context
        || are_same(one, &one.context, &other.context)
        || are_same(other, &other.context, &one.context)
}

fn reproduction(
    store: &Store,
    reads: &ReadComparison<'_>,
    dref: &DRefId,
    code: &Code,
    group: Vec<Evident>,
) -> Result<Reproduction> {
    let mut by_tree: HashMap<_, Vec<Evident>> = HashMap::new();
    for build in group {
        by_tree.entry(build.tree).or_default().push(build);
    }
    let mut results = Vec::new();
    for builds in by_tree.into_values() {
        let mut rrefs: Vec<RRefId> = builds.iter().map(|build| build.rref.clone()).collect();
        rrefs.sort_unstable();
        rrefs.dedup();
        results.push(ReproducedResult {
            rrefs,
            makers: makers(builds.into_iter().map(|build| build.made).collect()),
            first_difference: None,
        });
    }
    // Those that most made come first.
    results.sort_by(|a, b| {
        let key = |result: &ReproducedResult| std::cmp::Reverse(result.makers.len());
        key(a).cmp(&key(b)).then_with(|| a.rrefs.cmp(&b.rrefs))
    });
    if let Some((first, others)) = results.split_first_mut() {
        for other in others {
            other.first_difference =
                first_difference(store, reads, &first.rrefs[0], &other.rrefs[0])?;
        }
    }
    let agreed: &[Maker] = match &results[..] {
        [one] => &one.makers,
        _ => &[],
    };
    let by = independence(agreed);
    Ok(Reproduction {
        dref: dref.clone(),
        fingerprint: Some(code.fingerprint.clone()),
        index: code.index,
        standing: match (results.len(), by) {
            (1, None) => Reproduced::Alone,
            (1, Some(_)) => Reproduced::Confirmed,
            _ => Reproduced::Diverges,
        },
        by,
        results,
        because: Vec::new(),
    })
}

/// Returns the first file in which two realizations differ.
fn first_difference(
    store: &Store,
    reads: &ReadComparison<'_>,
    one: &RRefId,
    other: &RRefId,
) -> Result<Option<FileChange>> {
    let (old, new) = (reads.record(one)?, reads.record(other)?);
    let mut all = changes(old.manifest(), new.manifest());
    if all.is_empty() {
        return Ok(None);
    }
    let mut first = all.swap_remove(0);
    let folder = |rref: &RRefId| store.realization_dir(rref).join(OUT);
    let (old, new) = (folder(one), folder(other));
    if is_there(&old)? && is_there(&new)? {
        first.read_contents(&old, &new)?;
    }
    Ok(Some(first))
}

/// Returns what is known of a realization without any build that counts.
fn unknown(rref: RRefId) -> Reproduction {
    Reproduction {
        dref: rref.dref().clone(),
        fingerprint: None,
        index: None,
        standing: Reproduced::Unbuilt,
        by: None,
        results: vec![ReproducedResult {
            rrefs: vec![rref],
            makers: Vec::new(),
            first_difference: None,
        }],
        because: Vec::new(),
    }
}
