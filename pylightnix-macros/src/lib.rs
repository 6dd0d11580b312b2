//! The macros of `pylightnix`: `#[derive(Config)]`, `#[stage]` and `#[track]`.
//!
//! Use them through that crate, which documents them. Each macro reads its input (`parse`) into a `model`, looks for
//! contradictions in it (`check`) and writes code (`expand`). All of it works on [`proc_macro2`], so that it is tested
//! without a compiler.

mod config;
#[cfg(test)]
mod expansions;
mod faults;
mod fingerprint;
mod names;
mod options;
mod spans;
mod stage;
mod track;
mod uses;

use proc_macro::TokenStream;

/// Makes a struct the config of a stage.
#[proc_macro_derive(Config, attributes(selfref, dref, config))]
pub fn derive_config(item: TokenStream) -> TokenStream {
    config::derive(item.into()).into()
}

/// Makes a function the stage of a config.
#[proc_macro_attribute]
pub fn stage(options: TokenStream, item: TokenStream) -> TokenStream {
    stage::attribute(options.into(), item.into()).into()
}

/// Makes a helper a part of the code of the stages that use it.
#[proc_macro_attribute]
pub fn track(options: TokenStream, item: TokenStream) -> TokenStream {
    track::attribute(options.into(), item.into()).into()
}
