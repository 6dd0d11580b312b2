//! What names mean: items, modules, and crates whose sources are not read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::globs::Globs;
use crate::item::{Import, ItemId, ItemKind, ModuleId, PackageId};
use crate::names::{Name, word};
use crate::world::World;

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Meaning {
    Item(ItemId),
    Module(ModuleId),
    /// Something of a crate of procedural macros, whose names are not those of its functions.
    Package(PackageId),
    /// A path into a crate whose sources are not read.
    External(String),
    /// A name that is imported, and that no source defines: a macro may.
    Missing(Name),
}

/// Looks up names, and remembers what it found.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    found: FxHashMap<(ModuleId, Name), Arc<[Meaning]>>,
    /// The names that are being looked up, as modules may import one another.
    open: Vec<Open>,
    /// The lowest of those that turned up again; what was found above it may lack something.
    lowest: Option<usize>,
    pub(crate) globs: Globs,
}

/// A name that is being looked up.
#[derive(Debug)]
struct Open {
    module: ModuleId,
    name: Name,
    /// What is known of it so far.
    found: Vec<Meaning>,
    /// Whether looking it up asked for it again, as `pub use self::score::score` does.
    is_asked: bool,
}

impl Resolver {
    /// Returns what a path means in a module.
    pub(crate) fn path(&mut self, world: &World, module: ModuleId, path: &[Name]) -> Vec<Meaning> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let mut found = match lead(world, module, *first) {
            Some(found) => found,
            None => self.name(world, module, *first).to_vec(),
        };
        if found.is_empty() {
            found = package(world, module, *first);
        }
        self.rest(world, found, rest)
    }

    /// Returns what a path with a leading `::` means: a crate, or in the edition of 2015 what the root has.
    pub(crate) fn absolute(
        &mut self,
        world: &World,
        module: ModuleId,
        path: &[Name],
    ) -> Vec<Meaning> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let mut found = package(world, module, *first);
        if found.is_empty() {
            let root = world.modules[module.0].root;
            found = self.name(world, root, *first).to_vec();
        }
        self.rest(world, found, rest)
    }

    /// Follows the words of a path after the first.
    pub(crate) fn rest(
        &mut self,
        world: &World,
        mut found: Vec<Meaning>,
        rest: &[Name],
    ) -> Vec<Meaning> {
        for name in rest {
            let mut next = Vec::new();
            for meaning in found {
                match meaning {
                    Meaning::Module(module) => match *name {
                        word::SUPER => {
                            next.extend(enclosing(world, module).map(Meaning::Module));
                        }
                        word::SELF => next.push(Meaning::Module(module)),
                        name => match macros_of(world, module) {
                            Some(package) => next.push(Meaning::Package(package)),
                            None => next.extend(self.name(world, module, name).iter().cloned()),
                        },
                    },
                    Meaning::External(path) => {
                        next.push(Meaning::External(format!("{path}::{}", world.text(*name))));
                    }
                    other => next.push(other),
                }
            }
            found = next;
        }
        found
    }

    /// Returns what a name means in a module.
    pub(crate) fn name(&mut self, world: &World, module: ModuleId, name: Name) -> Arc<[Meaning]> {
        if let Some(found) = self.found.get(&(module, name)) {
            return found.clone();
        }
        let mut open = self.open.iter_mut().enumerate();
        if let Some((at, open)) = open.find(|(_, it)| (it.module, it.name) == (module, name)) {
            self.lowest = Some(self.lowest.map_or(at, |lowest| lowest.min(at)));
            open.is_asked = true;
            return open.found.as_slice().into();
        }
        let depth = self.open.len();
        let found = self.all_of(world, module, name);
        // Of a circle of imports only the outermost name is complete.
        if self.lowest.is_none_or(|lowest| lowest >= depth) && !self.globs.is_partial {
            self.found.insert((module, name), found.clone());
            self.lowest = None;
        }
        found
    }

    /// Looks a name up, again as long as what was found leads to something else.
    fn all_of(&mut self, world: &World, module: ModuleId, name: Name) -> Arc<[Meaning]> {
        const MOST_ROUNDS: usize = 8;
        let mut found = Vec::new();
        for _ in 0..MOST_ROUNDS {
            self.open.push(Open {
                module,
                name,
                found: std::mem::take(&mut found),
                is_asked: false,
            });
            found = self.search(world, module, name);
            found.sort();
            found.dedup();
            let open = self.open.pop();
            if open.is_none_or(|open| !open.is_asked || open.found == found) {
                break;
            }
        }
        found.into()
    }

    fn search(&mut self, world: &World, module: ModuleId, name: Name) -> Vec<Meaning> {
        let this = &world.modules[module.0];
        let mut found = self.explicit(world, module, module, name);
        let is_missing = |meaning: &Meaning| matches!(meaning, Meaning::Missing(_));
        let missing: Vec<Meaning> = found.extract_if(.., |it| is_missing(it)).collect();
        if found.is_empty() {
            found = self.by_glob(world, module, name);
        }
        if let Some(parent) = this.parent.filter(|_| found.is_empty() && this.is_block) {
            found = self.name(world, parent, name).to_vec();
        }
        if found.is_empty() {
            found = macros_of_crates(world, module, name);
        }
        if found.is_empty() {
            found = missing;
        }
        found
    }

    /// Returns what a module defines or imports by this name, as far as the module `seen_from` may see it.
    pub(crate) fn explicit(
        &mut self,
        world: &World,
        module: ModuleId,
        seen_from: ModuleId,
        name: Name,
    ) -> Vec<Meaning> {
        let mut found = own(world, module, name);
        let named = self.holders(world).imports.get(&(module, name)).cloned();
        for at in named.unwrap_or_default() {
            let import = &world.modules[module.0].imports[at];
            if import.is_pub || is_within(world, seen_from, module) {
                found.extend(self.import(world, module, import));
            }
        }
        found
    }

    /// Returns what an import of a module names.
    pub(crate) fn import(
        &mut self,
        world: &World,
        module: ModuleId,
        import: &Import,
    ) -> Vec<Meaning> {
        let Some((first, rest)) = import.path.split_first() else {
            return Vec::new();
        };
        let mut found = lead(world, module, *first).unwrap_or_default();
        if found.is_empty() {
            found = own(world, module, *first);
        }
        if found.is_empty() {
            found = package(world, module, *first);
        }
        // `use name as name` would ask for itself.
        let asks_itself = rest.is_empty() && import.name == Some(*first);
        // A function and an imported module may have the same name.
        let leads_on = rest.is_empty() || found.iter().any(|it| leads_on(world, it));
        if (found.is_empty() || !leads_on) && !asks_itself {
            found.extend(self.name(world, module, *first).iter().cloned());
        }
        if found.is_empty() {
            // Paths of the edition of 2015 begin at the root.
            let root = world.modules[module.0].root;
            found = own(world, root, *first)
                .into_iter()
                .filter(|meaning| matches!(meaning, Meaning::Module(_)))
                .collect();
        }
        if found.is_empty() {
            found = vec![Meaning::External(world.text(*first).to_owned())];
        }
        let found = self.rest(world, found, rest);
        match import.path.last() {
            Some(last) if found.is_empty() => vec![Meaning::Missing(*last)],
            _ => found,
        }
    }

    /// Returns whether a derive that is called `Config` is the one of this library: other libraries have one too.
    pub(crate) fn is_config(&mut self, world: &World, module: ModuleId, path: &[Name]) -> bool {
        let is_ours = |path: &str| path.starts_with(world.text(word::PYLIGHTNIX));
        let found = self.path(world, module, path);
        if found.is_empty() && path.len() == 1 {
            let globs = self.globs(world, module);
            return globs.externals.iter().any(|path| is_ours(path));
        }
        found
            .iter()
            .any(|meaning| matches!(meaning, Meaning::External(path) if is_ours(path)))
    }
}

/// What `crate`, `self` and `super` mean at the beginning of a path.
fn lead(world: &World, module: ModuleId, first: Name) -> Option<Vec<Meaning>> {
    match first {
        word::CRATE => Some(vec![Meaning::Module(world.modules[module.0].root)]),
        word::SELF => Some(vec![Meaning::Module(named(world, module))]),
        word::SUPER => Some(
            enclosing(world, module)
                .map(Meaning::Module)
                .into_iter()
                .collect(),
        ),
        _ => None,
    }
}

/// Returns whether a path may go on after a name with this meaning.
fn leads_on(world: &World, meaning: &Meaning) -> bool {
    match meaning {
        Meaning::Item(id) => {
            let kind = world.items[id.0].kind;
            kind.is_type() || matches!(kind, ItemKind::Alias | ItemKind::Trait)
        }
        _ => true,
    }
}

/// The procedural macro of a crate with `#[macro_use]`, whose names all modules have.
fn macros_of_crates(world: &World, module: ModuleId, name: Name) -> Vec<Meaning> {
    let package = &world.packages[world.modules[module.0].package.0];
    let crates = package.macro_crates.iter();
    let packages = crates.filter_map(|name| package.packages.get(name));
    packages
        .filter(|package| world.packages[package.0].macros.contains(&name))
        .map(|package| Meaning::Package(*package))
        .collect()
}

/// Returns whether a module is another one, or inside it.
pub(crate) fn is_within(world: &World, module: ModuleId, other: ModuleId) -> bool {
    let parent = |module: &ModuleId| world.modules[module.0].parent;
    std::iter::successors(Some(module), parent).any(|module| module == other)
}

/// The module that a block is in, or the module itself.
fn named(world: &World, mut module: ModuleId) -> ModuleId {
    while let Some(parent) = world.modules[module.0]
        .parent
        .filter(|_| world.modules[module.0].is_block)
    {
        module = parent;
    }
    module
}

fn enclosing(world: &World, module: ModuleId) -> Option<ModuleId> {
    world.modules[named(world, module).0].parent
}

/// What a module defines itself under a name.
fn own(world: &World, module: ModuleId, name: Name) -> Vec<Meaning> {
    let module = &world.modules[module.0];
    let items = module.items.get(&name).into_iter().flatten().copied();
    let modules = module.modules.get(&name).into_iter().flatten().copied();
    items
        .map(Meaning::Item)
        .chain(modules.map(Meaning::Module))
        .collect()
}

/// What the name of a crate means.
fn package(world: &World, module: ModuleId, name: Name) -> Vec<Meaning> {
    let package = &world.packages[world.modules[module.0].package.0];
    match package.packages.get(&name) {
        Some(other) => world.packages[other.0]
            .lib
            .map(Meaning::Module)
            .into_iter()
            .collect(),
        None if package.externals.contains(&name) => {
            vec![Meaning::External(world.text(name).to_owned())]
        }
        None => Vec::new(),
    }
}

/// The package of procedural macros that a module is the root of.
pub(crate) fn macros_of(world: &World, module: ModuleId) -> Option<PackageId> {
    let package = world.modules[module.0].package;
    let this = &world.packages[package.0];
    (this.is_proc_macro && this.lib == Some(module)).then_some(package)
}

pub(crate) fn has_variant(world: &World, item: ItemId, name: Name) -> bool {
    let this = &world.items[item.0];
    this.kind == ItemKind::Enum
        && world.tokens_of(item)[this.start..this.end]
            .iter()
            .any(|token| token.word(name))
}
