//! What is known of all items before anything is followed: names, macros, `impl`s, invocations.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::invocations::Invocations;
use crate::item::{ItemId, ItemKind, ModuleId};
use crate::lex::Token;
use crate::names::{Name, word};
use crate::resolve::{Meaning, Resolver};
use crate::text;
use crate::tokens::{angle, is_arrow, parameters, path_at};
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
    /// The generic parameters of each `impl`.
    generics: FxHashMap<ItemId, Arc<[Name]>>,
    /// For each module, the imports whose names none of its items says.
    unsaid: FxHashMap<ModuleId, Arc<[String]>>,
    /// For each static, the functions that name it.
    users_of_statics: Option<FxHashMap<Name, Vec<ItemId>>>,
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
}

impl Index {
    pub(crate) fn new(world: &World) -> Self {
        let mut by_name: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
        let mut macros: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
        for (at, item) in world.items.iter().enumerate() {
            let id = ItemId(at);
            match item.kind {
                ItemKind::Impl | ItemKind::Invocation => {}
                ItemKind::MacroDefinition => macros.entry(item.name).or_default().push(id),
                _ if item.parent.is_none() => by_name.entry(item.name).or_default().push(id),
                _ => {}
            }
        }
        let invocations = Invocations::new(world, &by_name, &macros);
        let mut index = Index {
            resolver: Resolver::default(),
            by_name,
            macros,
            invocations,
            impls: Vec::new(),
            impls_of: FxHashMap::default(),
            generics: FxHashMap::default(),
            unsaid: FxHashMap::default(),
            users_of_statics: None,
        };
        for (at, item) in world.items.iter().enumerate() {
            if item.kind != ItemKind::Impl {
                continue;
            }
            let found = index.header(world, ItemId(at));
            let number = index.impls.len();
            for need in &found.needs {
                index.impls_of.entry(*need).or_default().push(number);
            }
            index.impls.push(found);
        }
        index
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
        let (mut own_trait, mut is_foreign) = (None, false);
        if let Some(at_for) = of_trait {
            let named = types(at, at_for);
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
        needs.sort();
        needs.dedup();
        self.generics.insert(id, generics.into());
        Impl {
            id,
            needs,
            own_trait,
            is_foreign,
        }
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

    /// The generic parameters of the `impl` that an item is a member of.
    pub(crate) fn generics_around(&self, world: &World, id: ItemId) -> Vec<Name> {
        let parent = world.items[id.0].parent;
        let generics = parent.and_then(|parent| self.generics.get(&parent));
        generics
            .map(|generics| generics.to_vec())
            .unwrap_or_default()
    }

    /// The imports of a module of which no item of it says the name: traits, for their methods.
    pub(crate) fn unsaid(&mut self, world: &World, module: ModuleId) -> Arc<[String]> {
        if let Some(found) = self.unsaid.get(&module) {
            return found.clone();
        }
        let this = &world.modules[module.0];
        let mut said: FxHashSet<Name> = FxHashSet::default();
        for id in &this.all {
            let item = &world.items[id.0];
            let tokens = &world.tokens_of(*id)[item.start..item.end];
            said.extend(
                tokens
                    .iter()
                    .filter(|token| token.is_word())
                    .map(|token| token.name),
            );
        }
        let mut found = Vec::new();
        for import in &this.imports {
            if import.name.is_none_or(|name| said.contains(&name)) {
                continue;
            }
            for meaning in self.resolver.import(world, module, import) {
                match meaning {
                    Meaning::Item(id) if world.items[id.0].kind == ItemKind::Trait => {
                        let members = world.items[id.0].members.iter();
                        let members: Vec<String> = members
                            .map(|member| text::of_item(world, *member))
                            .collect();
                        let name = world.text(world.items[id.0].name);
                        found.push(format!("use {name} {{ {} }}", members.join(" ")));
                    }
                    Meaning::External(path) if !is_std_type(&path) => {
                        found.push(format!("use {path}"));
                    }
                    _ => {}
                }
            }
        }
        let found: Arc<[String]> = found.into();
        self.unsaid.insert(module, found.clone());
        found
    }

    /// The functions that name a static: one of them may have set what it holds.
    pub(crate) fn users_of_static(&mut self, world: &World, name: Name) -> Vec<ItemId> {
        let users = self.users_of_statics.get_or_insert_with(|| {
            let statics = world
                .items
                .iter()
                .filter(|item| item.kind == ItemKind::Static);
            let statics: FxHashSet<Name> = statics.map(|item| item.name).collect();
            let mut users: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
            for (at, item) in world.items.iter().enumerate() {
                let id = ItemId(at);
                if item.kind != ItemKind::Fn {
                    continue;
                }
                for token in &world.tokens_of(id)[item.start..item.end] {
                    if token.is_word() && statics.contains(&token.name) {
                        let of_this = users.entry(token.name).or_default();
                        if of_this.last() != Some(&id) {
                            of_this.push(id);
                        }
                    }
                }
            }
            users
        });
        users.get(&name).cloned().unwrap_or_default()
    }
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
    let (mut depth, mut of_trait) = (0_i32, None);
    let mut at = from;
    while at < head {
        let token = tokens[at];
        if token.is(b'<') {
            depth += 1;
        } else if token.is(b'>') && !is_arrow(tokens, at) {
            depth -= 1;
        } else if token.is_open() {
            at = token.mate;
        } else if token.word(word::FOR) && depth == 0 && of_trait.is_none() {
            // Not that of `for<'a> Fn(&'a u8)`.
            let is_binder = tokens.get(at + 1).is_some_and(|token| token.is(b'<'));
            if !is_binder {
                of_trait = Some(at);
            }
        } else if token.word(word::WHERE) && depth == 0 {
            return (of_trait, at);
        }
        at += 1;
    }
    (of_trait, head)
}
