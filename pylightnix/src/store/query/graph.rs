//! Dependency graphs.

use std::collections::HashSet;

use super::reference::sealed::Asked;
use super::{Identifier, Reference};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::store::object::realization::{each_realization, read_record, verified_head};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Returns the direct dependencies of a derivation or realization, sorted: the derivations in its config, or the
    /// realizations that it was made from.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Words { #[selfref("w")] out: SelfRef<Text> }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save("a b")? }) }
    /// # #[derive(Config)] pub struct Count { #[selfref("n")] out: SelfRef<Json<usize>>, #[dref] words: DRef<Words> }
    /// # #[stage] fn count(b: &Build<Count>) -> Result<CountOutputs> { Ok(CountOutputs { out: b.out.save(&2)? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let words = instantiate(Words::new())?;
    /// let count = store.realize(&instantiate(Count::new(words.clone()))?)?;
    /// assert_eq!(store.dependencies(&count)?, [count.words.id().clone()]);
    /// assert_eq!(store.dependents(&words)?, [count.id().dref().clone()]);
    /// assert_eq!(store.closure(&count)?, [count.words.id().clone(), count.id().clone()]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if it is not in the store or is corrupt, or if a system call fails.
    pub fn dependencies<R: Reference>(&self, of: &R) -> Result<Vec<R::Id>> {
        of.reference().depends_on(self)
    }

    /// Returns the direct dependents, sorted. Reads the whole store, as there is no index; for many queries, use the
    /// [`realization_graph`](Self::realization_graph) or the [`derivation_graph`](Self::derivation_graph).
    ///
    /// # Errors
    /// Fails if it is not in the store, if an object in the store is corrupt and so may depend on it, or if a system call
    /// fails.
    pub fn dependents<R: Reference>(&self, of: &R) -> Result<Vec<R::Id>> {
        let id = of.reference();
        id.depends_on(self)?;
        let graph = self.whole_graph::<R::Id>()?;
        Ok(graph.dependents(id).cloned().collect())
    }

    /// Returns all direct and indirect dependencies and the object itself, in topological order.
    ///
    /// # Errors
    /// Fails if one of them is not in the store or is corrupt, or if a system call fails.
    pub fn closure<R: Reference>(&self, of: &R) -> Result<Vec<R::Id>> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let mut next = Some(of.reference().clone());
        loop {
            if let Some(id) = next.take()
                && seen.insert(id.clone())
            {
                let mut deps = id.depends_on(self)?;
                deps.reverse();
                path.push((id, deps));
            }
            let Some((_, deps)) = path.last_mut() else {
                return Ok(order);
            };
            next = deps.pop();
            if next.is_none() {
                order.extend(path.pop().map(|(id, _)| id));
            }
        }
    }

    /// Returns the derivations without dependents in the store, sorted.
    ///
    /// # Errors
    /// Fails if a config is corrupt and so may depend on others, or if a system call fails.
    pub fn top_drefs(&self) -> Result<Vec<DRefId>> {
        let graph = self.whole_graph::<DRefId>()?;
        Ok(graph.tops().cloned().collect())
    }

    /// Returns the realizations without dependents in the store, sorted.
    ///
    /// # Errors
    /// Fails if a record is corrupt and so may depend on others, or if a system call fails.
    pub fn top_rrefs(&self) -> Result<Vec<RRefId>> {
        let graph = self.whole_graph::<RRefId>()?;
        Ok(graph.tops().cloned().collect())
    }

    /// Reads all realizations with their dependencies in one pass. Opens every record, and nothing else.
    ///
    /// # Errors
    /// Fails if a system call fails. Corrupt objects are in the graph without dependencies; see [`DependencyGraph::broken`].
    pub fn realization_graph(&self) -> Result<DependencyGraph<RRefId>> {
        RRefId::graph(self)
    }

    /// Reads all derivations with their dependencies in one pass. Opens every config.
    ///
    /// # Errors
    /// As [`realization_graph`](Self::realization_graph).
    pub fn derivation_graph(&self) -> Result<DependencyGraph<DRefId>> {
        DRefId::graph(self)
    }

    /// Reads a graph; fails if an object is corrupt.
    fn whole_graph<I: Identifier>(&self) -> Result<DependencyGraph<I>> {
        let mut graph = I::graph(self)?;
        let count = graph.broken.len();
        if count == 0 {
            return Ok(graph);
        }
        let message = match count {
            1 => "the dependencies of a broken entry of the store are unknown".to_owned(),
            more => format!("the dependencies of {more} corrupt entries of the store are unknown"),
        };
        Err(Error::new(ErrorKind::Store, message)
            .with_parts(graph.broken.drain(..).map(|(_, error)| error).collect())
            .with_help("`check` the store and `repair` it, or use its graph, which has all the other entries"))
    }
}

/// The dependency graph of all derivations or all realizations of a store, as of one reading.
#[derive(Debug)]
pub struct DependencyGraph<I> {
    /// The objects, sorted.
    nodes: Vec<I>,
    /// The positions of each object's direct dependencies, sorted.
    deps: Vec<Vec<usize>>,
    /// The positions of each object's direct dependents, sorted.
    dependents: Vec<Vec<usize>>,
    missing: Vec<(usize, I)>,
    broken: Vec<(usize, Error)>,
}

impl<I: Identifier> DependencyGraph<I> {
    /// Builds a graph from objects, sorted, with their dependencies.
    fn of(found: Vec<(I, Result<Vec<I>>)>) -> Self {
        let (mut nodes, mut named, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for (id, deps) in found {
            named.push(deps.unwrap_or_else(|error| {
                broken.push((nodes.len(), error));
                Vec::new()
            }));
            nodes.push(id);
        }
        let mut graph = DependencyGraph {
            deps: Vec::with_capacity(nodes.len()),
            dependents: vec![Vec::new(); nodes.len()],
            nodes,
            missing: Vec::new(),
            broken,
        };
        for (at, deps) in named.into_iter().enumerate() {
            let mut known = Vec::with_capacity(deps.len());
            for dep in deps {
                match graph.at(&dep) {
                    Some(dep) => {
                        known.push(dep);
                        graph.dependents[dep].push(at);
                    }
                    None => graph.missing.push((at, dep)),
                }
            }
            known.sort_unstable();
            graph.deps.push(known);
        }
        graph
    }

    fn at(&self, id: &I) -> Option<usize> {
        self.nodes.binary_search(id).ok()
    }

    fn named<'a>(&'a self, places: &'a [usize]) -> impl ExactSizeIterator<Item = &'a I> {
        places.iter().map(|at| &self.nodes[*at])
    }

    fn next<'a>(&'a self, id: &I, edges: &'a [Vec<usize>]) -> impl ExactSizeIterator<Item = &'a I> {
        let places = self.at(id).map_or(&[][..], |at| &edges[at]);
        self.named(places)
    }

    /// Returns all objects, sorted.
    pub fn ids(&self) -> &[I] {
        &self.nodes
    }

    /// Whether the graph contains `id`.
    pub fn contains(&self, id: &I) -> bool {
        self.at(id).is_some()
    }

    /// Iterates over the direct dependencies of `id` that are in the store, sorted.
    pub fn dependencies(&self, id: &I) -> impl ExactSizeIterator<Item = &I> {
        self.next(id, &self.deps)
    }

    /// Iterates over the direct dependents of `id`, sorted.
    pub fn dependents(&self, id: &I) -> impl ExactSizeIterator<Item = &I> {
        self.next(id, &self.dependents)
    }

    /// Returns all direct and indirect dependencies of `id` and `id` itself, sorted.
    pub fn all_dependencies(&self, id: &I) -> Vec<&I> {
        self.reachable(id, &self.deps)
    }

    /// Returns all direct and indirect dependents of `id` and `id` itself, sorted.
    pub fn all_dependents(&self, id: &I) -> Vec<&I> {
        self.reachable(id, &self.dependents)
    }

    /// Iterates over the objects without dependents, sorted.
    pub fn tops(&self) -> impl Iterator<Item = &I> {
        let all = self.nodes.iter().zip(&self.dependents);
        all.filter(|(_, dependents)| dependents.is_empty())
            .map(|(id, _)| id)
    }

    /// Iterates over the dependencies that are not in the store, each with its dependent.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = (&I, &I)> {
        let missing = self.missing.iter();
        missing.map(|(at, dep)| (dep, &self.nodes[*at]))
    }

    /// Iterates over the corrupt objects, whose dependencies are unknown.
    pub fn broken(&self) -> impl ExactSizeIterator<Item = (&I, &Error)> {
        let broken = self.broken.iter();
        broken.map(|(at, error)| (&self.nodes[*at], error))
    }

    fn reachable(&self, id: &I, edges: &[Vec<usize>]) -> Vec<&I> {
        let mut reached = HashSet::new();
        let mut waiting: Vec<usize> = self.at(id).into_iter().collect();
        while let Some(at) = waiting.pop() {
            if reached.insert(at) {
                waiting.extend(&edges[at]);
            }
        }
        let mut places: Vec<usize> = reached.into_iter().collect();
        places.sort_unstable();
        places.into_iter().map(|at| &self.nodes[at]).collect()
    }
}

impl Asked for DRefId {
    fn depends_on(&self, store: &Store) -> Result<Vec<Self>> {
        Ok(store.config(self)?.deps().to_vec())
    }

    fn graph(store: &Store) -> Result<DependencyGraph<Self>> {
        let drefs = store.drefs()?;
        let found = parallel::map(&drefs, parallel::cores(), |_, dref| {
            match dref.depends_on(store) {
                // Removed between listing and reading.
                Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
                deps => Ok(Some((dref.clone(), deps))),
            }
        })?;
        Ok(DependencyGraph::of(found.into_iter().flatten().collect()))
    }

    fn derivation(&self) -> &DRefId {
        self
    }

    fn realization(&self) -> Option<&RRefId> {
        None
    }
}

impl Asked for RRefId {
    fn depends_on(&self, store: &Store) -> Result<Vec<Self>> {
        let context = store.head(self)?.context;
        let mut deps: Vec<RRefId> = context.realizations().cloned().collect();
        deps.sort_unstable();
        Ok(deps)
    }

    fn graph(store: &Store) -> Result<DependencyGraph<Self>> {
        let drefs = store.drefs()?;
        let found = parallel::map(&drefs, parallel::cores(), |_, dref| {
            let mut found = Vec::new();
            let all = each_realization(dref, &store.derivation_dir(dref), |id, folder, at| {
                let deps = match read_record(&folder, at) {
                    // Removed between listing and reading.
                    Ok(None) => return Ok(()),
                    Ok(Some(text)) => verified_head(&id, &text, at),
                    Err(error) => Err(error),
                };
                let deps = deps.map(|head| head.context.realizations().cloned().collect());
                found.push((id, deps));
                Ok(())
            });
            all.map(|()| found)
        })?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(DependencyGraph::of(found))
    }

    fn derivation(&self) -> &DRefId {
        self.dref()
    }

    fn realization(&self) -> Option<&RRefId> {
        Some(self)
    }
}
