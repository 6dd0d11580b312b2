//! All nodes that a target leads to, dependencies first.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::node::AnyDRef;
use super::target::Target;
use crate::config::DRefId;
use crate::fast_hash::{FastMap, HashKey};
use crate::{Error, ErrorKind, Result};

/// The derivations of a plan, each once, every one after those that it depends on.
pub(crate) struct Graph {
    /// In parts of [`PART`], but for the last.
    parts: Vec<Arc<[AnyDRef]>>,
    places: FastMap<HashKey, usize>,
    /// The hash of the reference of each.
    hashes: Vec<[u8; 16]>,
    deps: Lists,
    dependents: Lists,
}

/// How many derivations there are in a part of a graph: work on them is handed out in such parts.
pub(crate) const PART: usize = 64;

impl Graph {
    /// Collects the nodes without recursion, whatever the depth of the plan.
    pub(crate) fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        Self::telling(target, &mut |_| Ok(()))
    }

    /// The same, and gives each part to `listed` as soon as it is whole; the last one, however short, at the end.
    pub(crate) fn telling<T: Target + ?Sized>(
        target: &T,
        listed: &mut dyn FnMut(&Arc<[AnyDRef]>) -> Result<()>,
    ) -> Result<Self> {
        let mut graph = Collector::default();
        let mut roots = Vec::new();
        target.visit(&mut |dref| roots.push(dref.clone()));
        for root in &roots {
            graph.enter(root);
            graph.walk(listed)?;
        }
        graph.end_part(listed)?;
        Ok(Graph {
            dependents: graph.deps.turned(),
            parts: graph.parts,
            places: graph.places,
            hashes: graph.hashes,
            deps: graph.deps,
        })
    }

    /// Where a derivation is, if it is in the plan.
    pub(crate) fn place(&self, dref: &DRefId) -> Option<usize> {
        let at = *self.places.get(&HashKey(*dref.hash()))?;
        (self.dref(at).id() == dref).then_some(at)
    }

    /// How many derivations there are.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The derivation at this place.
    pub(crate) fn dref(&self, at: usize) -> &AnyDRef {
        &self.parts[at / PART][at % PART]
    }

    /// All of them, dependencies first.
    pub(crate) fn drefs(&self) -> impl Iterator<Item = &AnyDRef> + Clone {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The same in parts.
    pub(crate) fn parts(&self) -> &[Arc<[AnyDRef]>] {
        &self.parts
    }

    /// The hash of the reference of a stage.
    pub(crate) fn hash(&self, at: usize) -> &[u8; 16] {
        &self.hashes[at]
    }

    /// Where the direct dependencies of a stage are, in the order of their references.
    pub(crate) fn deps(&self, at: usize) -> &[usize] {
        self.deps.of(at)
    }

    /// Where the stages are that depend on it directly.
    pub(crate) fn dependents(&self, at: usize) -> &[usize] {
        self.dependents.of(at)
    }
}

/// A list of places for each stage, one after the other.
#[derive(Default)]
struct Lists {
    all: Vec<usize>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Lists {
    fn of(&self, at: usize) -> &[usize] {
        let begin = match at {
            0 => 0,
            _ => self.ends[at - 1],
        };
        &self.all[begin..self.ends[at]]
    }

    /// The edges turned round.
    fn turned(&self) -> Self {
        let mut ends = vec![0; self.ends.len()];
        for to in &self.all {
            ends[*to] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            // Where it begins: filling it moves it to its end.
            begin += std::mem::replace(end, begin);
        }
        let mut all = vec![0; self.all.len()];
        for from in 0..self.ends.len() {
            for to in self.of(from) {
                all[ends[*to]] = from;
                ends[*to] += 1;
            }
        }
        Lists { all, ends }
    }
}

/// Where a node is whose dependencies are not all in the list.
const UNKNOWN: usize = usize::MAX;

#[derive(Default)]
struct Collector {
    parts: Vec<Arc<[AnyDRef]>>,
    /// The part that is not whole yet.
    part: Vec<AnyDRef>,
    places: FastMap<HashKey, usize>,
    deps: Lists,
    /// The hash of each stage, by which dependencies are sorted.
    hashes: Vec<[u8; 16]>,
    /// The dependencies of the stage that is listed.
    own: Vec<usize>,
    /// For the address of every node that was met, where it is in the list: most meetings are of the same node again. The
    /// roots keep them all alive.
    met: FastMap<usize, usize>,
    /// The path from a root: each node, and how many of its dependencies were entered.
    path: Vec<(AnyDRef, usize)>,
}

impl Collector {
    fn enter(&mut self, dref: &AnyDRef) {
        // A twin of one that is listed is walked too: its dependencies may differ in their matchers from those of the other.
        if let Entry::Vacant(met) = self.met.entry(dref.address()) {
            met.insert(UNKNOWN);
            self.path.push((dref.clone(), 0));
        }
    }

    fn walk(&mut self, listed: &mut dyn FnMut(&Arc<[AnyDRef]>) -> Result<()>) -> Result<()> {
        while let Some((dref, next)) = self.path.last_mut() {
            let deps = dref.node().deps();
            let is_met = |dep: &&AnyDRef| self.met.contains_key(&dep.address());
            *next += deps[*next..].iter().take_while(is_met).count();
            match deps.get(*next) {
                Some(dep) => {
                    let dep = dep.clone();
                    *next += 1;
                    self.enter(&dep);
                }
                None => {
                    if let Some((dref, _)) = self.path.pop() {
                        self.leave(dref)?;
                        if self.part.len() == PART {
                            self.end_part(listed)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// All dependencies of `dref` are in the list: so it can go there.
    fn leave(&mut self, dref: AnyDRef) -> Result<()> {
        let next = self.hashes.len();
        let hash = *dref.id().hash();
        let at = *self.places.entry(HashKey(hash)).or_insert(next);
        self.met.insert(dref.address(), at);
        if at != next {
            // Its twin is.
            return match self.dref(at).node().conflict(dref.node()) {
                Some(why) => Err(conflict(&dref, &why)),
                None => Ok(()),
            };
        }
        self.list_deps(&dref)?;
        self.hashes.push(hash);
        self.part.push(dref);
        Ok(())
    }

    fn dref(&self, at: usize) -> &AnyDRef {
        match self.parts.get(at / PART) {
            Some(part) => &part[at % PART],
            None => &self.part[at % PART],
        }
    }

    fn end_part(&mut self, listed: &mut dyn FnMut(&Arc<[AnyDRef]>) -> Result<()>) -> Result<()> {
        if !self.part.is_empty() {
            let part = self.part.drain(..).collect();
            listed(&part)?;
            self.parts.push(part);
        }
        Ok(())
    }

    /// Adds where that is what `dref` depends on, in the order of the references.
    fn list_deps(&mut self, dref: &AnyDRef) -> Result<()> {
        let Collector { hashes, own, .. } = self;
        own.clear();
        let met = |dep: &AnyDRef| self.met.get(&dep.address()).copied();
        own.extend(dref.node().deps().iter().filter_map(met));
        own.sort_unstable_by_key(|at| hashes[*at]);
        own.dedup();
        let named = dref.config_json().deps();
        let pairs = named.iter().zip(&*own);
        let is_same = |(dep, at): (&DRefId, &usize)| *dep.hash() == hashes[*at];
        if named.len() != own.len() || !pairs.into_iter().all(is_same) {
            let place = |dep: &DRefId| own.binary_search_by_key(dep.hash(), |at| hashes[*at]);
            if let Some(dep) = named.iter().find(|dep| place(dep).is_err()) {
                let message = format!("{dref} names {dep} in its config, and does not own it");
                return Err(Error::new(ErrorKind::Plan, message)
                    .help("put the dependency in a field marked `#[dref]`"));
            }
            // What it owns and does not name is no dependency.
            let is_named = |hash| named.binary_search_by_key(&hash, DRefId::hash).is_ok();
            own.retain(|at| is_named(&hashes[*at]));
        }
        self.deps.all.extend_from_slice(own);
        self.deps.ends.push(self.deps.all.len());
        Ok(())
    }
}

fn conflict(dref: &AnyDRef, why: &str) -> Error {
    Error::new(
        ErrorKind::Plan,
        format!("{dref} stands in this plan twice, and {why}"),
    )
    .help("make it once and clone it, so that all who use it mean the same results")
}
