//! Follows what a stage reaches, by the names in its code, until nothing new is found.
//!
//! It is [rapid type analysis](https://doi.org/10.1145/236337.236371) by names instead of types: a method counts if its name
//! is called and the type of its `impl` is reached. What other crates may call, such as `Iterator::next` or `Drop::drop`,
//! counts with its type.

use std::collections::hash_map::Entry;
use std::path::PathBuf;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::FieldKind;
use crate::index::Index;
use crate::item::{FileId, ItemId, ItemKind, ModuleId, PackageId};
use crate::manifest::code_name;
use crate::names::{Name, word};
use crate::resolve::Meaning;
use crate::statics::made_statics;
use crate::tokens::{attributes, path_at, string_value};
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
    /// What names each item: all of it, and not only the first.
    pub(crate) ways: Vec<(Option<ItemId>, ItemId)>,
    /// The fields of configs, as a config and the number of a field.
    pub(crate) fields: FxHashMap<(ItemId, usize), Cause>,
    /// Paths into crates whose sources are not read.
    pub(crate) externals: FxHashMap<String, Cause>,
    /// What names mean, where the text of the items does not tell.
    pub(crate) bindings: FxHashSet<String>,
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
    pub(crate) bodies: FxHashSet<(ItemId, ModuleId)>,
    /// Modules whose conditions are taken.
    modules: FxHashSet<ModuleId>,
    /// The names that are said, and in which modules.
    pub(crate) said: FxHashSet<(ModuleId, Name)>,
    /// Packages of procedural macros that are reached.
    packages: FxHashSet<PackageId>,
    /// What is being read.
    pub(crate) from: Option<ItemId>,
    /// The module in which the body of a macro is read.
    pub(crate) module: Option<ModuleId>,
    /// The file that invokes the macro whose body is read.
    pub(crate) caller: Option<FileId>,
}

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
        said: FxHashSet::default(),
        packages: FxHashSet::default(),
        from: None,
        module: None,
        caller: None,
    };
    for stage in world.twins(stage) {
        follow.from = None;
        follow.reach(stage);
        // A method is no stage: only measurements follow one.
        if world.items[stage.0].parent.is_none() {
            follow.parameters(stage);
        }
    }
    follow.use_free_impls(stage);
    follow.run();
    follow.traits();
    follow.bindings();
    follow.ways_to_impls();
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
        if self.from == Some(id) || self.is_stopped(id) {
            return;
        }
        self.found.ways.push((self.from, id));
        if let Entry::Vacant(new) = self.found.items.entry(id) {
            new.insert(Cause { from: self.from });
            self.waiting.push(id);
        }
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

    /// Reaches what a procedural macro expands in a module.
    pub(crate) fn opaque(&mut self, module: ModuleId) {
        if self.index.opaque.is_empty() {
            return;
        }
        for id in self.index.opaque.get(&module).cloned().unwrap_or_default() {
            self.reach(id);
        }
    }

    /// Reaches what may make a name that is imported and that no source defines.
    pub(crate) fn missing(&mut self, name: Name) {
        self.mention(name, false);
        let modules: Vec<ModuleId> = self.index.opaque.keys().copied().collect();
        for module in modules {
            self.opaque(module);
        }
    }

    /// Notes that each of the types of an `impl` leads to it.
    fn ways_to_impls(&mut self) {
        for number in &self.usable {
            let this = &self.index.impls[*number];
            let needs = this.needs.iter();
            let reached = needs.filter(|need| self.found.items.contains_key(need));
            let ways = reached
                .map(|need| (Some(*need), this.id))
                .collect::<Vec<_>>();
            self.found.ways.extend(ways);
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

    /// Reaches a procedural macro: which of its functions a name runs is not told by the name.
    pub(crate) fn package(&mut self, package: PackageId) {
        if !self.packages.insert(package) {
            return;
        }
        for at in 0..self.world.items.len() {
            let module = self.world.items[at].module;
            if self.world.modules[module.0].package == package {
                self.reach(ItemId(at));
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
                let (attrs, start) = attributes(world.tokens_of(id), item.start, item.body);
                for attr in attrs {
                    self.scan(id, attr.start.saturating_sub(2)..attr.end, false);
                }
                self.scan(id, item.body..item.end, true);
                self.expand(item.name, item.module, id);
                self.invoked(id, start);
                self.made_statics(id);
            }
            // Read in the modules that name them.
            ItemKind::MacroDefinition | ItemKind::Included => {}
            _ if item.config.is_some() => self.config(id),
            _ => self.scan(id, item.start..item.end, false),
        }
        if item.kind == ItemKind::Fn && item.parent.is_none() {
            self.foreign_function(id);
        }
        if item.kind == ItemKind::Fn && self.index.keeps_a_static(world, id) {
            self.users_of(item.name);
        }
        if item.kind.is_type() || matches!(item.kind, ItemKind::Alias | ItemKind::Invocation) {
            for number in self.index.impls_of.get(&id).cloned().unwrap_or_default() {
                self.use_impl(number);
            }
        }
    }

    /// Reaches the macro that an item invokes by the path at `start`, if it has another name or is a procedural macro.
    fn invoked(&mut self, id: ItemId, start: usize) {
        let world = self.world;
        let item = &world.items[id.0];
        let (path, _) = path_at(world.tokens_of(id), start, item.body);
        for meaning in self.index.resolver.path(world, item.module, &path) {
            match meaning {
                Meaning::Item(found) if world.items[found.0].kind == ItemKind::MacroDefinition => {
                    self.reach(found);
                    self.expand_definition(found, item.module, id);
                }
                Meaning::Package(package) => self.package(package),
                _ => {}
            }
        }
    }

    /// Takes the conditions of a module and of its imports.
    fn in_module(&mut self, module: ModuleId) {
        if !self.modules.insert(module) {
            return;
        }
        self.opaque(module);
        let world = self.world;
        let this = &world.modules[module.0];
        let package = this.package.0;
        for condition in &this.conditions {
            self.found.conditions.insert((condition.clone(), package));
        }
        for import in &this.imports {
            for condition in &import.conditions {
                self.found.conditions.insert((condition.clone(), package));
                // Which of several imports holds is told by no item.
                let path: Vec<&str> = import.path.iter().map(|name| world.text(*name)).collect();
                let name = import.name.map_or("*", |name| world.text(name));
                let text = format!("#[cfg({condition})] use {} as {name}", path.join("::"));
                self.found.bindings.insert(text);
            }
        }
        let mut above = this.parent;
        while let Some(module) = above {
            let this = &world.modules[module.0];
            for condition in &this.conditions {
                let package = this.package.0;
                self.found.conditions.insert((condition.clone(), package));
            }
            above = this.parent;
        }
    }

    /// Takes the traits that the modules of reached items import for their methods.
    ///
    /// An own trait counts if a method that is called is of several traits: then the import tells which. Of what other crates
    /// have, it is not known what it is for.
    fn traits(&mut self) {
        let world = self.world;
        self.from = None;
        for module in self.modules.clone() {
            let imported = self.index.imported(world, module);
            for path in imported.externals.iter() {
                self.external(path.clone());
            }
            for id in imported.traits.iter() {
                let item = &world.items[id.0];
                let is_told_by_import = item.members.iter().any(|member| {
                    let name = world.items[member.0].name;
                    self.methods.contains(&name) && self.index.is_of_several_traits(name)
                });
                if is_told_by_import {
                    let path = world.path_of(item.module);
                    let name = world.text(item.name);
                    self.found.bindings.insert(format!("use {path}::{name}"));
                }
            }
        }
    }

    /// Takes what the names in reached code mean, where equal items could be exchanged for one another: renamed imports, and
    /// items of which several have the same name.
    fn bindings(&mut self) {
        let world = self.world;
        let mut namesakes: FxHashMap<(ItemKind, Name), usize> = FxHashMap::default();
        for id in self.found.items.keys() {
            let item = &world.items[id.0];
            if item.parent.is_none() && item.kind != ItemKind::Impl {
                *namesakes.entry((item.kind, item.name)).or_default() += 1;
            }
        }
        for (module, name) in &self.said {
            for meaning in self.index.resolver.name(world, *module, *name).iter() {
                let Meaning::Item(id) = meaning else { continue };
                let item = &world.items[id.0];
                let has_namesake = namesakes
                    .get(&(item.kind, item.name))
                    .is_some_and(|count| *count > 1);
                if item.module != *module && has_namesake {
                    let path = world.path_of(item.module);
                    let (name, module) = (world.text(*name), world.path_of(*module));
                    let binding = format!("use {path}::{name} in {module}");
                    self.found.bindings.insert(binding);
                }
            }
        }
        self.renamed();
    }

    /// Takes the renamed imports and packages of the names that are said. Which module says a name is not asked: the import
    /// may be behind others.
    fn renamed(&mut self) {
        let world = self.world;
        let holders = self.index.resolver.holders(world);
        let mut names: Vec<Name> = self.said.iter().map(|(_, name)| *name).collect();
        let mut seen: FxHashSet<Name> = names.iter().copied().collect();
        while let Some(name) = names.pop() {
            let text = world.text(name);
            let imports = holders.renamed.get(&name).map_or(&[][..], Vec::as_slice);
            for (module, of) in imports {
                let of_text = world.text(*of);
                let mut binding = format!("use {of_text} as {text}");
                if imports.len() > 1 {
                    binding = format!("{binding} in {}", world.path_of(*module));
                }
                self.found.bindings.insert(binding);
                if seen.insert(*of) {
                    names.push(*of);
                }
            }
            for package in &world.packages {
                let Some(of) = package.packages.get(&name) else {
                    continue;
                };
                let of = &world.packages[of.0].name;
                if code_name(of) != text {
                    let binding = format!("use package {of} as {text}");
                    self.found.bindings.insert(binding);
                }
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
            self.scan(id, attribute.start.saturating_sub(2)..attribute.end, false);
        }
        self.scan(id, field.ty.clone(), false);
    }

    /// Reaches the functions that name a static which can change.
    fn users(&mut self, id: ItemId) {
        if self.index.can_change(self.world, id) {
            self.users_of(self.world.items[id.0].name);
        }
    }

    fn users_of(&mut self, name: Name) {
        for user in self.index.users_of_static(self.world, name) {
            self.reach(user);
        }
    }

    /// Reaches the functions that name what `thread_local! { static NAME .. }` and its like make.
    fn made_statics(&mut self, id: ItemId) {
        let item = &self.world.items[id.0];
        let tokens = &self.world.tokens_of(id)[item.body..item.end];
        let names = made_statics(tokens).collect::<Vec<Name>>();
        for name in names {
            self.users_of(name);
        }
    }

    /// A function without a body is that of another language, or one of these sources that has the name for the linker.
    fn foreign_function(&mut self, id: ItemId) {
        let world = self.world;
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        if tokens.get(item.body).is_some_and(|token| token.is(b';')) {
            let attributes = &tokens[item.start..item.body];
            let linked = attributes
                .windows(3)
                .find(|part| part[0].word(word::LINK_NAME));
            let linked = linked.and_then(|part| string_value(world.text(part[2].name)));
            let name = linked.unwrap_or_else(|| world.text(item.name).to_owned());
            for id in self.index.linked(world, &name) {
                self.reach(id);
            }
        }
    }

    /// Reads the bodies of macros by example, with the names of the module that invokes them and of the one that defines them.
    pub(crate) fn expand(&mut self, name: Name, module: ModuleId, by: ItemId) {
        for id in self.index.macros.get(&name).cloned().unwrap_or_default() {
            self.reach(id);
            self.expand_definition(id, module, by);
        }
    }

    /// Reads the body of a macro, which an item invokes.
    pub(crate) fn expand_definition(&mut self, id: ItemId, module: ModuleId, by: ItemId) {
        if !self.found.items.contains_key(&id) {
            return;
        }
        let item = &self.world.items[id.0];
        for module in [module, item.module] {
            if self.bodies.insert((id, module)) {
                let caller = self.caller.unwrap_or(self.world.items[by.0].file);
                let outer = (
                    self.from.replace(id),
                    self.module.replace(module),
                    self.caller.replace(caller),
                );
                self.scan(id, item.start..item.end, true);
                (self.from, self.module, self.caller) = outer;
            }
        }
    }

    /// Reads a file of code that is included in a body, with the names of the module of that.
    pub(crate) fn included_code(&mut self, id: ItemId, module: ModuleId) {
        self.reach(id);
        if self.found.items.contains_key(&id) && self.bodies.insert((id, module)) {
            let outer = (self.from.replace(id), self.module.replace(module));
            self.scan(id, 0..self.world.items[id.0].end, false);
            (self.from, self.module) = outer;
        }
    }

    /// Reads the head of an `impl` or a trait.
    fn head(&mut self, id: ItemId) {
        if self.is_stopped(id) || !self.heads.insert(id) {
            return;
        }
        let item = &self.world.items[id.0];
        let is_member = |from: &ItemId| self.world.items[from.0].parent == Some(id);
        let from = match self.from.filter(is_member) {
            // The member names it, and is named by the type.
            Some(_) => self.type_of(id),
            None => self.from,
        };
        self.found.items.entry(id).or_insert(Cause { from });
        if let Some(within) = item.within {
            // What is beside it in the body.
            self.reach(within);
        }
        self.scan(id, item.start..item.body, false);
        if item.kind == ItemKind::Trait {
            self.open(id, false);
        }
    }

    /// Returns the reached item that makes an `impl` usable.
    fn type_of(&self, id: ItemId) -> Option<ItemId> {
        let number = *self.index.numbers.get(&id)?;
        let needs = &self.index.impls[number].needs;
        needs
            .iter()
            .find(|need| self.found.items.contains_key(need))
            .copied()
    }

    /// Uses the `impl`s that need no type of these sources.
    fn use_free_impls(&mut self, stage: ItemId) {
        let world = self.world;
        let package_of = |id: ItemId| world.modules[world.items[id.0].module.0].package;
        let own = package_of(stage);
        for number in 0..self.index.impls.len() {
            let this = &self.index.impls[number];
            let package = package_of(this.id);
            // Procedural macros run in the compiler; their packages count as wholes.
            let may_run = package == own || !world.packages[package.0].is_proc_macro;
            if this.needs.is_empty() && may_run {
                self.from = None;
                self.use_impl(number);
            }
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
