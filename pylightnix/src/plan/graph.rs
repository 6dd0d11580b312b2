//! All nodes that a target leads to, dependencies first.

use std::collections::HashMap;

use super::node::AnyDRef;
use super::target::Target;
use crate::config::DRefId;
use crate::{Error, ErrorKind, Result};

/// The derivations of a plan, each once, every one after those that it depends on.
pub(crate) struct Graph {
    pub(crate) stages: Vec<GraphStage>,
    pub(crate) at: HashMap<DRefId, usize>,
}

pub(crate) struct GraphStage {
    pub(crate) dref: AnyDRef,
    /// Where its direct dependencies are, in the order of their references.
    pub(crate) deps: Vec<usize>,
    /// Where the stages are that depend on it directly.
    pub(crate) dependents: Vec<usize>,
}

impl Graph {
    /// Collects the nodes without recursion, whatever the depth of the plan.
    pub(crate) fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        let mut graph = Collector::default();
        let mut roots = Vec::new();
        target.visit(&mut |dref| roots.push(dref.clone()));
        for root in roots {
            graph.enter(&root);
            graph.walk()?;
        }
        Ok(Graph {
            stages: graph.stages,
            at: graph.at,
        })
    }
}

#[derive(Default)]
struct Collector {
    stages: Vec<GraphStage>,
    at: HashMap<DRefId, usize>,
    /// Every node that was met, by address: most meetings are of the same node again.
    met: HashMap<usize, AnyDRef>,
    /// The path from a root: each node, and how many of its dependencies were entered.
    path: Vec<(AnyDRef, usize)>,
}

impl Collector {
    fn enter(&mut self, dref: &AnyDRef) {
        // A twin of one that is listed is walked too: its dependencies may differ in their matchers from those of the other.
        if self.met.insert(dref.address(), dref.clone()).is_none() {
            self.path.push((dref.clone(), 0));
        }
    }

    fn walk(&mut self) -> Result<()> {
        while let Some((dref, next)) = self.path.last_mut() {
            match dref.node().deps().get(*next) {
                Some(dep) => {
                    let dep = dep.clone();
                    *next += 1;
                    self.enter(&dep);
                }
                None => {
                    let dref = dref.clone();
                    self.path.pop();
                    self.leave(dref)?;
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
        let mut deps = Vec::with_capacity(dref.config_json().deps().len());
        for dep in dref.config_json().deps() {
            let Some(&dep_at) = self.at.get(dep) else {
                let message = format!("{dref} names {dep} in its config, and does not own it");
                return Err(Error::new(ErrorKind::Plan, message)
                    .help("put the dependency in a field marked `#[dref]`"));
            };
            self.stages[dep_at].dependents.push(at);
            deps.push(dep_at);
        }
        self.at.insert(dref.id().clone(), at);
        self.stages.push(GraphStage {
            dref,
            deps,
            dependents: Vec::new(),
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
