//! The shape of a type, guessed from its tokens, which are all that a derive macro sees.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// The shape of a field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `SelfRef<F>`
    Promise,
    /// `DRef`, `RefPath`, or `Option`, `Vec`, `BTreeMap` of those
    Dep {
        /// Whether it is an `Option`, `Vec` or `BTreeMap`.
        container: bool,
    },
    /// Another type that contains one of these.
    Holds(&'static str),
    /// Plain data.
    Plain,
}

impl Shape {
    pub(super) fn of(ty: &Type) -> Self {
        let Some(last) = last_segment(ty) else {
            return Shape::within(ty);
        };
        let name = last.ident.to_string();
        match name.as_str() {
            "SelfRef" => Shape::Promise,
            "DRef" | "RefPath" => Shape::Dep { container: false },
            "BTreeMap" if !has_text_keys(last) => Shape::within(ty),
            "Option" | "Vec" | "BTreeMap" => match arguments(last).last().map(Shape::of) {
                Some(Shape::Dep { .. }) => Shape::Dep { container: true },
                _ => Shape::within(ty),
            },
            _ => Shape::within(ty),
        }
    }

    fn within(ty: &Type) -> Self {
        match find_reference(ty.to_token_stream()) {
            Some(name) => Shape::Holds(name),
            None => Shape::Plain,
        }
    }
}

/// Returns whether a type may be an alias of a dependency.
pub(super) fn may_be_dep(ty: &Type) -> bool {
    const PLAIN: [&str; 17] = [
        "bool", "char", "String", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8",
        "u16", "u32", "u64", "u128", "usize",
    ];
    let Some(last) = last_segment(ty) else {
        return false;
    };
    let name = last.ident.to_string();
    match name.as_str() {
        "Option" | "Vec" | "BTreeMap" => arguments(last).last().is_some_and(may_be_dep),
        name => !PLAIN.contains(&name),
    }
}

fn has_text_keys(map: &PathSegment) -> bool {
    let key = arguments(map).next().and_then(last_segment);
    key.is_some_and(|key| key.ident == "String")
}

/// Returns the format of a `SelfRef`.
pub(super) fn format_of(ty: &Type) -> Option<&Type> {
    arguments(last_segment(ty)?).next()
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

fn arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

fn find_reference(tokens: TokenStream) -> Option<&'static str> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => ["DRef", "RefPath", "SelfRef"]
            .into_iter()
            .find(|name| ident == name),
        TokenTree::Group(group) => find_reference(group.stream()),
        _ => None,
    })
}
