//! Reading along a row of tokens: attributes, generic parameters, paths, imports.

use std::ops::Range;

use crate::item::Import;
use crate::lex::{Token, TokenKind};
use crate::names::{Name, word};

/// Returns what is in the brackets of the attribute at `at`, inner or outer; `None` if there is none.
pub(crate) fn attribute_at(tokens: &[Token], at: usize, end: usize) -> Option<Range<usize>> {
    if !tokens.get(at)?.is(b'#') {
        return None;
    }
    let is_inner = tokens.get(at + 1).is_some_and(|token| token.is(b'!'));
    let open = at + 1 + usize::from(is_inner);
    let bracket = tokens
        .get(open)
        .filter(|token| open < end && token.opens(b'['))?;
    Some(open + 1..bracket.mate)
}

/// Skips the attributes and doc comments at `at`, and returns what is in the brackets of each attribute.
pub(crate) fn attributes(
    tokens: &[Token],
    mut at: usize,
    end: usize,
) -> (Vec<Range<usize>>, usize) {
    let mut found = Vec::new();
    while at < end {
        if tokens[at].kind == TokenKind::Doc {
            at += 1;
            continue;
        }
        let Some(inner) = attribute_at(tokens, at, end).filter(|inner| inner.end < end) else {
            break;
        };
        at = inner.end + 1;
        found.push(inner);
    }
    (found, at)
}

/// The path at `at`: its words, and the index after it.
pub(crate) fn path_at(tokens: &[Token], at: usize, end: usize) -> (Vec<Name>, usize) {
    let mut path = vec![tokens[at].name];
    let mut next = at + 1;
    while next + 2 < end && is_path_separator(tokens, next) && tokens[next + 2].is_word() {
        path.push(tokens[next + 2].name);
        next += 3;
    }
    (path, next)
}

/// Returns whether `::` is at `at`.
pub(crate) fn is_path_separator(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at..at + 2), Some([one, two]) if one.is(b':') && two.is(b':'))
}

/// Returns the indices outside of brackets, each with the number of angle brackets that are open after it.
pub(crate) fn outside_brackets(
    tokens: &[Token],
    range: Range<usize>,
) -> impl Iterator<Item = (usize, i32)> {
    let (mut at, mut depth) = (range.start, 0);
    std::iter::from_fn(move || {
        let this = at;
        let token = tokens[..range.end].get(this)?;
        if token.is(b'<') {
            depth += 1;
        } else if token.is(b'>') && !is_arrow(tokens, this) {
            depth -= 1;
        }
        at = match token.is_open() {
            true => token.mate.max(this) + 1,
            false => this + 1,
        };
        Some((this, depth))
    })
}

/// The index of the `>` that closes the `<` at `at`.
pub(crate) fn angle(tokens: &[Token], at: usize, end: usize) -> usize {
    let mut all = outside_brackets(tokens, at..end);
    let close = all.find(|(at, depth)| *depth == 0 && tokens[*at].is(b'>'));
    close.map_or(end, |(at, _)| at)
}

/// Returns whether the `>` at `at` belongs to `->` or `=>`.
fn is_arrow(tokens: &[Token], at: usize) -> bool {
    at > 0 && (tokens[at - 1].is(b'-') || tokens[at - 1].is(b'='))
}

/// The names of the generic parameters between the `<` at `open` and the `>` at `close`.
pub(crate) fn parameters(tokens: &[Token], open: usize, close: usize) -> Vec<Name> {
    let mut names = Vec::new();
    let mut is_start = true;
    for (at, depth) in outside_brackets(tokens, open + 1..close) {
        let token = tokens[at];
        if token.is(b',') && depth == 0 {
            is_start = true;
        } else if token.kind == TokenKind::Lifetime {
            is_start = false;
        } else if token.is_word() && is_start && !token.word(word::CONST) {
            names.push(token.name);
            is_start = false;
        }
    }
    names
}

/// Splits `range` at the commas outside of brackets and angle brackets.
pub(crate) fn split_at_commas(tokens: &[Token], range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = range.start;
    for (at, depth) in outside_brackets(tokens, range.clone()) {
        if tokens[at].is(b',') && depth <= 0 {
            parts.push(start..at);
            start = at + 1;
        }
    }
    if start < range.end {
        parts.push(start..range.end);
    }
    parts
}

/// The names of a `use`, of which `range` is what is between `use` and `;`.
pub(crate) fn imports(tokens: &[Token], range: Range<usize>) -> Vec<Import> {
    let mut found = Vec::new();
    tree(tokens, range, Vec::new(), &mut found);
    found
}

fn tree(tokens: &[Token], range: Range<usize>, base: Vec<Name>, found: &mut Vec<Import>) {
    let mut path = base;
    let mut at = range.start;
    while at < range.end {
        let token = tokens[at];
        if token.word(word::AS) {
            let name = tokens.get(at + 1).map(|token| token.name);
            found.push(import(path, name));
            return;
        }
        if token.is_word() {
            path.push(token.name);
        } else if token.is(b'*') {
            found.push(Import {
                path,
                name: None,
                conditions: Vec::new(),
                is_pub: false,
            });
            return;
        } else if token.opens(b'{') {
            for part in split_at_commas(tokens, at + 1..token.mate.min(range.end)) {
                tree(tokens, part, path.clone(), found);
            }
            return;
        }
        at += 1;
    }
    if let Some(last) = path.last().copied() {
        found.push(import(path, Some(last)));
    }
}

/// `a::b::self` imports `b`.
fn import(mut path: Vec<Name>, name: Option<Name>) -> Import {
    let mut name = name;
    if path.len() > 1 && path.last() == Some(&word::SELF) {
        path.pop();
        if name == Some(word::SELF) {
            name = path.last().copied();
        }
    }
    Import {
        path,
        name,
        conditions: Vec::new(),
        is_pub: false,
    }
}

/// The text between the quotes of a string literal, with its usual escapes resolved.
pub(crate) fn string_value(literal: &str) -> Option<String> {
    let raw = literal.trim_start_matches(['b', 'c']);
    if let Some(raw) = raw.strip_prefix('r') {
        let inner = raw.trim_start_matches('#').strip_prefix('"')?;
        let inner = inner.trim_end_matches(|char: char| char != '"');
        return inner.strip_suffix('"').map(str::to_owned);
    }
    let inner = raw.strip_prefix('"')?;
    let inner = &inner[..inner.rfind('"')?];
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('\n') => {
                    let rest = chars.as_str().trim_start();
                    chars = rest.chars();
                }
                Some(char) => value.push(char),
                None => {}
            },
            char => value.push(char),
        }
    }
    Some(value)
}
