//! The text of an item, which is what counts of it.
//!
//! Comments, documentation, lint levels, `pub` and trailing commas do not count. In the arguments of a macro that is not of
//! the standard library, and in its definition, everything counts but comments: the macro may look at it.

use std::ops::Range;

use crate::item::{Item, ItemId, ItemKind, ModuleId};
use crate::layout::{self, Delimiter, OPERATORS, Token as Piece};
use crate::lex::{self, Joint, Token};
use crate::names::{Name, word};
use crate::tokens::{angle, attribute_at, path_at, split_at_commas};
use crate::world::World;

/// Macros of the standard library whose arguments are ordinary code.
const STANDARD: [&str; 33] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "compile_error",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "include",
    "include_bytes",
    "include_str",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// Returns whether a macro is one of the standard library whose arguments are ordinary code.
pub(crate) fn is_standard(world: &World, name: Name) -> bool {
    STANDARD.contains(&world.text(name)) && !world.own_macros.contains(&name)
}

/// Returns the text of an item; of an `impl` or a trait its head, and of a member with the head of what it is a member of.
pub(crate) fn of_item(world: &World, id: ItemId) -> String {
    let item = &world.items[id.0];
    let tokens = world.tokens_of(id);
    let end = match item.kind {
        ItemKind::Impl | ItemKind::Trait => item.body,
        _ => item.end,
    };
    let whole = matches!(item.kind, ItemKind::MacroDefinition | ItemKind::Invocation);
    let own = of_range(world, tokens, item.start..end, whole);
    let mut text = with_head(world, item, own);
    // Which of several modules of a name holds is told by their conditions.
    let parent = |module: &ModuleId| world.modules[module.0].parent;
    for module in std::iter::successors(Some(item.module), parent) {
        for condition in &world.modules[module.0].conditions {
            text = format!("#[cfg({condition})]\n{text}");
        }
    }
    text
}

/// Puts the head of an `impl` or a trait around the text of its member.
fn with_head(world: &World, item: &Item, own: String) -> String {
    let tokens = &world.files[item.file.0].tokens;
    match item.parent {
        Some(parent) => {
            let parent = &world.items[parent.0];
            let head = of_range(world, tokens, parent.start..parent.body, false);
            format!("{head} {{\n{}\n}}", indented(&own))
        }
        None => own,
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

/// Returns the text of some tokens. With `whole` they are all kept, but for comments.
pub(crate) fn of_range(
    world: &World,
    tokens: &[Token],
    range: Range<usize>,
    whole: bool,
) -> String {
    let mut writer = Writer {
        world,
        tokens,
        pieces: Vec::with_capacity(range.len()),
    };
    writer.range(range, whole);
    layout::text(&writer.pieces)
}

/// Returns the name under which people see an item: `Model::fit` for a method.
pub(crate) fn name_of(world: &World, item: &Item) -> String {
    let name = world.text(item.name);
    let Some(parent) = item.parent else {
        return match item.kind {
            ItemKind::Impl => head_of_impl(world, item),
            ItemKind::Invocation => format!("{name}!"),
            ItemKind::Included => world.place(item.file),
            _ => name.to_owned(),
        };
    };
    let parent = &world.items[parent.0];
    match parent.kind {
        ItemKind::Trait => format!("{}::{name}", world.text(parent.name)),
        _ => {
            let head = head_of_impl(world, parent);
            let ty = head.rsplit(" for ").next().unwrap_or(&head);
            format!("{ty}::{name}")
        }
    }
}

/// `Trait for Type`, without generic parameters before it and without what comes after.
fn head_of_impl(world: &World, item: &Item) -> String {
    let tokens = &world.files[item.file.0].tokens;
    let Some(mut at) = (item.start..item.body).find(|at| tokens[*at].word(word::IMPL)) else {
        return String::new();
    };
    at += 1;
    if tokens.get(at).is_some_and(|token| token.is(b'<')) {
        at = angle(tokens, at, item.body) + 1;
    }
    let end = (at..item.body)
        .find(|at| tokens[*at].word(word::WHERE))
        .unwrap_or(item.body);
    of_range(world, tokens, at.min(end)..end, false)
}

struct Writer<'a> {
    world: &'a World,
    tokens: &'a [Token],
    pieces: Vec<Piece<'a>>,
}

impl<'a> Writer<'a> {
    fn range(&mut self, range: Range<usize>, whole: bool) {
        let mut at = range.start;
        while at < range.end {
            let token = self.tokens[at];
            if !whole {
                if let Some(next) = self.ignored(at, range.end) {
                    at = next;
                    continue;
                }
                if token.word(word::PUB) {
                    at = self.after_pub(at);
                    continue;
                }
            }
            at += 1;
            match token.kind {
                lex::TokenKind::Word | lex::TokenKind::Lifetime => {
                    self.pieces.push(Piece::Word(self.world.text(token.name)));
                }
                lex::TokenKind::Text | lex::TokenKind::Literal | lex::TokenKind::Doc => {
                    self.pieces
                        .push(Piece::Literal(self.world.text(token.name)));
                }
                lex::TokenKind::Open(bracket) => {
                    let close = token.mate.min(range.end);
                    self.pieces.push(Piece::Open(delimiter(bracket)));
                    let whole = whole || self.is_foreign_call(at - 1, range.start);
                    self.range(at..close, whole);
                    if !whole && self.drops_comma(at - 1, close) {
                        self.pieces.pop();
                    }
                    if close < range.end {
                        let bracket = self.tokens[close].kind;
                        if let lex::TokenKind::Close(bracket) = bracket {
                            self.pieces.push(Piece::Close(delimiter(bracket)));
                        }
                    }
                    at = close + 1;
                }
                lex::TokenKind::Close(bracket) => {
                    self.pieces.push(Piece::Close(delimiter(bracket)))
                }
                lex::TokenKind::Punct(..) => {
                    let operator = self.operator(at - 1, range.end);
                    at += operator.len() - 1;
                    let closes = operator == ">" || operator == ">>";
                    let is_comma = |piece: &Piece<'_>| *piece == Piece::Operator(",");
                    let comma = matches!(self.pieces.as_slice(), [.., before, last]
                        if is_comma(last) && !is_comma(before));
                    if !whole && closes && comma {
                        self.pieces.pop();
                        self.join_closing(operator);
                    } else {
                        self.pieces.push(Piece::Operator(operator));
                    }
                }
            }
        }
    }

    /// Adds `>` or `>>` as if no comma had been before it: `A<B<C>,>` has the `>>` of `A<B<C>>`.
    fn join_closing(&mut self, operator: &'a str) {
        if self.pieces.last() == Some(&Piece::Operator(">")) {
            self.pieces.pop();
            self.pieces.push(Piece::Operator(">>"));
            self.pieces
                .extend((operator == ">>").then_some(Piece::Operator(">")));
        } else {
            self.pieces.push(Piece::Operator(operator));
        }
    }

    /// Returns the longest operator at `at`.
    fn operator(&self, at: usize, end: usize) -> &'a str {
        let mut bytes = [0_u8; 3];
        let mut len = 0;
        while len < 3 && at + len < end {
            let lex::TokenKind::Punct(byte, joint) = self.tokens[at + len].kind else {
                break;
            };
            bytes[len] = byte;
            len += 1;
            if joint == Joint::Alone {
                break;
            }
        }
        let run = &bytes[..len];
        let long = OPERATORS
            .iter()
            .find(|operator| run.starts_with(operator.as_bytes()));
        long.copied()
            .unwrap_or_else(|| self.world.text(self.tokens[at].name))
    }

    /// Returns the index after a comment or an attribute that does not count.
    fn ignored(&self, at: usize, end: usize) -> Option<usize> {
        if self.tokens[at].kind == lex::TokenKind::Doc {
            return Some(at + 1);
        }
        let inner = attribute_at(self.tokens, at, end)?;
        is_ignored(self.tokens, inner.clone()).then_some(inner.end + 1)
    }

    fn after_pub(&self, at: usize) -> usize {
        match self.tokens.get(at + 1..at + 3) {
            Some([open, inner])
                if open.opens(b'(')
                    && matches!(
                        inner.name,
                        word::CRATE | word::SUPER | word::SELF | word::IN
                    ) =>
            {
                open.mate + 1
            }
            _ => at + 1,
        }
    }

    /// Returns whether the bracket at `open` has the arguments of a macro that may look at all of them.
    fn is_foreign_call(&self, open: usize, start: usize) -> bool {
        let Some(bang) = open.checked_sub(1).filter(|at| *at > start) else {
            return false;
        };
        let name = self.tokens[bang - 1];
        self.tokens[bang].is(b'!') && name.is_word() && !is_standard(self.world, name.name)
    }

    /// Returns whether the comma before the bracket at `close` says nothing: not that of `(a,)`.
    fn drops_comma(&self, open: usize, close: usize) -> bool {
        let is_comma = |at: usize| self.tokens[at].is(b',');
        let ends_with_one = close > open + 2 && is_comma(close - 1) && !is_comma(close - 2);
        if !ends_with_one || !matches!(self.pieces.last(), Some(Piece::Operator(","))) {
            return false;
        }
        if !self.tokens[open].opens(b'(') {
            return true;
        }
        // After a `>` it may be a tuple. Then a comma that counts although it need not is the safe side.
        let is_call = open.checked_sub(1).is_some_and(|before| {
            let before = self.tokens[before];
            before.is(b'!')
                || before.is_word() && !before.name.is_keyword()
                || before.word(word::FN)
        });
        is_call || split_at_commas(self.tokens, open + 1..close - 1).len() > 1
    }
}

fn delimiter(bracket: u8) -> Delimiter {
    match bracket {
        b'(' | b')' => Delimiter::Parenthesis,
        b'[' | b']' => Delimiter::Bracket,
        _ => Delimiter::Brace,
    }
}

/// Returns whether an attribute, of which `range` is what is in its brackets, does not change what code does.
pub(crate) fn is_ignored(tokens: &[Token], range: Range<usize>) -> bool {
    let Some(first) = tokens.get(range.start).filter(|token| token.is_word()) else {
        return false;
    };
    let (path, next) = path_at(tokens, range.start, range.end);
    match first.name {
        word::DOC
        | word::ALLOW
        | word::WARN
        | word::DENY
        | word::EXPECT
        | word::FORBID
        | word::MUST_USE
        | word::COLD
        | word::DEPRECATED
        | word::INLINE
        | word::RUSTFMT => true,
        word::CFG_ATTR => {
            let Some(open) = tokens
                .get(next)
                .filter(|token| next < range.end && token.is_open())
            else {
                return false;
            };
            let parts = split_at_commas(tokens, next + 1..open.mate);
            parts.len() > 1
                && parts[1..]
                    .iter()
                    .all(|part| is_ignored(tokens, part.clone()))
        }
        // Its arguments are no code, and what it names in `uses` is followed anyway.
        _ => matches!(path.last(), Some(&(word::STAGE | word::TRACK))),
    }
}

/// Returns the predicates of an attribute `cfg(..)` or `cfg_attr(.., ..)`, of which `range` is what is in its brackets.
pub(crate) fn conditions(world: &World, tokens: &[Token], range: Range<usize>) -> Vec<String> {
    let Some(name) = tokens.get(range.start).filter(|_| !range.is_empty()) else {
        return Vec::new();
    };
    let is_condition = name.word(word::CFG) || name.word(word::CFG_ATTR);
    let Some(open) = tokens
        .get(range.start + 1)
        .filter(|token| is_condition && token.is_open())
    else {
        return Vec::new();
    };
    let parts = split_at_commas(tokens, range.start + 2..open.mate);
    let first = parts.into_iter().next();
    first
        .map(|part| of_range(world, tokens, part, true))
        .into_iter()
        .collect()
}
