//! Generates the constructor `new` and the defaults of fields.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Names;
use crate::config::model::{Config, Default, Field, FieldKind};
use crate::library::Library;
use crate::names;

pub(super) fn constructor(config: &Config, names: &Names) -> TokenStream {
    let (Config { vis, library, .. }, Names { config: ident, .. }) = (config, names);
    let (generics, arguments, bounds) = config.generics.split_for_impl();
    let required = config.fields.iter().filter(|field| field.is_required());
    let parameters = required.map(|Field { ident, ty, .. }| quote!(#ident: #ty));
    let values = config.fields.iter().map(|field| {
        let ident = &field.ident;
        match &field.kind {
            FieldKind::Promise(_) => quote!(#ident: #library::__private::promise()),
            _ => match default_call(field, library) {
                Some(default) => quote!(#ident: #default),
                None => ident.to_token_stream(),
            },
        }
    });
    let defaults = config.fields.iter().filter_map(default_function);
    let doc = doc(config);
    quote! {
        #[automatically_derived]
        impl #generics #ident #arguments #bounds {
            #[doc = #doc]
            #[must_use]
            #[allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::too_many_arguments)]
            #vis fn new(#(#parameters),*) -> Self {
                #ident { #(#values),* }
            }
            #(#defaults)*
        }
    }
}

fn doc(config: &Config) -> String {
    let defaults: Vec<_> = config
        .fields
        .iter()
        .filter_map(|field| {
            let name = names::plain(&field.ident);
            Some(match field.default()? {
                Default::Expr(expr) => {
                    let expr = crate::fingerprint::text(expr.to_token_stream());
                    format!("`{name}` is `{}`", expr.replace('\n', " "))
                }
                Default::OfType => format!("`{name}` is the default of its type"),
            })
        })
        .collect();
    match defaults.is_empty() {
        true => "Makes a config with these fields.".to_owned(),
        false => format!(
            "Makes a config with these fields; the others have their defaults: {}.",
            defaults.join(", ")
        ),
    }
}

/// Generates the expression for the default of a field.
pub(super) fn default_call(field: &Field, library: &Library) -> Option<TokenStream> {
    let ty = &field.ty;
    let library = library.at(ty.span());
    Some(match field.default()? {
        Default::OfType => quote_spanned! {ty.span()=>
            <#ty as #library::__private::Default>::default()
        },
        Default::Expr(_) => {
            let function = default_name(&field.ident);
            quote!(Self::#function())
        }
    })
}

/// Generates a function for a default expression, so that the compiler checks it once.
fn default_function(field: &Field) -> Option<TokenStream> {
    let Some(Default::Expr(expr)) = field.default() else {
        return None;
    };
    let (ty, function) = (&field.ty, default_name(&field.ident));
    Some(quote! {
        #[doc(hidden)]
        fn #function() -> #ty {
            #expr
        }
    })
}

fn default_name(field: &Ident) -> Ident {
    format_ident!("__default_{}", names::plain(field))
}
