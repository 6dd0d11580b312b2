//! The macros of `pylightnix`: `#[derive(Config)]`, `#[stage]` and `#[track]`.

use proc_macro::TokenStream;

/// x
#[proc_macro_derive(Config, attributes(selfref, dref, config))]
pub fn derive_config(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// x
#[proc_macro_attribute]
pub fn stage(_: TokenStream, i: TokenStream) -> TokenStream {
    i
}
/// x
#[proc_macro_attribute]
pub fn track(_: TokenStream, i: TokenStream) -> TokenStream {
    i
}
