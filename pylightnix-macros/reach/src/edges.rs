//! What some tokens lead to, which is read once and serves all stages.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::follow::Follow;
use crate::index::Index;
use crate::item::{FileId, ItemId, ModuleId, PackageId};
use crate::names::Name;
use crate::world::World;

/// Something that tokens lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Edge {
    Item(ItemId),
    /// A name that is called as a method or written after a `::`.
    Method(Name),
    /// A name that is written as a field.
    Field(Name),
    /// A name that is mentioned, and whether it means an item.
    Mention(Name, bool),
    /// A name that may mean any item.
    Anywhere(Name),
    /// A name that is said in a module.
    Said(ModuleId, Name),
    /// A name that is imported, and that no source defines.
    Missing(Name),
    External(String),
    File(PathBuf),
    Package(PackageId),
    /// Macros by example of a name, invoked in a module.
    Macro(Name, ModuleId),
    /// A macro by example, invoked in a module.
    Definition(ItemId, ModuleId),
    /// A file of code, included in a module.
    Included(ItemId, ModuleId),
    Condition(String, usize),
    Variable(String, usize),
    /// An included file whose name cannot be computed.
    Unknown(String),
}

/// What is read, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EdgesOf {
    id: ItemId,
    range: Range<usize>,
    in_macro: bool,
    module: Option<ModuleId>,
    caller: Option<FileId>,
}

/// Tokens that are being read.
pub(crate) struct Reading<'a> {
    pub(crate) world: &'a World,
    pub(crate) index: &'a mut Index,
    /// The module whose names hold, if it is not that of the item.
    pub(crate) module: Option<ModuleId>,
    /// The file that invokes the macro whose body is read.
    pub(crate) caller: Option<FileId>,
    edges: Vec<Edge>,
    noted: FxHashSet<Edge>,
}

impl Reading<'_> {
    pub(crate) fn note(&mut self, edge: Edge) {
        if self.noted.insert(edge.clone()) {
            self.edges.push(edge);
        }
    }
}

impl Follow<'_> {
    /// Follows what some tokens of an item lead to.
    pub(crate) fn scan(&mut self, id: ItemId, range: Range<usize>, in_macro: bool) {
        let of = EdgesOf {
            id,
            range,
            in_macro,
            module: self.module,
            caller: self.caller,
        };
        let known = self.index.edges.get(&of).cloned();
        let edges = known.unwrap_or_else(|| {
            let mut reading = Reading {
                world: self.world,
                index: self.index,
                module: self.module,
                caller: self.caller,
                edges: Vec::new(),
                noted: FxHashSet::default(),
            };
            reading.read(id, of.range.clone(), in_macro);
            let edges: Arc<[Edge]> = reading.edges.into();
            self.index.edges.insert(of, edges.clone());
            edges
        });
        for edge in edges.iter() {
            self.follow(edge, id);
        }
    }

    fn follow(&mut self, edge: &Edge, by: ItemId) {
        match edge {
            Edge::Item(id) => self.reach(*id),
            Edge::Method(name) => self.method(*name),
            Edge::Field(name) => self.field_name(*name),
            Edge::Mention(name, is_known) => self.mention(*name, *is_known),
            Edge::Anywhere(name) => self.anywhere(*name),
            Edge::Said(module, name) => {
                self.said.insert((*module, *name));
                self.opaque(*module);
            }
            Edge::Missing(name) => self.missing(*name),
            Edge::External(path) => self.external(path.clone()),
            Edge::File(path) => self.file(path.clone()),
            Edge::Package(package) => self.package(*package),
            Edge::Macro(name, module) => self.expand(*name, *module, by),
            Edge::Definition(id, module) => self.expand_definition(*id, *module, by),
            Edge::Included(id, module) => self.included_code(*id, *module),
            Edge::Condition(condition, package) => {
                let condition = (condition.clone(), *package);
                self.found.conditions.insert(condition);
            }
            Edge::Variable(name, package) => {
                self.found.variables.insert((name.clone(), *package));
            }
            Edge::Unknown(place) => {
                if !self.found.unknown.contains(place) {
                    self.found.unknown.push(place.clone());
                }
            }
        }
    }
}
