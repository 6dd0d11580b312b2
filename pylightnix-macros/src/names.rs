//! Helpers for identifiers, and suggestions for mistyped ones.

use proc_macro2::{Ident, TokenStream, TokenTree};
use strsim::levenshtein;
use syn::ext::IdentExt;

/// Returns the name without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Returns whether `tokens` contain the identifier.
pub(crate) fn has_ident(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => has_ident(group.stream(), name),
        _ => false,
    })
}

/// Returns the first `self` or `Self` in `tokens`, which only items of an `impl` or a `trait` contain.
pub(crate) fn find_self(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "self" || ident == "Self" => Some(ident),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}

/// Formats names for a message: "`a`, `b` and `c`".
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns the name that is most similar to `written`, if any is similar enough.
pub(crate) fn suggestion<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = |name: &&str| levenshtein(written, name) <= name.len().max(3) / 3;
    let names = names.into_iter().filter(near);
    names.min_by_key(|name| levenshtein(written, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_near() {
        let names = ["default", "omit_default", "unhashed", "rename"];
        assert_eq!(suggestion("defalt", names), Some("default"));
        assert_eq!(suggestion("omitdefault", names), Some("omit_default"));
        assert_eq!(suggestion("skip", names), None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
