//! Generates the lens: the struct of a config's fields in a phase.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::GenericParam;

use super::{Names, generics, outside};
use crate::config::model::{Config, Field, FieldKind};
use crate::{names, spans};

pub(super) fn structure(config: &Config, names: &Names) -> TokenStream {
    let Config {
        vis,
        ident,
        library,
        ..
    } = config;
    let Names { lens, phase, .. } = names;
    let mut generics = generics(config);
    generics
        .params
        .insert(0, syn::parse_quote!(#phase: #library::lens::Phase));
    let (_, _, bounds) = generics.split_for_impl();
    let parameters = &generics.params;
    let fields = config.fields.iter().map(|field| {
        let Field { vis, ident, .. } = field;
        let (docs, ty) = (docs(field, config), field_type(field, config, names));
        quote!(#docs #vis #ident: #ty)
    });
    // If no field uses the phase, a marker field has to name it.
    let witness = uses_no_phase(config).then(|| {
        let types = config.generics.type_params().map(|param| &param.ident);
        quote! {
            #[doc(hidden)]
            __phase: #library::__private::PhantomData<fn() -> (#phase, #(#types,)*)>
        }
    });
    let fields = fields.chain(witness);
    let doc =
        format!("The fields of [`{ident}`] in a plan, in its running stage, or in its result.");
    quote! {
        #[doc = #doc]
        #[allow(dead_code, missing_debug_implementations, unreachable_pub)]
        #vis struct #lens<#parameters> #bounds {
            #(#fields),*
        }
    }
}

/// Returns the generic arguments of the lens: the phase, and those of the config.
pub(super) fn arguments(config: &Config, phase: &Ident) -> TokenStream {
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

pub(super) fn uses_no_phase(config: &Config) -> bool {
    let plain = |field: &Field| matches!(field.kind, FieldKind::Plain { .. });
    config.fields.iter().all(plain)
}

fn docs(field: &Field, config: &Config) -> TokenStream {
    let docs = &field.docs;
    if docs.is_empty() {
        let doc = format!("`{}` of [`{}`].", names::plain(&field.ident), config.ident);
        return quote!(#[doc = #doc]);
    }
    quote!(#(#docs)*)
}

fn field_type(field: &Field, config: &Config, names: &Names) -> TokenStream {
    let library = &config.library;
    let Names {
        promises, phase, ..
    } = names;
    let ty = outside(&field.ty, config);
    match &field.kind {
        FieldKind::Plain { .. } => ty,
        FieldKind::Dep { .. } => {
            let (start, end) = spans::ends(&ty);
            let dep = quote_spanned!(start=> #phase::Dep<);
            let end = quote_spanned!(end=> >);
            quote!(#dep #ty #end)
        }
        FieldKind::Promise(promise) => {
            let tag = &field.ident;
            let format = match &promise.format {
                Some(format) => quote!(#format),
                None => quote!(#library::lens::format::Opaque),
            };
            quote!(#phase::Artifact<#format, #promises::#tag>)
        }
    }
}
