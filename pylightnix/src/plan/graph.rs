//! All nodes that a target leads to, dependencies first.

use std::ops::Range;

use super::node::AnyDRef;
use super::target::Target;
use crate::config::DRefId;
use crate::fast_hash::{FastMap, FastSet};
use crate::{Error, ErrorKind, Result};

/// The derivations of a plan, each once, every one after those that it depends on.
pub(crate) struct Graph {
    pub(crate) stages: Vec<GraphStage>,
    pub(crate) at: FastMap<DRefId, usize>,
    deps: Vec<usize>,
    dependents: Vec<usize>,
}

pub(crate) struct GraphStage {
    pub(crate) dref: AnyDRef,
    /// Where the list of its dependencies lies in that of the graph, and that of its dependents.
    deps: Range<usize>,
    dependents: Range<usize>,
}

impl Graph {
    /// Collects the nodes without recursion, whatever the depth of the plan.
    pub(crate) fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        let mut graph = Collector::default();
        let mut roots = Vec::new();
        target.visit(&mut |dref| roots.push(dref.clone()));
        for root in &roots {
            graph.enter(root);
            graph.walk()?;
        }
        Ok(Graph {
            dependents: dependents(&mut graph.stages, &graph.deps),
            stages: graph.stages,
            at: graph.at,
            deps: graph.deps,
        })
    }

    /// Where the direct dependencies of a stage are, in the order of their references.
    pub(crate) fn deps(&self, at: usize) -> &[usize] {
        &self.deps[self.stages[at].deps.clone()]
    }

    /// Where the stages are that depend on it directly.
    pub(crate) fn dependents(&self, at: usize) -> &[usize] {
        &self.dependents[self.stages[at].dependents.clone()]
    }
}

/// Turns the edges round: gives one list of all dependents, and each stage its part of it.
fn dependents(stages: &mut [GraphStage], deps: &[usize]) -> Vec<usize> {
    for dep in deps {
        stages[*dep].dependents.end += 1;
    }
    let mut begin = 0;
    for stage in stages.iter_mut() {
        let count = stage.dependents.end;
        stage.dependents = begin..begin;
        begin += count;
    }
    let mut dependents = vec![0; deps.len()];
    for at in 0..stages.len() {
        for dep in &deps[stages[at].deps.clone()] {
            let part = &mut stages[*dep].dependents;
            dependents[part.end] = at;
            part.end += 1;
        }
    }
    dependents
}

#[derive(Default)]
struct Collector {
    stages: Vec<GraphStage>,
    at: FastMap<DRefId, usize>,
    deps: Vec<usize>,
    /// The address of every node that was met: most meetings are of the same node again. The roots keep them all alive.
    met: FastSet<usize>,
    /// The path from a root: each node, and how many of its dependencies were entered.
    path: Vec<(AnyDRef, usize)>,
}

impl Collector {
    fn enter(&mut self, dref: &AnyDRef) {
        // A twin of one that is listed is walked too: its dependencies may differ in their matchers from those of the other.
        if self.met.insert(dref.address()) {
            self.path.push((dref.clone(), 0));
        }
    }

    fn walk(&mut self) -> Result<()> {
        while let Some((dref, next)) = self.path.last_mut() {
            let deps = dref.node().deps();
            let is_met = |dep: &&AnyDRef| self.met.contains(&dep.address());
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
                    }
                }
            }
        }
        Ok(())
    }

    /// All dependencies of `dref` are in the list: so it can go there.
    fn leave(&mut self, dref: AnyDRef) -> Result<()> {
        if let Some(&at) = self.at.get(dref.id()) {
            // Its twin is.
            return match self.stages[at].dref.node().conflict(dref.node()) {
                Some(why) => Err(conflict(&dref, &why)),
                None => Ok(()),
            };
        }
        let at = self.stages.len();
        let begin = self.deps.len();
        for dep in dref.config_json().deps() {
            let Some(&dep_at) = self.at.get(dep) else {
                let message = format!("{dref} names {dep} in its config, and does not own it");
                return Err(Error::new(ErrorKind::Plan, message)
                    .help("put the dependency in a field marked `#[dref]`"));
            };
            self.deps.push(dep_at);
        }
        self.at.insert(dref.id().clone(), at);
        self.stages.push(GraphStage {
            dref,
            deps: begin..self.deps.len(),
            dependents: 0..0,
        });
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
