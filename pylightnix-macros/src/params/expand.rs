//! Generates the code of parameters.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{GenericParam, Generics};

use super::model::{Default, Field, FieldKind, Params};
use crate::library::Library;
use crate::{fingerprint, names, spans};

pub(super) fn params(params: &Params) -> TokenStream {
    let library = &params.library;
    let declares = params.fields.iter().map(|field| declare(field, library));
    let reads = params.fields.iter().map(|field| read(field, library));
    let implementation = implementation(
        params,
        quote!(#(#declares)*),
        quote!(#library::__private::Ok(Self { #(#reads),* })),
    );
    let defaults = defaults(params);
    library.around(quote!(#defaults #implementation))
}

/// Generates a stub for parameters with errors, so that their uses give no further errors.
pub(super) fn stub(params: &Params) -> TokenStream {
    // With a lifetime, any implementation would be a further error.
    if params.generics.lifetimes().next().is_some() {
        return TokenStream::new();
    }
    let stub = implementation(params, TokenStream::new(), quote!(loop {}));
    params.library.around(stub)
}

fn implementation(params: &Params, declare: TokenStream, read: TokenStream) -> TokenStream {
    let (ident, library) = (&params.ident, &params.library);
    let generics = without_defaults(&params.generics);
    let (parameters, _, bounds) = generics.split_for_impl();
    let (_, arguments, _) = params.generics.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(unused_variables, clippy::empty_loop)]
        #[diagnostic::do_not_recommend]
        impl #parameters #library::experiment::Params for #ident #arguments #bounds {
            fn declare(list: &mut #library::experiment::ParamList) {
                #declare
            }

            fn read(values: &#library::experiment::ParamValues<'_>) -> #library::Result<Self> {
                #read
            }
        }
    }
}

fn without_defaults(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => param.default = None,
            GenericParam::Const(param) => param.default = None,
            GenericParam::Lifetime(_) => {}
        }
    }
    generics
}

/// Generates the declaration of a parameter. Errors about its type point at the type.
fn declare(field: &Field, library: &Library) -> TokenStream {
    let Field { key, doc, ty, .. } = field;
    let list = Ident::new("list", Span::mixed_site());
    match &field.kind {
        FieldKind::Nested => {
            let of = quote!(#library::experiment::Params);
            let nested = spans::item_of(ty, &of, "declare");
            quote!(#list.group(#key, #nested);)
        }
        FieldKind::Value { default } => {
            let of = quote!(#library::__private::ParamField<_>);
            let declare = spans::item_of(ty, &of, "declare");
            let text = fingerprint::text(ty.to_token_stream());
            let at = library.at(ty.span());
            let default = match default {
                None => quote!(#library::__private::None),
                Some(Default::OfType) => quote_spanned! {ty.span()=>
                    #at::__private::Some(<#ty as #at::__private::Default>::default)
                },
                Some(Default::Expr(_)) => {
                    let function = default_name(&field.ident);
                    quote!(#library::__private::Some(Self::#function))
                }
            };
            quote! {{
                #[allow(unused_imports)]
                use #library::__private::NoVariants as _;
                #declare(
                    #list,
                    #key,
                    #doc,
                    #text,
                    #default,
                    #library::__private::VariantsOf::<#ty>::variants(),
                );
            }}
        }
    }
}

fn read(field: &Field, library: &Library) -> TokenStream {
    let Field { key, ty, ident, .. } = field;
    let values = Ident::new("values", Span::mixed_site());
    match &field.kind {
        FieldKind::Nested => {
            quote!(#ident: <#ty as #library::experiment::Params>::read(&#values.group(#key)?)?)
        }
        FieldKind::Value { .. } => {
            quote!(#ident: <#ty as #library::__private::ParamField<_>>::read(#values, #key)?)
        }
    }
}

/// Generates a function for each default that is an expression, so that the compiler checks it once.
fn defaults(params: &Params) -> TokenStream {
    let functions: Vec<_> = params
        .fields
        .iter()
        .filter_map(|field| match &field.kind {
            FieldKind::Value {
                default: Some(Default::Expr(expr)),
            } => {
                let (ty, function) = (&field.ty, default_name(&field.ident));
                Some(quote! {
                    #[doc(hidden)]
                    fn #function() -> #ty {
                        #expr
                    }
                })
            }
            _ => None,
        })
        .collect();
    if functions.is_empty() {
        return TokenStream::new();
    }
    let generics = without_defaults(&params.generics);
    let (parameters, _, bounds) = generics.split_for_impl();
    let this = params.this();
    quote! {
        #[automatically_derived]
        impl #parameters #this #bounds {
            #(#functions)*
        }
    }
}

fn default_name(field: &Ident) -> Ident {
    format_ident!("__param_default_{}", names::plain(field))
}
