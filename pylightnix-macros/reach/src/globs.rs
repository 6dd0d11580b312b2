//! Imports of all names of a module, of an enum, or of another crate.
//!
//! Modules import one another in circles, as with a prelude. So what a module has by such imports is found by going from
//! module to module, each once, and not by asking each for what it has.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::item::{ItemId, ItemKind, ModuleId, PackageId};
use crate::names::Name;
use crate::resolve::{Meaning, Resolver, has_variant, is_within, macros_of};
use crate::world::World;

/// What is known of such imports.
#[derive(Debug, Default)]
pub(crate) struct Globs {
    reached: FxHashMap<ModuleId, Arc<Reach>>,
    /// The modules for which they are being looked up.
    open: Vec<ModuleId>,
    /// Whether one of those was asked for again: then what was found since may lack something.
    pub(crate) is_partial: bool,
    holders: Option<Arc<Holders>>,
}

/// What a module reaches by importing all names of others.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// The modules, the nearest first, without the module itself.
    pub(crate) modules: Vec<ModuleId>,
    /// The modules that each imports all names of.
    next: FxHashMap<ModuleId, Vec<ModuleId>>,
    /// The enums whose variants each imports.
    enums: FxHashMap<ModuleId, Vec<ItemId>>,
    /// The packages whose procedural macros are imported.
    packages: Vec<PackageId>,
    /// Paths into crates whose sources are not read.
    pub(crate) externals: Vec<String>,
}

/// Where names are defined or imported.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// The modules that have a name by an item, a module or an import.
    modules: FxHashMap<Name, FxHashSet<ModuleId>>,
    /// The numbers of the imports of a module by their names.
    pub(crate) imports: FxHashMap<(ModuleId, Name), Vec<usize>>,
    /// The imports that give another name, by that: their modules, and the name before.
    pub(crate) renamed: FxHashMap<Name, Vec<(ModuleId, Name)>>,
}

impl Resolver {
    pub(crate) fn holders(&mut self, world: &World) -> Arc<Holders> {
        let holders = self.globs.holders.get_or_insert_with(|| {
            let mut holders = Holders::default();
            for (at, module) in world.modules.iter().enumerate() {
                let id = ModuleId(at);
                let own = module.items.keys().chain(module.modules.keys());
                for name in own {
                    holders.modules.entry(*name).or_default().insert(id);
                }
                for (at, import) in module.imports.iter().enumerate() {
                    if let Some(name) = import.name {
                        holders.modules.entry(name).or_default().insert(id);
                        holders.imports.entry((id, name)).or_default().push(at);
                        let last = import.path.last().filter(|last| **last != name);
                        if let Some(last) = last.filter(|_| !name.is_keyword()) {
                            holders.renamed.entry(name).or_default().push((id, *last));
                        }
                    }
                }
            }
            Arc::new(holders)
        });
        holders.clone()
    }

    /// Returns what a module has under a name by importing all names of others. What a nearer one has hides what those behind
    /// it have.
    pub(crate) fn by_glob(&mut self, world: &World, module: ModuleId, name: Name) -> Vec<Meaning> {
        let reach = self.globs(world, module);
        let mut found = Vec::new();
        for package in &reach.packages {
            if world.packages[package.0].macros.contains(&name) {
                found.push(Meaning::Package(*package));
            }
        }
        let holders = self.holders(world);
        let holding = holders.modules.get(&name);
        let is_held = |module: &ModuleId| holding.is_some_and(|holding| holding.contains(module));
        if reach.enums.is_empty() && !reach.modules.iter().any(is_held) {
            return found;
        }
        let mut seen = FxHashSet::from_iter([module]);
        let mut waiting = vec![module];
        while let Some(at) = waiting.pop() {
            if at != module && is_held(&at) {
                let explicit = self.explicit(world, at, module, name);
                if !explicit.is_empty() {
                    found.extend(explicit);
                    continue;
                }
            }
            let enums = reach.enums.get(&at).into_iter().flatten();
            let with_variant = enums.filter(|item| has_variant(world, **item, name));
            found.extend(with_variant.map(|item| Meaning::Item(*item)));
            let next = reach.next.get(&at).into_iter().flatten();
            waiting.extend(next.filter(|next| seen.insert(**next)));
        }
        found
    }

    /// Returns what a module reaches by importing all names of others.
    pub(crate) fn globs(&mut self, world: &World, module: ModuleId) -> Arc<Reach> {
        if let Some(reach) = self.globs.reached.get(&module) {
            return reach.clone();
        }
        if self.globs.open.contains(&module) {
            self.globs.is_partial = true;
            return Arc::default();
        }
        self.globs.open.push(module);
        let reach = Arc::new(self.find_globs(world, module));
        self.globs.open.pop();
        let is_outermost = self.globs.open.is_empty();
        if is_outermost || !self.globs.is_partial {
            self.globs.reached.insert(module, reach.clone());
        }
        self.globs.is_partial &= !is_outermost;
        reach
    }

    fn find_globs(&mut self, world: &World, module: ModuleId) -> Reach {
        let mut reach = Reach::default();
        let mut waiting = vec![module];
        let mut at = 0;
        while let Some(this) = waiting.get(at).copied() {
            at += 1;
            let is_seen = is_within(world, module, this);
            for import in &world.modules[this.0].imports {
                if import.name.is_some() || !(import.is_pub || is_seen) {
                    continue;
                }
                for meaning in self.import(world, this, import) {
                    match meaning {
                        Meaning::Module(other) => match macros_of(world, other) {
                            Some(package) => reach.packages.push(package),
                            None => {
                                reach.next.entry(this).or_default().push(other);
                                if !waiting.contains(&other) {
                                    waiting.push(other);
                                }
                            }
                        },
                        Meaning::Item(item) if world.items[item.0].kind == ItemKind::Enum => {
                            reach.enums.entry(this).or_default().push(item);
                        }
                        Meaning::External(path) => reach.externals.push(path),
                        _ => {}
                    }
                }
            }
        }
        waiting.remove(0);
        reach.modules = waiting;
        reach
    }
}
