//! Titles of the stages of a plan: the name, and a label of the differing fields if several stages have the same name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::graph::PlanGraph;
use super::sweep::labels_among;
use crate::config::{DRefId, Name};

/// The maximal number of stages of the same name with labels of fields. Further stages get a part of their hash.
const MOST: usize = 4096;

/// The titles of the stages of a plan, computed on first use.
#[derive(Default)]
pub(super) struct Titles {
    /// The indices of the stages of each name.
    named: OnceLock<HashMap<Name, Vec<usize>>>,
    /// A cache of the labels of the stages of each name, in the order of the plan.
    known: Mutex<HashMap<Name, Arc<[String]>>>,
}

impl PlanGraph {
    /// Returns the label that distinguishes a stage from others of the same name in this plan: the fields that differ, as in
    /// `rate=0.1`, or the path of an imported file. Returns `None` if the name is unique.
    pub(crate) fn label(&self, dref: &DRefId) -> Option<String> {
        let at = self.place(dref)?;
        if let Some(note) = self.dref(at).node().note() {
            return Some(note.to_owned());
        }
        let members = self.named().get(dref.name())?;
        if members.len() < 2 {
            return None;
        }
        let place = members.binary_search(&at).ok()?;
        if place >= MOST {
            return Some(format!("#{}", &dref.folder()[..8]));
        }
        let mut known = (self.titles().known.lock()).unwrap_or_else(PoisonError::into_inner);
        let labels = known.entry(dref.name().clone()).or_insert_with(|| {
            let first = members.iter().take(MOST);
            labels_among(&first.map(|at| self.dref(*at).clone()).collect::<Vec<_>>()).into()
        });
        // Stages without differing fields are labelled `name#hash`: remove the name.
        let label = &labels[place];
        let hash = label.strip_prefix(dref.name().as_str());
        let hash = hash.filter(|hash| hash.starts_with('#'));
        Some(hash.unwrap_or(label).to_owned())
    }

    /// Returns the title of a stage: its name and its label, as in `train rate=0.1`.
    pub(crate) fn titled<'a>(&'a self, dref: &'a DRefId) -> Titled<'a> {
        Titled { graph: self, dref }
    }

    fn named(&self) -> &HashMap<Name, Vec<usize>> {
        self.titles().named.get_or_init(|| {
            let mut named: HashMap<Name, Vec<usize>> = HashMap::new();
            for (at, dref) in self.drefs().enumerate() {
                named.entry(dref.id().name().clone()).or_default().push(at);
            }
            named
        })
    }
}

impl Titled<'_> {
    /// Returns the derivation.
    pub(crate) fn dref(&self) -> &DRefId {
        self.dref
    }
}

/// A stage of a plan, displayed by its title.
#[derive(Clone, Copy)]
pub(crate) struct Titled<'a> {
    graph: &'a PlanGraph,
    dref: &'a DRefId,
}

impl fmt::Display for Titled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.dref.name();
        match self.graph.label(self.dref) {
            Some(hash) if hash.starts_with('#') => write!(f, "{name}{hash}"),
            Some(label) => write!(f, "{name} {label}"),
            None => write!(f, "{name}"),
        }
    }
}
