//! The normalized text of code, of which the fingerprint of a stage is computed.
//!
//! Spacing, comments, doc comments, lint levels, a trailing comma (except in `(x,)`) and the visibility of the item do not
//! count. Everything else does: two token streams that differ in it have different texts, because parsing a text as Rust
//! gives the same tokens. The text is formatted in lines, so that people can read differences.

mod token;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use pylightnix_reach::layout;
use quote::ToTokens;
use syn::{Attribute, Signature};

/// Returns the normalized text of any code.
pub(crate) fn text(code: TokenStream) -> String {
    let tokens = token::walk(code);
    let tokens: Vec<_> = tokens.iter().map(token::Token::laid_out).collect();
    layout::text(&tokens)
}

/// Returns the normalized text of a function.
pub(crate) fn function(attrs: &[Attribute], signature: &Signature, body: &TokenStream) -> String {
    let mut code = TokenStream::new();
    attrs.iter().for_each(|attr| attr.to_tokens(&mut code));
    signature.to_tokens(&mut code);
    body.to_tokens(&mut code);
    text(code)
}
