//! The text of code, in which only what it does counts.
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Signature};
pub(crate) fn text(tokens: TokenStream) -> String {
    tokens.to_string()
}
pub(crate) fn item(_: &[Attribute], signature: &Signature, body: &TokenStream) -> String {
    let mut t = signature.to_token_stream();
    t.extend(body.clone());
    text(t)
}
