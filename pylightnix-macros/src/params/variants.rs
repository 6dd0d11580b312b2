//! `#[derive(ParamEnum)]`: the variants of an enum, which are the values of a parameter.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::{Data, DeriveInput, Fields, Generics};

use super::parse;
use crate::faults::Faults;
use crate::library::Library;
use crate::names;

/// An enum with `#[derive(ParamEnum)]`.
pub(super) struct Variants {
    ident: Ident,
    generics: Generics,
    /// The variants, with their documentation.
    variants: Vec<(Ident, String)>,
    library: Library,
}

pub(super) fn parse(input: DeriveInput, faults: &mut Faults) -> Variants {
    let library = parse::library(&input.attrs, &names::plain(&input.ident), faults);
    let mut variants = Vec::new();
    match input.data {
        Data::Enum(data) => {
            for variant in data.variants {
                match &variant.fields {
                    Fields::Unit => variants.push((variant.ident, parse::doc(&variant.attrs))),
                    fields => faults.of(
                        fields,
                        "a value of a parameter is a name, so variants have no fields: remove them, or do not derive `ParamEnum`, \
                         which parameters of other types do without",
                    ),
                }
            }
        }
        Data::Struct(data) => faults.at(
            data.struct_token.span,
            "`ParamEnum` is for enums: derive `Params` for a struct of parameters",
        ),
        Data::Union(data) => faults.at(data.union_token.span, "`ParamEnum` is for enums"),
    }
    if faults.count() > 0 {
        // Code that names them would be a further error.
        variants.clear();
    }
    Variants {
        ident: input.ident,
        generics: input.generics,
        variants,
        library,
    }
}

pub(super) fn expand(of: &Variants) -> TokenStream {
    let (ident, library) = (&of.ident, &of.library);
    let (parameters, arguments, bounds) = of.generics.split_for_impl();
    let variants = of.variants.iter().map(|(variant, doc)| {
        // Errors about the type point at the variant.
        let (library, all) = (library.at(variant.span()), Ident::new("all", Span::mixed_site()));
        let mut ident = ident.clone();
        ident.set_span(variant.span().resolved_at(ident.span()));
        quote_spanned!(variant.span()=> #all.extend(#library::__private::param_variant(&#ident::#variant, #doc));)
    });
    let code = quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(unused_mut)]
        impl #parameters #library::experiment::ParamEnum for #ident #arguments #bounds {
            fn variants() -> #library::__private::Vec<#library::experiment::ParamVariant> {
                let mut all = #library::__private::Vec::new();
                #(#variants)*
                all
            }
        }
    };
    library.around(code)
}
