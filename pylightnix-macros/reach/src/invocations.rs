//! Invocations of macros where items can be: `make_parser!(Csv);`.
//!
//! Nothing expands them. What they may define is told by the words of their arguments and of the macro's definition, and an
//! invocation is reached when such a name is asked for. Asking too readily is what makes too much count.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::item::{ItemId, ItemKind};
use crate::lex::{Token, TokenKind};
use crate::names::{Name, word};
use crate::resolve::{Meaning, Resolver};
use crate::tokens::{angle, attributes, imports, path_at};
use crate::world::World;

/// All invocations, by what reaches them.
#[derive(Debug, Default)]
pub(crate) struct Invocations {
    /// Those that a name reaches.
    pub(crate) by_name: FxHashMap<Name, Vec<ItemId>>,
    /// Pairs of a name and an invocation that defines it: they are reached only by a name that means nothing else.
    pub(crate) defined: FxHashSet<(Name, ItemId)>,
    /// Those that implement an own trait, by the members of the trait.
    pub(crate) by_method: FxHashMap<Name, Vec<ItemId>>,
    /// Those that put names together, with the words that they put together, in lower case.
    pub(crate) pasting: Vec<(ItemId, Vec<String>)>,
}

/// Primitive types and names of the prelude, which refer to no invocation.
const COMMON: [&str; 26] = [
    "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "bool", "char", "str", "String", "Vec", "Option", "Some", "None", "Ok", "Err", "Box",
    "Result",
];

/// Returns whether a word is of the language or its prelude.
pub(crate) fn is_common(text: &str) -> bool {
    COMMON.contains(&text)
}

/// Words before the name of what is defined.
fn defines(name: Name) -> bool {
    matches!(
        name,
        word::FN
            | word::STRUCT
            | word::ENUM
            | word::CONST
            | word::STATIC
            | word::TYPE
            | word::TRAIT
            | word::MOD
            | word::UNION
    )
}

type ByName = FxHashMap<Name, Vec<ItemId>>;

impl Invocations {
    pub(crate) fn new(
        world: &World,
        by_name: &ByName,
        macros: &ByName,
        resolver: &mut Resolver,
    ) -> Self {
        let mut all = Invocations::default();
        for (at, item) in world.items.iter().enumerate() {
            if item.kind != ItemKind::Invocation || item.parent.is_some() {
                continue;
            }
            let id = ItemId(at);
            match macros.get(&item.name) {
                Some(definitions) => all.add(world, id, by_name, definitions),
                None => all.add(world, id, by_name, &renamed(world, id, resolver)),
            }
        }
        all
    }

    fn add(&mut self, world: &World, id: ItemId, by_name: &ByName, definitions: &[ItemId]) {
        let item = &world.items[id.0];
        let mut names = InvocationNames {
            world,
            by_name,
            asked: FxHashSet::default(),
            defined: FxHashSet::default(),
        };
        let tokens = world.tokens_of(id);
        let has_definition = names.arguments(tokens, item.body, item.end);
        let makes_items = definitions
            .iter()
            .any(|definition| makes_items(world, *definition));
        if !has_definition || makes_items {
            names.all_words(tokens, item.body, item.end);
        }
        let mut heads = FxHashSet::default();
        for definition in definitions {
            names.definition(*definition, &mut heads);
        }
        // A trait's methods are called without a word of the trait.
        for head in &heads {
            for found in by_name.get(head).into_iter().flatten() {
                let found = &world.items[found.0];
                if found.kind == ItemKind::Trait {
                    for member in &found.members {
                        let name = world.items[member.0].name;
                        self.by_method.entry(name).or_default().push(id);
                    }
                }
            }
        }
        let InvocationNames {
            mut asked, defined, ..
        } = names;
        asked.extend(heads.difference(&defined));
        for name in defined.difference(&asked) {
            self.defined.insert((*name, id));
        }
        asked.extend(defined);
        for name in asked {
            self.by_name.entry(name).or_default().push(id);
        }
        let words = pasted(world, id, definitions);
        if !words.is_empty() {
            self.pasting.push((id, words));
        }
    }

    /// The invocations that may have put this name together.
    pub(crate) fn that_paste(&self, text: &str) -> Vec<ItemId> {
        let text = text.to_lowercase();
        let text = text.replace('_', "");
        let pastes = |words: &Vec<String>| words.iter().any(|word| text.contains(word.as_str()));
        let found = self.pasting.iter().filter(|(_, words)| pastes(words));
        found.map(|(id, _)| *id).collect()
    }
}

/// The definitions of a macro that is invoked by another name.
fn renamed(world: &World, id: ItemId, resolver: &mut Resolver) -> Vec<ItemId> {
    let item = &world.items[id.0];
    let tokens = world.tokens_of(id);
    let (_, start) = attributes(tokens, item.start, item.body);
    let (path, _) = path_at(tokens, start, item.body);
    let found = resolver.path(world, item.module, &path).into_iter();
    let definition = |meaning| match meaning {
        Meaning::Item(id) if world.items[id.0].kind == ItemKind::MacroDefinition => Some(id),
        _ => None,
    };
    found.filter_map(definition).collect()
}

/// The names by which an invocation is asked for.
struct InvocationNames<'a> {
    world: &'a World,
    by_name: &'a ByName,
    asked: FxHashSet<Name>,
    /// The names that it defines.
    defined: FxHashSet<Name>,
}

impl InvocationNames<'_> {
    /// Reads the arguments, and returns whether they have a definition.
    fn arguments(&mut self, tokens: &[Token], from: usize, to: usize) -> bool {
        let mut has_definition = false;
        for at in from..to {
            let token = tokens[at];
            if token.word(word::IMPL) {
                has_definition = true;
                for name in header(tokens, at, to) {
                    if self.is_type_or_trait(name) {
                        self.asked.insert(name);
                    }
                }
            }
            if token.word(word::USE) {
                let end = (at..to).find(|at| tokens[*at].is(b';'));
                let names = imports(tokens, at + 1..end.unwrap_or(to)).into_iter();
                self.defined.extend(names.filter_map(|import| import.name));
            }
            if token.word(word::MACRO_RULES) {
                let name = tokens.get(at + 2).filter(|token| token.is_word());
                self.defined.extend(name.map(|token| token.name));
            }
            if !token.is_word() || token.name.is_keyword() {
                continue;
            }
            let before = tokens[..at]
                .iter()
                .rfind(|token| !(token.word(word::REF) || token.word(word::MUT)));
            match before
                .filter(|token| token.is_word())
                .map(|token| token.name)
            {
                Some(word::FOR) => {
                    has_definition = true;
                    self.asked.insert(token.name);
                }
                Some(before) if defines(before) => {
                    has_definition = true;
                    self.defined.insert(token.name);
                }
                _ => {}
            }
        }
        has_definition
    }

    /// Takes all words of the arguments, but those of attributes and of methods.
    fn all_words(&mut self, tokens: &[Token], from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let token = tokens[at];
            if token.is(b'#') && tokens.get(at + 1).is_some_and(|token| token.opens(b'[')) {
                at = tokens[at + 1].mate;
            } else if token.is_word()
                && !token.name.is_keyword()
                && !is_common(self.world.text(token.name))
                && !tokens[at - 1].is(b'.')
            {
                self.asked.insert(token.name);
            }
            at += 1;
        }
    }

    /// Reads the definition of the macro: what it defines by name, and the types and traits of its `impl`s.
    fn definition(&mut self, id: ItemId, heads: &mut FxHashSet<Name>) {
        let item = &self.world.items[id.0];
        let tokens = self.world.tokens_of(id);
        // What is in the braces of an `impl` is asked for by its type or its trait.
        let mut inside = 0;
        for at in item.start..item.end {
            let token = tokens[at];
            if !token.is_word() || at < inside {
                continue;
            }
            if token.word(word::IMPL) {
                let end = (at..item.end)
                    .find(|at| tokens[*at].opens(b'{') || tokens[*at].is_close())
                    .unwrap_or(item.end);
                for name in header(tokens, at, item.end) {
                    let text = self.world.text(name);
                    if text.len() > 1 && !is_common(text) && self.is_type_or_trait(name) {
                        heads.insert(name);
                    }
                }
                if end < item.end && tokens[end].opens(b'{') {
                    inside = tokens[end].mate;
                }
            }
            let Some(before) = at.checked_sub(1).map(|at| tokens[at]) else {
                continue;
            };
            let is_macro = at > 1 && before.is(b'!') && tokens[at - 2].word(word::MACRO_RULES);
            if is_macro || before.is_word() && defines(before.name) {
                self.defined.insert(token.name);
            }
        }
    }

    fn is_type_or_trait(&self, name: Name) -> bool {
        self.by_name.get(&name).into_iter().flatten().any(|id| {
            let kind = self.world.items[id.0].kind;
            kind.is_type() || matches!(kind, ItemKind::Alias | ItemKind::Trait)
        })
    }
}

/// The words of the header of the `impl` at `at`, without its generic parameters and its `where`.
fn header(tokens: &[Token], at: usize, end: usize) -> Vec<Name> {
    let end = (at..end)
        .find(|at| {
            tokens[*at].opens(b'{') || tokens[*at].is_close() || tokens[*at].word(word::WHERE)
        })
        .unwrap_or(end);
    let from = match tokens.get(at + 1) {
        Some(token) if token.is(b'<') => angle(tokens, at + 1, end),
        _ => at + 1,
    };
    (from..end)
        .filter(|at| tokens[*at].is_word() && !tokens[*at].name.is_keyword())
        .filter(|at| !tokens[*at - 1].is(b'$'))
        .map(|at| tokens[at].name)
        .collect()
}

/// Returns whether a macro defines items whose names are its arguments: `fn $name`, `impl .. for $ty`, `impl<T> $ty<T>`.
fn makes_items(world: &World, id: ItemId) -> bool {
    let item = &world.items[id.0];
    let tokens = world.tokens_of(id);
    (item.start + 1..item.end).any(|at| {
        if tokens[at - 1].word(word::IMPL) && tokens[at].is(b'<') {
            let close = angle(tokens, at, item.end);
            return tokens.get(close + 1).is_some_and(|token| token.is(b'$'));
        }
        // Not the `&` of `impl Tr for &$ty`.
        let is_of_reference = |token: &&Token| {
            token.is(b'&') || token.word(word::MUT) || token.kind == TokenKind::Lifetime
        };
        let before = tokens[item.start..at]
            .iter()
            .rfind(|it| !is_of_reference(it));
        tokens[at].is(b'$')
            && before.is_some_and(|before| {
                let heads = before.word(word::FOR) || before.word(word::IMPL);
                before.is_word() && (defines(before.name) || heads)
            })
    })
}

/// The words that an invocation may put names together from; none if it does not.
fn pasted(world: &World, id: ItemId, definitions: &[ItemId]) -> Vec<String> {
    let all = || definitions.iter().copied().chain([id]);
    let pastes = |id: ItemId| {
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        (item.start + 1..item.end).any(|at| {
            let (before, token) = (&tokens[at - 1], &tokens[at]);
            // `[<new_ $name>]`, and not the list `[<$ty>::new(); 2]`.
            let is_name = || tokens[before.mate - 1].is(b'>');
            let is_macro = before.word(word::PASTE) && token.is(b'!');
            is_macro || before.opens(b'[') && token.is(b'<') && is_name()
        })
    };
    if !all().any(pastes) {
        return Vec::new();
    }
    let words = all().flat_map(|id| {
        let item = &world.items[id.0];
        &world.tokens_of(id)[item.start..item.end]
    });
    let words = words.filter(|token| token.is_word());
    let mut words: Vec<String> = words
        .filter(|token| !token.name.is_keyword())
        .map(|token| world.text(token.name).to_lowercase().replace('_', ""))
        .filter(|word| word.len() > 2)
        .collect();
    words.sort();
    words.dedup();
    words
}
