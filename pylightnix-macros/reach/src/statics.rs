//! Statics whose values can change, and the functions that may have changed them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::index::Index;
use crate::item::{ItemId, ItemKind};
use crate::lex::{Token, TokenKind};
use crate::names::{Name, word};
use crate::world::World;

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

/// What is known of statics.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    /// For each static, the functions that name it.
    users: Option<FxHashMap<Name, Vec<ItemId>>>,
}

impl Index {
    /// Returns whether what a static holds can change: by its type, or by the own types that it is made of.
    pub(crate) fn can_change(&self, world: &World, id: ItemId) -> bool {
        let mut waiting = vec![id];
        let mut seen = FxHashSet::default();
        while let Some(id) = waiting.pop() {
            let item = &world.items[id.0];
            for token in &world.tokens_of(id)[item.start..item.end] {
                let text = world.text(token.name);
                if !token.is_word() || !seen.insert(token.name) {
                    continue;
                }
                if MUTABLE.contains(&text) || text.starts_with("Atomic") {
                    return true;
                }
                let named = self.by_name.get(&token.name).into_iter().flatten();
                waiting.extend(named.filter(|id| {
                    let kind = world.items[id.0].kind;
                    kind.is_type() || kind == ItemKind::Alias
                }));
            }
        }
        false
    }

    /// Returns whether a function hands out a static that it has in its body, and that can change.
    pub(crate) fn keeps_a_static(&self, world: &World, id: ItemId) -> bool {
        has_own_static(world, id) && self.can_change(world, id)
    }

    /// The functions that name a static: one of them may have set what it holds.
    pub(crate) fn users_of_static(&mut self, world: &World, name: Name) -> Vec<ItemId> {
        let users = self.statics.users.get_or_insert_with(|| users(world));
        users.get(&name).cloned().unwrap_or_default()
    }
}

/// The names of the statics in the arguments of a macro.
pub(crate) fn made_statics(tokens: &[Token]) -> impl Iterator<Item = Name> {
    tokens.windows(3).filter_map(|part| {
        let is_word = |at: usize| part[at].is_word() && !part[at].name.is_keyword();
        match part[0].word(word::STATIC) {
            // `lazy_static! { static ref NAME .. }`
            true if part[1].word(word::REF) || part[1].word(word::MUT) => {
                is_word(2).then_some(part[2].name)
            }
            true => is_word(1).then_some(part[1].name),
            false => None,
        }
    })
}

/// For each static, the functions that name it, by an import of another name and by macros too.
fn users(world: &World) -> FxHashMap<Name, Vec<ItemId>> {
    // What each word stands for.
    let mut named: FxHashMap<Name, Vec<Name>> = FxHashMap::default();
    for (at, item) in world.items.iter().enumerate() {
        match item.kind {
            ItemKind::Static => named.entry(item.name).or_default().push(item.name),
            ItemKind::Invocation => {
                for name in made_statics(&world.tokens_of(ItemId(at))[item.body..item.end]) {
                    named.entry(name).or_default().push(name);
                }
            }
            ItemKind::Fn if has_own_static(world, ItemId(at)) => {
                named.entry(item.name).or_default().push(item.name);
            }
            _ => {}
        }
    }
    // A macro or a function that hands out a static may be named by another one.
    let stand_ins: Vec<ItemId> = (0..world.items.len())
        .map(ItemId)
        .filter(|id| match world.items[id.0].kind {
            ItemKind::MacroDefinition => true,
            ItemKind::Fn => hands_out(world, *id),
            _ => false,
        })
        .collect();
    let takes_self = |id: &&ItemId| {
        let item = &world.items[id.0];
        let head = &world.tokens_of(**id)[item.start..item.body];
        item.kind == ItemKind::Fn && head.iter().any(|token| token.word(word::SELF))
    };
    let methods = stand_ins.iter().filter(takes_self);
    let methods: FxHashSet<Name> = methods.map(|id| world.items[id.0].name).collect();
    for _ in 0..4 {
        for import in world.modules.iter().flat_map(|module| &module.imports) {
            if let (Some(name), Some(last)) = (import.name, import.path.last())
                && name != *last
                && let Some(statics) = named.get(last).cloned()
            {
                add(&mut named, name, statics);
            }
        }
        for id in &stand_ins {
            let statics = statics_in(world, *id, &named, &methods);
            add(&mut named, world.items[id.0].name, statics);
        }
    }
    let mut users: FxHashMap<Name, Vec<ItemId>> = FxHashMap::default();
    for (at, item) in world.items.iter().enumerate() {
        if item.kind == ItemKind::Fn {
            for name in statics_in(world, ItemId(at), &named, &methods) {
                users.entry(name).or_default().push(ItemId(at));
            }
        }
    }
    users
}

fn add(
    named: &mut FxHashMap<Name, Vec<Name>>,
    name: Name,
    statics: impl IntoIterator<Item = Name>,
) {
    let mut statics = statics.into_iter().peekable();
    if statics.peek().is_none() {
        return;
    }
    let of_this = named.entry(name).or_default();
    of_this.extend(statics);
    of_this.sort();
    of_this.dedup();
}

/// Returns whether a function may give its caller a static: by a reference, or by the guard of a lock.
fn hands_out(world: &World, id: ItemId) -> bool {
    let item = &world.items[id.0];
    let head = &world.tokens_of(id)[item.start..item.body];
    let arrow = head
        .windows(2)
        .rposition(|pair| pair[0].is(b'-') && pair[1].is(b'>'));
    arrow.is_some_and(|at| {
        head[at..].iter().any(|token| match token.kind {
            TokenKind::Lifetime => world.text(token.name) == "'static",
            TokenKind::Word => world.text(token.name).ends_with("Guard"),
            _ => false,
        })
    })
}

/// Returns whether a function hands out a static that it has in its body. Its name stands for that.
fn has_own_static(world: &World, id: ItemId) -> bool {
    let item = &world.items[id.0];
    hands_out(world, id)
        && world.tokens_of(id)[item.body..item.end]
            .iter()
            .any(|token| token.word(word::STATIC))
}

/// The statics that the words of an item stand for. Only `methods` are named after a `.`.
fn statics_in(
    world: &World,
    id: ItemId,
    named: &FxHashMap<Name, Vec<Name>>,
    methods: &FxHashSet<Name>,
) -> FxHashSet<Name> {
    let item = &world.items[id.0];
    let tokens = world.tokens_of(id);
    let is_named = |at: &usize| {
        let is_method = *at > 0 && tokens[*at - 1].is(b'.');
        tokens[*at].is_word() && (!is_method || methods.contains(&tokens[*at].name))
    };
    let words = (item.start..item.end).filter(is_named);
    let statics = words.filter_map(|at| named.get(&tokens[at].name));
    statics.flatten().copied().collect()
}
