//! All nodes that a target leads to, dependencies first.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::node::AnyDRef;
use super::target::{Realizations, Target};
use super::titles::Titles;
use crate::config::DRefId;
use crate::fast_hash::{FastMap, FastSet, HashKey};
use crate::lens::AnyRRef;
use crate::{Error, ErrorKind, Result};

/// The derivations of a plan, each once, every one after those that it depends on.
pub struct Graph {
    /// In parts of [`PART`], but for the last.
    parts: Vec<Arc<[AnyDRef]>>,
    places: FastMap<HashKey, usize>,
    /// The hash of the reference of each.
    hashes: Vec<[u8; 16]>,
    /// For each way in which derivations are chosen and made, where the first is that has it.
    ways: Vec<usize>,
    deps: Lists,
    dependents: Lists,
    titles: Titles,
}

/// How many derivations there are in a part of a graph: work on them is handed out in such parts.
pub(crate) const PART: usize = 64;

/// Is told of each part of a graph as soon as it is listed.
pub(crate) type Listed<'a> = dyn FnMut(&Arc<[AnyDRef]>) + 'a;

impl Graph {
    /// What its stages are called.
    pub(super) fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Collects the nodes without recursion, whatever the depth of the plan.
    pub fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        Self::telling(target, &mut |_| ())
    }

    /// The same, and gives each part to `listed` as soon as it is whole; the last one, however short, at the end.
    pub(crate) fn telling<T: Target + ?Sized>(target: &T, listed: &mut Listed<'_>) -> Result<Self> {
        let mut graph = Collector::default();
        let mut roots = Vec::new();
        target.visit(&mut |dref| roots.push(dref.clone()));
        for root in &roots {
            graph.enter(root.clone());
            graph.walk(listed)?;
        }
        graph.end_part(listed);
        Ok(Graph {
            dependents: graph.deps.turned(),
            parts: graph.parts,
            places: graph.places,
            hashes: graph.hashes,
            ways: graph.ways.firsts,
            deps: graph.deps,
            titles: Titles::default(),
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

    /// Returns what was chosen for the stages of `target`, in its shape. `chosen` knows it by the place of a stage.
    pub(crate) fn collect<'c, T: Target + ?Sized>(
        &self,
        target: &T,
        chosen: impl Fn(usize) -> Option<&'c Arc<[AnyRRef]>>,
    ) -> T::Output {
        let mut realized = Realizations::default();
        target.visit(&mut |dref| {
            if let Some(rrefs) = self.place(dref.id()).and_then(&chosen) {
                realized.insert(dref.id(), rrefs);
            }
        });
        target.collect(&realized)
    }

    /// All of them, dependencies first.
    pub fn drefs(&self) -> impl Iterator<Item = &AnyDRef> + Clone {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Whether a derivation has what only follows from the way in which it is chosen and made, which most have in common:
    /// a limit, a matcher.
    pub(crate) fn any_way(&self, has: impl Fn(&AnyDRef) -> bool) -> bool {
        self.ways.iter().any(|at| has(self.dref(*at)))
    }

    /// All derivations, in parts.
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
    /// The path from a root: each node, and how many waited when it was entered.
    path: Vec<(AnyDRef, usize)>,
    /// Dependencies of the nodes on the path that are to be entered, the first of each last.
    waiting: Vec<AnyDRef>,
    ways: Ways,
}

/// The ways in which derivations are chosen and made.
#[derive(Default)]
struct Ways {
    met: FastSet<usize>,
    last: usize,
    /// For each where the first derivation is that has it.
    firsts: Vec<usize>,
}

impl Ways {
    fn meet(&mut self, way: usize, at: usize) {
        // Most come after one of the same stage.
        if std::mem::replace(&mut self.last, way) != way && self.met.insert(way) {
            self.firsts.push(at);
        }
    }
}

impl Collector {
    fn enter(&mut self, dref: AnyDRef) {
        // A twin of one that is listed is walked too: its dependencies may differ in their matchers from those of the other.
        if let Entry::Vacant(met) = self.met.entry(dref.address()) {
            met.insert(UNKNOWN);
            let waited = self.waiting.len();
            dref.node().visit_deps(&mut |dep| {
                if !self.met.contains_key(&dep.address()) {
                    self.waiting.push(dep.clone());
                }
            });
            self.waiting[waited..].reverse();
            self.path.push((dref, waited));
        }
    }

    fn walk(&mut self, listed: &mut dyn FnMut(&Arc<[AnyDRef]>)) -> Result<()> {
        while let Some((_, waited)) = self.path.last() {
            if self.waiting.len() > *waited
                && let Some(dep) = self.waiting.pop()
            {
                self.enter(dep);
            } else if let Some((dref, _)) = self.path.pop() {
                self.leave(dref)?;
                if self.part.len() == PART {
                    self.end_part(listed);
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
        self.ways.meet(dref.node().way_address(), next);
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

    fn end_part(&mut self, listed: &mut dyn FnMut(&Arc<[AnyDRef]>)) {
        if !self.part.is_empty() {
            let part = self.part.drain(..).collect();
            listed(&part);
            self.parts.push(part);
        }
    }

    /// Adds where that is what `dref` depends on, in the order of the references.
    fn list_deps(&mut self, dref: &AnyDRef) -> Result<()> {
        let Collector { hashes, own, .. } = self;
        own.clear();
        let met = |dep: &AnyDRef| self.met.get(&dep.address()).copied();
        dref.node().visit_deps(&mut |dep| own.extend(met(dep)));
        own.sort_unstable_by_key(|at| hashes[*at]);
        own.dedup();
        let config = dref.config_json();
        if !config.depends_on(own.iter().map(|at| hashes[*at])) {
            let named = config.deps();
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
