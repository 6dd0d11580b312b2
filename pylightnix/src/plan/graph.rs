//! The graph of all derivations that a target depends on, in topological order.

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::counting::CountingPlan;
use super::counts::Counts;
use super::node::{AnyDRef, AnyNode};
use super::place::Place;
use super::registry::namesakes;
use super::target::{Realizations, Target};
use super::titles::Titles;
use crate::config::DRefId;
use crate::hash_key::HashKey;
use crate::lens::AnyRRef;
use crate::{Error, ErrorKind, Result};

/// The derivations of a plan in topological order: without duplicates, dependencies first. A derivation is addressed by its
/// index.
pub(crate) struct PlanGraph {
    /// The derivations in chunks of [`PART`]; the last chunk may be shorter.
    parts: Vec<Arc<[AnyDRef]>>,
    places: FxHashMap<HashKey, usize>,
    /// The hash of each derivation's reference.
    hashes: Vec<[u8; 16]>,
    /// For each distinct recipe, the index of the first derivation with it.
    recipes: Vec<usize>,
    deps: Lists,
    dependents: Lists,
    titles: Titles,
}

impl fmt::Debug for PlanGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.drefs()).finish()
    }
}

/// The number of derivations in a chunk, the unit in which work on a graph is handed out.
pub(crate) const PART: usize = 64;

/// A callback for each chunk of a graph, as soon as it is complete.
pub(crate) type Listed<'a> = dyn FnMut(&Arc<[AnyDRef]>) + 'a;

impl PlanGraph {
    /// Returns the titles of the stages.
    pub(super) fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Collects the derivations of a plan of any depth, without recursion.
    pub(crate) fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        Self::counting(target, &BTreeSet::new(), &mut |_| ())
    }

    /// Collects the derivations like [`of`](Self::of), lets more count for all of them, and passes each chunk to `listed` as soon
    /// as it is complete.
    pub(crate) fn counting<T: Target + ?Sized>(
        target: &T,
        counts: &BTreeSet<Counts>,
        listed: &mut Listed<'_>,
    ) -> Result<Self> {
        let mut graph = Collector {
            counting: CountingPlan::new(counts),
            ..Collector::default()
        };
        let mut roots = Vec::new();
        target.visit(&mut |dref| roots.push(dref.clone()));
        for root in &roots {
            graph.enter(root.clone());
            graph.walk(listed)?;
        }
        graph.end_part(listed);
        if let Some(counting) = &graph.counting {
            counting.check()?;
        }
        Ok(PlanGraph {
            dependents: graph.deps.reversed(),
            parts: graph.parts,
            places: graph.places,
            hashes: graph.hashes,
            recipes: graph.recipes.firsts,
            deps: graph.deps,
            titles: Titles::default(),
        })
    }

    /// Returns the index of a derivation; `None` if it is not in the plan.
    pub(crate) fn place(&self, dref: &DRefId) -> Option<usize> {
        let at = *self.places.get(&HashKey(*dref.hash()))?;
        (self.dref(at).id() == dref).then_some(at)
    }

    /// Returns the number of derivations.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns the derivation with index `at`.
    pub(crate) fn dref(&self, at: usize) -> &AnyDRef {
        &self.parts[at / PART][at % PART]
    }

    /// Returns the realizations chosen for the stages of `target`, in its shape. `chosen` maps the index of a derivation to
    /// them.
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

    /// Iterates over all derivations, dependencies first.
    pub(crate) fn drefs(&self) -> impl Iterator<Item = &AnyDRef> + Clone {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Returns whether a predicate holds for any derivation. The predicate must depend only on the recipe (limits, matcher),
    /// so that it is evaluated once for all derivations that share a recipe.
    pub(crate) fn any_recipe(&self, has: impl Fn(&AnyDRef) -> bool) -> bool {
        self.recipes.iter().any(|at| has(self.dref(*at)))
    }

    /// Returns all derivations, in chunks.
    pub(crate) fn parts(&self) -> &[Arc<[AnyDRef]>] {
        &self.parts
    }

    /// Returns the hash of a derivation's reference.
    pub(crate) fn hash(&self, at: usize) -> &[u8; 16] {
        &self.hashes[at]
    }

    /// Returns the indices of the direct dependencies, sorted by their references.
    pub(crate) fn deps(&self, at: usize) -> &[usize] {
        self.deps.of(at)
    }

    /// Returns the indices of the direct dependents.
    pub(crate) fn dependents(&self, at: usize) -> &[usize] {
        self.dependents.of(at)
    }
}

/// A list of indices for each derivation, concatenated.
#[derive(Default)]
struct Lists {
    all: Vec<usize>,
    /// The end of each list.
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

    /// Reverses the edges.
    fn reversed(&self) -> Self {
        let mut ends = vec![0; self.ends.len()];
        for to in &self.all {
            ends[*to] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            // First the begin of each list; filling the list moves it to the end.
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

/// The index of a node whose dependencies are not all listed yet.
const UNKNOWN: usize = usize::MAX;

#[derive(Default)]
struct Collector<'a> {
    parts: Vec<Arc<[AnyDRef]>>,
    /// The current, incomplete chunk.
    part: Vec<AnyDRef>,
    places: FxHashMap<HashKey, usize>,
    deps: Lists,
    /// The hash of each derivation's reference, by which dependencies are sorted.
    hashes: Vec<[u8; 16]>,
    /// A buffer for the dependencies of the current derivation.
    current_deps: Vec<usize>,
    /// The index of each visited node, by address, because most visits reach a known node. The roots keep all nodes alive,
    /// so addresses are unique.
    visited: FxHashMap<usize, usize>,
    /// The depth-first path from a root: each node, with the length of `waiting` when it was entered.
    path: Vec<(AnyDRef, usize)>,
    /// A stack of the dependencies that are still to be entered.
    stack: Vec<AnyDRef>,
    recipes: Recipes,
    /// What more counts.
    counting: Option<CountingPlan<'a>>,
}

/// The distinct recipes, by address.
#[derive(Default)]
struct Recipes {
    visited: FxHashSet<usize>,
    last: usize,
    /// For each recipe, the index of the first derivation with it.
    firsts: Vec<usize>,
    /// The place in the source of the stage with each name.
    stages: HashMap<&'static str, Place>,
}

impl Recipes {
    /// Fails if two stages with the same name are among them, because their derivations could have the same reference.
    fn check_name(&mut self, node: &dyn AnyNode, at: usize) -> Result<()> {
        let recipe = node.recipe_address();
        // Performance: successive derivations mostly share a recipe.
        if std::mem::replace(&mut self.last, recipe) != recipe && self.visited.insert(recipe) {
            self.firsts.push(at);
            if let Some((name, place)) = node.stage() {
                let first = *self.stages.entry(name).or_insert(place);
                if first != place {
                    return Err(namesakes(name, first, place));
                }
            }
        }
        Ok(())
    }
}

impl Collector<'_> {
    fn enter(&mut self, dref: AnyDRef) {
        // A second node of a listed derivation is walked too: the matchers of its dependencies may differ.
        if let Entry::Vacant(visited) = self.visited.entry(dref.address()) {
            visited.insert(UNKNOWN);
            let stack_len = self.stack.len();
            dref.node().visit_deps(&mut |dep| {
                if !self.visited.contains_key(&dep.address()) {
                    self.stack.push(dep.clone());
                }
            });
            self.stack[stack_len..].reverse();
            self.path.push((dref, stack_len));
        }
    }

    fn walk(&mut self, listed: &mut dyn FnMut(&Arc<[AnyDRef]>)) -> Result<()> {
        while let Some((_, stack_len)) = self.path.last() {
            if self.stack.len() > *stack_len
                && let Some(dep) = self.stack.pop()
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

    /// Lists `dref`, after all its dependencies. If another node of the derivation is listed, checks that both agree.
    fn leave(&mut self, dref: AnyDRef) -> Result<()> {
        let address = dref.address();
        let dref = match &mut self.counting {
            Some(counting) => counting.of(dref)?,
            None => dref,
        };
        let next = self.hashes.len();
        let hash = *dref.id().hash();
        let at = *self.places.entry(HashKey(hash)).or_insert(next);
        self.visited.insert(address, at);
        if at != next {
            // The derivation is listed already, with another node.
            let (listed, node) = (self.dref(at).node(), dref.node());
            return match listed.conflict(node) {
                Some(reason) => Err(conflict(&dref, listed, &reason)),
                None => Ok(()),
            };
        }
        self.list_deps(&dref)?;
        self.recipes.check_name(dref.node(), next)?;
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

    /// Lists the indices of the dependencies of `dref`, sorted by their references.
    fn list_deps(&mut self, dref: &AnyDRef) -> Result<()> {
        let Collector {
            hashes,
            current_deps,
            ..
        } = self;
        current_deps.clear();
        let visited = |dep: &AnyDRef| self.visited.get(&dep.address()).copied();
        dref.node()
            .visit_deps(&mut |dep| current_deps.extend(visited(dep)));
        current_deps.sort_unstable_by_key(|at| hashes[*at]);
        current_deps.dedup();
        let config = dref.config_json();
        if !config.depends_on(current_deps.iter().map(|at| hashes[*at])) {
            let named = config.deps();
            let place =
                |dep: &DRefId| current_deps.binary_search_by_key(dep.hash(), |at| hashes[*at]);
            if let Some(dep) = named.iter().find(|dep| place(dep).is_err()) {
                let message = format!(
                    "the config of {dref} contains {dep}, which is not one of its dependencies"
                );
                return Err(Error::new(ErrorKind::Plan, message)
                    .with_help("put the dependency in a field marked `#[dref]`"));
            }
            // An owned derivation that the config does not name is not a dependency.
            let is_named = |hash| named.binary_search_by_key(&hash, DRefId::hash).is_ok();
            current_deps.retain(|at| is_named(&hashes[*at]));
        }
        self.deps.all.extend_from_slice(current_deps);
        self.deps.ends.push(self.deps.all.len());
        Ok(())
    }
}

fn conflict(dref: &AnyDRef, listed: &dyn AnyNode, reason: &str) -> Error {
    // Two stages with the same name, whose configs are equal as well.
    if let (Some((name, one)), Some((_, two))) = (listed.stage(), dref.node().stage())
        && one != two
    {
        return namesakes(name, one, two);
    }
    Error::new(
        ErrorKind::Plan,
        format!("{dref} is in this plan twice, and {reason}"),
    )
    .with_help(
        "instantiate it once and clone the `DRef`, so that all consumers use the same results",
    )
}
