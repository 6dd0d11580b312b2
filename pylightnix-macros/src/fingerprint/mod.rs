//! The text of code, in which only what it does counts: what a stage's fingerprint is taken of.
//!
//! Spacing, comments, doc comments, lint levels, a trailing comma (but for `(x,)`) and the visibility of the item do not
//! count. All else does: two streams of tokens that differ in it have different texts, because a text read as Rust gives
//! the tokens back. The text is laid out in lines, since people see how it changed.

mod layout;
mod token;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Signature};

/// The text of any code.
pub(crate) fn text(code: TokenStream) -> String {
    layout::text(&token::walk(code))
}

/// The text of a function.
pub(crate) fn function(attrs: &[Attribute], signature: &Signature, body: &TokenStream) -> String {
    let mut code = TokenStream::new();
    attrs.iter().for_each(|attr| attr.to_tokens(&mut code));
    signature.to_tokens(&mut code);
    body.to_tokens(&mut code);
    text(code)
}
