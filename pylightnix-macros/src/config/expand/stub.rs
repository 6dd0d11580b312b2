//! What stands for a config that is none: enough that its uses are no errors themselves.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::GenericParam;

use super::{Names, conversions};
use crate::config::model::Config;

/// The arguments of a config's lens.
pub(super) fn lens_arguments(config: &Config, phase: &Ident) -> TokenStream {
    let arguments = config
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        });
    quote!(#phase #(, #arguments)*)
}

pub(super) fn config(_: &Config, _: &Names) -> TokenStream {
    TokenStream::new()
}
