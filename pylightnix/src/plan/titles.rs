//! What the stages of one plan are called: by their names, and where several have one name, by what differs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::graph::Graph;
use super::sweep::labels_among;
use crate::config::{DRefId, Name};

/// So many stages of one name are told apart by their fields; those after them by their references.
const MOST: usize = 4096;

/// What the stages of a plan are called. Nothing is found out before it is asked for.
#[derive(Default)]
pub(super) struct Titles {
    /// The places of the stages of each name.
    named: OnceLock<HashMap<Name, Vec<usize>>>,
    /// What is known so far, by name: the labels of its stages, in the order of the plan.
    known: Mutex<HashMap<Name, Arc<[String]>>>,
}

impl Graph {
    /// What tells a stage from the others of its name in this plan: the fields that differ, as in `rate=0.1`. Nothing if it
    /// is the only one. Of an imported file, its path.
    pub fn label(&self, dref: &DRefId) -> Option<String> {
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
        // What differs in nothing that can be told has its name and the beginning of its hash.
        let label = &labels[place];
        let hash = label.strip_prefix(dref.name().as_str());
        let hash = hash.filter(|hash| hash.starts_with('#'));
        Some(hash.unwrap_or(label).to_owned())
    }

    /// What a stage is called: its name, and what tells it from the others of that name, as in `train rate=0.1`.
    pub fn titled<'a>(&'a self, dref: &'a DRefId) -> Titled<'a> {
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
    /// The derivation.
    pub(crate) fn dref(&self) -> &DRefId {
        self.dref
    }
}

/// A stage of a plan, shown as what it is called there.
#[derive(Clone, Copy)]
pub struct Titled<'a> {
    graph: &'a Graph,
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
