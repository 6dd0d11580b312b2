//! Generates the code of a config.

mod conversions;
mod lens;
mod new;
mod outputs;
mod stub;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{GenericParam, Generics, Type};

use super::model::{Config, FieldKind};
use crate::names;

pub(super) fn config(config: &Config) -> TokenStream {
    let names = Names::of(config);
    let parts = [
        config.library.import(),
        new::constructor(config, &names),
        lens::structure(config, &names),
        outputs::structure(config, &names, &this(config)),
        conversions::config(config, &names),
    ];
    parts.into_iter().collect()
}

/// Generates a stub for a config with errors, so that its uses give no further errors.
pub(super) fn stub(config: &Config) -> TokenStream {
    stub::config(config, &Names::of(config))
}

/// The names of the generated items.
struct Names {
    /// `Anneal`
    config: Ident,
    /// `AnnealLens`
    lens: Ident,
    /// `AnnealOutputs`
    outputs: Ident,
    /// `AnnealPromises`: a module with a type for each promise, so that messages contain `AnnealPromises::trace_fs`.
    promises: Ident,
    /// `P`, or another identifier that the config does not use.
    phase: Ident,
}

impl Names {
    fn of(config: &Config) -> Self {
        let name = names::plain(&config.ident);
        let mut phase = "P".to_owned();
        let mut written = config.generics.to_token_stream();
        config
            .fields
            .iter()
            .for_each(|field| field.ty.to_tokens(&mut written));
        config.generics.where_clause.to_tokens(&mut written);
        while names::has_ident(written.clone(), &phase) {
            phase.push('_');
        }
        Names {
            config: config.ident.clone(),
            lens: format_ident!("{name}Lens"),
            outputs: format_ident!("{name}Outputs"),
            promises: format_ident!("{name}Promises"),
            phase: Ident::new(&phase, Span::call_site()),
        }
    }
}

/// Returns the generics of a config for the generated items: without defaults, and with the bounds that all fields of a
/// config need. (If the user had to write these bounds, a missing one would give several errors.)
fn generics(config: &Config) -> Generics {
    let library = &config.library;
    let mut generics = config.generics.clone();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => {
                param.default = None;
                param.attrs.clear();
                param.bounds.push(syn::parse_quote!('static));
                if is_in_plain_field(&param.ident, config) {
                    param
                        .bounds
                        .push(syn::parse_quote!(#library::__private::Send));
                    param
                        .bounds
                        .push(syn::parse_quote!(#library::__private::Sync));
                }
            }
            GenericParam::Const(param) => {
                param.default = None;
                param.attrs.clear();
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    if let Some(bounds) = &mut generics.where_clause
        && let Ok(outside) = syn::parse2(replace_self(bounds.to_token_stream(), &this(config)))
    {
        *bounds = outside;
    }
    generics
}

/// Returns the type of the config with its generic parameters.
fn this(config: &Config) -> TokenStream {
    let (_, arguments, _) = config.generics.split_for_impl();
    let ident = &config.ident;
    quote!(#ident #arguments)
}

fn is_in_plain_field(parameter: &Ident, config: &Config) -> bool {
    config.fields.iter().any(|field| {
        matches!(field.kind, FieldKind::Plain { .. })
            && names_type(field.ty.to_token_stream(), parameter)
    })
}

/// Returns whether the tokens contain the parameter itself, not only an associated type of it (`M::Data`).
fn names_type(tokens: TokenStream, parameter: &Ident) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Group(group) => names_type(group.stream(), parameter),
            TokenTree::Ident(ident) if ident == *parameter => !matches!(
                tokens.peek(),
                Some(TokenTree::Punct(next)) if next.as_char() == ':'
            ),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Returns the type of a field for use outside of the struct, with `Self` replaced.
fn outside(ty: &Type, config: &Config) -> TokenStream {
    replace_self(ty.to_token_stream(), &this(config))
}

fn replace_self(tokens: TokenStream, with: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => with.clone(),
            TokenTree::Group(group) => {
                let inner = replace_self(group.stream(), with);
                let mut new = proc_macro2::Group::new(group.delimiter(), inner);
                new.set_span(group.span());
                TokenTree::Group(new).into()
            }
            other => other.into(),
        })
        .collect()
}
