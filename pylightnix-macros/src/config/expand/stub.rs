//! Generates a stub for a config with errors, so that its uses give no further errors.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics};

use super::{Names, new, outputs};
use crate::config::model::Config;

pub(super) fn config(config: &Config, names: &Names) -> TokenStream {
    let owned = owned(config);
    let arguments = config.generics.params.iter().map(|param| match param {
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
        GenericParam::Lifetime(_) => quote!('static),
    });
    let ident = &config.ident;
    let this = match config.generics.params.is_empty() {
        true => quote!(#ident),
        false => quote!(#ident<#(#arguments),*>),
    };
    let constructor = (!config.fields.is_empty()).then(|| new::constructor(config, names));
    let lens = super::lens::structure(&owned, names);
    let outputs = outputs::structure(&owned, names, &this);
    let implementation = implementation(&owned, names, &this);
    let import = config.library.import();
    quote!(#import #constructor #lens #outputs #implementation)
}

/// Returns the config with all lifetimes replaced by `'static`.
fn owned(config: &Config) -> Config {
    let params = config
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(_) => None,
            other => syn::parse2::<GenericParam>(static_lifetimes(other.to_token_stream())).ok(),
        });
    let mut owned = Config {
        vis: config.vis.clone(),
        ident: config.ident.clone(),
        generics: Generics {
            params: params.collect(),
            ..Generics::default()
        },
        fields: config.fields.clone(),
        library: config.library.clone(),
    };
    for field in &mut owned.fields {
        if let Ok(ty) = syn::parse2::<syn::Type>(static_lifetimes(field.ty.to_token_stream())) {
            field.ty = ty;
        }
    }
    owned
}

fn static_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut after_quote = false;
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(_) if after_quote => {
                after_quote = false;
                Ident::new("static", Span::call_site()).into()
            }
            TokenTree::Group(group) => {
                let inner = static_lifetimes(group.stream());
                proc_macro2::Group::new(group.delimiter(), inner).into()
            }
            other => {
                after_quote = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '\'');
                other
            }
        })
        .collect()
}

fn implementation(config: &Config, names: &Names, this: &TokenStream) -> TokenStream {
    let library = &config.library;
    let Names {
        lens,
        outputs,
        phase,
        ..
    } = names;
    let generics = super::generics(config);
    let (parameters, _, bounds) = generics.split_for_impl();
    let lens_arguments = super::lens::arguments(config, phase);
    quote! {
        #[automatically_derived]
        #[allow(unused_variables, clippy::empty_loop)]
        impl #parameters #library::lens::Config for #this #bounds {
            type Lens<#phase: #library::lens::Phase> = #lens<#lens_arguments>;
            type Outputs = #outputs;

            const PROMISES: &'static [#library::__private::Promise] = &[];

            fn lens<#phase: #library::lens::Phase>(&self, from: &#phase::Source) -> Self::Lens<#phase> {
                loop {}
            }

            fn write(
                &self,
                out: &mut #library::config::ConfigWriter,
                omitted: &mut #library::lens::Omitted,
            ) -> #library::Result<()> {
                loop {}
            }

            fn unhashed(&self) -> #library::Result<#library::lens::Omitted> {
                loop {}
            }

            fn visit(&self, visit: &mut dyn #library::__private::FnMut(&#library::plan::AnyDRef)) {}

            fn declare(
                fields: &mut #library::config::Fields<'_>,
                wanted: &mut #library::plan::Wanted,
            ) -> #library::Result<()> {
                loop {}
            }

            fn revive(
                fields: #library::config::Fields<'_>,
                revived: &#library::plan::Revived,
                planned: #library::__private::Option<&Self>,
            ) -> #library::Result<Self> {
                loop {}
            }

            fn is_exact() -> bool {
                true
            }
        }
    }
}
