//! Generates the outputs struct, which the stage returns, and the types that identify promises.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Names, generics};
use crate::config::model::Config;

/// Generates the outputs struct. `this` is the type of the config with its generic arguments.
pub(super) fn structure(config: &Config, names: &Names, this: &TokenStream) -> TokenStream {
    let Config {
        vis,
        ident,
        library,
        ..
    } = config;
    let Names {
        outputs, promises, ..
    } = names;
    let tags: Vec<_> = config.promises().map(|(field, _)| &field.ident).collect();
    let field_docs = tags
        .iter()
        .map(|tag| format!("The proof that `{}` was saved.", crate::names::plain(tag)));
    let doc = format!(
        "The return type of a stage of [`{ident}`]: a proof for each promise that it was kept."
    );
    let module = (!tags.is_empty()).then(|| {
        quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, non_snake_case, missing_docs, missing_debug_implementations, unreachable_pub)]
            #vis mod #promises {
                #(pub enum #tags {})*
            }
        }
    });
    let generics = generics(config);
    let (parameters, _, bounds) = generics.split_for_impl();
    quote! {
        #module

        #[doc = #doc]
        #[allow(dead_code, missing_debug_implementations, unreachable_pub)]
        #vis struct #outputs {
            #(
                #[doc = #field_docs]
                #vis #tags: #library::lens::Written<#promises::#tags>
            ),*
        }

        #[automatically_derived]
        impl #parameters #library::plan::StageValue<#this> for #outputs #bounds {}
    }
}
