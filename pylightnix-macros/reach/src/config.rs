//! The fields of a struct with `#[derive(Config)]`.
//!
//! The definition of a config is no code of a stage: its names, defaults and order are the business of the derivation. What
//! counts of it is what a stage reads: the fields that reached code names, each with its key in the JSON and its type.

use std::ops::Range;

use crate::lex::{Token, TokenKind};
use crate::names::{Name, Names, word};
use crate::tokens::{attributes, split_at_commas, string_value};

/// The fields of the config of a stage.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) fields: Vec<Field>,
}

/// A field of a config.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Name,
    pub(crate) kind: FieldKind,
    /// The key in the JSON.
    pub(crate) key: String,
    /// The tokens of its type.
    pub(crate) ty: Range<usize>,
    /// What is in the brackets of its attributes that are not of this derive.
    pub(crate) attributes: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Plain,
    Artifact,
    Dependency,
}

/// What the attributes of a struct and of its fields tell about the derive.
#[derive(Debug)]
pub(crate) enum Derive {
    /// Nothing derives a `Config`.
    No,
    /// A derive of this path, which ends with `Config`, and fields that only this library's has.
    Certain,
    /// A derive of this path, which ends with `Config`.
    Path(Vec<Name>),
}

/// Looks for `derive(Config)` in the attributes of the struct with this `body`.
pub(crate) fn derive(tokens: &[Token], attrs: &[Range<usize>], body: usize) -> Derive {
    for attr in attrs {
        if !tokens[attr.start].word(word::DERIVE) {
            continue;
        }
        let Some(open) = tokens.get(attr.start + 1).filter(|token| token.is_open()) else {
            continue;
        };
        for part in split_at_commas(tokens, attr.start + 2..open.mate) {
            let path: Vec<Name> = tokens[part]
                .iter()
                .filter(|token| token.is_word())
                .map(|token| token.name)
                .collect();
            if path.last() == Some(&word::CONFIG) {
                return match is_marked(tokens, attrs, body) {
                    true => Derive::Certain,
                    false => Derive::Path(path),
                };
            }
        }
    }
    Derive::No
}

/// Returns whether the struct has attributes that no other derive of this name has.
fn is_marked(tokens: &[Token], attrs: &[Range<usize>], body: usize) -> bool {
    let names_library = attrs.iter().any(|attr| {
        tokens[attr.start].word(word::CONFIG_OPTION)
            && tokens[attr.clone()]
                .iter()
                .any(|token| token.word(word::CRATE))
    });
    let marks = |at: usize| {
        tokens[at].is(b'#')
            && matches!(tokens.get(at + 1..at + 3), Some([open, name])
                if open.opens(b'[') && (name.word(word::SELFREF) || name.word(word::DREF)))
    };
    names_library || tokens[body].opens(b'{') && (body..tokens[body].mate).any(marks)
}

/// Reads the fields between the braces at `body`; `None` if it is no struct with named fields.
pub(crate) fn fields(tokens: &[Token], body: usize, names: &Names) -> Option<Config> {
    if !tokens[body].opens(b'{') {
        return None;
    }
    let parts = split_at_commas(tokens, body + 1..tokens[body].mate);
    let fields = parts
        .into_iter()
        .filter_map(|part| field(tokens, part, names));
    Some(Config {
        fields: fields.collect(),
    })
}

fn field(tokens: &[Token], part: Range<usize>, names: &Names) -> Option<Field> {
    let (attrs, mut at) = attributes(tokens, part.start, part.end);
    if at < part.end && tokens[at].word(word::PUB) {
        at += 1;
        if at < part.end && tokens[at].opens(b'(') {
            at = tokens[at].mate + 1;
        }
    }
    let name = tokens
        .get(at)
        .filter(|token| token.is_word() && at < part.end)?
        .name;
    tokens.get(at + 1).filter(|token| token.is(b':'))?;
    let mut field = Field {
        name,
        kind: FieldKind::Plain,
        key: names.text(name).to_owned(),
        ty: at + 2..part.end,
        attributes: Vec::new(),
    };
    for attr in attrs {
        match tokens[attr.start].name {
            word::SELFREF => field.kind = FieldKind::Artifact,
            word::DREF => field.kind = FieldKind::Dependency,
            word::CONFIG_OPTION => {
                if let Some(key) = renamed(tokens, attr, names) {
                    field.key = key;
                }
            }
            _ => field.attributes.push(attr),
        }
    }
    Some(field)
}

/// The text of `rename = ".."` in an attribute.
fn renamed(tokens: &[Token], attr: Range<usize>, names: &Names) -> Option<String> {
    attr.clone().find_map(|at| match tokens.get(at..at + 3)? {
        [key, equals, text]
            if key.word(word::RENAME) && equals.is(b'=') && text.kind == TokenKind::Text =>
        {
            string_value(names.text(text.name))
        }
        _ => None,
    })
}
