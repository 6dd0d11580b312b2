//! Follows what a stage reaches, by the names in its code, until nothing new is found.
//!
//! It is [rapid type analysis](https://doi.org/10.1145/236337.236371) by names instead of types: a method counts if its name
//! is called and the type of its `impl` is reached. What other crates may call, such as `Iterator::next` or `Drop::drop`,
//! counts with its type.

use std::path::PathBuf;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::FieldKind;
use crate::index::Index;
use crate::item::{ItemId, ItemKind, ModuleId};
use crate::names::{Name, word};
use crate::resolve::Meaning;
use crate::tokens::{angle, attributes, path_at};
use crate::world::World;

/// Why something is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What names it; `None` for the stage itself, and where no single item does.
    pub(crate) from: Option<ItemId>,
}

/// What a stage reaches.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) items: FxHashMap<ItemId, Cause>,
    /// The fields of configs, as a config and the number of a field.
    pub(crate) fields: FxHashMap<(ItemId, usize), Cause>,
    /// Paths into crates whose sources are not read.
    pub(crate) externals: FxHashMap<String, Cause>,
    pub(crate) files: FxHashMap<PathBuf, Cause>,
    /// The predicates of `cfg`, and the package of the code that asks.
    pub(crate) conditions: FxHashSet<(String, usize)>,
    /// The names of variables that are read when the code is compiled, and the package of the code that asks.
    pub(crate) variables: FxHashSet<(String, usize)>,
    /// Included files whose names cannot be computed, as places in the source.
    pub(crate) unknown: Vec<String>,
}

pub(crate) struct Follow<'a> {
    pub(crate) world: &'a World,
    pub(crate) index: &'a mut Index,
    pub(crate) found: Found,
    /// Where following stops.
    stops: Vec<Meaning>,
    /// Items that are reached and not read yet.
    waiting: Vec<ItemId>,
    /// The names that are called as methods or written after a `::`.
    methods: FxHashSet<Name>,
    new_methods: Vec<Name>,
    /// The names that are written as fields.
    fields: FxHashSet<Name>,
    new_fields: Vec<Name>,
    /// The names that are mentioned at all, and whether they mean an item.
    mentions: FxHashSet<(Name, bool)>,
    new_mentions: Vec<(Name, bool)>,
    /// Members that wait for their name to be called.
    members: FxHashMap<Name, Vec<ItemId>>,
    /// Fields of reached configs that wait for their name to be written.
    config_fields: FxHashMap<Name, Vec<(ItemId, usize)>>,
    /// `impl`s that are usable.
    usable: FxHashSet<usize>,
    /// `impl`s and traits whose members are waiting or reached.
    opened: FxHashSet<ItemId>,
    /// `impl`s and traits whose heads are read.
    heads: FxHashSet<ItemId>,
    /// Bodies of macros that are read, and in which module.
    bodies: FxHashSet<(ItemId, ModuleId)>,
    /// Modules whose unsaid imports and conditions are taken.
    modules: FxHashSet<ModuleId>,
    /// What is being read.
    pub(crate) from: Option<ItemId>,
    /// The module in which the body of a macro is read.
    pub(crate) module: Option<ModuleId>,
}

/// Names of types whose values can change though a `static` holds them.
const MUTABLE: [&str; 15] = [
    "Mutex",
    "RwLock",
    "OnceLock",
    "OnceCell",
    "LazyLock",
    "LazyCell",
    "Lazy",
    "Cell",
    "RefCell",
    "UnsafeCell",
    "ArcSwap",
    "thread_local",
    "DashMap",
    "Once",
    "mut",
];

/// Follows a stage, but not into what `stops` name.
pub(crate) fn follow(
    world: &World,
    index: &mut Index,
    stage: ItemId,
    stops: Vec<Meaning>,
) -> Found {
    let mut follow = Follow {
        world,
        index,
        found: Found::default(),
        stops,
        waiting: Vec::new(),
        methods: FxHashSet::default(),
        new_methods: Vec::new(),
        fields: FxHashSet::default(),
        new_fields: Vec::new(),
        mentions: FxHashSet::default(),
        new_mentions: Vec::new(),
        members: FxHashMap::default(),
        config_fields: FxHashMap::default(),
        usable: FxHashSet::default(),
        opened: FxHashSet::default(),
        heads: FxHashSet::default(),
        bodies: FxHashSet::default(),
        modules: FxHashSet::default(),
        from: None,
        module: None,
    };
    follow.reach(stage);
    follow.parameters(stage);
    for number in 0..follow.index.impls.len() {
        if follow.index.impls[number].needs.is_empty() {
            follow.from = None;
            follow.use_impl(number);
        }
    }
    follow.run();
    follow.found
}

impl Follow<'_> {
    fn run(&mut self) {
        loop {
            if let Some(id) = self.waiting.pop() {
                self.from = Some(id);
                self.item(id);
            } else if let Some(name) = self.new_methods.pop() {
                for id in self.members.remove(&name).unwrap_or_default() {
                    self.from = self.world.items[id.0].parent;
                    self.reach(id);
                }
                self.from = None;
                let made = self.index.invocations.by_method.get(&name).cloned();
                for id in made.unwrap_or_default() {
                    self.reach(id);
                }
            } else if let Some(name) = self.new_fields.pop() {
                for (config, field) in self.config_fields.remove(&name).unwrap_or_default() {
                    self.field(config, field);
                }
            } else if let Some((name, is_known)) = self.new_mentions.pop() {
                self.from = None;
                let made = self.index.invocations.by_name.get(&name).cloned();
                for id in made.unwrap_or_default() {
                    let only_if_unknown = self.index.invocations.defined.contains(&(name, id));
                    if !(is_known && only_if_unknown) {
                        self.reach(id);
                    }
                }
            } else {
                return;
            }
        }
    }

    /// Notes that an item is reached.
    pub(crate) fn reach(&mut self, id: ItemId) {
        if self.found.items.contains_key(&id) || self.from == Some(id) || self.is_stopped(id) {
            return;
        }
        self.found.items.insert(id, Cause { from: self.from });
        self.waiting.push(id);
    }

    fn is_stopped(&self, id: ItemId) -> bool {
        if self.stops.is_empty() {
            return false;
        }
        let item = &self.world.items[id.0];
        let modules = std::iter::successors(Some(item.module), |module| {
            self.world.modules[module.0].parent
        });
        let parent = item.parent.map(Meaning::Item);
        modules
            .map(Meaning::Module)
            .chain([Meaning::Item(id)])
            .chain(parent)
            .any(|meaning| self.stops.contains(&meaning))
    }

    pub(crate) fn method(&mut self, name: Name) {
        if self.methods.insert(name) {
            self.new_methods.push(name);
        }
    }

    pub(crate) fn field_name(&mut self, name: Name) {
        if self.fields.insert(name) {
            self.new_fields.push(name);
        }
    }

    pub(crate) fn mention(&mut self, name: Name, is_known: bool) {
        if self.mentions.insert((name, is_known)) {
            self.new_mentions.push((name, is_known));
        }
    }

    /// Reaches everything of this name.
    pub(crate) fn anywhere(&mut self, name: Name) {
        for id in self.index.by_name.get(&name).cloned().unwrap_or_default() {
            self.reach(id);
        }
    }

    pub(crate) fn external(&mut self, path: String) {
        let cause = Cause { from: self.from };
        self.found.externals.entry(path).or_insert(cause);
    }

    pub(crate) fn file(&mut self, path: PathBuf) {
        let cause = Cause { from: self.from };
        self.found.files.entry(path).or_insert(cause);
    }

    /// Reaches what a name means.
    pub(crate) fn meaning(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Item(id) => self.reach(id),
            Meaning::External(path) => self.external(path),
            Meaning::Module(_) => {}
            Meaning::Package(package) => {
                // A procedural macro: which of its functions a name runs is not told by the name.
                for at in 0..self.world.items.len() {
                    let module = self.world.items[at].module;
                    if self.world.modules[module.0].package == package {
                        self.reach(ItemId(at));
                    }
                }
            }
        }
    }

    fn item(&mut self, id: ItemId) {
        let world = self.world;
        let item = &world.items[id.0];
        self.in_module(item.module);
        if item.kind == ItemKind::Static {
            self.users(id);
        }
        if let Some(parent) = item.parent {
            self.head(parent);
        }
        match item.kind {
            ItemKind::Trait => {
                self.head(id);
                self.open(id, false);
            }
            ItemKind::Impl => self.head(id),
            ItemKind::Invocation => {
                let (attrs, _) = attributes(world.tokens_of(id), item.start, item.body);
                for attr in attrs {
                    self.scan(id, attr.start.saturating_sub(2)..attr.end, false);
                }
                self.scan(id, item.body..item.end, true);
                self.expand(item.name, item.module);
            }
            ItemKind::MacroDefinition => {}
            _ if item.config.is_some() => self.config(id),
            _ => self.scan(id, item.start..item.end, false),
        }
        if item.kind.is_type() || matches!(item.kind, ItemKind::Alias | ItemKind::Invocation) {
            for number in self.index.impls_of.get(&id).cloned().unwrap_or_default() {
                self.use_impl(number);
            }
        }
    }

    /// Takes what a module brings to all of its items.
    fn in_module(&mut self, module: ModuleId) {
        if !self.modules.insert(module) {
            return;
        }
        for import in self.index.unsaid(self.world, module).iter() {
            self.external(import.clone());
        }
        let this = &self.world.modules[module.0];
        for condition in &this.conditions {
            let package = this.package.0;
            self.found.conditions.insert((condition.clone(), package));
        }
        if let Some(parent) = this.parent {
            // Only its conditions: its imports are of its own items.
            let mut above = Some(parent);
            while let Some(module) = above {
                let this = &self.world.modules[module.0];
                for condition in &this.conditions {
                    let package = this.package.0;
                    self.found.conditions.insert((condition.clone(), package));
                }
                above = this.parent;
            }
        }
    }

    /// The fields of a config wait until reached code writes their names.
    fn config(&mut self, id: ItemId) {
        let world = self.world;
        let Some(config) = &world.items[id.0].config else {
            return;
        };
        for (at, field) in config.fields.iter().enumerate() {
            if self.fields.contains(&field.name) {
                self.field(id, at);
            } else {
                self.config_fields
                    .entry(field.name)
                    .or_default()
                    .push((id, at));
            }
        }
    }

    /// Reaches a field of a config, and what its type leads to.
    fn field(&mut self, id: ItemId, at: usize) {
        let world = self.world;
        let Some(config) = &world.items[id.0].config else {
            return;
        };
        let field = &config.fields[at];
        self.from = Some(id);
        if field.kind != FieldKind::Dependency {
            let cause = Cause { from: Some(id) };
            self.found.fields.entry((id, at)).or_insert(cause);
        }
        for attribute in &field.attributes {
            self.scan(id, attribute.start..attribute.end, false);
        }
        self.scan(id, field.ty.clone(), false);
    }

    /// Reaches the functions that name a static which can change.
    fn users(&mut self, id: ItemId) {
        let world = self.world;
        let item = &world.items[id.0];
        let changes = |text: &str| MUTABLE.contains(&text) || text.starts_with("Atomic");
        let tokens = &world.tokens_of(id)[item.start..item.end];
        let words = tokens.iter().filter(|token| token.is_word());
        if words.map(|token| world.text(token.name)).any(changes) {
            for user in self.index.users_of_static(world, item.name) {
                self.reach(user);
            }
        }
    }

    /// A generic stage may be used with every type that implements the own traits in its bounds.
    fn parameters(&mut self, stage: ItemId) {
        let world = self.world;
        let item = &world.items[stage.0];
        let tokens = world.tokens_of(stage);
        let Some(at) = (item.start..item.body).find(|at| tokens[*at].word(word::FN)) else {
            return;
        };
        if !tokens.get(at + 2).is_some_and(|token| token.is(b'<')) {
            return;
        }
        let mut traits = FxHashSet::default();
        let bounds = [at + 2..angle(tokens, at + 2, item.body), at + 2..item.body];
        for token_at in bounds.into_iter().flatten() {
            let token = tokens[token_at];
            if !token.is_word() || token.name.is_keyword() {
                continue;
            }
            let (path, _) = path_at(tokens, token_at, item.body);
            for meaning in self.index.resolver.path(world, item.module, &path) {
                if let Meaning::Item(id) = meaning
                    && world.items[id.0].kind == ItemKind::Trait
                {
                    traits.insert(id);
                }
            }
        }
        self.from = Some(stage);
        for number in 0..self.index.impls.len() {
            let this = &self.index.impls[number];
            if this.own_trait.is_some_and(|own| traits.contains(&own)) {
                for need in this.needs.clone() {
                    self.reach(need);
                }
            }
        }
    }

    /// Reads the bodies of a macro by example, with the names of the module that invokes it and of the one that defines it.
    pub(crate) fn expand(&mut self, name: Name, module: ModuleId) {
        for id in self.index.macros.get(&name).cloned().unwrap_or_default() {
            self.reach(id);
            if !self.found.items.contains_key(&id) {
                continue;
            }
            let item = &self.world.items[id.0];
            for module in [module, item.module] {
                if self.bodies.insert((id, module)) {
                    let outer = (self.from.replace(id), self.module.replace(module));
                    self.scan(id, item.start..item.end, true);
                    (self.from, self.module) = outer;
                }
            }
        }
    }

    /// Reads the head of an `impl` or a trait.
    fn head(&mut self, id: ItemId) {
        if self.is_stopped(id) || !self.heads.insert(id) {
            return;
        }
        let cause = Cause { from: self.from };
        self.found.items.entry(id).or_insert(cause);
        let item = &self.world.items[id.0];
        self.scan(id, item.start..item.body, false);
        if item.kind == ItemKind::Trait {
            self.open(id, false);
        }
    }

    /// Uses an `impl` if what it needs is reached.
    fn use_impl(&mut self, number: usize) {
        if self.usable.contains(&number) {
            return;
        }
        let this = &self.index.impls[number];
        let reached = this
            .needs
            .iter()
            .find(|need| self.found.items.contains_key(need));
        if reached.is_none() && !this.needs.is_empty() || self.is_stopped(this.id) {
            return;
        }
        let (id, own_trait, is_foreign) = (this.id, this.own_trait, this.is_foreign);
        let reached = reached.copied();
        self.usable.insert(number);
        if is_foreign {
            self.from = reached;
            self.reach(id);
            self.from = Some(id);
            self.open(id, true);
        } else {
            self.open(id, false);
            if let Some(own_trait) = own_trait {
                self.open(own_trait, false);
            }
        }
    }

    /// Takes the members of an `impl` or a trait: all, or those whose names are called.
    fn open(&mut self, id: ItemId, all: bool) {
        if !self.opened.insert(id) && !all {
            return;
        }
        let world = self.world;
        for member in &world.items[id.0].members {
            let item = &world.items[member.0];
            // Associated types are part of the head.
            let with_head = item.kind == ItemKind::Alias && self.heads.contains(&id);
            if all
                || with_head
                || item.kind == ItemKind::Invocation
                || self.methods.contains(&item.name)
            {
                let outer = self.from.replace(id);
                self.reach(*member);
                self.from = outer;
            } else {
                self.members.entry(item.name).or_default().push(*member);
            }
        }
    }
}
