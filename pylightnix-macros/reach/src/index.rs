//! What is known of all items before anything is followed: names, macros, `impl`s, invocations.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::edges::{Edge, EdgesOf};
use crate::invocations::Invocations;
use crate::item::{ItemId, ItemKind, ModuleId};
use crate::lex::Token;
use crate::names::{Name, word};
use crate::resolve::{Meaning, Resolver, is_within};
use crate::statics::Statics;
use crate::tokens::{angle, attributes, outside_brackets, parameters, path_at, string_value};
use crate::world::World;

/// An index of all items.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) resolver: Resolver,
    /// Items that are no members, by name.
    pub(crate) by_name: FxHashMap<Name, Vec<ItemId>>,
    /// Macros by example, by name.
    pub(crate) macros: FxHashMap<Name, Vec<ItemId>>,
    pub(crate) invocations: Invocations,
    pub(crate) impls: Vec<Impl>,
    /// The numbers of the `impl`s that an item makes usable.
    pub(crate) impls_of: FxHashMap<ItemId, Vec<usize>>,
    /// The number of each `impl`.
    pub(crate) numbers: FxHashMap<ItemId, usize>,
    /// The generic parameters of each `impl`.
    generics: FxHashMap<ItemId, Arc<[Name]>>,
    imported: FxHashMap<ModuleId, Arc<Imported>>,
    /// How many own traits have a member of a name.
    traits_of: FxHashMap<Name, usize>,
    pub(crate) statics: Statics,
    /// For each module, the items that a procedural macro of these sources expands: nothing tells which names it makes.
    pub(crate) opaque: FxHashMap<ModuleId, Vec<ItemId>>,
    /// What tokens lead to, as far as they were read.
    pub(crate) edges: FxHashMap<EdgesOf, Arc<[Edge]>>,
    /// Functions by their names for the linker.
    linked: Option<FxHashMap<String, Vec<ItemId>>>,
}

/// What a module imports for no name that its items say.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// The own traits, whether their names are said or not.
    pub(crate) traits: Vec<ItemId>,
    /// Paths into crates whose sources are not read.
    pub(crate) externals: Vec<String>,
}

/// An `impl`, and when it is usable.
#[derive(Debug)]
pub(crate) struct Impl {
    pub(crate) id: ItemId,
    /// The items of which one has to be reached; if there are none, it is usable always.
    pub(crate) needs: Vec<ItemId>,
    /// The trait, if its source is read.
    pub(crate) own_trait: Option<ItemId>,
    /// Whether its trait is one whose source is not read: then other code may call all of it.
    pub(crate) is_foreign: bool,
    /// The last word of the path of the trait.
    pub(crate) trait_name: Option<Name>,
}

impl Index {
    pub(crate) fn new(world: &World) -> Self {
        let mut by_name: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
        let mut macros: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
        for (at, item) in world.items.iter().enumerate() {
            let id = ItemId(at);
            match item.kind {
                ItemKind::Impl | ItemKind::Invocation | ItemKind::Included => {}
                ItemKind::MacroDefinition => macros.entry(item.name).or_default().push(id),
                _ if item.parent.is_none() => by_name.entry(item.name).or_default().push(id),
                _ => {}
            }
        }
        let mut resolver = Resolver::default();
        let invocations = Invocations::new(world, &by_name, &macros, &mut resolver);
        let mut index = Index {
            resolver,
            by_name,
            macros,
            invocations,
            impls: Vec::new(),
            impls_of: FxHashMap::default(),
            numbers: FxHashMap::default(),
            generics: FxHashMap::default(),
            imported: FxHashMap::default(),
            traits_of: FxHashMap::default(),
            statics: Statics::default(),
            opaque: FxHashMap::default(),
            edges: FxHashMap::default(),
            linked: None,
        };
        for (at, item) in world.items.iter().enumerate() {
            if item.kind == ItemKind::Trait {
                for member in &item.members {
                    *index
                        .traits_of
                        .entry(world.items[member.0].name)
                        .or_default() += 1;
                }
            }
            if item.kind != ItemKind::Impl {
                continue;
            }
            let found = index.header(world, ItemId(at));
            let number = index.impls.len();
            index.numbers.insert(ItemId(at), number);
            for need in &found.needs {
                index.impls_of.entry(*need).or_default().push(number);
            }
            index.impls.push(found);
        }
        if world.packages.iter().any(|package| package.is_proc_macro) {
            for at in 0..world.items.len() {
                index.find_opaque(world, ItemId(at));
            }
        }
        index
    }

    /// Notes an item if a procedural macro of these sources expands it.
    fn find_opaque(&mut self, world: &World, id: ItemId) {
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        let (attrs, start) = attributes(tokens, item.start, item.end);
        let mut named: Vec<usize> = attrs.iter().map(|attr| attr.start).collect();
        named.extend((item.kind == ItemKind::Invocation).then_some(start));
        named.retain(|at| tokens.get(*at).is_some_and(Token::is_word));
        let is_opaque = named.into_iter().any(|at| {
            let (path, _) = path_at(tokens, at, item.end);
            let found = self.resolver.path(world, item.module, &path);
            found
                .iter()
                .any(|meaning| matches!(meaning, Meaning::Package(_)))
        });
        if is_opaque {
            self.opaque.entry(item.module).or_default().push(id);
        }
    }

    /// Reads the header of an `impl`: `impl<..> Trait<..> for Type<..> where ..`.
    fn header(&mut self, world: &World, id: ItemId) -> Impl {
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        let head = item.body;
        let mut at = item.start;
        while at < head && !tokens[at].word(word::IMPL) {
            at = if tokens[at].is_open() {
                tokens[at].mate + 1
            } else {
                at + 1
            };
        }
        at += 1;
        let mut generics = Vec::new();
        if at < head && tokens[at].is(b'<') {
            let close = angle(tokens, at, head);
            generics = parameters(tokens, at, close);
            at = close + 1;
        }
        let (of_trait, end) = parts(tokens, at, head);
        let ty = of_trait.map_or(at, |at| at + 1);
        let is_parameter = |at: usize| tokens[at].is_word() && generics.contains(&tokens[at].name);
        let first = (ty..end).find(|at| !tokens[*at].is(b'&') && !tokens[*at].word(word::MUT));
        let first = first.filter(|at| {
            tokens[*at].is_word() && !tokens[*at].word(word::DYN) && !is_parameter(*at)
        });
        let is_type = |id: &ItemId| {
            let kind = world.items[id.0].kind;
            kind.is_type() || matches!(kind, ItemKind::Alias | ItemKind::Invocation)
        };
        let mut types =
            |from: usize, to: usize| self.types(world, item.module, tokens, from..to, &generics);
        let mut needs: Vec<ItemId> = match first {
            Some(first) if first == ty => types(ty, end).into_iter().next().unwrap_or_default(),
            _ => Vec::new(),
        };
        needs.retain(is_type);
        if let (true, Some(first), Some(within)) = (needs.is_empty(), first, item.within)
            && defines(world, within, tokens[first].name)
        {
            needs.push(within);
        }
        let (mut own_trait, mut is_foreign, mut trait_name) = (None, false, None);
        if let Some(at_for) = of_trait {
            let named = types(at, at_for);
            let first = (at..at_for).find(|at| tokens[*at].is_word());
            trait_name = first.and_then(|first| path_at(tokens, first, at_for).0.pop());
            own_trait = named
                .first()
                .and_then(|named| {
                    named
                        .iter()
                        .find(|id| world.items[id.0].kind == ItemKind::Trait)
                })
                .copied();
            is_foreign = own_trait.is_none();
            if is_foreign && needs.is_empty() {
                // A trait of others for a type of others: any own type of the header.
                let all = named.into_iter().skip(1).chain(types(ty, end));
                needs = all.flatten().filter(is_type).collect();
            }
        }
        if needs.is_empty()
            && let Some(first) = first
        {
            // A type that an invocation makes.
            let (path, _) = path_at(tokens, first, end);
            let made = path
                .last()
                .and_then(|name| self.invocations.by_name.get(name));
            needs.extend(made.into_iter().flatten());
        }
        self.follow_aliases(world, &mut needs);
        needs.sort();
        needs.dedup();
        self.generics.insert(id, generics.into());
        Impl {
            id,
            needs,
            own_trait,
            is_foreign,
            trait_name,
        }
    }

    /// Adds the types that aliases stand for.
    fn follow_aliases(&mut self, world: &World, needs: &mut Vec<ItemId>) {
        let mut at = 0;
        while let Some(id) = needs.get(at).copied() {
            at += 1;
            let item = &world.items[id.0];
            if item.kind != ItemKind::Alias {
                continue;
            }
            let tokens = world.tokens_of(id);
            let named = self.types(world, item.module, tokens, item.start..item.end, &[]);
            for other in named.into_iter().flatten() {
                let kind = world.items[other.0].kind;
                if (kind.is_type() || kind == ItemKind::Alias) && !needs.contains(&other) {
                    needs.push(other);
                }
            }
        }
    }

    /// The functions that have this name for the linker.
    pub(crate) fn linked(&mut self, world: &World, name: &str) -> Vec<ItemId> {
        let linked = self.linked.get_or_insert_with(|| {
            let mut linked: FxHashMap<String, Vec<ItemId>> = FxHashMap::default();
            for (at, item) in world.items.iter().enumerate() {
                if !matches!(item.kind, ItemKind::Fn | ItemKind::Static) {
                    continue;
                }
                let mut tokens = world.tokens_of(ItemId(at))[item.start..item.body].windows(3);
                let exported = tokens
                    .find(|part| part[0].word(word::EXPORT_NAME))
                    .and_then(|part| string_value(world.text(part[2].name)));
                let name = exported.unwrap_or_else(|| world.text(item.name).to_owned());
                linked.entry(name).or_default().push(ItemId(at));
            }
            linked
        });
        linked.get(name).cloned().unwrap_or_default()
    }

    /// The items that the paths among these tokens name, for each path.
    fn types(
        &mut self,
        world: &World,
        module: ModuleId,
        tokens: &[Token],
        range: std::ops::Range<usize>,
        generics: &[Name],
    ) -> Vec<Vec<ItemId>> {
        let mut all = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let token = tokens[at];
            if !token.is_word() || token.name.is_keyword() || generics.contains(&token.name) {
                at += 1;
                continue;
            }
            let (path, next) = path_at(tokens, at, range.end);
            let mut found: Vec<ItemId> = self
                .resolver
                .path(world, module, &path)
                .into_iter()
                .filter_map(|meaning| match meaning {
                    Meaning::Item(item) => Some(item),
                    _ => None,
                })
                .collect();
            if found.is_empty() {
                let made = path
                    .last()
                    .and_then(|name| self.invocations.by_name.get(name));
                found.extend(made.into_iter().flatten());
            }
            all.push(found);
            at = next;
        }
        all
    }

    /// The generic parameters of an `impl`, or of the one that an item is a member of.
    pub(crate) fn generics_around(&self, world: &World, id: ItemId) -> Vec<Name> {
        let parent = world.items[id.0].parent;
        let of_parent = parent.and_then(|parent| self.generics.get(&parent));
        let own = self.generics.get(&id);
        let all = own.into_iter().chain(of_parent);
        all.flat_map(|generics| generics.to_vec()).collect()
    }

    /// What a module imports for no name that its items say: traits, for their methods.
    pub(crate) fn imported(&mut self, world: &World, module: ModuleId) -> Arc<Imported> {
        if let Some(found) = self.imported.get(&module) {
            return found.clone();
        }
        let mut said = FxHashSet::default();
        let mut found = Imported::default();
        let mut around = vec![module];
        while let Some(parent) = around.last().and_then(|at| {
            let this = &world.modules[at.0];
            this.parent.filter(|_| this.is_block)
        }) {
            around.push(parent);
        }
        for here in around {
            let reach = self.resolver.globs(world, here);
            words(world, here, &mut said);
            self.imported_from(world, here, here, &said, &mut found);
            for other in &reach.modules {
                let items = world.modules[other.0].all.iter().copied();
                found
                    .traits
                    .extend(items.filter(|id| world.items[id.0].kind == ItemKind::Trait));
                self.imported_from(world, *other, here, &said, &mut found);
            }
            for path in &reach.externals {
                if !path.starts_with(world.text(word::PYLIGHTNIX)) {
                    found.externals.push(format!("use {path}::*"));
                }
            }
        }
        let found = Arc::new(found);
        self.imported.insert(module, found.clone());
        found
    }

    /// Takes the traits that a module imports by name, as far as the module `seen_from` has them.
    fn imported_from(
        &mut self,
        world: &World,
        module: ModuleId,
        seen_from: ModuleId,
        said: &FxHashSet<Name>,
        found: &mut Imported,
    ) {
        let is_within = is_within(world, seen_from, module);
        for import in &world.modules[module.0].imports {
            let Some(name) = import.name.filter(|_| import.is_pub || is_within) else {
                continue;
            };
            for meaning in self.resolver.import(world, module, import) {
                match meaning {
                    Meaning::Item(id) if world.items[id.0].kind == ItemKind::Trait => {
                        found.traits.push(id);
                    }
                    // A path of one word is a crate.
                    Meaning::External(path)
                        if import.path.len() > 1
                            && !said.contains(&name)
                            && !is_std_type(&path) =>
                    {
                        found.externals.push(format!("use {path}"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Returns whether several own traits have a member of this name.
    pub(crate) fn is_of_several_traits(&self, name: Name) -> bool {
        self.traits_of.get(&name).is_some_and(|count| *count > 1)
    }
}

/// Takes the words that the items of a module say.
fn words(world: &World, module: ModuleId, said: &mut FxHashSet<Name>) {
    for id in &world.modules[module.0].all {
        let item = &world.items[id.0];
        let tokens = &world.tokens_of(*id)[item.start..item.end];
        let words = tokens.iter().filter(|token| token.is_word());
        said.extend(words.map(|token| token.name));
    }
}

/// Returns whether there is a type of this name in the body of an item.
fn defines(world: &World, within: ItemId, name: Name) -> bool {
    let item = &world.items[within.0];
    let tokens = &world.tokens_of(within)[item.start..item.end];
    tokens.windows(2).any(|pair| {
        pair[1].word(name)
            && matches!(
                pair[0].name,
                word::STRUCT | word::ENUM | word::UNION | word::TYPE
            )
    })
}

/// Types of the standard library, which are imported for their names alone. Of other names of other crates it is not known
/// whether they are traits.
const STD_TYPES: [&str; 44] = [
    "Arc",
    "Arguments",
    "AtomicBool",
    "AtomicI64",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "BufReader",
    "BufWriter",
    "Cell",
    "Command",
    "Condvar",
    "Cow",
    "Cursor",
    "Duration",
    "File",
    "Formatter",
    "HashMap",
    "HashSet",
    "Instant",
    "LazyLock",
    "LinkedList",
    "Mutex",
    "NonNull",
    "NonZero",
    "OnceCell",
    "OnceLock",
    "OpenOptions",
    "Ordering",
    "OsStr",
    "OsString",
    "Path",
    "PathBuf",
    "PhantomData",
    "Pin",
    "Range",
    "Rc",
    "RefCell",
    "RwLock",
    "SystemTime",
    "VecDeque",
];

fn is_std_type(path: &str) -> bool {
    let is_std = ["std::", "core::", "alloc::"]
        .iter()
        .any(|krate| path.starts_with(krate));
    is_std
        && path
            .rsplit("::")
            .next()
            .is_some_and(|name| STD_TYPES.contains(&name))
}

/// The indices of the `for` and of the `where` of a header, or of its end.
fn parts(tokens: &[Token], from: usize, head: usize) -> (Option<usize>, usize) {
    let mut of_trait = None;
    for (at, depth) in outside_brackets(tokens, from..head) {
        let token = tokens[at];
        // Not that of `for<'a> Fn(&'a u8)`.
        let is_binder = || tokens.get(at + 1).is_some_and(|token| token.is(b'<'));
        if depth == 0 && token.word(word::WHERE) {
            return (of_trait, at);
        }
        if depth == 0 && token.word(word::FOR) && of_trait.is_none() && !is_binder() {
            of_trait = Some(at);
        }
    }
    (of_trait, head)
}
